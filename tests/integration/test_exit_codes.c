// SPDX-License-Identifier: GPL-2.0
/*
 * What CI goes by: each exit code on a real run that deserves it, the gravest of two, what a run was told to look at, and the
 * shell entry. 74 is test_survival.c's, 130 also test_run.c's.
 */
#include "harness.h"

#define ARGS_MAX	16

struct deed {
	const char *what;
	int status;
	const char *result;	/* of the JSON; NULL: nothing was judged, and no JSON */
	const char *says;
	const char *args[ARGS_MAX];
};

static struct ran run_args(const char *const *more)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;
	struct ran r = { 0 };
	int status;

	g_ptr_array_add(argv, g_canonicalize_filename(vexlab(), NULL));
	g_ptr_array_add(argv, g_strdup("run"));
	g_ptr_array_add(argv, g_strdup("--json"));
	g_ptr_array_add(argv, g_strdup("--history"));
	g_ptr_array_add(argv, g_strdup("none"));
	for (; *more; more++)
		g_ptr_array_add(argv, g_strdup(*more));
	g_ptr_array_add(argv, NULL);
	if (!g_spawn_sync(test_dir, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &r.out, &r.err, &status, &error))
		fail_msg("cannot run vexlab: %s", error->message);
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	return r;
}

static void done(const struct deed *deed)
{
	RAN r = run_args(deed->args);
	json_t *json;

	if (r.status != deed->status)
		fail_msg("%s: exit status %d, expected %d\nstdout: %.2000s\nstderr: %.4000s", deed->what, r.status, deed->status, r.out, r.err);
	expect_says(&r, deed->says);
	if (!deed->result) {
		assert_string_equal(r.out, "");
		return;
	}
	json = expect_json(&r);
	assert_string_equal(word_at(json, "test_execution.test_result"), deed->result);
	assert_int_equal(number_at(json, "test_execution.exit_code"), deed->status);
	json_decref(json);
}

#define FAULTFS	"--target", "faultfs", "--control", "none", "--cycles", "2", "--warmup", "0"
#define SLOW	"--set", "thresholds.operation_ms=40"
#define DELAY	"fill_sleep_ms=80"

static const struct deed judged[] = {
	{ "nothing is wrong", 0, "passed", "\"readiness\": \"ready\"", { FAULTFS } },
	{ "a mount fails", 1, "test failures", "StepFailure", { FAULTFS, "--module-params", "fault=fail@fill" } },
	{ "an oops", 2, "stability issues", "fault_oops", { FAULTFS, "--module-params", "fault=oops@put" } },
	{ "a slow mount", 3, "performance issues", "above its threshold", { FAULTFS, SLOW, "--module-params", DELAY } },
	{ "a panic", 4, "critical failures", "KernelPanic", { FAULTFS, "--module-params", "fault=panic@put" } },
};

static const struct deed two_at_once[] = {
	{ "failure and slowness", 1, "test failures", "above its threshold",
	  { FAULTFS, SLOW, "--module-params", "fault=fail@write " DELAY } },
	{ "crash and failure", 2, "stability issues", "StepFailure",
	  { FAULTFS, "--mount-options", "fill_errno=5", "--module-params", "fault=warn@exit" } },
	{ "a lost guest and slowness", 4, "critical failures", "GuestLost",
	  { FAULTFS, SLOW, "--module-params", "fault=triple@put " DELAY } },
};

static const struct deed not_judged[] = {
	{ "an option that is none", 64, NULL, "--no-such-option", { "--no-such-option" } },
	{ "both modes", 64, NULL, "leave both out to have both", { "--performance-only", "--crash-detection-only" } },
	{ "latency without probes", 64, NULL, "--no-trace", { "--performance-only", "--no-trace" } },
	{ "a budget that is no time", 64, NULL, "--budget", { "--budget", "soon" } },
	{ "no such target", 64, NULL, "nonesuch", { "--target", "nonesuch" } },
	{ "no guest image", 69, NULL, "vexlab guest build", { "--cache", "an-empty-one" } },
	{ "a module that does not build", 69, NULL, "broken.c", { "--target", "./broken.yaml", "--source", "broken" } },
	{ "a wrong file", 78, NULL, "wrong.yaml:2", { "--config", "wrong.yaml" } },
	{ "a wrong scenario", 78, NULL, "wrong.yaml:1", { "--scenario", "./wrong.yaml" } },
};

