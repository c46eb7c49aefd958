// SPDX-License-Identifier: GPL-2.0
/* Kinds: bind mounts, propagation, mount namespaces. What they have in common: many mounts of one super block. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

struct tree {
	char place[STRESS_PATH];	/* of the target */
};

/* The target, with a directory for each thread in it. */
static int make_tree(struct stress_thread *t, struct tree *tree)
{
	char path[STRESS_PATH + 32];
	unsigned int i;
	long err;

	err = stress_place(t, "tree", tree->place) ?: stress_mount_must(t, t->s->device, tree->place);
	for (i = 0; i < t->s->nthreads && !err; i++) {
		snprintf(path, sizeof(path), "%s/d%u", tree->place, i);
		err = DO(t, MKDIR, mkdir(path, 0755), EEXIST);
		err = err == -EEXIST ? 0 : err;
	}
	return (int)err;
}

static int close_tree(struct stress_thread *own, const struct tree *tree)
{
	if (!stress_is_wrong(own->s))
		stress_clear(own, tree->place);
	return stress_epilogue(own);
}

static long create(struct stress_thread *t, const char *dir, const int *right)
{
	char path[STRESS_PATH + 64];
	long fd;

	snprintf(path, sizeof(path), "%s/made-%u", dir, t->index);
	fd = DO_RIGHT(t, CREATE, right, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	if (fd >= 0)
		close((int)fd);
	return fd;
}

/* ---- bind ------------------------------------------------------------------------------------------ */

static void read_only_bind(struct stress_thread *t, const char *to)
{
	static const int refused[] = { EROFS, 0 };

	if (DO(t, BIND, mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)))
		return;
	if (create(t, to, refused) >= 0)
		stress_wrong(t->s, VX_FILE_WRONG, "a file can be created through a read-only bind", "%s", to);
}

static void binder(struct stress_thread *t)
{
	static const int nothing[] = { 0 };
	const struct tree *tree = t->arg;
	char from[STRESS_PATH + 32], to[STRESS_PATH], moved[STRESS_PATH], name[32];
	const char *at = to;

	snprintf(from, sizeof(from), "%s/d%u", tree->place, stress_choose(t, t->s->nthreads));
	snprintf(name, sizeof(name), "bind%u", t->index);
	if (stress_place(t, name, to))
		return;
	snprintf(name, sizeof(name), "moved%u", t->index);
	if (stress_place(t, name, moved))
		return;
	while (stress_go_on(t->s)) {
		stress_meet_in(t->s, 0, "a bind and an unmount", 0);
		if (DO(t, BIND, mount(from, to, NULL, MS_BIND, NULL)))
			return;
		stress_meet_out(t->s, 0, 0);
		at = to;
		create(t, to, nothing);
		if (!stress_choose(t, 3))
			read_only_bind(t, to);
		if (!stress_choose(t, 3) && !DO(t, MOVE, mount(to, moved, NULL, MS_MOVE, NULL)))
			at = moved;
		stress_meet_in(t->s, 0, "a bind and an unmount", 1);
		if (DO(t, UMOUNT, umount2(at, 0)))
			return;
		stress_meet_out(t->s, 0, 1);
	}
}

int stress_bind(struct stress_thread *own)
{
	struct tree tree;

	if (make_tree(own, &tree))
		return -EBADMSG;
	stress_threads(own->s, own->s->nthreads, binder, &tree);
	return close_tree(own, &tree);
}

/* ---- propagation ------------------------------------------------------------------------------------- */

/*
 * Three places that are mounts of the same directory: a shared one, its slave, and a private one. What is mounted below the
 * first is to be seen in the second and not in the third.
 */
static const struct {
	const char *name;
	unsigned long how;
} peers[] = { { "shared", MS_SHARED }, { "slave", MS_SLAVE }, { "private", MS_PRIVATE } };
#define PEERS (sizeof(peers) / sizeof(peers[0]))

struct peers {
	char place[PEERS][STRESS_PATH];
};

