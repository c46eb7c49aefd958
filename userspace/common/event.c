// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "event.h"

static const size_t event_size[] = {
	[VX_EVENT_MARK] = sizeof(struct vx_event_mark),
	[VX_EVENT_FSOP] = sizeof(struct vx_event_fsop),
	[VX_EVENT_OOPS] = sizeof(struct vx_event_oops),
};
_Static_assert(sizeof(event_size) / sizeof(event_size[0]) == VX_EVENT_TYPES,
	       "every event type has a size");

void vx_event_iter_init(struct vx_event_iter *it, const void *payload, size_t len)
{
	memset(it, 0, sizeof(*it));
	it->at = payload;
	it->end = it->at + len;
}

size_t vx_event_size(unsigned int type)
{
	return type < VX_EVENT_TYPES ? event_size[type] : 0;
}

static int fsop_sane(struct vx_event_fsop *op)
{
	op->fstype[VX_FSTYPE_LEN - 1] = '\0';
	return op->op > VX_OP_NONE && op->op < VX_OP_TYPES && op->api < VX_API_TYPES;
}

int vx_oops_sane(struct vx_event_oops *oops)
{
	oops->head.comm[sizeof(oops->head.comm) - 1] = '\0';
	oops->function[sizeof(oops->function) - 1] = '\0';
	oops->module[sizeof(oops->module) - 1] = '\0';
	oops->message[sizeof(oops->message) - 1] = '\0';
	return oops->kind > VX_OOPS_NONE && oops->kind < VX_OOPS_KINDS && oops->frames <= VX_OOPS_FRAMES;
}

static int sane(struct vx_event_iter *it)
{
	it->event.head.comm[VX_TASK_COMM_LEN - 1] = '\0';
	switch (it->event.head.type) {
	case VX_EVENT_FSOP:
		return fsop_sane(&it->event.fsop);
	case VX_EVENT_OOPS:
		return vx_oops_sane(&it->event.oops);
	default:
		return 1;
	}
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

const char *vx_oops_kind_name(unsigned int kind)
{
	static const char *const names[VX_OOPS_KINDS] = {
		[VX_OOPS_DIE] = "die", [VX_OOPS_PANIC] = "panic", [VX_OOPS_NMI] = "nmi",
	};

	return word(names, VX_OOPS_KINDS, kind);
}

const char *vx_reg_name(unsigned int reg)
{
	static const char *const names[VX_REGS] = {
		[VX_REG_R15] = "R15", [VX_REG_R14] = "R14", [VX_REG_R13] = "R13", [VX_REG_R12] = "R12",
		[VX_REG_BP] = "RBP", [VX_REG_BX] = "RBX", [VX_REG_R11] = "R11", [VX_REG_R10] = "R10",
		[VX_REG_R9] = "R09", [VX_REG_R8] = "R08", [VX_REG_AX] = "RAX", [VX_REG_CX] = "RCX",
		[VX_REG_DX] = "RDX", [VX_REG_SI] = "RSI", [VX_REG_DI] = "RDI", [VX_REG_IP] = "RIP",
		[VX_REG_CS] = "CS", [VX_REG_FLAGS] = "EFLAGS", [VX_REG_SP] = "RSP", [VX_REG_SS] = "SS",
		[VX_REG_CR2] = "CR2",
	};

	return word(names, VX_REGS, reg);
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
