/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics, and nothing of vexlab. Samples are doubles sorted ascending; no NaN.
 */
#ifndef VEXLAB_STATS_H
#define VEXLAB_STATS_H

#include <glib.h>

/* P(Z > z), and the z with P(Z > z) = p. */
double stats_normal_tail(double z);
double stats_normal_point(double p);
/* Student's t with `df` > 0 degrees of freedom: P(T > t), and the t with P(T > t) = p, 0 < p <= 0.5. */
double stats_t_tail(double t, double df);
double stats_t_point(double p, double df);

/* Wilson's interval for a share: `good` of `all` (> 0), each bound with probability `p` beyond it. */
void stats_wilson(double good, double all, double p, double *low, double *high);

/* Linear between order statistics. `n` > 0. */
double stats_quantile(const double *sorted, gsize n, double q);
/* Spread that outliers do not move: 1.4826 times the median distance from the median. */
double stats_mad(const double *values, gsize n);
void stats_sort(double *values, gsize n);

/* Mann and Whitney's test of `y` against `x`. */
struct rank_test {
	double u;		/* pairs with y > x, ties half */
	double delta;		/* Cliff's: P(y > x) - P(y < x) */
	double p_greater;	/* by chance at least so many pairs have y > x */
	double p_two_sided;
	gboolean exact;		/* else by the normal distribution, with ties corrected */
};
#define RANK_EXACT_MAX	40u	/* samples of both together */
void rank_test(const double *x, gsize nx, const double *y, gsize ny, struct rank_test *ret);

/*
 * Hodges and Lehmann's shift of `y` against `x`, the median of all differences, with the interval that has it with
 * probability 1 - 2p if the samples are independent. nx, ny > 0.
 */
struct rank_shift {
	double shift, low, high;
};
void rank_shift(const double *x, gsize nx, const double *y, gsize ny, double p, struct rank_shift *ret);

/* Holm's correction: p[i] becomes the level at which i is still rejected among all. `weight` NULL: all alike. */
void stats_holm(double *p, const double *weight, gsize n);

#endif
