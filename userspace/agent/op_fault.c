// SPDX-License-Identifier: GPL-2.0
/*
 * What befalls a guest that is not its kernel's doing: the agent dies or is stopped, the machine
 * resets, the console is flooded. For showing that vexlab sees it, and tells it from a crash.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define FLOOD_MAX	(64ll << 20)	/* bytes */

static int raise_all(struct op_run *run, int signal)
{
	return OP_TIMED(run, kill(getpid(), signal));
}

/* Lines that are long, alike, half made of control bytes: what a console may have to swallow. */
static int flood(struct op_run *run, int64_t bytes)
{
	_cleanup_close_ int fd = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int64_t done = 0, line = 0;
	char text[256];
	ssize_t n = 0;

	if (bytes < 0 || bytes > FLOOD_MAX)
		return -EINVAL;
	if (fd < 0)
		return -errno;
	op_begin(run);
	while (done < bytes && !atomic_load(&run->cancelled)) {
		int len = snprintf(text, sizeof(text), "\033[1mflood %lld\033[0m \x01\x7f\xff\r [%5lld.%06lld] %0100d\n",
				   (long long)line, (long long)line, (long long)line, 0);

		n = write(fd, text, (size_t)len);
		if (n <= 0)
			break;
		done += n;
		line++;
	}
	run->value = done;
	return op_end(run, n < 0 ? -errno : 0);
}

int op_fault(struct op_run *run)
{
	switch (run->step.req.num[0]) {
	case VX_FAULT_KILL:
		return raise_all(run, SIGKILL);
	case VX_FAULT_STOP:
		return raise_all(run, SIGSTOP);
	case VX_FAULT_REBOOT:
		return OP_TIMED(run, reboot(RB_AUTOBOOT));
	case VX_FAULT_FLOOD:
		return flood(run, run->step.req.num[1]);
	}
	return -EINVAL;
}
