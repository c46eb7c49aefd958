// SPDX-License-Identifier: GPL-2.0
/* Steps that failed: one finding each, but none beside the crash that they died of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "feed.h"
#include "wire.h"

#define OOPS	"{\"event_type\": \"Oops\", \"step\": 7}"

static void step_ends(struct feed *f, int err, gint64 value, const char *text)
{
	const struct vx_msg_step msg = { .id = 7, .err = err, .value = value };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	entry(f, VX_MSG_STEP, payload->data, payload->len);
}

static void idle(struct feed *f, guint64 ns)
{
	f->now += ns;
	take(f, detect_idle(f->detect, f->now));
}

static void expect_title(const struct feed *f, const char *title)
{
	assert_int_equal(f->findings->len, 1);
	assert_string_equal(feed_finding(f, 0)->title, title);
}

static void test_ok(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	step_ends(&f, 0, 5, "");
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void test_errno(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	step_ends(&f, -EIO, 0, "why\n");
	expect_title(&f, "the step failed: Input/output error");
	assert_string_equal(feed_finding(&f, 0)->lines->pdata[0], "why");
	feed_end(&f);
}

/* A deadline that struck a moment too early is no hang. */
static void test_late(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	step_ends(&f, 0, 0, "the deadline struck\ntask 7 is running\n" VX_STEP_LATE);
	expect_title(&f, "the step took longer than its deadline");
	assert_int_equal(feed_finding(&f, 0)->blame, BLAME_ENVIRONMENT);
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_LOW);
	feed_end(&f);
}

/* An error of its own stays one, crash or not. */
static void test_errno_after_a_crash(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	say(&f, VX_REC_FINDING, OOPS);
	step_ends(&f, -EIO, 0, "");
	assert_int_equal(f.findings->len, 1);
	feed_end(&f);
}

static void test_exit_status(void **state)
{
	struct feed f = feed_begin("the step", "exec");

	step_ends(&f, 0, 3, "");
	expect_title(&f, "the step failed: exit status 3");
	feed_end(&f);
}

static void test_killed_after_its_crash(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	say(&f, VX_REC_FINDING, OOPS);
	step_ends(&f, -EOWNERDEAD, 0, "");
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void test_killed_before_its_crash_is_told(void **state)
{
	struct feed f = feed_begin("the step", "exec");

	step_ends(&f, 0, 139, "");
	idle(&f, S);
	say(&f, VX_REC_FINDING, OOPS);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void test_another_steps_crash(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	say(&f, VX_REC_FINDING, "{\"event_type\": \"Oops\", \"step\": 6}");
	step_ends(&f, -EOWNERDEAD, 0, "");
	take(&f, detect_finish(f.detect));
	expect_title(&f, "the step failed: killed by the kernel");
	feed_end(&f);
}

/* What only fails, explains nothing. */
static void test_no_crash(void **state)
{
	struct feed f = feed_begin("the step", "mount");

	say(&f, VX_REC_FINDING, "{\"event_type\": \"FilesystemError\", \"step\": 7}");
	step_ends(&f, -EOWNERDEAD, 0, "");
	idle(&f, 2 * S);
	assert_int_equal(f.findings->len, 0);
	idle(&f, 2 * S);
	expect_title(&f, "the step failed: killed by the kernel");
	feed_end(&f);
}

static void test_killed_by_a_signal(void **state)
{
	struct feed f = feed_begin("the step", "exec");

	step_ends(&f, 0, 128 + 9, "");
	take(&f, detect_finish(f.detect));
	expect_title(&f, "the step failed: killed by signal 9");
	feed_end(&f);
}

/* What a file operation says becomes part of the title: it is the same in any build. */
static void test_file_operation(void **state)
{
	struct feed refused = feed_begin("append", "fileop"), wrong = feed_begin("append", "fileop");
	struct feed corrupt = feed_begin("append", "fileop"), mute = feed_begin("append", "fileop");

	step_ends(&refused, -EIO, VX_FILE_DONE, "write: Input/output error\nat byte 7\n");
	expect_title(&refused, "append failed: write: Input/output error");
	assert_null(feed_finding(&refused, 0)->kind);
	step_ends(&wrong, -EBADMSG, VX_FILE_WRONG, "rename works, and must not\n");
	expect_title(&wrong, "append: rename works, and must not");
	assert_string_equal(feed_finding(&wrong, 0)->kind, "wrong-result");
	step_ends(&corrupt, -EBADMSG, VX_FILE_CORRUPT, "wrong content read back\nbyte 3\n");
	expect_title(&corrupt, "append: wrong content read back");
	assert_string_equal(feed_finding(&corrupt, 0)->kind, "data-corruption");
	assert_int_equal(feed_finding(&corrupt, 0)->severity, SEV_HIGH);
	assert_int_equal(feed_finding(&corrupt, 0)->blame, BLAME_MODULE);
	step_ends(&mute, -EIO, 0, "");
	expect_title(&mute, "append failed: Input/output error");
	feed_end(&refused);
	feed_end(&wrong);
	feed_end(&corrupt);
	feed_end(&mute);
}

static void test_file_operation_that_is_no_finding(void **state)
{
	struct feed f = feed_begin("punch-hole", "fileop");

	step_ends(&f, 0, VX_FILE_UNSUPPORTED, "fallocate: Operation not supported\n");
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void test_file_operation_that_was_killed(void **state)
{
	struct feed f = feed_begin("append", "fileop");

	step_ends(&f, -EOWNERDEAD, 0, "the kernel killed the step's thread\n");
	take(&f, detect_finish(f.detect));
	expect_title(&f, "append failed: killed by the kernel");
	feed_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_errno_after_a_crash),
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_killed_after_its_crash),
		cmocka_unit_test(test_killed_before_its_crash_is_told),
		cmocka_unit_test(test_another_steps_crash),
		cmocka_unit_test(test_no_crash),
		cmocka_unit_test(test_killed_by_a_signal),
		cmocka_unit_test(test_file_operation),
		cmocka_unit_test(test_file_operation_that_is_no_finding),
		cmocka_unit_test(test_file_operation_that_was_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
