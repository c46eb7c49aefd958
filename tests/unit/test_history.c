// SPDX-License-Identifier: GPL-2.0
/* Runs into a history and out of it; many writers, damaged files, older ones, lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "history.h"
#include "lives.h"
#include "trend.h"

#define WRITERS	8
#define EACH	12

static char *dir, *path;

static int set_up(void **state)
{
	dir = g_dir_make_tmp("vexlab-history-XXXXXX", NULL);
	path = g_build_filename(dir, HISTORY_FILE, NULL);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(fs_remove_at(AT_FDCWD, dir), 0);
	g_clear_pointer(&dir, g_free);
	g_clear_pointer(&path, g_free);
	return 0;
}

static struct hist_run *make(guint n, const char *kernel)
{
	struct hist_run *run = hist_run_new();
	struct hist_metric *metric;
	guint64 i;

	run->uid = g_strdup_printf("%032x", n + 1);
	run->name = g_strdup_printf("run-%u", n);
	run->directory = g_strdup_printf("/runs/run-%u", n);
	run->begin_ns = 1000 + n;
	run->end_ns = 2000 + n;
	run->complete = run->judged = TRUE;
	run->overall = run->stability = run->tests = run->performance = 100;
	json_object_set_new(run->env, "target", json_string("vexfs"));
	json_object_set_new(run->env, "scenario", json_string("mount-cycles"));
	json_object_set_new(run->env, "kernel", json_string(kernel));
	metric = hist_metric_add(run, "mount.total");
	metric->count = 30;
	metric->min = metric->p50 = metric->p90 = metric->p99 = metric->max = metric->mean = 1000 + n;
	metric->samples = g_array_new(FALSE, FALSE, sizeof(guint64));
	for (i = 0; i < 30; i++) {
		const guint64 value = 100000 + 100 * i + n % 7;

		g_array_append_val(metric->samples, value);
	}
	return run;
}

static struct history *open_it(enum history_use use)
{
	g_autoptr(GError) error = NULL;
	struct history *h = history_open(path, use, NULL, &error);

	if (!h)
		print_error("%s\n", error->message);
	assert_non_null(h);
	return h;
}

static void put(struct history *h, struct hist_run *run)
{
	g_autoptr(GError) error = NULL;
	gboolean added;

	if (!history_add(h, run, &added, &error))
		print_error("%s\n", error->message);
	assert_null(error);
	assert_true(added);
}

static void put_plain(struct history *h, guint n)
{
	VX_GUARD(hist_run_free) struct hist_run *run = make(n, "6.12");

	put(h, run);
}

static char *line_of(const struct hist_run *run)
{
	json_t *json = hist_run_json(run);
	char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);

	json_decref(json);
	return text;
}

static void kept_as_it_was(void **state)
{
	VX_GUARD(hist_run_free) struct hist_run *run = make(3, "6.12"), *back = NULL, *again = NULL;
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	struct hist_finding *finding = hist_finding_add(run, "Oops", "NULL pointer in vexfs_put");
	g_autofree char *before = NULL, *after = NULL, *imported = NULL;
	gboolean added;
	json_t *json;

	finding->severity = SEV_HIGH;
	finding->times = 2;
	finding->cycle = 7;
	put(h, run);
	back = history_load(h, run->id, FALSE, NULL);
	assert_non_null(back);
	before = line_of(run);
	after = line_of(back);
	assert_string_equal(before, after);
	json = hist_run_json(back);
	again = hist_run_from_json(json, NULL);
	json_decref(json);
	assert_non_null(again);
	imported = line_of(again);
	assert_string_equal(before, imported);
	/* Once more is the same one. */
	assert_true(history_add(h, again, &added, NULL));
	assert_false(added);
	assert_int_equal(again->id, run->id);
	assert_int_equal(history_count(h, NULL), 1);
}

static void a_killed_run_is_replaced_by_the_whole(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	VX_GUARD(hist_run_free) struct hist_run *cut = make(1, "6.12"), *whole = make(1, "6.12");
	g_autoptr(GArray) series = NULL;

	cut->complete = FALSE;
	put(h, cut);
	series = history_series(h, whole, NULL, "mount.total", FIELD_P50, 0, NULL);
	assert_int_equal(series->len, 0);
	put(h, whole);
	assert_int_equal(history_count(h, NULL), 1);
	g_array_unref(series);
	series = history_series(h, whole, NULL, "mount.total", FIELD_P50, 0, NULL);
	assert_int_equal(series->len, 1);
}

