// SPDX-License-Identifier: GPL-2.0
/* For a pull request: what came out, in a screenful. Whatever a guest said stands in code spans within tables. */
#include "cases.h"
#include "event.h"
#include "evidence.h"
#include "report.h"
#include "text.h"

#define FINDINGS_TOLD	10u

static const char *sign(const struct verdict *v)
{
	if (!v->judged)
		return "⚪";
	return v->code == VERDICT_PASSED ? "✅" : v->code == VERDICT_PERFORMANCE ? "⚠️" : "❌";
}

static void row(GString *out, const char *key, const char *value)
{
	g_string_append_printf(out, "| %s | ", key);
	text_markdown(out, value);
	g_string_append(out, " |\n");
}

static void head(GString *out, const struct report_view *view)
{
	const struct analysis *an = view->an;
	g_autofree char *advice = verdict_recommendation(view->v, an), *limits = verdict_limits(an);
	g_autofree char *steps = g_strdup_printf("%" G_GUINT64_FORMAT " of the target, %" G_GUINT64_FORMAT " failed",
						 an->steps, an->steps_failed);

	g_string_append_printf(out, "### %s vexlab: %s", sign(view->v), verdict_result(view->v));
	if (limits)
		g_string_append_printf(out, " (%s)", limits);
	if (view->v->judged)
		g_string_append_printf(out, ", score %.0f, %s%s", view->v->overall,
				       view->v->readiness == READINESS_NOT_JUDGED ? "readiness " : "", verdict_readiness(view->v));
	g_string_append(out, "\n\n| | |\n|---|---|\n");
	row(out, "target", analysis_run_word(an, "target", "?"));
	row(out, "scenario", analysis_run_word(an, "scenario", "?"));
	row(out, "kernel", analysis_run_word(an, "kernel", "?"));
	row(out, "steps", steps);
	if (view->v->judged) {
		g_autofree char *scores = verdict_scores(view->v);
		g_autofree char *text = g_strdup_printf("%s; exit code %d", scores, view->v->code);

		row(out, "scores", text);
	}
	if (an->recoveries) {
		g_autofree char *times = g_strdup_printf("brought back %u times in %u attempts", an->recovered, an->recoveries);

		row(out, "guest", times);
	}
	row(out, "next", advice);
}

static void cell_ns(GString *out, guint64 ns)
{
	char buf[32];

	g_string_append_printf(out, " %s |", report_ns(buf, sizeof(buf), (double)ns));
}

static void latency(GString *out, const struct analysis *an)
{
	guint op;

	if (!an->op[VX_OP_MOUNT].total.count && !an->op[VX_OP_UMOUNT].total.count)
		return;
	g_string_append(out, "\n| operation | times | p50 | p90 | p99 | max |\n|---|--:|--:|--:|--:|--:|\n");
	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++) {
		const struct dist *d = &an->op[op].total;

		if (!d->count)
			continue;
		g_string_append_printf(out, "| %s | %" G_GUINT64_FORMAT " |", vx_op_name(op), d->count);
		cell_ns(out, d->p50);
		cell_ns(out, d->p90);
		cell_ns(out, d->p99);
		cell_ns(out, d->max);
		g_string_append_c(out, '\n');
	}
}

static void finding_row(GString *out, const struct report_view *view, const struct report_case *one)
{
	const struct finding *finding = one->finding;
	g_autofree char *replay = text_replay(view->dir, finding);

	g_string_append_printf(out, "| %s | %s | ", severity_name(finding->severity),
			       finding->noise ? "known noise" : blame_name(finding->blame));
	text_markdown(out, finding->title);
	if (finding->location) {
		g_string_append(out, " at ");
		text_markdown(out, finding->location);
	}
	g_string_append_printf(out, " | %" G_GUINT64_FORMAT " | ", one->times);
	if (replay)
		text_markdown(out, replay);
	g_string_append(out, " |\n");
}

/* Gravest first; of equals, the order in which they came. */
static void findings(GString *out, const struct report_view *view)
{
	g_autoptr(GPtrArray) cases = report_cases(view);
	guint told = 0, all = 0, i;
	int severity;

	for (severity = SEV_CRITICAL; severity >= SEV_LOW; severity--)
		for (i = 0; i < cases->len; i++) {
			const struct report_case *one = g_ptr_array_index(cases, i);

			if (!one->finding || (int)one->finding->severity != severity)
				continue;
			if (!all++)
				g_string_append(out, "\n| severity | blamed | finding | times | to see it again |\n"
						"|---|---|---|--:|---|\n");
			if (told < FINDINGS_TOLD) {
				finding_row(out, view, one);
				told++;
			}
		}
	if (all > told)
		g_string_append_printf(out, "\n%u findings more are in the whole report.\n", all - told);
	if (!all)
		g_string_append(out, "\nNo findings.\n");
}

void format_markdown(GString *out, const struct report_view *view)
{
	head(out, view);
	latency(out, view->an);
	findings(out, view);
	if (!view->an->end)
		g_string_append(out, "\nThe run was interrupted: what was not found says nothing.\n");
}