static void all(const struct deed *deeds, guint n)
{
	guint i;

	for (i = 0; i < n; i++)
		done(&deeds[i]);
}

static void each_code_is_earned(void **state)
{
	all(judged, G_N_ELEMENTS(judged));
}

static void the_gravest_wins(void **state)
{
	all(two_at_once, G_N_ELEMENTS(two_at_once));
}

static void write_file(const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(test_dir, name, NULL), *dir = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Whose fault it is that nothing was judged is said, and no code of a verdict. */
static void what_keeps_from_judging_is_no_verdict(void **state)
{
	write_file("wrong.yaml", "scenario:\n  cycels: 3\n");
	write_file("broken.yaml", "name: broken\ndevice_mib: 1\nmodule:\n  from: source\n");
	write_file("broken/Kbuild", "obj-m := broken.o\n");
	write_file("broken/broken.c", "#error not today\n");
	all(not_judged, G_N_ELEMENTS(not_judged));
}

/* ---- what a run is told to look at ------------------------------------------------------------- */

static gboolean is_null(json_t *json, const char *object, const char *key)
{
	return json_is_null(json_object_get(json_object_get(json, object), key));
}

static void only_performance(void **state)
{
	static const char *const args[] = { FAULTFS, "--performance-only", NULL };
	static const char *const crash[] = { FAULTFS, "--performance-only", "--module-params", "fault=oops@put", NULL };
	g_autofree char *latest = g_build_filename("runs", "latest", NULL);
	RAN r = run_args(args), bad = run_args(crash);
	RAN text = run_vexlab("report", latest, NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_string_equal(word_at(json, "test_execution.mode"), "performance only");
	assert_string_equal(word_at(json, "overall_assessment.readiness"), "not judged");
	assert_true(is_null(json, "crash_detection", "stability_score") && is_null(json, "overall_assessment", "test_score"));
	assert_int_equal(number_at(json, "performance_monitoring.performance_score"), 100);
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 2);
	assert_null(strstr(r.out, "bytes_gained"));
	json_decref(json);
	/* A crash is told, and is as grave as ever; the record keeps what was looked at. */
	expect_status(&bad, 2);
	json = expect_json(&bad);
	assert_true(number_at(json, "crash_detection.stability_score") < 100);
	json_decref(json);
	expect_status(&text, 2);
	expect_says(&text, "stability issues (performance only): not ready");
	expect_says(&text, "tests not judged");
}

static void only_crashes(void **state)
{
	static const char *const args[] = {
		FAULTFS, "--crash-detection-only", "--scenario", "mount-cycles", SLOW, "--module-params", DELAY, NULL
	};
	static const char *const crash[] = {
		"--target", "faultfs", "--control", "none", "--crash-detection-only", "--steps", "mount-cycles",
		"--module-params", "fault=panic@fill", NULL
	};
	RAN r = run_args(args), bad = run_args(crash);
	json_t *json;

	/* What is slow is not looked for. */
	expect_status(&r, 0);
	json = expect_json(&r);
	assert_string_equal(word_at(json, "test_execution.mode"), "crash detection only");
	assert_true(is_null(json, "performance_monitoring", "performance_score"));
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 0);
	assert_true(number_at(json, "crash_detection.stability_score") == 100);
	assert_string_equal(word_at(json, "metrics.scenario"), "mount-cycles");
	json_decref(json);
	expect_status(&bad, 4);
	json = expect_json(&bad);
	assert_string_equal(word_at(json, "metrics.scenario"), "stability");
	assert_non_null(strstr(bad.out, "KernelPanic"));
	json_decref(json);
}

/* ---- the budget, and the log's lines ------------------------------------------------------------- */

