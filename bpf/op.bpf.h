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
	OP_NONE,		/* the task is through with it; the entry waits for its next one */
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
	__u8 phase;			/* enum vx_phase that runs */
	__u8 stage;			/* enum op_stage */
	__u8 depth;			/* vfs_get_tree within vfs_get_tree */
	__u8 tree_failed;
	__u32 dev;			/* kernel's dev_t, 0: unknown */
};

/*
 * A task's entry stays for its next operation, which spares an insertion and a
 * removal each; the least recently used makes room for a new task.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);		/* thread id */
	__type(value, struct op);
} ops SEC(".maps");

/*
 * How many operations of types we follow run now: spares bystanders' hash
 * lookups. A map, not a variable, because slab.bpf.c shares it.
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

static __always_inline struct op *op_current(void)
{
	__u32 tid = op_tid();
	struct op *op = bpf_map_lookup_elem(&ops, &tid);

	return op && op->stage != OP_NONE ? op : NULL;
}

static __always_inline bool op_any_running(void)
{
	__u32 zero = 0, *n = bpf_map_lookup_elem(&running, &zero);

	return n && *n;
}

#endif
