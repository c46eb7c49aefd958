/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vexprobe.ko shares with the agent about the calls of allocators that a module under test makes
 * (alloc.h, source CALLS). The host binds its symbols to wrappers (runner/scenario/bind.h) before it is loaded; the
 * wrappers write the table below, which the agent maps (mmap(2) of /dev/vexprobe, offset 0) and reads by
 * itself. Written in any context and on all CPUs at once: a reader that wants it consistent reads when the
 * target rests.
 */
#ifndef VEXLAB_CALLS_H
#define VEXLAB_CALLS_H

#include <vexlab/types.h>

/* A wrapper's name begins with this: "vexprobe_kfree" is bound in place of "kfree". */
#define VX_CALLS_PREFIX		"vexprobe_"

#define VX_CALLS_WAYS		8	/* keys of a bucket: a cache line */
#define VX_CALLS_REACH		16	/* buckets that an object may lie off its own */
#define VX_CALLS_SLOTS_MIN	(1u << 12)
#define VX_CALLS_SLOTS_MAX	(1u << 24)

struct vx_call {
	__u64 site;			/* return address of the call */
	__u64 step;			/* vx_calls.step at that moment */
	__u32 bytes;			/* asked for; cut at 4 GiB - 1 */
	__u16 kind;			/* enum vx_alloc_kind */
	__u16 pad;
};

/* First page of the mapping; the arrays lie `*_offset` bytes from its start. */
struct vx_calls {
	__u64 step;			/* the agent's: stamps what is allocated from now on */
	__u32 slots;			/* a power of two */
	__u32 pad;
	__u64 keys_offset;		/* __u64[slots]: address of an object, 0: free */
	__u64 calls_offset;		/* struct vx_call[slots], of the key at the same index */
	__u64 spill_offset;		/* __u8[slots / VX_CALLS_WAYS]: how far off the bucket's objects lie at most */
	__u64 bytes;			/* of the whole mapping */
};

/* Since vexprobe.ko was loaded, all CPUs. */
struct vx_calls_counts {
	__u64 allocs, frees;
	__u64 unknown_frees;		/* of what was not in the table */
	__u64 overflows;		/* allocations that found no room */
};

/* ioctl(2) of /dev/vexprobe. CALLS makes the table, once; later ones find the same, whatever they ask for. */
#define VX_PROBE_CALLS		_IOWR('V', 3, struct vx_calls)	/* in: slots; out: all but `step` */
#define VX_PROBE_CALLS_COUNTS	_IOR('V', 4, struct vx_calls_counts)

_Static_assert(sizeof(struct vx_call) == 24, "ABI");
_Static_assert(sizeof(struct vx_calls) == 48, "ABI");
_Static_assert(sizeof(struct vx_calls_counts) == 32, "ABI");

#endif
