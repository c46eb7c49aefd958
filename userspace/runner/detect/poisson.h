/* SPDX-License-Identifier: GPL-2.0 */
/* What a count of rare events says of their rate. */
#ifndef VEXLAB_POISSON_H
#define VEXLAB_POISSON_H

#include <glib.h>

/*
 * Bounds of a Poisson mean of which `events` were seen: 95 % two-sided (Garwood); for none, the upper bound
 * alone at 95 %, which is 3. Relative error below 1e-6.
 */
void poisson_bounds(guint64 events, double *low, double *high);
/* The probability of at least `k` heads of `n`: a fair coin. */
double coin_tail(guint k, guint n);
/* Of at most `k` events where `mean` are expected. */
double poisson_tail(guint64 k, double mean);

#endif
