// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "heartbeat.h"

int heartbeat_open(void)
{
	const struct itimerspec every = { .it_interval = { 1, 0 }, .it_value = { 1, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, 0, &every, NULL)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

void heartbeat_send(int fd, struct outbox *out, const struct steps *steps)
{
	struct vx_msg_heartbeat beat = { .monotonic_ns = now_ns(), .sent_events = out->sent_events };
	uint64_t missed, since;

	if (read(fd, &missed, sizeof(missed)) < 0 || outbox_pending(out) >= OUTBOX_IDLE_LIMIT)
		return;
	beat.step = steps_running(steps, &since);
	if (beat.step)
		beat.step_ns = beat.monotonic_ns - since;
	outbox_add(out, VX_MSG_HEARTBEAT, &beat, sizeof(beat), NULL, 0);
}
