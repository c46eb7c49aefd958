/* SPDX-License-Identifier: GPL-2.0 */
/* Log-linear histogram in user space; slots and bounds as in <vexlab/hist.h>. */
#ifndef VEXLAB_COMMON_HISTOGRAM_H
#define VEXLAB_COMMON_HISTOGRAM_H

#include <vexlab/hist.h>
#include <stdint.h>

struct vx_histogram {
	uint64_t slot[VX_HIST_SLOTS];
};

void vx_histogram_init(struct vx_histogram *h);
void vx_histogram_add(struct vx_histogram *h, uint64_t value);
/* An index out of range is ignored: it comes from a guest. */
void vx_histogram_add_slot(struct vx_histogram *h, uint32_t index, uint64_t count);
void vx_histogram_merge(struct vx_histogram *into, const struct vx_histogram *from);
uint64_t vx_histogram_count(const struct vx_histogram *h);
/* Nearest rank: lower bound of the slot that holds the ceil(percent/100 * count)-th smallest value; 0 if empty. */
uint64_t vx_histogram_percentile(const struct vx_histogram *h, double percent);

#endif
