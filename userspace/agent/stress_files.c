// SPDX-License-Identifier: GPL-2.0
/*
 * File operations by many threads. A byte's value follows from its place in its file alone, and is never 0: whatever is read,
 * by whomever it was written, is right or wrong by itself, without a lock and without a copy; 0 is a hole. A thread
 * that has a directory to itself knows, besides, what is in it and how large it is.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define NAMES		16		/* of a directory */
#define FILE_MAX	(64u << 10)
#define CHUNK		(16u << 10)
#define XATTR		"user.vexlab"

struct work {
	struct stress_thread *t;
	const struct stress_files *how;
	char dir[STRESS_PATH];
	const int *right;		/* errors that a race explains, or the kind allows */
	off_t size[NAMES];		/* own directory: -1: it is not there */
	bool no_link, no_xattr, no_map;
	char buf[CHUNK];
};

static const int raced[] = { ENOENT, EEXIST, ENOSPC, 0 };
static const int alone[] = { ENOSPC, 0 };

/* What the kind allows, else what is told for the call. */
static const int *or_else(const struct work *w, const int *told)
{
	return w->how->also ?: told;
}

/* The name may be there or not: what is right, the sizes tell. */
static const int *or_raced(const struct work *w)
{
	return or_else(w, raced);
}

/* ---- content ----------------------------------------------------------------------------------------- */

/* By place: made once, for under emulation each byte would cost more than the call that carries it. */
static char pattern[FILE_MAX + CHUNK];

__attribute__((constructor)) static void make_pattern(void)
{
	uint64_t x = 88172645463325252ull;
	size_t i;

	for (i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (char)(1 + x % 251);
	}
}

static void fill(char *buf, off_t at, size_t len)
{
	memcpy(buf, pattern + at, len);
}

/* `holes`: zeros are right, too. */
static void check(struct work *w, off_t at, const char *buf, size_t len, bool holes)
{
	size_t i;

	if (!memcmp(buf, pattern + at, len))
		return;
	for (i = 0; i < len; i++)
		if (buf[i] != pattern[(size_t)at + i] && !(holes && !buf[i]))
			break;
	if (i < len && !w->how->unsure)
		stress_wrong(w->t->s, VX_FILE_CORRUPT, "wrong content of a file", "byte %lld: 0x%02x instead of 0x%02x",
			     (long long)at + (long long)i, (unsigned char)buf[i], (unsigned char)pattern[(size_t)at + i]);
}

/* ---- mappings: a page that is refused is a SIGBUS ------------------------------------------------------- */

static __thread sigjmp_buf *volatile on_bus;
static void *(*volatile copy)(void *to, const void *from, size_t len) = memcpy;

static void bus(int sig)
{
	if (on_bus)
		siglongjmp(*on_bus, 1);
	signal(SIGBUS, SIG_DFL);
}

static bool copied(char *to, const char *from, size_t len)
{
	struct sigaction act = { .sa_handler = bus };
	volatile bool ok = false;
	sigjmp_buf jump;

	sigaction(SIGBUS, &act, NULL);
	if (!sigsetjmp(jump, 1)) {
		on_bus = &jump;
		copy(to, from, len);
		ok = true;
	}
	on_bus = NULL;
	return ok;
}

/* ---- operations: `name` is one of the directory's ------------------------------------------------------ */

static void path_of(const struct work *w, unsigned int name, char ret[STRESS_PATH + 64])
{
	snprintf(ret, STRESS_PATH + 64, "%s/n%u", w->dir, name);
}

static bool knows(const struct work *w)
{
	return !w->how->shared && !w->how->unsure;
}

