/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms kept in the kernel: they miss nothing, whatever the ring loses. */
#ifndef VEXLAB_HIST_BPF_H
#define VEXLAB_HIST_BPF_H

#include <vexlab/probe_hist.h>
#include <bpf/bpf_helpers.h>

/* Index: enum vx_op. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VX_OP_TYPES);
	__type(key, __u32);
	__type(value, struct vx_probe_hist);
} hists SEC(".maps");

/*
 * Global, not static: the verifier then walks its 32 ways once, and not once
 * for each phase of each program that emits.
 */
__noinline __u32 hist_slot(__u64 ns)
{
	return vx_hist_index(ns);
}

static __always_inline void hist_add(struct vx_probe_hist *hist, __u32 row, __u64 ns)
{
	__u32 slot = hist_slot(ns);
	struct vx_probe_sum *sum;

	if (row >= VX_PROBE_HIST_ROWS || slot >= VX_HIST_SLOTS)
		return;		/* cannot be; the verifier wants it said */
	sum = &hist->sums[row];
	if (!sum->count || ns < sum->min_ns)
		sum->min_ns = ns;
	if (ns > sum->max_ns)
		sum->max_ns = ns;
	sum->count++;
	sum->sum_ns += ns;
	hist->slots[row][slot]++;
}

#endif
