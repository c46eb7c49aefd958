// SPDX-License-Identifier: GPL-2.0
/* The header of a memory dump, as QEMU leaves it, and as readers want it. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "kdump.h"

#define NAME(head, i) ((head) + 12 + 65 * (i))

static char *dump_with(const char *signature, const char *info)
{
	char *path = NULL, head[8192] = { 0 };
	int fd = g_file_open_tmp("vexlab-kdump-XXXXXX", &path, NULL);

	assert_true(fd >= 0);
	memcpy(head, signature, 8);
	head[8] = 6;
	strcpy(NAME(head, 4), "Unknown");
	strcpy(head + 5000, info);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	chmod(path, 0400);
	return path;
}

static void expect_release(const char *info, const char *release)
{
	g_autofree char *path = dump_with("KDUMP   ", info), *head = NULL;
	gsize len;

	assert_true(kdump_name_system(path));
	assert_true(g_file_get_contents(path, &head, &len, NULL));
	assert_int_equal(len, 8192);
	assert_string_equal(NAME(head, 0), "Linux");
	assert_string_equal(NAME(head, 2), release);
	assert_string_equal(NAME(head, 4), "x86_64");
	/* What follows the names is as it was. */
	assert_memory_equal(head + 5000, info, strlen(info));
	unlink(path);
}

static void test_names_are_filled_in(void **state)
{
	g_autofree char *filler = g_strnfill(300, 'a');
	g_autofree char *endless = g_strconcat("OSRELEASE=", filler, NULL);
	g_autofree char *cut = g_strnfill(64, 'a');

	expect_release("OSRELEASE=6.12.1+deb13-cloud-amd64\nBUILD-ID=1\n", "6.12.1+deb13-cloud-amd64");
	expect_release("nothing told", "(not known)");
	expect_release("OSRELEASE=\033[2J", "(not known)");
	expect_release(endless, cut);
}

static void test_other_files_stay(void **state)
{
	g_autofree char *path = dump_with("\177ELF....", "OSRELEASE=1"), *head = NULL;

	assert_false(kdump_name_system(path));
	assert_true(g_file_get_contents(path, &head, NULL, NULL));
	assert_string_equal(NAME(head, 4), "Unknown");
	unlink(path);
	assert_false(kdump_name_system("/nonexistent/dump"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_filled_in),
		cmocka_unit_test(test_other_files_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
