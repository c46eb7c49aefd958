// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <zlib.h>

#include "box.h"

static uint32_t head_crc(struct vx_box head)
{
	head.crc = 0;
	return (uint32_t)crc32(0, (const Bytef *)&head, sizeof(head));
}

static int is_ours(const struct vx_box *head)
{
	return head->version == VX_BOX_VERSION && head->head_bytes == sizeof(*head) &&
	       head->crc == head_crc(*head) && head->reason > VX_BOX_NONE && head->reason < VX_BOX_REASONS &&
	       head->text_bytes <= VX_BOX_TEXT_MAX && head->text_bytes <= head->content_bytes &&
	       head->content_bytes <= UINT32_MAX &&
	       head->records <= head->content_bytes / (sizeof(struct vx_box_record) + sizeof(struct vx_event));
}

static int take_oops(struct vx_event_oops *oops)
{
	return oops->head.type == VX_EVENT_OOPS && oops->head.size == sizeof(*oops) && vx_oops_sane(oops);
}

enum vx_box_state vx_box_open(const void *data, size_t len, struct vx_box_reader *ret)
{
	const unsigned char *content = (const unsigned char *)data + sizeof(ret->head);
	struct vx_box head;
	size_t have;

	memset(ret, 0, sizeof(*ret));
	if (len < sizeof(head))
		return VX_BOX_EMPTY;
	memcpy(&head, data, sizeof(head));
	if (head.magic != VX_BOX_MAGIC)
		return VX_BOX_EMPTY;
	if (!is_ours(&head))
		return VX_BOX_FOREIGN;
	ret->head = head;
	ret->has_oops = take_oops(&ret->head.oops);
	ret->left = head.records;
	ret->at = content;
	have = len - sizeof(head);
	if (have < head.content_bytes) {
		ret->end = content + have;
		ret->head.text_bytes = 0;
		return VX_BOX_CUT;
	}
	ret->end = content + head.content_bytes - head.text_bytes;
	ret->text = (const char *)ret->end;
	return head.content_crc == (uint32_t)crc32(0, content, (uInt)head.content_bytes) ? VX_BOX_WHOLE : VX_BOX_TORN;
}

const char *vx_box_state_name(enum vx_box_state state)
{
	static const char *const names[VX_BOX_STATES] = {
		[VX_BOX_WHOLE] = "whole", [VX_BOX_EMPTY] = "empty", [VX_BOX_FOREIGN] = "of no known form",
		[VX_BOX_CUT] = "cut short", [VX_BOX_TORN] = "not what its checksum says",
	};

	return state < VX_BOX_STATES ? names[state] : "?";
}

const struct vx_event *vx_box_next(struct vx_box_reader *reader)
{
	const struct vx_event *event;

	while (reader->left && (size_t)(reader->end - reader->at) >= sizeof(reader->record)) {
		memcpy(&reader->record, reader->at, sizeof(reader->record));
		reader->at += sizeof(reader->record);
		reader->left--;
		if (reader->record.size > (size_t)(reader->end - reader->at) || reader->record.size % 8) {
			/* Where the next one would start is not known. */
			reader->bad++;
			break;
		}
		vx_event_iter_init(&reader->it, reader->at, reader->record.size);
		reader->at += reader->record.size;
		event = vx_event_iter_next(&reader->it);
		if (event && event->size == reader->record.size)
			return event;
		reader->bad++;
	}
	reader->bad += reader->left;
	reader->left = 0;
	return NULL;
}
