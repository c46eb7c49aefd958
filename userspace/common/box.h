/* SPDX-License-Identifier: GPL-2.0 */
/* Reading a black box (<vexlab/blackbox.h>) that a dying guest wrote: nothing in it is believed unchecked. */
#ifndef VEXLAB_COMMON_BOX_H
#define VEXLAB_COMMON_BOX_H

#include <stddef.h>
#include <stdint.h>
#include <vexlab/blackbox.h>

#include "event.h"

enum vx_box_state {
	VX_BOX_WHOLE,		/* head and content have the checksums they should */
	VX_BOX_EMPTY,		/* nobody wrote one: no magic */
	VX_BOX_FOREIGN,		/* another version, or sizes that cannot be */
	VX_BOX_CUT,		/* the head is sound, the content is shorter than it says */
	VX_BOX_TORN,		/* the head is sound, the content has another checksum: written while it changed */
	VX_BOX_STATES,
};

struct vx_box_reader {
	struct vx_box head;		/* a copy, with its strings terminated */
	int has_oops;			/* head.oops is one */
	const unsigned char *at, *end;	/* records not read yet */
	const char *text;		/* the log's end, head.text_bytes, not terminated; may hold anything */
	uint64_t bad;			/* records left out: sizes or types that are not ours */
	uint32_t left;			/* records that the head says are still to come */
	struct vx_box_record record;	/* of the event handed out last */
	struct vx_event_iter it;
};

/*
 * `data` is borrowed as long as `ret` is used. Of a box that is cut or torn
 * the records that are whole in themselves can still be read; of one that is
 * empty or foreign nothing can, and `ret` is zeroed.
 */
enum vx_box_state vx_box_open(const void *data, size_t len, struct vx_box_reader *ret);
/* In words: "whole", "cut short". */
const char *vx_box_state_name(enum vx_box_state state);
/* Newest first; valid until the next call; checked as vx_event_iter_next() does. NULL: there is none left. */
const struct vx_event *vx_box_next(struct vx_box_reader *reader);

#endif
