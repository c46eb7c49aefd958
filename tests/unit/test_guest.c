// SPDX-License-Identifier: GPL-2.0
/*
 * The cache of guest images: what is found, refused, removed and kept, and the
 * initrd that carries the agent, read back by cpio itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "guest.h"

#define RELEASE	"6.12.1-test"
#define HASH	"0123456789abcdef"
#define KERNEL	"kernels/" RELEASE "/"
#define ROOTFS	"rootfs/" HASH "/"

static char *cache;

static char *at(const char *name)
{
	return g_build_filename(cache, name, NULL);
}

static void put(const char *name, const char *text)
{
	g_autofree char *path = at(name), *dir = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void link_current(const char *kind, const char *name)
{
	g_autofree char *path = g_build_filename(cache, kind, "current", NULL);

	assert_int_equal(symlink(name, path), 0);
}

static int set_up(void **state)
{
	cache = g_dir_make_tmp("vexlab-guest-XXXXXX", NULL);
	assert_non_null(cache);
	put(KERNEL "vmlinux", "k");
	put(KERNEL "initrd.cpio", "odd");
	put(KERNEL "modules.img", "m");
	put(KERNEL "headers/build/Makefile", "all:");
	put(KERNEL "manifest.json", "{\"kernel\": \"vmlinux\", \"cmdline\": \"quiet\", \"built\": \"2026-01-01T00:00:00Z\"}");
	put(ROOTFS "rootfs.img", "12345");
	put(ROOTFS "id_ed25519", "key");
	put(ROOTFS "known_hosts", "host");
	put(ROOTFS "manifest.json", "{\"image_bytes\": 5}");
	link_current("kernels", RELEASE);
	link_current("rootfs", HASH);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(fs_remove_at(AT_FDCWD, cache), 0);
	g_clear_pointer(&cache, g_free);
	return 0;
}

static void test_finds_both_parts(void **state)
{
	g_autofree char *kernel = at(KERNEL "vmlinux"), *rootfs = at(ROOTFS "rootfs.img");
	g_autoptr(GError) error = NULL;
	VX_GUARD(guest_free) struct guest_image *image = guest_find(cache, NULL, &error);

	assert_non_null(image);
	assert_string_equal(image->release, RELEASE);
	assert_string_equal(image->rootfs_hash, HASH);
	assert_string_equal(image->kernel, kernel);
	assert_string_equal(image->rootfs_img, rootfs);
	assert_string_equal(image->cmdline, "quiet");
}

static void expect_unavailable(const char *release, const char *words)
{
	g_autoptr(GError) error = NULL;

	assert_null(guest_find(cache, release, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_non_null(strstr(error->message, words));
	assert_non_null(strstr(error->message, "vexlab guest build"));
}

static void test_says_what_is_missing(void **state)
{
	g_autofree char *key = at(ROOTFS "id_ed25519"), *link = at("kernels/current");

	expect_unavailable("5.10.0-other", "kernel 5.10.0-other");
	assert_int_equal(g_unlink(key), 0);
	expect_unavailable(NULL, "id_ed25519");
	assert_int_equal(g_unlink(link), 0);
	expect_unavailable(NULL, "no guest kernel in");
}

static void test_refuses_a_damaged_image(void **state)
{
	put(ROOTFS "rootfs.img", "1234");
	expect_unavailable(NULL, "rootfs.img");
	put(ROOTFS "rootfs.img", "12345");
	put(KERNEL "initrd.cpio", "");
	expect_unavailable(NULL, "initrd.cpio");
}

static void expect_refused(const char *name, int code)
{
	g_autoptr(GError) error = NULL;

	assert_false(guest_remove(cache, name, &error));
	assert_true(g_error_matches(error, VX_ERROR, code));
}

static void test_what_runs_is_not_removed(void **state)
{
	g_autofree char *kernel = at(KERNEL "vmlinux"), *link = at("rootfs/current");
	g_autoptr(GError) error = NULL;
	struct guest_image *image = guest_find(cache, NULL, &error);
	int fd;

	assert_non_null(image);
	expect_refused(RELEASE, VX_ERROR_UNAVAILABLE);
	expect_refused(HASH, VX_ERROR_UNAVAILABLE);
	fd = guest_use(image, &error);
	assert_true(fd >= 0);
	guest_free(image);
	expect_refused(RELEASE, VX_ERROR_UNAVAILABLE);
	assert_true(g_file_test(kernel, G_FILE_TEST_EXISTS));
	assert_true(guest_remove(cache, HASH, &error));
	assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
	close(fd);
	assert_true(guest_remove(cache, RELEASE, &error));
	assert_false(g_file_test(kernel, G_FILE_TEST_EXISTS));
}

static void test_removes_only_entries(void **state)
{
	static const char *const names[] = { "", ".", "..", "current", "../rootfs/" HASH, "nothing" };
	g_autofree char *rootfs = at(ROOTFS "rootfs.img");
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(names); i++)
		expect_refused(names[i], VX_ERROR_USAGE);
	assert_true(g_file_test(rootfs, G_FILE_TEST_EXISTS));
}

/* "1-test" is the end of RELEASE, not its name. */
static void test_lists_one_current_of_each(void **state)
{
	const struct guest_entry *e;
	GPtrArray *entries;
	guint i, current = 0;

	put("kernels/1-test/manifest.json", "not json");
	put("kernels/.new-abcdef/vmlinux", "unfinished");
	entries = guest_list(cache);
	assert_int_equal(entries->len, 3);
	for (i = 0; i < entries->len; i++) {
		e = g_ptr_array_index(entries, i);
		current += e->current;
		assert_true(!e->current || strcmp(e->name, "1-test"));
		assert_true(e->bytes > 0);
		assert_string_equal(e->built, strcmp(e->name, RELEASE) ? "" : "2026-01-01T00:00:00Z");
	}
	assert_int_equal(current, 2);
	g_ptr_array_unref(entries);
}

