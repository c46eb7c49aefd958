// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent work on one filesystem, by a seed: threads that create, write, rename both ways across directories, remove,
 * list, cut and sync the same few names, and now and then mount the device a second time. What of it is private to a
 * thread must be exactly what it made of it; what is shared must consist of what somebody has written.
 */
#include <fcntl.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define THREADS_MAX	8
#define DIRS		2
#define NAMES		4
#define WORDS		1536		/* of a file: three pages */
#define MAGIC		0x56580000u	/* upper half of each word that is written */
#define MS_MAX		60000

struct races {
	struct op_run *run;
	const char *dir, *second, *device, *type, *options;
	uint64_t until_ns;
	bool mounts;
	atomic_bool failed;
	pthread_mutex_t lock;		/* for `said`, held for the length of one message */
	bool said;
};

struct racer {
	struct races *all;
	unsigned int number;
	uint64_t random, calls;
	uint32_t made;			/* the private file's present content; 0: it is not there */
	unsigned int made_dir;
	uint64_t words[WORDS];
	pthread_t thread;
	bool started;
	bool ended;			/* by itself; else the kernel has killed it, in the midst of something */
};

static unsigned int draw(struct racer *r, unsigned int below)
{
	r->random = r->random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(r->random >> 33) % below;
}

static bool is_over(const struct races *all)
{
	return atomic_load(&all->failed) || atomic_load(&all->run->cancelled) || now_ns() >= all->until_ns;
}

/* The first who finds something says it; the others stop. `what` becomes part of a title. */
static void wrong(struct racer *r, enum vx_file_result result, const char *what, const char *detail)
{
	struct races *all = r->all;

	pthread_mutex_lock(&all->lock);
	if (!all->said) {
		all->said = true;
		all->run->value = result;
		op_say(all->run, "%s\nthread %u, call %llu: %s\n", what, r->number, (unsigned long long)r->calls, detail);
	}
	pthread_mutex_unlock(&all->lock);
	atomic_store(&all->failed, true);
}

/* What two threads at the same names get in each other's way with, or a filesystem may not have. */
static bool is_natural(int err)
{
	switch (err) {
	case ENOENT: case EEXIST: case ENOTEMPTY: case EISDIR: case ENOTDIR: case EBUSY: case ENOSPC: case EDQUOT:
	case EPERM: case EOPNOTSUPP: case ENOSYS: case EINVAL: case ENOTTY: case EINTR: case ENFILE: case EXDEV:
	case EFBIG: case EMLINK: case EROFS: case ENOMEM:
		return true;
	}
	return false;
}

static void failed(struct racer *r, const char *call)
{
	const int err = errno;
	char what[128];

	if (is_natural(err))
		return;
	snprintf(what, sizeof(what), "%s fails in a race: %s", call, strerror(err));
	wrong(r, VX_FILE_WRONG, what, call);
}

/* ---- contents ---------------------------------------------------------------------------------- */

static uint64_t word_of(uint32_t stamp, unsigned int i)
{
	return (uint64_t)(MAGIC | (stamp & 0xffff)) << 32 | (stamp >> 16) << 16 | i;
}

static bool is_word(uint64_t word, unsigned int i)
{
	const uint64_t must = (uint64_t)MAGIC << 32 | i, fixed = 0xffff00000000ffffull;

	/* Byte by byte, as they may be copied; zeros are a hole that somebody's cut has made. */
	for (unsigned int at = 0; at < 64; at += 8) {
		const uint64_t byte = word >> at & 0xff;

		if ((fixed >> at & 0xff) && byte && byte != (must >> at & 0xff))
			return false;
	}
	return true;
}

static void write_file(struct racer *r, const char *path, uint32_t stamp, bool own)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | (own ? O_TRUNC : 0) | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0) {
		failed(r, "create");
		return;
	}
	for (unsigned int i = 0; i < WORDS; i++)
		r->words[i] = word_of(stamp, i);
	n = pwrite(fd, r->words, sizeof(r->words), 0);
	if (n < 0)
		failed(r, "write");
	else if (own && n == (ssize_t)sizeof(r->words))
		r->made = stamp;
	if (own && n != (ssize_t)sizeof(r->words)) {
		unlink(path);
		r->made = 0;
	}
}

