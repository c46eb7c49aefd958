// SPDX-License-Identifier: GPL-2.0
/* Tests by ranks: they ask for no distribution, and one wild value is only one value. */
#include <math.h>
#include <string.h>

#include "stats.h"

#define HALVINGS 100

/* A run of equal values in both samples together. */
struct tie {
	gsize x, y;
};

static GArray *ties_of(const double *x, gsize nx, const double *y, gsize ny)
{
	GArray *ties = g_array_new(FALSE, FALSE, sizeof(struct tie));
	gsize i = 0, j = 0;

	while (i < nx || j < ny) {
		const double value = j >= ny || (i < nx && x[i] <= y[j]) ? x[i] : y[j];
		struct tie tie = { 0, 0 };

		for (; i < nx && x[i] <= value; i++)
			tie.x++;
		for (; j < ny && y[j] <= value; j++)
			tie.y++;
		g_array_append_val(ties, tie);
	}
	return ties;
}

/*
 * Streitberg and Roehmel's shift algorithm: of all ways to choose `ny` of the ranks, how many have which sum. Ranks are
 * doubled, so that those of ties are whole.
 */
static void exact(const GArray *ties, gsize n, gsize ny, guint sum, struct rank_test *ret)
{
	const gsize sums = n * (n + 1) + 1;
	g_autofree double *ways = g_new0(double, (ny + 1) * sums);
	double below = 0, above = 0, all = 0;
	gsize before = 0, t, k, c, s;

	ways[0] = 1;
	for (t = 0; t < ties->len; t++) {
		const struct tie *tie = &g_array_index(ties, struct tie, t);
		const gsize len = tie->x + tie->y, rank = 2 * before + len + 1;

		for (k = 0; k < len; k++)
			for (c = MIN(ny, before + k + 1); c > 0; c--)
				for (s = sums; s-- > rank; )
					ways[c * sums + s] += ways[(c - 1) * sums + s - rank];
		before += len;
	}
	for (s = 0; s < sums; s++) {
		const double w = ways[ny * sums + s];

		all += w;
		below += s <= sum ? w : 0;
		above += s >= sum ? w : 0;
	}
	ret->p_greater = above / all;
	ret->p_two_sided = fmin(1, 2 * fmin(above, below) / all);
	ret->exact = TRUE;
}

static void approximate(const GArray *ties, double nx, double ny, struct rank_test *ret)
{
	const double n = nx + ny, mean = nx * ny / 2;
	double tied = 0, sigma, away;
	gsize t;

	for (t = 0; t < ties->len; t++) {
		const struct tie *tie = &g_array_index(ties, struct tie, t);
		const double len = (double)(tie->x + tie->y);

		tied += len * len * len - len;
	}
	sigma = sqrt(nx * ny / 12 * (n + 1 - tied / (n * (n - 1))));
	away = ret->u - mean;
	if (sigma <= 0) {
		ret->p_greater = ret->p_two_sided = 1;
		return;
	}
	ret->p_greater = stats_normal_tail((away - 0.5) / sigma);
	ret->p_two_sided = fmin(1, 2 * stats_normal_tail((fabs(away) - 0.5) / sigma));
}

void rank_test(const double *x, gsize nx, const double *y, gsize ny, struct rank_test *ret)
{
	g_autoptr(GArray) ties = NULL;
	gsize before_x = 0, before = 0, t;
	guint sum = 0;

	memset(ret, 0, sizeof(*ret));
	ret->p_greater = ret->p_two_sided = 1;
	if (!nx || !ny)
		return;
	ties = ties_of(x, nx, y, ny);
	for (t = 0; t < ties->len; t++) {
		const struct tie *tie = &g_array_index(ties, struct tie, t);

		ret->u += (double)tie->y * ((double)before_x + 0.5 * (double)tie->x);
		sum += (guint)(tie->y * (2 * before + tie->x + tie->y + 1));
		before_x += tie->x;
		before += tie->x + tie->y;
	}
	ret->delta = 2 * ret->u / ((double)nx * (double)ny) - 1;
	if (nx + ny <= RANK_EXACT_MAX)
		exact(ties, nx + ny, ny, sum, ret);
	else
		approximate(ties, (double)nx, (double)ny, ret);
}

/* How many of the differences y - x are at most `t`. Both are sorted: one walk. */
static double differences_upto(const double *x, gsize nx, const double *y, gsize ny, double t)
{
	double n = 0;
	gsize i = 0, j;

	for (j = 0; j < ny; j++) {
		/* Those of x that are at least y - t: the first such moves up with y. */
		while (i < nx && y[j] - x[i] > t)
			i++;
		n += (double)(nx - i);
	}
	return n;
}

/* The `k`th smallest difference, k from 1, found by halving: they are never all made. */
static double difference(const double *x, gsize nx, const double *y, gsize ny, double k)
{
	double low = y[0] - x[nx - 1], high = y[ny - 1] - x[0];
	int i;

	if (differences_upto(x, nx, y, ny, low) >= k)
		return low;
	for (i = 0; i < HALVINGS && high - low > 1e-13 * (fabs(low) + fabs(high)); i++) {
		const double mid = low + (high - low) / 2;

		if (differences_upto(x, nx, y, ny, mid) >= k)
			high = mid;
		else
			low = mid;
	}
	return high;
}

void rank_shift(const double *x, gsize nx, const double *y, gsize ny, double p, struct rank_shift *ret)
{
	const double n = (double)nx, m = (double)ny, all = n * m;
	const double off = stats_normal_point(p) * sqrt(all * (n + m + 1) / 12);
	const double k = fmax(1, floor(all / 2 - off + 0.5));
	const double lower = difference(x, nx, y, ny, floor((all + 1) / 2));
	const double upper = difference(x, nx, y, ny, floor(all / 2) + 1);

	ret->shift = (lower + upper) / 2;
	ret->low = difference(x, nx, y, ny, k);
	ret->high = difference(x, nx, y, ny, all - k + 1);
}
