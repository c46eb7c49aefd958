// SPDX-License-Identifier: GPL-2.0
/*
 * Targets: what users write is checked to the line, and the pieces of a
 * source tree are found wherever its users keep them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "target.h"
#include "yamlfile.h"

#define MINIMAL "name: foo\nmodule:\n  from: source\ndevice_mib: 64\n"

static char *top;
static const char *const tree_dirs[] = { VX_TREE "/targets", NULL };

static int set_up(void **state)
{
	top = g_dir_make_tmp("vexlab-target-XXXXXX", NULL);
	assert_non_null(top);
	return g_chdir(top);
}

static int tear_down(void **state)
{
	assert_int_equal(g_chdir("/"), 0);
	assert_int_equal(fs_remove_at(AT_FDCWD, top), 0);
	g_clear_pointer(&top, g_free);
	return 0;
}

static void put(const char *path, const char *text)
{
	g_autofree char *dir = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static struct target *load_text(const char *text, GError **error)
{
	put("foo.yaml", text);
	return target_load("foo.yaml", NULL, error);
}

/* The file is refused, and the message is this one. */
static void assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	struct target *t = load_text(text, &error);

	assert_null(t);
	assert_non_null(error);
	assert_string_equal(error->message, message);
	assert_int_equal(vx_error_exit_code(error), EX_CONFIG);
}

static void test_own_targets_load(void **state)
{
	g_auto(GStrv) names = target_names(tree_dirs);
	char **name;

	assert_true(g_strv_length(names) >= 5);
	for (name = names; *name; name++) {
		g_autoptr(GError) error = NULL;
		VX_GUARD(target_free) struct target *t = target_load(*name, tree_dirs, &error);

		if (!t)
			fail_msg("%s", error->message);
		assert_string_equal(t->name, *name);
		assert_true(t->device_mib > 0);
		assert_non_null(t->module_dirs[0]);
	}
}

static void test_every_field_arrives(void **state)
{
	g_autoptr(GError) error = NULL;
	VX_GUARD(target_free) struct target *t = load_text(
		"name: foo\n"
		"description: a thing\n"
		"fstype: foofs\n"
		"module: {from: source, name: foo2, source: src, dirs: [a, b/c], params: x=1}\n"
		"mkfs:\n"
		"  source: tools/mkfs.c\n"
		"  argv: ['{mkfs}', -L, 'x{device}y', '{device}']\n"
		"mount: {options: 'a,b=2'}\n"
		"unsupported: [symlink, link]\n"
		"device_mib: 1048576\n", &error);
	g_autofree char *source = g_build_filename(top, "src", NULL);
	g_auto(GStrv) argv = NULL;

	assert_non_null(t);
	assert_string_equal(t->description, "a thing");
	assert_string_equal(t->fstype, "foofs");
	assert_int_equal(t->module, TARGET_SOURCE);
	assert_string_equal(t->module_name, "foo2");
	assert_string_equal(t->module_source, source);
	assert_string_equal(t->module_dirs[1], "b/c");
	assert_string_equal(t->module_params, "x=1");
	assert_string_equal(t->mount_options, "a,b=2");
	assert_string_equal(t->unsupported[1], "link");
	assert_int_equal(t->device_mib, 1048576);
	argv = target_mkfs_argv(t, "6.12.1", "/run/mkfs", "/dev/vdc");
	assert_int_equal(g_strv_length(argv), 4);
	assert_string_equal(argv[0], "/run/mkfs");
	assert_string_equal(argv[2], "x/dev/vdcy");
	assert_string_equal(argv[3], "/dev/vdc");
}

static void assert_older(const struct target *t, const char *release, const char *words)
{
	g_auto(GStrv) argv = target_mkfs_argv(t, release, NULL, "/dev/vdc");
	g_autofree char *line = g_strjoinv(" ", argv);

	assert_string_equal(line, words);
}

static void test_mkfs_for_older_kernels(void **state)
{
	g_autoptr(GError) error = NULL;
	VX_GUARD(target_free) struct target *t = load_text("name: foo\n"
		"fstype: foofs\n"
		"module: {from: builtin}\n"
		"mkfs:\n"
		"  argv: [/sbin/mkfs.foo, '{older}', '{device}']\n"
		"  older: [5.15 -c old, 6.6 -O ^new]\n"
		"device_mib: 1\n", &error);

	assert_non_null(t);
	assert_older(t, "5.10.0-32-cloud-amd64", "/sbin/mkfs.foo -c old /dev/vdc");
	assert_older(t, "5.15.3", "/sbin/mkfs.foo -O ^new /dev/vdc");
	assert_older(t, "6.12.1", "/sbin/mkfs.foo /dev/vdc");
	assert_older(t, "", "/sbin/mkfs.foo /dev/vdc");
	assert_refused("name: foo\nfstype: x\nmodule: {from: builtin}\nmkfs:\n  argv: [/m, '{device}']\n  older: [5.1 x]\ndevice_mib: 1\n",
		       "foo.yaml:6: mkfs.older: is never used: mkfs.argv does not say {older}");
	assert_refused("name: foo\nfstype: x\nmodule: {from: builtin}\nmkfs:\n  argv: [/m, '{older}', '{device}']\n  older: [x y]\n"
		       "device_mib: 1\n", "foo.yaml:6: mkfs.older: \"x y\" is not a version of the kernel, \"5.15\", and words");
}

