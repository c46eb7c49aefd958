// SPDX-License-Identifier: GPL-2.0
/* A guest's report on locks, and the search for circles in it: what is told refers to what is there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "locks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_circle(void *ctx, const struct lockorder_edge *const *edges, size_t n)
{
	const struct lock_report *report = ctx;
	size_t i;

	if (n < 2 || n > LOCKORDER_CIRCLE_MAX)
		abort();
	for (i = 0; i < n; i++)
		if (edges[i]->user >= report->orders->len || edges[i]->inner != edges[(i + 1) % n]->outer)
			abort();
}

static void check(const struct lock_report *report)
{
	struct lockorder_edge *edges = g_new(struct lockorder_edge, report->orders->len + 1);
	guint i, k;

	for (i = 0; i < report->orders->len; i++) {
		const struct lock_order *order = g_ptr_array_index(report->orders, i);

		if (!lock_report_site(report, order->outer_site) || !lock_report_site(report, order->inner_site))
			abort();
		for (k = 0; k < order->stack.n; k++)
			g_free(lock_frame_function(order->stack.text[k])), g_free(lock_frame_module(order->stack.text[k]));
		edges[i] = order->edge;
	}
	for (i = 0; i < report->held->len; i++)
		if (!lock_report_site(report, g_array_index(report->held, struct lock_held, i).site))
			abort();
	lockorder_circles(edges, report->orders->len, on_circle, (void *)report);
	lockorder_circles(edges, lockorder_prune(edges, report->orders->len), on_circle, (void *)report);
	g_free(edges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lock_report *report = lock_report_parse((const char *)data, size);

	check(report);
	lock_report_free(report);
	return 0;
}
