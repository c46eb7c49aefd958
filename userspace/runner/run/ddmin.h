/* SPDX-License-Identifier: GPL-2.0 */
/* Delta debugging: the smallest list that still shows something (Zeller, Hildebrandt: ddmin). Knows nothing of what is listed. */
#ifndef VEXLAB_DDMIN_H
#define VEXLAB_DDMIN_H

#include <glib.h>

/* Does the subset show it? FALSE with `error`: it cannot be tried any more. */
typedef gboolean (*ddmin_test)(void *ctx, const GPtrArray *subset, gboolean *shows, GError **error);

/*
 * `items` shows it, which is not tried again. At most `tries` tests, none after `deadline` (monotonic, us; 0: none).
 * *ret: a subset in the same order, no element of which can be left out if there were tries enough; borrows the elements.
 * On failure *ret is what was found until then.
 */
gboolean ddmin(const GPtrArray *items, ddmin_test test, void *ctx, guint tries, gint64 deadline, GPtrArray **ret,
	       GError **error);

#endif
