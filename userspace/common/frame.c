// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "frame.h"

#define BUF_SIZE (sizeof(struct vx_frame) + VX_FRAME_PAYLOAD_MAX)

uint32_t vx_frame_crc(const struct vx_frame *frame, const void *payload)
{
	struct vx_frame head = *frame;
	uLong crc;

	head.crc = 0;
	crc = crc32(0, (const Bytef *)&head, sizeof(head));
	if (frame->length)
		crc = crc32(crc, payload, frame->length);
	return (uint32_t)crc;
}

void vx_frame_seal(struct vx_frame *ret, uint16_t type, uint32_t epoch, uint64_t seq,
		   const void *payload, uint32_t length)
{
	struct vx_frame frame = {
		.magic = VX_FRAME_MAGIC,
		.length = length,
		.type = type,
		.epoch = epoch,
		.seq = seq,
	};

	frame.crc = vx_frame_crc(&frame, payload);
	*ret = frame;
}

int vx_decoder_init(struct vx_decoder *dec)
{
	memset(dec, 0, sizeof(*dec));
	dec->any_epoch = 1;
	dec->buf = malloc(BUF_SIZE);
	return dec->buf ? 0 : -ENOMEM;
}

void vx_decoder_deinit(struct vx_decoder *dec)
{
	free(dec->buf);
	dec->buf = NULL;
}

void vx_decoder_expect(struct vx_decoder *dec, uint32_t epoch)
{
	dec->any_epoch = 0;
	dec->epoch = epoch;
	dec->next_seq = 0;
	dec->in_sequence = 1;
}

static int admit(struct vx_decoder *dec, const struct vx_frame *frame)
{
	if (dec->any_epoch)
		return 1;
	if (frame->epoch != dec->epoch) {
		dec->stats.stale_frames++;
		return 0;
	}
	if (frame->seq > dec->next_seq)
		dec->stats.lost_frames += frame->seq - dec->next_seq;
	dec->next_seq = frame->seq + 1;
	return 1;
}

/* Bytes in front of the next place where a frame could start. */
static size_t rubbish(const unsigned char *p, size_t len)
{
	const uint32_t magic = VX_FRAME_MAGIC;
	size_t i;

	for (i = 1; i < len; i++) {
		const unsigned char *hit = memchr(p + i, VX_FRAME_MAGIC & 0xff, len - i);

		if (!hit)
			return len;
		i = (size_t)(hit - p);
		if (!memcmp(hit, &magic, len - i < sizeof(magic) ? len - i : sizeof(magic)))
			return i;
	}
	return len;
}

/*
 * One frame at `p`: returns the bytes used up, 0 when more are needed; `*sound`
 * tells whether they are a frame or rubbish.
 */
static size_t take(const unsigned char *p, size_t len, struct vx_frame *frame, int *sound)
{
	*sound = 0;
	if (len < sizeof(*frame)) {
		const uint32_t magic = VX_FRAME_MAGIC;

		return memcmp(p, &magic, len < sizeof(magic) ? len : sizeof(magic)) ?
			rubbish(p, len) : 0;
	}
	memcpy(frame, p, sizeof(*frame));
	if (frame->magic != VX_FRAME_MAGIC || frame->length > VX_FRAME_PAYLOAD_MAX)
		return rubbish(p, len);
	if (len < sizeof(*frame) + frame->length)
		return 0;
	/*
	 * A frame that fails is skipped whole: looking for another inside it would let a
	 * guest that sends nothing but headers make us sum each byte thousands of times.
	 */
	*sound = frame->crc == vx_frame_crc(frame, p + sizeof(*frame));
	return sizeof(*frame) + frame->length;
}

/* Hands out what is whole in `p`; returns the bytes used up. */
static size_t digest(struct vx_decoder *dec, const unsigned char *p, size_t len, vx_frame_fn fn,
		     void *ctx)
{
	size_t at = 0, used;
	struct vx_frame frame;
	int sound;

	while (at < len && (used = take(p + at, len - at, &frame, &sound))) {
		if (!sound) {
			dec->stats.bad_bytes += used;
		} else if (admit(dec, &frame)) {
			dec->stats.frames++;
			fn(ctx, &frame, p + at + sizeof(frame));
		}
		at += used;
	}
	return at;
}

void vx_decoder_feed(struct vx_decoder *dec, const void *data, size_t len, vx_frame_fn fn,
		     void *ctx)
{
	const unsigned char *p = data;

	dec->stats.bytes += len;
	while (len) {
		size_t n = BUF_SIZE - dec->have, used;

		if (n > len)
			n = len;
		memcpy(dec->buf + dec->have, p, n);
		dec->have += n;
		p += n;
		len -= n;
		used = digest(dec, dec->buf, dec->have, fn, ctx);
		dec->have -= used;
		memmove(dec->buf, dec->buf + used, dec->have);
	}
}
