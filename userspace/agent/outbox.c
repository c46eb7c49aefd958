// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "outbox.h"

/* With its header a full frame of events is 64 KiB: two writes of the size virtio-serial takes. */
#define EVENTS_MAX	((64u << 10) - sizeof(struct vx_frame))
#define INITIAL_SIZE	(2u << 20)

int outbox_init(struct outbox *box)
{
	memset(box, 0, sizeof(*box));
	box->buf = malloc(INITIAL_SIZE);
	box->size = INITIAL_SIZE;
	return box->buf ? 0 : -ENOMEM;
}

void outbox_deinit(struct outbox *box)
{
	free(box->buf);
	box->buf = NULL;
}

void outbox_set_epoch(struct outbox *box, uint32_t epoch)
{
	outbox_seal(box);
	box->epoch = epoch;
	box->seq = 0;
	box->sent_events = 0;
	box->sent_bytes = 0;
}

size_t outbox_pending(const struct outbox *box)
{
	return box->tail - box->head;
}

static int make_room(struct outbox *box, size_t need)
{
	size_t size = box->size;
	unsigned char *buf;

	if (box->size - box->tail >= need)
		return 0;
	memmove(box->buf, box->buf + box->head, box->tail - box->head);
	box->tail -= box->head;
	box->open -= box->head;
	box->head = 0;
	while (size - box->tail < need)
		size *= 2;
	if (size == box->size)
		return 0;
	buf = realloc(box->buf, size);
	if (!buf)
		return -ENOMEM;
	box->buf = buf;
	box->size = size;
	return 0;
}

/* The frame at `at` up to the tail gets its header. */
static void finish(struct outbox *box, size_t at, uint16_t type)
{
	uint32_t length = (uint32_t)(box->tail - at - sizeof(struct vx_frame));
	struct vx_frame frame;

	vx_frame_seal(&frame, type, box->epoch, box->seq++, box->buf + at + sizeof(frame), length);
	memcpy(box->buf + at, &frame, sizeof(frame));
	box->sent_bytes += sizeof(frame) + length;
	box->open = box->tail;
}

void outbox_seal(struct outbox *box)
{
	if (box->open != box->tail)
		finish(box, box->open, VX_MSG_EVENTS);
}

static void append(struct outbox *box, const void *data, size_t len)
{
	if (len)
		memcpy(box->buf + box->tail, data, len);
	box->tail += len;
}

void outbox_add(struct outbox *box, uint16_t type, const void *head, size_t head_len,
		const void *tail, size_t tail_len)
{
	size_t at;

	outbox_seal(box);
	if (head_len + tail_len > VX_FRAME_PAYLOAD_MAX ||
	    make_room(box, sizeof(struct vx_frame) + head_len + tail_len)) {
		box->seq++;
		return;
	}
	at = box->tail;
	box->tail += sizeof(struct vx_frame);
	append(box, head, head_len);
	append(box, tail, tail_len);
	finish(box, at, type);
}

int outbox_add_event(struct outbox *box, const struct vx_event *event, size_t size)
{
	if (size < sizeof(*event) || size % 8 || size > EVENTS_MAX)
		return -EINVAL;
	if (box->open != box->tail &&
	    box->tail - box->open + size > sizeof(struct vx_frame) + EVENTS_MAX)
		outbox_seal(box);
	if (make_room(box, sizeof(struct vx_frame) + size))
		return -ENOMEM;
	if (box->open == box->tail)
		box->tail += sizeof(struct vx_frame);
	append(box, event, size);
	box->sent_events++;
	return 0;
}

int outbox_write(struct outbox *box, const struct port *port)
{
	while (box->head < box->open) {
		ssize_t n = port_write(port, box->buf + box->head, box->open - box->head);

		if (n < 0)
			return (int)n;
		box->head += (size_t)n;
	}
	if (box->head == box->tail)
		box->head = box->tail = box->open = 0;
	return 0;
}
