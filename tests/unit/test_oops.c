// SPDX-License-Identifier: GPL-2.0
/* The console library: each class named rightly, in whatever shape the bytes come. */
#include <errno.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "oops.h"
#include "oops_logs.h"

struct told {
	GString *all;			/* every event, as text */
	guint events, crashes;
	struct oops_event last;		/* its strings are copies below */
	char title[256], function[OOPS_NAME_MAX], module[OOPS_NAME_MAX];
};

static void on_event(void *ctx, const struct oops_event *event)
{
	struct told *told = ctx;

	told->events++;
	told->crashes += event->crash;
	told->last = *event;
	g_strlcpy(told->title, event->title, sizeof(told->title));
	g_strlcpy(told->function, event->function, sizeof(told->function));
	g_strlcpy(told->module, event->module, sizeof(told->module));
	if (told->all)
		g_string_append_printf(told->all, "%s|%s|%s|%s|%d|%d|%d|%d|%" G_GUINT64_FORMAT "|%"
				       G_GUINT64_FORMAT "|%" G_GUINT64_FORMAT "|%u|%.*s\n",
				       oops_class_name(event->class), event->title, event->function,
				       event->module, event->crash, event->corrupted, event->panicked,
				       event->noise, event->kernel_ns, event->start, event->end,
				       event->folded, (int)event->text_len, event->text);
}

static struct oops_stream *stream_new(struct told *told)
{
	const struct oops_options options = {
		.emit = on_event, .ctx = told, .filesystem = "vexfs",
	};

	memset(told, 0, sizeof(*told));
	return oops_new(&options);
}

static void tell(struct told *told, const char *text)
{
	struct oops_stream *stream = stream_new(told);

	oops_feed(stream, text, strlen(text));
	oops_finish(stream);
	oops_free(stream);
}

static void test_each_class(void **state)
{
	gboolean seen[OOPS_CLASSES] = { FALSE };
	struct told told;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(oops_logs); i++) {
		const struct oops_log *log = &oops_logs[i];

		tell(&told, log->text);
		assert_string_equal(told.title, log->title);
		if (told.events != 1)
			print_error("%s: %u events\n", log->title, told.events);
		assert_int_equal(told.events, 1);
		assert_int_equal(told.last.class, log->class);
		assert_int_equal(told.last.severity,
				 log->panicked ? OOPS_CRITICAL : log->severity);
		assert_string_equal(told.function, log->function);
		assert_string_equal(told.module, log->module);
		assert_int_equal(told.last.crash, log->crash);
		assert_int_equal(told.last.panicked, log->panicked);
		/* Its stacks have no headings: nothing is missing. */
		assert_false(log->class == OOPS_KFENCE && told.last.corrupted);
		seen[log->class] = TRUE;
	}
	for (i = 0; i < OOPS_CLASSES; i++)
		assert_true(seen[i]);
}

/* A warning kills nobody: a panic soon after it is another crash, unless it says that it is its sequel. */
static void test_panic_after_a_warning(void **state)
{
	static const char warning[] = "[    1.0] WARNING: CPU: 0 PID: 1 at fs/a.c:88 a_one+0x4/0x9\n"
		"[    1.0] RIP: 0010:a_one+0x4/0x9\n[    1.0] Call Trace:\n[    1.0]  a_two+0x1/0x2\n"
		"[    1.0]  a_three+0x1/0x2\n[    1.0] ---[ end trace 0 ]---\n";
	static const struct { const char *panic, *title; } panics[] = {
		{ "[    1.5] Kernel panic - not syncing: vexfs: no more\n", "kernel panic: vexfs: no more" },
		{ "[    1.5] Kernel panic - not syncing: panic_on_warn set ...\n", "WARNING in a_one" },
	};
	struct told told;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(panics); i++) {
		struct oops_stream *stream = stream_new(&told);

		oops_feed(stream, warning, strlen(warning));
		oops_settle(stream, false);
		assert_int_equal(told.events, 1);
		assert_string_equal(told.title, "WARNING in a_one");
		oops_feed(stream, panics[i].panic, strlen(panics[i].panic));
		oops_finish(stream);
		assert_int_equal(told.events, 2);
		assert_string_equal(told.title, panics[i].title);
		assert_true(told.last.panicked);
		oops_free(stream);
	}
}

