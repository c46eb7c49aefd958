// SPDX-License-Identifier: GPL-2.0
/* Stress and exhaustion: what is read of an answer, and which answers become findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "feed.h"
#include "stress_kinds.h"

static void counts_are_read(void **state)
{
	guint64 operations, ms, met;

	assert_true(stress_parse_counts("operations 1256 in 2360 ms\nmet 547 times: a mount and an unmount\n"
					"met 3 times: something else\nmount 628, EBUSY 7\n", &operations, &ms, &met));
	assert_int_equal(operations, 1256);
	assert_int_equal(ms, 2360);
	assert_int_equal(met, 550);
}

static void what_is_no_count_is_none(void **state)
{
	guint64 operations, ms, met;

	assert_false(stress_parse_counts("", &operations, &ms, &met));
	assert_false(stress_parse_counts("operations many in 3 ms\n", &operations, &ms, &met));
	assert_int_equal(ms, 0);
	assert_false(stress_parse_counts("umount failed: operations 3 in 3 ms\n", &operations, &ms, &met));
	/* The first one counts: the guest may say it again. */
	assert_true(stress_parse_counts("operations 1 in 2 ms\noperations 99 in 1 ms\n", &operations, &ms, &met));
	assert_int_equal(operations, 1);
}

static void kinds_are_known_by_name(void **state)
{
	char *all[] = { NULL }, *two[] = { "bind,freeze", "remount", NULL }, *odd[] = { "bind,blend", NULL };
	g_autofree char *unknown = stress_unknown_kind(odd, vx_stress_kinds);

	assert_null(stress_unknown_kind(all, vx_stress_kinds));
	assert_null(stress_unknown_kind(two, vx_stress_kinds));
	assert_string_equal(unknown, "blend");
}

static void tables_are_whole(void **state)
{
	const struct vx_stress_kind *const tables[] = { vx_stress_kinds, vx_exhaust_kinds };
	const struct vx_stress_kind *row, *other;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(tables); i++) {
		for (row = tables[i]; row->name; row++) {
			assert_true(strlen(row->what) > 10 && strlen(row->expected) > 10);
			for (other = row + 1; other->name; other++)
				assert_string_not_equal(row->name, other->name);
		}
	}
}

static struct feed begin(gboolean provokes)
{
	struct feed f = feed_begin("stress bind", "stress");

	if (provokes)
		say(&f, VX_REC_STEP_BEGIN, "{\"id\": 7, \"cycle\": 3, \"name\": \"stress bind\", \"kind\": \"stress\", "
		    "\"target\": true, \"provokes\": true}");
	return f;
}

static void step_ends(struct feed *f, int err, gint64 value, const char *text)
{
	const struct vx_msg_step msg = { .id = 7, .err = err, .value = value };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	entry(f, VX_MSG_STEP, payload->data, payload->len);
}

static void wrong_answer_is_a_finding(void **state)
{
	struct feed f = begin(TRUE);

	step_ends(&f, -EBADMSG, VX_FILE_HELD, "the super block stays though nothing is mounted\n/dev/vdc\n");
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title, "stress bind: the super block stays though nothing is mounted");
	assert_string_equal(feed_finding(&f, 0)->kind, "held");
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_STEP_FAILED);
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_HIGH);
	assert_int_equal(feed_finding(&f, 0)->blame, BLAME_MODULE);
	feed_end(&f);
}

static void right_answer_is_none(void **state)
{
	struct feed f = begin(FALSE);

	step_ends(&f, 0, VX_FILE_UNSUPPORTED, "it cannot be frozen\noperations 3 in 1 ms\n");
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

#define FS_ERROR	"[    5.000000] EXT4-fs error (device dm-0): ext4_find_entry:1684: inode #2: comm agent: reading\n"
#define NO_MEMORY	"[    5.000001] Memory cgroup out of memory: Killed process 99 (agent) total-vm:1kB\n"
#define CRASH		"[    5.100000] kernel BUG at fs/vexfs/super.c:12!\n"

static void console(struct feed *f, const char *text)
{
	entry(f, VX_REC_CONSOLE, text, strlen(text));
}

static void provoked_messages_are_right(void **state)
{
	struct feed f = begin(TRUE);

	console(&f, FS_ERROR NO_MEMORY);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void a_crash_among_them_is_not(void **state)
{
	struct feed f = begin(TRUE);

	console(&f, FS_ERROR CRASH);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_BUG);
	feed_end(&f);
}

static void the_same_unprovoked_are_findings(void **state)
{
	struct feed f = begin(FALSE);

	console(&f, FS_ERROR NO_MEMORY);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 2);
	feed_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_read),
		cmocka_unit_test(what_is_no_count_is_none),
		cmocka_unit_test(kinds_are_known_by_name),
		cmocka_unit_test(tables_are_whole),
		cmocka_unit_test(wrong_answer_is_a_finding),
		cmocka_unit_test(right_answer_is_none),
		cmocka_unit_test(provoked_messages_are_right),
		cmocka_unit_test(a_crash_among_them_is_not),
		cmocka_unit_test(the_same_unprovoked_are_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
