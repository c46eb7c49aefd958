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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_cannot_write_the_hosts_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
