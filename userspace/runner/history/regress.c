// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <string.h>

#include "regress.h"
#include "stats.h"

/* The part of a run's sorted logarithms whose mean is its level: where a busy machine's delays have not come yet. */
#define LEVEL_FROM	.05
#define LEVEL_TO	.35
#define TOTAL_WEIGHT	4	/* of a whole operation in the correction, a phase's being 1 */
#define SHARE_MIN	.02	/* a phase that moves by less of its whole operation is not worth telling */
#define POOL_MAX	1024u	/* samples of the baseline in the rank test */

const struct regress_config regress_defaults = {
	.runs_min = 5, .runs_most = 20, .alpha = .001, .effect_min = .10, .prior_spread = .03, .prior_df = 4,
};

const char *regress_outcome_name(enum regress_outcome outcome)
{
	static const char *const names[] = { "no evidence", "slower", "faster" };

	return names[outcome];
}

/* A phase that took no time has no logarithm: a tenth of a microsecond is nothing either. */
static double *logs_of(const GArray *samples)
{
	double *logs = g_new(double, samples->len);
	guint i;

	for (i = 0; i < samples->len; i++)
		logs[i] = log((double)MAX(g_array_index(samples, guint64, i), 100));
	return logs;
}

static double level_of(const double *logs, guint n)
{
	const guint from = (guint)(LEVEL_FROM * n), to = MAX(from + 1, (guint)ceil(LEVEL_TO * n));
	double sum = 0;
	guint i;

	for (i = from; i < to; i++)
		sum += logs[i];
	return sum / (to - from);
}

/* All runs of the baseline alike, whatever the number of their operations; thinned, so that many cost no more than few. */
static GArray *pool(const GPtrArray *runs)
{
	const guint each = MAX(POOL_MAX / MAX(runs->len, 1), 1);
	GArray *all = g_array_new(FALSE, FALSE, sizeof(double));
	guint i;

	for (i = 0; i < runs->len; i++) {
		const GArray *run = g_ptr_array_index(runs, i);
		g_autoptr(GArray) thin = run ? samples_thin(run, each) : g_array_new(FALSE, FALSE, sizeof(guint64));
		g_autofree double *logs = logs_of(thin);

		g_array_append_vals(all, logs, thin->len);
	}
	stats_sort((double *)(void *)all->data, all->len);
	return all;
}

/* Mean and spread of the levels, the spread drawn towards what is believed beforehand. Those that are not there are NAN. */
static double spread_of(const struct regress_config *c, const double *levels, guint n, double *mean, guint *count)
{
	double sum = 0, squares = 0;
	guint i;

	for (*count = 0, i = 0; i < n; i++)
		if (!isnan(levels[i])) {
			sum += levels[i];
			++*count;
		}
	*mean = sum / MAX(*count, 1);
	for (i = 0; i < n; i++)
		if (!isnan(levels[i]))
			squares += (levels[i] - *mean) * (levels[i] - *mean);
	return sqrt((c->prior_df * c->prior_spread * c->prior_spread + squares) / (c->prior_df + *count - 1));
}

/* One metric's levels: of this run, and of each of the baseline. */
struct levels {
	double here, *there;
	guint n;
};

/* This run's level against the others'. */
struct stand {
	double away, error, df, spread;
};

static struct stand stand_of(const struct regress_config *c, const struct levels *l)
{
	struct stand s;
	double mean;
	guint count;

	s.spread = spread_of(c, l->there, l->n, &mean, &count);
	s.error = s.spread * sqrt(1 + 1.0 / MAX(count, 1));
	s.df = c->prior_df + count - 1;
	s.away = l->here - mean;
	return s;
}

static struct levels levels_of(const struct regress_input *in)
{
	g_autofree double *logs = logs_of(in->here);
	struct levels l = { .here = level_of(logs, in->here->len), .there = g_new(double, in->there->len), .n = in->there->len };
	guint i;

	for (i = 0; i < l.n; i++) {
		const GArray *run = g_ptr_array_index(in->there, i);
		g_autofree double *other = run ? logs_of(run) : NULL;

		l.there[i] = run ? level_of(other, run->len) : NAN;
	}
	return l;
}

