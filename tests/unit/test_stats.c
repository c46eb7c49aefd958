// SPDX-License-Identifier: GPL-2.0
/* Statistics against values from tables, and against all arrangements counted one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

#define near(a, b, within) assert_true(fabs((a) - (b)) <= (within))

static void distributions(void **state)
{
	double low, high;

	/* Tables of the normal distribution and of Student's t. */
	near(stats_normal_tail(1.959963985), .025, 1e-10);
	near(stats_normal_point(.001), 3.090232306, 1e-8);
	near(stats_t_point(.025, 10), 2.228138852, 1e-8);
	near(stats_t_point(.025, 1), 12.70620474, 1e-7);
	near(stats_t_point(.0005, 4), 8.610301581, 1e-7);
	near(stats_t_point(.05, 30), 1.697260887, 1e-8);
	near(stats_t_tail(-2.228138852, 10), .975, 1e-9);
	near(stats_t_tail(0, 5), .5, 1e-12);
	/* Of one degree of freedom the tail has a closed form. */
	near(stats_t_tail(3, 1), .5 - atan(3) / M_PI, 1e-12);
	/* Wilson's own example: none of ten, and all of ten. */
	stats_wilson(0, 10, .025, &low, &high);
	near(low, 0, 1e-12);
	near(high, .2775328, 1e-6);
	stats_wilson(10, 10, .025, &low, &high);
	near(low, .7224672, 1e-6);
	near(high, 1, 1e-12);
	stats_wilson(8, 10, .025, &low, &high);
	near(low, .4901625, 1e-6);
	near(high, .9433178, 1e-6);
}

static void correction(void **state)
{
	double p[] = { .01, .04, .03, .005 }, weighted[] = { .01, .04 };
	const double weight[] = { 3, 1 };

	/* Holm's own example of four: 0.005 x 4, 0.01 x 3, 0.03 x 2, and not less than the one before. */
	stats_holm(p, NULL, 4);
	near(p[3], .02, 1e-12);
	near(p[0], .03, 1e-12);
	near(p[2], .06, 1e-12);
	near(p[1], .06, 1e-12);
	stats_holm(weighted, weight, 2);
	near(weighted[0], .01 / 3 * 4, 1e-12);
	near(weighted[1], .04, 1e-12);
}

static void quantiles(void **state)
{
	const double values[] = { 1, 2, 3, 4, 100 };

	near(stats_quantile(values, 5, .5), 3, 1e-12);
	near(stats_quantile(values, 5, .25), 2, 1e-12);
	near(stats_quantile(values, 5, 1), 100, 1e-12);
	near(stats_quantile(values, 4, .5), 2.5, 1e-12);
	/* Medians of 2, 1, 0, 1, 97: the outlier does not count. */
	near(stats_mad(values, 5), 1.4826, 1e-9);
}

/* ---- Mann and Whitney ---------------------------------------------------------------- */

static double pairs(const double *x, guint nx, const double *y, guint ny)
{
	double u = 0;
	guint i, j;

	for (i = 0; i < nx; i++)
		for (j = 0; j < ny; j++)
			u += y[j] > x[i] ? 1 : y[j] == x[i] ? .5 : 0;
	return u;
}

/* Every way to tell which of the values are y's: how many have at least, and at most, as many pairs. */
static void by_counting(const double *x, guint nx, const double *y, guint ny, double *greater, double *two_sided)
{
	const guint n = nx + ny;
	const double u = pairs(x, nx, y, ny);
	double all[16], a[16], b[16], ways = 0, above = 0, below = 0;
	guint mask, i;

	memcpy(all, x, nx * sizeof(*x));
	memcpy(all + nx, y, ny * sizeof(*y));
	for (mask = 0; mask < 1u << n; mask++) {
		guint na = 0, nb = 0;
		double v;

		if ((guint)__builtin_popcount(mask) != ny)
			continue;
		for (i = 0; i < n; i++)
			*(mask >> i & 1 ? &b[nb++] : &a[na++]) = all[i];
		v = pairs(a, na, b, nb);
		ways++;
		above += v >= u;
		below += v <= u;
	}
	*greater = above / ways;
	*two_sided = fmin(1, 2 * fmin(above, below) / ways);
}

