// SPDX-License-Identifier: GPL-2.0
/* File operations: what is said about a file, and locks on it. */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "fileops.h"

#define NAME	"user.vexlab"
#define LONG_AGO	1000000000		/* 2001: before any test */

static int lists(struct fileop *op, int fd, const char *name, bool there)
{
	ssize_t n = flistxattr(fd, op->have, FO_ROOM), at;
	bool found = false;

	if (n < 0)
		return fo_fail(op, "flistxattr");
	op->have[n] = '\0';
	for (at = 0; at < n; at += (ssize_t)strlen(op->have + at) + 1)
		found = found || !strcmp(op->have + at, name);
	if (found == there)
		return 0;
	return fo_wrong(op, there ? "an attribute is not listed" : "an attribute is listed that is gone", "%s", name);
}

static int set_and_get(struct fileop *op, int fd, size_t len, int flags)
{
	ssize_t n;

	if (fsetxattr(fd, NAME, op->want, len, flags))
		return fo_lack(op, "fsetxattr");
	n = fgetxattr(fd, NAME, op->have, FO_ROOM);
	if (n < 0)
		return fo_fail(op, "fgetxattr");
	if ((size_t)n != len)
		return fo_corrupt(op, "an attribute has another size", "%zd bytes, must be %zu", n, len);
	return fo_compare(op, "of an attribute", 0, len);
}

int fileop_xattr(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);
	int err = fd < 0 ? fd : set_and_get(op, fd, 20, XATTR_CREATE);

	err = err ?: fo_refused(op, "XATTR_CREATE of what is there", fsetxattr(fd, NAME, "x", 1, XATTR_CREATE), EEXIST) ?:
	      set_and_get(op, fd, 900, XATTR_REPLACE) ?: set_and_get(op, fd, 0, 0) ?: lists(op, fd, NAME, true);
	if (err)
		return err;
	if (fremovexattr(fd, NAME))
		return fo_fail(op, "fremovexattr");
	return fo_refused(op, "fgetxattr of what is gone", fgetxattr(fd, NAME, op->have, FO_ROOM), ENODATA) ?:
	       lists(op, fd, NAME, false) ?: fo_check(op, fd, 100);
}

static int has_mode(struct fileop *op, int fd, mode_t mode)
{
	struct stat st;

	if (fchmod(fd, mode))
		return fo_lack(op, "fchmod");
	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if ((st.st_mode & 07777) == mode)
		return 0;
	return fo_wrong(op, "chmod does not change the mode", "%o, must be %o", st.st_mode & 07777, mode);
}

int fileop_chmod(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);
	_cleanup_close_ int dir = -1;
	int err = fd < 0 ? fd : has_mode(op, fd, 0600) ?: has_mode(op, fd, 0) ?: has_mode(op, fd, 04755);

	if (err)
		return err;
	if (mkdirat(op->dir, "d", 0755))
		return fo_fail(op, "mkdir");
	dir = fo_open(op, "d", O_RDONLY | O_DIRECTORY);
	return dir < 0 ? dir : has_mode(op, dir, 01777) ?: has_mode(op, dir, 0700);
}

int fileop_chown(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fchown(fd, 1234, 70000))
		return fo_lack(op, "fchown");
	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if (st.st_uid != 1234 || st.st_gid != 70000)
		return fo_wrong(op, "chown does not change the owner", "%u:%u, must be 1234:70000", st.st_uid, st.st_gid);
	return fo_check(op, fd, 100);
}

static int set_times(struct fileop *op, int fd, time_t access, time_t change)
{
	const struct timespec times[] = { { .tv_sec = access }, { .tv_sec = change } };
	struct stat st;

	if (futimens(fd, times))
		return fo_lack(op, "futimens");
	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if (st.st_atime == access && st.st_mtime == change)
		return 0;
	return fo_wrong(op, "times are not what was set", "%lld and %lld, must be %lld and %lld", (long long)st.st_atime,
			(long long)st.st_mtime, (long long)access, (long long)change);
}

int fileop_utimens(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);

	return fd < 0 ? fd : set_times(op, fd, LONG_AGO, LONG_AGO + 5) ?: set_times(op, fd, LONG_AGO + 86400, LONG_AGO);
}

int fileop_times(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);
	int err = fd < 0 ? fd : set_times(op, fd, LONG_AGO, LONG_AGO) ?: fo_write(op, fd, op->want, 100, 0);
	struct stat st;

	if (err)
		return err;
	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if (st.st_mtime <= LONG_AGO)
		return fo_wrong(op, "a write does not change the time of change", "%lld", (long long)st.st_mtime);
	return fo_check(op, fd, 100);
}

int fileop_statfs(struct fileop *op)
{
	struct statvfs st;

	if (fstatvfs(op->dir, &st))
		return fo_lack(op, "statfs");
	if (!st.f_bsize || !st.f_namemax)
		return fo_wrong(op, "statfs gives figures that cannot be", "blocks of %lu bytes, names of %lu", st.f_bsize,
				st.f_namemax);
	if (st.f_bfree > st.f_blocks || st.f_bavail > st.f_bfree)
		return fo_wrong(op, "statfs counts more free blocks than blocks", "%llu, %llu of %llu",
				(unsigned long long)st.f_bavail, (unsigned long long)st.f_bfree,
				(unsigned long long)st.f_blocks);
	if (st.f_ffree > st.f_files)
		return fo_wrong(op, "statfs counts more free inodes than inodes", "%llu of %llu",
				(unsigned long long)st.f_ffree, (unsigned long long)st.f_files);
	return 0;
}

