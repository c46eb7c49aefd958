// SPDX-License-Identifier: GPL-2.0
/* Scores, readiness and what to do next, as JSON and as text. */
#include <math.h>

#include "report.h"

#define ADVICE_TOLD	3u

static json_t *score_json(gboolean has, double score)
{
	return has ? json_real(score) : json_null();
}

static json_t *span_json(gboolean has, const struct score_span *span)
{
	return has ? json_pack("[f, f]", span->low, span->high) : json_null();
}

static json_t *groups_json(const struct analysis *an)
{
	static const char *const names[] = {
		[GROUP_LOAD] = "load", [GROUP_UNLOAD] = "unload", [GROUP_MOUNT] = "mount", [GROUP_UMOUNT] = "umount",
		[GROUP_OPERATION] = "operation",
	};
	json_t *json = json_object();
	guint i;

	for (i = 0; i < STEP_GROUPS; i++)
		json_object_set_new(json, names[i], json_pack("{s:I, s:I}", "done", (json_int_t)an->group[i].done, "failed",
							      (json_int_t)an->group[i].failed));
	return json;
}

static json_t *advice_json(const struct analysis *an)
{
	g_autoptr(GPtrArray) list = verdict_advice(an);
	json_t *json = json_array();
	guint i;

	for (i = 0; i < list->len; i++) {
		const struct advice *advice = g_ptr_array_index(list, i);

		json_array_append_new(json, json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:s?}", "text", advice->text,
			"finding", advice->finding->title, "event_type", finding_class_name(advice->finding->class),
			"severity", severity_name(advice->finding->severity), "times", (int)advice->times,
			"gain", advice->gain, "evidence", advice->finding->folder));
	}
	return json;
}

json_t *report_assessment(const struct analysis *an, const struct verdict *v)
{
	g_autofree char *advice = verdict_recommendation(v, an);
	g_auto(GStrv) reasons = verdict_reasons(v, an);
	json_t *list = json_array();
	guint i;

	for (i = 0; reasons[i]; i++)
		json_array_append_new(list, json_string(reasons[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:s, s:o}",
		"overall_score", score_json(v->judged, v->overall), "overall_score_95", span_json(v->judged, &v->overall_span),
		"test_score", score_json(v->judged && v->has_tests, v->tests),
		"uncertainty", json_pack("{s:o, s:o, s:o, s:f, s:I}",
			"stability_95", span_json(v->judged && v->has_stability, &v->stability_span),
			"tests_95", span_json(v->judged && v->has_tests, &v->tests_span),
			"performance_95", span_json(v->judged && v->has_performance, &v->performance_span),
			"unseen_crash_share", v->unseen, "units", (json_int_t)v->work),
		"readiness", verdict_readiness(v), "readiness_reasons", list, "recommendation", advice,
		"recommendations", advice_json(an), "formula", "docs/SCORING.md", "steps_by_group", groups_json(an));
}

char *report_assessment_text(const struct analysis *an, const struct verdict *v)
{
	g_autoptr(GPtrArray) list = verdict_advice(an);
	g_auto(GStrv) reasons = verdict_reasons(v, an);
	GString *out = g_string_new(NULL);
	guint i;

	if (v->judged)
		g_string_append_printf(out, "  score    %.0f overall, between %.0f and %.0f as far as this run can tell (95 %%)\n", v->overall,
				       floor(v->overall_span.low), ceil(v->overall_span.high));
	for (i = 0; reasons[i]; i++)
		g_string_append_printf(out, "  %-8s %s\n", i ? "" : "why", reasons[i]);
	for (i = 0; v->judged && i < list->len && i < ADVICE_TOLD; i++) {
		const struct advice *advice = g_ptr_array_index(list, i);
		g_autofree char *text = report_printable(advice->text);

		g_string_append_printf(out, "  %-8s %s; +%.0f points\n", i ? "" : "next", text, advice->gain);
	}
	if (v->judged && list->len > ADVICE_TOLD)
		g_string_append_printf(out, "           ... %u more, in comprehensive_report.json\n", list->len - ADVICE_TOLD);
	return g_string_free(out, FALSE);
}
