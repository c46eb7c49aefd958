// SPDX-License-Identifier: GPL-2.0
/* Kinds: a full device, no inodes. What was there before stays, and what is removed gives its room back. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define KEPT		4
#define KEPT_BYTES	(64u << 10)
#define ROUNDS		2
#define CHUNK		(128u << 10)
#define FILE_BYTES	(16ull << 20)
#define FILL_MAX	(2ull << 30)	/* a device that holds more takes too long to fill */
#define FEW_INODES	40000u		/* so many can be used up one by one */
#define FOLDER		1000u		/* files of a directory */
#define INODES_MAX	200000u
#define INODES_ROOM	(1u << 20)	/* bytes for them, where they are made when they are wanted */

struct room {
	uint64_t bytes, inodes_used;
};

static int look(struct stress_thread *t, const char *place, struct room *ret)
{
	struct statfs st;
	long err = DO(t, STATFS, statfs(place, &st));

	if (err)
		return (int)err;
	ret->bytes = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
	ret->inodes_used = st.f_files - st.f_ffree;
	return 0;
}

/* TRUE: full. *bytes: what has fitted in this file. */
static bool fill_file(struct stress_thread *t, const char *path, uint64_t *bytes)
{
	static char buf[CHUNK];
	long fd, n = 0;

	fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), ENOSPC);
	if (fd < 0)
		return true;
	memset(buf, 0x5a, sizeof(buf));
	for (*bytes = 0; *bytes < FILE_BYTES && (n = DO(t, WRITE, write((int)fd, buf, sizeof(buf)), ENOSPC)) > 0;)
		*bytes += (uint64_t)n;
	/* What was put off may fail only now. */
	if (DO(t, FSYNC, fsync((int)fd), ENOSPC, EINVAL, EOPNOTSUPP) == -ENOSPC)
		n = -ENOSPC;
	close((int)fd);
	return n < 0;
}

/* Files fill0... until nothing fits; -EBADMSG. */
static int fill(struct stress_thread *t, const char *place, unsigned int *n, uint64_t *bytes)
{
	char path[STRESS_PATH + 32];
	bool full = false;

	*bytes = 0;
	for (*n = 0; !full && !stress_is_wrong(t->s); ++*n) {
		uint64_t more = 0;

		snprintf(path, sizeof(path), "%s/fill%u", place, *n);
		full = fill_file(t, path, &more);
		*bytes += more;
		if (*bytes > FILL_MAX)
			return stress_lack(t->s, "the device is too large to be filled");
	}
	return stress_is_wrong(t->s) ? -EBADMSG : 0;
}

static int empty(struct stress_thread *t, const char *place, unsigned int n)
{
	char path[STRESS_PATH + 32];
	_cleanup_close_ int fd = -1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/fill%u", place, i);
		DO(t, UNLINK, unlink(path), ENOENT);
	}
	fd = (int)DO(t, OPEN, open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd >= 0)
		DO(t, SYNC, syncfs(fd));
	return stress_is_wrong(t->s) ? -EBADMSG : 0;
}

/* What is freed later must be so soon. */
static int comes_back(struct stress_thread *t, const char *place, const struct room *was)
{
	const uint64_t until = now_ns() + t->s->patience_ns;
	struct room now = { 0 };

	while (!look(t, place, &now)) {
		if (now.bytes >= was->bytes - was->bytes / 8 && now.inodes_used <= was->inodes_used + 8)
			return 0;
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, now.inodes_used > was->inodes_used + 8 ?
					    "removing files does not give their inodes back" :
					    "removing files does not give their room back",
					    "%llu bytes free, before %llu; %llu inodes used, before %llu",
					    (unsigned long long)now.bytes, (unsigned long long)was->bytes,
					    (unsigned long long)now.inodes_used, (unsigned long long)was->inodes_used);
		stress_nap(20 * NSEC_PER_MSEC);
	}
	return -EBADMSG;
}

static int fill_round(struct stress_thread *t, const char *place, const struct room *was, uint64_t *bytes)
{
	char path[STRESS_PATH + 32];
	unsigned int n;
	int err = fill(t, place, &n, bytes);

	if (err)
		return err;
	/* Names need room, too, or they do not. */
	snprintf(path, sizeof(path), "%s/full", place);
	if (!DO(t, MKDIR, mkdir(path, 0755), ENOSPC))
		DO(t, RMDIR, rmdir(path));
	return stress_kept(t, place, KEPT, KEPT_BYTES) ?: empty(t, place, n) ?: comes_back(t, place, was);
}

