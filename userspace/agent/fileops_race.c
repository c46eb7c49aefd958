// SPDX-License-Identifier: GPL-2.0
/* File operations: two threads at once on the same thing. What either of them may see is bounded. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fileops.h"

#define RACE_ROUNDS	300		/* of each thread: as many as show something, the same each time */
#define RACE_MS		2000		/* at most */

struct racer {
	struct fileop *op;
	int (*turn)(struct racer *r, unsigned int i);	/* 0, or -errno with `call` set; -EBADMSG: `call` says what */
	int fd, number;
	const char *call;
	int err;
	char *buf;			/* FO_SIZE bytes of its own */
	uint64_t until_ns;
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	unsigned int i;

	for (i = 0; i < RACE_ROUNDS && !r->err && now_ns() < r->until_ns && !atomic_load(&r->op->run->cancelled); i++)
		r->err = r->turn(r, i);
	return NULL;
}

static int outcome(struct fileop *op, const struct racer *r)
{
	if (r->err == -EBADMSG)
		return fo_corrupt(op, r->call, "in thread %d", r->number);
	errno = -r->err;
	return r->err ? fo_fail(op, r->call) : 0;
}

static int both(struct fileop *op, int fd, int (*one)(struct racer *r, unsigned int i),
		int (*two)(struct racer *r, unsigned int i))
{
	struct racer racers[2] = { { .op = op, .turn = one, .fd = fd }, { .op = op, .turn = two, .fd = fd, .number = 1 } };
	int i;

	for (i = 0; i < 2; i++) {
		racers[i].until_ns = now_ns() + RACE_MS * NSEC_PER_MSEC;
		racers[i].buf = op->have + i * (FO_ROOM / 2);
	}
	errno = pthread_create(&racers[1].thread, NULL, race, &racers[1]);
	if (errno)
		return fo_fail(op, "pthread_create");
	race(&racers[0]);
	pthread_join(racers[1].thread, NULL);
	return outcome(op, &racers[0]) ?: outcome(op, &racers[1]);
}

static int says(struct racer *r, const char *call)
{
	r->call = call;
	return -errno;
}

/* Each byte is one of two. */
static int one_of(struct racer *r, const char *a, const char *b, ssize_t n)
{
	ssize_t i;

	for (i = 0; i < n; i++) {
		if (r->buf[i] == a[i] || r->buf[i] == b[i])
			continue;
		r->call = "read gives what nobody has written";
		return -EBADMSG;
	}
	return 0;
}

/* ---- contents ------------------------------------------------------------------------------ */

#define OTHER(op)	((op)->want + FO_ROOM / 2)	/* the second of two contents; want's is the first */

static int write_either(struct racer *r, unsigned int i)
{
	return pwrite(r->fd, i & 1 ? OTHER(r->op) : r->op->want, FO_SIZE, 0) == FO_SIZE ? 0 : says(r, "write");
}

static int read_either(struct racer *r, unsigned int i)
{
	ssize_t n = pread(r->fd, r->buf, FO_SIZE, 0);

	return n < 0 ? says(r, "read") : one_of(r, r->op->want, OTHER(r->op), n);
}

int fileop_race_read(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : both(op, fd, write_either, read_either);

	return err ?: fo_write(op, fd, op->want, FO_SIZE, 0) ?: fo_check(op, fd, FO_SIZE);
}

static int sync_it(struct racer *r, unsigned int i)
{
	return (i & 1 ? fsync(r->fd) : syncfs(r->fd)) && errno != EINVAL ? says(r, "fsync") : 0;
}

int fileop_race_sync(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : both(op, fd, write_either, sync_it);

	return err ?: fo_write(op, fd, op->want, FO_SIZE, 0) ?: fo_check(op, fd, FO_SIZE);
}

static int cut_and_write(struct racer *r, unsigned int i)
{
	if (ftruncate(r->fd, i % 3 ? 0 : 5000))
		return says(r, "ftruncate");
	return pwrite(r->fd, r->op->want, FO_SIZE, 0) == FO_SIZE ? 0 : says(r, "write");
}

static int read_or_zeros(struct racer *r, unsigned int i)
{
	ssize_t n = pread(r->fd, r->buf, FO_SIZE, 0);

	return n < 0 ? says(r, "read") : one_of(r, r->op->want, OTHER(r->op), n);
}

int fileop_race_truncate(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);

	memset(OTHER(op), 0, FO_SIZE);
	return fd < 0 ? fd : both(op, fd, cut_and_write, read_or_zeros) ?: fo_check(op, fd, FO_SIZE);
}

/* ---- names --------------------------------------------------------------------------------- */

static int create_and_remove(struct racer *r, unsigned int i)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "d/%d-%u", r->number, i % 7);
	fd = openat(r->op->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return says(r, "create");
	close(fd);
	return unlinkat(r->op->dir, name, 0) ? says(r, "unlink") : 0;
}

static int create_the_same(struct racer *r, unsigned int i)
{
	int fd = openat(r->op->dir, "d/same", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return says(r, "create");
	return unlinkat(r->op->dir, "d/same", 0) && errno != ENOENT ? says(r, "unlink") : 0;
}

/* Afterwards nothing is in it, and it can go. */
static int in_directory(struct fileop *op, int (*turn)(struct racer *r, unsigned int i))
{
	int err;

	if (mkdirat(op->dir, "d", 0755))
		return fo_fail(op, "mkdir");
	err = both(op, -1, turn, turn);
	if (err)
		return err;
	return unlinkat(op->dir, "d", AT_REMOVEDIR) ? fo_fail(op, "rmdir of what must be empty") : 0;
}

int fileop_race_create(struct fileop *op)
{
	return in_directory(op, create_and_remove);
}

int fileop_race_same_name(struct fileop *op)
{
	return in_directory(op, create_the_same);
}

static int rename_to_and_fro(struct racer *r, unsigned int i)
{
	return renameat(r->op->dir, i & 1 ? "b" : "a", r->op->dir, i & 1 ? "a" : "b") ? says(r, "rename") : 0;
}

static int open_and_read(struct racer *r, unsigned int i)
{
	int fd = openat(r->op->dir, i & 1 ? "b" : "a", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : says(r, "open");
	n = pread(fd, r->buf, FO_SIZE, 0);
	close(fd);
	return n < 0 ? says(r, "read") : one_of(r, r->op->want, r->op->want, n);
}

int fileop_race_rename(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "a", FO_SIZE);

	return fd < 0 ? fd : both(op, fd, rename_to_and_fro, open_and_read) ?: fo_check(op, fd, FO_SIZE);
}