static void test_what_is_left_out(void **state)
{
	g_autoptr(GError) error = NULL;
	VX_GUARD(target_free) struct target *t = load_text(MINIMAL, &error);

	assert_non_null(t);
	assert_null(t->fstype);
	assert_null(t->mkfs_argv);
	assert_null(t->unsupported);
	assert_null(target_mkfs_argv(t, "6.12.1", NULL, "/dev/vdc"));
	assert_string_equal(t->module_dirs[0], ".");
	assert_null(t->module_dirs[1]);
}

static void test_messages_name_the_line(void **state)
{
	assert_refused("name: foo\nmodule:\n  from: source\ndevice_mib: 99999999\n",
		       "foo.yaml:4: device_mib: 99999999 is out of range 1..1048576 MiB");
	assert_refused("name: foo\nmodule:\n  from: source\ndevice_mib: many\n",
		       "foo.yaml:4: device_mib: \"many\" is not a whole number in 1..1048576 MiB");
	assert_refused("name: foo\nfs_type: x\nmodule: {from: source}\n",
		       "foo.yaml:2: unknown key \"fs_type\" (did you mean \"fstype\"?)");
	assert_refused("name: foo\nmodule:\n  frm: source\n",
		       "foo.yaml:3: unknown key \"module.frm\" (did you mean \"from\"?)");
	assert_refused("name: foo\nmodule:\n  from: modprob\n",
		       "foo.yaml:3: module.from: \"modprob\" is not one of builtin, modprobe, source (did you mean \"modprobe\"?)");
	assert_refused("name: foo\nname: bar\n", "foo.yaml:2: name: stands here again, first on line 1");
	assert_refused("name: foo\nmodule: source\n",
		       "foo.yaml:2: module: keys of its own belong below it, not a value");
	assert_refused("name: [foo]\n", "foo.yaml:1: name: one value belongs here, not a list");
	assert_refused("name: foo\n\nmodule:\n  from: source\n",
		       "foo.yaml:1: the key \"device_mib\" is missing (1..1048576 MiB)");
	assert_refused("name: foo\nmodule:\n  name: x\ndevice_mib: 1\n",
		       "foo.yaml:3: the key \"module.from\" is missing (one of builtin, modprobe, source)");
	assert_refused("name: foo\nfstype: ../x\n",
		       "foo.yaml:2: fstype: \"../x\" is not a name of letters, digits, '_', '.' and '-'");
	assert_refused("name: foo\nfstype: a_name_of_sixteen\n",
		       "foo.yaml:2: fstype: \"a_name_of_sixteen\" is 17 bytes long, allowed are 1..15");
	assert_refused("name:\n",
		       "foo.yaml:1: name: is empty: a name of letters, digits, '_', '.' and '-' belongs here");
	assert_refused("name: foo\nunsupported:\n  - good\n  - b/d\n",
		       "foo.yaml:4: unsupported: \"b/d\" is not a name of letters, digits, '_', '.' and '-'");
	assert_refused("", "foo.yaml:1: the file is empty: lines of \"key: value\" belong here");
	assert_refused("- a\n", "foo.yaml:1: no mapping: lines of \"key: value\" belong here");
	assert_refused(MINIMAL "---\nname: bar\n", "foo.yaml:5: a second document begins here: one a file");
}

static void test_not_yaml(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_null(load_text("name: foo\nmodule: [a, b\ndevice_mib: 1\n", &error));
	assert_true(g_str_has_prefix(error->message, "foo.yaml:3: not valid YAML: "));
	assert_int_equal(vx_error_exit_code(error), EX_CONFIG);
}

