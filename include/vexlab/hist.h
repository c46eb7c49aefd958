/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Log-linear histogram, the same in BPF and on the host: each power of two is
 * cut into 2^VX_HIST_BITS equal slots, so a value is known within
 * 1 / 2^VX_HIST_BITS (6.25 %) whatever its size. The layout is HdrHistogram's
 * (hdrhistogram.org) with unit magnitude 0.
 */
#ifndef VEXLAB_HIST_H
#define VEXLAB_HIST_H

#include <vexlab/types.h>

#define VX_HIST_BITS	4
#define VX_HIST_SUB	(1u << VX_HIST_BITS)
/* Values up to 2^VX_HIST_MAX_LOG2 ns (18 minutes); longer ones land in the last slot. */
#define VX_HIST_MAX_LOG2 40
#define VX_HIST_SLOTS	((VX_HIST_MAX_LOG2 - VX_HIST_BITS + 1) * VX_HIST_SUB)

/* One histogram. Zero is empty. */
struct vx_hist {
	__u64 count;
	__u64 sum_ns;
	__u64 min_ns;			/* 0 when count is 0 */
	__u64 max_ns;
	__u64 slots[VX_HIST_SLOTS];
};

static inline __u32 vx_log2(__u64 v)
{
	__u32 r = 0;

	/*
	 * No clz in BPF. Jumps, and a compiler that must keep them (the empty
	 * asm): without, BPF spells each step out as two jumps and four moves.
	 */
#define VX_LOG2_STEP(bits)				\
	if (v >> (bits)) {				\
		__asm__ __volatile__("" : "+r"(v));	\
		v >>= (bits);				\
		r += (bits);				\
	}
	VX_LOG2_STEP(32)
	VX_LOG2_STEP(16)
	VX_LOG2_STEP(8)
	VX_LOG2_STEP(4)
	VX_LOG2_STEP(2)
	VX_LOG2_STEP(1)
#undef VX_LOG2_STEP
	return r;
}

static inline __u32 vx_hist_index(__u64 v)
{
	__u32 log2, index;

	if (v < VX_HIST_SUB)
		return (__u32)v;
	log2 = vx_log2(v);
	index = (log2 - VX_HIST_BITS + 1) * VX_HIST_SUB +
		(__u32)((v >> (log2 - VX_HIST_BITS)) & (VX_HIST_SUB - 1));
	return index < VX_HIST_SLOTS ? index : VX_HIST_SLOTS - 1;
}

/* Smallest value that lands in slot `index`. */
static inline __u64 vx_hist_low(__u32 index)
{
	__u32 group = index / VX_HIST_SUB, sub = index % VX_HIST_SUB;

	if (!group)
		return sub;
	return ((__u64)VX_HIST_SUB + sub) << (group - 1);
}

#endif
