// SPDX-License-Identifier: GPL-2.0
#include <math.h>

#include "poisson.h"

#define MANY	2000u		/* from here on the normal approximation is good to a thousandth of the bound's width */

/* log of the probability of exactly k where mean > 0 are expected. */
static double log_poisson(double k, double mean)
{
	return k * log(mean) - mean - lgamma(k + 1);
}

/* Of at most k: Wilson and Hilferty for large k. */
double poisson_tail(guint64 k, double mean)
{
	double sum = 0, z;
	guint64 i;

	if (mean <= 0)
		return 1;
	if (k >= MANY) {
		z = 3 * sqrt((double)k + 1) * (1 - 1 / (9 * ((double)k + 1)) - cbrt(mean / ((double)k + 1)));
		return 0.5 * erfc(-z / sqrt(2));
	}
	for (i = 0; i <= k; i++)
		sum += exp(log_poisson((double)i, mean));
	return MIN(sum, 1);
}

/* The mean for which at most `k` has the probability `p`. */
static double mean_of(guint64 k, double p)
{
	double low = 0, high = (double)k + 10 * sqrt((double)k + 1) + 10;
	guint i;

	for (i = 0; i < 60; i++) {
		const double mid = (low + high) / 2;

		if (poisson_tail(k, mid) > p)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

void poisson_bounds(guint64 events, double *low, double *high)
{
	*low = events ? mean_of(events - 1, 0.975) : 0;
	*high = events ? mean_of(events, 0.025) : 2.995732;
}

double coin_tail(guint k, guint n)
{
	double sum = 0;
	guint i;

	if (n > 1000)		/* nobody has so many checkpoints; the answer is safe */
		return k > n - n / 4 ? 0 : 1;
	for (i = k; i <= n; i++)
		sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) - n * M_LN2);
	return k ? MIN(sum, 1) : 1;
}
