// SPDX-License-Identifier: GPL-2.0
/* Each finding with its evidence: what the console said, the stack with its lines of source, the steps before it. */
#include <string.h>

#include "cases.h"
#include "evidence_priv.h"
#include "html.h"
#include "text.h"
#include "wire.h"

#define TOLD_MAX	40u	/* different ones */
#define LINES_MAX	80u	/* of the console, each */
#define LINE_BYTES	400u	/* bytes */
#define FRAMES_MAX	24u
#define STEPS_BEFORE	8u
#define OPEN_AT_FIRST	1u

static void facts(GString *out, const struct report_view *view, const struct report_case *one)
{
	const struct finding *finding = one->finding;
	const struct chron_step *step = chronicle_step(view->chron, finding->step);

	g_string_append(out, "<p class=\"soft\">");
	text_xml_printf(out, "%s, blamed on the %s", finding_class_name(finding->class), blame_name(finding->blame));
	if (one->times > 1)
		text_xml_printf(out, ", %" G_GUINT64_FORMAT " times; the first", one->times);
	text_xml_printf(out, ", %.2f s after the begin", html_seconds(view, finding->realtime_ns));
	if (step)
		text_xml_printf(out, ", in step %" G_GUINT64_FORMAT " \"%s\" of cycle %" G_GUINT64_FORMAT, step->id, step->name,
				step->cycle);
	g_string_append(out, finding->recovery_successful ? "; the guest was brought back" : finding->recovery_attempted ?
			"; the guest could not be brought back" : "");
	g_string_append(out, finding->corrupted ? "; the console's text is cut or mixed: doubt the title" : "");
	g_string_append(out, "</p>\n");
}

static void again(GString *out, const struct report_view *view, const struct finding *finding)
{
	g_autofree char *replay = text_replay(view->dir, finding);

	if (!replay)
		return;
	g_string_append(out, "<p>See it again: <code>");
	text_xml(out, replay);
	g_string_append(out, "</code> <span class=\"soft\">evidence in ");
	text_xml(out, finding->folder);
	g_string_append(out, "</span></p>\n");
}

/* ---- the stack --------------------------------------------------------------------------- */

static void frame_row(GString *out, const struct symbolizer *sym, const struct stack_frame *frame, const char *guilty)
{
	g_autofree char *place = frame->module ? evidence_place(sym, frame) : NULL;
	const gboolean hot = !g_strcmp0(frame->function, guilty);

	g_string_append(out, hot ? "<span class=\"hot\">" : "");
	text_xml_printf(out, "%s%s+0x%" G_GINT64_MODIFIER "x%s%s%s", frame->unsure ? "? " : "", frame->function, frame->offset,
			frame->module ? " [" : "", frame->module ? frame->module : "", frame->module ? "]" : "");
	if (place)
		text_xml_printf(out, "  %s", place);
	g_string_append(out, hot ? "</span>\n" : "\n");
}

/* A report says the guilty frame again behind its stack. */
static void stack(GString *out, const struct symbolizer *sym, const struct finding *finding)
{
	g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	guint frames = 0, i;

	for (i = 0; i < finding->lines->len && frames < FRAMES_MAX; i++) {
		VX_GUARD(stack_frame_free) struct stack_frame *frame =
			stack_frame_parse(g_ptr_array_index(finding->lines, i));

		if (!frame || !g_hash_table_add(told, g_strdup_printf("%s+%" G_GUINT64_FORMAT, frame->function, frame->offset)))
			continue;
		if (!frames++)
			g_string_append(out, "<h3>Stack</h3><pre>");
		frame_row(out, sym, frame, finding->function);
	}
	g_string_append(out, frames ? "</pre>\n" : "");
}

/* ---- console, steps ------------------------------------------------------------------------- */

static void console(GString *out, const struct finding *finding)
{
	const guint n = MIN(finding->lines->len, LINES_MAX);
	guint i;

	if (!n)
		return;
	g_string_append(out, "<h3>Evidence</h3><pre tabindex=\"0\">");
	for (i = 0; i < n; i++) {
		g_autofree char *cut = g_strndup(g_ptr_array_index(finding->lines, i), LINE_BYTES);

		text_xml(out, cut);
		g_string_append_c(out, '\n');
	}
	if (n < finding->lines->len)
		g_string_append_printf(out, "... %u lines more in the crash log\n", finding->lines->len - n);
	g_string_append(out, "</pre>\n");
}

