// SPDX-License-Identifier: GPL-2.0
/* The score's promises, each held against thousands of made-up runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "score.h"

#define RUNS		4000
#define SLACK		1e-9
#define TITLES		6

struct bed {
	GRand *rand;
	struct analysis an;
};

static guint below(struct bed *b, guint n)
{
	return (guint)g_rand_int_range(b->rand, 0, (gint32)n);
}

static void add_finding(struct bed *b, enum finding_class class, enum severity severity, enum blame blame, gboolean noise, guint title)
{
	g_autofree char *text = g_strdup_printf("title %u", title);
	struct finding *finding = finding_new(class, severity, text);

	finding->blame = blame;
	finding->noise = noise;
	g_ptr_array_add(b->an.findings, finding);
}

static void add_some(struct bed *b)
{
	guint n = below(b, 8);

	while (n--)
		add_finding(b, below(b, FINDING_CLASSES), below(b, 4), below(b, 10) < 7 ? BLAME_MODULE : below(b, 3), !below(b, 12),
			    below(b, TITLES));
}

/* Any run: all kinds of steps, some of which failed, operations, recoveries, findings. */
static void begin(struct bed *b, GRand *rand)
{
	guint i;

	*b = (struct bed){ .rand = rand };
	b->an.findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	b->an.end = below(b, 10) ? json_object() : NULL;
	b->an.cut = below(b, 6) ? NULL : b->an.end;
	b->an.mode = below(b, 2) ? MODE_ALL : 1 + below(b, MODE_CRASHES);
	for (i = 0; i < STEP_GROUPS; i++) {
		b->an.group[i].done = below(b, 3) ? below(b, 200) : 0;
		b->an.group[i].failed = b->an.group[i].done ? below(b, (guint)b->an.group[i].done + 1) / (1 + below(b, 20)) : 0;
		b->an.steps += b->an.group[i].done;
		b->an.steps_failed += b->an.group[i].failed;
	}
	b->an.cycles = below(b, 2) ? below(b, 1000) : 0;
	b->an.measurements = below(b, 2) ? below(b, 2000) : 0;
	b->an.violations = b->an.measurements && !below(b, 3) ? below(b, (guint)b->an.measurements) : 0;
	b->an.recoveries = below(b, 4);
	b->an.recovered = below(b, b->an.recoveries + 1);
	add_some(b);
}

static void end(struct bed *b)
{
	json_decref(b->an.end);
	g_ptr_array_unref(b->an.findings);
}

static void not_higher(const struct verdict *now, const struct verdict *then)
{
	assert_true(now->stability <= then->stability + SLACK);
	assert_true(now->tests <= then->tests + SLACK);
	assert_true(now->performance <= then->performance + SLACK);
	assert_true(now->overall <= then->overall + SLACK);
	assert_true(now->overall_span.low <= then->overall_span.low + SLACK);
	assert_true(now->readiness <= then->readiness || then->readiness == READINESS_NOT_JUDGED);
}

static void each_run(void (*check)(struct bed *b))
{
	GRand *rand = g_rand_new_with_seed(20);
	guint i;

	for (i = 0; i < RUNS; i++) {
		struct bed b;

		begin(&b, rand);
		check(&b);
		end(&b);
	}
	g_rand_free(rand);
}

static void in_bounds(struct bed *b)
{
	const struct score_span *spans[4];
	double scores[4];
	struct verdict v;
	guint i;

	score_verdict(&b->an, &v);
	if (!v.judged)
		return;
	spans[0] = &v.stability_span, spans[1] = &v.tests_span, spans[2] = &v.performance_span, spans[3] = &v.overall_span;
	scores[0] = v.stability, scores[1] = v.tests, scores[2] = v.performance, scores[3] = v.overall;
	for (i = 0; i < 4; i++) {
		assert_true(scores[i] >= 0 && scores[i] <= 100 + SLACK);
		assert_true(spans[i]->low <= scores[i] + SLACK && scores[i] <= spans[i]->high + SLACK);
		assert_true(spans[i]->low >= -SLACK && spans[i]->high <= 100 + SLACK);
	}
}

