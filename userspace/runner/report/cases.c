// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "cases.h"
#include "finding.h"
#include "text.h"
#include "wire.h"

#define KINDS_MAX	500u	/* of steps, told apart */
#define FINDINGS_MAX	200u	/* different ones */
#define LINES_MAX	60u

static void case_free(gpointer data)
{
	struct report_case *one = data;

	g_free(one->group);
	g_free(one->name);
	g_free(one->type);
	g_free(one->message);
	g_ptr_array_unref(one->lines);
	g_free(one);
}

static struct report_case *case_add(GPtrArray *cases, const char *group, const char *name)
{
	struct report_case *one = g_new0(struct report_case, 1);

	one->group = g_strdup(group);
	one->name = g_strdup(*name ? name : "?");
	one->lines = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(cases, one);
	return one;
}

/* The first failure is told, a graver kind of it later on raises the result. */
static void case_fails(struct report_case *one, enum case_result result, const char *type, char *message)
{
	g_autofree char *words = message;

	if (one->result < CASE_FAILED || (one->result == CASE_ERROR && result == CASE_FAILED)) {
		one->result = result;
		g_free(one->type);
		g_free(one->message);
		one->type = g_strdup(type);
		one->message = g_steal_pointer(&words);
	}
}

/* ---- the run itself ---------------------------------------------------------------------- */

static const char *broken_off(const struct analysis *an)
{
	const char *why = NULL;
	const json_t *json;
	size_t i;

	json_array_foreach(an->vm, i, json)
		if (!g_strcmp0(json_string_value(json_object_get(json, "event")), "broken off"))
			why = json_string_value(json_object_get(json, "why"));
	return why;
}

static void add_run(GPtrArray *cases, const struct report_view *view)
{
	const struct analysis *an = view->an;
	struct report_case *one = case_add(cases, CASES_GROUP_RUN, "comes to its end");

	one->begin_ns = view->chron->begin_ns;
	one->took_ns = view->chron->end_ns - view->chron->begin_ns;
	one->times = 1;
	if (!an->end)
		case_fails(one, CASE_ERROR, "Interrupted", g_strdup_printf("the run was interrupted%s%s",
			   broken_off(an) ? ": " : "", broken_off(an) ? broken_off(an) : ""));
	else if (an->cut)
		case_fails(one, CASE_SKIPPED, "Budget", g_strdup("its budget was used up: what is not told of was not done"));
	else if (!an->steps)
		case_fails(one, CASE_ERROR, "NothingRun", g_strdup("nothing of the target was run"));
	if (!an->measurements)
		return;
	one = case_add(cases, CASES_GROUP_RUN, "operations within their threshold");
	one->begin_ns = view->chron->begin_ns;
	one->times = an->measurements;
	one->failed = an->violations;
	if (an->violations)
		case_fails(one, CASE_FAILED, "SlowOperation", g_strdup_printf("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
			   " operations took longer", an->violations, an->measurements));
}

/* ---- steps -------------------------------------------------------------------------------- */

static void note_step(struct report_case *one, const struct chron_step *step, gboolean cut_off)
{
	const enum case_result result = !step->target || cut_off ? CASE_ERROR : CASE_FAILED;

	one->times++;
	one->took_ns += step->answered ? step->took_ns : step->end_ns - step->begin_ns;
	if (!chron_step_failed(step))
		return;
	one->failed++;
	case_fails(one, result, !step->answered ? "NoAnswer" : "StepFailure", !step->answered ?
		   g_strdup_printf("no answer in cycle %" G_GUINT64_FORMAT ": %s", step->cycle, cut_off ?
				   "the run was cut off" : "the guest was lost") :
		   g_strdup_printf("%s in cycle %" G_GUINT64_FORMAT "%s%s",
				   step->err ? vx_step_err_text(step->err) : "exit status is not 0", step->cycle,
				   step->says ? ": " : "", step->says ? step->says : ""));
}

static void add_steps(GPtrArray *cases, const struct report_view *view)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	const GArray *steps = view->chron->steps;
	guint i;

	for (i = 0; i < steps->len; i++) {
		const struct chron_step *step = &g_array_index(steps, struct chron_step, i);
		const gboolean full = g_hash_table_size(seen) >= KINDS_MAX;
		char *key = g_strdup_printf("%s\n%s", step->phase, step->name);
		struct report_case *one = g_hash_table_lookup(seen, key);

		if (!one && full) {
			g_free(key);
			key = g_strdup_printf("%s\nfurther steps", step->phase);
			one = g_hash_table_lookup(seen, key);
		}
		if (!one) {
			one = case_add(cases, *step->phase ? step->phase : "?", full ? "further steps" : step->name);
			one->begin_ns = step->begin_ns;
			g_hash_table_insert(seen, g_steal_pointer(&key), one);
		}
		g_free(key);
		note_step(one, step, i + 1 == steps->len && !view->an->end);
	}
}

