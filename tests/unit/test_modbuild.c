// SPDX-License-Identifier: GPL-2.0
/*
 * Building modules, against headers of our own making: a Makefile that compiles
 * a C file into something with a module's .modinfo. What is proved here is all but kbuild:
 * the user's tree is left alone, the cache holds, failures are told, nobody waits for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "modbuild.h"
#include "srctree.h"

#define RELEASE	"6.12.0-test"
#define INFO(key, value) "static const char " key "[] __attribute__((section(\".modinfo\"), used)) = \"" key "=" value "\";\n"
#define MODULE(name, release, depends) \
	INFO("name", name) INFO("vermagic", release " SMP ") INFO("depends", depends) \
	"static const char btf[] __attribute__((section(\".BTF\"), used)) = \"btf\";\n"

/* Like kbuild in what matters: writes into M only, and says what it does. */
#define KBUILD \
	"modules:\n" \
	"\t@test -z \"$(LEAK)\" || { echo 'x.c:1:1: error: environment leaked'; exit 1; }\n" \
	"\t@if [ -f $(M)/slow ]; then sleep 600; fi\n" \
	"\t@set -e; for c in $$(find $(M) -name '*.c' ! -name 'mkfs*'); do " \
	"echo \"CC [M] $$c\"; gcc -c -o $${c%.c}.ko $$c; done\n"

static char *top;

static void put(const char *path, const char *text)
{
	g_autofree char *dir = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static int set_up(void **state)
{
	top = g_dir_make_tmp("vexlab-modbuild-XXXXXX", NULL);
	assert_non_null(top);
	assert_int_equal(g_chdir(top), 0);
	put("headers/Makefile", KBUILD);
	put("headers/Module.symvers", "");
	put("headers/include/config/auto.conf", "CONFIG_X=y\n");
	put("src/Kbuild", "obj-m := foo.o\n");
	put("src/foo.c", MODULE("foo", RELEASE, ""));
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(g_chdir("/"), 0);
	assert_int_equal(fs_remove_at(AT_FDCWD, top), 0);
	g_clear_pointer(&top, g_free);
	return 0;
}

/* Absolute paths that live until the test ends. */
static struct modbuild_request request(void)
{
	static char source[256], headers[256], cache[256];

	g_snprintf(source, sizeof(source), "%s/src", top);
	g_snprintf(headers, sizeof(headers), "%s/headers", top);
	g_snprintf(cache, sizeof(cache), "%s/cache", top);
	return (struct modbuild_request){
		.module_dir = source, .headers = headers, .release = RELEASE, .cachedir = cache, .deadline_s = 60,
	};
}

static unsigned int count(const char *dir)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	unsigned int n = 0;

	while (d && g_dir_read_name(d))
		n++;
	return n;
}

/* Nothing half done is left in the cache. */
static void assert_no_work_left(void)
{
	g_autoptr(GDir) d = g_dir_open("cache/modules", 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d)))
		assert_false(g_str_has_prefix(name, ".new-"));
}

static void count_line(void *ctx, const char *line)
{
	++*(unsigned int *)ctx;
	assert_null(strstr(line, "/cache/"));
}

static void test_build_then_cache(void **state)
{
	struct modbuild_request req = request();
	unsigned int lines = 0;
	int i;

	req.progress = count_line;
	req.ctx = &lines;
	for (i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		VX_GUARD(modbuild_result_free) struct modbuild_result *r = modbuild_run(&req, NULL, &error);

		if (!r)
			fail_msg("%s", error->message);
		assert_int_equal(r->cached, i);
		assert_int_equal(r->nmodules, 1);
		assert_string_equal(r->modules[0].info->name, "foo");
		assert_true(r->modules[0].info->has_btf);
		assert_null(r->mkfs);
		assert_true(g_file_test(r->modules[0].path, G_FILE_TEST_EXISTS));
		assert_true(g_file_test(r->log, G_FILE_TEST_EXISTS));
		assert_int_equal(lines, 1);
	}
	assert_int_equal(count("src"), 2);
	assert_no_work_left();
}

