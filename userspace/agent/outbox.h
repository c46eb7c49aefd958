/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames on their way out: sealed, numbered, in order, waiting for the port to
 * take them. Answers always find room; whoever has news that can wait (events,
 * heartbeats) looks at outbox_pending() first.
 *
 * Events are copied once, straight into the frame that will carry them; that
 * frame stays open until it is full or somebody seals it.
 */
#ifndef VEXLAB_AGENT_OUTBOX_H
#define VEXLAB_AGENT_OUTBOX_H

#include <stddef.h>
#include <stdint.h>
#include <vexlab/event.h>
#include "port.h"

/* Above this many bytes events stay in the kernel's ring. */
#define OUTBOX_EVENT_LIMIT	(1u << 20)
/* Above this many nobody seems to listen: no heartbeats, no log lines, no requests read. */
#define OUTBOX_IDLE_LIMIT	(4u << 20)

struct outbox {
	unsigned char *buf;
	size_t head, tail, size;	/* [head, tail) waits to be written */
	size_t open;			/* where the open frame starts; == tail: none is open */
	uint32_t epoch;
	uint64_t seq;
	uint64_t sent_events, sent_bytes;	/* of this epoch */
};

int outbox_init(struct outbox *box);
void outbox_deinit(struct outbox *box);

/* From the next frame on: this epoch, sequence from 0, counters from 0. */
void outbox_set_epoch(struct outbox *box, uint32_t epoch);
size_t outbox_pending(const struct outbox *box);

/* One frame; `tail` follows `head` in the payload. A frame that finds no memory is a gap in the sequence. */
void outbox_add(struct outbox *box, uint16_t type, const void *head, size_t head_len,
		const void *tail, size_t tail_len);
/* Appends to the open frame, or opens one. -EINVAL: no event has that size; -ENOMEM. */
int outbox_add_event(struct outbox *box, const struct vx_event *event, size_t size);
/* Closes the open frame, if any, so that it can go. */
void outbox_seal(struct outbox *box);

/* Writes what the port takes; 0 when everything sealed is gone, else -EAGAIN and the like. */
int outbox_write(struct outbox *box, const struct port *port);

#endif