static void exact_is_what_counting_gives(void **state)
{
	GRand *rand = g_rand_new_with_seed(1);
	guint round, i;

	for (round = 0; round < 60; round++) {
		const guint nx = 1 + (guint)g_rand_int_range(rand, 0, 6), ny = 1 + (guint)g_rand_int_range(rand, 0, 6);
		/* Few different values: ties in most rounds. */
		const gint kinds = g_rand_int_range(rand, 2, 20);
		double x[6], y[6], greater, two_sided;
		struct rank_test test;

		for (i = 0; i < nx; i++)
			x[i] = g_rand_int_range(rand, 0, kinds);
		for (i = 0; i < ny; i++)
			y[i] = g_rand_int_range(rand, 0, kinds);
		stats_sort(x, nx);
		stats_sort(y, ny);
		rank_test(x, nx, y, ny, &test);
		by_counting(x, nx, y, ny, &greater, &two_sided);
		assert_true(test.exact);
		near(test.u, pairs(x, nx, y, ny), 1e-9);
		near(test.delta, 2 * test.u / (nx * ny) - 1, 1e-12);
		near(test.p_greater, greater, 1e-12);
		near(test.p_two_sided, two_sided, 1e-12);
	}
	g_rand_free(rand);
}

/* Where both can be had, the normal approximation is close to the exact. */
static void approximation_is_near(void **state)
{
	double x[20], y[21];
	struct rank_test exact, approximate;
	guint i;

	for (i = 0; i < 21; i++) {
		y[i] = 15 + 2 * i;
		if (i < 20)
			x[i] = 2 * i;
	}
	rank_test(x, 20, y, 20, &exact);
	rank_test(x, 20, y, 21, &approximate);
	assert_true(exact.exact);
	assert_false(approximate.exact);
	near(log(exact.p_two_sided), log(approximate.p_two_sided), .5);
	assert_true(approximate.p_two_sided < .05);
}

static void nothing_and_all_equal(void **state)
{
	const double x[50] = { 0 }, y[50] = { 0 };
	struct rank_test test;

	rank_test(x, 0, y, 3, &test);
	near(test.p_two_sided, 1, 0);
	rank_test(x, 5, y, 5, &test);
	near(test.p_two_sided, 1, 1e-12);
	rank_test(x, 50, y, 50, &test);
	near(test.p_two_sided, 1, 0);
	near(test.delta, 0, 0);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The shift found by halving is the median of all differences, made one by one. */
static void shift_is_the_median_difference(void **state)
{
	GRand *rand = g_rand_new_with_seed(2);
	guint round, i, j;

	for (round = 0; round < 40; round++) {
		const guint nx = 1 + (guint)g_rand_int_range(rand, 0, 20), ny = 1 + (guint)g_rand_int_range(rand, 0, 20);
		double x[20], y[20], all[400], median;
		struct rank_shift shift;

		for (i = 0; i < nx; i++)
			x[i] = g_rand_int_range(rand, 0, 50);
		for (i = 0; i < ny; i++)
			y[i] = g_rand_int_range(rand, 10, 70);
		stats_sort(x, nx);
		stats_sort(y, ny);
		for (i = 0; i < nx; i++)
			for (j = 0; j < ny; j++)
				all[i * ny + j] = y[j] - x[i];
		qsort(all, nx * ny, sizeof(*all), by_value);
		median = (all[(nx * ny - 1) / 2] + all[nx * ny / 2]) / 2;
		rank_shift(x, nx, y, ny, .025, &shift);
		near(shift.shift, median, 1e-9);
		assert_true(shift.low <= shift.shift && shift.shift <= shift.high);
	}
	g_rand_free(rand);
}

/* Hollander and Wolfe's data on a permeability, with the interval that their book gives for it. */
static void known_interval(void **state)
{
	const double term[] = { .73, .80, .83, 1.04, 1.38, 1.45, 1.46, 1.64, 1.89, 1.91 };
	const double early[] = { .74, .88, .90, 1.15, 1.21 };
	struct rank_shift shift;
	struct rank_test test;

	rank_test(early, 5, term, 10, &test);
	near(test.u, 35, 1e-12);
	/* As R's wilcox.test(alternative = "greater") prints it. */
	near(test.p_greater, .1272, 5e-5);
	rank_shift(early, 5, term, 10, .025, &shift);
	near(shift.shift, .305, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distributions),
		cmocka_unit_test(correction),
		cmocka_unit_test(quantiles),
		cmocka_unit_test(exact_is_what_counting_gives),
		cmocka_unit_test(approximation_is_near),
		cmocka_unit_test(nothing_and_all_equal),
		cmocka_unit_test(shift_is_the_median_difference),
		cmocka_unit_test(known_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