/* Twice as long from the twelfth run on; one of another kernel is none of them. */
static void the_trend_of_a_run(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	VX_GUARD(hist_run_free) struct hist_run *now = make(30, "6.12"), *other = make(25, "6.1");
	json_t *trend, *runs, *changes;
	guint i;

	for (i = 0; i < 24; i++) {
		VX_GUARD(hist_run_free) struct hist_run *run = make(i, "6.12");
		struct hist_metric *metric = g_ptr_array_index(run->metrics, 0);

		metric->p50 = 1e6 * (i < 12 ? 1 : 2) + i % 3 * 1000;
		put(h, run);
	}
	put(h, other);
	trend = trend_of(h, now, NULL, NULL);
	runs = json_object_get(trend, "runs");
	assert_int_equal(json_array_size(runs), 24);
	assert_string_equal(json_string_value(json_object_get(json_array_get(runs, 0), "stamp")), "run-0");
	assert_float_equal(json_number_value(json_object_get(json_object_get(json_array_get(runs, 23), "values"), "mount p50, ms")),
			   2.002, 1e-9);
	changes = json_object_get(json_object_get(trend, "changes"), "mount p50, ms");
	assert_int_equal(json_array_size(changes), 1);
	assert_int_equal(json_integer_value(json_array_get(changes, 0)), 12);
	assert_int_equal(json_array_size(json_object_get(json_object_get(trend, "changes"), "umount p50, ms")), 0);
	json_decref(trend);
}

static void found_by_what_people_say(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	g_autoptr(GError) error = NULL;
	guint i;

	for (i = 0; i < 3; i++)
		put_plain(h, i);
	assert_int_equal(history_find(h, "latest", NULL), 3);
	assert_int_equal(history_find(h, "2", NULL), 2);
	assert_int_equal(history_find(h, "run-0", NULL), 1);
	assert_int_equal(history_find(h, "some/where/run-1", NULL), 2);
	assert_int_equal(history_find(h, "00000000000000000000000000000002", NULL), 2);
	assert_int_equal(history_find(h, "0000000", &error), 0);
	assert_int_equal(vx_error_exit_code(error), 64);
	g_clear_error(&error);
	assert_int_equal(history_find(h, "run-9", &error), 0);
	assert_int_equal(vx_error_exit_code(error), 64);
}

static int write_some(guint writer)
{
	struct history *h = history_open(path, HISTORY_WRITE, NULL, NULL);
	guint i;

	for (i = 0; h && i < EACH; i++) {
		struct hist_run *run = make(writer * EACH + i, "6.12");
		gboolean added, ok = history_add(h, run, &added, NULL);

		hist_run_free(run);
		if (!ok || !added)
			return 1;
	}
	history_close(h);
	return h ? 0 : 1;
}

/* All begin at once, on a file that is not there yet. */
static void many_writers_lose_nothing(void **state)
{
	VX_GUARD(history_close) struct history *h = NULL;
	pid_t pids[WRITERS];
	guint i;

	for (i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(write_some(i));
	}
	for (i = 0; i < WRITERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	h = open_it(HISTORY_READ);
	assert_int_equal(history_count(h, NULL), WRITERS * EACH);
	assert_true(history_check(h, NULL));
}

static guint damaged_files(char **one)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;
	guint n = 0;

	while ((name = g_dir_read_name(d)))
		if (strstr(name, ".damaged-") && !g_str_has_suffix(name, "-wal") && !g_str_has_suffix(name, "-shm")) {
			n++;
			g_free(*one);
			*one = g_build_filename(dir, name, NULL);
		}
	return n;
}

