// SPDX-License-Identifier: GPL-2.0
/*
 * Change points: planted ones are found where they are, spikes and noise are none. With VEXLAB_TCPD=DIR, a checkout of the public
 * annotated series of the Turing Change Point Dataset, its scores are printed as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "changes.h"
#include "noise.h"

#define N	200u
#define MARGIN	5u	/* of the dataset's authors */

static void level(double *values, guint from, guint to, double at, double spread, GRand *rand)
{
	guint i;

	for (i = from; i < to; i++)
		values[i] = at * exp(spread * noise_normal(rand));
}

static guint found(const double *values, guint n, guint *first)
{
	g_autoptr(GArray) changes = changes_find(values, n, &changes_defaults);

	if (changes->len)
		*first = g_array_index(changes, struct change, 0).at;
	return changes->len;
}

/* Of 500 series without a change, in how many is one seen? */
static void noise_has_none(void **state)
{
	GRand *rand = g_rand_new_with_seed(3);
	double values[N];
	guint wrong = 0, i, at;

	for (i = 0; i < 500; i++) {
		level(values, 0, N, 2e6, .1, rand);
		wrong += found(values, N, &at) > 0;
	}
	print_message("change points in 500 series without one: %u\n", wrong);
	assert_true(wrong <= 5);
	g_rand_free(rand);
}

static void spikes_are_none(void **state)
{
	GRand *rand = g_rand_new_with_seed(4);
	double values[N];
	guint wrong = 0, i, at, k;

	for (i = 0; i < 300; i++) {
		level(values, 0, N, 2e6, .05, rand);
		for (k = 0; k < 3; k++) {
			/* Apart from one another: many in one place are more than spikes. */
			const guint spike = 60 * k + (guint)g_rand_int_range(rand, 0, 50);

			values[spike] *= 8;
			/* Every other one is two runs long. */
			if (k & 1)
				values[spike + 1] *= 8;
		}
		wrong += found(values, N, &at) > 0;
	}
	print_message("change points in 300 series with spikes only: %u\n", wrong);
	assert_true(wrong <= 3);
	g_rand_free(rand);
}

struct planted {
	double step;
	double spread;
	guint misses;		/* of 200 */
};

static void steps_are_found(void **state)
{
	static const struct planted cases[] = { { .20, .05, 6 }, { .10, .05, 20 }, { .50, .15, 6 }, { -.20, .05, 6 }, { 1, .3, 10 } };
	GRand *rand = g_rand_new_with_seed(5);
	double values[N];
	guint c, i;

	for (c = 0; c < G_N_ELEMENTS(cases); c++) {
		guint missed = 0, far = 0;

		for (i = 0; i < 200; i++) {
			const guint at = (guint)g_rand_int_range(rand, 20, N - 20);
			guint first = 0;

			level(values, 0, at, 2e6, cases[c].spread, rand);
			level(values, at, N, 2e6 * (1 + cases[c].step), cases[c].spread, rand);
			if (found(values, N, &first) != 1)
				missed++;
			else
				far += MAX(first, at) - MIN(first, at) > MARGIN;
		}
		print_message("step %+.0f %% in a spread of %.0f %%: %u of 200 not found alone, %u more than %u runs off\n", 100 * cases[c].step,
			      100 * cases[c].spread, missed, far, MARGIN);
		assert_true(missed + far <= cases[c].misses);
	}
	g_rand_free(rand);
}

static void there_and_back(void **state)
{
	GRand *rand = g_rand_new_with_seed(6);
	double values[N];
	g_autoptr(GArray) changes = NULL;

	level(values, 0, 80, 1e6, .03, rand);
	level(values, 80, 95, 1.3e6, .03, rand);
	level(values, 95, N, 1e6, .03, rand);
	changes = changes_find(values, N, &changes_defaults);
	assert_int_equal(changes->len, 2);
	assert_int_equal(g_array_index(changes, struct change, 0).at, 80);
	assert_int_equal(g_array_index(changes, struct change, 1).at, 95);
	assert_true(fabs(g_array_index(changes, struct change, 0).after / 1.3e6 - 1) < .03);
	g_rand_free(rand);
}

static void few_and_constant(void **state)
{
	double values[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	guint n, at;

	for (n = 0; n <= G_N_ELEMENTS(values); n++)
		assert_int_equal(found(values, n, &at), 0);
}

/* ---- the annotated series ----------------------------------------------------------------- */

static gboolean is_near(const GArray *set, guint at)
{
	guint i;

	for (i = 0; i < set->len; i++) {
		const guint other = g_array_index(set, guint, i);

		if (MAX(other, at) - MIN(other, at) <= MARGIN)
			return TRUE;
	}
	return FALSE;
}

/* Each annotation answers for one finding at most. */
static guint matched(const GArray *truth, const GArray *found_)
{
	g_autoptr(GArray) left = g_array_copy((GArray *)found_);
	guint n = 0, i, k;

	for (i = 0; i < truth->len; i++) {
		const guint at = g_array_index(truth, guint, i);
		guint best = G_MAXUINT;

		for (k = 0; k < left->len; k++) {
			const guint other = g_array_index(left, guint, k), off = MAX(other, at) - MIN(other, at);

			if (off <= MARGIN && (best == G_MAXUINT || off < MAX(g_array_index(left, guint, best), at) -
					      MIN(g_array_index(left, guint, best), at)))
				best = k;
		}
		if (best == G_MAXUINT)
			continue;
		n++;
		g_array_remove_index(left, best);
	}
	return n;
}

/* The beginning counts as a change for both, as the authors have it. */
static GArray *with_start(const json_t *list)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(guint));
	const json_t *one;
	guint at = 0;
	size_t i;

	g_array_append_val(out, at);
	json_array_foreach(list, i, one) {
		at = (guint)json_integer_value(one);
		if (at)
			g_array_append_val(out, at);
	}
	return out;
}

