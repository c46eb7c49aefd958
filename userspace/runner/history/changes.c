// SPDX-License-Identifier: GPL-2.0
/*
 * Seeded binary segmentation (Kovacs, Buehlmann, Li, Munk 2020): the best split in each of a fixed set of intervals of all lengths,
 * about n log n steps in all; from the strongest on, each that lies in no interval of one taken before.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "stats.h"

#define DECAY	1.5	/* each layer's intervals are so much shorter than those before */
#define AROUND	2	/* values on each side that tell what is usual at a place */
#define CUT	3.0	/* sigmas from it, beyond which a value is cut */
#define BLOCKS	16u	/* fewer do not tell what noise is */
#define ENOUGH	4096u	/* more do not tell it better */
#define ROUGHLY	1024u	/* places looked at in a stretch at first */
#define SIDE	100u	/* values next to a change that its ranks are taken of */

const struct changes_config changes_defaults = {
	.strictness = 1.3, .alpha = .002, .effect_min = .03, .length_min = 4,
};

struct split {
	guint from, to, at;
	double strength;
};

/* Of `count` distances the middle one, as the sigma of what such distances would come from. */
static double middle(double *distances, guint count)
{
	stats_sort(distances, count);
	return stats_quantile(distances, count, .5) * 1.4826 / M_SQRT2;
}

/*
 * Of the noise alone: neighbours' differences do not know the level, and few of them are across a change. What drifts, or lasts from one
 * value to the next, differs more between means of many than means of independent values would: of all lengths the largest counts.
 */
static double noise_of(const double *values, guint n)
{
	g_autofree double *distances = g_new(double, n), *sums = g_new0(double, n + 1);
	double sigma = 0, all = 0;
	guint length, i;

	for (i = 0; i < n; i++)
		sums[i + 1] = sums[i] + values[i];
	for (length = 1; length == 1 || n / length > BLOCKS; length *= 2) {
		const guint blocks = n / length, step = MAX(blocks / ENOUGH, 1);
		guint count = 0;

		for (i = 0; i + 1 < blocks; i += step)
			distances[count++] = fabs(sums[(i + 2) * length] - 2 * sums[(i + 1) * length] + sums[i * length]) /
					     sqrt(length);
		sigma = fmax(sigma, middle(distances, count));
	}
	if (sigma > 0)
		return sigma;
	/* Most neighbours are equal: what is left is how far the others are. */
	for (i = 0; i + 1 < n; i++)
		all += fabs(values[i + 1] - values[i]);
	return all / (n - 1);
}

static double usual(const double *values, guint n, guint i)
{
	const guint from = i > AROUND ? i - AROUND : 0, to = MIN(n, i + AROUND + 1);
	double near[2 * AROUND + 1];

	memcpy(near, values + from, (to - from) * sizeof(*near));
	stats_sort(near, to - from);
	return stats_quantile(near, to - from, .5);
}

/* sums[i]: of the first i values, spikes cut. */
static double *sums_of(const double *values, guint n, double sigma)
{
	double *sums = g_new0(double, n + 1);
	guint i;

	for (i = 0; i < n; i++) {
		const double middle = usual(values, n, i);

		sums[i + 1] = sums[i] + CLAMP(values[i], middle - CUT * sigma, middle + CUT * sigma);
	}
	return sums;
}

/* Of the places from `at` to `end`, `step` apart, that which moves the mean most; *best is kept where none does more. */
static void best_place(const double *sums, guint at, guint end, guint step, struct split *best)
{
	const guint from = best->from, to = best->to;
	const double n = to - from, all = sums[to] - sums[from];

	for (; at <= end; at += step) {
		const double left = at - from, right = n - left, sum = sums[at] - sums[from];
		const double moved = sum / left - (all - sum) / right, strength = moved * moved * left * right;

		if (strength > best->strength) {
			best->strength = strength;
			best->at = at;
		}
	}
}

/* In a long stretch the strength changes slowly from place to place: first roughly, then around the best. */
static struct split best_split(const double *sums, guint from, guint to, guint length_min)
{
	const guint step = MAX((to - from) / ROUGHLY, 1), first = from + length_min, last = to - length_min;
	struct split best = { from, to, 0, -1 };

	if (to - from < 2 * length_min)
		return best;
	best_place(sums, first, last, step, &best);
	if (step > 1)
		best_place(sums, MAX(first, best.at - MIN(step, best.at)), MIN(last, best.at + step), 1, &best);
	if (best.strength > 0)
		best.strength = sqrt(best.strength / (to - from));
	return best;
}

