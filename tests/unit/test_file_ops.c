// SPDX-License-Identifier: GPL-2.0
/*
 * The file operations on the filesystem of this machine, which is sound, and on one that errs: the
 * system calls that the program sees are those below, which do it wrong when they are told to.
 */
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
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "file_ops.h"
#include "ops.h"

static char root[] = "/tmp/vexlab-fileops-XXXXXX";

/* ---- system calls that err ------------------------------------------------------------------ */

static struct {
	bool flip_read, lose_truncate, keep_unlinked;
	int fallocate_err, write_err;
} faults;

static int fails_with(int err)
{
	errno = err;
	return -1;
}

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
	ssize_t n = syscall(SYS_pread64, fd, buf, len, at);

	if (faults.flip_read && n > 77)
		((char *)buf)[77] ^= 4;
	return n;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	return faults.write_err ? fails_with(faults.write_err) : syscall(SYS_pwrite64, fd, buf, len, at);
}

int ftruncate(int fd, off_t size)
{
	return faults.lose_truncate ? 0 : (int)syscall(SYS_ftruncate, fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	return faults.fallocate_err ? fails_with(faults.fallocate_err) : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int unlinkat(int dir, const char *name, int flags)
{
	return faults.keep_unlinked ? 0 : (int)syscall(SYS_unlinkat, dir, name, flags);
}

/* ---- running one ------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void clear_root(void)
{
	nftw(root, remove_entry, 64, FTW_DEPTH | FTW_PHYS);
	mkdir(root, 0755);
}

struct came {
	int err;
	int64_t result;
	char text[4096];
};

static struct came do_op(const char *name, const char *mount)
{
	static struct op_run run;
	struct came came;

	memset(&run, 0, sizeof(run));
	pthread_mutex_init(&run.lock, NULL);
	run.step.req = (struct vx_req_step){ .id = 1, .op = VX_STEP_FILE_OP, .nstrings = 3 };
	run.step.str[0] = name;
	run.step.str[1] = root;
	run.step.str[2] = mount;
	came.err = op_execute(&run);
	came.result = run.value;
	snprintf(came.text, sizeof(came.text), "%.*s", (int)run.out.len, run.out.buf);
	assert_true(run.start_ns && run.end_ns >= run.start_ns);
	return came;
}

static struct came fresh(const char *name)
{
	clear_root();
	return do_op(name, "");
}

static bool may_be_missing(const struct vx_file_op *op)
{
	static const char *const names[] = {	/* of a container's /tmp, and of one who is not root */
		"copy-file-range", "io-uring", "async-io", "async-direct", "direct-write", "direct-read", "seek-hole",
		"keep-size", "punch-hole", "zero-range", "collapse-range", "insert-range", "fallocate", "rename-exchange",
		"rename-noreplace", "tmpfile", "xattr", "chown", "mknod", "ioctl-flags", "odd-names",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(op->name, names[i]))
			return true;
	return op->flags & VX_FILE_OP_WHOLE;
}

static void sound_filesystem_passes(void **state)
{
	const struct vx_file_op *op;
	unsigned int missing = 0, bad = 0;

	for (op = vx_file_ops; op->name; op++) {
		struct came came = fresh(op->name);

		if (came.err || (came.result != VX_FILE_DONE && !may_be_missing(op))) {
			print_error("%s: err %d, result %lld: %s\n", op->name, came.err, (long long)came.result, came.text);
			bad++;
		}
		missing += came.result == VX_FILE_UNSUPPORTED;
	}
	print_message("%u operations are not to be had here\n", missing);
	assert_int_equal(bad, 0);
}

static void twice_in_one_place_is_refused_or_works(void **state)
{
	assert_int_equal(fresh("write").err, 0);
	assert_int_equal(do_op("write", "").err, 0);
	assert_int_equal(fresh("create-exclusive").err, 0);
}

static void what_is_kept_is_found(void **state)
{
	struct came came;

	clear_root();
	assert_int_equal(do_op("keep", root).err, 0);
	came = do_op("kept", root);
	assert_int_equal(came.err, 0);
	assert_int_equal(came.result, VX_FILE_DONE);
	clear_root();
	came = do_op("kept", root);
	assert_int_equal(came.err, -EBADMSG);
	assert_int_equal(came.result, VX_FILE_CORRUPT);
	assert_non_null(strstr(came.text, "a directory is gone after a new mount\n"));
}

