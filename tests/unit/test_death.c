// SPDX-License-Identifier: GPL-2.0
/* Deaths told by kmod-probe: a finding of their own when the console is silent, evidence when it is not; never both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "death.h"
#include "feed.h"

static struct vx_event_oops oops(enum vx_oops_kind kind, guint64 step)
{
	struct vx_event_oops ret = {
		.head = { .type = VX_EVENT_OOPS, .size = sizeof(ret), .step = step, .pid = 5, .comm = "mount" },
		.kind = (guint8)kind, .flags = VX_OOPS_REGS_VALID, .frames = 2, .trap = 14, .err = 2,
		.ip = 0xffffffffc0001012, .offset = 0x12, .size = 0x40,
		.stack = { 0xffffffffc0001012, 0xffffffff81000000 },
		.function = "vexfs_fill_super", .module = "vexfs", .message = "Oops",
	};

	if (kind == VX_OOPS_PANIC)
		strcpy(ret.message, "Fatal exception");
	return ret;
}

static void die(struct feed *f, enum vx_oops_kind kind, guint64 step)
{
	const struct vx_event_oops event = oops(kind, step);

	entry(f, VX_MSG_EVENTS, &event, sizeof(event));
}

static gboolean has_line(const struct finding *finding, const char *part)
{
	guint i;

	for (i = 0; i < finding->lines->len; i++)
		if (strstr(g_ptr_array_index(finding->lines, i), part))
			return TRUE;
	return FALSE;
}

static void test_silent_console(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_DIE, 7);
	assert_int_equal(f.findings->len, 0);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_OOPS);
	assert_int_equal(feed_finding(&f, 0)->blame, BLAME_MODULE);
	assert_int_equal(feed_finding(&f, 0)->step, 7);
	assert_int_equal(feed_finding(&f, 0)->cycle, 3);
	assert_string_equal(feed_finding(&f, 0)->title, "BUG: unable to handle kernel NULL pointer dereference in vexfs_fill_super");
	assert_string_equal(feed_finding(&f, 0)->function, "vexfs_fill_super");
	assert_true(has_line(feed_finding(&f, 0), "vexfs_fill_super+0x12/0x40 [vexfs]"));
	assert_true(has_line(feed_finding(&f, 0), "RIP: "));
	assert_true(has_line(feed_finding(&f, 0), "ffffffffc0001012 ffffffff81000000"));
	feed_end(&f);
}

/* A run that goes on must know in time. */
static void test_told_after_a_while(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_DIE, 7);
	take(&f, detect_idle(f.detect, f.now + S));
	assert_int_equal(f.findings->len, 0);
	take(&f, detect_idle(f.detect, f.now + DEATH_NEAR_NS + S));
	assert_int_equal(f.findings->len, 1);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	feed_end(&f);
}

/* Lost by a reset with nothing on the console: a panic, not merely a lost guest. */
static void test_panic_from_the_box(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_DIE, 7);
	die(&f, VX_OOPS_PANIC, 7);
	say(&f, VX_REC_VM, "{\"event\": \"lost\", \"lost\": \"it reset itself\", \"cause\": \"reset\"}");
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_PANIC);
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_CRITICAL);
	assert_true(has_line(feed_finding(&f, 0), "panic: Fatal exception"));
	feed_end(&f);
}

static const char console[] =
	"[    5.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
	"[    5.000001] #PF: supervisor write access in kernel mode\n"
	"[    5.000002] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
	"[    5.000003] CPU: 0 UID: 0 PID: 5 Comm: mount Tainted: G OE 6.12 #1\n"
	"[    5.000004] RIP: 0010:vexfs_fill_super+0x12/0x40 [vexfs]\n"
	"[    5.000005] Call Trace:\n"
	"[    5.000006]  <TASK>\n"
	"[    5.000007]  get_tree_bdev_flags+0x1/0x2\n"
	"[    5.000008]  </TASK>\n"
	"[    5.000009] ---[ end trace 0000000000000000 ]---\n";

static void test_console_first(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	entry(&f, VX_REC_CONSOLE, console, strlen(console));
	f.now += S / 10;
	die(&f, VX_OOPS_DIE, 7);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	assert_string_not_equal(feed_finding(&f, 0)->kind, "die");
	feed_end(&f);
}

static void test_console_last(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_DIE, 7);
	f.now += S / 10;
	entry(&f, VX_REC_CONSOLE, console, strlen(console));
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	assert_string_not_equal(feed_finding(&f, 0)->kind, "die");
	feed_end(&f);
}

/* As the record has it, when the console's finding was made by silence. */
static void test_finding_in_the_record(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_DIE, 7);
	say(&f, VX_REC_FINDING, "{\"event_type\": \"Oops\", \"step\": 7}");
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

/* A warning of the same step explains no death. */
static void test_warning_is_another_matter(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	say(&f, VX_REC_FINDING, "{\"event_type\": \"Warning\", \"step\": 7}");
	die(&f, VX_OOPS_DIE, 7);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	feed_end(&f);
}

/* That the host has asked where a CPU is, is no death. */
static void test_nmi_is_none(void **state)
{
	struct feed f = feed_begin("mount", "mount");

	die(&f, VX_OOPS_NMI, 7);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void test_flood(void **state)
{
	struct feed f = feed_begin("mount", "mount");
	guint i;

	for (i = 0; i < 1000; i++)
		die(&f, VX_OOPS_DIE, 7);
	take(&f, detect_finish(f.detect));
	assert_int_equal(f.findings->len, 1);
	feed_end(&f);
}

static void test_evidence_goes_to_the_same_step(void **state)
{
	g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	struct death death = { .oops = oops(VX_OOPS_PANIC, 9), .realtime_ns = 10 * S };
	static const guint64 steps[] = { 8, 9, 10 };
	struct finding *one;
	guint i;

	assert_null(death_find(&death, findings));
	for (i = 0; i < G_N_ELEMENTS(steps); i++) {
		one = finding_new(FINDING_PANIC, SEV_CRITICAL, "x");
		one->step = steps[i];
		one->realtime_ns = 10 * S + i * S;
		g_ptr_array_add(findings, one);
	}
	assert_int_equal(death_find(&death, findings)->step, 9);
	death.oops.head.step = 99;
	death.realtime_ns = 12 * S;
	assert_int_equal(death_find(&death, findings)->step, 10);
	death.realtime_ns = 60 * S;
	assert_null(death_find(&death, findings));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_console),
		cmocka_unit_test(test_told_after_a_while),
		cmocka_unit_test(test_panic_from_the_box),
		cmocka_unit_test(test_console_first),
		cmocka_unit_test(test_console_last),
		cmocka_unit_test(test_finding_in_the_record),
		cmocka_unit_test(test_warning_is_another_matter),
		cmocka_unit_test(test_nmi_is_none),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_evidence_goes_to_the_same_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
