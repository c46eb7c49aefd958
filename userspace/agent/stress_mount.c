// SPDX-License-Identifier: GPL-2.0
/* Kinds: parallel mounts of one device, of many, at one place. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define DIRTY_BYTES	4096

/* Something that the unmount has to write out. */
static void touch(struct stress_thread *t, const char *place)
{
	static const char bytes[DIRTY_BYTES] = "something to write out";
	_cleanup_close_ int fd = -1;
	char path[STRESS_PATH + 32];

	snprintf(path, sizeof(path), "%s/t%u", place, t->index);
	fd = (int)DO(t, CREATE, open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	if (fd >= 0)
		DO(t, WRITE, pwrite(fd, bytes, sizeof(bytes), 0));
}

/* The place by which a thread is not to be met: its own. */
static void own_place(struct stress_thread *t, char ret[STRESS_PATH])
{
	char name[32];

	snprintf(name, sizeof(name), "own%u", t->index);
	stress_place(t, name, ret);
}

static void mount_umount(struct stress_thread *t, const char *device, const char *place, unsigned int meeting)
{
	long ret;

	stress_meet_in(t->s, meeting, "a mount and an unmount", 0);
	ret = DO(t, MOUNT, stress_mount(t, device, place, 0), EBUSY);
	stress_meet_out(t->s, meeting, 0);
	if (ret)
		return;
	if (!stress_choose(t, 4))
		touch(t, place);
	stress_meet_in(t->s, meeting, "a mount and an unmount", 1);
	DO(t, UMOUNT, umount2(place, 0));
	stress_meet_out(t->s, meeting, 1);
}

static void same_device_thread(struct stress_thread *t)
{
	char place[STRESS_PATH];

	own_place(t, place);
	while (stress_go_on(t->s))
		mount_umount(t, t->s->device, place, 0);
	stress_clear(t, place);
}

int stress_same_device(struct stress_thread *own)
{
	stress_threads(own->s, own->s->nthreads, same_device_thread, NULL);
	return stress_epilogue(own);
}

static void many_devices_thread(struct stress_thread *t)
{
	const char *device = t->s->devices[t->index % t->s->ndevices];
	char place[STRESS_PATH];

	own_place(t, place);
	while (stress_go_on(t->s))
		mount_umount(t, device, place, 0);
	stress_clear(t, place);
	stress_gone(t, device);
}

int stress_many_devices(struct stress_thread *own)
{
	/* One device each: the other way is same-device. */
	stress_threads(own->s, own->s->ndevices, many_devices_thread, NULL);
	return stress_epilogue(own);
}

/* Two sides: who puts something on, who takes something off. */
static void stacked_thread(struct stress_thread *t)
{
	const char *device = t->s->devices[t->index % t->s->ndevices], *place = t->arg;

	while (stress_go_on(t->s)) {
		stress_meet_in(t->s, 0, "a mount and an unmount at the same place", 0);
		DO(t, MOUNT, stress_mount(t, device, place, 0), EBUSY);
		stress_meet_out(t->s, 0, 0);
		if (stress_choose(t, 2))
			continue;
		stress_meet_in(t->s, 0, "a mount and an unmount at the same place", 1);
		DO(t, UMOUNT, umount2(place, 0), EINVAL, EBUSY);
		stress_meet_out(t->s, 0, 1);
	}
}

int stress_stacked(struct stress_thread *own)
{
	char place[STRESS_PATH];
	unsigned int i;

	if (stress_place(own, "stack", place))
		return -EBADMSG;
	stress_threads(own->s, own->s->nthreads, stacked_thread, place);
	stress_clear(own, place);
	for (i = 0; i < own->s->ndevices; i++)
		stress_gone(own, own->s->devices[i]);
	return stress_epilogue(own);
}
