// SPDX-License-Identifier: GPL-2.0
/* What the oracle's steps answer becomes a finding; what only searches does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "feed.h"
#include "oracle_answer.h"

#define PROGRAM "{\"do\": \"oracle\", \"event\": \"program\", \"text\": \"create a\\ncreate b\\nrename a b\\n\"}"
#define ANSWER	"rename over a file answers EEXIST, the reference: success\noperation 3: rename a b\n" \
		"shape: rename over a file\nerrno: 17 0\n\n"

static struct feed begin(const char *run, const char *kind, const char *op)
{
	struct feed f = {
		.detect = detect_new(), .now = 100 * S,
		.findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free),
	};
	g_autofree char *step = g_strdup_printf("{\"id\": 7, \"cycle\": 3, \"name\": \"mount after a remount\", \"kind\": \"%s\", "
						"\"op\": \"%s\", \"target\": true, \"may_fail\": true}", kind, op);

	say(&f, VX_REC_RUN, run);
	say(&f, VX_REC_REQUEST, PROGRAM);
	say(&f, VX_REC_STEP_BEGIN, step);
	return f;
}

static void answer(struct feed *f, int err, gint64 value, const char *text)
{
	const struct vx_msg_step msg = { .id = 7, .err = err, .value = value };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	entry(f, VX_MSG_STEP, payload->data, payload->len);
}

#define ORDINARY "{\"module\": \"vexfs\", \"target\": \"vexfs\"}"
#define REPLAY "{\"module\": \"vexfs\", \"target\": \"vexfs\", \"replay\": {}}"

static void a_difference_is_a_finding(void **state)
{
	struct feed f = begin(ORDINARY, ORACLE_STEP, "oracle");
	const struct finding *finding;

	answer(&f, 0, 3 << 8 | VX_ORACLE_WRONG, ANSWER);
	assert_int_equal(f.findings->len, 1);
	finding = feed_finding(&f, 0);
	assert_int_equal(finding->class, FINDING_WRONG_RESULT);
	assert_string_equal(finding->title, "rename over a file answers EEXIST, the reference: success");
	assert_int_equal(finding->blame, BLAME_MODULE);
	assert_int_equal(finding->step, 7);
	assert_string_equal(finding->lines->pdata[0], "operations, 3:");
	assert_string_equal(finding->lines->pdata[3], "  rename a b");
	feed_end(&f);
}

static void a_try_is_none_but_in_a_replay(void **state)
{
	struct feed f = begin(ORDINARY, ORACLE_TRY, "oracle");

	answer(&f, 0, VX_ORACLE_CORRUPT, ANSWER);
	assert_int_equal(f.findings->len, 0);
	say(&f, VX_REC_VM, "{\"event\": \"oracle unconfirmed\", \"step\": 7, \"title\": \"x\", \"class\": \"LostData\", \"detail\": \"\"}");
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_LOST_DATA);
	feed_end(&f);
	f = begin(REPLAY, ORACLE_TRY, "oracle");
	answer(&f, 0, VX_ORACLE_CORRUPT, ANSWER);
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_CORRUPTION);
	feed_end(&f);
}

static void limits_and_sameness_are_none(void **state)
{
	struct feed f = begin(ORDINARY, ORACLE_STEP, "oracle");

	answer(&f, 0, VX_ORACLE_LIMIT, ANSWER);
	answer(&f, 0, 300 << 8, "");
	answer(&f, 0, 77, "nonsense");
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void a_mount_that_fails_is_lost_data(void **state)
{
	struct feed f = begin(ORDINARY, ORACLE_STEP, "mount");

	answer(&f, -EUCLEAN, 0, "");
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_LOST_DATA);
	assert_string_equal(feed_finding(&f, 0)->title, "mount after a remount failed: Structure needs cleaning");
	feed_end(&f);
}

static void samples(const char *const *text, const char *title)
{
	struct feed f = begin(ORDINARY, ORACLE_STEP, "statfs");
	guint i;

	for (i = 0; i < ORACLE_SAMPLES; i++)
		answer(&f, 0, 0, text[i]);
	assert_int_equal(f.findings->len, title ? 1 : 0);
	if (title)
		assert_string_equal(feed_finding(&f, 0)->title, title);
	feed_end(&f);
}

static void space_is_lost_when_it_goes_each_time(void **state)
{
	samples((const char *const[]){ "4096 100 90 50 40\n", "4096 100 89 50 40\n", "4096 100 88 50 40\n", "4096 100 80 50 40\n" },
		"free space does not come back");
	samples((const char *const[]){ "4096 100 90 50 40\n", "4096 100 90 50 39\n", "4096 100 90 50 38\n", "4096 100 90 50 37\n" },
		"free inodes do not come back");
	/* What it keeps, it keeps once. */
	samples((const char *const[]){ "4096 100 90 50 40\n", "4096 100 80 50 30\n", "4096 100 80 50 30\n", "4096 100 80 50 30\n" },
		NULL);
	samples((const char *const[]){ "rubbish", "", "4096 100 80 50 30\n", "4096 100 70 50 30\n" }, NULL);
}

static void answers_are_bounded(void **state)
{
	ORACLE_ANSWER_CLEAR struct oracle_answer a = { 0 };
	const struct vx_msg_step msg = { .id = 7, .value = VX_ORACLE_WRONG };
	g_autofree char *text = g_strnfill(100000, '\xff');

	oracle_answer_parse(&msg, text, 100000, &a);
	assert_true(strlen(a.title) < 1000 && g_utf8_validate(a.title, -1, NULL));
	assert_string_equal(a.shape, "");
	assert_int_equal(a.line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_difference_is_a_finding),
		cmocka_unit_test(a_try_is_none_but_in_a_replay),
		cmocka_unit_test(limits_and_sameness_are_none),
		cmocka_unit_test(a_mount_that_fails_is_lost_data),
		cmocka_unit_test(space_is_lost_when_it_goes_each_time),
		cmocka_unit_test(answers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