static void test_any_change_builds_again(void **state)
{
	static const char *const touched[] = {
		"src/Kbuild", "src/sub/new.h", "headers/Module.symvers", "headers/include/config/auto.conf", NULL,
	};
	struct modbuild_request req = request();
	const char *const *path;

	modbuild_result_free(modbuild_run(&req, NULL, NULL));
	for (path = touched; *path; path++) {
		VX_GUARD(modbuild_result_free) struct modbuild_result *r = NULL;

		put(*path, "# changed\n");
		r = modbuild_run(&req, NULL, NULL);
		assert_non_null(r);
		assert_false(r->cached);
	}
}

static void test_damaged_entry_is_built_again(void **state)
{
	struct modbuild_request req = request();
	VX_GUARD(modbuild_result_free) struct modbuild_result *first = modbuild_run(&req, NULL, NULL), *second = NULL;

	assert_non_null(first);
	assert_int_equal(truncate(first->modules[0].path, 100), 0);
	second = modbuild_run(&req, NULL, NULL);
	assert_non_null(second);
	assert_false(second->cached);
}

static void test_what_kbuild_left_is_no_source(void **state)
{
	struct modbuild_request req = request();
	VX_GUARD(modbuild_result_free) struct modbuild_result *first = modbuild_run(&req, NULL, NULL), *second = NULL;

	put("src/foo.ko", "stale");
	put("src/.foo.ko.cmd", "cmd");
	put("src/foo.mod.c", "stale");
	put("src/modules.order", "stale");
	put("src/.git/HEAD", "ref");
	second = modbuild_run(&req, NULL, NULL);
	assert_non_null(second);
	assert_true(second->cached);
}

static void test_order_of_dependencies(void **state)
{
	struct modbuild_request req = request();
	VX_GUARD(modbuild_result_free) struct modbuild_result *r = NULL;

	put("src/foo.c", MODULE("foo", RELEASE, "zoo,elsewhere"));
	put("src/sub/zoo.c", MODULE("zoo", RELEASE, ""));
	r = modbuild_run(&req, NULL, NULL);
	assert_non_null(r);
	assert_int_equal(r->nmodules, 2);
	assert_string_equal(r->modules[0].info->name, "zoo");
	assert_string_equal(r->modules[1].info->name, "foo");
}

static void assert_failure(const struct modbuild_request *req, const char *said)
{
	g_autoptr(GError) error = NULL;
	struct modbuild_result *r = modbuild_run(req, NULL, &error);

	assert_null(r);
	assert_int_equal(vx_error_exit_code(error), EX_UNAVAILABLE);
	if (!strstr(error->message, said))
		fail_msg("\"%s\" is not in:\n%s", said, error->message);
	assert_no_work_left();
}

static void test_compiler_errors_are_told(void **state)
{
	struct modbuild_request req = request();
	g_autofree char *said = g_strdup_printf("%s/src/foo.c:2:9: error: ", top);

	put("src/foo.c", "int x;\nint y = nonsense;\n");
	assert_failure(&req, said);
	assert_failure(&req, "whole log: ");
}

static void test_wrong_kernel(void **state)
{
	struct modbuild_request req = request();

	put("src/foo.c", MODULE("foo", "6.1.0-other", ""));
	assert_failure(&req, "the guest's is " RELEASE);
	put("headers/include/generated/utsrelease.h", "#define UTS_RELEASE \"5.10.0\"\n");
	assert_failure(&req, "are for another kernel than the guest's " RELEASE);
}

static void test_nothing_came_out(void **state)
{
	struct modbuild_request req = request();

	assert_int_equal(g_unlink("src/foo.c"), 0);
	assert_failure(&req, "0 modules came out");
}

static void test_not_a_module(void **state)
{
	struct modbuild_request req = request();

	put("src/foo.c", "int x;\n");
	assert_failure(&req, "is not a 64-bit kernel module");
}

static void test_no_headers(void **state)
{
	struct modbuild_request req = request();

	req.headers = "/nowhere";
	assert_failure(&req, "`vexlab guest build` makes them");
}

static void test_deadline(void **state)
{
	struct modbuild_request req = request();
	gint64 started = g_get_monotonic_time();

	put("src/slow", "");
	req.deadline_s = 1;
	assert_failure(&req, "did not end before the deadline");
	assert_true(g_get_monotonic_time() - started < 30 * G_USEC_PER_SEC);
}

static gboolean cancel(gpointer cancellable)
{
	g_cancellable_cancel(cancellable);
	return G_SOURCE_REMOVE;
}

