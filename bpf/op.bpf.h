/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mount or unmount under way, and which task works on it: the state that the
 * groups of programs share.
 */
#ifndef VEXLAB_OP_BPF_H
#define VEXLAB_OP_BPF_H

#include <vexlab/event.h>
#include "core_fixes.bpf.h"

enum op_stage {
	OP_NONE,		/* the place is free */
	OP_ENTERED,		/* in the system call, filesystem type not known yet */
	OP_MATCHED,		/* it is one of those we follow */
	OP_CLEANUP_QUEUED,	/* umount has returned; cleanup_mnt comes before user mode does */
	OP_CLEANUP,		/* in cleanup_mnt */
	OP_TAIL,		/* all but over: task work that it queued still comes before user mode */
	OP_LAST_PUT,		/* in deactivate_locked_super, by no umount of this task */
};

struct op {
	struct vx_event_fsop rec;	/* zeroed word by word: a multiple of 8 bytes */
	__u64 last_ns;			/* the last boundary, on each clock */
	struct fix_run_clock last_run;
	__u64 blkio_ns;			/* task's counter when it took up the operation */
	__u64 key;			/* struct fs_context or struct vfsmount */
	__u64 sb;
	__u64 type;			/* struct file_system_type, 0: none found */
	__u32 tid;			/* whose it is */
	__u32 dev;			/* kernel's dev_t, 0: unknown */
	__u8 phase;			/* enum vx_phase that runs */
	__u8 stage;			/* enum op_stage */
	__u8 depth;			/* vfs_get_tree within vfs_get_tree */
	__u8 tree_failed;
	__u32 pad;
};

/*
 * A table hashed by thread id, two places for each: an array, because a lookup
 * in it is a few instructions in place where a hash map's is a hundred, and
 * because nothing is ever inserted or removed. Whose places are both taken by
 * others is not followed, which is counted.
 */
#define OP_BITS	9

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << OP_BITS);
	__type(key, __u32);
	__type(value, struct op);
} ops SEC(".maps");

/*
 * How many operations of types we follow run now: spares bystanders the lookup.
 * A map, not a variable, because slab.bpf.c shares it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} running SEC(".maps");

static __always_inline __u32 op_tid(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

static __always_inline __u32 op_place(__u32 tid)
{
	return tid * 0x9e3779b1u >> (32 - OP_BITS);
}

static __always_inline struct op *op_of(__u32 tid)
{
	__u32 place = op_place(tid);
	struct op *op = bpf_map_lookup_elem(&ops, &place);

	if (op && op->tid == tid && op->stage != OP_NONE)
		return op;
	place ^= 1;
	op = bpf_map_lookup_elem(&ops, &place);
	if (op && op->tid == tid && op->stage != OP_NONE)
		return op;
	return NULL;
}

static __always_inline struct op *op_current(void)
{
	return op_of(op_tid());
}

static __always_inline bool op_any_running(void)
{
	__u32 zero = 0, *n = bpf_map_lookup_elem(&running, &zero);

	return n && *n;
}

#endif
