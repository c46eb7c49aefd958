// SPDX-License-Identifier: GPL-2.0
/* The oracle: no difference where there is none, across a power cut too; a mistake in a list is told. */
#include "harness.h"

static char *list_file(const char *text)
{
	char *path = g_build_filename(g_get_tmp_dir(), "vexlab-oracle-test.list", NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

static void xfs_and_ext4_agree(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "xfs", "--scenario", "oracle", "--seed", "7", "--no-trace", "--arg",
			   "rounds=2", "--arg", "operations=100", "--arg", "power-cuts=1", "--arg", "geometry=false", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
	assert_true(number_at(json, "oracle.operations") > 300);
	assert_string_equal(word_at(json_object_get(json, "oracle"), "reference"), "ext4");
	json_decref(json);
}

static void a_list_goes_through_a_power_cut(void **state)
{
	g_autofree char *path = list_file("mkdir d\ncreate d/a\nwrite d/a off=0 len=5000 seed=1\nfsync d/a\nrename d/a d/b\npower-cut\n");
	g_autofree char *arg = g_strdup_printf("list=%s", path);
	RAN r = run_vexlab("run", "--target", "ext4", "--scenario", "oracle", "--no-trace", "--arg", arg, NULL);

	expect_status(&r, 0);
	expect_says(&r, "6 operations: the same on both");
	unlink(path);
}

static void a_mistake_in_a_list_is_told(void **state)
{
	g_autofree char *path = list_file("create a\nfly a\n"), *arg = g_strdup_printf("list=%s", path);
	RAN r = run_vexlab("run", "--quiet", "--target", "ext4", "--scenario", "oracle", "--arg", arg, NULL);

	expect_status(&r, 64);
	expect_says(&r, "line 2: \"fly\" is no operation");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xfs_and_ext4_agree),
		cmocka_unit_test(a_list_goes_through_a_power_cut),
		cmocka_unit_test(a_mistake_in_a_list_is_told),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
