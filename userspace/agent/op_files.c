// SPDX-License-Identifier: GPL-2.0
/*
 * Real work on a filesystem: files written, read back from the device and
 * compared, renamed, linked, counted, removed. Ends at the first call that
 * fails and names it; what it had made so far stays as evidence.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define CHUNK		(64u << 10)
#define FILES_MAX	1000000
#define BYTES_MAX	(1ll << 40)

struct files {
	struct op_run *run;
	int dir;
	int64_t count, bytes;
	char *buf, *want;		/* CHUNK each */
	bool no_fsync, no_link;		/* told once, not a failure */
};

static int failed(struct files *f, const char *call, int64_t i, int err)
{
	op_say(f->run, "%s, file %lld: %s\n", call, (long long)i, strerror(err));
	return -err;
}

static void name_of(char ret[32], const char *stem, int64_t i)
{
	snprintf(ret, 32, "%s.%lld", stem, (long long)i);
}

/* Differs from file to file and from block to block, so that a misplaced block shows. */
static void pattern(char *buf, int64_t file, int64_t chunk)
{
	uint64_t x = (uint64_t)file * 0x9e3779b97f4a7c15ull ^ (uint64_t)chunk << 32;
	size_t i;

	for (i = 0; i < CHUNK; i += sizeof(x)) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(buf + i, &x, sizeof(x));
	}
}

static bool unsupported(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == EINVAL || err == EPERM;
}

static int write_all(struct files *f, int fd, int64_t i)
{
	int64_t at = 0;

	while (at < f->bytes) {
		size_t off = (size_t)(at % CHUNK), len = CHUNK - off;
		ssize_t n;

		if (!off)
			pattern(f->buf, i, at / CHUNK);
		if ((int64_t)len > f->bytes - at)
			len = (size_t)(f->bytes - at);
		n = write(fd, f->buf + off, len);
		if (n < 0)
			return failed(f, "write", i, errno);
		if (!n)
			return failed(f, "write of nothing", i, EIO);
		f->run->value++;
		at += n;
	}
	return 0;
}

static int create(struct files *f, int64_t i)
{
	_cleanup_close_ int fd = -1;
	char name[32];
	int err;

	name_of(name, "vx", i);
	fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return failed(f, "create", i, errno);
	f->run->value++;
	err = write_all(f, fd, i);
	if (err)
		return err;
	if (!fsync(fd))
		f->run->value++;
	else if (unsupported(errno))
		f->no_fsync = true;
	else
		return failed(f, "fsync", i, errno);
	/* Reading back shall reach the device, as far as the filesystem lets go of its pages. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	err = close(fd) ? errno : 0;
	fd = -1;
	return err ? failed(f, "close", i, err) : 0;
}

static int compare(struct files *f, int64_t i, int64_t at, size_t off, ssize_t n)
{
	ssize_t k;

	if (!memcmp(f->buf, f->want + off, (size_t)n))
		return 0;
	for (k = 0; f->buf[k] == f->want[off + (size_t)k]; k++)
		;
	op_say(f->run, "file %lld, byte %lld: read 0x%02x, written 0x%02x\n", (long long)i,
	       (long long)(at + k), (unsigned char)f->buf[k],
	       (unsigned char)f->want[off + (size_t)k]);
	return -EIO;
}

static int read_back(struct files *f, int64_t i)
{
	_cleanup_close_ int fd = -1;
	char name[32];
	int64_t at = 0;
	int err = 0;

	name_of(name, "vx", i);
	fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(f, "open", i, errno);
	f->run->value++;
	while (!err) {
		size_t off = (size_t)(at % CHUNK);
		ssize_t n = read(fd, f->buf, CHUNK - off);

		if (n < 0)
			return failed(f, "read", i, errno);
		if (n > f->bytes - at)
			return failed(f, "read past the end", i, EIO);
		if (!n)
			break;
		if (!off)
			pattern(f->want, i, at / CHUNK);
		err = compare(f, i, at, off, n);
		f->run->value++;
		at += n;
	}
	if (!err && at != f->bytes)
		return failed(f, "read: the file is too short", i, EIO);
	return err;
}

static int rename_link(struct files *f, int64_t i)
{
	char from[32], to[32], link[32];

	name_of(from, "vx", i);
	name_of(to, "vxr", i);
	name_of(link, "vxl", i);
	if (renameat(f->dir, from, f->dir, to))
		return failed(f, "rename", i, errno);
	f->run->value++;
	if (f->no_link)
		return 0;
	if (linkat(f->dir, to, f->dir, link, 0)) {
		if (!unsupported(errno))
			return failed(f, "link", i, errno);
		f->no_link = true;
		return 0;
	}
	if (unlinkat(f->dir, link, 0))
		return failed(f, "unlink of the link", i, errno);
	f->run->value += 2;
	return 0;
}

static int count_entries(struct files *f)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int64_t n = 0;
	int err;

	if (!dir) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return failed(f, "opendir", 0, err);
	}
	for (errno = 0; (entry = readdir(dir)); errno = 0)
		n += !strncmp(entry->d_name, "vxr.", 4);
	err = errno;
	closedir(dir);
	if (err)
		return failed(f, "readdir", 0, err);
	f->run->value++;
	if (n == f->count)
		return 0;
	op_say(f->run, "readdir shows %lld files, %lld were made\n", (long long)n,
	       (long long)f->count);
	return -EIO;
}

static int remove_one(struct files *f, int64_t i)
{
	char name[32];

	name_of(name, "vxr", i);
	if (unlinkat(f->dir, name, 0))
		return failed(f, "unlink", i, errno);
	f->run->value++;
	return 0;
}

static int each(struct files *f, int (*fn)(struct files *f, int64_t i))
{
	int64_t i;
	int err = 0;

	for (i = 0; !err && i < f->count; i++)
		err = atomic_load(&f->run->cancelled) ? -ECANCELED : fn(f, i);
	return err;
}

static int work(struct files *f)
{
	int err = each(f, create);

	if (!err)
		err = each(f, read_back);
	if (!err)
		err = each(f, rename_link);
	if (!err)
		err = count_entries(f);
	if (!err)
		err = each(f, remove_one);
	if (f->no_fsync)
		op_say(f->run, "fsync: not supported\n");
	if (f->no_link)
		op_say(f->run, "link: not supported\n");
	return err;
}

int op_files(struct op_run *run)
{
	_cleanup_free_ char *buf = NULL, *want = NULL;
	_cleanup_close_ int dir = -1;
	struct files f = {
		.run = run, .count = run->step.req.num[0], .bytes = run->step.req.num[1],
	};

	if (f.count < 0 || f.count > FILES_MAX || f.bytes < 0 || f.bytes > BYTES_MAX)
		return -EINVAL;
	f.buf = buf = malloc(CHUNK);
	f.want = want = malloc(CHUNK);
	if (!buf || !want)
		return -ENOMEM;
	op_begin(run);
	f.dir = dir = open(run->step.str[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return op_end(run, -errno);
	return op_end(run, work(&f));
}
