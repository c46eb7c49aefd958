// SPDX-License-Identifier: GPL-2.0
/* Real faults in a real guest: each is found, named, blamed on who did it, and told by the exit code. */
#include "harness.h"

#define NULL_POINTER "BUG: unable to handle kernel NULL pointer dereference in "

/* The first finding of this class, and no other of it. */
static json_t *only_one(const char *text, const char *class)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	json_t *found = NULL;
	guint i;

	for (i = 0; lines[i]; i++) {
		json_t *event = json_loads(lines[i], 0, NULL);

		if (event && !strcmp(word_at(event, "event_type"), class)) {
			if (found)
				fail_msg("%s is told twice: %s", class, text);
			found = json_incref(event);
		}
		json_decref(event);
	}
	if (!found)
		fail_msg("no %s in: %s", class, text);
	return found;
}

static void meets(const char *fault, const char *class, const char *kind, const char *title,
		  const char *function, int status)
{
	g_autofree char *params = g_strdup_printf("fault=%s", fault);
	g_autofree char *latest = g_build_filename(test_dir, "runs", "latest", NULL);
	RAN r = run_vexlab("run", "--quiet", "--target", "faultfs", "--module-params", params, "--cycles", "2",
			   "--warmup", "0", "--control", "none", "--set", "recovery.auto=false", NULL);
	g_autofree char *text = read_file(latest, "crash_events.jsonl");
	json_t *event = only_one(text, class);

	expect_status(&r, status);
	assert_string_equal(word_at(event, "kind"), kind);
	assert_string_equal(word_at(event, "description"), title);
	assert_string_equal(word_at(event, "blame"), "module");
	assert_string_equal(word_at(event, "module"), "faultfs");
	assert_string_equal(word_at(event, "function"), function);
	json_decref(event);
}

static void oops_in_write(void **state)
{
	meets("oops@write", "Oops", "null-pointer", NULL_POINTER "fault_oops", "fault_oops", 2);
}

static void bug_in_kill_sb(void **state)
{
	meets("bug@kill", "BUG", "bug", "kernel BUG in fault_bug", "fault_bug", 2);
}

static void warning_in_mount(void **state)
{
	meets("warn@fill", "Warning", "warning", "WARNING in fault_warn", "fault_warn", 2);
}

static void panic_in_put_super(void **state)
{
	meets("panic@put", "KernelPanic", "panic", "kernel panic: faultfs: as it was told", "fault_panic", 4);
}

static void use_after_free_in_mount(void **state)
{
	meets("use-after-free@fill", "MemoryCorruption", "kfence",
	      "KFENCE: use-after-free read in fault_use_after_free", "fault_use_after_free", 2);
}

/* A sleep without end is not the kernel's to tell: the step's deadline does, and the run goes on. */
static void scenario_goes_on_after_each(void **state)
{
	g_autofree char *latest = g_build_filename(test_dir, "runs", "latest", NULL);
	RAN r = run_vexlab("run", "--quiet", "--target", "faultfs", "--scenario", "faults", "--faults",
			   "oops@init,stack-overflow@fill,sleep@put,fail@init,QEMU killed", "--control", "none", NULL);
	g_autofree char *text = NULL;

	expect_status(&r, 4);
	text = read_file(latest, "faults.md");
	if (!strstr(text, "5 faults: 5 done, 5 as they must be."))
		fail_msg("%s", text);
}

static void unknown_fault_is_refused(void **state)
{
	RAN unknown = run_vexlab("run", "--quiet", "--target", "faultfs", "--scenario", "faults", "--faults",
				 "oops@nowhere", NULL);
	RAN other = run_vexlab("run", "--quiet", "--target", "ext4", "--scenario", "faults", NULL);

	expect_status(&unknown, 64);
	expect_says(&unknown, "there is no oops@nowhere");
	expect_status(&other, 64);
	expect_says(&other, "is for the target faultfs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oops_in_write),
		cmocka_unit_test(bug_in_kill_sb),
		cmocka_unit_test(warning_in_mount),
		cmocka_unit_test(panic_in_put_super),
		cmocka_unit_test(use_after_free_in_mount),
		cmocka_unit_test(scenario_goes_on_after_each),
		cmocka_unit_test(unknown_fault_is_refused),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
