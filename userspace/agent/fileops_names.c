// SPDX-License-Identifier: GPL-2.0
/* File operations: names. What a directory shows is read by getdents64 itself, in small pieces. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fileops.h"

#define MANY		500
#define SOME		60
#define DEEP		40
#define NAME_LEN	255

static int make_dir(struct fileop *op, const char *name)
{
	return mkdirat(op->dir, name, 0755) ? fo_fail(op, "mkdir") : 0;
}

static int make_file(struct fileop *op, const char *name, size_t len)
{
	_cleanup_close_ int fd = fo_make(op, name, len);

	return fd < 0 ? fd : 0;
}

static int is_directory(struct fileop *op, const char *name)
{
	struct stat st;

	if (fstatat(op->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return fo_fail(op, "stat");
	return S_ISDIR(st.st_mode) ? 0 : fo_wrong(op, "a directory is none", "mode %o", st.st_mode);
}

static int is_links(struct fileop *op, const char *name, unsigned int links)
{
	struct stat st;

	if (fstatat(op->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return fo_fail(op, "stat");
	if (st.st_nlink == links)
		return 0;
	return fo_wrong(op, "wrong number of links", "%u, must be %u", (unsigned int)st.st_nlink, links);
}

int fileop_create_exclusive(struct fileop *op)
{
	_cleanup_close_ int fd = fo_open(op, "f", O_RDWR | O_CREAT | O_EXCL);
	int err = fd < 0 ? fd : fo_write(op, fd, op->want, 100, 0);

	return err ?: fo_refused(op, "create with O_EXCL of what is there",
				 openat(op->dir, "f", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644), EEXIST) ?:
	       fo_check(op, fd, 100) ?: fo_remove(op, "f") ?: fo_is_there(op, "f", false);
}

int fileop_mkdir(struct fileop *op)
{
	int err = make_dir(op, "d") ?: is_directory(op, "d") ?:
		  fo_refused(op, "mkdir of what is there", mkdirat(op->dir, "d", 0755), EEXIST) ?:
		  make_file(op, "d/f", 10);

	if (err)
		return err;
	if (!unlinkat(op->dir, "d", AT_REMOVEDIR))
		return fo_wrong(op, "rmdir of a directory that is not empty works", "it holds a file");
	if (errno != ENOTEMPTY && errno != EEXIST)
		return fo_fail(op, "rmdir of a directory that is not empty");
	err = fo_check_name(op, "d/f", 10) ?: fo_remove(op, "d/f");
	if (err)
		return err;
	return unlinkat(op->dir, "d", AT_REMOVEDIR) ? fo_fail(op, "rmdir") : fo_is_there(op, "d", false);
}

int fileop_rename(struct fileop *op)
{
	int err = make_file(op, "a", FO_SIZE) ?: make_dir(op, "d");

	if (err)
		return err;
	if (renameat(op->dir, "a", op->dir, "b"))
		return fo_lack(op, "rename");
	err = fo_is_there(op, "a", false) ?: fo_check_name(op, "b", FO_SIZE);
	if (err)
		return err;
	if (renameat(op->dir, "b", op->dir, "d/c"))
		return fo_lack(op, "rename into another directory");
	return fo_is_there(op, "b", false) ?: fo_check_name(op, "d/c", FO_SIZE);
}

int fileop_rename_over(struct fileop *op)
{
	_cleanup_close_ int old = fo_make(op, "old", FO_SIZE);
	int err = old < 0 ? old : 0;

	if (err)
		return err;
	fo_fill(op->want, 1, FO_SIZE);
	err = make_file(op, "new", 5000);
	if (err)
		return err;
	if (renameat(op->dir, "new", op->dir, "old"))
		return fo_lack(op, "rename");
	err = fo_is_there(op, "new", false) ?: fo_check_name(op, "old", 5000);
	if (err)
		return err;
	/* The one that was replaced has no name, but lives as long as it is open. */
	fo_fill(op->want, 0, FO_SIZE);
	return fo_check(op, old, FO_SIZE);
}

static int rename_flags(struct fileop *op, const char *from, const char *to, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, op->dir, from, op->dir, to, flags);
}

