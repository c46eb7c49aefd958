// SPDX-License-Identifier: GPL-2.0
/* The codec: what goes in comes out whatever the chunks, and what is broken is counted, not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "frame.h"

#define MAX_SEEN 64

struct seen {
	unsigned int n, askew;
	struct vx_frame frame[MAX_SEEN];
	uint32_t payload_crc[MAX_SEEN];
	struct vx_decoder *expect_from;	/* set: a hello moves this decoder to its epoch */
};

struct stream {
	unsigned char data[1 << 20];
	size_t len;
};

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct seen *seen = ctx;

	assert_true(seen->n < MAX_SEEN);
	seen->askew += (uintptr_t)payload % 8 != 0;
	seen->frame[seen->n] = *frame;
	seen->payload_crc[seen->n++] = (uint32_t)crc32(0, payload, frame->length);
	if (seen->expect_from && frame->type == VX_MSG_HELLO)
		vx_decoder_expect(seen->expect_from, frame->epoch);
}

/* Returns where the frame starts. */
static size_t put(struct stream *s, uint16_t type, uint32_t epoch, uint64_t seq, uint32_t len)
{
	unsigned char *payload = s->data + s->len + sizeof(struct vx_frame);
	struct vx_frame frame;
	size_t at = s->len;
	uint32_t i;

	assert_true(s->len + sizeof(frame) + len <= sizeof(s->data));
	for (i = 0; i < len; i++)
		payload[i] = (unsigned char)(i * 7 + seq + (i >> 8));
	vx_frame_seal(&frame, type, epoch, seq, payload, len);
	memcpy(s->data + at, &frame, sizeof(frame));
	s->len += sizeof(frame) + len;
	return at;
}

static void put_rubbish(struct stream *s, const void *data, size_t len)
{
	memcpy(s->data + s->len, data, len);
	s->len += len;
}

static void feed_all(struct vx_decoder *dec, const struct stream *s, size_t chunk, struct seen *seen)
{
	size_t at, n;

	for (at = 0; at < s->len; at += n) {
		n = s->len - at < chunk ? s->len - at : chunk;
		vx_decoder_feed(dec, s->data + at, n, on_frame, seen);
	}
}

static void test_any_chunking(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 31, 32, 33, 4096, 65536, 1 << 20 };
	static const uint32_t lengths[] = { 0, 1, 7, 64, 65504, VX_FRAME_PAYLOAD_MAX, 13, 0 };
	const unsigned int n = sizeof(lengths) / sizeof(lengths[0]);
	static struct stream s;
	size_t c;
	unsigned int i;

	s.len = 0;
	for (i = 0; i < n; i++)
		put(&s, (uint16_t)(VX_MSG_EVENTS + i), 3, i, lengths[i]);
	for (c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++) {
		struct vx_decoder dec;
		struct seen seen = { 0 };

		assert_int_equal(vx_decoder_init(&dec), 0);
		vx_decoder_expect(&dec, 3);
		feed_all(&dec, &s, chunks[c], &seen);
		assert_int_equal(seen.n, n);
		assert_int_equal(seen.askew, 0);
		for (i = 0; i < n; i++) {
			assert_int_equal(seen.frame[i].type, VX_MSG_EVENTS + i);
			assert_int_equal(seen.frame[i].length, lengths[i]);
			assert_int_equal(seen.frame[i].seq, i);
		}
		assert_int_equal(dec.stats.bytes, s.len);
		assert_int_equal(dec.stats.bad_bytes, 0);
		assert_int_equal(dec.stats.lost_frames, 0);
		vx_decoder_deinit(&dec);
	}
}

/* The CRC is over header and payload as frame.h says, counted here by hand. */
static void test_crc_is_as_documented(void **state)
{
	static struct stream s;
	struct vx_frame frame;
	uLong crc;

	s.len = 0;
	put(&s, VX_MSG_LOG, 1, 0, 100);
	memcpy(&frame, s.data, sizeof(frame));
	assert_int_equal(frame.magic, 0x314c5856);
	assert_memory_equal(s.data, "VXL1", 4);
	memset(s.data + offsetof(struct vx_frame, crc), 0, 4);
	crc = crc32(0, s.data, (uInt)s.len);
	assert_int_equal(frame.crc, crc);
}