static json_t *log_line(const char *text, const char *event)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	json_t *found = NULL;
	guint i;

	for (i = 0; lines[i] && *lines[i]; i++) {
		json_t *json = json_loads(lines[i], 0, NULL);

		if (!json)
			fail_msg("no JSON on stderr: %s", lines[i]);
		assert_int_equal(strlen(word_at(json, "timestamp")), strlen("2026-11-28T03:00:00.000000Z"));
		assert_non_null(word_at(json, "level"));
		assert_non_null(word_at(json, "message"));
		if (!found && !strcmp(word_at(json, "event"), event))
			found = json_incref(json);
		json_decref(json);
	}
	if (!found)
		fail_msg("no event %s: %.4000s", event, text);
	return found;
}

static void the_budget_ends_a_run_in_order(void **state)
{
	static const char *const args[] = { "--scenario", "./two.yaml", "--cycles", "100000", "--budget", "8s", "--log-format", "json", NULL };
	gint64 began = g_get_monotonic_time();
	json_t *json, *undone, *line;

	write_file("two.yaml", "name: two\ndescription: two steps\nsteps:\n  - mount-cycles\n  - stress: { seconds: 2 }\n");
	{
		RAN r = run_args(args);

		expect_status(&r, 0);
		expect_says(&r, "80 % of the run's budget are used up");
		json = expect_json(&r);
		line = log_line(r.err, "verdict");
	}
	assert_true(g_get_monotonic_time() - began < 60 * G_USEC_PER_SEC);
	assert_string_equal(word_at(json, "overall_assessment.readiness"), "not judged");
	assert_true(json_is_false(json_object_get(json_object_get(json, "test_execution"), "complete")));
	assert_int_equal(number_at(json, "test_execution.cut.budget_ms"), 8000);
	undone = json_object_get(json_object_get(json_object_get(json, "test_execution"), "cut"), "not_done");
	assert_int_equal(json_array_size(undone), 2);
	assert_string_equal(json_string_value(json_array_get(undone, 0)), "mount-cycles (in part)");
	assert_string_equal(json_string_value(json_array_get(undone, 1)), "stress");
	assert_int_equal(number_at(line, "fields.exit_code"), 0);
	json_decref(json);
	json_decref(line);
}

/* Of a run, of one that could not be: every line of stderr is one of the log. */
static void log_lines_are_json(void **state)
{
	static const char *const crash[] = { FAULTFS, "--module-params", "fault=oops@put", "--log-format", "json", NULL };
	static const char *const none[] = { "--cache", "an-empty-one", "--log-format", "json", NULL };
	static const char *const wrong[] = { "--log-format", "xml", NULL };
	RAN r = run_args(crash), no = run_args(none), bad = run_args(wrong);
	json_t *finding = log_line(r.err, "finding"), *guest = log_line(r.err, "guest"), *verdict = log_line(r.err, "verdict");
	json_t *error = log_line(no.err, "error");

	expect_status(&r, 2);
	assert_string_equal(word_at(finding, "fields.event_type"), "Oops");
	assert_string_equal(word_at(finding, "level"), "error");
	assert_non_null(strstr(word_at(finding, "run"), "-faultfs"));
	assert_string_equal(word_at(guest, "fields.event"), "ready");
	assert_int_equal(number_at(verdict, "fields.exit_code"), 2);
	expect_status(&no, 69);
	assert_int_equal(number_at(error, "fields.exit_code"), 69);
	expect_status(&bad, 64);
	json_decref(finding);
	json_decref(guest);
	json_decref(verdict);
	json_decref(error);
}

/* ---- the shell entry ------------------------------------------------------------------------------- */

static char *entry(void)
{
	return g_canonicalize_filename("tests/vm_testing/run_enhanced_vm_tests.sh", VX_TREE);
}

