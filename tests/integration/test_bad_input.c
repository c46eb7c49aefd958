// SPDX-License-Identifier: GPL-2.0
/* What a user can get wrong, and what a machine can lack: a clear message and the right sysexits code. */
#include <sysexits.h>

#include "harness.h"

static char *write_text(const char *name, const char *text)
{
	char *path = g_build_filename(test_dir, name, NULL);
	g_autofree char *dir = g_path_get_dirname(path);

	g_mkdir_with_parents(dir, 0755);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

static void no_command(void **state)
{
	RAN r = run_vexlab("frobnicate", NULL);

	expect_status(&r, EX_USAGE);
	expect_says(&r, "there is no command frobnicate");
}

static void help_is_help(void **state)
{
	static const char *const commands[] = { "run", "report", "guest", "doctor" };
	RAN r = run_vexlab("--help", NULL);
	guint i;

	expect_status(&r, 0);
	for (i = 0; i < G_N_ELEMENTS(commands); i++) {
		RAN one = run_vexlab(commands[i], "--help", NULL);

		expect_status(&one, 0);
		expect_says(&one, "Usage:");
	}
}

static void unknown_option(void **state)
{
	RAN r = run_vexlab("run", "--fast", NULL);

	expect_status(&r, EX_USAGE);
	expect_says(&r, "--fast");
}

static void unknown_target(void **state)
{
	RAN r = run_vexlab("run", "--target", "zfs", NULL);

	expect_status(&r, EX_USAGE);
	expect_says(&r, "zfs");
	expect_says(&r, "ext4");
}

static void unknown_scenario(void **state)
{
	RAN r = run_vexlab("run", "--scenario", "party", NULL);

	expect_status(&r, EX_USAGE);
	expect_says(&r, "mount-cycles");
}

static void missing_source(void **state)
{
	RAN r = run_vexlab("run", "--target", "vexfs", "--source", "/no/such/place", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "/no/such/place");
}

static void no_source_named(void **state)
{
	RAN r = run_vexlab("run", "--target", "vexfs", NULL);

	expect_status(&r, EX_USAGE);
}

static void broken_yaml(void **state)
{
	g_autofree char *path = write_text("bad.yaml",
		"name: bad\nfstype: ext4\nmodule:\n  from: heaven\n");
	RAN r = run_vexlab("run", "--target", path, NULL);

	expect_status(&r, EX_CONFIG);
	expect_says(&r, "bad.yaml:4");
	expect_says(&r, "source");
}

static void bad_setting(void **state)
{
	RAN r = run_vexlab("run", "--set", "vm.memory_mib=1", NULL);

	expect_status(&r, EX_USAGE);
	expect_says(&r, "memory_mib");
}

static void bad_config_file(void **state)
{
	g_autofree char *path = write_text("run.yaml", "vm:\n  vcpus: 100000\n");
	RAN r = run_vexlab("run", "--config", path, NULL);

	expect_status(&r, EX_CONFIG);
	expect_says(&r, "run.yaml:2");
}

static void no_guest_image(void **state)
{
	RAN r = run_vexlab("run", "--cache", "empty-cache", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "vexlab guest build");
}

static void report_of_nothing(void **state)
{
	RAN r = run_vexlab("report", "/nowhere", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "holds no run");
}

static void report_of_rubbish(void **state)
{
	g_autofree char *path = write_text("rubbish/record.vxl", "this is not a record of anything");
	g_autofree char *dir = g_path_get_dirname(path);
	RAN r = run_vexlab("report", dir, NULL);

	expect_status(&r, EX_CONFIG);
}

static void module_that_does_not_build(void **state)
{
	g_autofree char *kbuild = write_text("broken/kernel_module/Kbuild", "obj-m := broken.o\n");
	g_autofree char *source = write_text("broken/kernel_module/broken.c",
		"#include <linux/module.h>\nint broken(void) { return no_such_thing; }\n"
		"MODULE_LICENSE(\"GPL\");\n");
	g_autofree char *mkfs = write_text("broken/tools/mkfs.vexfs.c", "int main(void) { return 0; }\n");
	g_autofree char *root = g_build_filename(test_dir, "broken", NULL);
	RAN r = run_vexlab("run", "--target", "vexfs", "--source", root, "--output", "unbuilt", NULL);
	g_autofree char *runs = g_build_filename(test_dir, "unbuilt", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "no_such_thing");
	expect_says(&r, "broken.c:2");
	/* Nothing else was run. */
	assert_false(g_file_test(runs, G_FILE_TEST_EXISTS));
}

static void no_qemu(void **state)
{
	g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "PATH", test_dir, TRUE);
	g_autofree char *program = g_canonicalize_filename(vexlab(), NULL);
	char *argv[] = { program, "run", "--tcg", NULL };
	RAN r = { 0 };
	int status;

	assert_true(g_spawn_sync(test_dir, argv, env, 0, NULL, NULL, &r.out, &r.err, &status, NULL));
	r.status = WEXITSTATUS(status);
	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "qemu");
}

