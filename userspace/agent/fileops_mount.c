// SPDX-License-Identifier: GPL-2.0
/* File operations that touch the whole filesystem: it stands still, changes its mode, is there again after a new mount. */
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fileops.h"

#define FROZEN_MS	100		/* how long a writer is watched not to get through */
#define KEPT		"vexlab-kept"

/* ---- freeze ------------------------------------------------------------------------------------- */

struct late_writer {
	int fd;
	const char *from;
	int err;
	atomic_bool done;
	pthread_t thread;
};

static void *write_late(void *arg)
{
	struct late_writer *w = arg;

	if (pwrite(w->fd, w->from, 1000, FO_SIZE) != 1000)
		w->err = errno ? errno : EIO;
	atomic_store(&w->done, true);
	return NULL;
}

static int while_frozen(struct fileop *op, struct late_writer *w, bool *got_through)
{
	const struct timespec wait = { .tv_nsec = FROZEN_MS * (long)NSEC_PER_MSEC };
	int err = fo_same(op, w->fd, FO_SIZE);

	if (err)
		return err;
	errno = pthread_create(&w->thread, NULL, write_late, w);
	if (errno)
		return fo_fail(op, "pthread_create");
	nanosleep(&wait, NULL);
	*got_through = atomic_load(&w->done);
	return 0;
}

int fileop_freeze(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	struct late_writer w = { .fd = fd, .from = op->want + FO_SIZE };
	bool got_through = false;
	int err;

	if (fd < 0)
		return fd;
	if (ioctl(op->dir, FIFREEZE, 0))
		return fo_lack(op, "FIFREEZE");
	err = while_frozen(op, &w, &got_through);
	if (ioctl(op->dir, FITHAW, 0))
		return fo_fail(op, "FITHAW");
	if (w.thread)
		pthread_join(w.thread, NULL);
	if (err)
		return err;
	if (got_through)
		return fo_wrong(op, "a frozen filesystem is written to", "within %d ms", FROZEN_MS);
	errno = w.err;
	return w.err ? fo_fail(op, "write after the thaw") : fo_check(op, fd, FO_SIZE + 1000);
}

int fileop_trim(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	struct fstrim_range range = { .len = UINT64_MAX };

	if (fd < 0)
		return fd;
	if (syncfs(fd))
		return fo_fail(op, "syncfs");
	return ioctl(op->dir, FITRIM, &range) ? fo_lack(op, "FITRIM") : fo_check(op, fd, FO_SIZE);
}

/* ---- read-only and back --------------------------------------------------------------------------- */

static int remount(const struct fileop *op, unsigned long flags)
{
	return mount("none", op->mount, NULL, MS_REMOUNT | flags, NULL);
}

static int while_read_only(struct fileop *op)
{
	return fo_refused(op, "create on a read-only mount",
			  openat(op->dir, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0644), EROFS) ?:
	       fo_refused(op, "unlink on a read-only mount", unlinkat(op->dir, "f", 0), EROFS) ?:
	       fo_check_name(op, "f", FO_SIZE);
}

int fileop_remount(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err;

	if (fd < 0)
		return fd;
	if (!remount(op, MS_RDONLY)) {
		remount(op, 0);
		return fo_wrong(op, "it is made read-only under a writer", "a file is open for writing");
	}
	if (errno != EBUSY)
		return fo_lack(op, "remount read-only while written to");
	err = fo_check(op, fd, FO_SIZE);
	close(fd);
	fd = -1;
	if (err)
		return err;
	if (remount(op, MS_RDONLY))
		return fo_lack(op, "remount read-only");
	err = while_read_only(op);
	if (remount(op, 0))
		return fo_fail(op, "remount read-write");
	if (err)
		return err;
	fd = fo_make(op, "after", FO_SIZE);
	return fd < 0 ? fd : fo_check(op, fd, FO_SIZE);
}

/* ---- what outlasts an unmount ------------------------------------------------------------------------- */

static const struct kept {
	const char *name;
	unsigned int size;
	mode_t mode;
} kept_files[] = {
	{ "empty", 0, 0644 }, { "one", 1, 0600 }, { "page", FO_PAGE, 0640 }, { "odd", FO_SIZE, 0755 },
	{ "directory/more", 40000, 0644 },
};

#define EACH_KEPT(i)	(i) = 0; (i) < sizeof(kept_files) / sizeof(kept_files[0]); (i)++