int fileop_rename_noreplace(struct fileop *op)
{
	int err = make_file(op, "a", FO_SIZE) ?: make_file(op, "b", 100);

	if (err)
		return err;
	if (!rename_flags(op, "a", "b", RENAME_NOREPLACE))
		return fo_wrong(op, "RENAME_NOREPLACE replaces", "a file of 100 bytes");
	if (errno != EEXIST)
		return fo_lack(op, "renameat2 with RENAME_NOREPLACE");
	err = fo_check_name(op, "a", FO_SIZE) ?: fo_check_name(op, "b", 100);
	if (err)
		return err;
	if (rename_flags(op, "a", "c", RENAME_NOREPLACE))
		return fo_lack(op, "renameat2 with RENAME_NOREPLACE");
	return fo_is_there(op, "a", false) ?: fo_check_name(op, "c", FO_SIZE);
}

int fileop_rename_exchange(struct fileop *op)
{
	int err = make_file(op, "a", FO_SIZE) ?: make_dir(op, "d") ?: make_file(op, "d/f", 100);

	if (err)
		return err;
	if (rename_flags(op, "a", "d", RENAME_EXCHANGE))
		return fo_lack(op, "renameat2 with RENAME_EXCHANGE");
	return is_directory(op, "a") ?: fo_check_name(op, "d", FO_SIZE) ?: fo_check_name(op, "a/f", 100);
}

int fileop_rename_directory(struct fileop *op)
{
	int err = make_dir(op, "a") ?: make_dir(op, "b") ?: make_dir(op, "a/d") ?: make_file(op, "a/d/f", FO_SIZE);
	struct stat up, parent;

	if (err)
		return err;
	if (renameat(op->dir, "a/d", op->dir, "b/e"))
		return fo_lack(op, "rename of a directory");
	err = fo_is_there(op, "a/d", false) ?: is_directory(op, "b/e") ?: fo_check_name(op, "b/e/f", FO_SIZE);
	if (err)
		return err;
	if (fstatat(op->dir, "b/e/..", &up, 0) || fstatat(op->dir, "b", &parent, 0))
		return fo_fail(op, "stat of ..");
	if (up.st_ino != parent.st_ino)
		return fo_corrupt(op, "the parent of a directory that was moved is another", "inode %llu, must be %llu",
				(unsigned long long)up.st_ino, (unsigned long long)parent.st_ino);
	return fo_refused(op, "rename of a directory into itself", renameat(op->dir, "b", op->dir, "b/e/x"), EINVAL);
}

int fileop_link(struct fileop *op)
{
	int err = make_file(op, "a", FO_SIZE);

	if (err)
		return err;
	if (linkat(op->dir, "a", op->dir, "b", 0))
		return fo_lack(op, "link");
	return is_links(op, "a", 2) ?: fo_check_name(op, "b", FO_SIZE) ?: fo_remove(op, "a") ?: is_links(op, "b", 1) ?:
	       fo_check_name(op, "b", FO_SIZE);
}

static int symlink_to(struct fileop *op, const char *name, const char *to)
{
	const size_t len = strlen(to);
	ssize_t n;

	if (symlinkat(to, op->dir, name))
		return fo_lack(op, "symlink");
	n = readlinkat(op->dir, name, op->have, FO_ROOM);
	if (n < 0)
		return fo_fail(op, "readlink");
	if ((size_t)n == len && !memcmp(op->have, to, len))
		return 0;
	return fo_corrupt(op, "readlink gives something else", "%zd bytes, must be %zu", n, len);
}

int fileop_symlink(struct fileop *op)
{
	char path[1001];
	int err = make_file(op, "f", FO_SIZE) ?: symlink_to(op, "short", "f");

	if (err)
		return err;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	return fo_check_name(op, "short", FO_SIZE) ?: symlink_to(op, "long", path) ?:
	       fo_refused(op, "open of a link to nothing", openat(op->dir, "long", O_RDONLY | O_CLOEXEC), ENAMETOOLONG) ?:
	       fo_remove(op, "short") ?: fo_check_name(op, "f", FO_SIZE);
}

