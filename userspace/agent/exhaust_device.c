// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds: the device becomes read-only, fails, shrinks, gets slow, goes away, under a filesystem at work. Errors are right
 * answers then, and so is a filesystem that shuts itself down. But every call comes back, and it can be unmounted.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "op_device.h"
#include "stress_run.h"

#define SECTOR		512
#define DELAY_MS	20u
#define FLAP_NS		(150 * NSEC_PER_MSEC)

/* What a filesystem may say once its device fails. */
static const int broken[] = {
	EIO, EROFS, ENOSPC, EUCLEAN, EBADMSG, ESHUTDOWN, ENODEV, ENXIO, EREMOTEIO, ETIMEDOUT, ENODATA, EILSEQ, ENOLINK,
	ENOENT, EEXIST, EOPNOTSUPP, EPERM, EMLINK, ENOSYS, EINVAL, ENOTEMPTY, EAGAIN, ENOTDIR, 0
};

struct patient {
	struct stress_crew crew;
	struct stress_files how;
	char place[STRESS_PATH];
	atomic_bool stop;
	const char *below;		/* the device that the mapped one is on */
	uint64_t sectors;
};

static int mapped(struct stress_thread *t, const struct patient *p, const char *type, uint64_t sectors, const char *more)
{
	char params[256] = "";
	long err;

	if (strcmp(type, "error"))
		snprintf(params, sizeof(params), "%.200s 0%s", p->below, more);
	err = device_map_table(type, sectors, params);
	errno = (int)-err;
	return (int)DO(t, DEVICE, err ? -1 : 0, EINVAL);
}

static int start(struct stress_thread *own, struct patient *p, bool unsure)
{
	int64_t bytes = device_bytes(own->s->device);

	memset(p, 0, sizeof(*p));
	p->sectors = bytes > 0 ? (uint64_t)bytes / SECTOR : 0;
	p->below = own->s->ndevices ? own->s->devices[0] : "";
	p->how = (struct stress_files){ .dir = p->place, .also = unsure ? broken : NULL, .unsure = unsure, .stop = &p->stop };
	if (!p->sectors || stress_place(own, "device", p->place) || stress_mount_must(own, own->s->device, p->place))
		return -EBADMSG;
	stress_crew_start(&p->crew, own->s, 0, own->s->nthreads, stress_file_work, &p->how);
	stress_nap(own->s->ns / 4);
	return 0;
}

/* The workers end, what they have left in memory has its chance, and it is unmounted. */
static int finish(struct stress_thread *own, struct patient *p)
{
	_cleanup_close_ int fd = -1;

	atomic_store(&p->stop, true);
	stress_crew_wait(&p->crew);
	fd = (int)DO_RIGHT(own, OPEN, broken, open(p->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd >= 0) {
		DO_RIGHT(own, SYNC, broken, syncfs(fd));
		close(fd);
		fd = -1;
	}
	if (stress_is_wrong(own->s))
		return -EBADMSG;
	return stress_clear(own, p->place) ?: stress_gone(own, own->s->device) ?: stress_unpinned(own);
}

static int good_again(struct stress_thread *own, const struct patient *p, int err)
{
	return mapped(own, p, "linear", p->sectors, "") ?: err;
}

/* ---- failing, flaky, shrinking, slow ---------------------------------------------------------------------- */

int exhaust_failing(struct stress_thread *own)
{
	struct patient p;

	if (start(own, &p, true))
		return -EBADMSG;
	mapped(own, &p, "error", p.sectors, "");
	stress_nap(own->s->ns / 2);
	return good_again(own, &p, finish(own, &p));
}

int exhaust_flaky(struct stress_thread *own)
{
	struct patient p;
	bool bad = false;

	if (start(own, &p, true))
		return -EBADMSG;
	while (stress_go_on(own->s)) {
		bad = !bad;
		mapped(own, &p, bad ? "error" : "linear", p.sectors, "");
		stress_nap(FLAP_NS);
	}
	return good_again(own, &p, finish(own, &p));
}

int exhaust_shrinking(struct stress_thread *own)
{
	struct patient p;

	if (start(own, &p, true))
		return -EBADMSG;
	mapped(own, &p, "linear", p.sectors / 2 / 8 * 8, "");
	stress_nap(own->s->ns / 2);
	return good_again(own, &p, finish(own, &p));
}

int exhaust_slow(struct stress_thread *own)
{
	struct patient p;
	char more[32];

	if (start(own, &p, false))
		return -EBADMSG;
	snprintf(more, sizeof(more), " %u", DELAY_MS);
	if (mapped(own, &p, "delay", p.sectors, more))
		stress_lack(own->s, "this kernel has no dm-delay");
	else
		stress_nap(own->s->ns / 2);
	return good_again(own, &p, finish(own, &p));
}

int exhaust_removed(struct stress_thread *own)
{
	struct patient p;
	long err;

	if (start(own, &p, true))
		return -EBADMSG;
	err = device_pull(own->s->device);
	errno = (int)-err;
	DO(own, DEVICE, err ? -1 : 0);
	stress_nap(own->s->ns / 2);
	return finish(own, &p);
}

/* ---- read-only ---------------------------------------------------------------------------------------------- */

static int set_read_only(struct stress_thread *t, int on)
{
	_cleanup_close_ int fd = open(t->s->device, O_RDONLY | O_CLOEXEC);

	return (int)DO(t, DEVICE, fd < 0 ? -1 : ioctl(fd, BLKROSET, &on));
}

/* It is mounted: nothing can be written, nor can it be made writable. */
static void refuses(struct stress_thread *t, const char *place)
{
	const char *options = t->s->options;
	char path[STRESS_PATH + 32];
	struct statvfs st;
	long fd;

	if (statvfs(place, &st) || !(st.f_flag & ST_RDONLY)) {
		stress_wrong(t->s, VX_FILE_WRONG, "a read-only device is mounted for writing", "%s", t->s->device);
		return;
	}
	snprintf(path, sizeof(path), "%s/refused", place);
	fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), EROFS);
	if (fd >= 0)
		stress_wrong(t->s, VX_FILE_WRONG, "a file can be created on a read-only device", "%s", path);
	if (!DO(t, REMOUNT, mount("none", place, NULL, MS_REMOUNT, *options ? options : NULL), EROFS, EACCES))
		stress_wrong(t->s, VX_FILE_WRONG, "a remount makes a read-only device writable", "%s", place);
}

int exhaust_read_only(struct stress_thread *own)
{
	char place[STRESS_PATH];
	unsigned int i;

	if (stress_place(own, "device", place) || set_read_only(own, 1))
		return -EBADMSG;
	for (i = 0; i < 10 && !stress_is_wrong(own->s); i++) {
		if (!DO(own, MOUNT, stress_mount(own, own->s->device, place, 0), EROFS, EACCES))
			refuses(own, place);
		else if (!DO(own, MOUNT, stress_mount(own, own->s->device, place, MS_RDONLY), EROFS, EACCES))
			refuses(own, place);
		stress_clear(own, place);
	}
	set_read_only(own, 0);
	return stress_epilogue(own);
}