/* Every single flipped bit is noticed, and the frames around it survive. */
static void test_flipped_bits(void **state)
{
	static struct stream s;
	size_t at, end, bit;

	s.len = 0;
	put(&s, VX_MSG_LOG, 1, 0, 40);
	at = put(&s, VX_MSG_LOG, 1, 1, 40);
	end = s.len;
	put(&s, VX_MSG_LOG, 1, 2, 40);
	for (bit = at * 8; bit < end * 8; bit++) {
		struct vx_decoder dec;
		struct seen seen = { 0 };
		size_t kept;

		s.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(vx_decoder_init(&dec), 0);
		vx_decoder_expect(&dec, 1);
		feed_all(&dec, &s, 50, &seen);
		/* A longer length may still wait for bytes; then more must come before it is found out. */
		kept = dec.have;
		if (!kept) {
			assert_int_equal(seen.n, 2);
			assert_int_equal(seen.frame[1].seq, 2);
			assert_int_equal(dec.stats.lost_frames, 1);
			assert_int_equal(dec.stats.bad_bytes, end - at);
		} else {
			assert_int_equal(seen.n, 1);
		}
		vx_decoder_deinit(&dec);
		s.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

/* A length that is too long, but allowed, swallows the next frames only until its CRC is looked at. */
static void test_damaged_length_gives_back_what_follows(void **state)
{
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };
	uint32_t length = 4000;
	size_t at;
	unsigned int i;

	s.len = 0;
	at = put(&s, VX_MSG_LOG, 1, 0, 40);
	memcpy(s.data + at + offsetof(struct vx_frame, length), &length, sizeof(length));
	for (i = 1; i < 40; i++)
		put(&s, VX_MSG_LOG, 1, i, 200);
	assert_int_equal(vx_decoder_init(&dec), 0);
	vx_decoder_expect(&dec, 1);
	feed_all(&dec, &s, 777, &seen);
	assert_int_equal(seen.n, 39);
	assert_int_equal(seen.frame[0].seq, 1);
	assert_int_equal(dec.stats.lost_frames, 1);
	assert_int_equal(dec.stats.bad_bytes, 72);
	vx_decoder_deinit(&dec);
}

static void test_rubbish_between_frames(void **state)
{
	static const char rubbish[] = "\0\0VVVXVXLVXL2 and VXL1 that is none";
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };
	size_t chunk;

	s.len = 0;
	put_rubbish(&s, rubbish, sizeof(rubbish));
	put(&s, VX_MSG_LOG, 1, 0, 9);
	put_rubbish(&s, "VXL", 3);
	put(&s, VX_MSG_LOG, 1, 1, 9);
	for (chunk = 1; chunk < 60; chunk++) {
		memset(&seen, 0, sizeof(seen));
		assert_int_equal(vx_decoder_init(&dec), 0);
		vx_decoder_expect(&dec, 1);
		feed_all(&dec, &s, chunk, &seen);
		assert_int_equal(seen.n, 2);
		assert_int_equal(dec.stats.bad_bytes, sizeof(rubbish) + 3);
		assert_int_equal(dec.stats.lost_frames, 0);
		vx_decoder_deinit(&dec);
	}
}

