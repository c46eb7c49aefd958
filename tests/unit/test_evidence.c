// SPDX-License-Identifier: GPL-2.0
/* Evidence from synthetic records: what stands in the folders, what never gets out of them. */
#include <glib.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "evidence.h"
#include "fsutil.h"
#include "report.h"
#include "steplist.h"
#include "timeline.h"

#define S 1000000000ull
#define MS 1000000ull

struct entry_bed {
	char *dir;
	struct record *record;
};

static void open_bed(struct entry_bed *bed)
{
	bed->dir = g_dir_make_tmp("vexlab-evidence-XXXXXX", NULL);
	bed->record = record_create(bed->dir, NULL);
	assert_non_null(bed->record);
}

static void close_bed(struct entry_bed *bed)
{
	record_close(bed->record);
	fs_remove_at(AT_FDCWD, bed->dir);
	g_free(bed->dir);
}

static void add(struct entry_bed *bed, enum vx_frame_type type, const char *text)
{
	assert_true(record_bytes(bed->record, type, text, strlen(text), NULL, NULL));
}

static void add_step(struct entry_bed *bed, guint id, const char *name)
{
	g_autofree char *json = g_strdup_printf(
		"{\"id\": %u, \"name\": \"%s\", \"kind\": \"mount\", \"phase\": \"check\", \"cycle\": %u, \"target\": true, "
		"\"op\": \"mount\", \"strings\": [\"/dev/vdc\"], \"num\": [0, 1, 0, 0], \"deadline_ms\": 1000}", id, name, id);

	add(bed, VX_REC_STEP_BEGIN, json);
}

static void answer_step(struct entry_bed *bed, guint id, int err)
{
	const struct vx_msg_step msg = { .id = id, .err = err };

	assert_true(record_bytes(bed->record, VX_MSG_STEP, &msg, sizeof(msg), NULL, NULL));
}

#define RUN_HEAD "{\"target\": \"vexfs\", \"module\": \"vexfs\", \"modules\": [{\"name\": \"vexfs\", " \
	"\"path\": \"/nowhere/vexfs.ko\", \"sha256\": \"00\"}]}"

/* What a hostile guest may print: escapes, a path out of the folder, formats, bytes that are no text. */
#define OOPS_LINES(function) \
	"[   61.000000] innocent line \033[2J before\n" \
	"[   61.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" \
	"[   61.000002] RIP: 0010:" function "+0x4/0x9 [vexfs]\n[   61.000003] Call Trace:\n" \
	"[   61.000004]  ../../../etc/passwd+0x1/0x2 [../../x]\n[   61.000005]  %n%s%n+0x1/0x2\xff\xfe\033]0;x\007\n" \
	"[   61.000006]  vfs_a+0x1/0x2\n[   61.000007]  vfs_b+0x1/0x2\n[   61.000008] ---[ end trace 0 ]---\n"

static struct analysis *judge(struct entry_bed *bed)
{
	struct analysis *an = analysis_read(bed->dir, NULL);
	g_autoptr(GError) error = NULL;
	struct verdict verdict;

	assert_non_null(an);
	score_verdict(an, &verdict);
	if (!report_write_files(bed->dir, an, &verdict, &error))
		fail_msg("%s", error->message);
	return an;
}

static char *text_of(struct entry_bed *bed, const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(bed->dir, folder, name, NULL);
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		fail_msg("there is no %s", path);
	return text;
}

static void expect_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in:\n%s", words, text);
}

/* Nothing but printable text and newlines. */
static void expect_clean(const char *text)
{
	const char *p;

	assert_true(g_utf8_validate(text, -1, NULL));
	for (p = text; *p; p = g_utf8_next_char(p))
		assert_false(*p != '\n' && *p != '\t' && g_unichar_iscntrl(g_utf8_get_char(p)));
}

