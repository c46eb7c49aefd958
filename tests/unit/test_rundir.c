// SPDX-License-Identifier: GPL-2.0
/*
 * What a killed vexlab leaves must be cleared by the next one, and what a
 * living one holds must not be touched.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "error.h"
#include "fsutil.h"
#include "rundir.h"

static char *base, *scratch;

static int set_up(void **state)
{
	g_autofree char *top = g_dir_make_tmp("vexlab-rundir-XXXXXX", NULL);

	assert_non_null(top);
	base = g_build_filename(top, "run", NULL);
	scratch = g_build_filename(top, "scratch.qcow2", NULL);
	return 0;
}

static int tear_down(void **state)
{
	g_autofree char *top = g_path_get_dirname(base);

	assert_int_equal(fs_remove_at(AT_FDCWD, top), 0);
	g_clear_pointer(&base, g_free);
	g_clear_pointer(&scratch, g_free);
	return 0;
}

static void test_destroy_leaves_nothing(void **state)
{
	g_autoptr(GError) error = NULL;
	struct rundir *rd = rundir_create(base, &error);
	g_autofree char *path = NULL, *outside = NULL, *link = NULL;

	assert_non_null(rd);
	path = g_strdup(rundir_path(rd));
	/* A symbolic link to the outside, like libvirt's cache, must not be followed. */
	outside = g_build_filename(base, "outside", NULL);
	link = g_build_filename(path, "link", NULL);
	assert_int_equal(g_mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_true(rundir_add_scratch(rd, scratch, &error));
	assert_true(disk_create_scratch(scratch, 1 << 20, 1 << 20, &error));

	rundir_destroy(rd);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_false(g_file_test(scratch, G_FILE_TEST_EXISTS));
	assert_true(g_file_test(outside, G_FILE_TEST_IS_DIR));
}

static void test_the_living_are_left_alone(void **state)
{
	g_autoptr(GError) error = NULL;
	struct rundir *rd = rundir_create(base, &error);
	struct rundir_reaped did = { 0 };

	assert_non_null(rd);
	assert_true(rundir_reap(base, &did, &error));
	assert_int_equal(did.dirs, 0);
	assert_true(g_file_test(rundir_path(rd), G_FILE_TEST_IS_DIR));
	rundir_destroy(rd);
}

/* A program called `name` that sleeps and has `path` among its arguments. */
static pid_t start_sleeper(const char *name, const char *path)
{
	g_autofree char *arg = g_strconcat(path, "/monitor.sock", NULL);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", name, "-c", "read x <&7", "sh", arg, NULL);
		_exit(127);
	}
	return pid;
}

/* In a child: own a run directory, tell its path, wait to be killed. */
static G_GNUC_NORETURN void be_owner(int out)
{
	struct rundir *rd = rundir_create(base, NULL);
	const char *path;

	if (!rd || !rundir_add_scratch(rd, scratch, NULL) || !disk_create_scratch(scratch, 1 << 20, 1 << 20, NULL))
		_exit(1);
	path = rundir_path(rd);
	if (write(out, path, strlen(path) + 1) < 0)
		_exit(1);
	for (;;)
		pause();
}

static char *killed_owner(void)
{
	char path[256] = "";
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		be_owner(out[1]);
	close(out[1]);
	assert_true(read(out[0], path, sizeof(path) - 1) > 0);
	close(out[0]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return g_strdup(path);
}

static void wait_for_exec(pid_t pid, const char *name)
{
	g_autofree char *file = g_strdup_printf("/proc/%d/cmdline", (int)pid);

	for (int i = 0; i < 2000; i++) {
		g_autofree char *text = NULL;

		if (g_file_get_contents(file, &text, NULL, NULL) && g_str_equal(text, name))
			return;
		g_usleep(1000);
	}
	fail_msg("%s did not start", name);
}

static void test_kill_9_is_cleared(void **state)
{
	g_autoptr(GError) error = NULL;
	struct rundir_reaped did = { 0 };
	g_autofree char *path = NULL;
	pid_t qemu, pager;
	int hold[2], status;

	assert_int_equal(pipe(hold), 0);
	assert_int_equal(dup2(hold[0], 7), 7);
	path = killed_owner();
	qemu = start_sleeper("qemu-system-test", path);
	pager = start_sleeper("less", path);
	wait_for_exec(qemu, "qemu-system-test");
	wait_for_exec(pager, "less");
	assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
	assert_true(g_file_test(scratch, G_FILE_TEST_EXISTS));

	assert_true(rundir_reap(base, &did, &error));
	assert_int_equal(did.dirs, 1);
	assert_int_equal(did.killed, 1);
	assert_int_equal(did.files, 1);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_false(g_file_test(scratch, G_FILE_TEST_EXISTS));
	assert_int_equal(waitpid(qemu, &status, WNOHANG), qemu);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	/* Only QEMU is ours to kill. */
	assert_int_equal(waitpid(pager, &status, WNOHANG), 0);
	kill(pager, SIGKILL);
	waitpid(pager, &status, 0);
	close(hold[0]);
	close(hold[1]);
	close(7);
}

static void test_foreign_base_is_refused(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_int_equal(g_mkdir(base, 0700), 0);
	assert_int_equal(g_chmod(base, 0777), 0);
	assert_null(rundir_create(base, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_PERM));
	assert_int_equal(vx_error_exit_code(error), 77);
}

static void test_no_space_is_told(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_false(disk_create_scratch(scratch, 1 << 20, G_MAXUINT64 / 2, &error));
	assert_int_equal(vx_error_exit_code(error), 74);
	assert_non_null(strstr(error->message, "not enough disk space"));
	assert_false(g_file_test(scratch, G_FILE_TEST_EXISTS));
}

static void test_scratch_is_a_clean_qcow2(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *qemu_img = g_find_program_in_path("qemu-img"), *out = NULL;
	int status = -1;

	if (!qemu_img)
		skip();
	assert_true(disk_create_scratch(scratch, G_GUINT64_CONSTANT(5) << 30, 1 << 20, &error));
	assert_true(g_spawn_sync(NULL, (char *[]) { qemu_img, "check", "-f", "qcow2", scratch, NULL }, NULL,
				 G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, &error));
	assert_int_equal(status, 0);
	/* And refuses to overwrite. */
	assert_false(disk_create_scratch(scratch, 1 << 20, 1 << 20, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_destroy_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_living_are_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kill_9_is_cleared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_base_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_space_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scratch_is_a_clean_qcow2, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
