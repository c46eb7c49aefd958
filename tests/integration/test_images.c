// SPDX-License-Identifier: GPL-2.0
/* The part images: a field that is believed is found by its name, and shown again by a replay. */
#include "harness.h"

static json_t *finding_with(json_t *json, const char *title)
{
	json_t *findings = json_object_get(json, "findings"), *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
		if (strstr(word_at(finding, "description"), title))
			return finding;
	fail_msg("no finding has \"%s\" in its description", title);
	return NULL;
}

/* The super block's group size divides: only 0 crashes, and only with the checksum mended. */
static void a_field_that_is_believed_is_found(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "liefs", "--module-params", "lie=trust-group",
			   "--scenario", "images", "--arg", "format=" VX_TREE "/tests/integration/images-group.yaml", "--arg",
			   "tries=12", "--arg", "same=1", "--seed", "1", "--control", "none", "--no-trace", NULL);
	json_t *json;

	expect_status(&r, 2);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 1);
	finding_with(json, "divide error in liefs_fill_super");
	assert_int_equal(number_at(json, "crash_detection.summary.successful_recoveries"), 1);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_that_is_believed_is_found),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
