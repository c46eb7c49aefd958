// SPDX-License-Identifier: GPL-2.0
/*
 * A step's operation with a failure injected (<vexlab/inject.h>): vexprobe.ko is armed for this thread, the operation is
 * done by it, and what came of it is told in a line at the end of the output (injected.h). A thread that the kernel kills while it is armed tells nothing: its console has said it.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <vexlab/blackbox.h>
#include <vexlab/calls.h>
#include <vexlab/inject.h>

#include "cleanup.h"
#include "injected.h"
#include "ops.h"

#define OWN_STRINGS	4	/* in front of the operation's own */
#define OWN_NUMBERS	2
#define SLOTS		(1u << 21)	/* as calls.c has them: who comes first makes the table */

/* Kept between steps, for hooking the allocators takes a second under emulation; -1: not open. */
static atomic_int device = -1;

static int open_device(void)
{
	int fd = atomic_load(&device), none = -1;

	if (fd >= 0)
		return fd;
	fd = open("/dev/" VX_PROBE_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (atomic_compare_exchange_strong(&device, &none, fd))
		return fd;
	/* A thread that was left behind has come back. */
	close(fd);
	return none;
}

int op_inject_end(struct op_run *run)
{
	int fd = atomic_exchange(&device, -1);

	op_begin(run);
	if (fd >= 0)
		close(fd);
	return op_end(run, 0);
}

static uint32_t op_by_name(const char *name)
{
	uint32_t op;

	for (op = VX_STEP_NONE + 1; op < VX_STEP_OPS; op++)
		if (!strcmp(name, vx_step_op_name(op)) && op != VX_STEP_INJECT && op != VX_STEP_INJECT_END)
			return op;
	return VX_STEP_NONE;
}

static int fill_request(const struct vx_step *step, struct vx_inject *ret)
{
	const char *module = step->str[1], *prefix = step->str[2], *path = step->str[3];
	struct stat st;

	*ret = (struct vx_inject){
		.what = (uint32_t)step->req.num[0], .nth = (uint64_t)step->req.num[1], .step = step->req.id,
	};
	if (strlen(module) >= sizeof(ret->module) || strlen(prefix) >= sizeof(ret->prefix))
		return -ENAMETOOLONG;
	strcpy(ret->module, module);
	strcpy(ret->prefix, prefix);
	if (!*path)
		return 0;
	if (stat(path, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	ret->major = major(st.st_rdev);
	ret->minor = minor(st.st_rdev);
	return 0;
}

/* The operation's own request is what is left of the step. */
static int unwrap(struct op_run *run)
{
	struct vx_req_step *req = &run->step.req;

	req->op = op_by_name(run->step.str[0]);
	if (req->op == VX_STEP_NONE)
		return -EINVAL;
	req->nstrings -= OWN_STRINGS;
	memmove(run->step.str, run->step.str + OWN_STRINGS, (req->nstrings + 1) * sizeof(run->step.str[0]));
	req->num[0] = req->num[OWN_NUMBERS];
	req->num[1] = req->num[OWN_NUMBERS + 1];
	req->num[2] = req->num[3] = 0;
	return 0;
}

static void tell(struct op_run *run, const struct vx_injected *done)
{
	char line[VX_INJECTED_LINE_MAX];

	vx_injected_print(done, line, sizeof(line));
	op_say(run, "%s\n", line);
}

int op_inject(struct op_run *run)
{
	struct vx_injected done = { 0 };
	struct vx_inject req;
	int fd, err, told;

	err = fill_request(&run->step, &req);
	if (!err)
		err = unwrap(run);
	if (err)
		return err;
	fd = open_device();
	if (fd < 0 || ioctl(fd, VX_PROBE_INJECT, &req)) {
		err = fd < 0 ? fd : -errno;
		op_say(run, "vexprobe.ko cannot inject failures here: %s\n", strerror(-err));
		return err;
	}
	err = op_execute(run);
	told = ioctl(fd, VX_PROBE_INJECTED, &done) ? -errno : 0;
	if (told)
		op_say(run, "vexprobe.ko does not tell what it injected: %s\n", strerror(-told));
	else
		tell(run, &done);
	return err;
}

int op_outstanding(struct op_run *run)
{
	_cleanup_close_ int fd = open("/dev/" VX_PROBE_DEVICE, O_RDWR | O_CLOEXEC);
	struct vx_calls table = { .slots = SLOTS };
	struct vx_calls_counts counts = { 0 };
	int err;

	/* They count only once there is a table; there may be one. */
	if (fd < 0 || ioctl(fd, VX_PROBE_CALLS, &table))
		return -errno;
	err = OP_TIMED(run, ioctl(fd, VX_PROBE_CALLS_COUNTS, &counts));
	if (!err)
		run->value = (int64_t)(counts.allocs - counts.frees - counts.overflows);
	return err;
}
