// SPDX-License-Identifier: GPL-2.0
/* File operations: holes, and fallocate in all its modes. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/vfs.h>

#include "fileops.h"

#define HOLE_END	32768		/* the data behind it is a page, and then there is another hole */
#define END		(HOLE_END + 2 * (int)FO_PAGE)

int fileop_seek_hole(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	off_t data, hole;
	int err;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, END))
		return fo_lack(op, "ftruncate");
	err = fo_write(op, fd, op->want, FO_PAGE, HOLE_END);
	if (err)
		return err;
	data = lseek(fd, 0, SEEK_DATA);
	hole = data < 0 ? -1 : lseek(fd, HOLE_END, SEEK_HOLE);
	if (data < 0 || hole < 0)
		return fo_lack(op, data < 0 ? "lseek with SEEK_DATA" : "lseek with SEEK_HOLE");
	if (data > HOLE_END)
		return fo_wrong(op, "SEEK_DATA passes over data", "it says %lld, must be at most %d", (long long)data, HOLE_END);
	if (hole < HOLE_END + (off_t)FO_PAGE || hole > END)
		return fo_wrong(op, "SEEK_HOLE finds a hole in data", "it says %lld", (long long)hole);
	err = fo_refused(op, "SEEK_DATA behind the end", lseek(fd, END + 1, SEEK_DATA), ENXIO);
	if (err || data)
		return err;
	/* Allowed: the whole file counts as data. */
	op_say(op->run, "holes are not told\n");
	return FO_LACKS;
}

/* A file of FO_SIZE bytes on the device, and `mode` done to it. */
static int allocate(struct fileop *op, int mode, off_t at, off_t len, int *ret)
{
	int fd = fo_make(op, "f", FO_SIZE), err;

	*ret = fd;
	if (fd < 0)
		return fd;
	err = fo_check(op, fd, FO_SIZE);
	if (err)
		return err;
	return fallocate(fd, mode, at, len) ? fo_lack(op, "fallocate") : 0;
}

int fileop_fallocate(struct fileop *op)
{
	_cleanup_close_ int fd = -1;
	int err = allocate(op, 0, 10000, 30000, &fd);

	if (err)
		return err;
	memset(op->want + FO_SIZE, 0, 20000);
	err = fo_check(op, fd, 40000);
	if (err)
		return err;
	fo_fill(op->want + 30000, 1, 5000);
	return fo_write(op, fd, op->want + 30000, 5000, 30000) ?: fo_check(op, fd, 40000);
}

int fileop_keep_size(struct fileop *op)
{
	_cleanup_close_ int fd = -1;
	int err = allocate(op, FALLOC_FL_KEEP_SIZE, 0, 60000, &fd);

	if (err)
		return err;
	err = fo_check(op, fd, FO_SIZE) ?: fo_write(op, fd, op->want + FO_SIZE, 10000, FO_SIZE);
	return err ?: fo_check(op, fd, FO_SIZE + 10000);
}

int fileop_punch_hole(struct fileop *op)
{
	_cleanup_close_ int fd = -1;
	int err = allocate(op, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 9000, &fd);

	if (err)
		return err;
	memset(op->want + 5000, 0, 9000);
	err = fo_check(op, fd, FO_SIZE);
	if (err)
		return err;
	fo_fill(op->want + 9000, 1, 100);
	return fo_write(op, fd, op->want + 9000, 100, 9000) ?: fo_check(op, fd, FO_SIZE);
}

int fileop_zero_range(struct fileop *op)
{
	_cleanup_close_ int fd = -1;
	int err = allocate(op, FALLOC_FL_ZERO_RANGE, 3000, 30000, &fd);

	if (err)
		return err;
	memset(op->want + 3000, 0, 30000);
	return fo_check(op, fd, 33000);
}

/* Bytes that offset and length must be multiples of; at most so much that five times fit. */
static unsigned int unit(const struct fileop *op)
{
	struct statfs st;

	if (fstatfs(op->dir, &st) || st.f_bsize < FO_PAGE || st.f_bsize > FO_ROOM / 8)
		return FO_PAGE;
	return (unsigned int)st.f_bsize;
}

int fileop_collapse_range(struct fileop *op)
{
	const unsigned int u = unit(op);
	_cleanup_close_ int fd = fo_make(op, "f", 5 * u + 100);
	int err = fd < 0 ? fd : fo_check(op, fd, 5 * u + 100);

	if (err)
		return err;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, u, 2 * u))
		return fo_lack(op, "fallocate");
	memmove(op->want + u, op->want + 3 * u, 2 * u + 100);
	return fo_check(op, fd, 3 * u + 100);
}

int fileop_insert_range(struct fileop *op)
{
	const unsigned int u = unit(op);
	_cleanup_close_ int fd = fo_make(op, "f", 3 * u + 100);
	int err = fd < 0 ? fd : fo_check(op, fd, 3 * u + 100);

	if (err)
		return err;
	if (fallocate(fd, FALLOC_FL_INSERT_RANGE, u, 2 * u))
		return fo_lack(op, "fallocate");
	memmove(op->want + 3 * u, op->want + u, 2 * u + 100);
	memset(op->want + u, 0, 2 * u);
	return fo_check(op, fd, 5 * u + 100);
}
