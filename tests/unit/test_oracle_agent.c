// SPDX-License-Identifier: GPL-2.0
/* The oracle's steps on two directories of this machine, one of which is changed behind their back. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "oracle.h"

static char root[] = "/tmp/vexlab-oracle-XXXXXX";
static char target[64], reference[64];

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void fresh(void)
{
	nftw(root, remove_entry, 64, FTW_DEPTH | FTW_PHYS);
	mkdir(root, 0755);
	snprintf(target, sizeof(target), "%s/target", root);
	snprintf(reference, sizeof(reference), "%s/reference", root);
	mkdir(target, 0755);
	mkdir(reference, 0755);
}

struct came {
	int err;
	unsigned int result;
	uint64_t done;
	char text[16384];
};

static struct op_run run;

static const struct came *step(enum vx_step_op op, const char *const *str, unsigned int n, int64_t flags)
{
	static struct came came;
	unsigned int i;

	memset(&run, 0, sizeof(run));
	pthread_mutex_init(&run.lock, NULL);
	run.step.req = (struct vx_req_step){ .id = 1, .op = op, .nstrings = n, .num = { flags } };
	for (i = 0; i < n; i++)
		run.step.str[i] = str[i];
	came.err = op_execute(&run);
	came.result = run.value & 0xff;
	came.done = (uint64_t)run.value >> 8;
	snprintf(came.text, sizeof(came.text), "%.*s", (int)run.out.len, run.out.buf);
	return &came;
}

static const struct came *list(const char *text, const char *skip, const char *when, int64_t flags)
{
	const char *const str[] = { target, reference, text, skip, when };

	return step(VX_STEP_ORACLE, str, 5, flags);
}

static void same(const char *text)
{
	const struct came *came = list(text, "", "", 0);

	if (came->err || came->result)
		fail_msg("err %d: %s", came->err, came->text);
}

static void differs(const struct came *came, enum vx_oracle_result kind, const char *title)
{
	if (came->err || came->result != kind || strncmp(came->text, title, strlen(title)) ||
	    came->text[strlen(title)] != '\n')
		fail_msg("err %d, %u: %s", came->err, came->result, came->text);
}

static const char everything[] =
	"mkdir d mode=755\ncreate d/a mode=640\nwrite d/a off=5000 len=9000 seed=1\nappend d/a len=17 seed=2\n"
	"read d/a off=0 len=20000\nmapwrite d/a off=4000 len=3000 seed=3\nmapread d/a off=0 len=20000\n"
	"truncate d/a len=6000\nlink d/a b\nrename b c flags=NOREPLACE\nrename c d/a\nsymlink d/a s\nreadlink s\n"
	"open @1 d/a flags=RDONLY\nunlink d/a\nread @1 off=0 len=100\nstat @1\nclose @1\nmkfifo f mode=600\nreaddir .\n"
	"readdir d\nrename d d/x\nrmdir d\nrmdir nothing\nstat nothing\nfsync .\ncreate d/z mode=600\nrmdir d\nunlink d\n"
	"copy c d/z off=0 to=10 len=500\nchmod d mode=700\nutimens d off=1234567\nstatfs\ncompare\nclear\ncompare\n";

static void equal_filesystems_are_equal(void **state)
{
	fresh();
	same(everything);
	assert_true(list(everything, "", "", 0)->done > 35);
}

static void a_result_that_differs_is_told(void **state)
{
	char path[128];

	fresh();
	same("create a\n");
	snprintf(path, sizeof(path), "%s/a", reference);
	assert_int_equal(unlink(path), 0);
	differs(list("unlink a\n", "", "", 0), VX_ORACLE_WRONG,
		"unlink of a name that is not there answers success, the reference: ENOENT");
	assert_string_equal(strstr(run.out.buf, "\noperation "), strstr(run.out.buf, "\noperation 1: unlink a\n"));
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void what_is_left_out_is_not_done(void **state)
{
	struct stat st;
	char path[128];

	fresh();
	assert_int_equal(list("create a\nmkdir d\n", "create", "", 0)->result, VX_ORACLE_SAME);
	snprintf(path, sizeof(path), "%s/a", target);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/d", target);
	assert_int_equal(stat(path, &st), 0);
}

static void trees_are_compared(void **state)
{
	char path[128], other[128];

	fresh();
	same("mkdir d\ncreate d/a mode=644\nwrite d/a off=0 len=10 seed=1\ncreate e mode=644\n");
	put(target, "d/a", "0123456789");
	differs(list("compare\n", "", "", 0), VX_ORACLE_CORRUPT, "the content of a file differs");
	differs(list("compare\n", "", " after a remount", 0), VX_ORACLE_LOST, "the content of a file differs after a remount");
	put(target, "d/a", "01234");
	differs(list("compare\n", "", "", 0), VX_ORACLE_CORRUPT, "the size of a file differs");
	same("clear\n");
	same("mkdir d\ncreate d/a mode=644\ncreate e mode=644\n");
	snprintf(path, sizeof(path), "%s/d/a", target);
	assert_int_equal(unlink(path), 0);
	differs(list("compare\n", "", "", 0), VX_ORACLE_CORRUPT, "a name is missing");
	snprintf(other, sizeof(other), "%s/e", target);
	assert_int_equal(link(other, path), 0);
	/* The counts differ first; where they are no help, the numbers do. */
	differs(list("compare\n", "", "", 0), VX_ORACLE_WRONG, "the link count of a file differs");
	put(target, "extra", "");
	same("unlink nothing\n");
	assert_int_equal(unlink(path), 0);
	put(target, "d/a", "");
	differs(list("compare\n", "", "", 0), VX_ORACLE_CORRUPT, "a name is there that must not be");
}

