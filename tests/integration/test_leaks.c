// SPDX-License-Identifier: GPL-2.0
/* Leak hunts in the real guest: every kind that faultfs plants is found where it is, and nothing else. */
#include "harness.h"

#define HUNT(target, ...)	run_vexlab("run", "-q", "--scenario", "leak-hunt", "--target", target, "--control", "none", \
					   "--output", "hunts", ##__VA_ARGS__, NULL)

static json_t *leaks_of_latest(void)
{
	RAN r = run_vexlab("leaks", "hunts/latest", "--json", NULL);

	expect_status(&r, 0);
	return expect_json(&r);
}

/* The gravest of the function's sites. */
static const json_t *site_of(const json_t *leaks, const char *function)
{
	const json_t *site;
	size_t i;

	json_array_foreach(json_object_get(leaks, "sites"), i, site)
		if (!strcmp(json_string_value(json_object_get(site, "function")), function))
			return site;
	return NULL;
}

static const char *word_of(const json_t *site, const char *key)
{
	const char *word = json_string_value(json_object_get(site, key));

	return word ? word : "";
}

static gboolean is_leak(const json_t *site)
{
	return site && g_str_has_prefix(word_of(site, "verdict"), "leak");
}

static void expect_leak(const json_t *leaks, const char *function, double least, double most)
{
	const json_t *site = site_of(leaks, function);
	const double rate = json_number_value(json_object_get(site, "objects_per_unit"));

	if (!is_leak(site))
		fail_msg("%s is not called a leak but %s", function, site ? word_of(site, "verdict") : "nothing");
	if (!strstr(word_of(site, "location"), "leak_kinds.c:"))
		fail_msg("%s: its line is not named: %s", function, word_of(site, "location"));
	if (rate < least || rate > most)
		fail_msg("%s: %.3f objects a %s, not %.2f to %.2f", function, rate, word_of(site, "unit"), least, most);
}

static void expect_no_other(const json_t *leaks, const char *const *functions)
{
	const json_t *site;
	size_t i;

	json_array_foreach(json_object_get(leaks, "sites"), i, site)
		if (is_leak(site) && !g_strv_contains(functions, word_of(site, "function")))
			fail_msg("false: %s is called a leak: %s", word_of(site, "site"), word_of(site, "why"));
}

/* Each allocator once, at different places, among what only looks like a leak. */
static void test_kinds(void **state)
{
	static const char *const planted[] = {
		"leak_kmalloc", "leak_kvmalloc", "leak_kstrdup", "leak_percpu", "leak_vmalloc", "leak_pages", "leak_free_pages",
		"leak_bh", "leak_page", "leak_dentry", NULL
	};
	RAN r = HUNT("faultfs", "--module-params",
		     "leak=kmalloc@fill,kvmalloc@put,kstrdup@create,percpu@fill,vmalloc@fill_error,pages@fill,free_pages@write,"
		     "bh@fill,page@fill,dentry@fill,rcu@fill,work@put,given@fill,warmup@fill,lru@fill");
	json_t *leaks;
	guint i;

	expect_status(&r, 2);
	expect_says(&r, "memory leak in leak_kmalloc");
	leaks = leaks_of_latest();
	for (i = 0; planted[i]; i++)
		expect_leak(leaks, planted[i], 0.6, 2.1);
	expect_no_other(leaks, planted);
	assert_string_equal(word_of(site_of(leaks, "leak_vmalloc"), "unit"), "failed mount");
	assert_non_null(strstr(word_of(site_of(leaks, "leak_vmalloc"), "when"), "damaged image"));
	assert_non_null(strstr(word_of(leaks, "end"), "certain after"));
	json_decref(leaks);
}

static void test_folded(void **state)
{
	RAN r = run_vexlab("leaks", "hunts/latest", "--folded", NULL);
	g_auto(GStrv) lines = NULL;
	g_autofree char *kept = NULL;
	guint i;

	expect_status(&r, 0);
	kept = read_file("hunts/latest", "leaks.folded");
	assert_string_equal(kept, r.out);
	lines = g_strsplit(r.out, "\n", -1);
	for (i = 0; lines[i] && *lines[i]; i++)
		assert_true(strchr(lines[i], ';') && g_ascii_strtoull(strrchr(lines[i], ' ') + 1, NULL, 10));
	assert_true(i >= 8);
	assert_non_null(strstr(r.out, "faultfs_fill_super_[faultfs];leaks_strike_[faultfs];leak_kmalloc_[faultfs];kmalloc "));
}

