// SPDX-License-Identifier: GPL-2.0
/* The top of the page, for whoever was woken: what came out, what broke, whose fault it is, how to see it again. */
#include <math.h>
#include <string.h>

#include "evidence_priv.h"
#include "html.h"
#include "report.h"
#include "text.h"

#define DIAL_R	50.0

static const char *mood(const struct verdict *v)
{
	if (!v->judged)
		return "";
	return v->code == VERDICT_PASSED ? "good" : v->code == VERDICT_PERFORMANCE ? "warn" : "bad";
}

static void dial(GString *out, const struct verdict *v)
{
	const double round = 2 * G_PI * DIAL_R;
	char score[16] = "–";

	if (v->judged)
		g_snprintf(score, sizeof(score), "%.0f", v->overall);
	g_string_append_printf(out, "<svg role=\"img\" viewBox=\"0 0 120 120\"><title>Score %s of 100</title>"
			       "<circle class=\"dial\" cx=\"60\" cy=\"60\" r=\"%.0f\"/>", v->judged ? score : "not given", DIAL_R);
	if (v->judged && v->overall > 0)
		g_string_append_printf(out, "<circle class=\"dial on\" cx=\"60\" cy=\"60\" r=\"%.0f\" stroke-dasharray=\"%.1f %.1f\" "
				       "transform=\"rotate(-90 60 60)\"/>", DIAL_R, round * v->overall / 100, round);
	g_string_append_printf(out, "<text x=\"60\" y=\"72\" class=\"score\">%s</text></svg>", score);
}

static void title(GString *out, const struct report_view *view)
{
	const struct chronicle *chron = view->chron;
	g_autofree char *ready = g_strdup(verdict_readiness(view->v));
	g_autofree char *scores = verdict_scores(view->v), *limits = verdict_limits(view->an);
	char when[32];

	ready[0] = g_ascii_toupper(ready[0]);
	g_string_append_printf(out, "<div><h1>%s", ready);
	if (view->v->judged && (view->v->code != VERDICT_PASSED || view->v->partial))
		g_string_append_printf(out, ": %s", verdict_result(view->v));
	if (limits)
		g_string_append_printf(out, " (%s)", limits);
	g_string_append(out, "</h1>\n<p class=\"what\">");
	text_xml_printf(out, "%s on %s, kernel %s", analysis_run_word(view->an, "scenario", "?"),
			analysis_run_word(view->an, "target", "?"), analysis_run_word(view->an, "kernel", "?"));
	g_string_append_printf(out, "<br>%.19s UTC, %.1f s", text_time(when, sizeof(when), chron->begin_ns),
			       html_seconds(view, chron->end_ns));
	if (view->v->judged)
		g_string_append_printf(out, ", exit code %d. Scores: %s", view->v->code, scores);
	g_string_append(out, "</p></div>");
}

/* ---- what, who, when, how ------------------------------------------------------------------ */

static void term(GString *out, const char *name)
{
	g_string_append_printf(out, "<dt>%s</dt><dd>", name);
}

static guint times(const struct analysis *an, const struct finding *finding)
{
	guint n = 0, i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *other = g_ptr_array_index(an->findings, i);

		n += other->class == finding->class && !strcmp(other->title, finding->title);
	}
	return n;
}

/* Of one without a folder nobody has looked for its line of source yet. Caller frees. */
static char *location(const struct report_view *view, const struct finding *finding)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = NULL;
	char *place = g_strdup(finding->location);
	guint i;

	for (i = 0; !place && finding->function && i < finding->lines->len; i++) {
		VX_GUARD(stack_frame_free) struct stack_frame *frame =
			stack_frame_parse(g_ptr_array_index(finding->lines, i));

		if (!frame || !frame->module || strcmp(frame->function, finding->function))
			continue;
		if (!sym)
			sym = evidence_symbolizer(view->dir, view->an);
		place = evidence_place(sym, frame);
	}
	return place;
}

static void who(GString *out, const struct report_view *view, const struct finding *finding)
{
	g_autofree char *place = location(view, finding);

	g_string_append_printf(out, "the %s", blame_name(finding->blame));
	if (finding->module)
		text_xml_printf(out, " %s", finding->module);
	if (finding->function) {
		g_string_append(out, ", in <code>");
		text_xml(out, finding->function);
		g_string_append(out, "</code>");
	}
	if (place) {
		g_string_append(out, " at <code>");
		text_xml(out, place);
		g_string_append(out, "</code>");
	}
	g_string_append(out, "</dd>");
}