/* Steps of one phase stand together, however they took turns. */
static void sort_by_group(GPtrArray *cases, guint from)
{
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	guint i, k;

	for (i = from; i < cases->len; i++) {
		const struct report_case *first = g_ptr_array_index(cases, i);

		if (g_ptr_array_find(sorted, first, NULL))
			continue;
		for (k = i; k < cases->len; k++) {
			struct report_case *one = g_ptr_array_index(cases, k);

			if (!strcmp(one->group, first->group))
				g_ptr_array_add(sorted, one);
		}
	}
	memcpy(cases->pdata + from, sorted->pdata, sorted->len * sizeof(gpointer));
}

/* ---- findings ------------------------------------------------------------------------------- */

static void describe(struct report_case *one, const struct report_view *view, const struct finding *finding)
{
	g_autofree char *replay = text_replay(view->dir, finding);
	const struct chron_step *step = chronicle_step(view->chron, finding->step);
	const guint n = MIN(finding->lines->len, LINES_MAX);
	guint i;

	g_ptr_array_add(one->lines, g_strdup_printf("%s, blamed on the %s%s%s", severity_name(finding->severity),
			blame_name(finding->blame), finding->noise ? ", known noise" : "",
			finding->corrupted ? ", console text cut or mixed" : ""));
	if (step)
		g_ptr_array_add(one->lines, g_strdup_printf("in step %" G_GUINT64_FORMAT " \"%s\", cycle %" G_GUINT64_FORMAT,
							    step->id, step->name, step->cycle));
	if (finding->location)
		g_ptr_array_add(one->lines, g_strdup_printf("at %s", finding->location));
	if (finding->folder)
		g_ptr_array_add(one->lines, g_strdup_printf("evidence in %s", finding->folder));
	if (replay)
		g_ptr_array_add(one->lines, g_strdup_printf("to see it again: %s", replay));
	for (i = 0; i < n; i++)
		g_ptr_array_add(one->lines, g_strdup(g_ptr_array_index(finding->lines, i)));
	if (n < finding->lines->len)
		g_ptr_array_add(one->lines, g_strdup_printf("... %u lines more", finding->lines->len - n));
}

static void add_finding(GPtrArray *cases, GHashTable *seen, const struct report_view *view,
			const struct finding *finding)
{
	g_autofree char *name = g_strdup_printf("%s: %s", finding_class_name(finding->class), finding->title);
	g_autofree char *key = g_strdup_printf("%s\n%d%d", name, finding->blame, finding->noise);
	struct report_case *one = g_hash_table_lookup(seen, key);

	if (!one) {
		if (g_hash_table_size(seen) >= FINDINGS_MAX)
			return;
		one = case_add(cases, CASES_GROUP_FINDINGS, name);
		one->finding = finding;
		one->begin_ns = finding->realtime_ns;
		g_hash_table_insert(seen, g_steal_pointer(&key), one);
		describe(one, view, finding);
		case_fails(one, finding->noise ? CASE_SKIPPED : finding->blame == BLAME_ENVIRONMENT &&
			   finding->class != FINDING_RECOVERY_FAILED ? CASE_ERROR : CASE_FAILED,
			   finding_class_name(finding->class), g_strdup(finding->noise ? "known noise" : finding->title));
	}
	one->times++;
	one->failed++;
}

GPtrArray *report_cases(const struct report_view *view)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GPtrArray *cases = g_ptr_array_new_with_free_func(case_free);
	guint i;

	add_run(cases, view);
	add_steps(cases, view);
	sort_by_group(cases, 0);
	for (i = 0; i < view->an->findings->len; i++)
		add_finding(cases, seen, view, g_ptr_array_index(view->an->findings, i));
	return cases;
}

guint report_cases_count(const GPtrArray *cases, const char *group, enum case_result result)
{
	guint n = 0, i;

	for (i = 0; i < cases->len; i++) {
		const struct report_case *one = g_ptr_array_index(cases, i);

		n += one->result == result && (!group || !strcmp(one->group, group));
	}
	return n;
}

GPtrArray *report_cases_groups(const GPtrArray *cases)
{
	GPtrArray *groups = g_ptr_array_new();
	guint i;

	for (i = 0; i < cases->len; i++) {
		const struct report_case *one = g_ptr_array_index(cases, i);

		if (!groups->len || strcmp(g_ptr_array_index(groups, groups->len - 1), one->group))
			g_ptr_array_add(groups, one->group);
	}
	return groups;
}