/* Phases in which the kernel does the same for every filesystem: what they are slower by is the machine's. */
static gboolean is_reference(const char *name)
{
	static const char *const phases[] = { "mount.other", "mount.attach", "umount.other", "umount.detach" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(phases); i++)
		if (!strcmp(name, phases[i]))
			return TRUE;
	return FALSE;
}

/* Of what the references but `but` are away from their own mean in one run: the middle. NAN: there are none. */
static double mood(const struct levels *all, const double *means, const GArray *inputs, guint but, gint run)
{
	double away[4];
	guint n = 0, i;

	for (i = 0; i < inputs->len; i++) {
		const double level = run < 0 ? all[i].here : all[i].there[run];

		if (i != but && is_reference(g_array_index(inputs, struct regress_input, i).name) && !isnan(level) &&
		    n < G_N_ELEMENTS(away))
			away[n++] = level - means[i];
	}
	stats_sort(away, n);
	return n ? stats_quantile(away, n, .5) : NAN;
}

/* The levels of metric `of` with each run's mood taken off. */
static struct levels without_mood(const struct levels *all, const double *means, const GArray *inputs, guint of)
{
	struct levels l = { .n = all[of].n, .there = g_new(double, all[of].n) };
	guint i;

	l.here = all[of].here - mood(all, means, inputs, of, -1);
	for (i = 0; i < l.n; i++)
		l.there[i] = all[of].there[i] - mood(all, means, inputs, of, (gint)i);
	return l;
}

struct raw {
	double slower, faster;		/* p, uncorrected */
	double error, df;		/* of the difference of levels, the larger of the two */
};

static void compare_ranks(const struct regress_input *in, struct regress_metric *m, struct rank_test *test)
{
	g_autofree double *logs = logs_of(in->here);
	g_autoptr(GArray) pooled = pool(in->there);
	const double *base = (const double *)(const void *)pooled->data;
	const guint n = in->here->len;
	struct rank_shift shift;

	rank_test(base, pooled->len, logs, n, test);
	rank_shift(base, pooled->len, logs, n, .025, &shift);
	m->delta = test->delta;
	m->shift = expm1(shift.shift);
	m->shift_low = expm1(shift.low);
	m->shift_high = expm1(shift.high);
	m->p50_there = exp(stats_quantile(base, pooled->len, .5));
	m->p50_here = exp(stats_quantile(logs, n, .5));
}

/* Each must say it by itself, so the weakest of them counts. */
static struct raw weakest(const struct rank_test *ranks, const struct stand *level, const struct stand *relative)
{
	struct raw raw = {
		.slower = fmax(ranks->delta > 0 ? ranks->p_two_sided : 1, stats_t_tail(level->away / level->error, level->df)),
		.faster = fmax(ranks->delta < 0 ? ranks->p_two_sided : 1, stats_t_tail(-level->away / level->error, level->df)),
		.error = level->error, .df = level->df,
	};

	if (isnan(relative->away))
		return raw;
	raw.slower = fmax(raw.slower, stats_t_tail(relative->away / relative->error, relative->df));
	raw.faster = fmax(raw.faster, stats_t_tail(-relative->away / relative->error, relative->df));
	raw.error = fmax(raw.error, relative->error);
	return raw;
}

static struct raw compare(const struct regress_config *c, const GArray *inputs, const struct levels *all, const double *means, guint i,
			  struct regress_metric *m)
{
	struct levels off = without_mood(all, means, inputs, i);
	const struct stand level = stand_of(c, &all[i]), relative = stand_of(c, &off);
	const double reach = stats_t_point(.025, level.df) * level.error;
	struct rank_test ranks;

	g_free(off.there);
	compare_ranks(&g_array_index(inputs, struct regress_input, i), m, &ranks);
	m->spread = level.spread;
	m->level = expm1(level.away);
	m->level_low = expm1(level.away - reach);
	m->level_high = expm1(level.away + reach);
	m->relative = isnan(relative.away) ? m->level : expm1(relative.away);
	return weakest(&ranks, &level, &relative);
}

