// SPDX-License-Identifier: GPL-2.0
#include "ranks.h"

static int by_value(gconstpointer a, gconstpointer b)
{
	guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

	return x < y ? -1 : x > y;
}

void ranks_sort(GArray *values)
{
	g_array_sort(values, by_value);
}

guint64 nearest_rank(const GArray *sorted, double share)
{
	guint rank = (guint)(share * sorted->len);

	if (rank < share * sorted->len)
		rank++;
	return g_array_index(sorted, guint64, CLAMP(rank, 1, sorted->len) - 1);
}
