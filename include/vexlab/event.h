/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events: facts with a timestamp, produced once in the guest kernel, immutable
 * from there on. BPF writes them into the ring buffer, the agent forwards the
 * bytes as they are, the host checks and reads them. Little endian, 8-byte
 * aligned, no implicit padding.
 *
 * An event on the wire is `struct vx_event` followed by its type's payload;
 * `size` counts both. A reader checks `size` against the table of its type
 * before it looks at the payload (userspace/common/event.c).
 */
#ifndef VEXLAB_EVENT_H
#define VEXLAB_EVENT_H

#include <vexlab/types.h>

enum vx_event_type {
	VX_EVENT_NONE	= 0,
	VX_EVENT_MARK	= 1,	/* struct vx_event_mark: calibration and benchmarks */
	VX_EVENT_FSOP	= 2,	/* struct vx_event_fsop: one mount or unmount */
	VX_EVENT_OOPS	= 3,	/* struct vx_event_oops: the kernel died, or one of its tasks */
	VX_EVENT_TYPES,		/* keep last */
};

/* Common head of every event. 48 bytes. */
struct vx_event {
	__u16 type;			/* enum vx_event_type */
	__u16 size;			/* bytes, head included; multiple of 8 */
	__u32 cpu;			/* where it was emitted */
	__u64 ts;			/* CLOCK_MONOTONIC of the guest, ns, at emission */
	__u32 pid;			/* thread id in the initial pid namespace */
	__u32 tgid;			/* process id */
	__u64 step;			/* agent's step id, 0: outside any step */
	char comm[VX_TASK_COMM_LEN];	/* NUL-terminated by the kernel; check anyway */
};

struct vx_event_mark {
	struct vx_event head;
	__u64 seq;			/* counts up by one per producer */
	__u64 cookie;			/* chosen by whoever asked for the mark */
};

enum vx_op {
	VX_OP_NONE	= 0,
	VX_OP_MOUNT	= 1,
	VX_OP_UMOUNT	= 2,
	VX_OP_TYPES,
};

/* Which door the operation came in by. */
enum vx_api {
	VX_API_NONE	= 0,
	VX_API_MOUNT	= 1,	/* mount(2) */
	VX_API_FSMOUNT	= 2,	/* fsopen, fsconfig, fsmount, move_mount */
	VX_API_UMOUNT	= 3,	/* umount2(2) */
	VX_API_OTHER	= 4,	/* last reference dropped elsewhere (close, namespace exit, worker) */
	VX_API_TYPES,
};

/*
 * Phases are exclusive: no nanosecond is counted in two of them, and what is
 * in none is VX_PHASE_OTHER, so that they add up to `total_ns`, but for
 * VX_PHASE_DEFERRED, which lies after the call returned.
 */
enum vx_phase {
	VX_PHASE_OTHER		= 0,
	/* mount */
	VX_PHASE_PARSE		= 1,	/* context set up, options parsed */
	VX_PHASE_GET_TREE	= 2,	/* vfs_get_tree without fill_super: open the device, find or make the super block */
	VX_PHASE_FILL_SUPER	= 3,	/* the filesystem's own: from the super block in hand to get_tree's return */
	VX_PHASE_ATTACH		= 4,	/* after get_tree: checks, vfsmount, into the mount tree */
	/* unmount */
	VX_PHASE_DETACH		= 5,	/* out of the mount tree */
	VX_PHASE_SYNC		= 6,	/* sync_filesystem */
	VX_PHASE_EVICT		= 7,	/* dentries and inodes evicted */
	VX_PHASE_PUT_SUPER	= 8,	/* rest of generic_shutdown_super: the filesystem's put_super */
	VX_PHASE_KILL_SB	= 9,	/* rest of kill_sb: device released, what kill_sb does around it */
	VX_PHASE_DEFERRED	= 10,	/* done for this super block after the call had returned */
	VX_PHASE_TYPES,
};

enum vx_fsop_flags {
	VX_FSOP_NEW_SB		= 1 << 0,	/* mount: made a super block; unmount: destroyed it */
	VX_FSOP_SLAB_VALID	= 1 << 1,	/* slab_* were measured */
	VX_FSOP_IOWAIT_VALID	= 1 << 2,	/* blkio_wait_ns was measured (delay accounting on) */
	VX_FSOP_IO_VALID	= 1 << 3,	/* io_* were measured */
	VX_FSOP_OFFCPU_VALID	= 1 << 4,	/* offcpu_ns was measured */
	VX_FSOP_DEFERRED	= 1 << 5,	/* work went on after the call returned; phase DEFERRED holds it */
	VX_FSOP_ABANDONED	= 1 << 6,	/* new API: context closed before it was attached */
	VX_FSOP_FILL_SUPER_SEEN	= 1 << 7,	/* GET_TREE and FILL_SUPER are really told apart */
};

