// SPDX-License-Identifier: GPL-2.0
/* The scenario file-operations: clean where nothing is wrong, and going on after each crash. */
#include "harness.h"

#define NULL_POINTER "BUG: unable to handle kernel NULL pointer dereference in "

static json_t *row_of(json_t *json, const char *name)
{
	json_t *rows = json_object_get(json_object_get(json, "file_operations"), "operations"), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(word_at(row, "operation"), name))
			return row;
	fail_msg("no operation %s in the report", name);
	return NULL;
}

static void ext4_does_them_all(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--scenario", "file-operations", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
	assert_true(number_at(json, "file_operations.wanted") > 70);
	assert_int_equal(number_at(json, "file_operations.done"), number_at(json, "file_operations.wanted"));
	assert_string_equal(word_at(row_of(json, "kept"), "outcome"), "done");
	json_decref(json);
}

/* Three are wanted, two of them write, and each that writes takes the guest along. */
static void each_crash_is_one_operation_s(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--module-params", "fault=oops@write",
			   "--scenario", "file-operations", "--operations", "write,statfs,append", "--control", "none",
			   "--set", "recovery.attempts=0", NULL);
	json_t *json;

	expect_status(&r, 2);
	json = expect_json(&r);
	assert_int_equal(number_at(json, "file_operations.wanted"), 3);
	assert_string_equal(word_at(row_of(json, "write"), "outcome"), "crashed");
	assert_string_equal(word_at(row_of(json, "append"), "outcome"), "crashed");
	assert_string_equal(word_at(row_of(json, "statfs"), "outcome"), "done");
	assert_int_equal(json_array_size(json_object_get(row_of(json, "write"), "findings")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(row_of(json, "write"), "findings"), 0)),
			    NULL_POINTER "fault_oops");
	assert_int_equal(number_at(json, "crash_detection.summary.oops_count"), 2);
	assert_int_equal(number_at(json, "crash_detection.summary.successful_recoveries"), 2);
	json_decref(json);
}

static void unknown_operation_is_refused(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--scenario", "file-operations", "--operations", "map,teleport", NULL);

	expect_status(&r, 64);
	expect_says(&r, "there is no operation and no group teleport");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ext4_does_them_all),
		cmocka_unit_test(each_crash_is_one_operation_s),
		cmocka_unit_test(unknown_operation_is_refused),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
