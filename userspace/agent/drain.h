/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the kernel's ring to the outbox, and what belongs to it: marks, flushes,
 * statistics. When the outbox is full the ring is left alone; it fills, the
 * kernel counts what it loses, and VX_MSG_STATS tells.
 */
#ifndef VEXLAB_AGENT_DRAIN_H
#define VEXLAB_AGENT_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "outbox.h"
#include "probes.h"

struct drain {
	struct probes *probes;
	struct outbox *out;
	uint64_t next_look_ns;		/* the ring wakes its reader only now and then */
	unsigned int flushes;		/* VX_REQ_FLUSH not answered yet */
	struct vx_req_marks marks;	/* count: still to be emitted */
	uint64_t marks_begun_ns, marks_done;
};

int drain_init(struct drain *drain, struct outbox *out);
void drain_deinit(struct drain *drain);

/* Takes what is in the ring. 0: it is empty now; -EAGAIN: the outbox is full; -errno. */
int drain_ring(struct drain *drain);
/* Payload of VX_REQ_TRACE; answers by itself. -EINVAL: it is malformed. */
int drain_trace(struct drain *drain, const void *payload, size_t len);
/* Payload of VX_REQ_MARKS. -EINVAL; -EBUSY: the last ones are not out yet. */
int drain_marks(struct drain *drain, const void *payload, size_t len);
/* Answered when the marks asked for before are out and the ring is empty. */
void drain_flush(struct drain *drain);

/* Goes on with all of this; 0 or the error that ended the marks. */
int drain_work(struct drain *drain);
/* When to call drain_work() next (CLOCK_MONOTONIC), 0: at once, UINT64_MAX: no need. */
uint64_t drain_due_ns(const struct drain *drain);

#endif
