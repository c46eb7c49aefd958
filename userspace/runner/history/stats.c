// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

#define HALVINGS	80
#define FRACTION_STEPS	300
#define FEW		12	/* sorted by inserting */

double stats_normal_tail(double z)
{
	return 0.5 * erfc(z / M_SQRT2);
}

double stats_normal_point(double p)
{
	double low = -40, high = 40;
	int i;

	for (i = 0; i < HALVINGS; i++) {
		const double mid = (low + high) / 2;

		if (stats_normal_tail(mid) > p)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

/* Lentz's continued fraction of the incomplete beta function. */
static double beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;
	int m;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	h = d;
	for (m = 1; m < FRACTION_STEPS; m++) {
		const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		h *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = d * c;
		h *= step;
		if (fabs(step - 1) < 1e-15)
			break;
	}
	return h;
}

/* lgamma() writes to a global. */
static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

static double incomplete_beta(double a, double b, double x)
{
	double front;

	if (x <= 0 || x >= 1)
		return x <= 0 ? 0 : 1;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double stats_t_tail(double t, double df)
{
	const double half = 0.5 * incomplete_beta(df / 2, 0.5, df / (df + t * t));

	return t >= 0 ? half : 1 - half;
}

double stats_t_point(double p, double df)
{
	double low = 0, high = 1;
	int i;

	while (stats_t_tail(high, df) > p && high < 1e12)
		high *= 2;
	for (i = 0; i < HALVINGS; i++) {
		const double mid = (low + high) / 2;

		if (stats_t_tail(mid, df) > p)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

void stats_wilson(double good, double all, double p, double *low, double *high)
{
	const double z = stats_normal_point(p), share = good / all;
	const double middle = (share + z * z / (2 * all)) / (1 + z * z / all);
	const double half = z / (1 + z * z / all) * sqrt(share * (1 - share) / all + z * z / (4 * all * all));

	*low = good <= 0 ? 0 : fmax(middle - half, 0);
	*high = good >= all ? 1 : fmin(middle + half, 1);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void stats_sort(double *values, gsize n)
{
	gsize i, k;

	if (n > FEW) {
		qsort(values, n, sizeof(*values), by_value);
		return;
	}
	for (i = 1; i < n; i++) {
		const double value = values[i];

		for (k = i; k > 0 && values[k - 1] > value; k--)
			values[k] = values[k - 1];
		values[k] = value;
	}
}

double stats_quantile(const double *sorted, gsize n, double q)
{
	const double at = q * (double)(n - 1);
	const gsize i = MIN((gsize)at, n - 1);

	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

double stats_mad(const double *values, gsize n)
{
	g_autofree double *copy = g_memdup2(values, n * sizeof(*values));
	double median;
	gsize i;

	if (!n)
		return 0;
	stats_sort(copy, n);
	median = stats_quantile(copy, n, .5);
	for (i = 0; i < n; i++)
		copy[i] = fabs(copy[i] - median);
	stats_sort(copy, n);
	return 1.4826 * stats_quantile(copy, n, .5);
}

struct ranked {
	double value, p;
	gsize index;
};

static int by_ratio(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

void stats_holm(double *p, const double *weight, gsize n)
{
	g_autofree struct ranked *order = g_new(struct ranked, n);
	double left = 0, reached = 0;
	gsize i;

	for (i = 0; i < n; i++) {
		const double w = weight ? weight[i] : 1;

		order[i] = (struct ranked){ .value = p[i] / w, .index = i };
		left += w;
	}
	qsort(order, n, sizeof(*order), by_ratio);
	for (i = 0; i < n; i++) {
		reached = fmax(reached, fmin(1, order[i].value * left));
		p[order[i].index] = reached;
		left -= weight ? weight[order[i].index] : 1;
	}
}
