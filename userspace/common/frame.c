// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "frame.h"

#define BUF_SIZE	(sizeof(struct vx_frame) + VX_FRAME_PAYLOAD_MAX)
#define SEARCH_FACTOR	4	/* bytes summed in search of a frame, for each byte fed */

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
	dec->aligned = malloc(VX_FRAME_PAYLOAD_MAX);
	if (dec->buf && dec->aligned)
		return 0;
	vx_decoder_deinit(dec);
	return -ENOMEM;
}

void vx_decoder_deinit(struct vx_decoder *dec)
{
	free(dec->buf);
	free(dec->aligned);
	dec->buf = dec->aligned = NULL;
}

void vx_decoder_reset(struct vx_decoder *dec)
{
	dec->stats.bad_bytes += dec->have;
	dec->have = 0;
}

void vx_decoder_expect(struct vx_decoder *dec, uint32_t epoch)
{
	dec->any_epoch = 0;
	dec->epoch = epoch;
	dec->next_seq = 0;
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
	else if (frame->seq < dec->next_seq)
		dec->stats.odd_frames++;
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

/* No frame is this one: where to look next. */
static size_t skip(struct vx_decoder *dec, const unsigned char *p, size_t len, size_t whole)
{
	/*
	 * Frames behind a damaged length are worth finding; but a guest that sends nothing
	 * but headers must not make us sum each byte thousands of times.
	 */
	if (dec->credit < whole)
		return whole;
	dec->credit -= whole;
	return rubbish(p, len);
}

/*
 * One frame at `p`: returns the bytes used up, 0 when more are needed; `*sound`
 * tells whether they are a frame or rubbish.
 */
static size_t take(struct vx_decoder *dec, const unsigned char *p, size_t len,
		   struct vx_frame *frame, int *sound)
{
	size_t whole;

	*sound = 0;
	if (len < sizeof(*frame)) {
		const uint32_t magic = VX_FRAME_MAGIC;

		return memcmp(p, &magic, len < sizeof(magic) ? len : sizeof(magic)) ?
			rubbish(p, len) : 0;
	}
	memcpy(frame, p, sizeof(*frame));
	if (frame->magic != VX_FRAME_MAGIC || frame->length > VX_FRAME_PAYLOAD_MAX)
		return rubbish(p, len);
	whole = sizeof(*frame) + frame->length;
	if (len < whole)
		return 0;
	dec->stats.summed_bytes += whole;
	*sound = frame->crc == vx_frame_crc(frame, p + sizeof(*frame));
	return *sound ? whole : skip(dec, p, len, whole);
}

static void hand_out(struct vx_decoder *dec, const struct vx_frame *frame,
		     const unsigned char *payload, vx_frame_fn fn, void *ctx)
{
	dec->stats.frames++;
	if ((uintptr_t)payload % 8) {
		memcpy(dec->aligned, payload, frame->length);
		payload = dec->aligned;
	}
	fn(ctx, frame, payload);
}

/* Hands out what is whole in `p`; returns the bytes used up. */
static size_t digest(struct vx_decoder *dec, const unsigned char *p, size_t len, vx_frame_fn fn,
		     void *ctx)
{
	size_t at = 0, used;
	struct vx_frame frame;
	int sound;

	while (at < len && (used = take(dec, p + at, len - at, &frame, &sound))) {
		if (!sound)
			dec->stats.bad_bytes += used;
		else if (admit(dec, &frame))
			hand_out(dec, &frame, p + at + sizeof(frame), fn, ctx);
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
		dec->credit += SEARCH_FACTOR * n;
		if (dec->credit > SEARCH_FACTOR * BUF_SIZE)
			dec->credit = SEARCH_FACTOR * BUF_SIZE;
		p += n;
		len -= n;
		used = digest(dec, dec->buf, dec->have, fn, ctx);
		dec->have -= used;
		if (used)
			memmove(dec->buf, dec->buf + used, dec->have);
	}
}