/* A cache like the real one, but for the kernel's command line. */
static char *cache_with_cmdline(const char *extra)
{
	const char *real = g_getenv("VEXLAB_CACHE");
	g_autofree char *from = g_strdup(real ? real : geteuid() ? NULL : "/var/cache/vexlab");
	char *cache = g_build_filename(test_dir, "cache", NULL);
	g_autofree char *script = NULL;
	int status;

	if (!from)
		from = g_build_filename(g_get_user_cache_dir(), "vexlab", NULL);
	script = g_strdup_printf("set -e; rm -rf '%s'; mkdir -p '%s/kernels/k'; "
		"ln -s '%s/rootfs' '%s/rootfs'; cd '%s/kernels/k'; "
		"for f in '%s'/kernels/current/*; do ln -s $(readlink -f $f) .; done; "
		"rm manifest.json; sed 's|\"cmdline\": \"|&%s |' '%s/kernels/current/manifest.json' "
		">manifest.json; ln -s k ../current", cache, cache, from, cache, cache, from, extra, from);
	status = system(script);
	assert_int_equal(status, 0);
	return cache;
}

static void kernel_that_does_not_boot(void **state)
{
	g_autofree char *cache = cache_with_cmdline("rdinit=/no/init init=/no/init");
	RAN r = run_vexlab("run", "--tcg", "--cache", cache, "--set", "boot_deadline_s=40", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "did not come up");
	expect_says(&r, "vm_console.log");
}

static void agent_that_never_answers(void **state)
{
	g_autofree char *cache = cache_with_cmdline("vexlab.agent=off");
	RAN r = run_vexlab("run", "--tcg", "--cache", cache, "--set", "boot_deadline_s=8", NULL);

	expect_status(&r, EX_UNAVAILABLE);
	expect_says(&r, "did not come up");
	expect_says(&r, "8000 ms");
}

/* The run's folder is on a full disk. /dev/full cannot be a folder: a tiny tmpfs is one. */
static void full_disk(void **state)
{
	g_autofree char *dir = g_build_filename(test_dir, "full", NULL);
	g_autofree char *mount = g_strdup_printf("mount -t tmpfs -o size=64k tmpfs '%s'", dir);
	g_autofree char *umount = g_strdup_printf("umount '%s'", dir);

	g_mkdir_with_parents(dir, 0755);
	if (geteuid() || system(mount)) {
		print_message("SKIP: mounting a tmpfs needs root\n");
		skip();
	}
	{
		RAN r = run_vexlab("run", "--output", dir, "--cycles", "200", NULL);

		if (system(umount))
			print_message("the tmpfs at %s stays\n", dir);
		expect_status(&r, EX_IOERR);
		expect_says(&r, "No space left on device");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_command),
		cmocka_unit_test(help_is_help),
		cmocka_unit_test(unknown_option),
		cmocka_unit_test(unknown_target),
		cmocka_unit_test(unknown_scenario),
		cmocka_unit_test(missing_source),
		cmocka_unit_test(no_source_named),
		cmocka_unit_test(broken_yaml),
		cmocka_unit_test(bad_setting),
		cmocka_unit_test(bad_config_file),
		cmocka_unit_test(no_guest_image),
		cmocka_unit_test(report_of_nothing),
		cmocka_unit_test(report_of_rubbish),
		cmocka_unit_test(module_that_does_not_build),
		cmocka_unit_test(no_qemu),
		cmocka_unit_test(kernel_that_does_not_boot),
		cmocka_unit_test(agent_that_never_answers),
		cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
