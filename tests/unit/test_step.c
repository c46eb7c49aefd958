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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_errno_after_a_crash),
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_killed_after_its_crash),
		cmocka_unit_test(test_killed_before_its_crash_is_told),
		cmocka_unit_test(test_another_steps_crash),
		cmocka_unit_test(test_no_crash),
		cmocka_unit_test(test_killed_by_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
