/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a series has moved to another level, for good. One spike, or two in a row, is none: their values are cut to what is
 * around them before anything is looked for, and what is found must hold by ranks, which a single value cannot move.
 */
#ifndef VEXLAB_CHANGES_H
#define VEXLAB_CHANGES_H

#include <glib.h>

struct change {
	guint at;		/* first value of the new level */
	double before, after;	/* medians of the stretches on both sides */
	double p;		/* that ranks differ so much by chance */
};

struct changes_config {
	double strictness;	/* of what a mean must move by, in its own noise; 1: a handful of false ones in a thousand series */
	double alpha;		/* of the ranks on both sides, for each */
	double effect_min;	/* share of the level before; 0: any */
	guint length_min;	/* of a stretch */
};
extern const struct changes_config changes_defaults;

/* Array of struct change, in order. */
GArray *changes_find(const double *values, guint n, const struct changes_config *config);

#endif
