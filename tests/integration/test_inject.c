// SPDX-License-Identifier: GPL-2.0
/* Injected failures in the real guest: each wrong error path of faultfs is found and named, and ext4's are right. */
#include "harness.h"

#define INJECT(target, ...)	run_vexlab("run", "--json", "--scenario", "inject", "--target", target, "--control", "none", \
					   "--seed", "1", ##__VA_ARGS__, NULL)

static json_t *finding_of(json_t *json, const char *title)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(json, "findings"), i, finding)
		if (!strcmp(word_at(finding, "description"), title))
			return finding;
	fail_msg("there is no finding \"%s\" among %zu", title, json_array_size(json_object_get(json, "findings")));
	return NULL;
}

static void expect_line(json_t *finding, const char *words)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(finding, "kernel_messages"), i, line)
		if (strstr(json_string_value(line), words))
			return;
	fail_msg("its evidence does not say \"%s\"", words);
}

static void expect_one(struct ran *r, const char *title, const char *words)
{
	json_t *json = expect_json(r);

	expect_line(finding_of(json, title), words);
	if (json_array_size(json_object_get(json, "findings")) != 1)
		fail_msg("more than one finding:\n%.3000s", r->out);
	json_decref(json);
}

static void crash_when_memory_is_short(void **state)
{
	RAN r = INJECT("faultfs", "--module-params", "error_path=crash", "--arg", "operations=mount", "--arg", "what=alloc");

	expect_one(&r, "BUG: unable to handle kernel NULL pointer dereference in use_two_objects",
		   "for use_two_objects+");
}

static void leak_when_a_read_fails(void **state)
{
	RAN r = INJECT("faultfs", "--module-params", "error_path=read-leak", "--arg", "operations=mount", "--arg", "what=read");

	expect_one(&r, "leak on an error path of mount: read_with_object when a read fails", "read_with_object+");
}

static void lock_kept_when_memory_is_short(void **state)
{
	RAN r = INJECT("faultfs", "--module-params", "error_path=kept-lock", "--arg", "operations=create-exclusive", "--arg",
		       "what=alloc", "--arg", "max=4");
	json_t *json = expect_json(&r), *finding;
	size_t i, hangs = 0;

	json_array_foreach(json_object_get(json, "findings"), i, finding)
		if (strstr(word_at(finding, "description"), "did not come back: blocked in error_path_create")) {
			expect_line(finding, "for error_path_create+");
			hangs++;
		}
	assert_true(hangs >= 1);
	json_decref(json);
}

static void write_that_nobody_reports(void **state)
{
	RAN r = INJECT("faultfs", "--module-params", "error_path=lost-write", "--arg", "operations=write-fsync", "--arg",
		       "what=write");

	expect_one(&r, "write-fsync reports success though a write failed", "write");
}

static void ext4_is_right(void **state)
{
	RAN r = INJECT("ext4", "--arg", "operations=mount,write-fsync", "--arg", "max=6");
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 0);
	expect_says(&r, "failures in");
	json_decref(json);
}

static void unknown_kinds_are_refused(void **state)
{
	RAN r = INJECT("faultfs", "--arg", "maximum=3");

	expect_status(&r, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_when_memory_is_short),
		cmocka_unit_test(leak_when_a_read_fails),
		cmocka_unit_test(lock_kept_when_memory_is_short),
		cmocka_unit_test(write_that_nobody_reports),
		cmocka_unit_test(ext4_is_right),
		cmocka_unit_test(unknown_kinds_are_refused),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
