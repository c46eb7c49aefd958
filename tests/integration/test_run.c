// SPDX-License-Identifier: GPL-2.0
/*
 * Real runs in a real guest: what the record says must agree with itself, and
 * a fault planted in one phase must show there and nowhere else.
 */
#include "leftovers.h"

#define MS 1e6

static double op(json_t *json, const char *name, const char *what)
{
	g_autofree char *path = g_strdup_printf("metrics.operations.%s.%s", name, what);

	return number_at(json, path);
}

static double phase_p50(json_t *json, const char *name, const char *phase)
{
	json_t *ops = json_object_get(json_object_get(json, "metrics"), "operations");
	json_t *phases = json_object_get(json_object_get(ops, name), "phases_ns");

	return json_number_value(json_object_get(json_object_get(phases, phase), "p50"));
}

static double phase_offcpu_p50(json_t *json, const char *name, const char *phase)
{
	json_t *ops = json_object_get(json_object_get(json, "metrics"), "operations");
	json_t *phases = json_object_get(json_object_get(ops, name), "phases_off_cpu_ns");

	return json_number_value(json_object_get(json_object_get(phases, phase), "p50"));
}

static double phases_mean_sum(json_t *json, const char *name)
{
	json_t *ops = json_object_get(json_object_get(json, "metrics"), "operations");
	json_t *phases = json_object_get(json_object_get(ops, name), "phases_ns");
	double sum = 0;
	const char *key;
	json_t *dist;

	json_object_foreach(phases, key, dist)
		if (strcmp(key, "deferred"))
			sum += json_number_value(json_object_get(dist, "mean"));
	return sum;
}

static void check_files(const char *dir)
{
	static const char *const names[] = {
		"record.vxl", "vm_console.log", "comprehensive_report.json", "crash_events.jsonl",
		"performance_events.jsonl", "report.html", "junit.xml",
	};
	static const char *const stamped[] = {
		"enhanced_vexfs_test_*.log", "performance_metrics_*.json", "crash_detection_*.log",
	};
	g_autofree char *whole = g_canonicalize_filename(dir, test_dir);
	g_autoptr(GDir) listing = g_dir_open(whole, 0, NULL);
	const char *name;
	guint i, found = 0;

	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *text = read_file(dir, names[i]);

		assert_non_null(text);
	}
	while ((name = g_dir_read_name(listing)))
		for (i = 0; i < G_N_ELEMENTS(stamped); i++)
			found += g_pattern_match_simple(stamped[i], name);
	assert_int_equal(found, G_N_ELEMENTS(stamped));
}

static void check_healthy(json_t *json, guint cycles)
{
	static const char *const ops[] = { "mount", "umount" };
	guint i;

	assert_string_equal(word_at(json, "test_execution.test_result"), "passed");
	assert_int_equal(number_at(json, "metrics.cycles"), cycles);
	assert_int_equal(number_at(json, "metrics.losses.records_lost"), 0);
	assert_int_equal(number_at(json, "metrics.losses.frames_lost"), 0);
	for (i = 0; i < G_N_ELEMENTS(ops); i++) {
		double total = op(json, ops[i], "total_ns.mean");
		double sum = phases_mean_sum(json, ops[i]);

		assert_int_equal(op(json, ops[i], "count"), cycles);
		assert_int_equal(op(json, ops[i], "errors"), 0);
		/* Phases are exclusive and complete. Rounding of means: a nanosecond each. */
		if (sum < total - 20 || sum > total + 20)
			fail_msg("%s: phases add up to %.0f ns of %.0f", ops[i], sum, total);
		/* The system call cannot be shorter than what the kernel did in it. */
		assert_true(op(json, ops[i], "agent_minus_bpf_p50_ns") > 0);
		assert_true(op(json, ops[i], "agent_minus_bpf_p50_ns") < 5 * MS);
		/* The kernel's own histogram saw at least the measured ones. */
		assert_true(op(json, ops[i], "kernel_histogram.count") >= cycles);
	}
}

