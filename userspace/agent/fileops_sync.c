// SPDX-License-Identifier: GPL-2.0
/* File operations: getting it to the device, and forgetting it in memory. */
#include <fcntl.h>
#include <string.h>

#include "fileops.h"

/* Write, `sync` it, write more, `sync` again: the second finds what the first has left. */
static int twice(struct fileop *op, const char *call, int (*sync)(int fd))
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err;

	if (fd < 0)
		return fd;
	if (sync(fd))
		return fo_lack(op, call);
	fo_fill(op->want + 6000, 1, 3000);
	err = fo_write(op, fd, op->want + 6000, 3000, 6000);
	if (err)
		return err;
	return sync(fd) ? fo_fail(op, call) : fo_check(op, fd, FO_SIZE);
}

int fileop_fsync(struct fileop *op)
{
	if (fsync(op->dir) && errno != EINVAL)
		return fo_lack(op, "fsync of a directory");
	return twice(op, "fsync", fsync);
}

int fileop_fdatasync(struct fileop *op)
{
	return twice(op, "fdatasync", fdatasync);
}

int fileop_syncfs(struct fileop *op)
{
	return twice(op, "syncfs", syncfs);
}

static int range(int fd)
{
	return sync_file_range(fd, 4096, 8192, SYNC_FILE_RANGE_WRITE) ||
	       sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			       SYNC_FILE_RANGE_WAIT_AFTER);
}

int fileop_sync_file_range(struct fileop *op)
{
	return twice(op, "sync_file_range", range);
}

int fileop_o_sync(struct fileop *op)
{
	static const int flags[] = { O_SYNC, O_DSYNC };
	int err = 0, i;

	for (i = 0; i < 2 && !err; i++) {
		_cleanup_close_ int fd = fo_open(op, i ? "dsync" : "sync", O_RDWR | O_CREAT | O_TRUNC | flags[i]);
		ssize_t n = fd < 0 ? 0 : pwrite(fd, op->want, FO_SIZE, 0);

		if (fd < 0)
			return fd;
		if (n < 0)
			return fo_lack(op, i ? "write with O_DSYNC" : "write with O_SYNC");
		err = fo_check(op, fd, FO_SIZE);
	}
	return err;
}

int fileop_fadvise(struct fileop *op)
{
	static const int advice[] = {
		POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_WILLNEED, POSIX_FADV_NOREUSE, POSIX_FADV_DONTNEED,
		POSIX_FADV_NORMAL,
	};
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : fo_check(op, fd, FO_SIZE);
	unsigned int i;

	for (i = 0; !err && i < sizeof(advice) / sizeof(advice[0]); i++) {
		errno = posix_fadvise(fd, 0, 0, advice[i]);
		err = errno ? fo_lack(op, "posix_fadvise") : fo_same(op, fd, FO_SIZE);
	}
	if (err)
		return err;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return readahead(fd, 0, FO_SIZE) ? fo_lack(op, "readahead") : fo_same(op, fd, FO_SIZE);
}

static int drop(struct fileop *op)
{
	_cleanup_close_ int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3\n", 2) != 2)
		return fo_fail(op, "drop_caches");
	return 0;
}

int fileop_drop_caches(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err;

	if (fd < 0)
		return fd;
	if (syncfs(fd))
		return fo_fail(op, "syncfs");
	err = drop(op) ?: fo_same(op, fd, FO_SIZE);
	if (err)
		return err;
	/* Now that nothing holds the inode, it must be read again as well. */
	close(fd);
	fd = -1;
	return drop(op) ?: fo_check_name(op, "f", FO_SIZE);
}