/* The agent as cpio reads it from the archive that lies behind the base. */
static void unpack(const char *initrd, gsize skip)
{
	g_autofree char *script = g_strdup_printf("cd '%s' && tail -c +%" G_GSIZE_FORMAT
						  " '%s' | cpio -idu --quiet", cache, skip + 1, initrd);
	const char *argv[] = { "sh", "-c", script, NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(GSubprocess) sh = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_NONE, &error);

	assert_non_null(sh);
	assert_true(g_subprocess_wait_check(sh, NULL, &error));
}

static void test_initrd_carries_the_agent(void **state)
{
	static const char *const agents[] = { "a", "ab", "abc", "#!/bin/true\n" };
	g_autofree char *path = at("initrd"), *agent = at("agent"), *out = at("vexlab/agent");
	g_autoptr(GError) error = NULL;
	VX_GUARD(guest_free) struct guest_image *image = guest_find(cache, NULL, &error);
	size_t i;

	assert_non_null(image);
	for (i = 0; i < G_N_ELEMENTS(agents); i++) {
		g_autofree char *bytes = NULL, *got = NULL;
		gsize len;

		put("agent", agents[i]);
		assert_true(guest_compose_initrd(image, agent, path, &error));
		assert_true(g_file_get_contents(path, &bytes, &len, &error));
		/* The kernel looks for the next archive at a multiple of four. */
		assert_memory_equal(bytes, "odd\0" "070701", 10);
		assert_int_equal(len % 4, 0);
		unpack(path, 4);
		assert_true(g_file_get_contents(out, &got, NULL, &error));
		assert_string_equal(got, agents[i]);
		assert_true(g_file_test(out, G_FILE_TEST_IS_EXECUTABLE));
	}
}

static void test_initrd_needs_an_agent(void **state)
{
	g_autofree char *path = at("initrd"), *agent = at("none"), *nowhere = at("no/such/folder");
	g_autoptr(GError) error = NULL, io = NULL;
	VX_GUARD(guest_free) struct guest_image *image = guest_find(cache, NULL, &error);

	assert_non_null(image);
	assert_false(guest_compose_initrd(image, agent, path, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_false(guest_compose_initrd(image, image->kernel, nowhere, &io));
	assert_true(g_error_matches(io, VX_ERROR, VX_ERROR_IO));
}

static void recipe(const char *name, const char *body)
{
	g_autofree char *file = g_build_filename("recipes", name, NULL), *path = at(file);
	g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", body);

	put(file, text);
	assert_int_equal(g_chmod(path, 0755), 0);
}

static void expect_build_fails(const char *rootfs_recipe, int code)
{
	g_autofree char *recipes = at("recipes"), *seen = at("seen");
	g_autoptr(GError) error = NULL;

	recipe("build-rootfs.sh", rootfs_recipe);
	g_unlink(seen);
	assert_false(guest_build(cache, recipes, "the-init", FALSE, NULL, &error));
	assert_true(g_error_matches(error, VX_ERROR, code));
	assert_false(g_file_test(seen, G_FILE_TEST_EXISTS));	/* the kernel's was not begun */
}

static void test_build_tells_how_a_recipe_ended(void **state)
{
	g_autofree char *recipes = at("recipes"), *seen = at("seen"), *args = NULL;
	g_autofree char *note = g_strdup_printf("echo \"$@\" >>'%s'", seen);
	g_autofree char *want = g_strdup_printf("--force %s\n--init the-init --force %s\n", cache, cache);

	recipe("build-kernel.sh", note);
	expect_build_fails("exit 74", VX_ERROR_IO);
	expect_build_fails("exit 69", VX_ERROR_UNAVAILABLE);
	expect_build_fails("kill -9 $$", VX_ERROR_UNAVAILABLE);
	recipe("build-rootfs.sh", note);
	assert_true(guest_build(cache, recipes, "the-init", TRUE, NULL, NULL));
	assert_true(g_file_get_contents(seen, &args, NULL, NULL));
	assert_string_equal(args, want);
}

static gboolean cancel(gpointer cancellable)
{
	g_cancellable_cancel(cancellable);
	return G_SOURCE_REMOVE;
}

static void test_build_can_be_cancelled(void **state)
{
	g_autofree char *recipes = at("recipes"), *ended = at("ended"), *body = NULL;
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;

	body = g_strdup_printf("sleep 30 & trap 'kill $!; touch %s; exit 143' TERM; wait", ended);
	recipe("build-rootfs.sh", body);
	recipe("build-kernel.sh", "exit 0");
	g_timeout_add(300, cancel, cancellable);
	assert_false(guest_build(cache, recipes, "the-init", FALSE, cancellable, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_true(g_file_test(ended, G_FILE_TEST_EXISTS));	/* it had its chance to clean up */
	assert_true(g_get_monotonic_time() - began < 10 * G_USEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_finds_both_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_says_what_is_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuses_a_damaged_image, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_runs_is_not_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_removes_only_entries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lists_one_current_of_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_initrd_carries_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_initrd_needs_an_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_build_tells_how_a_recipe_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_build_can_be_cancelled, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
