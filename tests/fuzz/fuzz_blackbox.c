// SPDX-License-Identifier: GPL-2.0
/*
 * What a dying guest leaves in shared memory, read by the host. The checksums
 * are mended as the input asks, so that lies behind a sound head are tried too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "box.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t check;

static void use(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t sum = check;
	size_t i;

	for (i = 0; i < len; i++)
		sum = sum * 31 + p[i];
	check = sum;
}

/* First byte: bit 0 magic, version, sizes; bit 1 the content's checksum; bit 2 the head's. */
static void mend(unsigned char *p, size_t len, unsigned int how)
{
	struct vx_box head;

	if (len < sizeof(head))
		return;
	memcpy(&head, p, sizeof(head));
	if (how & 1) {
		head.magic = VX_BOX_MAGIC;
		head.version = VX_BOX_VERSION;
		head.head_bytes = sizeof(head);
		head.content_bytes %= 2 * len;
	}
	if (how & 2 && head.content_bytes <= len - sizeof(head))
		head.content_crc = (uint32_t)crc32(0, p + sizeof(head), (uInt)head.content_bytes);
	if (how & 4) {
		head.crc = 0;
		head.crc = (uint32_t)crc32(0, (const Bytef *)&head, sizeof(head));
	}
	memcpy(p, &head, sizeof(head));
}

static void read_box(const unsigned char *p, size_t len)
{
	struct vx_box_reader reader;
	enum vx_box_state state = vx_box_open(p, len, &reader);
	const struct vx_event *event;
	uint64_t n = 0;

	use(vx_box_state_name(state), 1);
	if (reader.has_oops)
		use(reader.head.oops.message, strlen(reader.head.oops.message));
	if (state == VX_BOX_WHOLE || state == VX_BOX_TORN)
		use(reader.text, reader.head.text_bytes);
	while ((event = vx_box_next(&reader))) {
		if ((uintptr_t)event % 8 || event->size > VX_FLIGHT_EVENT_MAX)
			abort();
		use(event, event->size);
		n++;
	}
	if (n + reader.bad > UINT32_MAX || (n && n + reader.bad != reader.head.records))
		abort();
	if ((state == VX_BOX_EMPTY || state == VX_BOX_FOREIGN) && (n || reader.has_oops))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy;

	if (size < 1)
		return 0;
	/* Of its own size, so that a byte too far is seen. */
	copy = malloc(size - 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	mend(copy, size - 1, data[0]);
	read_box(copy, size - 1);
	free(copy);
	return 0;
}