static void run_target(const char *target, const char *api)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", target, "--cycles", "10",
			   api ? api : "--force", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	check_healthy(json, 10);
	check_files(word_at(json, "directory"));
	json_decref(json);
}

static void ext4_runs(void **state)
{
	run_target("ext4", NULL);
}

static void xfs_runs(void **state)
{
	run_target("xfs", NULL);
}

static void btrfs_runs(void **state)
{
	run_target("btrfs", NULL);
}

static void new_mount_api_is_traced_alike(void **state)
{
	run_target("ext4", "--fsmount");
}

/* A planted 20 ms must show in its own phase and in no other; off-CPU time tells sleep from spin. */
static void planted(const char *options, const char *opname, const char *phase, gboolean sleeps)
{
	static const char *const phases[] = {
		"other", "parse", "get_tree", "fill_super", "attach", "detach", "sync", "evict",
		"put_super", "kill_sb",
	};
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--cycles", "10",
			   "--mount-options", options, NULL);
	double offcpu, there;
	json_t *json;
	guint i;

	expect_status(&r, 0);
	json = expect_json(&r);
	there = phase_p50(json, opname, phase);
	offcpu = phase_offcpu_p50(json, opname, phase);
	if (there < 20 * MS)
		fail_msg("%s: %s took %.3f ms", options, phase, there / MS);
	if (sleeps ? offcpu < 18 * MS : offcpu > there - 15 * MS)
		fail_msg("%s: %.3f of %.3f ms off CPU", options, offcpu / MS, there / MS);
	for (i = 0; i < G_N_ELEMENTS(phases); i++) {
		double elsewhere = MAX(phase_p50(json, "mount", phases[i]),
				       phase_p50(json, "umount", phases[i]));

		if (strcmp(phases[i], phase) && elsewhere > 18 * MS)
			fail_msg("%s: %s took %.3f ms", options, phases[i], elsewhere / MS);
	}
	json_decref(json);
}

static void sleep_in_fill_super_shows_there(void **state)
{
	planted("fill_sleep_ms=20", "mount", "fill_super", TRUE);
}

static void spin_in_fill_super_shows_there(void **state)
{
	planted("fill_spin_ms=20", "mount", "fill_super", FALSE);
}

static void sleep_in_put_super_shows_there(void **state)
{
	planted("put_sleep_ms=20", "umount", "put_super", TRUE);
}

static void spin_in_put_super_shows_there(void **state)
{
	planted("put_spin_ms=20", "umount", "put_super", FALSE);
}

static void failing_mount_is_a_test_failure(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--cycles", "5",
			   "--mount-options", "fill_errno=12", NULL);
	json_t *json;

	expect_status(&r, 1);
	json = expect_json(&r);
	assert_string_equal(word_at(json, "test_execution.test_result"), "test failures");
	assert_non_null(strstr(r.out, "Cannot allocate memory"));
	json_decref(json);
}

/* Without a control run, in which a machine that is loaded enough may be as slow: then it is nobody's fault. */
static void slow_operation_is_a_performance_issue(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--target", "faultfs", "--control", "none", "--cycles", "3",
			   "--mount-options", "fill_sleep_ms=300", "--set",
			   "thresholds.operation_ms=200", NULL);

	expect_status(&r, 3);
	expect_says(&r, "above its threshold");
}

/* A run cut off at any moment can be reported from its record. */
static void report_is_made_again_from_the_record(void **state)
{
	g_autofree char *latest = g_build_filename(test_dir, "runs", "latest", NULL);
	RAN first = run_vexlab("run", "--quiet", "--json", "--cycles", "5", NULL);
	RAN again = run_vexlab("report", "--json", latest, NULL);
	json_t *a, *b;

	expect_status(&first, 0);
	expect_status(&again, 0);
	a = expect_json(&first);
	b = expect_json(&again);
	json_object_del(a, "directory");
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
}

