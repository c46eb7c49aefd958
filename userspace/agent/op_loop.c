// SPDX-License-Identifier: GPL-2.0
/* Loop devices: a reference filesystem's, and devices of odd sizes and block sizes over the scratch disk. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define TRIES 16		/* somebody else may take the one that was free */

static int configure(const char *node, int backing, const struct vx_req_step *req)
{
	struct loop_config config = { .fd = (unsigned int)backing, .block_size = (unsigned int)req->num[2] };
	_cleanup_close_ int fd = open(node, O_RDWR | O_CLOEXEC);

	config.info.lo_sizelimit = (unsigned long long)req->num[1];
	return fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) ? -errno : 0;
}

static int attach(struct op_run *run)
{
	const struct vx_req_step *req = &run->step.req;
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int backing = open(run->step.str[0], O_RDWR | O_CLOEXEC | (req->num[3] ? O_CREAT : 0), 0600);
	int i, err = 0;

	if (control < 0 || backing < 0 || (req->num[3] && ftruncate(backing, req->num[3])))
		return -errno;
	for (i = 0; i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		char node[32];

		if (number < 0)
			return -errno;
		snprintf(node, sizeof(node), "/dev/loop%d", number);
		err = configure(node, backing, req);
		if (!err)
			op_say(run, "%s\n", node);
		if (err != -EBUSY)
			break;
	}
	return err;
}

static int detach(struct op_run *run)
{
	_cleanup_close_ int fd = open(run->step.str[0], O_RDONLY | O_CLOEXEC);

	return fd < 0 || ioctl(fd, LOOP_CLR_FD) ? -errno : 0;
}

int op_loop(struct op_run *run)
{
	op_begin(run);
	return op_end(run, run->step.req.num[0] ? detach(run) : attach(run));
}