static void test_a_crash_has_its_folder(void **state)
{
	static const char *const files[] = {
		"README.txt", "finding.json", "console.txt", "stack.txt", "timeline.txt", "timeline.jsonl",
		"steps.json",
	};
	const char *folder;
	struct entry_bed bed;
	struct analysis *an;
	guint i;

	open_bed(&bed);
	add(&bed, VX_REC_RUN, RUN_HEAD);
	add(&bed, VX_REC_VM, "{\"event\": \"ready\"}");
	add(&bed, VX_REC_REQUEST, "{\"do\": \"put\", \"remote\": \"/x\"}");
	add_step(&bed, 1, "mount");
	answer_step(&bed, 1, 0);
	add_step(&bed, 2, "umount \\u001b[2J");
	add(&bed, VX_REC_CONSOLE, OOPS_LINES("vexfs_fill"));
	answer_step(&bed, 2, 0);
	an = judge(&bed);
	assert_non_null(evidence_finding(an, 1));
	assert_null(evidence_finding(an, 2));
	folder = evidence_finding(an, 1)->folder;
	assert_true(g_str_has_prefix(folder, "evidence/01-"));
	for (i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *text = text_of(&bed, folder, files[i]);

		expect_clean(text);
		if (!strcmp(files[i], "stack.txt")) {
			expect_has(text, "vexfs_fill+0x4/0x9 [vexfs]    (no debug information here)");
			expect_has(text, "vfs_a+0x1/0x2\n");
		} else if (!strcmp(files[i], "console.txt")) {
			expect_has(text, "innocent line");
			expect_has(text, "RIP: 0010:vexfs_fill+0x4/0x9 [vexfs]");
		} else if (!strcmp(files[i], "timeline.txt")) {
			expect_has(text, "console  [   61.000001] BUG: kernel NULL pointer dereference");
			expect_has(text, "step 1 ends: ok");
			expect_has(text, "request  {\"do\": \"put\"");
		} else if (!strcmp(files[i], "steps.json")) {
			json_t *json = json_loads(text, 0, NULL);

			assert_int_equal(json_array_size(json_object_get(json, "actions")), 3);
			assert_int_equal(json_integer_value(json_object_get(json, "step")), 2);
			json_decref(json);
		} else if (!strcmp(files[i], "README.txt")) {
			expect_has(text, "vexlab replay ");
		}
	}
	analysis_free(an);
	close_bed(&bed);
}

static void test_folder_names_are_harmless(void **state)
{
	struct entry_bed bed;
	struct analysis *an;
	const char *p;

	open_bed(&bed);
	add(&bed, VX_REC_RUN, RUN_HEAD);
	add(&bed, VX_REC_VM, "{\"event\": \"ready\"}");
	add_step(&bed, 1, "../../../../tmp/x \\u001b[2J \\u0007 ; rm -rf / # mount");
	answer_step(&bed, 1, -5);
	an = judge(&bed);
	p = evidence_finding(an, 1)->folder;
	assert_true(g_str_has_prefix(p, "evidence/01-"));
	for (p += strlen("evidence/"); *p; p++)
		assert_true(g_ascii_isdigit(*p) || g_ascii_islower(*p) || *p == '-');
	analysis_free(an);
	close_bed(&bed);
}

/* Two hundred crashes of one kind, then another: the other one has its folder. */
static void test_folders_are_bounded(void **state)
{
	guint folders, left_out, i;
	struct entry_bed bed;
	struct analysis *an;

	open_bed(&bed);
	add(&bed, VX_REC_RUN, RUN_HEAD);
	add(&bed, VX_REC_VM, "{\"event\": \"ready\"}");
	for (i = 1; i <= 200; i++) {
		add_step(&bed, i, i == 150 ? "rare" : "common");
		answer_step(&bed, i, -5);
	}
	an = judge(&bed);
	evidence_count(an, &folders, &left_out);
	assert_int_equal(folders, EVIDENCE_REPEATS_MAX + 1);
	assert_int_equal(left_out, 200 - folders);
	for (i = 1; i <= folders && !strstr(evidence_finding(an, i)->title, "rare"); i++)
		;
	assert_true(i <= folders);
	analysis_free(an);
	/* As many kinds as there are steps. */
	for (; i <= 200; i++) {
		g_autofree char *name = g_strdup_printf("kind %u", i);

		add_step(&bed, 1000 + i, name);
		answer_step(&bed, 1000 + i, -5);
	}
	an = judge(&bed);
	evidence_count(an, &folders, &left_out);
	assert_int_equal(folders, EVIDENCE_FOLDERS_MAX);
	analysis_free(an);
	close_bed(&bed);
}

/* ---- the step list across points ---------------------------------------------------------- */

static guint64 feed(struct steplist *list, enum vx_frame_type type, const char *json)
{
	const struct rec_entry entry = {
		.frame = { .type = type, .length = (guint32)strlen(json) }, .payload = json,
	};

	return steplist_feed(list, &entry);
}

static void expect_names(const struct steplist *list, const char *names)
{
	g_autoptr(GString) got = g_string_new(NULL);
	guint i;

	for (i = 0; i < steplist_length(list); i++) {
		json_t *json = steplist_action(list, i);

		g_string_append(got, json_string_value(json_object_get(json, "name")));
		json_decref(json);
	}
	assert_string_equal(got->str, names);
}