static int open_peers(struct stress_thread *t, struct peers *p)
{
	char below[STRESS_PATH + 32];
	unsigned int i, n;
	long err = 0;

	for (i = 0; i < PEERS && !err; i++) {
		err = stress_place(t, peers[i].name, p->place[i]);
		err = err ?: DO(t, BIND, mount(p->place[0], p->place[i], NULL, MS_BIND, NULL));
		err = err ?: DO(t, PROPAGATE, mount(NULL, p->place[i], NULL, peers[i].how, NULL));
	}
	for (n = 0; n < t->s->nthreads && !err; n++) {
		snprintf(below, sizeof(below), "%s/m%u", p->place[0], n);
		err = DO(t, MKDIR, mkdir(below, 0755), EEXIST);
		err = err == -EEXIST ? 0 : err;
	}
	return (int)err;
}

static void close_peers(struct stress_thread *t, const struct peers *p)
{
	unsigned int i;

	for (i = PEERS; i; i--)
		stress_clear(t, p->place[i - 1]);
}

static bool is_mount(struct stress_thread *t, const char *place, const char *parent)
{
	struct stat at = { 0 }, above = { 0 };

	return !DO(t, STAT, stat(place, &at)) && !DO(t, STAT, stat(parent, &above)) && at.st_dev != above.st_dev;
}

static void look(struct stress_thread *t, const struct peers *p, bool there)
{
	unsigned int i;

	for (i = 0; i < PEERS; i++) {
		const bool want = there && peers[i].how != MS_PRIVATE;
		char place[STRESS_PATH + 32];

		snprintf(place, sizeof(place), "%s/m%u", p->place[i], t->index);
		if (is_mount(t, place, p->place[i]) == want)
			continue;
		stress_wrong(t->s, VX_FILE_WRONG, want ? "a mount does not get across to a shared or slave tree" :
			     "a mount is seen where it must not be", "in the %s tree", peers[i].name);
	}
}

/* Namespaces that are copied while mounts come and go, and that hold what was there then. */
static void cloner(struct stress_thread *t)
{
	if (DO(t, UNSHARE, unshare(CLONE_FS)))
		return;
	while (stress_go_on(t->s)) {
		stress_meet_in(t->s, 0, "a mount or unmount and a namespace that is copied", 1);
		if (DO(t, UNSHARE, unshare(CLONE_NEWNS), ENOMEM, ENOSPC))
			return;
		stress_meet_out(t->s, 0, 1);
		stress_nap(NSEC_PER_MSEC);
	}
}

static void propagator(struct stress_thread *t)
{
	const struct peers *p = t->arg;
	char place[STRESS_PATH + 32];

	snprintf(place, sizeof(place), "%s/m%u", p->place[0], t->index);
	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "a mount or unmount and a namespace that is copied", 0);
		ret = DO(t, MOUNT, stress_mount(t, t->s->device, place, 0), EBUSY);
		stress_meet_out(t->s, 0, 0);
		if (ret)
			continue;
		look(t, p, true);
		stress_meet_in(t->s, 0, "a mount or unmount and a namespace that is copied", 0);
		/* A lookup in a copy may hold it for a moment. */
		while ((ret = DO(t, UMOUNT, umount2(place, 0), EBUSY)) == -EBUSY && stress_go_on(t->s))
			stress_nap(NSEC_PER_MSEC / 10);
		stress_meet_out(t->s, 0, 0);
		if (ret)
			return;
		look(t, p, false);
	}
	stress_clear(t, place);
}

int stress_propagation(struct stress_thread *own)
{
	const unsigned int n = own->s->nthreads > 1 ? own->s->nthreads / 2 : 1;
	struct stress_crew propagators, cloners;
	struct peers p = { .place = { "" } };

	if (open_peers(own, &p))
		return -EBADMSG;
	stress_crew_start(&propagators, own->s, 0, n, propagator, &p);
	stress_crew_start(&cloners, own->s, n, n, cloner, NULL);
	stress_crew_wait(&propagators);
	stress_crew_wait(&cloners);
	if (!stress_is_wrong(own->s))
		close_peers(own, &p);
	return stress_epilogue(own);
}
