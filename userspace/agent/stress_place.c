// SPDX-License-Identifier: GPL-2.0
/* Mount points, and what must be true once nothing is mounted any more. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define LOOK_NS		(2 * NSEC_PER_MSEC)

int stress_place(struct stress_thread *t, const char *name, char ret[STRESS_PATH])
{
	long err;

	snprintf(ret, STRESS_PATH, "%.300s/%.100s", t->s->dir, name);
	err = DO(t, MKDIR, mkdir(ret, 0755), EEXIST);
	return err == -EEXIST ? 0 : (int)err;
}

int stress_mount(struct stress_thread *t, const char *device, const char *place, unsigned long flags)
{
	const char *options = t->s->options;

	return mount(device, place, t->s->fstype, flags, *options ? options : NULL);
}

int stress_mount_must(struct stress_thread *t, const char *device, const char *place)
{
	/* Its last super block may still be on its way out. */
	const uint64_t until = now_ns() + t->s->patience_ns;
	long ret;

	while ((ret = DO(t, MOUNT, stress_mount(t, device, place, 0), EBUSY)) == -EBUSY) {
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, "mount says EBUSY without end", "%s at %s", device, place);
		stress_nap(LOOK_NS);
	}
	return (int)ret;
}

int stress_clear(struct stress_thread *t, const char *place)
{
	const uint64_t until = now_ns() + t->s->patience_ns;
	long ret;

	for (;;) {
		ret = DO(t, UMOUNT, umount2(place, 0), EBUSY, EINVAL, ENOENT);
		if (ret == -EINVAL || ret == -ENOENT)
			return 0;
		if (ret && ret != -EBUSY)
			return (int)ret;
		if (!ret)
			continue;
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, "umount says EBUSY though nobody uses it any more", "at %s", place);
		stress_nap(LOOK_NS);
	}
}

int stress_gone(struct stress_thread *t, const char *device)
{
	const uint64_t until = now_ns() + t->s->patience_ns;

	for (;;) {
		/* A super block holds its device exclusively. */
		int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
		/* It is not there at all: nobody holds it. */
		if (errno != EBUSY)
			return 0;
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, "the super block stays though nothing is mounted", "%s", device);
		stress_nap(LOOK_NS);
	}
}

long stress_module_pins(const char *module)
{
	_cleanup_close_ int fd = -1;
	char path[160], text[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/module/%.64s/refcnt", module);
	fd = *module ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

int stress_unpinned(struct stress_thread *t)
{
	const uint64_t until = now_ns() + t->s->patience_ns;
	long pins;

	while (t->s->pins >= 0 && (pins = stress_module_pins(t->s->module)) > t->s->pins) {
		if (now_ns() > until)
			return stress_wrong(t->s, VX_FILE_HELD, "the module stays in use though nothing is mounted",
					    "%ld references of %s are left", pins - t->s->pins, t->s->module);
		stress_nap(LOOK_NS);
	}
	return 0;
}

int stress_epilogue(struct stress_thread *t)
{
	char place[STRESS_PATH];
	int err;

	if (stress_is_wrong(t->s))
		return -EBADMSG;
	err = stress_gone(t, t->s->device) ?: stress_unpinned(t) ?: stress_place(t, "after", place) ?:
	      stress_mount_must(t, t->s->device, place) ?: stress_clear(t, place) ?: stress_gone(t, t->s->device);
	return err ?: stress_unpinned(t);
}
