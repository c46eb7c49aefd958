// SPDX-License-Identifier: GPL-2.0
/* A saved image's identity, and disks upon disks. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "disk.h"
#include "error.h"
#include "fsutil.h"
#include "save_image.h"

#define UUID1 "11111111-1111-5111-8111-111111111111"
#define UUID2 "22222222-2222-5222-8222-222222222222"

static char *dir;

static int set_up(void **state)
{
	dir = g_dir_make_tmp("vexlab-image-XXXXXX", NULL);
	return dir ? 0 : -1;
}

static int tear_down(void **state)
{
	fs_remove_at(AT_FDCWD, dir);
	g_clear_pointer(&dir, g_free);
	return 0;
}

/* A head of 92 bytes, the XML, data. */
static char *image(const char *magic, const char *xml)
{
	char *path = g_build_filename(dir, "image", NULL);
	g_autofree char *bytes = g_malloc0(8192);

	memcpy(bytes, magic, 16);
	strcpy(bytes + 92, xml);
	memset(bytes + 4096, 'd', 4096);
	assert_true(g_file_set_contents(path, bytes, 8192, NULL));
	return path;
}

static void test_rename(void **state)
{
	g_autofree char *path = image("LibvirtQemudSave", "<domain><name>vexlab1</name><uuid>" UUID1 "</uuid></domain>");
	g_autofree char *want = NULL, *got = NULL;
	g_autoptr(GError) error = NULL;

	assert_true(save_image_rename(path, "vexlab2", UUID2, &error));
	assert_true(g_file_get_contents(path, &got, NULL, NULL));
	assert_string_equal(got + 92, "<domain><name>vexlab2</name><uuid>" UUID2 "</uuid></domain>");
	assert_int_equal(got[4096], 'd');
	assert_int_equal(got[8191], 'd');
	/* Of another length, nothing is written. */
	assert_false(save_image_rename(path, "vexlab10", UUID1, &error));
	assert_int_equal(error->code, VX_ERROR_IO);
	assert_true(g_file_get_contents(path, &want, NULL, NULL));
	assert_memory_equal(got, want, 8192);
}

static void test_no_image(void **state)
{
	const char *const bad[] = { "<name>vexlab1</name>", "<name>vexlab1<uuid>" UUID1, "", "<uuid><name>" };
	g_autofree char *part = image("LibvirtQemudPart", "<name>vexlab1</name><uuid>" UUID1 "</uuid>");
	g_autofree char *none = g_build_filename(dir, "none", NULL);
	guint i;

	assert_false(save_image_rename(part, "vexlab2", UUID2, NULL));
	assert_false(save_image_rename(none, "vexlab2", UUID2, NULL));
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *path = image("LibvirtQemudSave", bad[i]);

		assert_false(save_image_rename(path, "vexlab2", UUID2, NULL));
	}
}

static void test_overlay(void **state)
{
	g_autofree char *base = g_build_filename(dir, "base", NULL), *top = g_build_filename(dir, "top", NULL);
	g_autofree char *command = g_strdup_printf("qemu-img info %s", top), *check = NULL, *out = NULL, *wanted = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	assert_true(disk_create_scratch(base, 64 << 20, 1 << 20, &error));
	assert_false(disk_create_overlay(top, 64 << 20, "base", 1 << 20, &error));
	g_clear_error(&error);
	assert_true(disk_create_overlay(top, 64 << 20, base, 1 << 20, &error));
	if (!g_spawn_command_line_sync(command, &out, NULL, &status, NULL))
		skip();
	assert_int_equal(status, 0);
	wanted = g_strdup_printf("backing file: %s\nbacking file format: qcow2\n", base);
	assert_non_null(strstr(out, wanted));
	check = g_strdup_printf("qemu-img check -q %s", top);
	assert_true(g_spawn_command_line_sync(check, NULL, NULL, &status, NULL));
	assert_int_equal(status, 0);
}

static void test_copy_keeps_holes(void **state)
{
	g_autofree char *from = g_build_filename(dir, "from", NULL), *to = g_build_filename(dir, "to", NULL);
	g_autofree char *a = NULL, *b = NULL;
	gsize la, lb;

	assert_true(disk_create_scratch(from, 64 << 20, 1 << 20, NULL));
	assert_true(fs_copy_sparse(from, to, NULL));
	assert_false(fs_copy_sparse(from, to, NULL));
	assert_true(g_file_get_contents(from, &a, &la, NULL) && g_file_get_contents(to, &b, &lb, NULL));
	assert_int_equal(la, lb);
	assert_memory_equal(a, b, la);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rename, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_image, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overlay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copy_keeps_holes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
