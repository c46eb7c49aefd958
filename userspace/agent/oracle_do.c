// SPDX-License-Identifier: GPL-2.0
/* One operation of the oracle on one filesystem. Both sides go through exactly this. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fileops.h"
#include "oracle.h"

#define PAGE		4096u
#define DEPTH_MAX	200u	/* of directories that are removed */
#define XATTR_MAX	65536u

/* A file for one operation: of a slot, which stays open, or opened by its path. */
struct held {
	int fd;
	bool own;
};

static void held_close(struct held *h)
{
	if (h->own && h->fd >= 0)
		close(h->fd);
}
#define HELD __attribute__((cleanup(held_close))) struct held

void orc_fill(char *buf, uint32_t seed, size_t len)
{
	uint64_t x = ((uint64_t)seed + 1) * 0x9e3779b97f4a7c15ull;
	size_t i;

	for (i = 0; i < len; i += 8) {
		uint64_t y;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		/* Never a byte 0: zeros are what a hole gives. */
		y = (x ^ x >> 29) | 0x0101010101010101ull;
		memcpy(buf + i, &y, len - i < 8 ? len - i : 8);
	}
}

static int open_flags(uint32_t flags)
{
	return (flags & ORC_RDONLY ? O_RDONLY : flags & ORC_WRONLY ? O_WRONLY : O_RDWR) |
	       (flags & ORC_CREAT ? O_CREAT : 0) | (flags & ORC_EXCL ? O_EXCL : 0) |
	       (flags & ORC_TRUNC ? O_TRUNC : 0) | (flags & ORC_APPENDING ? O_APPEND : 0) |
	       (flags & ORC_DIRECT ? O_DIRECT : 0) | (flags & ORC_OSYNC ? O_SYNC : 0) |
	       (flags & ORC_DSYNC ? O_DSYNC : 0) | (flags & ORC_NOFOLLOW ? O_NOFOLLOW : 0) |
	       (flags & ORC_DIRECTORY ? O_DIRECTORY : 0);
}

static void fail(struct orc_result *res)
{
	res->err = errno ? errno : EIO;
}

static void came(struct orc_result *res, long ret)
{
	if (ret < 0)
		fail(res);
	else
		res->ret = ret;
}

static bool hold(struct orc_side *side, const struct orc_op *op, int flags, struct held *h, struct orc_result *res)
{
	/* A fifo without a reader would wait for one. */
	h->own = op->slot < 0;
	h->fd = h->own ? openat(side->root, op->path, flags | O_CLOEXEC | O_NONBLOCK, 0644) : side->fd[op->slot];
	if (h->fd >= 0)
		return true;
	if (!h->own)
		errno = EBADF;
	fail(res);
	return false;
}

/* ---- files ------------------------------------------------------------------------------------ */

static void keep_open(struct orc_side *side, int slot, int fd, struct orc_result *res)
{
	if (fd < 0) {
		fail(res);
		return;
	}
	if (side->fd[slot] >= 0)
		close(side->fd[slot]);
	side->fd[slot] = fd;
}

static void do_create(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	int fd = openat(side->root, op->path, open_flags(op->flags) | O_CREAT | O_CLOEXEC | O_NONBLOCK, op->mode);

	if (fd < 0)
		fail(res);
	else
		close(fd);
}

static void do_open(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	keep_open(side, op->slot,
		  openat(side->root, op->path, open_flags(op->flags) | O_CLOEXEC | O_NONBLOCK, op->mode), res);
}

static void do_tmpfile(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	keep_open(side, op->slot, openat(side->root, op->path, O_RDWR | O_TMPFILE | O_CLOEXEC, op->mode), res);
}

static void do_close(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	int fd = side->fd[op->slot];

	side->fd[op->slot] = -1;
	errno = EBADF;
	came(res, fd < 0 ? -1 : close(fd));
}

static size_t bounded(uint64_t len)
{
	return len < ORC_IO_MAX ? (size_t)len : ORC_IO_MAX;
}

static void do_write(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (!hold(side, op, O_WRONLY | (open_flags(op->flags) & ~O_ACCMODE & ~O_CREAT), &h, res))
		return;
	came(res, pwrite(h.fd, from, bounded(op->len), (off_t)op->off));
}

static void do_append(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (!hold(side, op, O_WRONLY | O_APPEND, &h, res))
		return;
	/* Where a directory ends is each filesystem's own affair; what the write says of it is not. */
	if (!h.own && lseek(h.fd, 0, SEEK_END) < 0 && errno != EINVAL)
		res->err = errno;
	if (!res->err)
		came(res, write(h.fd, from, bounded(op->len)));
}

