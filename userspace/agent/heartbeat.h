/* SPDX-License-Identifier: GPL-2.0 */
/* A sign of life once a second: the host tells a slow guest from a dead one by it. */
#ifndef VEXLAB_AGENT_HEARTBEAT_H
#define VEXLAB_AGENT_HEARTBEAT_H

#include "outbox.h"
#include "steps.h"

/* A timerfd, readable once a second, or -errno. */
int heartbeat_open(void);
/* When `fd` was readable. Says nothing when nobody has been listening for long. */
void heartbeat_send(int fd, struct outbox *out, const struct steps *steps);

#endif
