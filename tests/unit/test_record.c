// SPDX-License-Identifier: GPL-2.0
/* A disk that is full, and a writer that was killed, leave whole entries and whole lines. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "frame.h"
#include "fsutil.h"
#include "linefile.h"
#include "record.h"

#define FULL	8192	/* of a disk that is small */

static char *dir;

static int set_up(void **state)
{
	dir = g_dir_make_tmp("vexlab-record-XXXXXX", NULL);
	return dir ? 0 : -1;
}

static int tear_down(void **state)
{
	assert_int_equal(fs_remove_at(AT_FDCWD, dir), 0);
	g_clear_pointer(&dir, g_free);
	return 0;
}

/* Files may grow to FULL bytes: to a writer it is a full disk. */
static void disk_is_small(gboolean on)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = on ? FULL : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_half_an_entry_is_none(void **state)
{
	g_autofree char *path = g_build_filename(dir, REC_FILE_NAME, NULL), *payload = g_strnfill(1000, 'x');
	g_autoptr(GError) error = NULL;
	struct record *rec = record_create(dir, &error);
	struct rec_reader *reader;
	struct rec_entry entry;
	guint written = 0, found = 0;

	assert_non_null(rec);
	disk_is_small(TRUE);
	while (record_bytes(rec, VX_REC_CONSOLE, payload, 1000, NULL, &error))
		written++;
	/* It fits again: nothing of the one that failed is in between. */
	disk_is_small(FALSE);
	assert_true(record_bytes(rec, VX_REC_CONSOLE, "after", 5, NULL, NULL));
	record_close(rec);
	assert_int_equal(vx_error_exit_code(error), 74);
	assert_non_null(strstr(error->message, path));
	reader = rec_reader_open(dir, NULL);
	assert_non_null(reader);
	while (rec_reader_next(reader, &entry))
		found++;
	assert_int_equal(rec_reader_torn(reader), 0);
	assert_int_equal(found, written + 1);
	rec_reader_close(reader);
}

static void test_cut_off_as_it_began(void **state)
{
	g_autofree char *path = g_build_filename(dir, REC_FILE_NAME, NULL);
	g_autoptr(GError) error = NULL;

	assert_true(g_file_set_contents(path, "VXREC", 5, NULL));
	assert_null(rec_reader_open(dir, &error));
	assert_int_equal(vx_error_exit_code(error), 69);
	assert_non_null(strstr(error->message, "holds nothing"));
	g_clear_error(&error);
	assert_true(g_file_set_contents(path, "VXRECORD\xff\0\0\0\0\0\0\0", 16, NULL));
	assert_null(rec_reader_open(dir, &error));
	assert_int_equal(vx_error_exit_code(error), 78);
}

static void test_half_a_line_is_none(void **state)
{
	g_autofree char *path = g_build_filename(dir, "lines", NULL), *line = g_strnfill(3000, 'l'), *text = NULL;
	struct linefile *lf = linefile_create(path, NULL);
	gsize len;

	assert_non_null(lf);
	line[2999] = '\n';
	disk_is_small(TRUE);
	assert_int_equal(linefile_append(lf, line, 3000), 0);
	assert_int_equal(linefile_append(lf, line, 3000), 0);
	assert_int_equal(linefile_append(lf, line, 3000), -EFBIG);
	assert_int_equal(linefile_append(lf, "short\n", 6), 0);
	disk_is_small(FALSE);
	linefile_close(lf);
	assert_true(g_file_get_contents(path, &text, &len, NULL));
	assert_int_equal(len, 6006);
	assert_memory_equal(text + 3000, line, 3000);
	assert_string_equal(text + 6000, "short\n");
	assert_null(linefile_create(path, NULL));
}

static void test_what_to_do_is_said(void **state)
{
	g_autoptr(GError) full = NULL, broken = NULL;

	vx_error_set_write(&full, ENOSPC, "/some/where");
	vx_error_set_write(&broken, EIO, "/some/where");
	assert_non_null(strstr(full->message, "/some/where"));
	assert_non_null(strstr(full->message, "free some space"));
	assert_null(strstr(broken->message, "free some space"));
}

static void make(const char *name, guint age_s)
{
	const struct timespec when = { .tv_sec = g_get_real_time() / G_USEC_PER_SEC - age_s }, times[] = { when, when };
	g_autofree char *path = g_build_filename(dir, name, NULL);

	assert_true(g_file_set_contents(path, name, -1, NULL));
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static gboolean there(const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_the_newest_stay(void **state)
{
	g_autofree char *folder = g_build_filename(dir, "folder", NULL);

	make("b", 20);
	make("c", 10);
	make("a", 30);
	assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
	fs_keep_newest(dir, 2);
	assert_true(there("b") && there("c") && there("folder"));
	assert_false(there("a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_half_an_entry_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cut_off_as_it_began, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_a_line_is_none, set_up, tear_down),
		cmocka_unit_test(test_what_to_do_is_said),
		cmocka_unit_test_setup_teardown(test_the_newest_stay, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
