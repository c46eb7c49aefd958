// SPDX-License-Identifier: GPL-2.0
/* Runs and their history: a planted delay is found against those before it, a crash that is new is tried again. */
#include "harness.h"

static struct ran faultfs(const char *params, const char *history, const char *more, const char *value)
{
	return run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--cycles", "8", "--control", "none", "--module-params", params,
			  "--across", "module_params", "--history", history, "--set", "history.baseline_min=3", more, value, NULL);
}

static json_t *history(const char *first, const char *second)
{
	RAN r = run_vexlab("history", "--history", "h.db", "--json", first, second, NULL);

	expect_status(&r, 0);
	return expect_json(&r);
}

static const char *first_finding(json_t *json, const char *key)
{
	return word_at(json_array_get(json_object_get(json, "findings"), 0), key);
}

static void a_planted_delay_is_a_finding(void **state)
{
	json_t *json;
	guint i;

	for (i = 0; i < 3; i++) {
		RAN r = faultfs("", "h.db", NULL, NULL);

		expect_status(&r, 0);
		json = expect_json(&r);
		expect_says(&r, i ? "are needed to know how much runs differ" : "the history has no earlier run");
		json_decref(json);
	}
	RAN slow = faultfs("fill_spin_ms=200", "h.db", NULL, NULL);

	/* Performance issues; twice as slow and more is High, and High is not ready. */
	expect_status(&slow, 3);
	json = expect_json(&slow);
	assert_string_equal(first_finding(json, "event_type"), "PerformanceRegression");
	assert_string_equal(first_finding(json, "severity"), "High");
	assert_string_equal(first_finding(json, "blame"), "module");
	assert_string_equal(word_at(json, "overall_assessment.readiness"), "not ready");
	assert_true(number_at(json, "overall_assessment.overall_score") < 100);
	json_decref(json);
	json = history("list", NULL);
	assert_int_equal(json_array_size(json), 4);
	json_decref(json);
	json = history("compare", "latest");
	assert_int_equal(json_array_size(json_object_get(json, "baseline")), 0);
	json_decref(json);
}

static void a_new_crash_is_tried_again(void **state)
{
	RAN r = faultfs("fault=oops@put", "h.db", "--set", "history.retry=1");
	json_t *json, *life;

	expect_status(&r, 2);
	json = history("show", "latest");
	life = json_array_get(json_object_get(json_object_get(json, "lives"), "findings"), 0);
	assert_string_equal(word_at(life, "life"), "new");
	assert_int_equal(number_at(life, "attempts"), 1);
	assert_int_equal(number_at(life, "seen"), 1);
	assert_string_equal(word_at(life, "again"), "deterministic");
	json_decref(json);
}

static void a_run_outside_is_imported_once(void **state)
{
	RAN r = faultfs("", "none", "--output", "elsewhere");
	json_t *json;

	expect_status(&r, 0);
	json = history("import", "elsewhere/latest");
	assert_int_equal(number_at(json, "added"), 1);
	json_decref(json);
	json = history("import", "elsewhere/latest");
	assert_int_equal(number_at(json, "added"), 0);
	assert_int_equal(number_at(json, "there_already"), 1);
	json_decref(json);
	RAN wrong = run_vexlab("history", "show", "nothing", "--history", "h.db", NULL);

	expect_status(&wrong, 64);
	expect_says(&wrong, "the history has no run nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_planted_delay_is_a_finding),
		cmocka_unit_test(a_new_crash_is_tried_again),
		cmocka_unit_test(a_run_outside_is_imported_once),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