/* Shared: each word is somebody's, at its own place. */
static void read_shared(struct racer *r, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, r->words, sizeof(r->words), 0);
	char detail[96];

	if (fd < 0 || n < 0) {
		failed(r, fd < 0 ? "open" : "read");
		return;
	}
	for (unsigned int i = 0; i < (size_t)n / sizeof(r->words[0]); i++) {
		if (is_word(r->words[i], i))
			continue;
		snprintf(detail, sizeof(detail), "word %u is %016llx", i, (unsigned long long)r->words[i]);
		wrong(r, VX_FILE_CORRUPT, "a shared file has what nobody has written", detail);
		return;
	}
}

static void own_path(const struct racer *r, unsigned int dir, char *ret, size_t size)
{
	snprintf(ret, size, "%s/races/d%u/own%u", r->all->dir, dir, r->number);
}

static void check_own(struct racer *r)
{
	_cleanup_close_ int fd = -1;
	char path[512], detail[96];
	ssize_t n;

	if (!r->made)
		return;
	own_path(r, r->made_dir, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(detail, sizeof(detail), "%s", strerror(errno));
		wrong(r, VX_FILE_CORRUPT, "a file that nobody else touches is gone", detail);
		return;
	}
	n = pread(fd, r->words, sizeof(r->words), 0);
	for (unsigned int i = 0; i < WORDS; i++) {
		if (n == (ssize_t)sizeof(r->words) && r->words[i] == word_of(r->made, i))
			continue;
		snprintf(detail, sizeof(detail), "%zd bytes; word %u is %016llx", n, i, (unsigned long long)r->words[i]);
		wrong(r, VX_FILE_CORRUPT, "a file that nobody else touches has other content", detail);
		return;
	}
}

/* ---- calls -------------------------------------------------------------------------------------- */

static void shared_path(struct racer *r, char *ret, size_t size)
{
	const unsigned int dir = draw(r, DIRS), name = draw(r, NAMES);

	snprintf(ret, size, "%s/races/d%u/n%u", r->all->dir, dir, name);
}

static void do_write(struct racer *r)
{
	char path[512];

	shared_path(r, path, sizeof(path));
	write_file(r, path, r->number << 8 | draw(r, 256), false);
}

static void do_read(struct racer *r)
{
	char path[512];

	shared_path(r, path, sizeof(path));
	read_shared(r, path);
}

static void do_own(struct racer *r)
{
	char path[512];

	own_path(r, r->made_dir, path, sizeof(path));
	write_file(r, path, 1 + draw(r, 65000) + (r->number << 16), true);
	check_own(r);
}

static void do_own_rename(struct racer *r)
{
	const unsigned int to = draw(r, DIRS);
	char from_path[512], to_path[512];

	if (!r->made || to == r->made_dir)
		return;
	own_path(r, r->made_dir, from_path, sizeof(from_path));
	own_path(r, to, to_path, sizeof(to_path));
	if (rename(from_path, to_path))
		failed(r, "rename");
	else
		r->made_dir = to;
	check_own(r);
}

static void do_unlink(struct racer *r)
{
	char path[512];

	shared_path(r, path, sizeof(path));
	if (unlink(path))
		failed(r, "unlink");
}

static void do_rename(struct racer *r)
{
	char from[512], to[512];

	shared_path(r, from, sizeof(from));
	shared_path(r, to, sizeof(to));
	if (rename(from, to))
		failed(r, "rename");
}

static void do_link(struct racer *r)
{
	char from[512], to[512];

	shared_path(r, from, sizeof(from));
	shared_path(r, to, sizeof(to));
	if (link(from, to))
		failed(r, "link");
}

static void do_cut(struct racer *r)
{
	char path[512];

	shared_path(r, path, sizeof(path));
	if (truncate(path, (off_t)draw(r, WORDS) * 8))
		failed(r, "truncate");
}

static void do_sync(struct racer *r)
{
	_cleanup_close_ int fd = -1;
	char path[512];

	shared_path(r, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (draw(r, 4) ? fsync(fd) : syncfs(fd)))
		failed(r, "fsync");
}

static void do_list(struct racer *r)
{
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/races/d%u", r->all->dir, draw(r, DIRS));
	dir = opendir(path);
	if (!dir) {
		failed(r, "opendir");
		return;
	}
	do
		errno = 0;
	while (readdir(dir) && !is_over(r->all));
	if (errno)
		failed(r, "readdir");
	closedir(dir);
}

