// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <string.h>

#include "score.h"

#define Z95		1.959964	/* each side 2.5 % */
#define RECOVERY_KEEPS	.9
#define UNSEEN_CHANCE	.05

static double share(enum severity severity)
{
	static const double shares[] = {
		[SEV_LOW] = .05, [SEV_MEDIUM] = .20, [SEV_HIGH] = .50, [SEV_CRITICAL] = .80,
	};

	return shares[severity];
}

/* Of the groups of steps: what cannot be mounted is worth less than what cannot be unloaded. */
static const double group_weight[STEP_GROUPS] = {
	[GROUP_LOAD] = .20, [GROUP_UNLOAD] = .15, [GROUP_MOUNT] = .25, [GROUP_UMOUNT] = .15, [GROUP_OPERATION] = .25,
};

/* A share with what it may be as well. */
struct range {
	double is, low, high;
};

/* Wilson's interval. */
static struct range share_of(double good, double all)
{
	const double p = good / all, n = all, middle = (p + Z95 * Z95 / (2 * n)) / (1 + Z95 * Z95 / n);
	const double half = Z95 / (1 + Z95 * Z95 / n) * sqrt(p * (1 - p) / n + Z95 * Z95 / (4 * n * n));

	return (struct range){ p, good <= 0 ? 0 : fmax(middle - half, 0), good >= all ? 1 : fmin(middle + half, 1) };
}

gboolean score_counts(const struct finding *finding)
{
	/* That a guest could not be brought back ends a run, whoever is to blame. */
	return finding_counts(finding) && (finding->blame != BLAME_ENVIRONMENT || finding->class == FINDING_RECOVERY_FAILED);
}

gboolean score_same(const struct finding *a, const struct finding *b)
{
	return a->class == b->class && !strcmp(a->title, b->title);
}

static enum verdict_code gravest(const struct verdict *v)
{
	if (v->by_concern[CONCERN_CRITICAL])
		return VERDICT_CRITICAL;
	if (v->by_concern[CONCERN_STABILITY])
		return VERDICT_STABILITY;
	if (v->by_concern[CONCERN_TEST])
		return VERDICT_TEST_FAILURES;
	if (v->by_concern[CONCERN_PERFORMANCE])
		return VERDICT_PERFORMANCE;
	return VERDICT_PASSED;
}

/* ---- what findings leave ---------------------------------------------------------------- */

struct group {
	const struct finding *first;
	enum severity severity;
	guint64 times;
};

static GArray *groups_of(const struct analysis *an, const struct finding *without)
{
	GArray *groups = g_array_new(FALSE, FALSE, sizeof(struct group));
	guint i, k;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);
		struct group group = { finding, finding->severity, 1 };

		if (!score_counts(finding) || (without && score_same(finding, without)))
			continue;
		for (k = 0; k < groups->len; k++) {
			struct group *g = &g_array_index(groups, struct group, k);

			if (!score_same(g->first, finding))
				continue;
			g->times++;
			g->severity = MAX(g->severity, finding->severity);
			break;
		}
		if (k == groups->len)
			g_array_append_val(groups, group);
	}
	return groups;
}

/* It is so in every cycle, and told once. */
static gboolean is_lasting(enum finding_class class)
{
	return class == FINDING_LEAK || class == FINDING_REGRESSION;
}

/* How often, of the units: half of a finding's weight is that it can happen, half how often it does. */
static struct range frequency(const struct group *group, double work)
{
	if (is_lasting(group->first->class))
		return (struct range){ 1, 1, 1 };
	return share_of((double)group->times, (double)group->times + work);
}

static double keeps(const struct group *group, double frequency)
{
	return 1 - share(group->severity) * (.5 + .5 * frequency);
}

static gboolean concerns(const struct group *group, enum concern concern)
{
	const enum concern is = finding_concern(group->first->class);

	return is == concern || (is == CONCERN_CRITICAL && concern == CONCERN_STABILITY);
}

static struct range left_by(const GArray *groups, enum concern concern, double work)
{
	struct range left = { 1, 1, 1 };
	guint i;

