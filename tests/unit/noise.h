/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs as a machine makes them, without one: a mood that lasts from run to run, disturbed runs, and within a run operations that
 * resemble those just before them, with bursts. All by one seed.
 */
#ifndef VEXLAB_TEST_NOISE_H
#define VEXLAB_TEST_NOISE_H

#include <math.h>
#include <stdlib.h>

#include "regress.h"

#define NOISE_METRICS	8u

struct noise {
	const char *name;
	double between;		/* spread of runs' levels, of logarithms */
	double lasting;		/* of it, share that is as in the run before */
	double within;		/* spread of operations */
	double disturbed;	/* share of runs in which something else keeps the machine busy for a while */
	double burst;		/* chance that a burst begins at an operation */
};

static const struct noise noises[] = {
	{ "instructions counted", .004, .3, .02, .00, .01 },
	{ "at rest",		  .015, .3, .08, .02, .02 },
	{ "in ordinary use",	  .030, .5, .15, .10, .05 },
	{ "crowded",		  .150, .5, .40, .30, .10 },
};

struct noise_source {
	const struct noise *noise;
	GRand *rand;
	double mood;
};

static inline double noise_normal(GRand *rand)
{
	return sqrt(-2 * log(1 - g_rand_double(rand))) * cos(2 * M_PI * g_rand_double(rand));
}

static inline struct noise_source noise_begin(const struct noise *noise, guint32 seed)
{
	struct noise_source s = { .noise = noise, .rand = g_rand_new_with_seed(seed) };

	s.mood = noise->between * noise_normal(s.rand);
	return s;
}

static inline void noise_end(struct noise_source *s)
{
	g_rand_free(s->rand);
}

static inline int noise_by_value(gconstpointer a, gconstpointer b)
{
	const guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

	return (x > y) - (x < y);
}

/* One metric of one run: from operation `from` on it is disturbed; `factor` is what is planted. */
static inline GArray *noise_metric(struct noise_source *s, guint metric, guint cycles, guint from, double factor)
{
	const double base = 40000 * pow(1.7, metric) * factor, own = s->noise->between / 3 * noise_normal(s->rand);
	GArray *values = g_array_new(FALSE, FALSE, sizeof(guint64));
	double drift = noise_normal(s->rand), burst = 0;
	guint i;

	for (i = 0; i < cycles; i++) {
		guint64 value;

		drift = .5 * drift + sqrt(.75) * noise_normal(s->rand);
		if (burst > 0 && g_rand_double(s->rand) < .3)
			burst = 0;
		else if (burst <= 0 && g_rand_double(s->rand) < s->noise->burst)
			burst = -log(1 - g_rand_double(s->rand));
		value = (guint64)(base * exp(s->mood + own + s->noise->within * drift + burst + (i >= from ? .3 : 0)));
		g_array_append_val(values, value);
	}
	g_array_sort(values, noise_by_value);
	return values;
}

/* A run: NOISE_METRICS of them. `planted` moves the first by that share. */
static inline GPtrArray *noise_run(struct noise_source *s, guint cycles, double planted)
{
	const double lasting = s->noise->lasting;
	const guint from = g_rand_double(s->rand) < s->noise->disturbed ? (guint)g_rand_int_range(s->rand, 0, (gint32)cycles) : cycles;
	GPtrArray *run = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
	guint m;

	s->mood = lasting * s->mood + sqrt(1 - lasting * lasting) * s->noise->between * noise_normal(s->rand);
	for (m = 0; m < NOISE_METRICS; m++)
		g_ptr_array_add(run, noise_metric(s, m, cycles, from, m ? 1 : 1 + planted));
	return run;
}

static inline void noise_free_metric(gpointer data)
{
	struct regress_metric *m = data;

	g_free(m->name);
	g_free(m);
}

/* Bits: 0 the planted one was called slower, 1 another was, 2 one was called faster. */
static inline guint noise_compare(struct noise_source *s, const struct regress_config *config, guint runs, guint cycles, double planted)
{
	static const char *const names[NOISE_METRICS] = { "mount.total", "mount.other", "mount.attach", "mount.fill_super",
							  "umount.total", "umount.detach", "umount.other", "umount.put_super" };
	g_autoptr(GPtrArray) baseline = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref), here = NULL;
	g_autoptr(GPtrArray) metrics = g_ptr_array_new_with_free_func(noise_free_metric);
	g_autoptr(GArray) inputs = g_array_new(FALSE, FALSE, sizeof(struct regress_input));
	guint bits = 0, m, r;

	for (r = 0; r < runs; r++)
		g_ptr_array_add(baseline, noise_run(s, cycles, 0));
	here = noise_run(s, cycles, planted);
	for (m = 0; m < NOISE_METRICS; m++) {
		struct regress_input in = { .name = names[m], .here = g_ptr_array_index(here, m), .there = g_ptr_array_new() };

		for (r = 0; r < runs; r++)
			g_ptr_array_add(in.there, g_ptr_array_index((GPtrArray *)g_ptr_array_index(baseline, r), m));
		g_array_append_val(inputs, in);
	}
	regress_judge(config, inputs, metrics);
	for (m = 0; m < NOISE_METRICS; m++) {
		const struct regress_metric *metric = g_ptr_array_index(metrics, m);

		if (metric->outcome == REGRESS_SLOWER)
			bits |= m ? 2 : 1;
		if (metric->outcome == REGRESS_FASTER)
			bits |= 4;
		g_ptr_array_unref(g_array_index(inputs, struct regress_input, m).there);
	}
	return bits;
}

#endif
