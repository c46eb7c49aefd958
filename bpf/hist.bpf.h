/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms kept in the kernel: they miss nothing, whatever the ring loses. */
#ifndef VEXLAB_HIST_BPF_H
#define VEXLAB_HIST_BPF_H

#include <vexlab/event.h>
#include <vexlab/hist.h>
#include <bpf/bpf_helpers.h>

#define VX_HISTS_PER_OP	(VX_PHASE_TYPES + 1)	/* the last one is the total */

/* Index: op * VX_HISTS_PER_OP + phase. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VX_OP_TYPES * VX_HISTS_PER_OP);
	__type(key, __u32);
	__type(value, struct vx_hist);
} hists SEC(".maps");

/*
 * Global, not static: the verifier then walks it once and not once a call,
 * which was half a second of loading for each program that emits.
 */
__noinline int hist_add(__u32 op, __u32 phase, __u64 ns)
{
	__u32 key = op * VX_HISTS_PER_OP + phase, slot;
	struct vx_hist *hist = bpf_map_lookup_elem(&hists, &key);

	if (!hist)
		return 0;
	slot = vx_hist_index(ns);
	if (slot >= VX_HIST_SLOTS)	/* cannot be; the verifier wants it said */
		return 0;
	if (!hist->count || ns < hist->min_ns)
		hist->min_ns = ns;
	if (ns > hist->max_ns)
		hist->max_ns = ns;
	hist->count++;
	hist->sum_ns += ns;
	hist->slots[slot]++;
	return 0;
}

#endif