/* The directory stands in the mount point, where the other step finds it. */
static int in_kept(struct fileop *op)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/" KEPT, op->mount);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fo_fail(op, "open the kept directory") : fd;
}

static int keep_one(struct fileop *op, const struct kept *k)
{
	_cleanup_close_ int fd = fo_make(op, k->name, k->size);

	if (fd < 0)
		return fd;
	return fchmod(fd, k->mode) ? fo_fail(op, "fchmod") : 0;
}

int fileop_keep(struct fileop *op)
{
	_cleanup_close_ int dir = -1;
	struct fileop there = *op;
	char path[4200];
	unsigned int i;
	int err = 0;

	snprintf(path, sizeof(path), "%s/" KEPT, op->mount);
	if (mkdir(path, 0755))
		return fo_fail(op, "mkdir");
	there.dir = dir = in_kept(op);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, "directory", 0755))
		return fo_fail(op, "mkdir");
	for (EACH_KEPT(i)) {
		fo_fill(op->want, i + 1, kept_files[i].size);
		err = keep_one(&there, &kept_files[i]);
		if (err)
			return err;
	}
	return 0;
}

static int kept_one(struct fileop *op, const struct kept *k)
{
	_cleanup_close_ int fd = openat(op->dir, k->name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? fo_corrupt(op, "a file is gone after a new mount", "%s", k->name) : fo_fail(op, "open");
	if (fstat(fd, &st))
		return fo_fail(op, "fstat");
	if ((st.st_mode & 07777) != k->mode)
		return fo_corrupt(op, "a file has another mode after a new mount", "%s: %o, must be %o", k->name,
				  st.st_mode & 07777, k->mode);
	return fo_check(op, fd, k->size);
}

/* All are looked at: how many have suffered says more than that one has. */
int fileop_kept(struct fileop *op)
{
	_cleanup_close_ int dir = -1;
	struct fileop there = *op;
	struct stat st;
	char path[4200];
	unsigned int i;
	int err = 0, one;

	snprintf(path, sizeof(path), "%s/" KEPT, op->mount);
	if (stat(path, &st))
		return errno == ENOENT ? fo_corrupt(op, "a directory is gone after a new mount", KEPT) : fo_fail(op, "stat");
	there.dir = dir = in_kept(op);
	if (dir < 0)
		return dir;
	for (EACH_KEPT(i)) {
		fo_fill(op->want, i + 1, kept_files[i].size);
		one = kept_one(&there, &kept_files[i]);
		err = err ?: one;
	}
	return err;
}

/* ---- a filesystem without room ------------------------------------------------------------------- */

int fileop_reuse(struct fileop *op)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < 1500 && !err && !atomic_load(&op->run->cancelled); i++) {
		int fd = fo_make(op, "f", 10);

		if (fd >= 0)
			close(fd);
		err = fd < 0 ? fd : fo_remove(op, "f");
	}
	if (err)
		op_say(op->run, "the %uth time\n", i);
	return err;
}

#define FILL_FILES	2048
#define FILL_BYTES	32768u

/* 0: it is written; 1: nothing fits any more; -errno. */
static int fill_one(struct fileop *op, unsigned int i)
{
	_cleanup_close_ int fd = -1;
	char name[32];
	size_t at = 0;
	ssize_t n;

	snprintf(name, sizeof(name), "fill-%u", i);
	fd = openat(op->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == ENOSPC ? 1 : fo_fail(op, "create");
	while (at < FILL_BYTES) {
		n = pwrite(fd, op->want + at, FILL_BYTES - at, (off_t)at);
		if (n <= 0)
			return n && errno == ENOSPC ? 1 : fo_fail(op, "write");
		at += (size_t)n;
	}
	return 0;
}

static int remove_filling(struct fileop *op, unsigned int n)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fill-%u", i);
		if (unlinkat(op->dir, name, 0) && errno != ENOENT)
			return fo_fail(op, "unlink");
	}
	return syncfs(op->dir) ? fo_fail(op, "syncfs") : 0;
}

int fileop_fill_up(struct fileop *op)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < FILL_FILES && !err && !atomic_load(&op->run->cancelled); i++)
		err = fill_one(op, i);
	if (err < 0)
		return err;
	/* With delayed allocation the lack may come only now. */
	if (syncfs(op->dir) && errno != ENOSPC)
		return fo_fail(op, "syncfs of what is full");
	return fo_check_name(op, "fill-0", FILL_BYTES) ?: remove_filling(op, i) ?: fileop_write(op);
}
