// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "images.h"

#define LIST_MAX	2000u		/* names of one directory */
#define DEPTH_MAX	4u
#define KEEP_EACH	3u		/* so many-th file is not removed */

/* ---- making one --------------------------------------------------------------------------------- */

static int make_file(int dir, const char *name, size_t bytes)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	char buf[4096];
	size_t i, n;

	if (fd < 0)
		return -errno;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (char)('a' + (i + bytes) % 23);
	for (; bytes; bytes -= n) {
		n = bytes < sizeof(buf) ? bytes : sizeof(buf);
		if (write(fd, buf, n) != (ssize_t)n)
			return -errno;
	}
	return 0;
}

static int fill_directory(int top, const char *name, unsigned int files)
{
	_cleanup_close_ int dir = -1;
	unsigned int i;
	char file[32];
	int err = 0;

	if (mkdirat(top, name, 0755))
		return -errno;
	dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	for (i = 0; i < files && !err; i++) {
		snprintf(file, sizeof(file), "file-%u", i);
		err = make_file(dir, file, i * 700);
	}
	return err;
}

int images_fill(struct op_run *run, const char *dir)
{
	static const struct { const char *name; size_t bytes; } files[] = {
		{ "empty", 0 }, { "small", 100 }, { "block", 4096 }, { "odd", 10001 }, { "large", 300000 },
	};
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = top < 0 ? -errno : 0;
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]) && !err; i++)
		err = make_file(top, files[i].name, files[i].bytes);
	err = err ? err : fill_directory(top, "few", 3);
	err = err ? err : fill_directory(top, "many", 20);
	err = err ? err : fill_directory(top, "few/deep", 2);
	if (err)
		return err;
	/* What a filesystem may lack. */
	i = (unsigned int)linkat(top, "small", top, "few/hard", 0) + (unsigned int)symlinkat("few/file-1", top, "short") +
	    (unsigned int)symlinkat("a-target-that-is-too-long-for-an-inode/and-so-has-a-block-of-its-own/many/file-7/which-is-not-there",
				    top, "long") + (unsigned int)mknodat(top, "fifo", S_IFIFO | 0644, 0);
	if (i)
		op_say(run, "not all kinds of links and nodes can be made here\n");
	return syncfs(top) ? -errno : 0;
}

/* ---- using one ---------------------------------------------------------------------------------- */

struct use {
	struct op_run *run;
	unsigned int calls, refused, entries, most;
	char buf[8192];
};

static bool enough(const struct use *u)
{
	return u->entries >= u->most || atomic_load(&u->run->cancelled);
}

/* Any answer will do: only that there is one counts. */
static long note(struct use *u, long result)
{
	u->calls++;
	u->refused += result < 0;
	return result;
}

static void use_file(struct use *u, int dir, const char *name, const struct stat *st)
{
	_cleanup_close_ int fd = (int)note(u, openat(dir, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
	const off_t end = st->st_size > 0 ? st->st_size : 0;

	if (fd < 0)
		return;
	note(u, pread(fd, u->buf, sizeof(u->buf), 0));
	note(u, pread(fd, u->buf, sizeof(u->buf), end / 2));
	note(u, pread(fd, u->buf, sizeof(u->buf), end > 100 ? end - 100 : 0));
	note(u, lseek(fd, 0, SEEK_DATA));
	note(u, pwrite(fd, "damaged?", 8, end / 2));
	note(u, pwrite(fd, u->buf, 5000, end));
	if (u->entries % 4 == 0)
		note(u, ftruncate(fd, end / 3));
	if (u->entries % 16 == 0)
		note(u, fsync(fd));
}

static void use_node(struct use *u, int dir, const char *name, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		use_file(u, dir, name, st);
	else if (S_ISLNK(st->st_mode))
		note(u, readlinkat(dir, name, u->buf, sizeof(u->buf)));
	note(u, fchmodat(dir, name, 0600, AT_SYMLINK_NOFOLLOW));
}

static void use_new(struct use *u, int dir)
{
	_cleanup_close_ int fd = (int)note(u, openat(dir, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	if (fd >= 0) {
		note(u, write(fd, u->buf, sizeof(u->buf)));
		note(u, pwrite(fd, u->buf, 100, 600000));
		note(u, fsync(fd));
	}
	note(u, mkdirat(dir, "new-directory", 0755));
	note(u, symlinkat("new", dir, "new-symlink"));
	note(u, linkat(dir, "new", dir, "new-link", 0));
	note(u, renameat(dir, "new", dir, "new-directory/moved"));
	note(u, unlinkat(dir, "new-link", 0));
	note(u, unlinkat(dir, "new-directory", AT_REMOVEDIR));
}

static void use_directory(struct use *u, int fd, unsigned int depth);

static void use_entry(struct use *u, int dir, const char *name, unsigned int depth)
{
	struct stat st;
	int fd;

	u->entries++;
	if (note(u, fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) < 0)
		return;
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
		fd = (int)note(u, openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (fd >= 0)
			use_directory(u, fd, depth + 1);
		note(u, unlinkat(dir, name, AT_REMOVEDIR));
		return;
	}
	use_node(u, dir, name, &st);
	if (u->entries % KEEP_EACH)
		note(u, unlinkat(dir, name, 0));
}

/* Takes `fd`. */
static void use_directory(struct use *u, int fd, unsigned int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	unsigned int n = 0;

	if (!d) {
		close(fd);
		return;
	}
	if (!depth)
		use_new(u, dirfd(d));
	while (!enough(u) && n++ < LIST_MAX && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			use_entry(u, dirfd(d), entry->d_name, depth);
	closedir(d);
}

void images_use(struct op_run *run, const char *dir, unsigned int most, unsigned int *calls, unsigned int *refused)
{
	struct use u = { .run = run, .most = most };
	struct statfs st;
	int fd = (int)note(&u, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	note(&u, statfs(dir, &st));
	note(&u, listxattr(dir, u.buf, sizeof(u.buf)));
	if (fd >= 0)
		use_directory(&u, fd, 0);
	fd = open(dir, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		note(&u, syncfs(fd));
		close(fd);
	}
	note(&u, statfs(dir, &st));
	*calls = u.calls;
	*refused = u.refused;
}
