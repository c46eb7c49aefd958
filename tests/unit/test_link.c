// SPDX-License-Identifier: GPL-2.0
/* What of a guest's bytes gets past the link. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "frame.h"
#include "link.h"

static guint seen[0x100];

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	assert_true(frame->type < G_N_ELEMENTS(seen));
	seen[frame->type]++;
}

static void ignore_write(void *ctx, GBytes *bytes)
{
}

static gsize none_pending(void *ctx)
{
	return 0;
}

static void feed_type(struct link *link, guint16 type, guint64 seq)
{
	static const char payload[] = "{\"do\": \"put\"}";
	char buf[sizeof(struct vx_frame) + sizeof(payload)];

	memcpy(buf + sizeof(struct vx_frame), payload, sizeof(payload));
	vx_frame_seal((struct vx_frame *)buf, type, 1, seq, payload, sizeof(payload));
	link_feed(link, buf, sizeof(buf));
}

static void test_guest_cannot_write_the_hosts_entries(void **state)
{
	const struct link_transport transport = { ignore_write, none_pending, NULL };
	struct link *link = link_new(&transport, on_frame, NULL);
	struct link_stats stats;
	guint64 seq = 0;
	guint type;

	link_hello(link, 1, 0);
	for (type = 0; type < G_N_ELEMENTS(seen); type++)
		feed_type(link, (guint16)type, seq++);
	for (type = 0; type < G_N_ELEMENTS(seen); type++)
		assert_int_equal(seen[type], type >= VX_MSG_HELLO && type < VX_REC_RUN);
	link_stats(link, &stats);
	assert_int_equal(stats.frames, 0x100);
	assert_int_equal(stats.forged_frames, 0x100 - (VX_REC_RUN - VX_MSG_HELLO));
	link_free(link);
}

static GString *heard;

static void on_words(void *ctx, const struct vx_frame *frame, const void *payload)
{
	g_string_append_printf(heard, "%.*s;", (int)frame->length, (const char *)payload);
}

/* As bytes: whole frames are cut and glued at will. */
static GByteArray *bytes_of(guint32 epoch, guint64 seq, const char *words)
{
	const gsize len = strlen(words);
	GByteArray *bytes = g_byte_array_new();

	g_byte_array_set_size(bytes, (guint)(sizeof(struct vx_frame) + len));
	memcpy(bytes->data + sizeof(struct vx_frame), words, len);
	vx_frame_seal((struct vx_frame *)bytes->data, VX_MSG_LOG, epoch, seq, words, (guint32)len);
	return bytes;
}

static void feed(struct link *link, guint32 epoch, guint64 seq, const char *words)
{
	g_autoptr(GByteArray) bytes = bytes_of(epoch, seq, words);

	link_feed(link, bytes->data, bytes->len);
}

static struct link *new_link(void)
{
	const struct link_transport transport = { ignore_write, none_pending, NULL };

	heard = g_string_new(NULL);
	return link_new(&transport, on_words, NULL);
}

/* A guest that was put back says what it had not said when it was saved: that is no news. */
static void test_only_this_epoch_is_news(void **state)
{
	struct link *link = new_link();
	struct link_stats stats;

	link_hello(link, 1, 0);
	feed(link, 1, 0, "a");
	feed(link, 1, 1, "b");
	link_hello(link, 2, 0);
	feed(link, 1, 2, "old");
	feed(link, 2, 0, "c");
	feed(link, 1, 3, "late");
	feed(link, 2, 1, "d");
	/* Nor what claims to come from the future. */
	feed(link, 3, 2, "early");
	feed(link, 2, 2, "e");
	assert_string_equal(heard->str, "a;b;c;d;e;");
	link_stats(link, &stats);
	assert_int_equal(stats.stale_frames, 3);
	assert_int_equal(stats.lost_frames, 0);
	/* What is missing of this epoch is missed all the same. */
	feed(link, 2, 5, "f");
	link_stats(link, &stats);
	assert_int_equal(stats.lost_frames, 2);
	assert_int_equal(link_epoch(link), 2);
	g_string_free(heard, TRUE);
	link_free(link);
}

/* The guest died in the middle of a frame; its successor's first bytes are no part of it. */
static void test_half_a_frame_does_not_swallow_the_next_epoch(void **state)
{
	g_autoptr(GByteArray) half = bytes_of(1, 0, "a long last message that is cut");
	struct link *link = new_link();
	struct link_stats stats;

	link_hello(link, 1, 0);
	link_feed(link, half->data, half->len / 2);
	link_hello(link, 2, 0);
	feed(link, 2, 0, "new");
	assert_string_equal(heard->str, "new;");
	link_stats(link, &stats);
	assert_int_equal(stats.lost_frames, 0);
	/* The other half turns up after all: rubbish, and the next frame is found behind it. */
	link_feed(link, half->data + half->len / 2, half->len - half->len / 2);
	feed(link, 2, 1, "and more");
	assert_string_equal(heard->str, "new;and more;");
	g_string_free(heard, TRUE);
	link_free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_cannot_write_the_hosts_entries),
		cmocka_unit_test(test_only_this_epoch_is_news),
		cmocka_unit_test(test_half_a_frame_does_not_swallow_the_next_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
