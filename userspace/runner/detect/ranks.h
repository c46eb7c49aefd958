/* SPDX-License-Identifier: GPL-2.0 */
/* Percentiles of guint64 by the nearest-rank method: the smallest value with at least that share at or below it. */
#ifndef VEXLAB_DETECT_RANKS_H
#define VEXLAB_DETECT_RANKS_H

#include <glib.h>

void ranks_sort(GArray *values);
/* `sorted` holds at least one. */
guint64 nearest_rank(const GArray *sorted, double share);

#endif