static void when(GString *out, const struct report_view *view, const struct finding *finding)
{
	const struct chron_step *step = chronicle_step(view->chron, finding->step);

	text_xml_printf(out, "%.2f s after the begin", html_seconds(view, finding->realtime_ns));
	if (step)
		text_xml_printf(out, ", in step %" G_GUINT64_FORMAT " \"%s\"", step->id, step->name);
	if (finding->cycle)
		text_xml_printf(out, ", cycle %" G_GUINT64_FORMAT, finding->cycle);
	if (finding->recovery_attempted)
		g_string_append(out, finding->recovery_successful ? "; the guest was brought back" :
				"; the guest could not be brought back");
	g_string_append(out, "</dd>");
}

static void again(GString *out, const struct report_view *view, const struct finding *finding)
{
	g_autofree char *replay = finding ? text_replay(view->dir, finding) : NULL, *run = text_run_again(view->an);

	term(out, "See it again");
	g_string_append(out, "<code>");
	text_xml(out, replay ? replay : run);
	g_string_append(out, "</code></dd>");
}

static void broken(GString *out, const struct report_view *view, const struct finding *finding)
{
	const guint n = times(view->an, finding);

	term(out, "What broke");
	html_severity(out, finding);
	g_string_append(out, " <strong>");
	text_xml(out, finding->title);
	g_string_append(out, "</strong>");
	if (n > 1)
		g_string_append_printf(out, ", %u times", n);
	if (view->an->findings->len > n)
		g_string_append_printf(out, " <a href=\"#findings\">and %u more</a>", view->an->findings->len - n);
	g_string_append(out, "</dd>");
	term(out, "Whose fault");
	who(out, view, finding);
	term(out, "When");
	when(out, view, finding);
}

static void nothing_broken(GString *out, const struct report_view *view)
{
	g_autofree char *advice = verdict_recommendation(view->v, view->an);

	term(out, "What broke");
	text_xml_printf(out, "nothing that counts, in %" G_GUINT64_FORMAT " steps of the target", view->an->steps);
	if (view->v->environment || view->v->noise)
		text_xml_printf(out, "; %u findings are the environment's, %u are known noise", view->v->environment,
				view->v->noise);
	g_string_append(out, "</dd>");
	term(out, "Next");
	text_xml(out, advice);
	g_string_append(out, "</dd>");
}

/* ---- figures at a glance ------------------------------------------------------------------------- */

static void tile(GString *out, const char *class, const char *name, const char *format, ...) G_GNUC_PRINTF(4, 5);
static void tile(GString *out, const char *class, const char *name, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_string_append_printf(out, "<li class=\"%s\"><b>", class);
	text_xml(out, text);
	g_string_append_printf(out, "</b><span>%s</span></li>\n", name);
}

static void tiles(GString *out, const struct analysis *an)
{
	char buf[32];
	guint op;

	g_string_append(out, "<ul class=\"tiles\">\n");
	tile(out, an->steps_failed ? "bad" : "", "steps of the target passed", "%" G_GUINT64_FORMAT " / %" G_GUINT64_FORMAT,
	     an->steps - an->steps_failed, an->steps);
	tile(out, an->findings->len ? "bad" : "", "findings", "%u", an->findings->len);
	if (an->recoveries)
		tile(out, an->recovered < an->recoveries ? "bad" : "warn", "recoveries of the guest", "%u / %u", an->recovered,
		     an->recoveries);
	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++)
		if (an->op[op].total.count)
			tile(out, "", op == VX_OP_MOUNT ? "mount, median" : "unmount, median", "%s",
			     report_ns(buf, sizeof(buf), (double)an->op[op].total.p50));
	if (an->cycles)
		tile(out, "", "measured cycles", "%" G_GUINT64_FORMAT, an->cycles);
	if (an->measurements)
		tile(out, an->violations ? "warn" : "", "operations above their threshold", "%" G_GUINT64_FORMAT " / %"
		     G_GUINT64_FORMAT, an->violations, an->measurements);
	if (an->lives_unflushed && !an->lost)
		tile(out, "warn", "records lost", "not known");
	else
		tile(out, an->lost ? "warn" : "", "records lost", "%" G_GUINT64_FORMAT, an->lost);
	g_string_append(out, "</ul>\n");
}

void html_verdict(GString *out, const struct report_view *view)
{
	const struct finding *finding = verdict_finding(view->an);

	g_string_append_printf(out, "<header id=\"verdict\" class=\"%s\"><div class=\"top\">", mood(view->v));
	dial(out, view->v);
	title(out, view);
	g_string_append(out, "</div>\n<dl class=\"key\">\n");
	if (!view->an->end) {
		term(out, "Interrupted");
		g_string_append(out, "the record has no end: that something was not found says nothing</dd>");
	}
	if (finding)
		broken(out, view, finding);
	else
		nothing_broken(out, view);
	again(out, view, finding);
	g_string_append(out, "</dl>\n");
	tiles(out, view->an);
	g_string_append(out, "</header>\n");
}
