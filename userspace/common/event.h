/* SPDX-License-Identifier: GPL-2.0 */
/* Reading events (<vexlab/event.h>) that came from a guest: checked once, here at the door. */
#ifndef VEXLAB_COMMON_EVENT_H
#define VEXLAB_COMMON_EVENT_H

#include <stddef.h>
#include <stdint.h>
#include <vexlab/event.h>

struct vx_event_iter {
	const unsigned char *at, *end;
	uint64_t bad;			/* events left out: sizes or types that are not ours */
	/* The event handed out: a copy, so that it is aligned and the guest's strings end. */
	union {
		struct vx_event head;
		struct vx_event_mark mark;
		struct vx_event_fsop fsop;
		struct vx_event_oops oops;
	} event;
};

void vx_event_iter_init(struct vx_event_iter *it, const void *payload, size_t len);
/*
 * The next event of a known type and the right size, valid until the next call;
 * NULL at the end. `op` and `api` of an fsop are in range, strings are
 * terminated; an oops has a kind and at most VX_OOPS_FRAMES frames. After a
 * size that cannot be, the rest of the payload is dropped.
 */
const struct vx_event *vx_event_iter_next(struct vx_event_iter *it);

/* Bytes of an event of this type, head included; 0: there is no such type. */
size_t vx_event_size(unsigned int type);
/* One that did not come by the iterator: terminates its strings; 0: its kind or frames are out of range. */
int vx_oops_sane(struct vx_event_oops *oops);

/* "mount", "get_tree", "fsmount", "die", "RIP"; "?" out of range. */
const char *vx_op_name(unsigned int op);
const char *vx_phase_name(unsigned int phase);
const char *vx_api_name(unsigned int api);
const char *vx_oops_kind_name(unsigned int kind);
const char *vx_reg_name(unsigned int reg);

#endif