static void do_read(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (!hold(side, op, O_RDONLY | (op->flags & ORC_DIRECT ? O_DIRECT : 0), &h, res))
		return;
	came(res, pread(h.fd, res->data, bounded(op->len), (off_t)op->off));
	res->len = res->err ? 0 : (size_t)res->ret;
}

/* Within the file only: behind its end there is no page, which is no filesystem's doing. */
static size_t in_file(int fd, const struct orc_op *op, struct orc_result *res)
{
	struct stat st;
	uint64_t len = bounded(op->len);

	if (fstat(fd, &st)) {
		fail(res);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || op->off >= (uint64_t)st.st_size)
		return 0;
	return (size_t)(len < (uint64_t)st.st_size - op->off ? len : (uint64_t)st.st_size - op->off);
}

static void through_map(int fd, const struct orc_op *op, char *from, struct orc_result *res)
{
	const bool store = op->kind == ORC_MAPWRITE;
	size_t len = in_file(fd, op, res), ahead = op->off % PAGE;
	char *map;

	if (!len)
		return;
	map = mmap(NULL, ahead + len, PROT_READ | (store ? PROT_WRITE : 0), MAP_SHARED, fd, (off_t)(op->off - ahead));
	if (map == MAP_FAILED) {
		fail(res);
		return;
	}
	errno = EFAULT;
	if (!(store ? fo_copied(map + ahead, from, len) : fo_copied(res->data, map + ahead, len)))
		fail(res);
	else
		res->ret = (long)len;
	res->len = store || res->err ? 0 : len;
	munmap(map, ahead + len);
}

static void do_map(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (hold(side, op, op->kind == ORC_MAPWRITE ? O_RDWR : O_RDONLY, &h, res))
		through_map(h.fd, op, from, res);
}

static void do_truncate(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (hold(side, op, O_WRONLY, &h, res))
		came(res, ftruncate(h.fd, (off_t)op->len));
}

static void do_fallocate(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	int mode = (op->flags & ORC_KEEP_SIZE ? FALLOC_FL_KEEP_SIZE : 0) |
		   (op->flags & ORC_PUNCH_HOLE ? FALLOC_FL_PUNCH_HOLE : 0) |
		   (op->flags & ORC_ZERO_RANGE ? FALLOC_FL_ZERO_RANGE : 0) |
		   (op->flags & ORC_COLLAPSE ? FALLOC_FL_COLLAPSE_RANGE : 0) |
		   (op->flags & ORC_INSERT ? FALLOC_FL_INSERT_RANGE : 0);
	HELD h = { .fd = -1 };

	if (hold(side, op, O_RDWR, &h, res))
		came(res, fallocate(h.fd, mode, (off_t)op->off, (off_t)op->len));
}

/* A filesystem may copy less at once than it was asked for. */
static void copy_range(int in, int out, const struct orc_op *op, struct orc_result *res)
{
	off_t from = (off_t)op->off, to = (off_t)op->to;
	size_t left = bounded(op->len);
	ssize_t n = 0;

	while (left && (n = copy_file_range(in, &from, out, &to, left, 0)) > 0) {
		left -= (size_t)n < left ? (size_t)n : left;
		res->ret += n;
	}
	if (n < 0)
		fail(res);
}

