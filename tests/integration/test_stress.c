// SPDX-License-Identifier: GPL-2.0
/* The parts stress and exhaust: clean where nothing is wrong, and what is wrong is named. */
#include "harness.h"

#define KINDS	"kinds=mount-same-device,umount-busy,files-own"

static void nothing_is_wrong_with_ext4(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--scenario", "stress", "--arg", KINDS, "--arg", "seconds=1", "--seed",
			   "7", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
	json_decref(json);
}

/* Its journal aborts, it shuts itself down, it says so on the console: all of that is right here. */
static void ext4_may_complain_of_a_failing_device(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--scenario", "exhaust", "--arg", "kinds=failing-device", "--arg",
			   "seconds=1", "--seed", "7", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
	json_decref(json);
}

static const json_t *finding(json_t *json, const char *title)
{
	json_t *findings = json_object_get(json, "findings"), *row;
	size_t i;

	json_array_foreach(findings, i, row)
		if (!strcmp(word_at(row, "description"), title))
			return row;
	fail_msg("no finding \"%s\"", title);
	return NULL;
}

static void pinned_module_is_told(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--module-params", "fault=pin@fill",
			   "--scenario", "stress", "--arg", "kinds=mount-same-device", "--arg", "seconds=1", "--control", "none",
			   "--arg", "patience=10", "--seed", "7", NULL);
	json_t *json;

	expect_status(&r, 1);
	json = expect_json(&r);
	assert_string_equal(word_at((json_t *)finding(json, "stress mount-same-device: the module stays in use though nothing "
							    "is mounted"), "kind"), "held");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong_with_ext4),
		cmocka_unit_test(ext4_may_complain_of_a_failing_device),
		cmocka_unit_test(pinned_module_is_told),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
