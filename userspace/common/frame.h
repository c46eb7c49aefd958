/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing and reading frames (<vexlab/frame.h>). The reader takes bytes in any
 * chunks and hands out whole, sound frames of the epoch it is told to expect;
 * what else comes is counted and skipped. It never allocates by a length that
 * it has not checked.
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
	uint64_t bad_bytes;	/* belong to no sound frame */
	uint64_t lost_frames;	/* gaps in the sequence of this epoch */
	uint64_t stale_frames;	/* of another epoch than the one expected */
};

struct vx_decoder {
	unsigned char *buf;	/* of one frame of the largest size */
	size_t have;
	int any_epoch;		/* 1: hand out frames of every epoch (agent; greeting) */
	uint32_t epoch;
	uint64_t next_seq;
	int in_sequence;	/* a frame of this epoch has been seen */
	struct vx_decoder_stats stats;
};

/* The payload is only valid during the call and aligned to 8 bytes. */
typedef void (*vx_frame_fn)(void *ctx, const struct vx_frame *frame, const void *payload);

/* 0 or -ENOMEM. Takes frames of any epoch until vx_decoder_expect(). */
int vx_decoder_init(struct vx_decoder *dec);
void vx_decoder_deinit(struct vx_decoder *dec);

/* From now on frames of `epoch` alone are handed out, sequence from 0. May be called from a vx_frame_fn. */
void vx_decoder_expect(struct vx_decoder *dec, uint32_t epoch);

void vx_decoder_feed(struct vx_decoder *dec, const void *data, size_t len, vx_frame_fn fn,
		     void *ctx);

#endif
