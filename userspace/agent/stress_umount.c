// SPDX-License-Identifier: GPL-2.0
/* Kinds: unmounts and remounts against open files and running I/O. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define WORK	"w"		/* directory below the mount point: where it is not, nothing is mounted */
#define BYTES	8192

struct arena {
	char place[STRESS_PATH], work[STRESS_PATH + 16];
	atomic_bool read_only;		/* it may be, at the moment */
	int flags;			/* of the unmount */
};

static int mount_arena(struct stress_thread *t, const struct arena *a)
{
	long err = stress_mount_must(t, t->s->device, a->place);

	err = err ?: DO(t, MKDIR, mkdir(a->work, 0755), EEXIST);
	return err == -EEXIST ? 0 : (int)err;
}

static int open_arena(struct stress_thread *t, struct arena *a)
{
	memset(a, 0, sizeof(*a));
	if (stress_place(t, "busy", a->place))
		return -EBADMSG;
	snprintf(a->work, sizeof(a->work), "%s/" WORK, a->place);
	return mount_arena(t, a);
}

static int close_arena(struct stress_thread *t, const struct arena *a)
{
	if (!stress_is_wrong(t->s))
		stress_clear(t, a->place);
	return stress_epilogue(t);
}

/* One file: opened, written, read back, closed; gone with its mount at any time but while it is open. */
static void use_file(struct stress_thread *t, const struct arena *a, char *buf)
{
	char path[STRESS_PATH + 64];
	long fd, n;

	snprintf(path, sizeof(path), "%s/f%u-%u", a->work, t->index, stress_choose(t, 8));
	fd = DO(t, OPEN, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), ENOENT, EROFS);
	if (fd < 0)
		return;
	stress_meet_in(t->s, 0, "an open file and an unmount or remount", 0);
	memset(buf, (int)stress_random(t) | 1, BYTES);
	n = DO(t, WRITE, pwrite((int)fd, buf, BYTES, 0), ENOSPC);
	if (n == BYTES) {
		char was = buf[0];

		n = DO(t, READ, pread((int)fd, buf, BYTES, 0));
		if (n == BYTES && (buf[0] != was || buf[BYTES - 1] != was))
			stress_wrong(t->s, VX_FILE_CORRUPT, "wrong content of an open file", "thread %u", t->index);
	}
	if (!stress_choose(t, 8))
		DO(t, FSYNC, fsync((int)fd), EINVAL, EOPNOTSUPP);
	stress_meet_out(t->s, 0, 0);
	close((int)fd);
	if (!stress_choose(t, 8))
		DO(t, UNLINK, unlink(path), ENOENT, EROFS);
}

static void user(struct stress_thread *t)
{
	struct arena *a = t->arg;
	char buf[BYTES];

	while (stress_go_on(t->s)) {
		use_file(t, a, buf);
		/* Else no unmount would ever find it unused. */
		if (!stress_choose(t, 4))
			stress_nap(stress_choose(t, 3) * NSEC_PER_MSEC);
	}
}

/* ---- umount-busy --------------------------------------------------------------------------------- */

/* With a file of our own open nobody can unmount it. */
static int refused_while_open(struct stress_thread *t, const struct arena *a)
{
	char path[STRESS_PATH + 64];
	long fd, ret;

	snprintf(path, sizeof(path), "%s/held", a->work);
	fd = DO(t, OPEN, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	if (fd < 0)
		return (int)fd;
	ret = DO(t, UMOUNT, umount2(a->place, 0), EBUSY);
	close((int)fd);
	if (!ret)
		return stress_wrong(t->s, VX_FILE_WRONG, "umount works though a file is open", "%s", path);
	return 0;
}

static void busy_unmounter(struct stress_thread *t)
{
	struct arena *a = t->arg;

	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "an open file and an unmount or remount", 1);
		ret = DO(t, UMOUNT, umount2(a->place, 0), EBUSY);
		stress_meet_out(t->s, 0, 1);
		if ((!ret && mount_arena(t, a)) || refused_while_open(t, a))
			return;
	}
}