static int strongest_first(gconstpointer a, gconstpointer b)
{
	const struct split *x = a, *y = b;

	return x->strength != y->strength ? (x->strength > y->strength ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

static GArray *candidates(const double *sums, guint n, double threshold, guint length_min)
{
	GArray *splits = g_array_new(FALSE, FALSE, sizeof(struct split));
	double length = n;

	for (; length >= 2 * length_min; length /= DECAY) {
		const guint count = 2 * (guint)ceil(n / length) - 1;
		guint i;

		for (i = 0; i < count; i++) {
			const double step = count > 1 ? (n - length) / (count - 1) : 0;
			const guint from = (guint)(i * step), to = MIN(n, (guint)ceil(i * step + length));
			const struct split split = best_split(sums, from, to, length_min);

			if (split.strength > threshold)
				g_array_append_val(splits, split);
		}
	}
	g_array_sort(splits, strongest_first);
	return splits;
}

static int by_place(gconstpointer a, gconstpointer b)
{
	const guint x = *(const guint *)a, y = *(const guint *)b;

	return (x > y) - (x < y);
}

/* An interval that has a change of its own says nothing more: its best split may be the same one, badly placed. */
static GArray *choose(const GArray *splits)
{
	GArray *places = g_array_new(FALSE, FALSE, sizeof(guint));
	guint i, k;

	for (i = 0; i < splits->len; i++) {
		const struct split *split = &g_array_index(splits, struct split, i);

		for (k = 0; k < places->len; k++) {
			const guint place = g_array_index(places, guint, k);

			if (place > split->from && place < split->to)
				break;
		}
		if (k == places->len)
			g_array_append_val(places, split->at);
	}
	g_array_sort(places, by_place);
	return places;
}

static guint place_or(const GArray *places, guint i, guint end)
{
	return i < places->len ? g_array_index(places, guint, i) : end;
}

/* Each where it fits best between its neighbours. */
static void settle(GArray *places, const double *sums, guint n, guint length_min)
{
	guint i;

	for (i = 0; i < places->len; i++) {
		const guint from = i ? g_array_index(places, guint, i - 1) : 0;
		const struct split split = best_split(sums, from, place_or(places, i + 1, n), length_min);

		if (split.strength >= 0)
			g_array_index(places, guint, i) = split.at;
	}
}

static struct change measure(const double *values, guint from, guint at, guint to)
{
	const guint left = MIN(at - from, SIDE), right = MIN(to - at, SIDE);
	g_autofree double *before = g_memdup2(values + at - left, left * sizeof(*values));
	g_autofree double *after = g_memdup2(values + at, right * sizeof(*values));
	struct change change = { .at = at };
	struct rank_test test;

	stats_sort(before, left);
	stats_sort(after, right);
	rank_test(before, left, after, right, &test);
	change.before = stats_quantile(before, left, .5);
	change.after = stats_quantile(after, right, .5);
	change.p = test.p_two_sided;
	return change;
}

/* Short stretches have few ranks: what is beyond chance with them all in order is asked of no more. */
static double alpha_for(const struct changes_config *c, guint left, guint right)
{
	double ways = 1;
	guint i;

	for (i = 1; i <= MIN(MIN(left, right), 20); i++)
		ways *= (double)(MIN(left, SIDE) + MIN(right, SIDE) - i + 1) / i;
	return fmax(c->alpha, 2.0001 / ways);
}

static GArray *measured(const double *values, guint n, const GArray *places, const struct changes_config *c, gint *weakest)
{
	GArray *changes = g_array_new(FALSE, FALSE, sizeof(struct change));
	double worst = 1;
	guint i;

	*weakest = -1;
	for (i = 0; i < places->len; i++) {
		const guint from = i ? g_array_index(places, guint, i - 1) : 0, at = g_array_index(places, guint, i);
		const guint to = place_or(places, i + 1, n);
		const struct change change = measure(values, from, at, to);
		const double over = change.p / alpha_for(c, at - from, to - at);
		const double moved = fabs(change.after - change.before);
		const gboolean small = moved <= c->effect_min * fabs(change.before);
		const double badness = small ? fmax(over, 2) : over;

		g_array_append_val(changes, change);
		if (badness > worst) {
			worst = badness;
			*weakest = (gint)i;
		}
	}
	return changes;
}

GArray *changes_find(const double *values, guint n, const struct changes_config *c)
{
	g_autoptr(GArray) splits = NULL, places = NULL;
	g_autofree double *sums = NULL;
	GArray *changes;
	double sigma;
	gint weakest;

	if (n < 2 * c->length_min || !(sigma = noise_of(values, n)))
		return g_array_new(FALSE, FALSE, sizeof(struct change));
	sums = sums_of(values, n, sigma);
	splits = candidates(sums, n, c->strictness * sigma * sqrt(2 * log(n)), c->length_min);
	places = choose(splits);
	settle(places, sums, n, c->length_min);
	/* Without the weakest, its neighbours have longer stretches to show for themselves. */
	while ((changes = measured(values, n, places, c, &weakest)) && weakest >= 0) {
		g_array_unref(changes);
		g_array_remove_index(places, (guint)weakest);
	}
	return changes;
}