/* One in fifty: seen by its own calls, confirmed by as many traced cycles as it takes. */
static void test_rare(void **state)
{
	static const char *const planted[] = { "leak_kmalloc", NULL };
	RAN r = HUNT("faultfs", "--cycles", "60", "--module-params", "leak=kmalloc@fill leak_every=50");
	json_t *leaks;

	expect_status(&r, 2);
	leaks = leaks_of_latest();
	expect_leak(leaks, "leak_kmalloc", 0.005, 0.05);
	expect_no_other(leaks, planted);
	json_decref(leaks);
}

static void test_clean(void **state)
{
	RAN r = HUNT("faultfs", "--cycles", "30");
	json_t *leaks;

	expect_status(&r, 0);
	expect_says(&r, "cleanup  verified");
	leaks = leaks_of_latest();
	expect_no_other(leaks, (const char *const[]){ NULL });
	assert_int_equal(json_integer_value(json_object_get(leaks, "suspected")), 0);
	assert_true(json_array_size(json_object_get(leaks, "checkpoints")) > 20);
	json_decref(leaks);
}

/* A cache and a thread that outlive the module are findings of their own. */
static void test_left_behind(void **state)
{
	RAN r = HUNT("faultfs", "--cycles", "5", "--module-params", "leak=cache_left@fill");

	expect_status(&r, 2);
	expect_says(&r, "left behind: caches.faultfs_left");
}

static GPid start_hunt(void)
{
	g_autofree char *path = g_canonicalize_filename(vexlab(), NULL);
	char *argv[] = { path, "run", "-q", "--scenario", "leak-hunt", "--target", "faultfs", "--control", "none", "--output",
			 "crashed", "--cycles", "60", "--module-params", "leak=kmalloc@fill leak_every=20", NULL };
	g_autoptr(GError) error = NULL;
	GPid pid;

	if (!g_spawn_async(test_dir, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, &pid, &error))
		fail_msg("cannot run vexlab: %s", error->message);
	return pid;
}

/* Until the run's log has it, for a minute. */
static void wait_for_log(const char *words)
{
	g_autofree char *dir = g_build_filename(test_dir, "crashed", "latest", NULL);
	guint i;

	for (i = 0; i < 600; i++) {
		g_autoptr(GDir) files = g_dir_open(dir, 0, NULL);
		const char *name;

		while (files && (name = g_dir_read_name(files))) {
			g_autofree char *path = g_build_filename(dir, name, NULL), *text = NULL;

			if (g_str_has_suffix(name, ".log") && g_file_get_contents(path, &text, NULL, NULL) && strstr(text, words))
				return;
		}
		g_usleep(100000);
	}
	fail_msg("its log never says \"%s\"", words);
}

/* The guest dies in the middle of the first round: the hunt goes on in the one that was put back, and still finds it. */
static void test_crash(void **state)
{
	static const char *const planted[] = { "leak_kmalloc", NULL };
	GPid pid = start_hunt();
	json_t *leaks;
	int status;
	pid_t qemu;

	wait_for_log("outstanding after the unmount of cycle 15");
	qemu = qemu_of(pid);
	assert_true(qemu > 0);
	kill(qemu, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
	{
		RAN r = run_vexlab("leaks", "crashed/latest", "--json", NULL);

		expect_status(&r, 0);
		leaks = expect_json(&r);
	}
	expect_leak(leaks, "leak_kmalloc", 0.02, 0.1);
	expect_no_other(leaks, planted);
	json_decref(leaks);
}

/* Never loaded by us, perhaps built in: judged by growth. */
static void test_ext4(void **state)
{
	RAN r = HUNT("ext4", "--cycles", "30");
	json_t *leaks;

	expect_status(&r, 0);
	leaks = leaks_of_latest();
	expect_no_other(leaks, (const char *const[]){ NULL });
	assert_true(json_array_size(json_object_get(leaks, "sites")) > 3);
	json_decref(leaks);
}

static void test_not_a_hunt(void **state)
{
	RAN none = run_vexlab("leaks", "nowhere", NULL);
	RAN both = run_vexlab("leaks", "hunts/latest", "--json", "--folded", NULL);

	assert_int_not_equal(none.status, 0);
	expect_status(&both, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_rare),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_ext4),
		cmocka_unit_test(test_not_a_hunt),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
