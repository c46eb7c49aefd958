// SPDX-License-Identifier: GPL-2.0
#include "inject_plan.h"

static guint64 mix(guint64 x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Where the `i`th of `parts` begins; no product of theirs, which may be too large. */
static guint64 part_start(guint64 count, guint parts, guint i)
{
	return count / parts * i + count % parts * i / parts;
}

GArray *inject_plan(guint64 count, guint max, guint64 seed)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(guint64));
	const guint n = (guint)MIN(count, (guint64)max);
	guint64 number;
	guint i;

	for (i = 0; i < n; i++) {
		const guint64 from = part_start(count, n, i), to = part_start(count, n, i + 1);

		number = from + 1 + mix(seed + i) % (to - from);
		if (i == 0)
			number = 1;
		else if (i == n - 1)
			number = count;
		g_array_append_val(ret, number);
	}
	return ret;
}