/* No end marker comes after it: the end of its stack is enough, when nothing more comes. */
static void test_stack_ends_a_report(void **state)
{
	static const char text[] = "[    1.0] BUG: scheduling while atomic: a/1/0x2\n[    1.0] Call Trace:\n"
		"[    1.0]  <TASK>\n[    1.0]  a_one+0x1/0x2\n[    1.0]  a_two+0x1/0x2\n";
	struct told told;
	struct oops_stream *stream = stream_new(&told);

	oops_feed(stream, text, strlen(text));
	oops_settle(stream, false);
	assert_int_equal(told.events, 0);
	oops_feed(stream, "[    1.0]  </TASK>\n", 19);
	oops_settle(stream, false);
	assert_int_equal(told.events, 1);
	assert_string_equal(told.title, "BUG: scheduling while atomic in a_one");
	oops_free(stream);
}

static void test_quiet(void **state)
{
	struct told told;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(oops_quiet); i++) {
		tell(&told, oops_quiet[i]);
		assert_string_equal(told.title, "");
	}
}

/* Every place to cut the stream once, and every size of equal chunks. */
static void test_chunks(void **state)
{
	struct told told;
	struct oops_stream *stream = stream_new(&told);
	g_autofree char *want = NULL;
	gsize cut, len, at;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(oops_logs); i++) {
		const char *text = oops_logs[i].text;
		gint64 base = 0;

		len = strlen(text);
		for (cut = 0; cut <= len; cut++) {
			/* Offsets go on from log to log: a new stream only for each log. */
			if (!cut) {
				oops_free(stream);
				stream = stream_new(&told);
			}
			told.all = g_string_new(NULL);
			oops_feed(stream, text, cut);
			oops_feed(stream, text + cut, len - cut);
			oops_finish(stream);
			oops_reset(stream);
			assert_true(told.last.start - (guint64)base < len);
			if (!cut)
				want = g_strdup(told.title);
			assert_string_equal(told.title, want);
			if (told.events != cut + 1)
				print_error("%s: cut at %zu: %u events\n", oops_logs[i].title, cut, told.events);
			assert_int_equal(told.events, cut + 1);
			base += (gint64)len;
			g_string_free(told.all, TRUE);
			told.all = NULL;
		}
		g_clear_pointer(&want, g_free);
	}
	oops_free(stream);
	for (at = 1; at < 70; at++) {
		g_autoptr(GString) all = g_string_new(NULL);
		gsize from;

		stream = stream_new(&told);
		told.all = all;
		for (i = 0; i < G_N_ELEMENTS(oops_logs); i++)
			for (from = 0, len = strlen(oops_logs[i].text); from < len; from += at)
				oops_feed(stream, oops_logs[i].text + from, MIN(at, len - from));
		oops_finish(stream);
		oops_free(stream);
		if (!want)
			want = g_strdup(all->str);
		assert_string_equal(all->str, want);
	}
}

/* A report in all the disguises of a serial line. */
static void test_disguises(void **state)
{
	static const char *const forms[] = {
		"%sWARNING: CPU: 0 PID: 1 at fs/vexfs/a.c:88 vexfs_a+0x4/0x9 [vexfs]%s\n"
		"%sRIP: 0010:vexfs_a+0x4/0x9 [vexfs]%s\n%sCall Trace:%s\n%s vexfs_b+0x1/0x2 [vexfs]%s\n"
		"%s vexfs_c+0x1/0x2 [vexfs]%s\n%s---[ end trace 0 ]---%s\n",
	};
	static const struct { const char *before, *after; } ends[] = {
		{ "", "" }, { "", "\r" }, { "[    1.000000] ", "\r" }, { "[    1.000000][  T211] ", "" },
		{ "<4>[    1.000000] ", "" }, { "\033[1;31m", "\033[0m" }, { "\033[K\r", "\r\r" },
		{ "[    1.000000] \001\002", "\003" }, { "debian login: [    1.000000] ", "" },
		{ "** 12 printk messages dropped ** [    1.000000] ", "" },
	};
	struct told told;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(ends); i++) {
		const char *b = ends[i].before, *a = ends[i].after;
		g_autofree char *text = g_strdup_printf(forms[0], b, a, b, a, b, a, b, a, b, a, b, a);

		tell(&told, text);
		assert_int_equal(told.events, 1);
		assert_string_equal(told.title, "WARNING in vexfs_a");
		assert_string_equal(told.module, "vexfs");
		assert_false(told.last.corrupted);
		assert_true(told.last.kernel_ns == OOPS_NO_TIME || told.last.kernel_ns == 1000000000);
	}
}