static void write_some(struct work *w, unsigned int name)
{
	const off_t at = stress_choose(w->t, FILE_MAX - CHUNK);
	const size_t len = 1 + stress_choose(w->t, stress_choose(w->t, 4) ? CHUNK / 16 : CHUNK);
	char path[STRESS_PATH + 64];
	long fd, n;

	path_of(w, name, path);
	fd = DO_RIGHT(w->t, OPEN, w->right, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	if (fd < 0)
		return;
	fill(w->buf, at, len);
	n = DO_RIGHT(w->t, WRITE, w->right, pwrite((int)fd, w->buf, len, at));
	if (w->size[name] < 0)
		w->size[name] = 0;
	if (n > 0 && at + n > w->size[name])
		w->size[name] = at + n;
	if (n > 0 && knows(w)) {
		long back = DO_RIGHT(w->t, READ, w->right, pread((int)fd, w->buf, (size_t)n, at));

		if (back >= 0 && back != n)
			stress_wrong(w->t->s, VX_FILE_CORRUPT, "read is shorter than what was just written", "%ld of %ld", back, n);
		else if (back > 0)
			check(w, at, w->buf, (size_t)back, false);
	}
	if (!stress_choose(w->t, 16))
		DO_RIGHT(w->t, FSYNC, or_else(w, ((const int[]){ EINVAL, EOPNOTSUPP, ENOSPC, 0 })),
			 fsync((int)fd));
	close((int)fd);
}

static void read_some(struct work *w, unsigned int name)
{
	const off_t at = stress_choose(w->t, FILE_MAX - CHUNK);
	char path[STRESS_PATH + 64];
	long fd, n;

	path_of(w, name, path);
	fd = DO_RIGHT(w->t, OPEN, or_raced(w), open(path, O_RDONLY | O_CLOEXEC));
	if (knows(w) && (fd < 0) != (w->size[name] < 0))
		stress_wrong(w->t->s, VX_FILE_CORRUPT, fd < 0 ? "a file is gone" : "a file is back", "%s", path);
	if (fd < 0)
		return;
	n = DO_RIGHT(w->t, READ, w->right, pread((int)fd, w->buf, CHUNK, at));
	if (n > 0)
		check(w, at, w->buf, (size_t)n, true);
	if (n >= 0 && knows(w) && n != (at >= w->size[name] ? 0 : w->size[name] - at < (off_t)CHUNK ? w->size[name] - at : CHUNK))
		stress_wrong(w->t->s, VX_FILE_CORRUPT, "read ends elsewhere than the file", "%ld bytes at %lld of %lld", n,
			     (long long)at, (long long)w->size[name]);
	close((int)fd);
}

static void truncate_one(struct work *w, unsigned int name)
{
	const off_t size = stress_choose(w->t, FILE_MAX);
	char path[STRESS_PATH + 64];
	long ret;

	path_of(w, name, path);
	ret = DO_RIGHT(w->t, TRUNCATE, or_raced(w), truncate(path, size));
	if (knows(w) && !ret != (w->size[name] >= 0) && ret != -ENOSPC)
		stress_wrong(w->t->s, VX_FILE_CORRUPT, ret ? "a file is gone" : "a file is back", "%s", path);
	if (!ret)
		w->size[name] = size;
}

static void unlink_one(struct work *w, unsigned int name)
{
	char path[STRESS_PATH + 64];
	long ret;

	path_of(w, name, path);
	ret = DO_RIGHT(w->t, UNLINK, or_raced(w), unlink(path));
	if (knows(w) && !ret != (w->size[name] >= 0) && ret != -ENOSPC)
		stress_wrong(w->t->s, VX_FILE_CORRUPT, ret ? "a file is gone" : "a file is back", "%s", path);
	if (!ret)
		w->size[name] = -1;
}

static void rename_one(struct work *w, unsigned int name)
{
	unsigned int to = (name + 1 + stress_choose(w->t, NAMES - 1)) % NAMES;
	char path[STRESS_PATH + 64], there[STRESS_PATH + 64];
	long ret;

	path_of(w, name, path);
	path_of(w, to, there);
	ret = DO_RIGHT(w->t, RENAME, or_raced(w), rename(path, there));
	if (knows(w) && !ret != (w->size[name] >= 0) && ret != -ENOSPC)
		stress_wrong(w->t->s, VX_FILE_CORRUPT, ret ? "a file is gone" : "a file is back", "%s", path);
	if (ret)
		return;
	w->size[to] = w->size[name];
	w->size[name] = -1;
}

/* A second name, which goes again: two names of one file would make the sizes depend on each other. */
static void link_one(struct work *w, unsigned int name)
{
	static const int lacks[] = { EPERM, EOPNOTSUPP, EMLINK, ENOSYS, ENOENT, EEXIST, ENOSPC, 0 };
	char path[STRESS_PATH + 64], there[STRESS_PATH + 64];
	struct stat st;
	long ret;

	if (w->no_link)
		return;
	path_of(w, name, path);
	snprintf(there, sizeof(there), "%s/l%u", w->dir, w->t->index);
	ret = DO_RIGHT(w->t, LINK, or_else(w, lacks), link(path, there));
	w->no_link = ret == -EPERM || ret == -EOPNOTSUPP || ret == -ENOSYS;
	if (ret)
		return;
	if (!DO_RIGHT(w->t, STAT, w->right, stat(there, &st)) && knows(w) && st.st_nlink != 2)
		stress_wrong(w->t->s, VX_FILE_WRONG, "wrong count of links", "%lu, must be 2", (unsigned long)st.st_nlink);
	DO_RIGHT(w->t, UNLINK, w->right, unlink(there));
}

static void map_one(struct work *w, unsigned int name)
{
	char path[STRESS_PATH + 64], *map;
	struct stat st;
	long fd;

	path_of(w, name, path);
	fd = w->no_map ? -1 : DO_RIGHT(w->t, OPEN, or_raced(w), open(path, O_RDWR | O_CLOEXEC));
	if (fd < 0)
		return;
	if (!fstat((int)fd, &st) && st.st_size >= 4096) {
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
		DO_ANY(w->t, MAP, map == MAP_FAILED ? -1 : 0);
		w->no_map = map == MAP_FAILED && errno == ENODEV;
		if (map != MAP_FAILED) {
			fill(w->buf, 0, 64);
			/* Who cuts the file meanwhile makes it a SIGBUS. */
			if (copied(map, w->buf, 64) && copied(w->buf, map, 4096))
				check(w, 0, w->buf, 4096, true);
			else if (knows(w))
				stress_wrong(w->t->s, VX_FILE_WRONG, "SIGBUS within a file that is mapped", "%s", path);
			munmap(map, 4096);
		}
	}
	close((int)fd);
}

static void xattr_one(struct work *w, unsigned int name)
{
	static const int lacks[] = { EOPNOTSUPP, ENOSYS, EPERM, ENOENT, ENOSPC, ENODATA, 0 };
	const int *right = or_else(w, lacks);
	char path[STRESS_PATH + 64], value[32] = "", back[32];
	long ret;

	if (w->no_xattr)
		return;
	path_of(w, name, path);
	snprintf(value, sizeof(value), "%u", stress_choose(w->t, 1000000));
	ret = DO_RIGHT(w->t, SETXATTR, right, setxattr(path, XATTR, value, sizeof(value), 0));
	w->no_xattr = ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -EPERM;
	if (ret)
		return;
	ret = DO_RIGHT(w->t, GETXATTR, right, getxattr(path, XATTR, back, sizeof(back)));
	if (ret >= 0 && knows(w) && (ret != sizeof(back) || memcmp(value, back, sizeof(back))))
		stress_wrong(w->t->s, VX_FILE_CORRUPT, "an extended attribute is not what was set", "%.31s, must be %s", back,
			     value);
}

/* In a directory of one's own each file is seen, once, and nothing else. */
static void list(struct work *w, unsigned int name)
{
	unsigned int have = 0, want = 0, i;
	long fd, n, at;

	fd = DO_RIGHT(w->t, OPEN, w->right, open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return;
	while ((n = DO_RIGHT(w->t, READDIR, w->right, syscall(SYS_getdents64, (int)fd, w->buf, sizeof(w->buf)))) > 0) {
		for (at = 0; at + 19 < n;) {
			unsigned short len;

			memcpy(&len, w->buf + at + 16, sizeof(len));
			have += w->buf[at + 19] == 'n';
			at += len ? len : n;
		}
	}
	close((int)fd);
	for (i = 0; i < NAMES; i++)
		want += w->size[i] >= 0;
	if (!n && knows(w) && have != want)
		stress_wrong(w->t->s, VX_FILE_CORRUPT, "readdir does not show what is there", "%u files, must be %u", have, want);
}

static void directory_one(struct work *w, unsigned int name)
{
	char path[STRESS_PATH + 64];

	snprintf(path, sizeof(path), "%s/d%u", w->dir, w->how->shared ? name : w->t->index);
	if (DO_RIGHT(w->t, MKDIR, w->right, mkdir(path, 0755)) == 0)
		DO_RIGHT(w->t, RMDIR, w->right, rmdir(path));
}

static void look_one(struct work *w, unsigned int name)
{
	char path[STRESS_PATH + 64];
	struct statfs fs;
	struct stat st;

	path_of(w, name, path);
	if (!DO_RIGHT(w->t, STAT, or_raced(w), stat(path, &st)) && knows(w) &&
	    st.st_size != w->size[name])
		stress_wrong(w->t->s, VX_FILE_CORRUPT, "wrong size of a file", "%lld, must be %lld", (long long)st.st_size,
			     (long long)w->size[name]);
	if (!DO_RIGHT(w->t, STATFS, w->right, statfs(w->dir, &fs)) && fs.f_bfree > fs.f_blocks)
		stress_wrong(w->t->s, VX_FILE_WRONG, "statfs has more free blocks than there are", "%llu of %llu",
			     (unsigned long long)fs.f_bfree, (unsigned long long)fs.f_blocks);
}

/* Each with a share out of all. */
static const struct {
	void (*fn)(struct work *w, unsigned int name);
	unsigned int share;
} operations[] = {
	{ write_some, 24 }, { read_some, 24 }, { truncate_one, 6 }, { unlink_one, 8 }, { rename_one, 8 }, { link_one, 6 },
	{ map_one, 6 }, { xattr_one, 4 }, { list, 3 }, { directory_one, 5 }, { look_one, 6 },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void operate(struct work *w)
{
	unsigned int all = 0, at, i;

	for (i = 0; i < OPERATIONS; i++)
		all += operations[i].share;
	at = stress_choose(w->t, all);
	for (i = 0; at >= operations[i].share; i++)
		at -= operations[i].share;
	if (w->how->shared)
		stress_meet_in(w->t->s, 0, "operations in one directory", w->t->index & 1);
	operations[i].fn(w, stress_choose(w->t, NAMES));
	if (w->how->shared)
		stress_meet_out(w->t->s, 0, w->t->index & 1);
}

void stress_file_work(struct stress_thread *t)
{
	const struct stress_files *how = t->arg;
	struct work w = { .t = t, .how = how };
	unsigned int i;
	long err;

	w.right = how->also ?: how->shared ? raced : alone;
	/* Other kinds may have been here before. */
	if (how->shared)
		snprintf(w.dir, sizeof(w.dir), "%.400s/%.40s", how->dir, t->s->kind);
	else
		snprintf(w.dir, sizeof(w.dir), "%.400s/%.40s-%d-%u", how->dir, t->s->kind, getpid(), t->index);
	for (i = 0; i < NAMES; i++)
		w.size[i] = -1;
	err = DO_RIGHT(t, MKDIR, how->shared ? raced : w.right, mkdir(w.dir, 0755));
	if (err && err != -EEXIST)
		return;
	while (stress_go_on(t->s) && !(how->stop && atomic_load(how->stop)))
		operate(&w);
}

/* ---- the kinds ------------------------------------------------------------------------------------------- */

static int files(struct stress_thread *own, bool shared)
{
	struct stress_files how = { .shared = shared };
	char place[STRESS_PATH];

	if (stress_place(own, "files", place) || stress_mount_must(own, own->s->device, place))
		return -EBADMSG;
	how.dir = place;
	stress_threads(own->s, own->s->nthreads, stress_file_work, &how);
	if (!stress_is_wrong(own->s))
		stress_clear(own, place);
	return stress_epilogue(own);
}

int stress_files_own(struct stress_thread *own)
{
	return files(own, false);
}

int stress_files_shared(struct stress_thread *own)
{
	return files(own, true);
}

/* ---- what is to be kept ----------------------------------------------------------------------------------- */

int stress_keep(struct stress_thread *t, const char *dir, unsigned int n, size_t bytes)
{
	char path[STRESS_PATH + 64], buf[CHUNK];
	unsigned int i;

	for (i = 0; i < n; i++) {
		long fd, ret = 1;
		size_t at;

		snprintf(path, sizeof(path), "%s/keep%u", dir, i);
		fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
		for (at = 0; fd >= 0 && at < bytes && ret > 0; at += (size_t)ret) {
			fill(buf, (off_t)(at + i), CHUNK);
			ret = DO(t, WRITE, pwrite((int)fd, buf, bytes - at < CHUNK ? bytes - at : CHUNK, (off_t)at));
		}
		if (fd >= 0)
			DO(t, FSYNC, fsync((int)fd), EINVAL, EOPNOTSUPP);
		if (fd >= 0)
			close((int)fd);
		if (fd < 0 || ret <= 0)
			return -EBADMSG;
	}
	return 0;
}

static int kept_one(struct stress_thread *t, const char *path, unsigned int i, size_t bytes)
{
	_cleanup_close_ int fd = (int)DO(t, OPEN, open(path, O_RDONLY | O_CLOEXEC));
	char buf[CHUNK], want[CHUNK];
	size_t at = 0;

	if (fd < 0)
		return fd;
	while (at < bytes) {
		long n = DO(t, READ, pread(fd, buf, bytes - at < CHUNK ? bytes - at : CHUNK, (off_t)at));

		if (n < 0)
			return (int)n;
		if (!n)
			return stress_wrong(t->s, VX_FILE_CORRUPT, "a file that was there before is shorter", "%s", path);
		fill(want, (off_t)(at + i), (size_t)n);
		if (memcmp(buf, want, (size_t)n))
			return stress_wrong(t->s, VX_FILE_CORRUPT, "a file that was there before has another content", "%s", path);
		at += (size_t)n;
	}
	return 0;
}

int stress_kept(struct stress_thread *t, const char *dir, unsigned int n, size_t bytes)
{
	char path[STRESS_PATH + 64];
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		snprintf(path, sizeof(path), "%s/keep%u", dir, i);
		err = kept_one(t, path, i, bytes);
	}
	return err;
}
