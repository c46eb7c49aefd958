// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "histogram.h"

void vx_histogram_init(struct vx_histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void vx_histogram_add(struct vx_histogram *h, uint64_t value)
{
	h->slot[vx_hist_index(value)]++;
}

void vx_histogram_add_slot(struct vx_histogram *h, uint32_t index, uint64_t count)
{
	if (index < VX_HIST_SLOTS)
		h->slot[index] += count;
}

void vx_histogram_merge(struct vx_histogram *into, const struct vx_histogram *from)
{
	uint32_t i;

	for (i = 0; i < VX_HIST_SLOTS; i++)
		into->slot[i] += from->slot[i];
}

uint64_t vx_histogram_count(const struct vx_histogram *h)
{
	uint64_t count = 0;
	uint32_t i;

	for (i = 0; i < VX_HIST_SLOTS; i++)
		count += h->slot[i];
	return count;
}

uint64_t vx_histogram_percentile(const struct vx_histogram *h, double percent)
{
	/* This way round: 7 percent of 100 are exactly 7. */
	double want = percent * (double)vx_histogram_count(h) / 100;
	uint64_t seen = 0;
	uint32_t i;

	for (i = 0; i < VX_HIST_SLOTS; i++) {
		seen += h->slot[i];
		if (h->slot[i] && (double)seen >= want)
			return vx_hist_low(i);
	}
	return 0;
}
