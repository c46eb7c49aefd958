// SPDX-License-Identifier: GPL-2.0
/* A ready-state that is not byte for byte what was saved must never be used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "store.h"
#include "warm.h"

#define STATE_BYTES	(64ll << 20)	/* most of it a hole */

static char *cache;

static int set_up(void **state)
{
	cache = g_dir_make_tmp("vexlab-warm-XXXXXX", NULL);
	return cache ? 0 : -1;
}

static int tear_down(void **state)
{
	assert_int_equal(fs_remove_at(AT_FDCWD, cache), 0);
	g_clear_pointer(&cache, g_free);
	return 0;
}

static char *key_of(const char *fact)
{
	char *key = warm_key((const char *[]) { fact, NULL }, NULL, NULL);

	assert_int_equal(strlen(key), 64);
	return key;
}

static void write_state(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, STATE_BYTES), 0);
	assert_int_equal(pwrite(fd, "head", 4, 0), 4);
	assert_int_equal(pwrite(fd, "middle", 6, 20 << 20), 6);
	assert_int_equal(pwrite(fd, "tail", 4, STATE_BYTES - 4), 4);
	close(fd);
}

static void store(const char *key)
{
	g_autoptr(GError) error = NULL;
	struct warm_writer *w = warm_begin(cache, key, 1 << 20, &error);

	assert_non_null(w);
	write_state(warm_writer_path(w));
	assert_true(warm_commit(w, &error));
}

/* Changes without a new time of modification, as a failing disk would. */
static void damage(const char *path, off_t at, const char *bytes)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(pwrite(fd, bytes, strlen(bytes), at) > 0);
	assert_int_equal(futimens(fd, (struct timespec[]) { st.st_atim, st.st_mtim }), 0);
	close(fd);
}

static void assert_refused(const char *key, const char *because)
{
	g_autofree char *why = NULL, *again = NULL;

	assert_null(warm_find(cache, key, &why));
	if (!strstr(why, because))
		fail_msg("\"%s\" does not say \"%s\"", why, because);
	/* It is gone: the next look finds none. */
	assert_null(warm_find(cache, key, &again));
	assert_non_null(strstr(again, "no ready-state"));
}

static void test_found_again(void **state)
{
	g_autofree char *key = key_of("a"), *why = NULL, *path = NULL;

	assert_null(warm_find(cache, key, &why));
	assert_non_null(why);
	store(key);
	path = warm_find(cache, key, NULL);
	assert_non_null(path);
	assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
	warm_discard(cache, key);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_damage_is_noticed(void **state)
{
	g_autofree char *key = key_of("a");
	g_autofree char *path = g_build_filename(cache, "warm", key, "state", NULL);
	g_autofree char *manifest = g_build_filename(cache, "warm", key, "manifest", NULL);

	store(key);
	damage(path, 20 << 20, "m1ddle");
	assert_refused(key, "checksum");
	store(key);
	assert_int_equal(truncate(path, STATE_BYTES - 1), 0);
	assert_refused(key, "length");
	store(key);
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	assert_refused(key, "changed");
	store(key);
	assert_int_equal(unlink(path), 0);
	assert_refused(key, "missing");
	store(key);
	damage(manifest, 5, "}{");
	assert_refused(key, "manifest");
}

static void test_key_depends_on_all(void **state)
{
	g_autofree char *file = g_build_filename(cache, "kernel", NULL), *joined = NULL, *split = NULL;
	g_autofree char *before = NULL, *after = NULL;
	const char *const files[] = { file, NULL };
	g_autoptr(GError) error = NULL;

	joined = warm_key((const char *[]) { "ab", NULL }, NULL, NULL);
	split = warm_key((const char *[]) { "a", "b", NULL }, NULL, NULL);
	assert_string_not_equal(joined, split);
	assert_null(warm_key(NULL, files, &error));
	assert_int_equal(vx_error_exit_code(error), 69);
	assert_true(g_file_set_contents(file, "1", -1, NULL));
	before = warm_key(NULL, files, NULL);
	assert_true(g_file_set_contents(file, "2", -1, NULL));
	after = warm_key(NULL, files, NULL);
	assert_string_not_equal(before, after);
}

static void test_one_writer(void **state)
{
	g_autofree char *a = key_of("a"), *b = key_of("b"), *left = NULL;
	g_autoptr(GError) error = NULL;
	struct warm_writer *w = warm_begin(cache, a, 1 << 20, &error);

	assert_non_null(w);
	assert_null(warm_begin(cache, b, 1 << 20, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY));
	g_clear_error(&error);
	write_state(warm_writer_path(w));
	left = g_path_get_dirname(warm_writer_path(w));
	warm_abort(w);
	assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
	assert_null(warm_begin(cache, a, G_MAXUINT64 / 2, &error));
	assert_int_equal(vx_error_exit_code(error), 74);
}

/* Of a writer that died: its lock is free. One that lives keeps what it has. */
static void test_half_made_ones_go(void **state)
{
	g_autofree char *key = key_of("a"), *dir = g_build_filename(cache, "warm", NULL), *mine = NULL, *found = NULL;
	g_autofree char *dead = g_build_filename(dir, ".new-dead", NULL), *gone = g_build_filename(dir, ".old-gone", NULL);
	struct warm_writer *w;

	store_tidy(dir);
	store(key);
	assert_int_equal(fs_mkdir(dead, 0700, NULL) + fs_mkdir(gone, 0700, NULL), 2);
	store_tidy(dir);
	assert_false(g_file_test(dead, G_FILE_TEST_EXISTS) || g_file_test(gone, G_FILE_TEST_EXISTS));
	found = warm_find(cache, key, NULL);
	assert_non_null(found);
	w = warm_begin(cache, key, 1 << 20, NULL);
	assert_non_null(w);
	mine = g_path_get_dirname(warm_writer_path(w));
	store_tidy(dir);
	assert_true(g_file_test(mine, G_FILE_TEST_EXISTS));
	warm_abort(w);
}

static void test_least_recently_used_goes(void **state)
{
	g_autofree char *found = NULL, *first = key_of("0"), *second = key_of("1"), *path = NULL;

	for (int i = 0; i < WARM_KEEP; i++) {
		g_autofree char *fact = g_strdup_printf("%d", i), *key = key_of(fact);

		store(key);
		g_usleep(10000);
	}
	found = warm_find(cache, first, NULL);
	assert_non_null(found);
	g_usleep(10000);
	path = key_of("new");
	store(path);
	assert_null(warm_find(cache, second, NULL));
	g_free(found);
	found = warm_find(cache, first, NULL);
	assert_non_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_key_depends_on_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_writer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_made_ones_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_least_recently_used_goes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