static void test_interruption(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct modbuild_request req = request();
	g_autoptr(GError) error = NULL;

	put("src/slow", "");
	/* From the main context, as a signal's handler would. */
	g_timeout_add(200, cancel, cancellable);
	assert_null(modbuild_run(&req, cancellable, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_no_work_left();
}

static void test_environment_does_not_leak(void **state)
{
	struct modbuild_request req = request();
	VX_GUARD(modbuild_result_free) struct modbuild_result *r = NULL;

	g_setenv("LEAK", "1", TRUE);
	g_setenv("MAKEFLAGS", "n", TRUE);
	r = modbuild_run(&req, NULL, NULL);
	g_unsetenv("LEAK");
	g_unsetenv("MAKEFLAGS");
	assert_non_null(r);
}

static void test_mkfs(void **state)
{
	struct modbuild_request req = request();
	g_autofree char *source = g_build_filename(top, "tools/mkfs.c", NULL);
	VX_GUARD(modbuild_result_free) struct modbuild_result *first = NULL, *second = NULL;

	put(source, "#include \"layout.h\"\nint main(void) { return CODE; }\n");
	put("tools/layout.h", "#define CODE 7\n");
	req.mkfs_source = source;
	first = modbuild_run(&req, NULL, NULL);
	assert_non_null(first);
	assert_int_equal(WEXITSTATUS(system(first->mkfs)), 7);
	/* A header beside it counts as well. */
	put("tools/layout.h", "#define CODE 8\n");
	second = modbuild_run(&req, NULL, NULL);
	assert_non_null(second);
	assert_int_equal(WEXITSTATUS(system(second->mkfs)), 8);
	put(source, "int main(void) { return broken; }\n");
	assert_failure(&req, "tools/mkfs.c:1:");
}

static void test_killed_build_is_cleared(void **state)
{
	struct modbuild_request req = request();

	put("cache/modules/.new-dead00/src/foo.c", "");
	modbuild_result_free(modbuild_run(&req, NULL, NULL));
	assert_no_work_left();
}

static void test_scan_has_bounds(void **state)
{
	g_autoptr(GError) error = NULL;
	unsigned int i;

	assert_int_equal(symlink(".", "src/again"), 0);
	for (i = 0; i < 3; i++)
		put("src/again/x.h", "");
	assert_null(srctree_scan("src", &error));
	assert_int_equal(vx_error_exit_code(error), EX_UNAVAILABLE);
	assert_non_null(strstr(error->message, "32 deep"));
}

static void test_first_errors(void **state)
{
	static const char log[] =
		"  CC [M]  /copy/a.o\n/copy/a.c:3:1: warning: meh\n/copy/a.c:7:9: error: one\n"
		"cc1: some warnings being treated as errors\n/copy/b.c:1:10: fatal error: two.h: No such file or directory\n"
		"ERROR: modpost: \"three\" [/copy/foo.ko] undefined!\n/bin/sh: 1: pahole: not found\n"
		"make[2]: *** [Makefile:1: x] Error 1\n";
	g_autofree char *all = modbuild_first_errors(log, "/copy", "/home/me", 10);
	g_autofree char *one = modbuild_first_errors(log, "/copy", "/home/me", 1);
	g_autofree char *last = modbuild_first_errors("a\nb\n", NULL, NULL, 10);
	g_autofree char *none = modbuild_first_errors("", NULL, NULL, 10);

	assert_string_equal(all,
		"/home/me/a.c:7:9: error: one\n/home/me/b.c:1:10: fatal error: two.h: No such file or directory\n"
		"ERROR: modpost: \"three\" [/home/me/foo.ko] undefined!\n/bin/sh: 1: pahole: not found");
	assert_string_equal(one, "/home/me/a.c:7:9: error: one");
	assert_string_equal(last, "a\nb");
	assert_string_equal(none, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_build_then_cache), T(test_any_change_builds_again), T(test_damaged_entry_is_built_again),
		T(test_what_kbuild_left_is_no_source), T(test_order_of_dependencies),
		T(test_compiler_errors_are_told), T(test_wrong_kernel), T(test_nothing_came_out),
		T(test_not_a_module), T(test_no_headers), T(test_deadline), T(test_interruption),
		T(test_environment_does_not_leak), T(test_mkfs), T(test_killed_build_is_cleared),
		T(test_scan_has_bounds), T(test_first_errors),
	};

	return cmocka_run_group_tests_name("modbuild", tests, NULL, NULL);
}
