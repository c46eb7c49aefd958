// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fileops.h"

#define ROW(name_, function_, group_, flags_, lacks_, what_)	\
	{ .name = name_, .run = fileop_##function_, .flags = flags_, .lacks = lacks_ },

static const struct row {
	const char *name;
	int (*run)(struct fileop *op);
	unsigned int flags;
	int lacks;
} rows[] = { VX_FILE_OPS(ROW) { .name = NULL } };

/* ---- what came of it ---------------------------------------------------------------------- */

int fo_fail(struct fileop *op, const char *call)
{
	int err = errno ? errno : EIO;

	op_say(op->run, "%s: %s\n", call, strerror(err));
	return -err;
}

int fo_lack(struct fileop *op, const char *call)
{
	static const int lacks[] = VX_FILE_OP_LACKS;
	int err = errno;
	size_t i;

	fo_fail(op, call);
	for (i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++)
		if (err == lacks[i])
			return FO_LACKS;
	return err && err == op->lacks ? FO_LACKS : -err;
}

static int not_right(struct fileop *op, enum vx_file_result result, const char *what, const char *detail, va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), detail, args);
	op_say(op->run, "%s\n%s\n", what, text);
	op->run->value = result;
	return -EBADMSG;
}

int fo_wrong(struct fileop *op, const char *what, const char *detail, ...)
{
	va_list args;
	int err;

	va_start(args, detail);
	err = not_right(op, VX_FILE_WRONG, what, detail, args);
	va_end(args);
	return err;
}

int fo_corrupt(struct fileop *op, const char *what, const char *detail, ...)
{
	va_list args;
	int err;

	va_start(args, detail);
	err = not_right(op, VX_FILE_CORRUPT, what, detail, args);
	va_end(args);
	return err;
}

int fo_refused(struct fileop *op, const char *call, long result, int err)
{
	char what[128];

	if (result < 0 && errno == err)
		return 0;
	if (result < 0)
		return fo_fail(op, call);
	snprintf(what, sizeof(what), "%s works, and must not", call);
	return fo_wrong(op, what, "it must say: %s", strerror(err));
}

/* ---- files ---------------------------------------------------------------------------------- */

void fo_fill(char *buf, unsigned int seed, size_t len)
{
	uint64_t x = (uint64_t)(seed + 1) * 0x9e3779b97f4a7c15ull;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		/* Never 0: zeros are what a hole gives. */
		buf[i] = (char)(x >> 56 | 1);
	}
}

int fo_open(struct fileop *op, const char *name, int flags)
{
	int fd = openat(op->dir, name, flags | O_CLOEXEC, 0644);

	return fd < 0 ? fo_fail(op, flags & O_CREAT ? "create" : "open") : fd;
}

int fo_create(struct fileop *op, const char *name)
{
	return fo_open(op, name, O_RDWR | O_CREAT | O_TRUNC);
}

int fo_make(struct fileop *op, const char *name, size_t len)
{
	int fd = fo_create(op, name), err;

	if (fd < 0)
		return fd;
	err = fo_write(op, fd, op->want, len, 0);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int fo_write(struct fileop *op, int fd, const char *from, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, from, len, at);

		if (n < 0)
			return fo_fail(op, "write");
		if (!n || (size_t)n > len)
			return fo_wrong(op, "write answers what it cannot", "%zd of %zu bytes", n, len);
		from += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fo_compare(struct fileop *op, const char *whose, size_t at, size_t len)
{
	char what[128];
	size_t i;

	if (!memcmp(op->want + at, op->have, len))
		return 0;
	for (i = 0; op->have[i] == op->want[at + i]; i++)
		;
	snprintf(what, sizeof(what), "wrong content %s", whose);
	return fo_corrupt(op, what, "byte %zu of %zu: it is 0x%02x and must be 0x%02x", at + i, at + len,
			(unsigned char)op->have[i], (unsigned char)op->want[at + i]);
}

int fo_is_size(struct fileop *op, int fd, off_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if (st.st_size == size)
		return 0;
	return fo_corrupt(op, "wrong size of a file", "%lld bytes, must be %lld", (long long)st.st_size, (long long)size);
}

static int same(struct fileop *op, int fd, size_t len, const char *whose)
{
	size_t at = 0;
	int err = fo_is_size(op, fd, (off_t)len);

	while (!err) {
		ssize_t n = pread(fd, op->have, FO_ROOM, (off_t)at);

		if (n < 0)
			return fo_fail(op, "read");
		if ((size_t)n > len - at)
			return fo_corrupt(op, "read goes beyond the file's end", "%zd bytes at %zu of %zu", n, at, len);
		if (!n)
			break;
		err = fo_compare(op, whose, at, (size_t)n);
		at += (size_t)n;
	}
	if (!err && at < len)
		return fo_corrupt(op, "read ends before the file", "at byte %zu of %zu", at, len);
	return err;
}

int fo_same(struct fileop *op, int fd, size_t len)
{
	return same(op, fd, len, "read back");
}

int fo_check(struct fileop *op, int fd, size_t len)
{
	int err = fo_same(op, fd, len);

	if (err)
		return err;
	/* A filesystem that has no fsync writes all the same: EINVAL is not this operation's matter. */
	if (fsync(fd) && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
		return fo_fail(op, "fsync");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return same(op, fd, len, "read back from the device");
}

int fo_check_name(struct fileop *op, const char *name, size_t len)
{
	_cleanup_close_ int fd = fo_open(op, name, O_RDONLY);

	return fd < 0 ? fd : fo_check(op, fd, len);
}

int fo_remove(struct fileop *op, const char *name)
{
	return unlinkat(op->dir, name, 0) ? fo_fail(op, "unlink") : 0;
}

int fo_is_there(struct fileop *op, const char *name, bool there)
{
	struct stat st;
	int err = fstatat(op->dir, name, &st, AT_SYMLINK_NOFOLLOW);

	if (!err && !there)
		return fo_wrong(op, "a name is there that must not be", "%s", name);
	if (err && (errno != ENOENT || there))
		return fo_fail(op, "stat");
	return 0;
}

/* ---- the step -------------------------------------------------------------------------------- */

static const struct row *find(const char *name)
{
	const struct row *row;

	for (row = rows; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

static int run_row(struct fileop *op, const struct row *row)
{
	int err;

	if (row->flags & VX_FILE_OP_WHOLE && !op->mount) {
		op_say(op->run, "the mount point was not told\n");
		err = FO_LACKS;
	} else {
		err = row->run(op);
	}
	if (err == FO_LACKS)
		op->run->value = VX_FILE_UNSUPPORTED;
	return err == FO_LACKS ? 0 : err;
}

int op_file(struct op_run *run)
{
	const struct row *row = find(run->step.str[0]);
	_cleanup_free_ void *want = NULL, *have = NULL;
	_cleanup_close_ int dir = -1;
	struct fileop op = { .run = run };

	if (!row)
		return -EINVAL;
	if (posix_memalign(&want, FO_PAGE, FO_ROOM) || posix_memalign(&have, FO_PAGE, FO_ROOM))
		return -ENOMEM;
	op.name = row->name;
	op.lacks = row->lacks;
	op.path = run->step.str[1];
	op.mount = run->step.str[2] && run->step.str[2][0] ? run->step.str[2] : NULL;
	op.want = want;
	op.have = have;
	fo_fill(op.want, 0, FO_ROOM);
	op_begin(run);
	op.dir = dir = open(op.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return op_end(run, dir < 0 ? fo_fail(&op, "open the directory") : run_row(&op, row));
}