static void test_nul_bytes_and_rubbish(void **state)
{
	static const char text[] = "\xff\xfe\0\0BU\0G: unable to handle page fault for address: 0\r\0\n"
		"\x80\x81 rubbish\0\n[    1.0] x\nRIP: 0010:vexfs_a+0x4/0x9 [vexfs]\nCall Trace:\n"
		" vexfs_b+0x1/0x2 [vexfs]\n vexfs_c+0x1/0x2\n";
	struct told told;
	struct oops_stream *stream = stream_new(&told);
	g_autofree char *flood = g_malloc(1 << 20);

	oops_feed(stream, text, sizeof(text) - 1);
	oops_finish(stream);
	assert_string_equal(told.title, "BUG: unable to handle kernel paging request in vexfs_a");
	/* A line of a megabyte, then one that matters. */
	memset(flood, 'A', 1 << 20);
	oops_feed(stream, flood, 1 << 20);
	oops_feed(stream, "\n", 1);
	oops_feed(stream, oops_logs[0].text, strlen(oops_logs[0].text));
	oops_finish(stream);
	assert_int_equal(told.events, 2);
	assert_string_equal(told.title, oops_logs[0].title);
	oops_free(stream);
}

/* Two tasks die at once; printk tells them apart. */
static void test_interleaved(void **state)
{
	static const char text[] =
		"[    1.000001][  T211] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
		"[    1.000002][    C1] watchdog: something harmless\n"
		"[    1.000003][  T211] Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
		"[    1.000004][  T300] RIP: 0010:innocent+0x1/0x2\n"
		"[    1.000005][  T211] RIP: 0010:vexfs_a+0x4/0x9 [vexfs]\n"
		"[    1.000006][  T300] Call Trace:\n[    1.000007][  T300]  innocent2+0x1/0x2\n"
		"[    1.000008][  T211] Call Trace:\n[    1.000009][  T211]  vexfs_b+0x1/0x2 [vexfs]\n"
		"[    1.000010][  T211]  vexfs_c+0x1/0x2 [vexfs]\n[    1.000011][  T211] ---[ end trace 0 ]---\n";
	struct told told;

	tell(&told, text);
	assert_int_equal(told.events, 1);
	assert_string_equal(told.title, "BUG: unable to handle kernel NULL pointer dereference in vexfs_a");
	assert_null(memmem(told.title, strlen(told.title), "innocent", 8));
	assert_false(told.last.corrupted);
}

#define OOPS_TEXT \
	"[    1.000001] BUG: kernel NULL pointer dereference, address: 0000000000000018\n" \
	"[    1.000002] Oops: 0000 [#1] PREEMPT SMP NOPTI\n" \
	"[    1.000003] RIP: 0010:vexfs_a+0x4/0x9 [vexfs]\n[    1.000004] Call Trace:\n" \
	"[    1.000005]  vexfs_b+0x1/0x2 [vexfs]\n[    1.000006]  vexfs_c+0x1/0x2\n" \
	"[    1.000007] ---[ end trace 0000000000000000 ]---\n"
#define OOPS_TITLE "BUG: unable to handle kernel NULL pointer dereference in vexfs_a"

static void test_one_crash_counts_once(void **state)
{
	static const char *const after[] = {
		"[    1.000020] Fixing recursive fault but reboot is needed!\n"
		"[    1.000021] Kernel panic - not syncing: Fatal exception\n"
		"[    1.000022] ---[ end Kernel panic - not syncing: Fatal exception ]---\n",
		"[    1.000020] Kernel panic - not syncing: Fatal exception\n"
		"[    1.000021] Kernel Offset: disabled\n[    1.000022] Rebooting in 1 seconds..\n",
	};
	struct told told;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(after); i++) {
		g_autofree char *text = g_strconcat(OOPS_TEXT, after[i], NULL);

		tell(&told, text);
		assert_int_equal(told.events, 1);
		assert_string_equal(told.title, OOPS_TITLE);
		assert_int_equal(told.last.class, OOPS_NULL);
		assert_true(told.last.panicked);
		assert_int_equal(told.last.severity, OOPS_CRITICAL);
	}
}

