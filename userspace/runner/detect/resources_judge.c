// SPDX-License-Identifier: GPL-2.0
/*
 * Does a series grow, cycle by cycle, to its end?
 *
 * Mann and Kendall's test asks whether later values tend to be larger, whatever their distribution; ties
 * count as they should, and outliers for no more than others. It takes samples for independent, though, and
 * memory is not: a level that shifted once, or wanders, looks like a trend. So its variance is corrected by
 * what the residuals remember (Hamed and Rao 1998): noise that remembers long has few independent samples.
 *
 * And where it does remember, each step must be likelier to go up than down, which a level that wanders does not.
 *
 * The first third is left out, as things warm up. What grows must go on doing so: thirds of the rest must rise,
 * and the last of them no slower than half of the one before.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resources.h"

#define WARM_UP_P	1e-3	/* of a rise over all of it: to call it that accuses nobody */
#define REMEMBERS	0.4	/* correlation of a residual with the one before that is more than chance */
#define STEPS_P		0.01	/* of so many steps up, where it remembers */

struct window {
	const guint64 *x;
	const gint64 *y;
	guint n;
};

static struct window part(const struct window *w, guint first, guint n)
{
	return (struct window){ w->x + first, w->y + first, n };
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts `v`. */
static double median_of(double *v, gsize n)
{
	qsort(v, n, sizeof(*v), compare_doubles);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double median(const struct window *w)
{
	double v[RESOURCE_SAMPLES_MAX] = { 0 };
	guint i;

	for (i = 0; i < w->n; i++)
		v[i] = (double)w->y[i];
	return median_of(v, w->n);
}

/* Median of the slopes between all pairs. Where nearly all are 0, as of one object in many cycles, that between the ends. */
static double slope(const struct window *w)
{
	g_autofree double *v = g_new(double, (gsize)w->n * (w->n - 1) / 2);
	const struct window head = part(w, 0, (w->n + 2) / 3), tail = part(w, w->n - head.n, head.n);
	double ret;
	gsize k = 0;
	guint i, j;

	for (j = 1; j < w->n; j++)
		for (i = 0; i < j; i++)
			v[k++] = (double)(w->y[j] - w->y[i]) / (double)(w->x[j] - w->x[i]);
	ret = median_of(v, k);
	return ret != 0 ? ret : (median(&tail) - median(&head)) / (double)(tail.x[head.n / 2] - head.x[head.n / 2]);
}

static double tie_term(const struct window *w)
{
	double v[RESOURCE_SAMPLES_MAX] = { 0 }, sum = 0, t;
	guint i, j;

	for (i = 0; i < w->n; i++)
		v[i] = (double)w->y[i];
	qsort(v, w->n, sizeof(*v), compare_doubles);
	for (i = 0; i < w->n; i = j) {
		for (j = i; j < w->n && v[j] == v[i]; j++)
			;
		t = j - i;
		sum += t * (t - 1) * (2 * t + 5);
	}
	return sum;
}

struct memory {
	double of_last;		/* correlation of a residual with the one before */
	double factor;		/* independent samples are so many times fewer */
};

/* The factor: 1 + 2 * sum of the residuals' autocorrelations, up to the first lag that has none. */
static struct memory memory_of(const struct window *w, double per_x)
{
	double r[RESOURCE_SAMPLES_MAX], mean = 0, variance = 0, c;
	struct memory ret = { 0, 1 };
	guint i, lag;

	for (i = 0; i < w->n; i++) {
		r[i] = (double)(w->y[i] - w->y[0]) - per_x * (double)(w->x[i] - w->x[0]);
		mean += r[i] / w->n;
	}
	for (i = 0; i < w->n; i++) {
		r[i] -= mean;
		variance += r[i] * r[i];
	}
	/* A line without any noise: what is left is rounding. */
	if (variance < 1e-9 * w->n)
		return ret;
	for (lag = 1; lag < w->n / 2; lag++) {
		for (c = 0, i = lag; i < w->n; i++)
			c += r[i] * r[i - lag];
		if (lag == 1)
			ret.of_last = c / variance;
		if (c <= 0)
			break;
		ret.factor += 2 * (1 - (double)lag / w->n) * c / variance;
	}
	return ret;
}

static double upper_tail(double z)
{
	return 0.5 * erfc(z / G_SQRT2);
}

/* The probability of a rise at least like this one by chance. `factor`: memory_of(). */
static double p_of_rise(const struct window *w, double factor)
{
	const double n = w->n, pairs = n * (n - 1) / 2;
	double s = 0, variance = (n * (n - 1) * (2 * n + 5) - tie_term(w)) / 18;
	guint i, j;

	for (j = 1; j < w->n; j++)
		for (i = 0; i < j; i++)
			s += (w->y[j] > w->y[i]) - (w->y[j] < w->y[i]);
	if (s <= 0 || variance <= 0)
		return 1;
	/* Each larger than all before: of n! orders the only one, and the normal curve is too flat there. */
	if (s == pairs && factor <= 1)
		return exp(-lgamma(n + 1));
	return upper_tail((s - 1) / sqrt(variance * factor));
}

/* The probability of at least so many steps up of all by tossing coins. */
static double p_of_steps(const struct window *w)
{
	guint up = 0, all = 0, i;
	double p = 0;

	for (i = 1; i < w->n; i++) {
		up += w->y[i] > w->y[i - 1];
		all += w->y[i] != w->y[i - 1];
	}
	for (i = up; i <= all; i++)
		p += exp(lgamma(all + 1) - lgamma(i + 1) - lgamma(all - i + 1) - all * G_LN2);
	return p;
}

/* Rises from third to third, and does not come to rest. */
static gboolean goes_on(const struct window *w)
{
	const guint third = w->n / 3;
	const struct window a = part(w, 0, third), b = part(w, third, w->n - 2 * third), c = part(w, w->n - third, third);
	const double one = median(&a), two = median(&b), three = median(&c);

	return one < two && two < three && three - two >= (two - one) / 2;
}

/* It rose at first: either from then on never as low again, or all in all. */
static gboolean has_risen(const struct window *whole, const struct window *rest)
{
	guint i;

	for (i = 0; i < rest->n && rest->y[i] > whole->y[0]; i++)
		;
	return i == rest->n || p_of_rise(whole, 1) < WARM_UP_P;
}

static gboolean is_constant(const struct window *w)
{
	guint i;

	for (i = 1; i < w->n; i++)
		if (w->y[i] != w->y[0])
			return FALSE;
	return TRUE;
}

/*
 * What grows need not look like a line: errors in the middle of a hunt bend that of an exact count, and of a cache's objects some are
 * held elsewhere for good (KFENCE takes one now and then). What that leaves has a memory, as a level that wanders has; but that
 * goes down as often as up. `p` is of tossing coins then, over all of it.
 */
static gboolean rises_nearly_always(const struct window *w, double *p)
{
	*p = MIN(*p, p_of_steps(w));
	return *p < RESOURCE_P;
}

struct resource_judgement resource_judge(enum resource_nature nature, const guint64 *cycles, const gint64 *values, guint n)
{
	const struct window whole = { cycles, values, MIN(n, RESOURCE_SAMPLES_MAX) };
	const struct window rest = part(&whole, whole.n / 3, whole.n - whole.n / 3);
	struct resource_judgement ret = {
		.nature = nature, .verdict = RESOURCE_UNCHANGED, .p = 1, .samples = whole.n,
	};

	struct memory memory = { 0, 1 };

	if (!whole.n)
		return ret;
	ret.first = values[0];
	ret.last = values[whole.n - 1];
	if (is_constant(&whole))
		return ret;
	ret.verdict = RESOURCE_NOISE;
	if (whole.n < RESOURCE_SAMPLES_MIN)
		return ret;
	if (!is_constant(&rest)) {
		ret.per_cycle = slope(&rest);
		memory = memory_of(&rest, ret.per_cycle);
		ret.p = p_of_rise(&rest, memory.factor);
	}
	if (((ret.p < RESOURCE_P && (memory.of_last < REMEMBERS || p_of_steps(&rest) < STEPS_P)) ||
	     rises_nearly_always(&whole, &ret.p)) && goes_on(&rest))
		ret.verdict = RESOURCE_GROWS;
	else if (has_risen(&whole, &rest))
		ret.verdict = RESOURCE_WARM_UP;
	return ret;
}