static void one_number_for_two_files_is_told(void **state)
{
	struct orc_side side[2] = { { .dir = target }, { .dir = reference } };
	char a[128], b[128], c[128];
	struct orc_diff diff = { 0 };

	fresh();
	/* Two names of one file against two names of another partition of the same count. */
	same("create a mode=644\nlink a b\ncreate c mode=644\nlink c d\n");
	snprintf(a, sizeof(a), "%s/b", target);
	snprintf(b, sizeof(b), "%s/d", target);
	snprintf(c, sizeof(c), "%s/x", target);
	assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
	side[0].root = open(target, O_RDONLY | O_DIRECTORY);
	side[1].root = open(reference, O_RDONLY | O_DIRECTORY);
	orc_compare_trees(side, "", &diff);
	close(side[0].root);
	close(side[1].root);
	assert_int_equal(diff.kind, VX_ORACLE_WRONG);
	assert_string_equal(diff.title, "two names of one file have different inode numbers");
}

/* ---- promises ------------------------------------------------------------------------------------- */

static char *promised(const char *text)
{
	const struct came *came = list(text, "", "", VX_ORACLE_PROMISES);

	if (came->err || came->result)
		fail_msg("err %d: %s", came->err, came->text);
	return strdup(came->text);
}

static const struct came *check(const char *keep)
{
	const char *const str[] = { target, keep };

	return step(VX_STEP_ORACLE_CHECK, str, 2, 0);
}

static void only_what_was_synced_is_promised(void **state)
{
	char *keep;

	fresh();
	keep = promised("create a\nwrite a off=0 len=100 seed=1\ncreate b\nfsync a\n");
	assert_non_null(strstr(keep, "keep file 100 "));
	assert_non_null(strstr(keep, " a\n"));
	assert_null(strstr(keep, " b\n"));
	free(keep);
	keep = promised("mkdir d\nmkdir d/e\ncreate d/f\nfsync d\n");
	assert_string_equal(keep, "keep name d d\nkeep name d d/e\nkeep name f d/f\n");
	free(keep);
}

static void what_is_done_later_takes_it_back(void **state)
{
	char *keep;

	fresh();
	keep = promised("create a\nfsync a\nwrite a off=0 len=5 seed=1\n");
	assert_string_equal(keep, "keep some a\n");
	free(keep);
	keep = promised("clear\ncreate a\nfsync a\nrename a b\n");
	assert_non_null(strstr(keep, " a b\n"));
	free(keep);
	keep = promised("clear\ncreate a\nfsync a\nrename a b\nunlink b\n");
	assert_string_equal(keep, "");
	free(keep);
	keep = promised("clear\nmkdir d\ncreate d/a\nfsync d/a\nfsync d\nrename d e\n");
	assert_string_equal(keep, "");
	free(keep);
	keep = promised("clear\ncreate a\nlink a b\nfsync a\nunlink a\n");
	assert_non_null(strstr(keep, " b\n"));
	assert_null(strstr(keep, " a"));
	free(keep);
	/* Through another way to the same directory. */
	keep = promised("clear\nmkdir d\ncreate d/a\nsymlink d s\nfsync d/a\nunlink s/a\n");
	assert_string_equal(keep, "");
	free(keep);
}

static void broken_promises_are_told(void **state)
{
	char path[128], *keep;

	fresh();
	keep = promised("create a\nwrite a off=0 len=10 seed=1\nmkdir d\nsync\n");
	assert_int_equal(check(keep)->result, VX_ORACLE_SAME);
	put(target, "a", "0123456789");
	differs(check(keep), VX_ORACLE_LOST, "the content of a file that was fsynced is lost after a power cut");
	snprintf(path, sizeof(path), "%s/a", target);
	assert_int_equal(unlink(path), 0);
	/* As a name and as a file; whichever was promised first is told. */
	assert_int_equal(check(keep)->result, VX_ORACLE_LOST);
	free(keep);
	differs(check("keep file 3 00000000 x y\n"), VX_ORACLE_LOST, "a file that was fsynced is gone after a power cut");
	differs(check("keep name f d\n"), VX_ORACLE_LOST, "a name that was synced is of another type after a power cut");
	assert_int_equal(check("keep\nkeep file\nkeep name d\nnonsense\n\n")->result, VX_ORACLE_SAME);
}

static void nonsense_is_refused(void **state)
{
	const char *const str[] = { "/nowhere/at/all", reference, "sync\n", "", "" };

	fresh();
	assert_int_equal(list("fly a\n", "", "", 0)->err, -EINVAL);
	assert_int_equal(list("remount\n", "", "", 0)->err, -EINVAL);
	assert_int_equal(step(VX_STEP_ORACLE, str, 5, 0)->err, -ENOENT);
	assert_int_equal(step(VX_STEP_ORACLE, str, 2, 0)->err, -EINVAL);
}

static int set_up(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	nftw(root, remove_entry, 64, FTW_DEPTH | FTW_PHYS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_filesystems_are_equal),
		cmocka_unit_test(a_result_that_differs_is_told),
		cmocka_unit_test(what_is_left_out_is_not_done),
		cmocka_unit_test(trees_are_compared),
		cmocka_unit_test(one_number_for_two_files_is_told),
		cmocka_unit_test(only_what_was_synced_is_promised),
		cmocka_unit_test(what_is_done_later_takes_it_back),
		cmocka_unit_test(broken_promises_are_told),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