	for (i = 0; i < groups->len; i++) {
		const struct group *group = &g_array_index(groups, struct group, i);
		const struct range often = frequency(group, work);

		if (!concerns(group, concern))
			continue;
		left.is *= keeps(group, often.is);
		left.low *= keeps(group, often.high);
		left.high *= keeps(group, often.low);
	}
	return left;
}

/* ---- scores ------------------------------------------------------------------------------ */

static struct range times(struct range a, struct range b)
{
	return (struct range){ a.is * b.is, a.low * b.low, a.high * b.high };
}

static struct range steps_share(const struct analysis *an, gboolean *any)
{
	struct range sum = { 0, 0, 0 };
	double weight = 0;
	guint i;

	for (i = 0; i < STEP_GROUPS; i++) {
		const struct step_count *count = &an->group[i];
		struct range one;

		if (!count->done)
			continue;
		one = share_of((double)(count->done - MIN(count->failed, count->done)), (double)count->done);
		sum.is += group_weight[i] * one.is;
		sum.low += group_weight[i] * one.low;
		sum.high += group_weight[i] * one.high;
		weight += group_weight[i];
	}
	*any = weight > 0;
	if (!*any)
		return (struct range){ 1, 0, 1 };
	return (struct range){ sum.is / weight, sum.low / weight, sum.high / weight };
}

static struct range within_share(const struct analysis *an, gboolean *any)
{
	*any = an->measurements > 0;
	if (!*any)
		return (struct range){ 1, 0, 1 };
	return share_of((double)(an->measurements - MIN(an->violations, an->measurements)), (double)an->measurements);
}

static double weighted(double stability, double tests, double performance)
{
	return 100 * pow(stability / 100, .5) * pow(tests / 100, .3) * pow(performance / 100, .2);
}

static void put(struct range range, double *ret, struct score_span *span)
{
	*ret = 100 * range.is;
	*span = (struct score_span){ 100 * range.low, 100 * range.high };
}

/* A crash that is rarer than this has had no fair chance to show. */
static double unseen(double work)
{
	return work > 0 ? 1 - pow(UNSEEN_CHANCE, 1 / work) : 1;
}

/* Of what was not to be looked at, what was found all the same is judged; that nothing was found says nothing. */
static gboolean is_judged(const struct analysis *an, const struct verdict *v, enum concern concern)
{
	const gboolean looked = an->mode == MODE_ALL || (concern == CONCERN_PERFORMANCE) == (an->mode == MODE_PERFORMANCE);

	return looked || v->by_concern[concern] || (concern == CONCERN_STABILITY && v->by_concern[CONCERN_CRITICAL]);
}

static struct range if_judged(gboolean judged, struct range range)
{
	return judged ? range : (struct range){ 1, 0, 1 };
}

static void score(const struct analysis *an, const GArray *groups, struct verdict *v)
{
	const double work = (double)v->work;
	gboolean any_steps, any_timed;
	const double recovery = pow(RECOVERY_KEEPS, an->recoveries - MIN(an->recovered, an->recoveries));
	const struct range recovered = { recovery, recovery * (1 - share(SEV_CRITICAL) * v->unseen), recovery };

	const struct range stability = times(left_by(groups, CONCERN_STABILITY, work), recovered);
	const struct range tests = times(left_by(groups, CONCERN_TEST, work), steps_share(an, &any_steps));
	const struct range performance = times(left_by(groups, CONCERN_PERFORMANCE, work), within_share(an, &any_timed));

	v->has_stability = is_judged(an, v, CONCERN_STABILITY);
	v->has_tests = v->by_concern[CONCERN_TEST] || (any_steps && is_judged(an, v, CONCERN_TEST));
	v->has_performance = v->by_concern[CONCERN_PERFORMANCE] || (any_timed && is_judged(an, v, CONCERN_PERFORMANCE));
	put(if_judged(v->has_stability, stability), &v->stability, &v->stability_span);
	put(if_judged(is_judged(an, v, CONCERN_TEST), tests), &v->tests, &v->tests_span);
	put(if_judged(is_judged(an, v, CONCERN_PERFORMANCE), performance), &v->performance, &v->performance_span);
	v->overall = weighted(v->stability, v->tests, v->performance);
	/* What was not measured is not held against the rest. */
	v->overall_span.low = weighted(v->has_stability ? v->stability_span.low : v->stability, v->has_tests ? v->tests_span.low : v->tests,
				       v->has_performance ? v->performance_span.low : v->performance);
	v->overall_span.high = weighted(v->stability_span.high, v->tests_span.high, v->performance_span.high);
}

