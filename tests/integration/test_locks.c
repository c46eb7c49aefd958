// SPDX-License-Identifier: GPL-2.0
/* The part locks: what faultfs does wrong with locks is found, a race with delays, and nothing where nothing is wrong. */
#include "harness.h"

#define RUN(target, params, ...)								\
	run_vexlab("run", "--quiet", "--json", "--target", target, "--module-params", params, "--scenario", "locks",	\
		   "--control", "none", "--seed", "5", __VA_ARGS__, NULL)

static json_t *findings_of(const struct ran *r, json_t **ret)
{
	*ret = expect_json(r);
	return json_object_get(*ret, "findings");
}

static void expect_finding(const struct ran *r, const char *class, const char *title)
{
	json_t *json, *findings = findings_of(r, &json), *finding;
	gboolean found = FALSE;
	size_t i;

	json_array_foreach(findings, i, finding)
		found = found || (!strcmp(word_at(finding, "event_type"), class) &&
				  !strcmp(word_at(finding, "description"), title));
	if (!found)
		fail_msg("no %s \"%s\"\n%.3000s", class, title, r->out);
	json_decref(json);
}

static void expect_nothing(const struct ran *r)
{
	g_autofree char *latest = g_build_filename(test_dir, "runs", "latest", NULL), *text = NULL;
	json_t *json, *findings = findings_of(r, &json), *locks;

	if (json_array_size(findings))
		fail_msg("something was found\n%.3000s", r->out);
	json_decref(json);
	text = read_file(latest, "locks.json");
	locks = json_loads(text, 0, NULL);
	assert_non_null(locks);
	/* It was looked at all the same. */
	assert_true(number_at(locks, "counts.taken") > 20);
	assert_true(number_at(locks, "counts.released") > 20);
	assert_int_equal(number_at(locks, "counts.bad_lines"), 0);
	json_decref(locks);
}

/* One thread only, so that they cannot meet. */
static void inversion_without_a_deadlock(void **state)
{
	RAN r = RUN("faultfs", "race=abba", "--arg", "rounds=0");
	json_t *json;

	expect_status(&r, 2);
	assert_int_equal(json_array_size(findings_of(&r, &json)), 1);
	json_decref(json);
	expect_finding(&r, "LockingError", "lock order inversion: abba_create against abba_rename");
	expect_says(&r, "abba_create+");
	expect_says(&r, "abba_rename+");
}

static void long_hold(void **state)
{
	RAN r = RUN("faultfs", "race=held", "--arg", "rounds=0");

	expect_status(&r, 2);
	expect_finding(&r, "LockingError", "hold_slow sleeps long with a lock held");
}

static void kept_lock(void **state)
{
	RAN r = RUN("faultfs", "race=kept", "--arg", "rounds=0");

	expect_status(&r, 2);
	expect_finding(&r, "LockingError", "a lock that keep_left takes is still held when the operation is over");
}

static void window_shows_with_delays(void **state)
{
	RAN plain = RUN("faultfs", "race=window", "--arg", "rounds=0");
	RAN r = RUN("faultfs", "race=window", "--arg", "rounds=40", "--arg", "seconds=120", "--arg", "replays=0", "--arg",
		    "mounts=no");

	expect_status(&plain, 0);
	expect_status(&r, 2);
	expect_finding(&r, "Oops", "BUG: unable to handle kernel NULL pointer dereference in window_use");
}

static void nothing_in_faultfs(void **state)
{
	RAN r = RUN("faultfs", "", "--arg", "rounds=2");

	expect_status(&r, 0);
	expect_nothing(&r);
}

static void nothing_in_ext4(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "ext4", "--scenario", "locks", "--control", "none",
			   "--seed", "5", "--arg", "rounds=2", NULL);

	expect_status(&r, 0);
	expect_nothing(&r);
}

static void bad_argument_is_refused(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--scenario", "locks", "--arg", "rounds=many", NULL);

	expect_status(&r, 64);
	expect_says(&r, "rounds");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inversion_without_a_deadlock),
		cmocka_unit_test(long_hold),
		cmocka_unit_test(kept_lock),
		cmocka_unit_test(window_shows_with_delays),
		cmocka_unit_test(nothing_in_faultfs),
		cmocka_unit_test(nothing_in_ext4),
		cmocka_unit_test(bad_argument_is_refused),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
