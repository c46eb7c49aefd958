/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms as the BPF programs keep them, per CPU and operation: between
 * bpf/hist.bpf.h and the agent's probes.c only. All phases of an operation in
 * one value, so that a record costs one lookup and few pages.
 */
#ifndef VEXLAB_PROBE_HIST_H
#define VEXLAB_PROBE_HIST_H

#include <vexlab/event.h>
#include <vexlab/hist.h>

#define VX_PROBE_HIST_ROWS	(VX_PHASE_TYPES + 1)	/* by enum vx_phase; the last is the total */

struct vx_probe_sum {
	__u64 count;
	__u64 sum_ns;
	__u64 min_ns;			/* 0 when count is 0 */
	__u64 max_ns;
};

struct vx_probe_hist {
	struct vx_probe_sum sums[VX_PROBE_HIST_ROWS];
	__u32 slots[VX_PROBE_HIST_ROWS][VX_HIST_SLOTS];
};

_Static_assert(sizeof(struct vx_probe_hist) % 8 == 0, "per-CPU values are rounded up to 8");
_Static_assert(sizeof(struct vx_probe_hist) <= 32768, "the most a per-CPU map value can be");

#endif
