// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "frame.h"
#include "link.h"

struct link {
	struct link_transport transport;
	link_frame_fn frame;
	void *ctx;
	struct vx_decoder dec;
	guint32 epoch;
	guint64 seq;
	guint64 forged_frames;
};

/*
 * What the agent may send, and nothing else: a frame of the types that the host writes
 * into its record would pass there for the host's own word.
 */
static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct link *link = ctx;

	if (frame->type >= VX_MSG_HELLO && frame->type < VX_REC_RUN && !frame->flags)
		link->frame(link->ctx, frame, payload);
	else
		link->forged_frames++;
}

struct link *link_new(const struct link_transport *transport, link_frame_fn frame, void *ctx)
{
	struct link *link = g_new0(struct link, 1);

	link->transport = *transport;
	link->frame = frame;
	link->ctx = ctx;
	if (vx_decoder_init(&link->dec))
		g_error("out of memory");
	return link;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	vx_decoder_deinit(&link->dec);
	g_free(link);
}

void link_feed(struct link *link, const void *data, gsize len)
{
	vx_decoder_feed(&link->dec, data, len, on_frame, link);
}

void link_send(struct link *link, enum vx_frame_type type, const void *head, gsize head_len,
	       const void *tail, gsize tail_len)
{
	const gsize len = head_len + tail_len;
	char *buf = g_malloc(sizeof(struct vx_frame) + len);
	g_autoptr(GBytes) bytes = NULL;

	g_assert(len <= VX_FRAME_PAYLOAD_MAX);
	if (head_len)
		memcpy(buf + sizeof(struct vx_frame), head, head_len);
	if (tail_len)
		memcpy(buf + sizeof(struct vx_frame) + head_len, tail, tail_len);
	vx_frame_seal((struct vx_frame *)buf, type, link->epoch, link->seq++,
		      buf + sizeof(struct vx_frame), (guint32)len);
	bytes = g_bytes_new_take(buf, sizeof(struct vx_frame) + len);
	link->transport.write(link->transport.ctx, bytes);
}

gsize link_pending(const struct link *link)
{
	return link->transport.pending(link->transport.ctx);
}

void link_hello(struct link *link, guint32 epoch, guint64 realtime_ns)
{
	struct vx_req_hello req = {
		.protocol = VX_PROTOCOL_VERSION,
		.epoch = epoch,
		.realtime_ns = realtime_ns,
	};

	link->epoch = epoch;
	link->seq = 0;
	vx_decoder_reset(&link->dec);
	vx_decoder_expect(&link->dec, epoch);
	link_send(link, VX_REQ_HELLO, &req, sizeof(req), NULL, 0);
}

guint32 link_epoch(const struct link *link)
{
	return link->epoch;
}

void link_stats(const struct link *link, struct link_stats *ret)
{
	const struct vx_decoder_stats *st = &link->dec.stats;

	*ret = (struct link_stats){
		.frames = st->frames, .bytes = st->bytes, .bad_bytes = st->bad_bytes,
		.lost_frames = st->lost_frames, .stale_frames = st->stale_frames,
		.forged_frames = link->forged_frames,
	};
}