static gboolean is_whole(const char *name)
{
	return g_str_has_suffix(name, ".total") || g_str_has_suffix(name, ".own") || g_str_has_suffix(name, ".on_cpu") || g_str_has_suffix(name, ".system_call");
}

/* The figure `suffix` of the operation that `name` is of; NULL: there is none. */
static const struct regress_metric *sibling(const GPtrArray *metrics, const char *name, const char *suffix)
{
	const gsize len = strcspn(name, ".");
	guint i;

	for (i = 0; i < metrics->len; i++) {
		const struct regress_metric *m = g_ptr_array_index(metrics, i);

		if (strcspn(m->name, ".") == len && !strncmp(m->name, name, len) && !strcmp(m->name + len, suffix))
			return m;
	}
	return NULL;
}

/* Is what it moved by there too when waiting for the disk is left out? That waiting is the host's: half of it must be. */
static gboolean is_own(const GPtrArray *metrics, const struct regress_metric *m)
{
	const struct regress_metric *own = sibling(metrics, m->name, ".own");
	const double moved = m->p50_here - m->p50_there;

	return !own || own == m || (own->p50_here - own->p50_there) / moved >= .5;
}

static enum regress_outcome outcome_of(const struct regress_config *c, const GPtrArray *metrics, const struct regress_metric *m)
{
	const struct regress_metric *whole = sibling(metrics, m->name, ".total");
	const double moved = fabs(m->p50_here - m->p50_there);

	if (!is_whole(m->name) && whole && moved < SHARE_MIN * whole->p50_there)
		return REGRESS_NO_EVIDENCE;
	if (!is_own(metrics, m))
		return REGRESS_NO_EVIDENCE;
	if (m->p_slower < c->alpha && fmin(m->level, m->relative) >= c->effect_min && m->shift > 0)
		return REGRESS_SLOWER;
	/* What is slower by a share is faster by less of one. */
	if (m->p_faster < c->alpha && 1 / (1 + fmax(m->level, m->relative)) - 1 >= c->effect_min && m->shift < 0)
		return REGRESS_FASTER;
	return REGRESS_NO_EVIDENCE;
}

static guint present(const GPtrArray *there)
{
	guint n = 0, i;

	for (i = 0; i < there->len; i++)
		n += g_ptr_array_index(there, i) != NULL;
	return n;
}

/* p of all metrics, uncorrected, into `raw`; the metrics themselves are added. */
static void compare_all(const struct regress_config *c, const GArray *inputs, struct raw *raw, GPtrArray *metrics)
{
	g_autofree struct levels *all = g_new0(struct levels, inputs->len + 1);
	g_autofree double *means = g_new0(double, inputs->len + 1);
	guint i, count;

	for (i = 0; i < inputs->len; i++) {
		all[i] = levels_of(&g_array_index(inputs, struct regress_input, i));
		(void)spread_of(c, all[i].there, all[i].n, &means[i], &count);
	}
	for (i = 0; i < inputs->len; i++) {
		const struct regress_input *in = &g_array_index(inputs, struct regress_input, i);
		struct regress_metric *m = g_new0(struct regress_metric, 1);

		m->name = g_strdup(in->name);
		m->runs = present(in->there);
		m->here = in->count_here;
		m->there = in->count_there;
		raw[i] = compare(c, inputs, all, means, i, m);
		g_ptr_array_add(metrics, m);
	}
	for (i = 0; i < inputs->len; i++)
		g_free(all[i].there);
}

