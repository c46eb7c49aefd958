// SPDX-License-Identifier: GPL-2.0
/* Kinds: the module comes and goes, alone and against mounts. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define MODPROBE	"/proc/sys/kernel/modprobe"
#define FIRST_PAUSE_NS	(20 * NSEC_PER_MSEC)

static int insert(const struct stress *s)
{
	int err = module_insert(s->module_file, s->params);

	errno = -err;
	return err ? -1 : 0;
}

static int delete(const struct stress *s)
{
	return (int)syscall(SYS_delete_module, s->module, O_NONBLOCK);
}

/* What is still being taken down may hold it for a moment. */
static int unload_must(struct stress_thread *t)
{
	const uint64_t until = now_ns() + t->s->patience_ns;
	long ret;

	while ((ret = DO(t, UNLOAD, delete(t->s), EWOULDBLOCK, EBUSY)) == -EWOULDBLOCK || ret == -EBUSY) {
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, "the module cannot be unloaded though nothing is mounted",
					    "%ld references of %s", stress_module_pins(t->s->module), t->s->module);
		stress_nap(NSEC_PER_MSEC);
	}
	return (int)ret;
}

static int load_must(struct stress_thread *t)
{
	long ret = DO(t, LOAD, insert(t->s), EEXIST);

	return ret == -EEXIST ? 0 : (int)ret;
}

int stress_reload(struct stress_thread *t)
{
	return t->s->module_file[0] ? unload_must(t) ?: load_must(t) : 0;
}

/* Mounts are refused by kernels whose modprobe looks for the type: it must neither load it behind our back nor cost. */
struct no_modprobe {
	char was[256];
};

static void modprobe_off(struct no_modprobe *off)
{
	_cleanup_close_ int fd = open(MODPROBE, O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, off->was, sizeof(off->was) - 1);

	off->was[n > 0 ? n : 0] = '\0';
	if (n > 0 && pwrite(fd, "\n", 1, 0) < 0)
		off->was[0] = '\0';
}

static void modprobe_on(const struct no_modprobe *off)
{
	_cleanup_close_ int fd = off->was[0] ? open(MODPROBE, O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, off->was, strlen(off->was)) < 0)
		return;
}

static int cycle(struct stress_thread *t, const char *place, bool mounts)
{
	int err = unload_must(t) ?: load_must(t);

	if (err || !mounts)
		return err;
	err = stress_mount_must(t, t->s->device, place);
	return err ?: (int)DO(t, UMOUNT, umount2(place, 0));
}

int stress_load_unload(struct stress_thread *own)
{
	uint64_t pause = FIRST_PAUSE_NS, n;
	char place[STRESS_PATH];

	if (stress_place(own, "load", place))
		return -EBADMSG;
	for (n = 0; stress_go_on(own->s); n++) {
		if (cycle(own, place, n % 3 == 0))
			break;
		stress_nap(pause);
		pause -= pause / 8;
	}
	stress_note(own->s, "%llu times unloaded and loaded, at last every %llu us", (unsigned long long)n,
		    (unsigned long long)(pause / 1000));
	return stress_epilogue(own);
}

/* ---- mount against rmmod ------------------------------------------------------------------------- */

static void mounter(struct stress_thread *t)
{
	char place[STRESS_PATH], name[32];

	snprintf(name, sizeof(name), "own%u", t->index);
	if (stress_place(t, name, place))
		return;
	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "a mount and an unload or load", 0);
		ret = DO(t, MOUNT, stress_mount(t, t->s->device, place, 0), ENODEV, EBUSY);
		if (!ret)
			DO(t, UMOUNT, umount2(place, 0));
		stress_meet_out(t->s, 0, 0);
		/* Else an unload would never find it unused. */
		stress_nap(stress_choose(t, 4 * t->s->nthreads) * NSEC_PER_MSEC);
	}
	stress_clear(t, place);
}

static void loader(struct stress_thread *t)
{
	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "a mount and an unload or load", 1);
		ret = DO(t, UNLOAD, delete(t->s), EWOULDBLOCK, EBUSY, ENOENT);
		if (!ret)
			DO(t, LOAD, insert(t->s), EEXIST);
		stress_meet_out(t->s, 0, 1);
		if (ret)
			stress_nap(NSEC_PER_MSEC / 5);
	}
}

int stress_mount_rmmod(struct stress_thread *own)
{
	struct no_modprobe off = { "" };
	struct stress_crew mounters, loaders;
	struct stress *s = own->s;

	modprobe_off(&off);
	stress_crew_start(&mounters, s, 0, s->nthreads > 1 ? s->nthreads - 1 : 1, mounter, NULL);
	stress_crew_start(&loaders, s, mounters.n, 1, loader, NULL);
	stress_crew_wait(&mounters);
	stress_crew_wait(&loaders);
	modprobe_on(&off);
	if (stress_is_wrong(s) || load_must(own))
		return -EBADMSG;
	return unload_must(own) ?: load_must(own) ?: stress_epilogue(own);
}