static int against_users(struct stress_thread *own, struct arena *a, void (*fn)(struct stress_thread *t))
{
	struct stress_crew users, one;
	struct stress *s = own->s;

	if (open_arena(own, a))
		return -EBADMSG;
	stress_crew_start(&users, s, 0, s->nthreads > 1 ? s->nthreads - 1 : 1, user, a);
	stress_crew_start(&one, s, users.n, 1, fn, a);
	stress_crew_wait(&one);
	stress_crew_wait(&users);
	return close_arena(own, a);
}

int stress_umount_busy(struct stress_thread *own)
{
	struct arena a;

	return against_users(own, &a, busy_unmounter);
}

/* ---- remount --------------------------------------------------------------------------------------- */

static int remount(struct stress_thread *t, const struct arena *a, bool read_only)
{
	const char *options = t->s->options;

	return mount("none", a->place, NULL, MS_REMOUNT | (read_only ? MS_RDONLY : 0), *options ? options : NULL);
}

static void remounter(struct stress_thread *t)
{
	struct arena *a = t->arg;
	char path[STRESS_PATH + 64];

	snprintf(path, sizeof(path), "%s/refused", a->work);
	while (stress_go_on(t->s)) {
		long ret, fd;

		stress_meet_in(t->s, 0, "an open file and an unmount or remount", 1);
		ret = DO(t, REMOUNT, remount(t, a, true), EBUSY);
		stress_meet_out(t->s, 0, 1);
		if (ret)
			continue;
		fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), EROFS);
		if (fd >= 0)
			stress_wrong(t->s, VX_FILE_WRONG, "a file can be created on what is mounted read-only", "%s", path);
		DO(t, REMOUNT, remount(t, a, false));
	}
}

int stress_remount(struct stress_thread *own)
{
	struct arena a;

	return against_users(own, &a, remounter);
}

/* ---- lazy and forced --------------------------------------------------------------------------------- */

/* What is open goes on working though its place is gone; *fd stays open. */
static int held_file(struct stress_thread *t, const struct arena *a, int *fd)
{
	char path[STRESS_PATH + 64];

	snprintf(path, sizeof(path), "%s/held", a->work);
	*fd = (int)DO(t, OPEN, open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	return *fd < 0 ? *fd : 0;
}

static void works_detached(struct stress_thread *t, int fd)
{
	char buf[BYTES], back[BYTES] = "";

	memset(buf, (int)stress_random(t) | 1, BYTES);
	if (DO(t, WRITE, pwrite(fd, buf, BYTES, 0), ENOSPC) != BYTES)
		return;
	if (DO(t, READ, pread(fd, back, BYTES, 0)) != BYTES || memcmp(buf, back, BYTES))
		stress_wrong(t->s, VX_FILE_CORRUPT, "wrong content of a file whose mount is detached", "thread %u", t->index);
}

static void lazy_unmounter(struct stress_thread *t)
{
	struct arena *a = t->arg;

	while (stress_go_on(t->s)) {
		long ret;
		int fd;

		if (held_file(t, a, &fd))
			return;
		stress_meet_in(t->s, 0, "an open file and an unmount or remount", 1);
		ret = DO(t, UMOUNT, umount2(a->place, MNT_DETACH));
		stress_meet_out(t->s, 0, 1);
		works_detached(t, fd);
		/* A new mount meets the super block that the open file still holds, or its end. */
		if (stress_choose(t, 2)) {
			ret = ret ?: mount_arena(t, a);
			close(fd);
		} else {
			close(fd);
			ret = ret ?: mount_arena(t, a);
		}
		if (ret)
			return;
	}
}

int stress_umount_lazy(struct stress_thread *own)
{
	struct arena a;

	return against_users(own, &a, lazy_unmounter);
}

static void force_unmounter(struct stress_thread *t)
{
	struct arena *a = t->arg;

	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "an open file and an unmount or remount", 1);
		ret = DO(t, UMOUNT, umount2(a->place, MNT_FORCE), EBUSY);
		stress_meet_out(t->s, 0, 1);
		if (!ret && mount_arena(t, a))
			return;
	}
}

int stress_umount_force(struct stress_thread *own)
{
	struct arena a;

	return against_users(own, &a, force_unmounter);
}