void regress_judge(const struct regress_config *c, GArray *inputs, GPtrArray *metrics)
{
	g_autofree double *slower = g_new0(double, inputs->len + 1), *faster = g_new0(double, inputs->len + 1);
	g_autofree double *weight = g_new0(double, inputs->len + 1);
	g_autofree struct raw *raw = g_new0(struct raw, inputs->len + 1);
	double all = 0;
	guint i;

	compare_all(c, inputs, raw, metrics);
	for (i = 0; i < inputs->len; i++) {
		slower[i] = raw[i].slower;
		faster[i] = raw[i].faster;
		weight[i] = is_whole(g_array_index(inputs, struct regress_input, i).name) ? TOTAL_WEIGHT : 1;
		all += weight[i];
	}
	stats_holm(slower, weight, inputs->len);
	stats_holm(faster, weight, inputs->len);
	for (i = 0; i < inputs->len; i++) {
		struct regress_metric *m = g_ptr_array_index(metrics, i);
		const double needed = stats_t_point(c->alpha * weight[i] / all, raw[i].df) * raw[i].error;

		m->p_slower = slower[i];
		m->p_faster = faster[i];
		m->seen_from = MAX(expm1(needed), c->effect_min);
		m->outcome = outcome_of(c, metrics, m);
	}
}

/* ---- runs of a history ----------------------------------------------------------------- */

static void metric_free(gpointer data)
{
	struct regress_metric *metric = data;

	g_free(metric->name);
	g_free(metric);
}

static struct regress *regress_new(void)
{
	struct regress *r = g_new0(struct regress, 1);

	r->baseline = g_ptr_array_new_with_free_func(g_free);
	r->metrics = g_ptr_array_new_with_free_func(metric_free);
	return r;
}

void regress_free(struct regress *r)
{
	if (!r)
		return;
	g_free(r->why);
	g_ptr_array_unref(r->baseline);
	g_ptr_array_unref(r->metrics);
	g_free(r);
}

static void unref(gpointer array)
{
	if (array)
		g_array_unref(array);
}

static void runs_free(gpointer run)
{
	hist_run_free(run);
}

/* Off the CPU waits the host too: told beside the rest, never judged. */
static gboolean is_judged(const struct hist_metric *metric)
{
	return metric->samples && metric->samples->len && !g_str_has_suffix(metric->name, ".off_cpu");
}

/* Built into the kernel, the module has no digest, and the kernel is the same in all of them. */
static gboolean same_code(const struct hist_run *a, const struct hist_run *b)
{
	static const char *const keys[] = { "module_sha256", "module_params", "mount_options", "mount_api", "kernel" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(hist_word(a->env, keys[i]), hist_word(b->env, keys[i])))
			return FALSE;
	return TRUE;
}

static void judge(struct regress *r, const struct regress_config *c, const struct hist_run *here, const GPtrArray *there)
{
	g_autoptr(GArray) inputs = g_array_new(FALSE, FALSE, sizeof(struct regress_input));
	guint i, k;

	for (i = 0; i < here->metrics->len; i++) {
		const struct hist_metric *metric = g_ptr_array_index(here->metrics, i);
		struct regress_input in = { .name = metric->name, .here = metric->samples, .count_here = metric->count };

		if (!is_judged(metric))
			continue;
		in.there = g_ptr_array_new_with_free_func(unref);
		for (k = 0; k < there->len; k++) {
			const struct hist_metric *other = hist_run_metric(g_ptr_array_index(there, k), metric->name);
			const gboolean has = other && is_judged(other);

			g_ptr_array_add(in.there, has ? g_array_ref(other->samples) : NULL);
			in.count_there += has ? other->count : 0;
		}
		if (present(in.there) >= c->runs_min)
			g_array_append_val(inputs, in);
		else
			g_ptr_array_unref(in.there);
	}
	for (i = 0, k = 0; i < there->len; i++)
		k += same_code(here, g_ptr_array_index(there, i));
	r->same_code = 2 * k >= there->len;
	regress_judge(c, inputs, r->metrics);
	for (i = 0; i < inputs->len; i++)
		g_ptr_array_unref(g_array_index(inputs, struct regress_input, i).there);
	if (!inputs->len)
		r->why = g_strdup_printf("no metric is in %u runs before it", c->runs_min);
}