/* From another folder, by the vexlab under test, into logs of our own. */
static GPid start_entry(const char *const *more, int *err)
{
	g_autofree char *script = entry(), *binary = g_canonicalize_filename(vexlab(), NULL);
	g_autofree char *logs = g_build_filename(test_dir, "entry logs", NULL);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "VEXLAB", binary, TRUE);
	g_autoptr(GError) error = NULL;
	GPid pid;

	env = g_environ_unsetenv(env, "VEXFS_SOURCE");
	g_ptr_array_add(argv, script);
	g_ptr_array_add(argv, (char *)"--logs");
	g_ptr_array_add(argv, logs);
	for (; *more; more++)
		g_ptr_array_add(argv, (char *)*more);
	g_ptr_array_add(argv, NULL);
	if (!g_spawn_async_with_pipes("/", (char **)argv->pdata, env, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
				      &pid, NULL, NULL, err, &error))
		fail_msg("cannot run the entry: %s", error->message);
	return pid;
}

static int end_of(GPid pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static char *read_all(int fd)
{
	GString *text = g_string_new(NULL);
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(text, buf, n);
	close(fd);
	return g_string_free(text, FALSE);
}

static void expect_entry(int status, const char *says, const char *const *args)
{
	int err;
	GPid pid = start_entry(args, &err);
	g_autofree char *text = read_all(err);
	int got = end_of(pid);

	if (got != status || !strstr(text, says))
		fail_msg("the entry: exit status %d, expected %d and \"%s\": %.3000s", got, status, says, text);
}

static void check_entry_files(void)
{
	static const char *const wanted[] = {
		"enhanced_vexfs_test_*.log", "performance_metrics_*.json", "crash_detection_*.log", "vm_console.log",
		"comprehensive_report.json", "crash_events.jsonl", "performance_events.jsonl",
	};
	g_autofree char *latest = g_build_filename(test_dir, "entry logs", "latest", NULL);
	g_autoptr(GDir) dir = g_dir_open(latest, 0, NULL);
	guint found = 0, i;
	const char *name;

	assert_non_null(dir);
	while ((name = g_dir_read_name(dir)))
		for (i = 0; i < G_N_ELEMENTS(wanted); i++)
			found += g_pattern_match_simple(wanted[i], name);
	assert_int_equal(found, G_N_ELEMENTS(wanted));
}

static void the_entry_hands_codes_on(void **state)
{
	static const char *const healthy[] = { "--force", "--cycles", "2", NULL };
	static const char *const hurt[] = { FAULTFS, "-q", "--module-params", "fault=warn@put", NULL };
	static const char *const wrong[] = { "--no-such-option", NULL };
	static const char *const nothing[] = { "--cache", "/an/empty/one", NULL };

	expect_entry(0, "testing the guest kernel's ext4", healthy);
	check_entry_files();
	expect_entry(2, "", hurt);
	expect_entry(64, "--no-such-option", wrong);
	expect_entry(69, "vexlab guest build", nothing);
}

static void the_entry_is_interrupted_in_order(void **state)
{
	static const char *const endless[] = { "--cycles", "100000", NULL };
	g_autofree char *file = g_build_filename(test_dir, "entry logs", "latest", "performance_events.jsonl", NULL);
	gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
	g_autofree char *latest = g_path_get_dirname(file), *text = NULL;
	struct stat st = { 0 };
	GPid pid;
	int err;

	unlink(latest);
	pid = start_entry(endless, &err);
	while (g_get_monotonic_time() < deadline && (stat(file, &st) || st.st_size < 4000))
		g_usleep(50000);
	kill(pid, SIGINT);
	text = read_all(err);
	assert_int_equal(end_of(pid), 130);
	assert_non_null(strstr(text, "stopping in order"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_is_earned),
		cmocka_unit_test(the_gravest_wins),
		cmocka_unit_test(what_keeps_from_judging_is_no_verdict),
		cmocka_unit_test(only_performance),
		cmocka_unit_test(only_crashes),
		cmocka_unit_test(the_budget_ends_a_run_in_order),
		cmocka_unit_test(log_lines_are_json),
		cmocka_unit_test(the_entry_hands_codes_on),
		cmocka_unit_test(the_entry_is_interrupted_in_order),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