/* One mount or unmount. `total_ns` is what the caller waited for. */
struct vx_event_fsop {
	struct vx_event head;
	__u8 op;			/* enum vx_op */
	__u8 api;			/* enum vx_api */
	__u16 flags;			/* enum vx_fsop_flags */
	__s32 err;			/* 0 or -errno */
	__u64 start_ns;			/* CLOCK_MONOTONIC at first entry */
	__u64 total_ns;			/* ns inside the call or, new API, inside its calls together */
	__u64 span_ns;			/* new API: first entry to last return; else total_ns */
	__u64 phase_ns[VX_PHASE_TYPES];	/* ns, by enum vx_phase */
	__u64 offcpu_ns;		/* ns off CPU (blocked or preempted), fill_super and all */
	__u64 phase_offcpu_ns[VX_PHASE_TYPES]; /* of that, by phase */
	__u64 blkio_wait_ns;		/* ns the task waited for block I/O */
	__u32 io_reads, io_writes;	/* requests issued to the device or by the task */
	__u64 io_read_bytes, io_write_bytes;
	__s64 slab_bytes;		/* slab bytes allocated minus freed by the task meanwhile */
	__u32 slab_allocs, slab_frees;
	__u32 dev_major, dev_minor;	/* s_dev; 0:0 unknown */
	char fstype[VX_FSTYPE_LEN];	/* file_system_type.name, cut */
};

enum vx_oops_kind {
	VX_OOPS_NONE	= 0,
	VX_OOPS_DIE	= 1,	/* die(): an Oops, a BUG, a protection fault */
	VX_OOPS_PANIC	= 2,	/* panic() */
	VX_OOPS_NMI	= 3,	/* nobody died: where a CPU was when the host sent an NMI */
	VX_OOPS_KINDS,
};

enum vx_oops_flags {
	VX_OOPS_REGS_VALID	= 1 << 0,	/* all registers; else ip, sp and bp at most */
	VX_OOPS_FATAL		= 1 << 1,	/* a panic follows for certain, or this is it */
	VX_OOPS_STACK_CUT	= 1 << 2,	/* there were more frames */
};

enum vx_reg {
	VX_REG_R15, VX_REG_R14, VX_REG_R13, VX_REG_R12, VX_REG_BP, VX_REG_BX, VX_REG_R11, VX_REG_R10,
	VX_REG_R9, VX_REG_R8, VX_REG_AX, VX_REG_CX, VX_REG_DX, VX_REG_SI, VX_REG_DI,
	VX_REG_IP, VX_REG_CS, VX_REG_FLAGS, VX_REG_SP, VX_REG_SS, VX_REG_CR2,
	VX_REGS,
};

#define VX_OOPS_FRAMES	32
#define VX_OOPS_MESSAGE	128

/* Told by kmod-probe's notifiers. Its head's task is the one that was running. */
struct vx_event_oops {
	struct vx_event head;
	__u8 kind;			/* enum vx_oops_kind */
	__u8 flags;			/* enum vx_oops_flags */
	__u16 frames;			/* of `stack` in use */
	__s32 err;			/* the exception's error code; page fault: bit 0 protection, 1 write, 4 fetch */
	__u32 trap;			/* the exception's number, 14: page fault */
	__u32 offset;			/* of `ip` in `function`, bytes */
	__u64 ip;			/* where it happened; 0: unknown, or a jump to NULL (then `trap` is 14) */
	__u32 size;			/* of `function`, bytes */
	__s32 signal;			/* die(): what the task would get */
	__u64 regs[VX_REGS];		/* by enum vx_reg */
	__u64 stack[VX_OOPS_FRAMES];	/* return addresses, innermost first, `ip` included */
	char function[VX_NAME_LEN];	/* "" unknown */
	char module[56];		/* whose function; "" the kernel's own */
	char message[VX_OOPS_MESSAGE];	/* cut */
};

#ifdef __cplusplus
#error "C only"
#endif
_Static_assert(sizeof(struct vx_event) == 48, "event head is ABI");
_Static_assert(sizeof(struct vx_event_mark) == 64, "mark is ABI");
_Static_assert(sizeof(struct vx_event_fsop) == 336, "fsop is ABI");
_Static_assert(sizeof(struct vx_event_oops) == 752, "oops is ABI");

#endif