static void test_scores_are_in_their_spans(void **state)
{
	each_run(in_bounds);
}

static void one_more(struct bed *b)
{
	struct verdict before, after;

	score_verdict(&b->an, &before);
	add_finding(b, below(b, FINDING_CLASSES), below(b, 4), below(b, 3), !below(b, 5), below(b, TITLES + 1));
	score_verdict(&b->an, &after);
	/* What had no score may get one: then there was nothing to be raised. */
	if (before.judged)
		not_higher(&after, &before);
}

static void test_one_finding_more_raises_nothing(void **state)
{
	each_run(one_more);
}

static void one_worse(struct bed *b)
{
	struct verdict before, after;
	struct finding *finding;

	if (!b->an.findings->len)
		return;
	score_verdict(&b->an, &before);
	finding = g_ptr_array_index(b->an.findings, below(b, b->an.findings->len));
	finding->severity = MIN(finding->severity + 1 + below(b, 2), SEV_CRITICAL);
	score_verdict(&b->an, &after);
	if (before.judged)
		not_higher(&after, &before);
}

static void test_a_worse_finding_raises_nothing(void **state)
{
	each_run(one_worse);
}

static void one_failure(struct bed *b)
{
	const guint group = below(b, STEP_GROUPS);
	struct verdict before, after;

	score_verdict(&b->an, &before);
	b->an.group[group].done++;
	b->an.group[group].failed++;
	b->an.steps++;
	b->an.steps_failed++;
	add_finding(b, FINDING_STEP_FAILED, SEV_MEDIUM, BLAME_MODULE, FALSE, 99);
	score_verdict(&b->an, &after);
	if (before.judged)
		not_higher(&after, &before);
	assert_true(after.readiness == READINESS_NOT_READY);
}

static void test_a_step_more_that_fails_raises_nothing(void **state)
{
	each_run(one_failure);
}

static void one_slow(struct bed *b)
{
	struct verdict before, after;

	score_verdict(&b->an, &before);
	b->an.measurements++;
	b->an.violations++;
	add_finding(b, FINDING_SLOW_OPERATION, SEV_MEDIUM, BLAME_MODULE, FALSE, 98);
	score_verdict(&b->an, &after);
	if (before.judged)
		not_higher(&after, &before);
	before = after;
	b->an.recoveries++;
	score_verdict(&b->an, &after);
	not_higher(&after, &before);
}

static void test_slowness_and_failed_recovery_raise_nothing(void **state)
{
	each_run(one_slow);
}

static void one_grave(struct bed *b)
{
	struct verdict v;

	add_finding(b, below(b, FINDING_CLASSES), SEV_HIGH + below(b, 2), BLAME_MODULE, FALSE, below(b, TITLES));
	score_verdict(&b->an, &v);
	assert_true(v.judged);
	assert_true(v.readiness == READINESS_NOT_READY);
	assert_true(v.code != VERDICT_PASSED);
}

/* That nothing was found where nobody looked is worth nothing; what was found all the same counts as ever. */
static void partly(struct bed *b)
{
	const gboolean speed = b->an.mode == MODE_PERFORMANCE;
	struct verdict v, whole;

	score_verdict(&b->an, &v);
	b->an.mode = MODE_ALL;
	score_verdict(&b->an, &whole);
	assert_int_equal(v.code, whole.code);
	assert_int_equal(v.judged, whole.judged);
	if (!v.partial || !v.judged)
		return;
	assert_true(v.readiness == READINESS_NOT_JUDGED || v.readiness == READINESS_NOT_READY);
	assert_true(v.overall >= whole.overall - SLACK);
	assert_true(!speed || v.has_stability == (v.by_concern[CONCERN_STABILITY] + v.by_concern[CONCERN_CRITICAL] > 0));
	assert_true(!speed || v.has_performance == whole.has_performance);
	assert_true(speed || (v.stability == whole.stability && v.tests == whole.tests));
	assert_true(v.has_stability ? v.stability == whole.stability : v.stability == 100);
	assert_true(v.has_performance ? v.performance == whole.performance : v.performance == 100);
}

