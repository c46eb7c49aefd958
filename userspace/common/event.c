// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "event.h"

static const size_t event_size[] = {
	[VX_EVENT_MARK] = sizeof(struct vx_event_mark),
	[VX_EVENT_FSOP] = sizeof(struct vx_event_fsop),
};
_Static_assert(sizeof(event_size) / sizeof(event_size[0]) == VX_EVENT_TYPES,
	       "every event type has a size");

void vx_event_iter_init(struct vx_event_iter *it, const void *payload, size_t len)
{
	memset(it, 0, sizeof(*it));
	it->at = payload;
	it->end = it->at + len;
}

static int sane(struct vx_event_iter *it)
{
	struct vx_event_fsop *op = &it->event.fsop;

	it->event.head.comm[VX_TASK_COMM_LEN - 1] = '\0';
	if (it->event.head.type != VX_EVENT_FSOP)
		return 1;
	op->fstype[VX_FSTYPE_LEN - 1] = '\0';
	return op->op > VX_OP_NONE && op->op < VX_OP_TYPES && op->api < VX_API_TYPES;
}

const struct vx_event *vx_event_iter_next(struct vx_event_iter *it)
{
	struct vx_event head;

	while ((size_t)(it->end - it->at) >= sizeof(head)) {
		memcpy(&head, it->at, sizeof(head));
		if (head.size < sizeof(head) || head.size % 8 ||
		    head.size > (size_t)(it->end - it->at)) {
			it->bad++;
			it->at = it->end;
			return NULL;
		}
		if (head.type > VX_EVENT_NONE && head.type < VX_EVENT_TYPES &&
		    head.size == event_size[head.type]) {
			memcpy(&it->event, it->at, head.size);
			it->at += head.size;
			if (sane(it))
				return &it->event.head;
		} else {
			it->at += head.size;
		}
		it->bad++;
	}
	it->bad += it->at != it->end;
	it->at = it->end;
	return NULL;
}

static const char *word(const char *const *names, unsigned int n, unsigned int i)
{
	return i < n && names[i] ? names[i] : "?";
}

const char *vx_op_name(unsigned int op)
{
	static const char *const names[VX_OP_TYPES] = {
		[VX_OP_MOUNT] = "mount", [VX_OP_UMOUNT] = "umount",
	};

	return word(names, VX_OP_TYPES, op);
}

const char *vx_api_name(unsigned int api)
{
	static const char *const names[VX_API_TYPES] = {
		[VX_API_MOUNT] = "mount", [VX_API_FSMOUNT] = "fsmount",
		[VX_API_UMOUNT] = "umount", [VX_API_OTHER] = "other",
	};

	return word(names, VX_API_TYPES, api);
}

const char *vx_phase_name(unsigned int phase)
{
	static const char *const names[VX_PHASE_TYPES] = {
		[VX_PHASE_OTHER] = "other", [VX_PHASE_PARSE] = "parse",
		[VX_PHASE_GET_TREE] = "get_tree", [VX_PHASE_FILL_SUPER] = "fill_super",
		[VX_PHASE_ATTACH] = "attach", [VX_PHASE_DETACH] = "detach",
		[VX_PHASE_SYNC] = "sync", [VX_PHASE_EVICT] = "evict",
		[VX_PHASE_PUT_SUPER] = "put_super", [VX_PHASE_KILL_SB] = "kill_sb",
		[VX_PHASE_DEFERRED] = "deferred",
	};

	return word(names, VX_PHASE_TYPES, phase);
}