/* ---- what errs is told --------------------------------------------------------------------------- */

static void expect(struct came came, int err, int64_t result, const char *first_line)
{
	memset(&faults, 0, sizeof(faults));
	if (came.err != err || came.result != result || strncmp(came.text, first_line, strlen(first_line)))
		fail_msg("err %d, result %lld: %s", came.err, (long long)came.result, came.text);
}

static void wrong_content_is_told(void **state)
{
	static const char *const names[] = { "write", "append", "vectored", "random-mix", "sendfile", "mmap-shared", "rename" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		faults.flip_read = true;
		expect(fresh(names[i]), -EBADMSG, VX_FILE_CORRUPT, "wrong content ");
	}
}

static void lost_truncate_is_told(void **state)
{
	faults.lose_truncate = true;
	expect(fresh("truncate-down"), -EBADMSG, VX_FILE_CORRUPT, "wrong size of a file\n20000 bytes, must be 5000\n");
	faults.lose_truncate = true;
	expect(fresh("mmap-truncate"), -EBADMSG, VX_FILE_CORRUPT, "a mapping shows what was cut off\n");
}

static void name_that_stays_is_told(void **state)
{
	faults.keep_unlinked = true;
	expect(fresh("unlinked"), -EBADMSG, VX_FILE_WRONG, "a name is there that must not be\n");
}

static void missing_feature_is_no_error(void **state)
{
	faults.fallocate_err = EOPNOTSUPP;
	expect(fresh("punch-hole"), 0, VX_FILE_UNSUPPORTED, "fallocate: Operation not supported\n");
	faults.fallocate_err = EINVAL;
	expect(fresh("fallocate"), 0, VX_FILE_UNSUPPORTED, "fallocate: Invalid argument\n");
}

/* An errno that says "not here" of one call says something else of another. */
static void other_errors_are_errors(void **state)
{
	faults.fallocate_err = EIO;
	expect(fresh("zero-range"), -EIO, VX_FILE_DONE, "fallocate: Input/output error\n");
	faults.write_err = EINVAL;
	expect(fresh("overwrite"), -EINVAL, VX_FILE_DONE, "write: Invalid argument\n");
	faults.write_err = EFBIG;
	expect(fresh("big-file"), 0, VX_FILE_UNSUPPORTED, "write: File too large\n");
	faults.write_err = EFBIG;
	expect(fresh("write"), -EFBIG, VX_FILE_DONE, "write: File too large\n");
}

static void unknown_operation_is_refused(void **state)
{
	static struct op_run run = { .step = { .req = { .id = 1, .op = VX_STEP_FILE_OP, .nstrings = 2 },
					       .str = { "no-such-thing", "/tmp" } } };

	assert_int_equal(op_execute(&run), -EINVAL);
	run.step.req.nstrings = 1;
	assert_int_equal(op_execute(&run), -EINVAL);
}

static void names_are_distinct_and_groups_together(void **state)
{
	const struct vx_file_op *a, *b;
	bool other;

	for (a = vx_file_ops; a->name; a++) {
		for (b = a + 1, other = false; b->name; b++) {
			assert_string_not_equal(a->name, b->name);
			other = other || strcmp(a->group, b->group);
			if (other)
				assert_string_not_equal(a->group, b->group);
		}
		assert_true(strlen(a->name) < 40);
	}
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
		cmocka_unit_test(sound_filesystem_passes),
		cmocka_unit_test(twice_in_one_place_is_refused_or_works),
		cmocka_unit_test(what_is_kept_is_found),
		cmocka_unit_test(wrong_content_is_told),
		cmocka_unit_test(lost_truncate_is_told),
		cmocka_unit_test(name_that_stays_is_told),
		cmocka_unit_test(missing_feature_is_no_error),
		cmocka_unit_test(other_errors_are_errors),
		cmocka_unit_test(unknown_operation_is_refused),
		cmocka_unit_test(names_are_distinct_and_groups_together),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
