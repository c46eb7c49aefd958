/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A metric's values as the history keeps them: sorted, at most SAMPLES_MAX of them, spread evenly over
 * the ranks where there were more, each as the difference from the one before it, seven bits a byte.
 */
#ifndef VEXLAB_SAMPLES_H
#define VEXLAB_SAMPLES_H

#include <glib.h>

#define SAMPLES_MAX	256u

/* Of `sorted` (guint64); a new array. */
GArray *samples_thin(const GArray *sorted, guint max);
GBytes *samples_pack(const GArray *sorted);
/* NULL: these bytes are not what samples_pack() makes. A database comes from anywhere. */
GArray *samples_unpack(const void *bytes, gsize len);

#endif