/* A directory moves between two others, comes and goes. */
static void do_directory(struct racer *r)
{
	char here[512], there[512];

	snprintf(here, sizeof(here), "%s/races/d%u/sub", r->all->dir, draw(r, DIRS));
	snprintf(there, sizeof(there), "%s/races/d%u/sub", r->all->dir, draw(r, DIRS));
	switch (draw(r, 3)) {
	case 0:
		if (mkdir(here, 0755))
			failed(r, "mkdir");
		break;
	case 1:
		if (rename(here, there))
			failed(r, "rename of a directory");
		break;
	default:
		if (rmdir(here))
			failed(r, "rmdir");
	}
}

/* The super block is there already: it is found, and let go again. */
static void do_mount(struct racer *r)
{
	char at[512];

	snprintf(at, sizeof(at), "%s/%u", r->all->second, r->number);
	if (mount(r->all->device, at, r->all->type, 0, r->all->options)) {
		failed(r, "mount");
		return;
	}
	if (umount2(at, 0) && errno == EBUSY)
		umount2(at, MNT_DETACH);
}

static void (*const calls[])(struct racer *r) = {
	do_write, do_write, do_read, do_own, do_own_rename, do_unlink, do_unlink, do_rename, do_rename, do_link, do_cut, do_sync,
	do_list, do_directory,
};
#define CALLS	(sizeof(calls) / sizeof(calls[0]))

static void *work(void *arg)
{
	struct racer *r = arg;

	while (!is_over(r->all)) {
		if (r->all->mounts)
			do_mount(r);
		else
			calls[draw(r, CALLS)](r);
		r->calls++;
		if (!(r->calls % 64) && !r->all->mounts && r->all->second[0] && !r->number)
			do_mount(r);
	}
	r->ended = true;
	return NULL;
}

/* ---- the step ------------------------------------------------------------------------------------- */

static int make_places(const struct races *all, unsigned int threads)
{
	char path[512];

	for (unsigned int i = 0; i < threads && all->second[0]; i++) {
		snprintf(path, sizeof(path), "%s/%u", all->second, i);
		if (mkdir(all->second, 0755) && errno != EEXIST)
			return -errno;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
	}
	if (all->mounts)
		return 0;
	snprintf(path, sizeof(path), "%s/races", all->dir);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	for (unsigned int i = 0; i < DIRS; i++) {
		snprintf(path, sizeof(path), "%s/races/d%u", all->dir, i);
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* A thread that an Oops ends is joined like any other: its kernel clears its number. */
static int run_threads(struct races *all, unsigned int threads, uint64_t seed)
{
	_cleanup_free_ struct racer *racers = calloc(threads, sizeof(*racers));
	uint64_t sum = 0;
	int err = 0;

	if (!racers)
		return -ENOMEM;
	for (unsigned int i = 0; i < threads && !err; i++) {
		racers[i].all = all;
		racers[i].number = i;
		racers[i].random = seed ^ (i + 1) * 0x9e3779b97f4a7c15ull;
		err = -pthread_create(&racers[i].thread, NULL, work, &racers[i]);
		racers[i].started = !err;
	}
	for (unsigned int i = 0; i < threads; i++) {
		if (racers[i].started)
			pthread_join(racers[i].thread, NULL);
		sum += racers[i].calls;
	}
	for (unsigned int i = 0; i < threads && !all->said && !all->mounts; i++)
		if (racers[i].ended)
			check_own(&racers[i]);
	if (!all->said)
		all->run->value = (int64_t)sum;
	return err ? err : all->said ? -EBADMSG : 0;
}

int op_races(struct op_run *run)
{
	const __s64 *num = run->step.req.num;
	struct races all = {
		.run = run, .dir = run->step.str[0], .second = run->step.str[1], .device = run->step.str[2],
		.type = run->step.str[3], .options = run->step.str[4], .mounts = num[3] == VX_RACES_MOUNTS,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int err;

	if (num[1] < 1 || num[1] > MS_MAX || num[2] < 1 || num[2] > THREADS_MAX || (all.mounts && !all.second[0]))
		return -EINVAL;
	op_begin(run);
	err = make_places(&all, (unsigned int)num[2]);
	if (err) {
		op_say(run, "making the directories: %s\n", strerror(-err));
		return op_end(run, err);
	}
	all.until_ns = now_ns() + (uint64_t)num[1] * NSEC_PER_MSEC;
	return op_end(run, run_threads(&all, (unsigned int)num[2], (uint64_t)num[0]));
}