static void outcome(GString *out, const struct chron_step *step)
{
	html_cell_printf(out, NULL, "%s%s", !step->answered ? "no answer" : step->err ? vx_step_err_text(step->err) : "ok",
			 step->err && step->may_fail ? ", as it may" : "");
}

static void steps_before(GString *out, const struct report_view *view, const struct finding *finding)
{
	static const char *const columns[] = { ">Step", "Name", "Phase", ">Cycle", ">At, s", "Result", NULL };
	const struct chron_step *last = chronicle_step(view->chron, finding->step), *step;

	if (!last)
		return;
	step = (const struct chron_step *)(void *)view->chron->steps->data;
	step = last - MIN((gsize)(last - step), STEPS_BEFORE);
	html_table(out, "Steps up to it, the last one is its own", columns);
	for (; step <= last; step++) {
		g_string_append(out, "<tr>");
		html_cell_printf(out, "n", "%" G_GUINT64_FORMAT, step->id);
		html_cell(out, NULL, step->name);
		html_cell(out, "soft", step->phase);
		html_cell_printf(out, "n", "%" G_GUINT64_FORMAT, step->cycle);
		html_cell_printf(out, "n", "%.3f", html_seconds(view, step->begin_ns));
		outcome(out, step);
		g_string_append(out, "</tr>\n");
	}
	g_string_append(out, "</tbody></table></div>\n");
}

static void one_finding(GString *out, const struct report_view *view, const struct symbolizer *sym,
			const struct report_case *one, gboolean open)
{
	const struct finding *finding = one->finding;

	g_string_append_printf(out, "<details class=\"ev\"%s><summary>", open ? " open" : "");
	html_severity(out, finding);
	g_string_append(out, " <span class=\"t\">");
	text_xml(out, finding->title);
	g_string_append(out, "</span>");
	if (finding->blame == BLAME_ENVIRONMENT)
		g_string_append(out, " <span class=\"tag\">environment</span>");
	if (one->times > 1)
		g_string_append_printf(out, " <span class=\"soft\">× %" G_GUINT64_FORMAT "</span>", one->times);
	if (finding->location) {
		g_string_append(out, " <span class=\"soft\">");
		text_xml(out, finding->location);
		g_string_append(out, "</span>");
	}
	g_string_append(out, "</summary>\n");
	facts(out, view, one);
	again(out, view, finding);
	stack(out, sym, finding);
	console(out, finding);
	steps_before(out, view, finding);
	g_string_append(out, "</details>\n");
}

/* What counts stands before what does not; the gravest first. */
static int by_gravity(gconstpointer a, gconstpointer b)
{
	const struct report_case *x = *(const struct report_case *const *)a, *y = *(const struct report_case *const *)b;
	const gboolean xc = x->result == CASE_FAILED, yc = y->result == CASE_FAILED;

	if (xc != yc)
		return xc ? -1 : 1;
	if (x->finding->severity != y->finding->severity)
		return x->finding->severity > y->finding->severity ? -1 : 1;
	return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

void html_findings(GString *out, const struct report_view *view)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = NULL;
	g_autoptr(GPtrArray) cases = report_cases(view), list = g_ptr_array_new();
	guint i;

	for (i = 0; i < cases->len; i++)
		if (((const struct report_case *)g_ptr_array_index(cases, i))->finding)
			g_ptr_array_add(list, g_ptr_array_index(cases, i));
	if (!list->len)
		return;
	g_ptr_array_sort(list, by_gravity);
	sym = evidence_symbolizer(view->dir, view->an);
	html_open(out, "findings", "Findings", "Each with its evidence; what is the same again is told once. Those of the environment and "
		  "known noise stand last and do not count.");
	for (i = 0; i < list->len && i < TOLD_MAX; i++)
		one_finding(out, view, sym, g_ptr_array_index(list, i), i < OPEN_AT_FIRST);
	if (i < list->len)
		g_string_append_printf(out, "<p class=\"soft\">%u more different ones are in comprehensive_report.json.</p>\n",
				       list->len - i);
	html_close(out);
}