static void test_fields_must_fit_together(void **state)
{
	assert_refused("name: foo\nmodule:\n  from: modprobe\ndevice_mib: 1\n",
		       "foo.yaml:3: module.from: modprobe needs module.name too");
	assert_refused("name: foo\nmodule:\n  from: builtin\ndevice_mib: 1\n",
		       "foo.yaml:3: module.from: builtin needs fstype too: only a module built from source is asked for its type");
	assert_refused("name: foo\nfstype: foo\nmodule:\n  from: builtin\n  dirs: x\ndevice_mib: 1\n",
		       "foo.yaml:5: module.dirs: does not go with \"from: builtin\"");
	assert_refused(MINIMAL "mkfs:\n  argv: [mkfs.foo, '{device}']\n",
		       "foo.yaml:6: mkfs.argv: begins with \"mkfs.foo\": an absolute path or {mkfs} belongs there (no shell looks it up)");
	assert_refused(MINIMAL "mkfs:\n  argv: [/sbin/mkfs.foo]\n",
		       "foo.yaml:6: mkfs.argv: does not say {device}: it would format nothing");
	assert_refused(MINIMAL "mkfs:\n  argv: ['{mkfs}', '{device}']\n",
		       "foo.yaml:6: mkfs.argv: says {mkfs}, but there is no mkfs.source to build it from");
	assert_refused(MINIMAL "mkfs:\n  source: ../mkfs.c\n",
		       "foo.yaml:6: mkfs.source: \"../mkfs.c\" is not a path below the source folder");
}

static void test_unknown_names(void **state)
{
	g_autoptr(GError) error = NULL, path_error = NULL;

	put("targets/alpha.yaml", MINIMAL);
	put("targets/beta.yaml", MINIMAL);
	put("targets/.hidden.yaml", MINIMAL);
	assert_null(target_load("alpah", NULL, &error));
	assert_string_equal(error->message, "unknown target \"alpah\" (did you mean \"alpha\"?); known: alpha, beta");
	assert_int_equal(vx_error_exit_code(error), EX_USAGE);
	assert_null(target_load("./none.yaml", NULL, &path_error));
	assert_int_equal(vx_error_exit_code(path_error), EX_UNAVAILABLE);
}

static void test_own_folder_goes_first(void **state)
{
	g_autoptr(GError) error = NULL;
	VX_GUARD(target_free) struct target *t = NULL;

	put("targets/ext4.yaml", MINIMAL);
	t = target_load("ext4", tree_dirs, &error);
	assert_non_null(t);
	assert_string_equal(t->name, "foo");
}

static struct target *sourced_target(void)
{
	g_autoptr(GError) error = NULL;
	struct target *t = load_text("name: foo\nmodule: {from: source, dirs: [kernel, .]}\ndevice_mib: 1\n"
				     "mkfs: {source: tools/mkfs.c, argv: ['{mkfs}', '{device}']}\n", &error);

	assert_non_null(t);
	return t;
}

static void test_source_is_found_from_root_and_from_module(void **state)
{
	VX_GUARD(target_free) struct target *t = sourced_target();
	static const char *const named[] = { "repo", "repo/kernel", "./repo/kernel/", NULL };
	g_autofree char *root = g_build_filename(top, "repo", NULL);
	g_autofree char *module = g_build_filename(root, "kernel", NULL);
	g_autofree char *mkfs = g_build_filename(root, "tools/mkfs.c", NULL);
	const char *const *name;

	put("repo/kernel/Kbuild", "obj-m := foo.o\n");
	put("repo/tools/mkfs.c", "int main(void) { return 0; }\n");
	/* An ordinary Makefile at the top is no module's. */
	put("repo/Makefile", "all:\n\techo\n");
	for (name = named; *name; name++) {
		VX_GUARD(target_source_clear) struct target_source source = { 0 };
		g_autoptr(GError) error = NULL;

		assert_true(target_find_source(t, *name, &source, &error));
		assert_string_equal(source.root, root);
		assert_string_equal(source.module_dir, module);
		assert_string_equal(source.mkfs_source, mkfs);
	}
}

static void assert_no_source(const struct target *t, const char *named, int code, const char *said)
{
	struct target_source source = { 0 };
	g_autoptr(GError) error = NULL;

	assert_false(target_find_source(t, named, &source, &error));
	assert_int_equal(vx_error_exit_code(error), code);
	assert_non_null(strstr(error->message, said));
	assert_null(source.root);
}

static void test_missing_pieces(void **state)
{
	VX_GUARD(target_free) struct target *t = sourced_target();

	put("file", "");
	put("empty/Makefile", "all:\n");
	put("half/kernel/Kbuild", "obj-m := foo.o\n");
	assert_no_source(t, NULL, EX_USAGE, "say where that is (--source DIR");
	assert_no_source(t, "", EX_USAGE, "say where that is");
	assert_no_source(t, "/nowhere/at/all", EX_UNAVAILABLE, "does not exist");
	assert_no_source(t, "file", EX_UNAVAILABLE, "is not a folder");
	assert_no_source(t, "empty", EX_UNAVAILABLE, "no Kbuild or Makefile with an obj-m line in kernel, .");
	assert_no_source(t, "half", EX_UNAVAILABLE, "has no tools/mkfs.c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_targets_load, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_field_arrives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mkfs_for_older_kernels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_messages_name_the_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_yaml, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fields_must_fit_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_folder_goes_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_source_is_found_from_root_and_from_module, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing_pieces, set_up, tear_down),
	};

	g_unsetenv("VEXLAB_LIBDIR");
	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
