// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes of a guest through everything that reads them: decoder, events, steps.
 * The first byte chooses the chunks it is fed in. What looks like a frame gets its
 * CRC put right, unless its pad is odd: no fuzzer would ever get past the sum.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "frame.h"
#include "metrics_msg.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
	uint64_t frames, bytes;
	struct vx_decoder *dec;
};

static volatile uint64_t check;

/* Every byte is read, so that the sanitizer sees one too far. */
static void use(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t sum = check;
	size_t i;

	for (i = 0; i < len; i++)
		sum = sum * 31 + p[i];
	check = sum;
}

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	const struct vx_event *event;
	struct tally *tally = ctx;
	struct vx_event_iter it;
	static struct vx_metrics metrics;
	struct vx_step step;
	unsigned int i;

	tally->frames++;
	tally->bytes += sizeof(*frame) + frame->length;
	if ((uintptr_t)payload % 8 || frame->length > VX_FRAME_PAYLOAD_MAX)
		abort();
	use(payload, frame->length);
	vx_event_iter_init(&it, payload, frame->length);
	while ((event = vx_event_iter_next(&it)))
		use(event, event->size);
	if (!vx_step_unpack(payload, frame->length, &step))
		for (i = 0; i < step.req.nstrings; i++)
			use(step.str[i], strlen(step.str[i]));
	if (!vx_metrics_read(payload, frame->length, &metrics)) {
		for (i = 0; i < metrics.head.ndisks; i++)
			use(metrics.disks[i].name, strlen(metrics.disks[i].name));
		for (i = 0; i < metrics.head.ntasks; i++)
			use(metrics.tasks[i].comm, strlen(metrics.tasks[i].comm));
	}
	if (frame->type == VX_MSG_HELLO)
		vx_decoder_expect(tally->dec, frame->epoch);
}

/* Where the input has the magic, there shall be a sound frame. */
static void mend(unsigned char *p, size_t len)
{
	const uint32_t magic = VX_FRAME_MAGIC;
	struct vx_frame frame;
	size_t at;

	for (at = 0; at + sizeof(frame) <= len; at++) {
		memcpy(&frame, p + at, sizeof(frame));
		if (frame.magic != magic || frame.pad & 1 ||
		    frame.length > len - at - sizeof(frame))
			continue;
		frame.crc = vx_frame_crc(&frame, p + at + sizeof(frame));
		memcpy(p + at, &frame, sizeof(frame));
		at += sizeof(frame) + frame.length - 1;
	}
}

static void decode(const unsigned char *p, size_t len, size_t chunk)
{
	struct vx_decoder dec;
	struct tally tally = { .dec = &dec };
	size_t at, n;

	if (vx_decoder_init(&dec))
		abort();
	for (at = 0; at < len; at += n) {
		n = len - at < chunk ? len - at : chunk;
		vx_decoder_feed(&dec, p + at, n, on_frame, &tally);
	}
	if (dec.stats.bytes != len || dec.stats.frames != tally.frames ||
	    dec.stats.summed_bytes > 5 * (uint64_t)len ||
	    tally.bytes + dec.stats.bad_bytes + dec.have > len)
		abort();
	vx_decoder_deinit(&dec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy;
	size_t chunk;

	if (size < 2)
		return 0;
	chunk = 1 + data[0] * 3u;
	copy = malloc(size);
	memcpy(copy, data, size);
	mend(copy + 1, size - 1);
	decode(copy + 1, size - 1, chunk);
	free(copy);
	return 0;
}