static int finish(struct stress_thread *own, const char *place)
{
	if (!stress_is_wrong(own->s))
		stress_clear(own, place);
	return stress_epilogue(own);
}

static int start(struct stress_thread *own, char place[STRESS_PATH], struct room *room)
{
	return stress_place(own, "space", place) ?: stress_mount_must(own, own->s->device, place) ?:
	       stress_keep(own, place, KEPT, KEPT_BYTES) ?: look(own, place, room);
}

int exhaust_full_device(struct stress_thread *own)
{
	uint64_t bytes, first = 0;
	char place[STRESS_PATH];
	struct room room;
	unsigned int i;

	if (start(own, place, &room))
		return -EBADMSG;
	for (i = 0; i < ROUNDS; i++) {
		if (fill_round(own, place, &room, &bytes))
			break;
		stress_note(own->s, "round %u: %llu bytes until it was full", i + 1, (unsigned long long)bytes);
		first = first ?: bytes;
		if (bytes < first - first / 4)
			stress_wrong(own->s, VX_FILE_HELD, "less fits each time it is filled", "%llu bytes, at first %llu",
				     (unsigned long long)bytes, (unsigned long long)first);
	}
	return finish(own, place);
}

/* ---- inodes ------------------------------------------------------------------------------------------- */

static void inode_path(const char *place, unsigned int i, bool folder, char ret[STRESS_PATH + 32])
{
	if (folder)
		snprintf(ret, STRESS_PATH + 32, "%s/inodes%u", place, i / FOLDER);
	else
		snprintf(ret, STRESS_PATH + 32, "%s/inodes%u/%u", place, i / FOLDER, i);
}

/* TRUE: there are none left, or time is over. */
static bool make_inode(struct stress_thread *t, const char *place, unsigned int i)
{
	char path[STRESS_PATH + 32];
	long fd = 0;

	inode_path(place, i, true, path);
	if (i % FOLDER == 0)
		fd = DO(t, MKDIR, mkdir(path, 0755), ENOSPC);
	if (fd)
		return true;
	inode_path(place, i, false, path);
	fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644), ENOSPC);
	if (fd >= 0)
		close((int)fd);
	return fd < 0;
}

static void remove_inodes(struct stress_thread *t, const char *place, unsigned int n)
{
	char path[STRESS_PATH + 32];
	unsigned int i;

	for (i = 0; i <= n; i++) {
		inode_path(place, i, false, path);
		DO(t, UNLINK, unlink(path), ENOENT);
		if (i % FOLDER != FOLDER - 1 && i != n)
			continue;
		inode_path(place, i, true, path);
		DO(t, RMDIR, rmdir(path), ENOENT);
	}
}

static int leave_room(struct stress_thread *t, const char *place)
{
	char path[STRESS_PATH + 32];

	snprintf(path, sizeof(path), "%s/fill0", place);
	return (int)DO(t, TRUNCATE, truncate(path, (off_t)(FILE_BYTES - INODES_ROOM)), ENOSPC);
}

int exhaust_no_inodes(struct stress_thread *own)
{
	char place[STRESS_PATH];
	unsigned int filled = 0, n = 0;
	struct room room;
	uint64_t bytes;
	struct statfs st;
	bool none = false;

	if (start(own, place, &room) || DO(own, STATFS, statfs(place, &st)))
		return -EBADMSG;
	/* Where inodes are made when they are wanted, the last ones are those that find no room. */
	if ((!st.f_files || st.f_ffree > FEW_INODES) && (fill(own, place, &filled, &bytes) || leave_room(own, place)))
		return -EBADMSG;
	/* As many have to be removed again. */
	own->s->until_ns = now_ns() + own->s->patience_ns / 2;
	while (!none && n < INODES_MAX && stress_go_on(own->s))
		none = make_inode(own, place, n++);
	stress_note(own->s, none ? "no inode after %u files" : "%u files, and there are inodes still", n - none);
	stress_kept(own, place, KEPT, KEPT_BYTES);
	remove_inodes(own, place, n);
	if (!empty(own, place, filled))
		comes_back(own, place, &room);
	return finish(own, place);
}
