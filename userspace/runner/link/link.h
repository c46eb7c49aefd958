/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The conversation with the agent: bytes of some transport in, checked frames
 * out; requests in, bytes of that transport out. Knows no VM and no SSH.
 */
#ifndef VEXLAB_LINK_H
#define VEXLAB_LINK_H

#include <glib.h>
#include <vexlab/frame.h>
#include <vexlab/request.h>
#include "guard.h"

/* Where requests go. Never blocks, keeps order. */
struct link_transport {
	void (*write)(void *ctx, GBytes *bytes);
	gsize (*pending)(void *ctx);
	void *ctx;
};

/* Every frame of the agent (VX_MSG_*) that is whole, sound and of this epoch, in order. */
typedef void (*link_frame_fn)(void *ctx, const struct vx_frame *frame, const void *payload);

/* What was wrong with what came in; counted, never guessed about. */
struct link_stats {
	guint64 frames, bytes;
	guint64 bad_bytes;		/* rubbish skipped to find the next frame */
	guint64 lost_frames;		/* gaps in the sequence */
	guint64 stale_frames;		/* of an older epoch */
	guint64 forged_frames;		/* of a type that no agent sends; dropped */
};

struct link;

struct link *link_new(const struct link_transport *transport, link_frame_fn frame, void *ctx);
void link_free(struct link *link);
VX_DEFINE_GUARD(struct link, link_free);

/* Bytes as they came, in any chunks. */
void link_feed(struct link *link, const void *data, gsize len);
/* Queue one request. `tail` follows `head` in the payload. */
void link_send(struct link *link, enum vx_frame_type type, const void *head, gsize head_len,
	       const void *tail, gsize tail_len);
gsize link_pending(const struct link *link);
/* From the next frame on only this epoch is news; starts the greeting (VX_REQ_HELLO). */
void link_hello(struct link *link, guint32 epoch, guint64 realtime_ns);
guint32 link_epoch(const struct link *link);
void link_stats(const struct link *link, struct link_stats *ret);

#endif