static enum readiness readiness(const struct verdict *v)
{
	if (!v->judged)
		return READINESS_NOT_JUDGED;
	if (v->by_severity[SEV_HIGH] || v->by_severity[SEV_CRITICAL])
		return READINESS_NOT_READY;
	if (v->code != VERDICT_PASSED && v->code != VERDICT_PERFORMANCE)
		return READINESS_NOT_READY;
	if (v->partial)
		return READINESS_NOT_JUDGED;
	return v->code == VERDICT_PASSED ? READINESS_READY : READINESS_CONDITIONS;
}

static void count(const struct analysis *an, const struct finding *without, struct verdict *v)
{
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (without && score_same(finding, without))
			continue;
		v->noise += !finding_counts(finding);
		v->environment += finding_counts(finding) && !score_counts(finding);
		if (!score_counts(finding))
			continue;
		v->by_concern[finding_concern(finding->class)]++;
		v->by_severity[finding->severity]++;
	}
}

void score_without(const struct analysis *an, const struct finding *without, struct verdict *ret)
{
	g_autoptr(GArray) groups = groups_of(an, without);

	memset(ret, 0, sizeof(*ret));
	count(an, without, ret);
	ret->code = gravest(ret);
	ret->work = an->cycles ? an->cycles : an->steps - MIN(an->steps_failed, an->steps);
	ret->unseen = unseen((double)ret->work);
	/* What was found stands; that nothing was found says nothing before the end. */
	/* A guest that went, for whatever reason, before the scenario had come to its end proves nothing good. */
	ret->judged = ret->code != VERDICT_PASSED ||
		      (an->steps > 0 && an->end && !json_is_true(json_object_get(an->end, "lost")));
	ret->partial = an->mode != MODE_ALL || an->cut;
	ret->readiness = readiness(ret);
	if (ret->judged)
		score(an, groups, ret);
}

void score_verdict(const struct analysis *an, struct verdict *ret)
{
	score_without(an, NULL, ret);
}

const char *verdict_result(const struct verdict *v)
{
	static const char *const names[] = {
		[VERDICT_PASSED] = "passed",
		[VERDICT_TEST_FAILURES] = "test failures",
		[VERDICT_STABILITY] = "stability issues",
		[VERDICT_PERFORMANCE] = "performance issues",
		[VERDICT_CRITICAL] = "critical failures",
	};

	return v->judged ? names[v->code] : "not judged";
}

const char *verdict_readiness(const struct verdict *v)
{
	static const char *const names[] = {
		[READINESS_NOT_JUDGED] = "not judged", [READINESS_NOT_READY] = "not ready",
		[READINESS_CONDITIONS] = "ready with conditions", [READINESS_READY] = "ready",
	};

	return names[v->readiness];
}

static char *score_words(const char *name, gboolean has, double score)
{
	return has ? g_strdup_printf("%s %.0f", name, score) : g_strdup_printf("%s not judged", name);
}

char *verdict_scores(const struct verdict *v)
{
	g_autofree char *stability = score_words("stability", v->has_stability, v->stability);
	g_autofree char *tests = score_words("tests", v->has_tests, v->tests);
	g_autofree char *performance = score_words("performance", v->has_performance, v->performance);

	return g_strjoin(", ", stability, tests, performance, NULL);
}

char *verdict_limits(const struct analysis *an)
{
	const char *mode = run_mode_word(an->mode);

	if (!an->cut)
		return g_strdup(mode);
	return g_strdup_printf("%s%scut by its budget", mode ? mode : "", mode ? ", " : "");
}
