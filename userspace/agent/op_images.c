// SPDX-License-Identifier: GPL-2.0
/* Steps on damaged images (images.h). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "images.h"
#include "undo.h"

#define UMOUNT_TRIES	50		/* of 10 ms each */
#define SHOWN		16u		/* bytes of a change */
enum { TRY_MOUNTPOINT, TRY_FSTYPE, TRY_OPTIONS, TRY_LABEL, TRY_PATCHES };

int op_image_open(struct op_run *run)
{
	const char *what = "";
	char device[32];
	int err;

	op_begin(run);
	err = images_disk_open((uint64_t)run->step.req.num[0], device, &what);
	if (err)
		op_say(run, "%s: %s\n", what, strerror(-err));
	else
		op_say(run, "%s", device);
	return op_end(run, err);
}

int op_image_fill(struct op_run *run)
{
	op_begin(run);
	return op_end(run, images_fill(run, run->step.str[0]));
}

static int say_bytes(struct op_run *run, uint64_t at, uint64_t len)
{
	const struct vx_image image = images_disk_image();
	char *buf;

	if (!len || len > VX_STEP_OUTPUT_MAX)
		return -EINVAL;
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	image.read(image.ctx, at, buf, len);
	op_say_bytes(run, buf, len);
	free(buf);
	return 0;
}

static int say_reads(struct op_run *run)
{
	static struct images_read reads[IMAGES_READS_MAX];
	unsigned int i, n = images_disk_reads(reads, IMAGES_READS_MAX);

	for (i = 0; i < n; i++)
		op_say(run, "%llu %u\n", (unsigned long long)reads[i].at, reads[i].len);
	return 0;
}

int op_image_hold(struct op_run *run)
{
	int err;

	if (run->step.req.num[0] != VX_IMAGE_CLOSE && !images_disk_size())
		return -ENODEV;
	op_begin(run);
	switch (run->step.req.num[0]) {
	case VX_IMAGE_KEEP:
		err = images_disk_forget();
		if (!err)
			images_disk_keep();
		return op_end(run, err);
	case VX_IMAGE_BYTES:
		return op_end(run, say_bytes(run, (uint64_t)run->step.req.num[1], (uint64_t)run->step.req.num[2]));
	case VX_IMAGE_READS:
		return op_end(run, say_reads(run));
	case VX_IMAGE_CLOSE:
		images_disk_close();
		return op_end(run, 0);
	}
	return -EINVAL;
}

/* ---- a try -------------------------------------------------------------------------------------- */

static void hex(const unsigned char *bytes, uint32_t n, char *ret)
{
	uint32_t i;

	*ret = '\0';
	for (i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", bytes[i]);
}

/* Said before the mount, so that it stands in the answer of a step that never comes back. */
static int patch(struct op_run *run, const char *text)
{
	const struct vx_image image = images_disk_image();
	unsigned char before[SHOWN], after[SHOWN];
	char was[2 * SHOWN + 1], is[2 * SHOWN + 1];
	struct vx_patch p;
	uint32_t n;
	int err = vx_patch_parse(text, images_disk_size(), &p);

	if (err) {
		op_say(run, "%s: no change of this image\n", text);
		return err;
	}
	n = vx_patch_width(&p) < SHOWN ? vx_patch_width(&p) : SHOWN;
	image.read(image.ctx, p.at, before, n);
	err = vx_patch_apply(&p, &image);
	image.read(image.ctx, p.at, after, n);
	hex(before, n, was);
	hex(after, n, is);
	op_say(run, "at %llu: %s -> %s%s\n", (unsigned long long)p.at, was, is, n < vx_patch_width(&p) ? "..." : "");
	return err;
}

/* The console is where a crash will be told: what was changed stands before it there. */
static void tell_console(struct op_run *run)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	char line[160];
	int n = snprintf(line, sizeof(line), "<6>vexlab: image with %.130s\n", run->step.str[TRY_LABEL]);

	if (fd >= 0 && write(fd, line, (size_t)n) < 0)
		return;
}

static int prepare(struct op_run *run)
{
	int err = images_disk_reset((uint64_t)run->step.req.num[0]);
	uint32_t i;

	for (i = TRY_PATCHES; i < run->step.req.nstrings && !err; i++)
		err = patch(run, run->step.str[i]);
	return err;
}

static int unmount(const char *dir)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int i, err = 0;

	for (i = 0; i < UMOUNT_TRIES; i++) {
		err = umount2(dir, 0) ? -errno : 0;
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (err)
		umount2(dir, MNT_DETACH);
	return err;
}

static int use_it(struct op_run *run)
{
	const char *dir = run->step.str[TRY_MOUNTPOINT];
	unsigned int calls, refused;
	int err;

	undo_note(UNDO_MOUNT, dir);
	images_use(run, dir, (unsigned int)run->step.req.num[1], &calls, &refused);
	err = unmount(dir);
	undo_forget(UNDO_MOUNT, dir);
	op_say(run, "mounted; %u calls, %u refused%s%s\n", calls, refused, err ? "; umount: " : "", err ? strerror(-err) : "");
	run->value = VX_IMAGE_USED;
	return err;
}

int op_image_try(struct op_run *run)
{
	const char *const *s = run->step.str;
	int err;

	if (!images_disk_size() || run->step.req.nstrings < TRY_PATCHES)
		return -ENODEV;
	err = prepare(run);
	if (err)
		return err;
	tell_console(run);
	op_begin(run);
	if (!mount(images_disk_device(), s[TRY_MOUNTPOINT], s[TRY_FSTYPE], 0, s[TRY_OPTIONS][0] ? s[TRY_OPTIONS] : NULL))
		return op_end(run, use_it(run));
	err = errno;
	op_end(run, 0);
	op_say(run, "mount: %s\n", strerror(err));
	run->value = VX_IMAGE_REFUSED;
	return 0;
}