static void do_copy(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	_cleanup_close_ int in = openat(side->root, op->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int out = in < 0 ? -1 : openat(side->root, op->path2, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	if (in < 0 || out < 0)
		fail(res);
	else
		copy_range(in, out, op, res);
}

static void do_sync(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	HELD h = { .fd = -1 };

	if (op->kind == ORC_SYNC) {
		sync();
	} else if (op->kind == ORC_SYNCFS) {
		came(res, syncfs(side->root));
	} else if (hold(side, op, O_RDONLY, &h, res)) {
		came(res, op->kind == ORC_FSYNC ? fsync(h.fd) : fdatasync(h.fd));
	}
}

/* ---- names --------------------------------------------------------------------------------------- */

static void do_rename(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	unsigned int flags = (op->flags & ORC_NOREPLACE ? RENAME_NOREPLACE : 0) |
			     (op->flags & ORC_EXCHANGE ? RENAME_EXCHANGE : 0);

	came(res, syscall(SYS_renameat2, side->root, op->path, side->root, op->path2, flags));
}

static void do_name(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	switch (op->kind) {
	case ORC_MKDIR:
		came(res, mkdirat(side->root, op->path, op->mode & 07777));
		break;
	case ORC_RMDIR:
		came(res, unlinkat(side->root, op->path, AT_REMOVEDIR));
		break;
	case ORC_UNLINK:
		came(res, unlinkat(side->root, op->path, 0));
		break;
	case ORC_LINK:
		came(res, linkat(side->root, op->path, side->root, op->path2, 0));
		break;
	case ORC_SYMLINK:
		came(res, symlinkat(op->path, side->root, op->path2));
		break;
	default:
		came(res, mknodat(side->root, op->path, S_IFIFO | (op->mode & 0777), 0));
		break;
	}
}

static void do_linkfd(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	char proc[64];

	if (side->fd[op->slot] < 0) {
		res->err = EBADF;
		return;
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", side->fd[op->slot]);
	came(res, linkat(AT_FDCWD, proc, side->root, op->path, AT_SYMLINK_FOLLOW));
}

static void do_readlink(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	came(res, readlinkat(side->root, op->path, res->data, 4096));
	res->len = res->err ? 0 : (size_t)res->ret;
}

bool orc_is_ignored(const char *parent, const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..") ||
	       ((!*parent || !strcmp(parent, ".")) && !strcmp(name, ORC_IGNORED));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each with its NUL, as much as fits. */
static void put_names(char **names, size_t n, struct orc_result *res)
{
	size_t i;

	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		size_t len = strlen(names[i]) + 1;

		if (res->len + len <= ORC_IO_MAX)
			memcpy(res->data + res->len, names[i], len), res->len += len;
		free(names[i]);
	}
	free(names);
	res->ret = (long)n;
}

static void do_readdir(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	int fd = openat(side->root, op->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	struct dirent *ent;
	size_t n = 0;

	if (!dir) {
		fail(res);
		return;
	}
	for (errno = 0; (ent = readdir(dir)); errno = 0) {
		if (orc_is_ignored(op->path, ent->d_name))
			continue;
		if (n % 64 == 0) {
			char **more = realloc(names, (n + 64) * sizeof(*names));

			if (!more)
				break;
			names = more;
		}
		names[n] = strdup(ent->d_name);
		n += names[n] != NULL;
	}
	if (errno)
		fail(res);
	put_names(names, n, res);
	closedir(dir);
}

/* ---- attributes ------------------------------------------------------------------------------------- */

static bool full_path(const struct orc_side *side, const struct orc_op *op, char *buf, size_t size, struct orc_result *res)
{
	int n = snprintf(buf, size, "%s/%s", side->dir, op->path);

	if (n > 0 && (size_t)n < size)
		return true;
	res->err = ENAMETOOLONG;
	return false;
}

/* Only the users' own: what security modules and the filesystem itself add is no difference. */
static void keep_users(struct orc_result *res)
{
	size_t at, to = 0;

	for (at = 0; at < res->len; at += strlen(res->data + at) + 1) {
		size_t len = strlen(res->data + at) + 1;

		if (strncmp(res->data + at, "user.", 5))
			continue;
		memmove(res->data + to, res->data + at, len);
		to += len;
	}
	res->len = to;
}

static void sort_list(struct orc_result *res)
{
	char **names = NULL;
	size_t at, n = 0;

	for (at = 0; at < res->len; at += strlen(res->data + at) + 1) {
		char **more = realloc(names, (n + 1) * sizeof(*names));

		if (!more)
			break;
		names = more;
		names[n] = strdup(res->data + at);
		n += names[n] != NULL;
	}
	res->len = 0;
	put_names(names, n, res);
}

static void do_listxattr(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	char path[4096];

	if (!full_path(side, op, path, sizeof(path), res))
		return;
	came(res, llistxattr(path, res->data, XATTR_MAX));
	if (res->err)
		return;
	res->len = (size_t)res->ret;
	res->data[res->len] = '\0';
	keep_users(res);
	sort_list(res);
}

static void do_xattr(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	char path[4096], name[ORC_PATH_MAX + 8];
	int flags = (op->flags & ORC_EXCL ? XATTR_CREATE : 0) | (op->flags & ORC_REPLACE ? XATTR_REPLACE : 0);

	if (!full_path(side, op, path, sizeof(path), res))
		return;
	snprintf(name, sizeof(name), "user.%s", op->path2);
	if (op->kind == ORC_SETXATTR) {
		came(res, lsetxattr(path, name, from, bounded(op->len), flags));
	} else if (op->kind == ORC_REMOVEXATTR) {
		came(res, lremovexattr(path, name));
	} else {
		came(res, lgetxattr(path, name, res->data, XATTR_MAX));
		res->len = res->err ? 0 : (size_t)res->ret;
	}
}

static void do_attribute(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	const struct timespec times[2] = { { (time_t)op->off, 0 }, { (time_t)op->off, 0 } };
	struct stat st;

	if (op->kind == ORC_CHMOD) {
		came(res, fchmodat(side->root, op->path, op->mode, 0));
	} else if (op->kind == ORC_CHOWN) {
		came(res, fchownat(side->root, op->path, op->uid, op->gid, AT_SYMLINK_NOFOLLOW));
	} else if (!utimensat(side->root, op->path, times, AT_SYMLINK_NOFOLLOW) &&
		   !fstatat(side->root, op->path, &st, AT_SYMLINK_NOFOLLOW)) {
		/* Only now: any other change moves it to a moment that is each side's own. */
		res->len = sizeof(st.st_mtim.tv_sec);
		memcpy(res->data, &st.st_mtim.tv_sec, res->len);
	} else {
		fail(res);
	}
}

/* What it says is compared after every operation. */
static void do_stat(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	struct statfs fs;
	struct stat st;
	int ret;

	if (op->kind == ORC_STATFS)
		ret = statfs(side->dir, &fs);
	else if (op->slot >= 0)
		ret = fstat(side->fd[op->slot], &st);
	else
		ret = fstatat(side->root, op->path, &st, AT_SYMLINK_NOFOLLOW);
	came(res, ret);
}

/* ---- all of it ------------------------------------------------------------------------------------------ */

/* 0, or the first errno; goes on behind what cannot be removed. */
static int remove_all(int dirfd, const char *parent, unsigned int depth)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *ent;
	int err = 0;

	if (!dir) {
		err = errno;
		close(dirfd);
		return err;
	}
	for (errno = 0; (ent = readdir(dir)); errno = 0) {
		int fd, failed = 0;

		if (orc_is_ignored(parent, ent->d_name))
			continue;
		if (unlinkat(dirfd, ent->d_name, 0)) {
			if (errno != EISDIR || depth == DEPTH_MAX)
				failed = errno;
			else if ((fd = openat(dirfd, ent->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
				failed = errno;
			else
				failed = remove_all(fd, "-", depth + 1);
			if (!failed && unlinkat(dirfd, ent->d_name, AT_REMOVEDIR))
				failed = errno;
		}
		err = err ? err : failed;
	}
	err = err ? err : errno;
	closedir(dir);
	return err;
}

int orc_clear(const struct orc_side *side)
{
	int fd = openat(side->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : -remove_all(fd, ".", 0);
}

static void do_clear(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	int i;

	for (i = 0; i < ORC_SLOTS; i++) {
		if (side->fd[i] >= 0)
			close(side->fd[i]);
		side->fd[i] = -1;
	}
	res->err = -orc_clear(side);
}

void orc_do(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res)
{
	static void (*const doers[ORC_KINDS])(struct orc_side *, const struct orc_op *, char *, struct orc_result *) = {
		[ORC_CREATE] = do_create, [ORC_OPEN] = do_open, [ORC_CLOSE] = do_close, [ORC_MKDIR] = do_name,
		[ORC_RMDIR] = do_name, [ORC_UNLINK] = do_name, [ORC_WRITE] = do_write, [ORC_APPEND] = do_append,
		[ORC_READ] = do_read, [ORC_MAPWRITE] = do_map, [ORC_MAPREAD] = do_map, [ORC_TRUNCATE] = do_truncate,
		[ORC_FALLOCATE] = do_fallocate, [ORC_COPY] = do_copy, [ORC_FSYNC] = do_sync, [ORC_FDATASYNC] = do_sync,
		[ORC_SYNCFS] = do_sync, [ORC_SYNC] = do_sync, [ORC_RENAME] = do_rename, [ORC_LINK] = do_name,
		[ORC_SYMLINK] = do_name, [ORC_READLINK] = do_readlink, [ORC_MKFIFO] = do_name,
		[ORC_TMPFILE] = do_tmpfile, [ORC_LINKFD] = do_linkfd, [ORC_SETXATTR] = do_xattr,
		[ORC_GETXATTR] = do_xattr, [ORC_REMOVEXATTR] = do_xattr, [ORC_LISTXATTR] = do_listxattr,
		[ORC_CHMOD] = do_attribute, [ORC_CHOWN] = do_attribute, [ORC_UTIMENS] = do_attribute,
		[ORC_STAT] = do_stat, [ORC_READDIR] = do_readdir, [ORC_STATFS] = do_stat, [ORC_CLEAR] = do_clear,
	};

	res->ret = 0;
	res->err = 0;
	res->len = 0;
	if (op->kind < ORC_KINDS && doers[op->kind])
		doers[op->kind](side, op, from, res);
	else
		res->err = EOPNOTSUPP;
}
