/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures made by vexprobe.ko: the N-th allocation that the target makes in a thread, or that is made there on its behalf,
 * and the N-th request to its block device. Counted first (nth 0), then made one by one.
 *
 * Never failed: what asks for __GFP_NOFAIL, what is allocated in an interrupt or by another thread, what an allocator
 * needs for itself (a slab's pages), what a page fault on top of the target's code needs.
 */
#ifndef VEXLAB_INJECT_H
#define VEXLAB_INJECT_H

#include <vexlab/types.h>

enum vx_inject_what {
	VX_INJECT_ALLOC	= 1 << 0,	/* of the arming thread, with the target's code on its stack */
	VX_INJECT_READ	= 1 << 1,	/* requests to the device, of whatever thread: the target has others work for it */
	VX_INJECT_WRITE	= 1 << 2,
	VX_INJECT_FLUSH	= 1 << 3,	/* without data */
	VX_INJECT_ALL	= (1 << 4) - 1,
};
#define VX_INJECT_KINDS	4

struct vx_inject {
	__u32 what;			/* enum vx_inject_what; more than one only to be counted */
	__u32 pad;			/* 0 */
	__u64 nth;			/* from 1: fails; 0: nothing does */
	__u64 step;			/* told on the console */
	__u32 major, minor;		/* of the device; 0 0: none */
	char module[VX_NAME_LEN];	/* the target's; "": none */
	char prefix[VX_FSTYPE_LEN];	/* "ext4": functions called ext4_*, __ext4_* are the target's; "": none */
};

struct vx_injected {
	__u64 counts[VX_INJECT_KINDS];	/* of what was asked for, since it was armed: allocations, reads, writes, flushes */
	__u32 hits;			/* 0 or 1: the nth came */
	__u32 took;			/* 0 where it has had no effect: somebody else hooks the same function */
	__u32 kind;			/* one of enum vx_inject_what, of what was hit */
	__u32 missing;			/* 1: not all allocators of this kernel can be made to fail */
	__u64 sector, bytes;		/* of a request; bytes: of an allocation, where known */
	char function[VX_NAME_LEN];	/* that failed: "__kmalloc_noprof", "submit_bio_noacct" */
	char site[VX_NAME_LEN * 2];	/* the target's innermost frame: "foo_fill_super+0x12/0x34 [foo]"; "" : none */
};

/*
 * ioctl(2) of /dev/vexprobe. INJECT arms for the calling thread, in place of what was armed; INJECTED tells what has come of it
 * and disarms, as closing the descriptor does. The allocators are hooked from the first INJECT that asks for them
 * until the descriptor is closed.
 */
#define VX_PROBE_INJECT		_IOW('V', 32, struct vx_inject)
#define VX_PROBE_INJECTED	_IOR('V', 33, struct vx_injected)

/* What a line on the console begins with when something was made to fail. */
#define VX_INJECT_MARK		"vexprobe: injected "

_Static_assert(sizeof(struct vx_inject) == 32 + VX_NAME_LEN + VX_FSTYPE_LEN, "ABI");
_Static_assert(sizeof(struct vx_injected) == 64 + 3 * VX_NAME_LEN, "ABI");

#endif
