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
	__u32 r = 0, s;

	/* No clz in BPF; five compares beat a loop there. */
	s = (v > 0xffffffffull) << 5; v >>= s; r |= s;
	s = (v > 0xffff) << 4; v >>= s; r |= s;
	s = (v > 0xff) << 3; v >>= s; r |= s;
	s = (v > 0xf) << 2; v >>= s; r |= s;
	s = (v > 0x3) << 1; v >>= s; r |= s;
	return r | (__u32)(v >> 1);
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