int fileop_mknod(struct fileop *op)
{
	_cleanup_close_ int fd = -1;
	char byte = 0;

	if (mkfifoat(op->dir, "fifo", 0600) || mknodat(op->dir, "socket", S_IFSOCK | 0600, 0))
		return fo_lack(op, "mknod");
	fd = fo_open(op, "fifo", O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (write(fd, "v", 1) != 1 || read(fd, &byte, 1) != 1 || byte != 'v')
		return fo_fail(op, "through a fifo");
	return fo_remove(op, "fifo") ?: fo_remove(op, "socket");
}

int fileop_unlinked(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : fo_remove(op, "f") ?: fo_is_there(op, "f", false) ?: fo_check(op, fd, FO_SIZE);

	if (err)
		return err;
	fo_fill(op->want + 18000, 1, 20000);
	return fo_write(op, fd, op->want + 18000, 20000, 18000) ?: fo_check(op, fd, 38000);
}

int fileop_tmpfile(struct fileop *op)
{
	_cleanup_close_ int fd = openat(op->dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0644);
	char path[64];
	int err;

	if (fd < 0)
		return fo_lack(op, "open with O_TMPFILE");
	err = fo_write(op, fd, op->want, FO_SIZE, 0) ?: fo_check(op, fd, FO_SIZE);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, op->dir, "named", AT_SYMLINK_FOLLOW))
		return fo_lack(op, "link of a temporary file");
	return fo_check_name(op, "named", FO_SIZE);
}

/* ---- what a directory shows ------------------------------------------------------------------ */

/* Calls `each` for every entry but . and ..; stops when it answers otherwise than 0. */
static int list(struct fileop *op, const char *name, int (*each)(struct fileop *op, const struct dirent64 *e, void *arg),
		void *arg)
{
	_cleanup_close_ int fd = fo_open(op, name, O_RDONLY | O_DIRECTORY);
	_Alignas(8) char buf[600];
	int err = fd < 0 ? fd : 0;
	long n, at;

	while (!err) {
		n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (n <= 0)
			return n ? fo_fail(op, "getdents64") : 0;
		for (at = 0; at < n && !err; at += ((struct dirent64 *)(void *)(buf + at))->d_reclen) {
			const struct dirent64 *e = (const void *)(buf + at);

			if (!e->d_reclen)
				return fo_wrong(op, "getdents64 gives an entry without length", "at byte %ld of %ld", at, n);
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				err = each(op, e, arg);
		}
	}
	return err;
}

struct seen {
	unsigned char times[MANY];
	unsigned int others, total;
	unsigned int step;		/* readdir-change: files that came or went so far */
};

static void number_name(char ret[32], char stem, unsigned int i)
{
	snprintf(ret, 32, "%c-with-a-longer-name-%03u", stem, i);
}

static int note(struct fileop *op, const struct dirent64 *e, void *arg)
{
	struct seen *seen = arg;
	unsigned int i;
	char rest;

	seen->total++;
	if (seen->total > 100 * MANY)
		return fo_wrong(op, "a directory does not end", "%u entries, and more", seen->total);
	if (sscanf(e->d_name, "s-with-a-longer-name-%u%c", &i, &rest) == 1 && i < MANY)
		seen->times[i] += seen->times[i] < 255;
	else
		seen->others++;
	return 0;
}

static int each_once(struct fileop *op, const struct seen *seen, unsigned int n)
{
	unsigned int i, missing = 0, twice = 0;

	for (i = 0; i < n; i++) {
		missing += !seen->times[i];
		twice += seen->times[i] > 1;
	}
	if (missing)
		return fo_corrupt(op, "a directory does not show all its files", "%u of %u are missing", missing, n);
	if (twice)
		return fo_corrupt(op, "a directory shows files twice", "%u of %u", twice, n);
	return 0;
}

static int make_many(struct fileop *op, char stem, unsigned int n)
{
	unsigned int i;
	char name[32];
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		number_name(name, stem, i);
		err = make_file(op, name, i % 5);
	}
	return err;
}

static int remove_many(struct fileop *op, char stem, unsigned int n)
{
	unsigned int i;
	char name[32];
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		number_name(name, stem, i);
		err = fo_remove(op, name);
	}
	return err;
}