static double f1_of(const json_t *annotations, const GArray *changes)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(guint)), ours = g_array_new(FALSE, FALSE, sizeof(guint));
	double recall = 0, precision;
	const json_t *list;
	const char *who;
	guint i, zero = 0;

	g_array_append_val(ours, zero);
	for (i = 0; i < changes->len; i++)
		g_array_append_val(ours, g_array_index(changes, struct change, i).at);
	json_object_foreach((json_t *)annotations, who, list) {
		g_autoptr(GArray) truth = with_start(list);

		recall += (double)matched(truth, ours) / truth->len / (double)json_object_size(annotations);
		for (i = 0; i < truth->len; i++) {
			const guint at = g_array_index(truth, guint, i);
			guint k;

			for (k = 0; k < all->len && g_array_index(all, guint, k) != at; k++)
				;
			if (k == all->len)
				g_array_append_val(all, at);
		}
	}
	precision = (double)matched(all, ours) / ours->len;
	assert_true(is_near(ours, 0));
	return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static double overlap(guint a, guint b, guint c, guint d)
{
	const guint from = MAX(a, c), to = MIN(b, d);

	return to > from ? (double)(to - from) / (MAX(b, d) - MIN(a, c)) : 0;
}

static guint edge(const GArray *starts, guint i, guint n)
{
	return i < starts->len ? g_array_index(starts, guint, i) : n;
}

static double covering_of(const json_t *annotations, const GArray *changes, guint n)
{
	g_autoptr(GArray) ours = g_array_new(FALSE, FALSE, sizeof(guint));
	const json_t *list;
	const char *who;
	double sum = 0;
	guint i, k, zero = 0;

	g_array_append_val(ours, zero);
	for (i = 0; i < changes->len; i++)
		g_array_append_val(ours, g_array_index(changes, struct change, i).at);
	json_object_foreach((json_t *)annotations, who, list) {
		g_autoptr(GArray) truth = with_start(list);

		for (i = 0; i < truth->len; i++) {
			const guint a = edge(truth, i, n), b = edge(truth, i + 1, n);
			double best = 0;

			for (k = 0; k < ours->len; k++)
				best = fmax(best, overlap(a, b, edge(ours, k, n), edge(ours, k + 1, n)));
			sum += (b - a) * best / n;
		}
	}
	return sum / (double)json_object_size(annotations);
}

/* What is missing is as the value before it. */
static double *values_of(const json_t *series, guint *n)
{
	const json_t *raw = json_object_get(json_array_get(json_object_get(series, "series"), 0), "raw");
	double *values = g_new0(double, json_array_size(raw) + 1);
	guint i;

	*n = (guint)json_array_size(raw);
	for (i = 0; i < *n; i++) {
		const json_t *one = json_array_get(raw, i);

		values[i] = json_is_number(one) ? json_number_value(one) : i ? values[i - 1] : 0;
	}
	return values;
}

static void annotated_series(void **state)
{
	const char *tcpd = g_getenv("VEXLAB_TCPD");
	g_autofree char *path = tcpd ? g_build_filename(tcpd, "annotations.json", NULL) : NULL;
	struct changes_config config = changes_defaults;
	json_t *all = path ? json_load_file(path, 0, NULL) : NULL, *annotations;
	double f1 = 0, covering = 0;
	const char *name;
	guint count = 0, n;

	if (!all) {
		print_message("not looked at: VEXLAB_TCPD is no folder of annotated series\n");
		return;
	}
	/* These are not latencies: near 0, or below, a share of the level says nothing. */
	config.effect_min = 0;
	json_object_foreach(all, name, annotations) {
		g_autofree char *file = g_strdup_printf("%s/datasets/%s/%s.json", tcpd, name, name);
		json_t *series = json_load_file(file, 0, NULL);
		g_autofree double *values = series ? values_of(series, &n) : NULL;
		g_autoptr(GArray) changes = NULL;

		if (series && json_integer_value(json_object_get(series, "n_dim")) == 1) {
			const double f = (changes = changes_find(values, n, &config), f1_of(annotations, changes));
			const double c = covering_of(annotations, changes, n);

			print_message("%-24s %5u values, %3u changes, F1 %.3f, covering %.3f\n", name, n, changes->len, f, c);
			f1 += f;
			covering += c;
			count++;
		}
		json_decref(series);
	}
	json_decref(all);
	assert_true(count > 0);
	print_message("%u series of one dimension: F1 %.3f, covering %.3f\n", count, f1 / count, covering / count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_has_none),
		cmocka_unit_test(spikes_are_none),
		cmocka_unit_test(steps_are_found),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(few_and_constant),
		cmocka_unit_test(annotated_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