static void test_gaps_and_old_epochs(void **state)
{
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };

	s.len = 0;
	put(&s, VX_MSG_LOG, 4, 17, 8);		/* from before the restore */
	put(&s, VX_MSG_LOG, 5, 0, 8);
	put(&s, VX_MSG_LOG, 5, 3, 8);		/* 1 and 2 are lost */
	put(&s, VX_MSG_LOG, 4, 18, 8);
	put(&s, VX_MSG_LOG, 5, 4, 8);
	put(&s, VX_MSG_LOG, 5, 4, 8);		/* again */
	assert_int_equal(vx_decoder_init(&dec), 0);
	vx_decoder_expect(&dec, 5);
	feed_all(&dec, &s, 11, &seen);
	assert_int_equal(seen.n, 4);
	assert_int_equal(dec.stats.lost_frames, 2);
	assert_int_equal(dec.stats.stale_frames, 2);
	assert_int_equal(dec.stats.odd_frames, 1);
	vx_decoder_deinit(&dec);
}

static void test_epoch_changes_within_a_feed(void **state)
{
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { .expect_from = &dec };

	s.len = 0;
	put(&s, VX_MSG_HELLO, 9, 0, 8);
	put(&s, VX_MSG_LOG, 8, 0, 8);
	assert_int_equal(vx_decoder_init(&dec), 0);
	feed_all(&dec, &s, sizeof(s.data), &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(dec.stats.stale_frames, 1);
	vx_decoder_deinit(&dec);
}

/* Half a frame, then another sender: without the reset its first frames would be taken for the rest. */
static void test_reset_forgets_half_a_frame(void **state)
{
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };

	s.len = 0;
	put(&s, VX_MSG_EVENTS, 1, 0, 60000);
	assert_int_equal(vx_decoder_init(&dec), 0);
	vx_decoder_feed(&dec, s.data, 30000, on_frame, &seen);
	vx_decoder_reset(&dec);
	s.len = 0;
	put(&s, VX_MSG_HELLO, 2, 0, 48);
	feed_all(&dec, &s, sizeof(s.data), &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.frame[0].type, VX_MSG_HELLO);
	assert_int_equal(dec.stats.bad_bytes, 30000);
	vx_decoder_deinit(&dec);
}

static void test_length_over_the_bound_is_rubbish_at_once(void **state)
{
	struct vx_frame frame = {
		.magic = VX_FRAME_MAGIC, .length = VX_FRAME_PAYLOAD_MAX + 1, .type = VX_MSG_LOG,
	};
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };

	s.len = 0;
	put_rubbish(&s, &frame, sizeof(frame));
	put(&s, VX_MSG_LOG, 0, 0, 5);
	assert_int_equal(vx_decoder_init(&dec), 0);
	feed_all(&dec, &s, sizeof(s.data), &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(dec.stats.bad_bytes, sizeof(frame));
	vx_decoder_deinit(&dec);
}

/* Nothing but headers, each claiming all that follows: the work is bounded by what was fed. */
static void test_hostile_headers_cost_little(void **state)
{
	static struct stream s;
	struct vx_decoder dec;
	struct seen seen = { 0 };

	s.len = 0;
	while (s.len + 32 <= sizeof(s.data)) {
		struct vx_frame frame = {
			.magic = VX_FRAME_MAGIC, .length = VX_FRAME_PAYLOAD_MAX - 32,
			.type = VX_MSG_EVENTS, .seq = s.len,
		};

		put_rubbish(&s, &frame, sizeof(frame));
	}
	assert_int_equal(vx_decoder_init(&dec), 0);
	feed_all(&dec, &s, 65536, &seen);
	assert_int_equal(seen.n, 0);
	assert_true(dec.stats.summed_bytes > s.len / 2);
	assert_true(dec.stats.summed_bytes <= 5 * s.len);
	assert_int_equal(dec.stats.bad_bytes + dec.have, s.len);
	vx_decoder_deinit(&dec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_chunking),
		cmocka_unit_test(test_crc_is_as_documented),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_damaged_length_gives_back_what_follows),
		cmocka_unit_test(test_rubbish_between_frames),
		cmocka_unit_test(test_gaps_and_old_epochs),
		cmocka_unit_test(test_epoch_changes_within_a_feed),
		cmocka_unit_test(test_reset_forgets_half_a_frame),
		cmocka_unit_test(test_length_over_the_bound_is_rubbish_at_once),
		cmocka_unit_test(test_hostile_headers_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