static gboolean load_all(struct history *h, const GArray *ids, struct regress *r, GPtrArray *runs, GError **error)
{
	guint i;

	for (i = 0; i < ids->len; i++) {
		struct hist_run *run = history_load(h, g_array_index(ids, gint64, i), FALSE, error);

		if (!run)
			return FALSE;
		g_ptr_array_add(runs, run);
		g_ptr_array_add(r->baseline, g_strdup(run->name));
	}
	return TRUE;
}

struct regress *regress_run(struct history *h, const struct hist_run *run, const char *const *across,
			    const struct regress_config *c, GError **error)
{
	VX_GUARD(regress_free) struct regress *r = regress_new();
	g_autoptr(GPtrArray) there = g_ptr_array_new_with_free_func(runs_free);
	g_autoptr(GArray) ids = history_baseline(h, run, across, c->runs_most, &r->why, error);

	if (!ids || !load_all(h, ids, r, there, error))
		return NULL;
	if (r->why)
		return g_steal_pointer(&r);
	if (there->len < c->runs_min)
		r->why = g_strdup_printf("%u comparable run%s before it, %u are needed to know how much runs differ", there->len,
					 there->len == 1 ? "" : "s", c->runs_min);
	else
		judge(r, c, run, there);
	return g_steal_pointer(&r);
}

struct regress *regress_pair(struct history *h, const struct hist_run *a, const struct hist_run *b, const char *const *across,
			     const struct regress_config *c, GError **error)
{
	VX_GUARD(regress_free) struct regress *r = regress_new();
	g_autoptr(GPtrArray) there = g_ptr_array_new_with_free_func(runs_free);
	g_autofree char *difference = hist_difference(a->env, b->env, across);
	g_autoptr(GArray) ids = NULL;
	guint i;

	if (difference) {
		r->why = g_strdup_printf("they cannot be compared: %s", difference);
		return g_steal_pointer(&r);
	}
	ids = history_baseline(h, a, NULL, c->runs_most - 1, NULL, error);
	if (!ids)
		return NULL;
	for (i = 0; i < ids->len; i++)
		if (g_array_index(ids, gint64, i) == b->id)
			g_array_remove_index(ids, i--);
	g_array_append_val(ids, a->id);
	if (!load_all(h, ids, r, there, error))
		return NULL;
	if (there->len < c->runs_min)
		r->why = g_strdup_printf("no evidence: from %u comparable run%s up to %s it is not known how much runs differ; %u are needed",
					 there->len, there->len == 1 ? "" : "s", a->name, c->runs_min);
	else
		judge(r, c, b, there);
	return g_steal_pointer(&r);
}

guint regress_count(const struct regress *r, enum regress_outcome outcome)
{
	guint n = 0, i;

	for (i = 0; i < r->metrics->len; i++)
		n += ((const struct regress_metric *)g_ptr_array_index(r->metrics, i))->outcome == outcome;
	return n;
}

static json_t *metric_json(const struct regress_metric *m)
{
	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:f, s:f, s:f, s:[f, f, f], s:[f, f, f], s:f, s:f, s:f, s:f, s:f}", "metric", m->name,
			 "outcome", regress_outcome_name(m->outcome), "runs", (int)m->runs, "operations", (json_int_t)m->here,
			 "operations_before", (json_int_t)m->there, "p50_ns", m->p50_here, "p50_before_ns", m->p50_there,
			 "cliffs_delta", m->delta, "shift", m->shift, m->shift_low, m->shift_high,
			 "level", m->level, m->level_low, m->level_high, "relative", m->relative, "spread", m->spread, "seen_from", m->seen_from,
			 "p_slower", m->p_slower, "p_faster", m->p_faster);
}

json_t *regress_json(const struct regress *r)
{
	json_t *names = json_array(), *metrics = json_array();
	guint i;

	for (i = 0; i < r->baseline->len; i++)
		json_array_append_new(names, json_string(g_ptr_array_index(r->baseline, i)));
	for (i = 0; i < r->metrics->len; i++)
		json_array_append_new(metrics, metric_json(g_ptr_array_index(r->metrics, i)));
	return json_pack("{s:o, s:s?, s:b, s:o}", "baseline", names, "why", r->why, "same_code", (int)r->same_code, "metrics", metrics);
}