static void test_what_was_not_looked_at_is_not_judged(void **state)
{
	each_run(partly);
}

static void test_high_or_critical_is_never_ready(void **state)
{
	each_run(one_grave);
}

static void environment_only(struct bed *b)
{
	struct verdict before, after;

	score_verdict(&b->an, &before);
	/* But that no guest could be had again is told, whoever it was. */
	add_finding(b, below(b, FINDING_RECOVERY_FAILED), below(b, 4), BLAME_ENVIRONMENT, FALSE, below(b, TITLES));
	add_finding(b, below(b, FINDING_CLASSES), below(b, 4), BLAME_MODULE, TRUE, below(b, TITLES));
	score_verdict(&b->an, &after);
	assert_true(after.environment == before.environment + 1);
	assert_true(after.noise == before.noise + 1);
	after.environment = before.environment;
	after.noise = before.noise;
	assert_true(after.judged == before.judged && after.code == before.code && after.readiness == before.readiness);
	assert_true(after.overall == before.overall && after.stability == before.stability);
	assert_true(after.overall_span.low == before.overall_span.low && after.overall_span.high == before.overall_span.high);
}

static void test_environment_and_noise_do_not_count(void **state)
{
	each_run(environment_only);
}

static double width(const struct score_span *span)
{
	return span->high - span->low;
}

/* The same shares of everything, ten times as much of it; what was found as often as there was more to find it in. */
static void ten_times(struct bed *b)
{
	struct verdict few, many;
	guint i, n = b->an.findings->len, k;

	score_verdict(&b->an, &few);
	for (i = 0; i < n; i++) {
		const struct finding *f = g_ptr_array_index(b->an.findings, i);
		guint title = (guint)(f->title[strlen(f->title) - 1] - '0');

		for (k = 1; k < 10; k++)
			add_finding(b, f->class, f->severity, f->blame, f->noise, title);
	}
	for (i = 0; i < STEP_GROUPS; i++) {
		b->an.group[i].done *= 10;
		b->an.group[i].failed *= 10;
	}
	b->an.steps *= 10;
	b->an.steps_failed *= 10;
	b->an.cycles *= 10;
	b->an.measurements *= 10;
	b->an.violations *= 10;
	score_verdict(&b->an, &many);
	if (!few.judged)
		return;
	assert_true(fabs(few.overall - many.overall) < 1e-6);
	assert_true(width(&many.stability_span) <= width(&few.stability_span) + SLACK);
	assert_true(width(&many.tests_span) <= width(&few.tests_span) + SLACK);
	assert_true(width(&many.performance_span) <= width(&few.performance_span) + SLACK);
	if (few.work)
		assert_true(many.unseen < few.unseen);
}

static void test_more_evidence_narrows(void **state)
{
	each_run(ten_times);
}

static void test_nothing_run_has_no_score(void **state)
{
	struct analysis an = { .findings = g_ptr_array_new(), .end = json_object() };
	g_auto(GStrv) reasons = NULL;
	struct verdict v;

	score_verdict(&an, &v);
	assert_false(v.judged);
	assert_string_equal(verdict_readiness(&v), "not judged");
	assert_true(v.overall == 0);
	reasons = verdict_reasons(&v, &an);
	assert_string_equal(reasons[0], "no step of the target was run");
	json_decref(an.end);
	g_ptr_array_unref(an.findings);
}