static void test_going_back_takes_the_list_back(void **state)
{
	VX_GUARD(steplist_free) struct steplist *list = steplist_new();

	feed(list, VX_REC_VM, "{\"event\": \"ready\"}");
	assert_int_equal(feed(list, VX_REC_STEP_BEGIN, "{\"id\": 1, \"name\": \"a\"}"), 1);
	feed(list, VX_REC_VM, "{\"event\": \"point made\", \"name\": \"loaded\"}");
	feed(list, VX_REC_STEP_BEGIN, "{\"id\": 2, \"name\": \"b\"}");
	expect_names(list, "ab");
	assert_string_equal(steplist_point(list), "loaded");
	assert_int_equal(steplist_point_after(list), 1);
	feed(list, VX_REC_VM, "{\"event\": \"restored\", \"name\": \"loaded\"}");
	feed(list, VX_REC_STEP_BEGIN, "{\"id\": 3, \"name\": \"c\"}");
	expect_names(list, "ac");
	feed(list, VX_REC_VM, "{\"event\": \"restored\", \"point\": \"ready\"}");
	expect_names(list, "");
	feed(list, VX_REC_STEP_BEGIN, "{\"id\": 4, \"name\": \"d\"}");
	/* The point outlives a way back to an older one. */
	feed(list, VX_REC_VM, "{\"event\": \"restored\", \"name\": \"loaded\"}");
	expect_names(list, "a");
	/* No JSON at all, and of another form. */
	feed(list, VX_REC_VM, "[");
	feed(list, VX_REC_STEP_BEGIN, "3");
	assert_int_equal(steplist_length(list), 2);
}

/* ---- the time line -------------------------------------------------------------------------- */

static void feed_time(struct timeline *tl, enum vx_frame_type type, const void *data, gsize len, guint64 ns)
{
	const struct rec_entry entry = {
		.stamp = { .realtime_ns = ns, .monotonic_ns = ns },
		.frame = { .type = type, .length = (guint32)len }, .payload = data,
	};

	timeline_feed(tl, &entry);
}

static void feed_text(struct timeline *tl, enum vx_frame_type type, const char *text, guint64 ns)
{
	feed_time(tl, type, text, strlen(text), ns);
}

static void test_events_stand_where_they_happened(void **state)
{
	const guint64 at[] = { 1000 * S };
	VX_GUARD(timeline_free) struct timeline *tl = timeline_new(at, 1);
	/* The guest's clock runs 900 s behind; the heartbeat takes 2 ms. */
	const struct vx_msg_heartbeat beat = { .monotonic_ns = 99 * S };
	struct vx_event_fsop ev = {
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(ev), .ts = 99 * S + 500 * MS, .comm = "a\033b" },
		.op = VX_OP_MOUNT, .api = VX_API_MOUNT,
	};
	g_autoptr(GPtrArray) items = NULL;
	const struct timeline_item *item;
	guint left_out;

	feed_time(tl, VX_MSG_HEARTBEAT, &beat, sizeof(beat), 999 * S + 2 * MS);
	feed_text(tl, VX_REC_CONSOLE, "half a li", 999 * S + 400 * MS);
	feed_text(tl, VX_REC_CONSOLE, "ne\nlater\n", 999 * S + 600 * MS);
	feed_time(tl, VX_MSG_EVENTS, &ev, sizeof(ev), 999 * S + 900 * MS);
	/* One whose clock is out of all bounds stands where it came. */
	ev.head.ts = 5;
	feed_time(tl, VX_MSG_EVENTS, &ev, sizeof(ev), 1000 * S + MS);
	feed_text(tl, VX_REC_CONSOLE, "too late\n", 1004 * S);
	items = timeline_around(tl, 0, &left_out);
	assert_int_equal(items->len, 4);
	assert_int_equal(left_out, 0);
	assert_string_equal(((struct timeline_item *)g_ptr_array_index(items, 0))->text, "half a line");
	item = g_ptr_array_index(items, 1);
	assert_string_equal(item->source, "bpf");
	assert_int_equal(item->realtime_ns, 999 * S + 502 * MS);
	assert_null(strchr(item->text, '\033'));
	assert_string_equal(((struct timeline_item *)g_ptr_array_index(items, 2))->text, "later");
	assert_int_equal(((struct timeline_item *)g_ptr_array_index(items, 3))->realtime_ns, 1000 * S + MS);
}

static void test_a_flood_is_bounded(void **state)
{
	const guint64 at[] = { 1000 * S, 1000 * S, 0 };
	VX_GUARD(timeline_free) struct timeline *tl = timeline_new(at, 3);
	guint left_out, i;

	for (i = 0; i < 20000; i++)
		feed_text(tl, VX_REC_CONSOLE, "flood\n", 999 * S + i * 100000ull);
	for (i = 0; i < 2; i++) {
		g_autoptr(GPtrArray) items = timeline_around(tl, i, &left_out);

		assert_int_equal(items->len, TIMELINE_BEFORE_MAX + TIMELINE_AFTER_MAX);
		assert_int_equal(left_out, 20000 - items->len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_crash_has_its_folder),
		cmocka_unit_test(test_folder_names_are_harmless),
		cmocka_unit_test(test_folders_are_bounded),
		cmocka_unit_test(test_going_back_takes_the_list_back),
		cmocka_unit_test(test_events_stand_where_they_happened),
		cmocka_unit_test(test_a_flood_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