static int all_listed(struct fileop *op, unsigned int n)
{
	struct seen seen = { 0 }, none = { 0 };
	int err = make_many(op, 's', n) ?: list(op, ".", note, &seen) ?: each_once(op, &seen, n);

	if (!err && seen.others)
		return fo_corrupt(op, "a directory shows what is not in it", "%u entries", seen.others);
	err = err ?: remove_many(op, 's', n) ?: list(op, ".", note, &none);
	if (!err && none.total)
		return fo_corrupt(op, "an empty directory is not", "%u entries", none.total);
	return err;
}

int fileop_readdir(struct fileop *op)
{
	return all_listed(op, SOME);
}

int fileop_many_files(struct fileop *op)
{
	return all_listed(op, MANY);
}

/* Each third entry: one file goes, one comes. */
static int note_and_change(struct fileop *op, const struct dirent64 *e, void *arg)
{
	struct seen *seen = arg;
	char name[32];
	int err = note(op, e, arg);

	if (err || seen->total % 3 || seen->step >= SOME / 4)
		return err;
	number_name(name, 'd', seen->step);
	err = fo_remove(op, name);
	number_name(name, 'n', seen->step++);
	return err ?: make_file(op, name, 3);
}

int fileop_readdir_change(struct fileop *op)
{
	struct seen seen = { 0 };

	return make_many(op, 's', SOME / 2) ?: make_many(op, 'd', SOME / 4) ?: list(op, ".", note_and_change, &seen) ?:
	       each_once(op, &seen, SOME / 2);
}

int fileop_deep_directories(struct fileop *op)
{
	char path[DEEP * 3 + 8] = "";
	size_t len = 0;
	int err = 0, i;

	for (i = 0; i < DEEP && !err; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "%sd%d", i ? "/" : "", i % 10);
		err = make_dir(op, path);
	}
	snprintf(path + len, sizeof(path) - len, "/f");
	return err ?: make_file(op, path, FO_SIZE) ?: fo_check_name(op, path, FO_SIZE);
}

/* ---- which names ---------------------------------------------------------------------------------- */

struct wanted {
	const char *name;
	unsigned int found;
};

static int compare_name(struct fileop *op, const struct dirent64 *e, void *arg)
{
	struct wanted *w = arg;

	w->found += !strcmp(e->d_name, w->name);
	return 0;
}

static int name_works(struct fileop *op, const char *name)
{
	struct wanted w = { .name = name };
	_cleanup_close_ int fd = openat(op->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int err;

	if (fd < 0)
		return fo_lack(op, "create");
	err = fo_write(op, fd, op->want, 50, 0) ?: fo_check_name(op, name, 50) ?: list(op, ".", compare_name, &w);
	if (err)
		return err;
	if (w.found != 1)
		return fo_corrupt(op, "a directory does not show a name as it is", "of %zu bytes, found %u times",
				strlen(name), w.found);
	return fo_remove(op, name) ?: fo_is_there(op, name, false);
}

int fileop_long_names(struct fileop *op)
{
	static const unsigned int lengths[] = { 60, 127, 128, 200, 254, NAME_LEN };
	char name[NAME_LEN + 2];
	unsigned int i;
	int err = 0;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]) && !err; i++) {
		memset(name, 'a' + (int)i, lengths[i]);
		name[lengths[i]] = '\0';
		err = name_works(op, name);
	}
	if (err)
		return err;
	memset(name, 'z', NAME_LEN + 1);
	name[NAME_LEN + 1] = '\0';
	return fo_refused(op, "create of a name of 256 bytes", openat(op->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644),
			  ENAMETOOLONG);
}

int fileop_odd_names(struct fileop *op)
{
	static const char *const names[] = {
		" ", "...", "-rf", " leading", "trailing ", "line\nbreak", "tab\there", "*?[a-z]", "a\\b", "\"'`$(x)",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xff\xfe\x80", "\x01\x7f", ".hidden", "%s%n", "CON.txt",
	};
	unsigned int i;
	int err = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++)
		err = name_works(op, names[i]);
	return err;
}