int fileop_statx(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	struct statx stx;

	if (fd < 0)
		return fd;
	if (statx(op->dir, "f", 0, STATX_BASIC_STATS, &stx))
		return fo_lack(op, "statx");
	if (stx.stx_size != FO_SIZE || stx.stx_nlink != 1 || !S_ISREG(stx.stx_mode) || !stx.stx_ino)
		return fo_wrong(op, "statx gives figures that cannot be", "size %llu, links %u, mode %o, inode %llu",
				(unsigned long long)stx.stx_size, stx.stx_nlink, stx.stx_mode,
				(unsigned long long)stx.stx_ino);
	return fo_check(op, fd, FO_SIZE);
}

/* ---- locks: two openings of a file are strangers to each other ------------------------------------ */

int fileop_flock(struct fileop *op)
{
	_cleanup_close_ int one = fo_make(op, "f", 100);
	_cleanup_close_ int two = one < 0 ? -1 : fo_open(op, "f", O_RDWR);
	int err;

	if (one < 0 || two < 0)
		return one < 0 ? one : two;
	if (flock(one, LOCK_EX))
		return fo_lack(op, "flock");
	err = fo_refused(op, "flock of what another has", flock(two, LOCK_EX | LOCK_NB), EWOULDBLOCK) ?:
	      fo_refused(op, "shared flock of what another has", flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	if (err)
		return err;
	if (flock(one, LOCK_SH) || flock(two, LOCK_SH | LOCK_NB))
		return fo_fail(op, "shared flock");
	if (flock(one, LOCK_UN) || flock(two, LOCK_EX | LOCK_NB))
		return fo_fail(op, "flock after the unlock");
	return 0;
}

static int range_lock(int fd, int command, short type, off_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 50 };

	return fcntl(fd, command, &lock);
}

int fileop_fcntl_lock(struct fileop *op)
{
	_cleanup_close_ int one = fo_make(op, "f", 100);
	_cleanup_close_ int two = one < 0 ? -1 : fo_open(op, "f", O_RDWR);
	int err;

	if (one < 0 || two < 0)
		return one < 0 ? one : two;
	if (range_lock(one, F_SETLK, F_WRLCK, 0) || range_lock(one, F_SETLK, F_UNLCK, 0))
		return fo_lack(op, "fcntl with F_SETLK");
	if (range_lock(one, F_OFD_SETLK, F_WRLCK, 0))
		return fo_lack(op, "fcntl with F_OFD_SETLK");
	err = fo_refused(op, "fcntl lock of what another has", range_lock(two, F_OFD_SETLK, F_WRLCK, 25), EAGAIN);
	if (err)
		return err;
	if (range_lock(two, F_OFD_SETLK, F_WRLCK, 50))
		return fo_fail(op, "fcntl lock of another range");
	if (range_lock(one, F_OFD_SETLK, F_UNLCK, 0) || range_lock(two, F_OFD_SETLK, F_WRLCK, 0))
		return fo_fail(op, "fcntl lock after the unlock");
	return 0;
}

/* ---- ioctl, poll ---------------------------------------------------------------------------------- */

int fileop_ioctl_unknown(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100);
	char argument[64] = { 0 };
	int fds[2] = { fd, op->dir }, err, i;

	if (fd < 0)
		return fd;
	for (i = 0; i < 2; i++) {
		if (!ioctl(fds[i], _IOWR(0xfe, 0xfe, argument), argument))
			return fo_wrong(op, "an ioctl that nobody knows works", i ? "on a directory" : "on a file");
		/* How it is refused is many a filesystem's own. */
		err = fo_lack(op, "ioctl");
		if (err < 0)
			return err;
	}
	return fo_check(op, fd, 100);
}

int fileop_ioctl_flags(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	struct {
		struct fiemap map;
		struct fiemap_extent extents[8];
	} ask = { .map = { .fm_length = FO_SIZE, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 8 } };
	int flags = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return fo_lack(op, "FS_IOC_GETFLAGS");
	if (ioctl(fd, FS_IOC_FIEMAP, &ask))
		return fo_lack(op, "FS_IOC_FIEMAP");
	if (!ask.map.fm_mapped_extents)
		return fo_wrong(op, "FIEMAP knows no extent of a file with content", "of %u bytes", FO_SIZE);
	return fo_check(op, fd, FO_SIZE);
}

int fileop_poll(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 100), set = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	struct epoll_event event = { .events = EPOLLIN };

	if (fd < 0)
		return fd;
	if (poll(&p, 1, 0) < 0)
		return fo_fail(op, "poll");
	if ((p.revents & (POLLIN | POLLOUT)) != (POLLIN | POLLOUT))
		return fo_wrong(op, "a file is not ready", "revents %x", p.revents);
	return fo_refused(op, "epoll of a file", epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), EPERM);
}