static void overwrite(off_t at, const char *bytes, gsize len)
{
	const int fd = open(path, O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

static void set_aside_and_begun_anew(off_t at)
{
	g_autofree char *junk = g_strnfill(8192, 'x'), *told = NULL, *aside = NULL, *text = NULL;
	g_autoptr(GError) error = NULL;
	struct history *h = open_it(HISTORY_WRITE);
	gsize len;

	put_plain(h, 1);
	history_close(h);
	overwrite(at, junk, 8192);
	/* Who only reads is told, and changes nothing. */
	assert_null(history_open(path, HISTORY_READ, NULL, &error));
	assert_int_equal(vx_error_exit_code(error), 74);
	assert_int_equal(damaged_files(&aside), 0);
	h = history_open(path, HISTORY_WRITE, &told, NULL);
	assert_non_null(h);
	assert_non_null(told);
	assert_int_equal(damaged_files(&aside), 1);
	assert_non_null(strstr(told, aside));
	/* Not a byte of it is lost. */
	assert_true(g_file_get_contents(aside, &text, &len, NULL));
	assert_true(len >= (gsize)at + 8192);
	assert_memory_equal(text + at, junk, 8192);
	put_plain(h, 2);
	assert_int_equal(history_count(h, NULL), 1);
	history_close(h);
}

static void damaged_in_the_middle(void **state)
{
	set_aside_and_begun_anew(8192);
}

static void damaged_at_its_head(void **state)
{
	set_aside_and_begun_anew(0);
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void anothers_and_newer_are_refused(void **state)
{
	g_autofree char *aside = NULL;
	g_autoptr(GError) error = NULL;

	sql("CREATE TABLE recipes (name TEXT); PRAGMA application_id = 7");
	assert_null(history_open(path, HISTORY_WRITE, NULL, &error));
	assert_int_equal(vx_error_exit_code(error), 78);
	g_clear_error(&error);
	assert_int_equal(unlink(path), 0);
	history_close(open_it(HISTORY_WRITE));
	sql("PRAGMA user_version = 99");
	assert_null(history_open(path, HISTORY_WRITE, NULL, &error));
	assert_int_equal(vx_error_exit_code(error), 78);
	assert_int_equal(damaged_files(&aside), 0);
}

/* As the first version left it: the tables lacked what was tried again. */
static void an_older_one_is_brought_up(void **state)
{
	VX_GUARD(hist_run_free) struct hist_run *run = make(1, "6.12"), *back = NULL;
	struct history *h = open_it(HISTORY_WRITE);
	struct hist_finding *finding = hist_finding_add(run, "Hang", "vexfs_sync");
	const struct hist_finding *got;

	finding->times = 1;
	put(h, run);
	history_close(h);
	sql("ALTER TABLE finding DROP COLUMN attempts; ALTER TABLE finding DROP COLUMN seen; PRAGMA user_version = 1");
	h = open_it(HISTORY_READ);
	assert_true(history_retried(h, run->id, finding->key, 5, 2, NULL));
	back = history_load(h, run->id, FALSE, NULL);
	got = g_ptr_array_index(back->findings, 0);
	assert_int_equal(got->attempts, 5);
	assert_int_equal(got->seen, 2);
	history_close(h);
}

static void comparable_only(void **state)
{
	static const char *const across[] = { "kernel", NULL };
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	VX_GUARD(hist_run_free) struct hist_run *other = make(0, "6.1"), *now = make(50, "6.12");
	g_autofree char *why = NULL;
	GArray *ids;
	guint i;

	put(h, other);
	ids = history_baseline(h, now, NULL, 20, &why, NULL);
	assert_int_equal(ids->len, 0);
	assert_non_null(strstr(why, "kernel: 6.1 there, 6.12 here"));
	g_array_unref(ids);
	for (i = 1; i < 31; i++)
		put_plain(h, i);
	ids = history_baseline(h, now, NULL, 20, NULL, NULL);
	assert_int_equal(ids->len, 20);
	assert_int_equal(g_array_index(ids, gint64, 19), 31);
	g_array_unref(ids);
	ids = history_baseline(h, now, across, 100, NULL, NULL);
	assert_int_equal(ids->len, 31);
	g_array_unref(ids);
	assert_true(history_accept(h, 29, TRUE, NULL));
	ids = history_baseline(h, now, NULL, 20, NULL, NULL);
	assert_int_equal(ids->len, 3);
	g_array_unref(ids);
}

static void titles_without_what_changes(void **state)
{
	g_autofree char *a = hist_key("Oops", "BUG at ffff888012345678 in vexfs_put+0x12/0x34, 3 times on ext4");
	g_autofree char *b = hist_key("Oops", "BUG at ffff8880abcdef01 in vexfs_put+0x9a/0x40, 17 times on ext4");

	assert_string_equal(a, b);
	assert_string_equal(a, "Oops: BUG at N in vexfs_put+N/N, N times on ext4");
}

static void with_finding(struct history *h, guint n, gboolean has)
{
	VX_GUARD(hist_run_free) struct hist_run *run = make(n, "6.12");

	if (has)
		hist_finding_add(run, "Warning", "WARNING in vexfs_evict")->times = 1;
	put(h, run);
}

static enum life life_now(struct history *h, guint n, gboolean has, gboolean *told)
{
	VX_GUARD(hist_run_free) struct hist_run *run = make(n, "6.12");
	g_autoptr(GPtrArray) lives = NULL;
	guint looked;

	if (has)
		hist_finding_add(run, "Warning", "WARNING in vexfs_evict")->times = 1;
	lives = lives_of(h, run, &looked, NULL);
	assert_non_null(lives);
	assert_int_equal(looked, n);
	*told = lives->len > 0;
	return *told ? ((const struct hist_life *)g_ptr_array_index(lives, 0))->life : LIVES;
}

static void a_findings_life(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	gboolean told;
	guint n = 0, i;

	for (; n < 3; n++)
		with_finding(h, n, FALSE);
	assert_int_equal(life_now(h, n, TRUE, &told), LIFE_NEW);
	for (i = 0; i < 6; i++)
		with_finding(h, n++, TRUE);
	assert_int_equal(life_now(h, n, TRUE, &told), LIFE_KNOWN);
	/* Once without it is not yet gone: it may be one that is seen nine times in ten. */
	assert_int_equal(life_now(h, n, FALSE, &told), LIFE_ABSENT);
	for (i = 0; i < 3; i++)
		with_finding(h, n++, FALSE);
	assert_int_equal(life_now(h, n, FALSE, &told), LIFE_GONE);
	assert_int_equal(life_now(h, n, TRUE, &told), LIFE_BACK);
	for (i = 0; i < 10; i++)
		with_finding(h, n++, FALSE);
	assert_int_equal(life_now(h, n, FALSE, &told), LIVES);
	assert_int_equal(life_now(h, n, TRUE, &told), LIFE_BACK);
}

/* Since when: the run that had it first, and the one before it that had it not. */
static void a_finding_begins_between_two_runs(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	VX_GUARD(hist_run_free) struct hist_run *now = make(9, "6.12");
	const struct hist_life *life;
	guint looked, n;

	for (n = 0; n < 3; n++)
		with_finding(h, n, FALSE);
	hist_finding_add(now, "Warning", "WARNING in vexfs_evict")->times = 1;
	hist_finding_add(now, "Oops", "oops in vexfs_put")->times = 1;
	{
		g_autoptr(GPtrArray) lives = lives_of(h, now, &looked, NULL);

		life = g_ptr_array_index(lives, 0);
		assert_null(life->first);
		assert_string_equal(life->good, "run-2");
	}
	for (; n < 6; n++)
		with_finding(h, n, n != 4);
	{
		g_autoptr(GPtrArray) lives = lives_of(h, now, &looked, NULL);

		assert_int_equal(lives->len, 2);
		for (n = 0; n < 2; n++) {
			life = g_ptr_array_index(lives, n);
			/* The oops is in none of them. */
			assert_string_equal(life->good, life->first ? "run-2" : "run-5");
			assert_true(!life->first || !strcmp(life->first, "run-3"));
		}
	}
}

/* One that shows in every third run is neither gone nor back in between. */
static void a_rare_one_is_not_gone_at_once(void **state)
{
	VX_GUARD(history_close) struct history *h = open_it(HISTORY_WRITE);
	gboolean told;
	guint n;

	for (n = 0; n < 30; n++)
		with_finding(h, n, n % 3 == 0);
	assert_int_equal(life_now(h, n, FALSE, &told), LIFE_ABSENT);
	assert_int_equal(life_now(h, n, TRUE, &told), LIFE_KNOWN);
}

static void imports_are_checked(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "{\"vexlab_history\": 2}", "{\"vexlab_history\": 1}",
		"{\"vexlab_history\":1,\"uid\":\"0123456789abcdef0123456789abcdef\",\"name\":\"a\",\"begin_ns\":1,\"end_ns\":2,\"cycles\":1,"
		"\"verdict\":9,\"scores\":{\"overall\":1,\"stability\":1,\"tests\":1,\"performance\":1},\"environment\":{},\"metrics\":[],"
		"\"findings\":[]}",
	};
	static const char *const changes[][2] = {
		{ "\"samples\":[100001", "\"samples\":[999999999" }, { "\"count\":30", "\"count\":-1" },
		{ "\"target\":\"vexfs\"", "\"target\":7" }, { "\"metrics\":[", "\"metrics\":[7," }, { "\"p50\":1001.0", "\"p50\":null" },
	};
	VX_GUARD(hist_run_free) struct hist_run *run = make(1, "6.12");
	g_autofree char *line = line_of(run);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(bad) + G_N_ELEMENTS(changes); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GString) text = g_string_new(i < G_N_ELEMENTS(bad) ? bad[i] : line);
		json_t *json;

		if (i >= G_N_ELEMENTS(bad))
			assert_int_equal(g_string_replace(text, changes[i - G_N_ELEMENTS(bad)][0],
							  changes[i - G_N_ELEMENTS(bad)][1], 1), 1);
		json = json_loads(text->str, 0, NULL);
		assert_non_null(json);
		assert_null(hist_run_from_json(json, &error));
		assert_int_equal(vx_error_exit_code(error), 78);
		json_decref(json);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(kept_as_it_was), T(a_killed_run_is_replaced_by_the_whole), T(found_by_what_people_say), T(many_writers_lose_nothing),
		T(damaged_in_the_middle), T(damaged_at_its_head), T(anothers_and_newer_are_refused), T(an_older_one_is_brought_up),
		T(comparable_only), T(the_trend_of_a_run), cmocka_unit_test(titles_without_what_changes), T(a_findings_life),
		T(a_finding_begins_between_two_runs), T(a_rare_one_is_not_gone_at_once),
		cmocka_unit_test(imports_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