/* Without caller ids the PID tells that the dying task goes on complaining. */
static void test_dying_words(void **state)
{
	static const char text[] =
		"[    1.000001] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
		"[    1.000002] CPU: 0 PID: 211 Comm: mount Tainted: G           OE      6.12.5 #1\n"
		"[    1.000003] RIP: 0010:vexfs_a+0x4/0x9 [vexfs]\n[    1.000004] Call Trace:\n"
		"[    1.000005]  vexfs_b+0x1/0x2 [vexfs]\n[    1.000006]  vexfs_c+0x1/0x2\n"
		"[    1.000007] ---[ end trace 0000000000000000 ]---\n"
		"[    1.000010] note: mount[211] exited with preempt_count 1\n"
		"[    1.000011] BUG: sleeping function called from invalid context at kernel/a.c:8\n"
		"[    1.000012] CPU: 0 PID: 211 Comm: mount Tainted: G      D    OE      6.12.5 #1\n"
		"[    1.000013] Call Trace:\n[    1.000014]  exit_signals+0x1/0x2\n"
		"[    1.000015]  do_exit+0x1/0x2\n"
		"[    4.000011] WARNING: CPU: 0 PID: 212 at fs/a.c:8 vexfs_d+0x1/0x2 [vexfs]\n"
		"[    4.000012] CPU: 0 PID: 212 Comm: umount Tainted: G      D    OE      6.12.5 #1\n"
		"[    4.000013] RIP: 0010:vexfs_d+0x1/0x2 [vexfs]\n[    4.000014] ---[ end trace 0 ]---\n";
	struct told told;

	tell(&told, text);
	assert_int_equal(told.events, 2);
	assert_string_equal(told.title, "WARNING in vexfs_d");
}

/* The panic comes when the Oops has been delivered already: it is told as that one's. */
static void test_late_panic(void **state)
{
	static const char late[] = "[    1.000900] Kernel panic - not syncing: Fatal exception\n"
		"[    1.000901] ---[ end Kernel panic - not syncing: Fatal exception ]---\n";
	struct told told;
	struct oops_stream *stream = stream_new(&told);

	oops_feed(stream, OOPS_TEXT, strlen(OOPS_TEXT));
	assert_int_equal(told.events, 0);
	oops_settle(stream, false);
	assert_int_equal(told.events, 1);
	assert_false(told.last.panicked);
	oops_feed(stream, late, strlen(late));
	assert_int_equal(told.events, 2);
	assert_true(told.last.follows && told.last.panicked);
	assert_int_equal(told.last.class, OOPS_PANIC);
	assert_string_equal(told.title, OOPS_TITLE);
	oops_free(stream);
}

static void test_two_crashes_count_twice(void **state)
{
	static const char second[] =
		"[    9.000001] WARNING: CPU: 0 PID: 1 at fs/vexfs/a.c:88 vexfs_w+0x4/0x9 [vexfs]\n"
		"[    9.000003] RIP: 0010:vexfs_w+0x4/0x9 [vexfs]\n[    9.000004] Call Trace:\n"
		"[    9.000005]  vexfs_b+0x1/0x2 [vexfs]\n[    9.000006]  vexfs_c+0x1/0x2\n"
		"[    9.000007] ---[ end trace 0000000000000000 ]---\n";
	g_autofree char *text = g_strconcat(OOPS_TEXT, second, NULL);
	struct told told;

	tell(&told, text);
	assert_int_equal(told.events, 2);
	assert_string_equal(told.title, "WARNING in vexfs_w");
}

/* The watchdogs of all CPUs, again and again. */
static void test_one_hang_counts_once(void **state)
{
	g_autoptr(GString) text = g_string_new(NULL);
	struct told told;
	guint i;

	for (i = 0; i < 6; i++)
		g_string_append_printf(text,
			"[  %u.000001] watchdog: BUG: soft lockup - CPU#%u stuck for 26s! [sync:211]\n"
			"[  %u.000002] RIP: 0010:vexfs_spin+0x15/0x20 [vexfs]\n[  %u.000003] Call Trace:\n"
			"[  %u.000004]  vexfs_sync_fs+0x6f/0xc0 [vexfs]\n"
			"[  %u.000005]  do_syscall_64+0x3b/0x90\n", 100 + 22 * i, i % 2, 100 + 22 * i,
			100 + 22 * i, 100 + 22 * i, 100 + 22 * i);
	tell(&told, text->str);
	assert_int_equal(told.events, 1);
	assert_string_equal(told.title, "BUG: soft lockup in vexfs_sync_fs");
}