static GPid start_long_run(void)
{
	g_autofree char *program = g_canonicalize_filename(vexlab(), NULL);
	char *argv[] = { program, "run", "--quiet", "--output", "long", "--cycles", "100000",
			 "--set", "recovery.auto=no", NULL };
	GPid pid;

	if (!g_spawn_async(test_dir, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD |
			   G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
			   &pid, NULL))
		fail_msg("cannot start vexlab");
	return pid;
}

/* Waits until the run has recorded operations; returns its QEMU's pid. */
static pid_t wait_until_it_works(GPid pid)
{
	g_autofree char *file = g_build_filename(test_dir, "long", "latest",
						 "performance_events.jsonl", NULL);
	gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
	pid_t qemu = 0;
	struct stat st;

	while (g_get_monotonic_time() < deadline) {
		if (!stat(file, &st) && st.st_size > 2000 && (qemu = qemu_of(pid)))
			return qemu;
		g_usleep(50000);
	}
	kill(pid, SIGKILL);
	fail_msg("the run did not get going");
	return 0;
}

static int reap(GPid pid)
{
	int status;

	waitpid(pid, &status, 0);
	g_spawn_close_pid(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static gboolean gone_soon(pid_t pid)
{
	int i;

	for (i = 0; i < 100 && !kill(pid, 0); i++)
		g_usleep(50000);
	return kill(pid, 0) != 0;
}

static void forget_long_runs(void)
{
	g_autofree char *dir = g_build_filename(test_dir, "long", NULL);

	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void interrupt_ends_in_order(void **state)
{
	GPid pid = start_long_run();
	pid_t qemu = wait_until_it_works(pid);

	kill(pid, SIGINT);
	assert_int_equal(reap(pid), 130);
	assert_true(gone_soon(qemu));
	forget_long_runs();
}

/* Its guard has been killed as well: else nothing is left by then (test_survival.c). */
static void kill_9_is_cleared_by_the_next_run(void **state)
{
	g_autofree char *latest = g_build_filename(test_dir, "long", "latest", NULL);
	GPid pid = start_long_run();
	pid_t qemu = wait_until_it_works(pid), guard = guard_of(pid);

	assert_true(guard > 0);
	kill(guard, SIGKILL);
	kill(pid, SIGKILL);
	assert_int_equal(reap(pid), -SIGKILL);
	{
		RAN report = run_vexlab("report", latest, NULL);
		RAN next = run_vexlab("run", "--cycles", "3", NULL);

		expect_says(&report, "interrupted");
		assert_non_null(strstr(report.out, "mount"));
		expect_status(&next, 0);
		expect_says(&next, "cleared what an earlier vexlab had left");
	}
	assert_true(gone_soon(qemu));
	forget_long_runs();
}

static void death_of_qemu_is_critical(void **state)
{
	g_autofree char *latest = g_build_filename(test_dir, "long", "latest", NULL);
	GPid pid = start_long_run();
	pid_t qemu = wait_until_it_works(pid);
	g_autofree char *text = NULL;

	kill(qemu, SIGKILL);
	assert_int_equal(reap(pid), 4);
	text = read_file(latest, "crash_events.jsonl");
	assert_non_null(strstr(text, "GuestLost"));
	forget_long_runs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ext4_runs),
		cmocka_unit_test(xfs_runs),
		cmocka_unit_test(btrfs_runs),
		cmocka_unit_test(new_mount_api_is_traced_alike),
		cmocka_unit_test(sleep_in_fill_super_shows_there),
		cmocka_unit_test(spin_in_fill_super_shows_there),
		cmocka_unit_test(sleep_in_put_super_shows_there),
		cmocka_unit_test(spin_in_put_super_shows_there),
		cmocka_unit_test(failing_mount_is_a_test_failure),
		cmocka_unit_test(slow_operation_is_a_performance_issue),
		cmocka_unit_test(report_is_made_again_from_the_record),
		cmocka_unit_test(interrupt_ends_in_order),
		cmocka_unit_test(kill_9_is_cleared_by_the_next_run),
		cmocka_unit_test(death_of_qemu_is_critical),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
