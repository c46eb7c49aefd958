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
	__u32 who;			/* thread id + 1; 0: the place is free */
	__u32 dev;			/* kernel's dev_t, 0: unknown */
	__u8 phase;			/* enum vx_phase that runs */
	__u8 stage;			/* enum op_stage */
	__u8 depth;			/* vfs_get_tree within vfs_get_tree */
	__u8 tree_failed;
	__u32 pad;
};

/*
 * All that are under way, hashed by thread id, two places for each; nothing is
 * ever inserted or removed. Whose places are both taken by others is not
 * followed, which is counted.
 */
#define OP_BITS	9

struct op_table {
	/* How many operations of types we follow run now: spares bystanders the search. */
	__u32 running;
	__u32 pad;
	struct op ops[1 << OP_BITS];
};

static __always_inline __u32 op_place(__u32 tid)
{
	return tid * 0x9e3779b1u >> (32 - OP_BITS);
}

/* The other place of those whose first one is `place`. */
static __always_inline __u32 op_other_place(__u32 place)
{
	return (place ^ 1) & ((1 << OP_BITS) - 1);	/* the verifier wants the bound said */
}

static __always_inline struct op *op_in(struct op_table *table, __u32 tid)
{
	__u32 place = op_place(tid);
	struct op *op = &table->ops[place];

	if (op->who != tid + 1) {
		op = &table->ops[op_other_place(place)];
		if (op->who != tid + 1)
			return NULL;
	}
	/* Or the compiler reckons the address out again at each use. */
	barrier_var(op);
	return op;
}

#endif
