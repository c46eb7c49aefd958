// SPDX-License-Identifier: GPL-2.0
#include "ddmin.h"

struct search {
	ddmin_test test;
	void *ctx;
	guint tries;
	gint64 deadline;
};

/* Without the elements from `from` to before `to`. */
static GPtrArray *without(const GPtrArray *items, guint from, guint to)
{
	GPtrArray *rest = g_ptr_array_sized_new(items->len);
	guint i;

	for (i = 0; i < items->len; i++)
		if (i < from || i >= to)
			g_ptr_array_add(rest, g_ptr_array_index(items, i));
	return rest;
}

static gboolean may_try(const struct search *s)
{
	return s->tries && (!s->deadline || g_get_monotonic_time() < s->deadline);
}

/* One pass over `*items` by pieces of `size`, each left out if it can be. *shrunk: one was. */
static gboolean pass(struct search *s, GPtrArray **items, guint size, gboolean *shrunk, GError **error)
{
	guint at = 0;

	while (at < (*items)->len && (*items)->len > 1 && may_try(s)) {
		g_autoptr(GPtrArray) rest = without(*items, at, MIN(at + size, (*items)->len));
		gboolean shows = FALSE;

		if (!rest->len)
			return TRUE;
		s->tries--;
		if (!s->test(s->ctx, rest, &shows, error))
			return FALSE;
		if (shows) {
			g_ptr_array_unref(*items);
			*items = g_steal_pointer(&rest);
			*shrunk = TRUE;
		} else {
			at += size;
		}
	}
	return TRUE;
}

gboolean ddmin(const GPtrArray *all, ddmin_test test, void *ctx, guint tries, gint64 deadline, GPtrArray **ret,
	       GError **error)
{
	struct search s = { test, ctx, tries, deadline };
	GPtrArray *items = without(all, 0, 0);
	guint size = MAX(items->len / 2, 1);
	gboolean ok = TRUE, shrunk;

	/* Complements only: what leaves half of a sequence of operations out is its other half. */
	while (ok && items->len > 1 && may_try(&s)) {
		shrunk = FALSE;
		ok = pass(&s, &items, size, &shrunk, error);
		if (size == 1 && !shrunk)
			break;
		size = MAX(MIN(size / 2, items->len / 2), 1);
	}
	*ret = items;
	return ok;
}