static void test_corrupted(void **state)
{
	struct told told;

	tell(&told, "[    1.000001] BUG: unable to handle kernel \n[    1.000002] something else\n");
	assert_int_equal(told.events, 1);
	assert_true(told.last.corrupted);
	/* cut off before the stack */
	tell(&told, "[    1.000001] WARNING: CPU: 0 PID: 1 at fs/a.c:8 vexfs_w+0x4/0x9 [vexfs]\n");
	assert_true(told.last.corrupted);
	assert_string_equal(told.function, "");
}

/* printk lost the first try and says it again. */
static void test_replayed(void **state)
{
	static const char text[] = "[    1.000001] BUG: kernel NULL poin\n"
		"[    1.000002] ** replaying previous printk message **\n" OOPS_TEXT;
	struct told told;

	tell(&told, text);
	assert_int_equal(told.events, 1);
	assert_string_equal(told.title, OOPS_TITLE);
}

static void test_offsets_and_time(void **state)
{
	static const char before[] = "[    0.900000] hello\nworld\n";
	g_autofree char *text = g_strconcat(before, OOPS_TEXT, NULL);
	struct told told;

	tell(&told, text);
	assert_int_equal(told.last.start, strlen(before));
	assert_int_equal(told.last.end, strlen(text) - 1);
	assert_int_equal(told.last.kernel_ns, 1000001000);
}

static void test_noise(void **state)
{
	struct told told;
	struct oops_stream *stream = stream_new(&told);

	assert_int_equal(oops_add_noise(stream, "(unclosed"), -EINVAL);
	assert_int_equal(oops_add_noise(stream, "^WARNING in vexfs_put"), 0);
	oops_feed(stream, OOPS_TEXT, strlen(OOPS_TEXT));
	oops_finish(stream);
	assert_false(told.last.noise);
	oops_feed(stream, oops_logs[10].text, strlen(oops_logs[10].text));
	oops_finish(stream);
	assert_string_equal(told.title, "WARNING in vexfs_put_super");
	assert_true(told.last.noise);
	oops_free(stream);
}

static void test_expected_boot(void **state)
{
	static const char boot[] = "[   99.000000] late\nDecompressing Linux... done.\nBooting the kernel.\n"
		"[    0.000000] Linux version 6.12.5 (gcc 12.2.0) #1 SMP\n";
	struct told told;
	struct oops_stream *stream = stream_new(&told);

	oops_expect_boot(stream, true);
	oops_feed(stream, boot, strlen(boot));
	oops_finish(stream);
	assert_int_equal(told.events, 0);
	oops_expect_boot(stream, false);
	oops_feed(stream, boot, strlen(boot));
	oops_finish(stream);
	assert_int_equal(told.events, 1);
	assert_int_equal(told.last.class, OOPS_REBOOT);
	oops_free(stream);
}

/* What floods the console is bounded in memory and told as what it is. */
static void test_flood(void **state)
{
	static const char frame[] = "[    1.000005]  vexfs_b+0x1/0x2 [vexfs]\n";
	struct told told;
	struct oops_stream *stream = stream_new(&told);
	guint i;

	oops_feed(stream, OOPS_TEXT, 200);
	for (i = 0; i < 40000; i++)
		oops_feed(stream, frame, strlen(frame));
	oops_finish(stream);
	assert_int_equal(told.events, 1);
	assert_true(told.last.text_len <= OOPS_TEXT_MAX);
	for (i = 0; i < 1000; i++)
		oops_feed(stream, "EXT4-fs error (device vdc): ext4_lookup:1855: x\n", 48);
	oops_finish(stream);
	assert_int_equal(told.events, 2);
	oops_free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_class),
		cmocka_unit_test(test_panic_after_a_warning),
		cmocka_unit_test(test_stack_ends_a_report),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_disguises),
		cmocka_unit_test(test_nul_bytes_and_rubbish),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_one_crash_counts_once),
		cmocka_unit_test(test_dying_words),
		cmocka_unit_test(test_late_panic),
		cmocka_unit_test(test_two_crashes_count_twice),
		cmocka_unit_test(test_one_hang_counts_once),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_offsets_and_time),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_expected_boot),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