static void test_ten_cycles_are_not_ten_thousand(void **state)
{
	struct analysis an = { .findings = g_ptr_array_new(), .end = json_object(), .steps = 22, .cycles = 10 };
	g_auto(GStrv) few = NULL, many = NULL;
	struct verdict v;

	an.group[GROUP_MOUNT].done = an.group[GROUP_UMOUNT].done = 11;
	score_verdict(&an, &v);
	few = verdict_reasons(&v, &an);
	/* 1 - 0.05^(1/10). */
	assert_non_null(strstr(few[0], "10 cycles went well: a crash in up to 25.9 %"));
	an.cycles = 10000;
	an.steps = 20022;
	score_verdict(&an, &v);
	many = verdict_reasons(&v, &an);
	assert_non_null(strstr(many[0], "10000 cycles went well: a crash in up to 0.03 %"));
	assert_int_equal(v.readiness, READINESS_READY);
	json_decref(an.end);
	g_ptr_array_unref(an.findings);
}

/* Each step of the formula by hand. */
static void test_the_formula(void **state)
{
	struct bed b = { .an = { .end = json_object(), .steps = 100, .cycles = 99 } };
	struct verdict v;

	b.an.findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	b.an.group[GROUP_MOUNT] = (struct step_count){ 50, 5 };
	b.an.group[GROUP_OPERATION] = (struct step_count){ 50, 0 };
	b.an.measurements = 200;
	b.an.violations = 10;
	add_finding(&b, FINDING_OOPS, SEV_HIGH, BLAME_MODULE, FALSE, 1);
	add_finding(&b, FINDING_LEAK, SEV_MEDIUM, BLAME_MODULE, FALSE, 2);
	b.an.recoveries = 2;
	b.an.recovered = 1;
	score_verdict(&b.an, &v);
	/* Once in 100; a leak counts as always; one recovery failed. */
	assert_true(fabs(v.stability - 100 * (1 - .5 * (.5 + .5 * .01)) * (1 - .2) * .9) < SLACK);
	assert_true(fabs(v.tests - 95) < SLACK);
	assert_true(fabs(v.performance - 95) < SLACK);
	assert_true(fabs(v.overall - pow(v.stability, .5) * pow(95, .3) * pow(95, .2)) < 1e-6);
	end(&b);
}

static void advice_in_order(struct bed *b)
{
	g_autoptr(GPtrArray) list = verdict_advice(&b->an);
	double last = 1000;
	guint i, counted = 0, told = 0;

	for (i = 0; i < b->an.findings->len; i++)
		counted += score_counts(g_ptr_array_index(b->an.findings, i));
	for (i = 0; i < list->len; i++) {
		const struct advice *advice = g_ptr_array_index(list, i);

		assert_true(advice->gain <= last && advice->gain >= -SLACK);
		assert_non_null(strstr(advice->text, advice->finding->title));
		last = advice->gain;
		told += advice->times;
	}
	assert_int_equal(told, counted);
}

static void test_advice_is_of_each_finding_and_in_order(void **state)
{
	each_run(advice_in_order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scores_are_in_their_spans),
		cmocka_unit_test(test_one_finding_more_raises_nothing),
		cmocka_unit_test(test_a_worse_finding_raises_nothing),
		cmocka_unit_test(test_a_step_more_that_fails_raises_nothing),
		cmocka_unit_test(test_slowness_and_failed_recovery_raise_nothing),
		cmocka_unit_test(test_what_was_not_looked_at_is_not_judged),
		cmocka_unit_test(test_high_or_critical_is_never_ready),
		cmocka_unit_test(test_environment_and_noise_do_not_count),
		cmocka_unit_test(test_more_evidence_narrows),
		cmocka_unit_test(test_nothing_run_has_no_score),
		cmocka_unit_test(test_ten_cycles_are_not_ten_thousand),
		cmocka_unit_test(test_the_formula),
		cmocka_unit_test(test_advice_is_of_each_finding_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
