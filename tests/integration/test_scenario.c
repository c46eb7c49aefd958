// SPDX-License-Identifier: GPL-2.0
/* Scenario files in a real guest: expected failures and crashes, branches, chance by a seed, and their replay. */
#include "harness.h"

#define FILE_HEAD "name: t\ndescription: of a test\nrecoveries: 5\nsteps:\n"

static char *put_file(const char *text)
{
	char *path = g_build_filename(test_dir, "t.yaml", NULL);
	g_autofree char *whole = g_strconcat(FILE_HEAD, text, NULL);

	assert_true(g_file_set_contents(path, whole, -1, NULL));
	return path;
}

static json_t *finding_at(json_t *json, size_t i)
{
	return json_array_get(json_object_get(json, "findings"), i);
}

static void errors_name_file_and_line(void **state)
{
	g_autofree char *path = put_file("  - mount\n  - unmount\n");
	RAN r = run_vexlab("scenario", "check", path, NULL);

	expect_status(&r, 78);
	expect_says(&r, "t.yaml:6: unknown step \"unmount\" (did you mean \"umount\"?)");
}

/* What is expected is no finding; what is not is one, in the step where it was. */
static void expectations_are_judged(void **state)
{
	g_autofree char *path = put_file("  - mount: { read_only: yes }\n"
					 "  - mkdir: \"{mountpoint}/a\"\n"
					 "    expect: EROFS\n"
					 "  - exec: [/usr/bin/false]\n"
					 "    expect: 1\n"
					 "  - name: wrong\n"
					 "    umount:\n"
					 "    expect: EBUSY\n"
					 "  - name: race\n"
					 "    parallel:\n"
					 "      - repeat: 20\n"
					 "        steps: [{ statfs: \"{mountpoint}\" }]\n"
					 "      - repeat: 20\n"
					 "        steps: [sync]\n"
					 "  - choose: 4\n"
					 "    of: [sync, nothing]\n");
	RAN r = run_vexlab("run", "--quiet", "--json", "--scenario", path, "--seed", "5", NULL);
	json_t *json;

	expect_status(&r, 1);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 1);
	assert_string_equal(word_at(finding_at(json, 0), "description"), "wrong succeeded; expected was EBUSY");
	assert_string_equal(word_at(finding_at(json, 0), "scenario_step"), "wrong");
	json_decref(json);
}

/* The one that is expected is told and does not count; the other is a race that its replay gives a rate. */
static void crashes_are_expected_or_not(void **state)
{
	g_autofree char *path = put_file("  - unload\n"
					 "  - load: fault=oops@fill\n"
					 "  - name: as told\n"
					 "    mount:\n"
					 "    expect: { finding: Oops, title: in fault_oops }\n"
					 "  - name: afterwards\n"
					 "    steps:\n"
					 "      - unload\n"
					 "      - load: fault=bug@write\n"
					 "      - mount\n"
					 "      - name: branches\n"
					 "        parallel: [[files], [{ statfs: \"{mountpoint}\" }]]\n");
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--control", "none", "--scenario", path, NULL);
	json_t *json;

	expect_status(&r, 2);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 2);
	assert_true(json_is_true(json_object_get(finding_at(json, 0), "expected")));
	assert_string_equal(word_at(finding_at(json, 1), "description"), "kernel BUG in fault_bug");
	assert_string_equal(word_at(finding_at(json, 1), "scenario_step"), "afterwards / branches");
	assert_int_equal(number_at(json, "crash_detection.summary.oops_count"), 0);
	json_decref(json);
}

static void replay_tells_the_rate(void **state)
{
	RAN r = run_vexlab("replay", "--quiet", "--json", "--times", "2", "runs/latest", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_true(number_at(json, "rate") == 1);
	assert_true(json_is_true(json_object_get(json, "race")));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(expectations_are_judged),
		cmocka_unit_test(crashes_are_expected_or_not),
		cmocka_unit_test(replay_tells_the_rate),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
