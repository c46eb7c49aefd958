/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing and reading frames (<vexlab/frame.h>). The reader takes bytes in any
 * chunks and hands out whole, sound frames of the epoch it is told to expect;
 * what else comes is counted and skipped. It never allocates by a length that
 * it has not checked, and never sums more than a few times the bytes it was fed:
 * a frame that fails is searched for others inside as long as that holds.
 */
#ifndef VEXLAB_COMMON_FRAME_H
#define VEXLAB_COMMON_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <vexlab/frame.h>

/* CRC of a frame as it goes over the wire: header with crc zero, then payload. */
uint32_t vx_frame_crc(const struct vx_frame *frame, const void *payload);

/* Fills a header for `length` (<= VX_FRAME_PAYLOAD_MAX) bytes of payload, CRC included. */
void vx_frame_seal(struct vx_frame *ret, uint16_t type, uint32_t epoch, uint64_t seq,
		   const void *payload, uint32_t length);

struct vx_decoder_stats {
	uint64_t frames;	/* handed out */
	uint64_t bytes;		/* fed */
	uint64_t summed_bytes;	/* whose CRC was taken: at most 5 times those fed */
	uint64_t bad_bytes;	/* belong to no sound frame */
	uint64_t lost_frames;	/* gaps in the sequence of this epoch */
	uint64_t odd_frames;	/* sequence numbers that go back: handed out all the same */
	uint64_t stale_frames;	/* of another epoch than the one expected */
};

struct vx_decoder {
	unsigned char *buf;	/* of one frame of the largest size */
	size_t have;
	unsigned char *aligned;	/* for a payload that lies askew in `buf` */
	size_t credit;		/* bytes that may still be summed in search of a frame */
	int any_epoch;		/* 1: hand out frames of every epoch (agent; greeting) */
	uint32_t epoch;
	uint64_t next_seq;
	struct vx_decoder_stats stats;
};

/* `frame` and payload are only valid during the call and aligned to 8 bytes. */
typedef void (*vx_frame_fn)(void *ctx, const struct vx_frame *frame, const void *payload);

/* 0 or -ENOMEM. Takes frames of any epoch until vx_decoder_expect(). */
int vx_decoder_init(struct vx_decoder *dec);
void vx_decoder_deinit(struct vx_decoder *dec);

/* From now on frames of `epoch` alone are handed out, sequence from 0. May be called from a vx_frame_fn. */
void vx_decoder_expect(struct vx_decoder *dec, uint32_t epoch);

/*
 * Forgets the beginning of a frame whose rest will not come: the other end was
 * replaced. Not from a vx_frame_fn.
 */
void vx_decoder_reset(struct vx_decoder *dec);

void vx_decoder_feed(struct vx_decoder *dec, const void *data, size_t len, vx_frame_fn fn,
		     void *ctx);

#endif
