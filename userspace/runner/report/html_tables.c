// SPDX-License-Identifier: GPL-2.0
/* The rest of the page: leaks, steps, what is missing, the trend, what was run. */
#include <string.h>

#include "cases.h"
#include "event.h"
#include "html.h"
#include "html_svg.h"
#include "leak.h"
#include "report.h"
#include "text.h"

#define LEAKS_MAX	100u
#define RESOURCES_TOLD	100u
#define NOTES_MAX	100u
#define TREND_MAX	12u		/* values */
#define RUNS_MAX	200u

static void close_table(GString *out)
{
	g_string_append(out, "</tbody></table></div>\n");
}

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* ---- leaks --------------------------------------------------------------------------------- */

static void leak_verdict(GString *out, const char *verdict)
{
	const char *class = !strcmp(verdict, "acquitted") ? "good" : !strcmp(verdict, "suspected") ? "warn" :
			    strstr(verdict, "not") ? "" : "bad";

	g_string_append_printf(out, "<td><span class=\"tag %s\">", class);
	text_xml(out, verdict);
	g_string_append(out, "</span></td>");
}

static void leak_row(GString *out, const json_t *site)
{
	g_string_append(out, "<tr>");
	leak_verdict(out, word(site, "verdict"));
	g_string_append(out, "<td><code>");
	text_xml(out, word(site, "site"));
	g_string_append(out, "</code>");
	if (*word(site, "location")) {
		g_string_append(out, "<br><span class=\"soft\">");
		text_xml(out, word(site, "location"));
		g_string_append(out, "</span>");
	}
	g_string_append(out, "</td>");
	html_cell(out, NULL, word(site, "kind"));
	html_cell_printf(out, "n", "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(site, "objects")));
	html_cell_printf(out, "n", "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(site, "bytes")));
	html_cell_printf(out, "n", "%.3g / %s", json_number_value(json_object_get(site, "objects_per_unit")), word(site, "unit"));
	html_cell_printf(out, NULL, "%s%s%s", word(site, "why"), *word(site, "when") ? "; " : "", word(site, "when"));
	g_string_append(out, "</tr>\n");
}

static void resource_rows(GString *out, const json_t *resources)
{
	static const char *const columns[] = { "Resource", "Verdict", ">First", ">Last", ">A cycle", NULL };
	const json_t *one;
	size_t i;

	if (!json_array_size(resources))
		return;
	html_table(out, "What else the kernel holds more of", columns);
	json_array_foreach(resources, i, one) {
		if (i >= RESOURCES_TOLD)
			break;
		g_string_append(out, "<tr>");
		html_cell(out, NULL, word(one, "name"));
		html_cell(out, NULL, word(one, "verdict"));
		html_cell_printf(out, "n", "%" JSON_INTEGER_FORMAT " %s", json_integer_value(json_object_get(one, "first")),
				 word(one, "unit"));
		html_cell_printf(out, "n", "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(one, "last")));
		html_cell_printf(out, "n", "%.3g", json_number_value(json_object_get(one, "per_cycle")));
		g_string_append(out, "</tr>\n");
	}
	close_table(out);
}

/* Of those that are acquitted, or of all others. */
static void site_rows(GString *out, const json_t *sites, gboolean acquitted)
{
	static const char *const columns[] = { "Verdict", "Site", "Kind", ">Objects", ">Bytes", ">Rate", "Why", NULL };
	guint told = 0, more = 0;
	const json_t *site;
	size_t i;

	json_array_foreach(sites, i, site) {
		if (g_str_equal(word(site, "verdict"), "acquitted") != acquitted)
			continue;
		if (!told)
			html_table(out, "Places that allocated, the gravest first", columns);
		if (told < LEAKS_MAX) {
			leak_row(out, site);
			told++;
		} else {
			more++;
		}
	}
	if (told)
		close_table(out);
	if (more)
		g_string_append_printf(out, "<p class=\"soft\">%u more sites are in leaks.json.</p>\n", more);
}

void html_leaks(GString *out, const struct report_view *view)
{
	json_t *json = report_leaks(view->dir, view->an);
	const json_t *sites = json_object_get(json, "sites"), *cleanup = json_object_get(json, "cleanup");
	const json_int_t acquitted = json_integer_value(json_object_get(json, "acquitted"));
	g_autofree char *about = NULL;

	if (!json)
		return;
	about = g_strdup_printf("%" JSON_INTEGER_FORMAT " leaks, %" JSON_INTEGER_FORMAT " suspected, %" JSON_INTEGER_FORMAT
				" sites acquitted: %s. The unload %s.", json_integer_value(json_object_get(json, "leaks")),
				json_integer_value(json_object_get(json, "suspected")), acquitted,
				*word(json, "end") ? word(json, "end") : "the hunt was broken off",
				!json_is_true(json_object_get(cleanup, "known")) ? "was not verified" :
				json_is_true(json_object_get(cleanup, "verified")) ? "left nothing behind" : "left something behind");
	html_open(out, "leaks", "Leaks", about);
	site_rows(out, sites, FALSE);
	resource_rows(out, json_object_get(json, "resources"));
	if (acquitted) {
		g_string_append_printf(out, "<details><summary>%" JSON_INTEGER_FORMAT " sites that gave everything back</summary>\n",
				       acquitted);
		site_rows(out, sites, TRUE);
		g_string_append(out, "</details>\n");
	}
	g_string_append(out, "<p class=\"soft\">Stacks: <code>vexlab leaks ");
	text_xml(out, view->dir);
	g_string_append(out, "</code></p>\n");
	html_close(out);
	json_decref(json);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void result_tag(GString *out, enum case_result result)
{
	static const struct { const char *class, *name; } tags[CASE_RESULTS] = {
		[CASE_PASSED] = { "good", "passed" }, [CASE_SKIPPED] = { "", "skipped" },
		[CASE_FAILED] = { "bad", "failed" }, [CASE_ERROR] = { "warn", "not judged" },
	};

	g_string_append_printf(out, "<td><span class=\"tag %s\">%s</span></td>", tags[result].class, tags[result].name);
}

void html_cases(GString *out, const struct report_view *view)
{
	static const char *const columns[] = { "Phase", "Step", "Result", ">Times", ">Failed", ">Mean", "What", NULL };
	g_autoptr(GPtrArray) cases = report_cases(view);
	const char *group = "";
	char took[32];
	guint i;

	if (!view->chron->steps->len)
		return;
	html_open(out, "steps", "Steps", "Each kind of step in each phase of the scenario. What our own set-up breaks is not judged.");
	html_table(out, "Steps by phase", columns);
	for (i = 0; i < cases->len; i++) {
		const struct report_case *one = g_ptr_array_index(cases, i);

		if (one->finding)
			continue;
		g_string_append(out, "<tr>");
		html_cell(out, "soft", strcmp(group, one->group) ? one->group : "");
		html_cell(out, NULL, one->name);
		result_tag(out, one->result);
		html_cell_printf(out, "n", "%" G_GUINT64_FORMAT, one->times);
		html_cell_printf(out, "n", "%" G_GUINT64_FORMAT, one->failed);
		html_cell(out, "n", one->took_ns ? report_ns(took, sizeof(took), (double)one->took_ns / (double)MAX(one->times, 1)) :
			  "");
		html_cell(out, NULL, one->message ? one->message : "");
		g_string_append(out, "</tr>\n");
		group = one->group;
	}
	close_table(out);
	html_close(out);
}

/* ---- what is missing ---------------------------------------------------------------------------- */

static void note(GString *notes, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(GString *notes, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_string_append(notes, "<li>");
	text_xml(notes, text);
	g_string_append(notes, "</li>\n");
}

static void features(GString *notes, const struct analysis *an)
{
	json_t *json = report_file_operations(an);
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(json, "operations"), i, row)
		if (strcmp(word(row, "outcome"), "done"))
			note(notes, "File operation %s: %s%s%s", word(row, "operation"), word(row, "outcome"),
			     *word(row, "why") ? ": " : "", word(row, "why"));
	if (json && !notes->len)
		note(notes, "Of %" JSON_INTEGER_FORMAT " file operations none is missing: the filesystem has them all.",
		     json_integer_value(json_object_get(json, "wanted")));
	json_decref(json);
}

static void blind_spots(GString *notes, const struct analysis *an)
{
	guint told = 0, i;

	for (i = 0; i < an->probes->len && told < NOTES_MAX; i++) {
		const struct vx_probe_status *st = &g_array_index(an->probes, struct vx_probe_status, i);

		if (st->kind != VX_ATTACH_NOT || !st->err)
			continue;
		note(notes, "Probe %s is not attached: %s", st->name, st->why);
		told++;
	}
	if (an->lost)
		note(notes, "%" G_GUINT64_FORMAT " records were lost: percentiles are of those that came", an->lost);
	if (an->frames_lost)
		note(notes, "%" G_GUINT64_FORMAT " frames of the channel were lost", an->frames_lost);
	if (an->lives_unflushed)
		note(notes, "%u guests went without saying how many records they had lost", an->lives_unflushed);
	if (an->torn)
		note(notes, "The record ends in a torn entry of %zu bytes, which is left out", an->torn);
	if (!an->end)
		note(notes, "The run was interrupted: what would have followed is not known");
}

static void turns(GString *notes, const struct report_view *view)
{
	static const char *const told[] = { "no probe module", "ready state discarded", "restore failed", "broken off", "given up" };
	const GArray *marks = view->chron->marks;
	guint i, k;

	for (i = 0; i < marks->len; i++) {
		const struct chron_mark *mark = &g_array_index(marks, struct chron_mark, i);

		for (k = 0; k < G_N_ELEMENTS(told); k++)
			if (!strcmp(mark->event, told[k]))
				note(notes, "%s, %.2f s: %s", mark->event, html_seconds(view, mark->ns), mark->why ? mark->why : "");
	}
}

void html_missing(GString *out, const struct report_view *view)
{
	g_autoptr(GString) notes = g_string_new(NULL);

	features(notes, view->an);
	blind_spots(notes, view->an);
	turns(notes, view);
	if (view->chron->left_out)
		note(notes, "%" G_GUINT64_FORMAT " steps, operations or series are beyond this page's bounds", view->chron->left_out);
	if (!notes->len)
		return;
	html_open(out, "missing", "What is missing", "Features that the filesystem does not have, and what this run could not see.");
	g_string_append_printf(out, "<ul class=\"notes\">\n%s</ul>\n", notes->str);
	html_close(out);
}

/* ---- trend ----------------------------------------------------------------------------------------- */

static void spark(GString *out, const struct report_view *view, const char *name)
{
	const json_t *all = json_object_get(view->trend, "runs"), *changes = json_object_get(json_object_get(view->trend, "changes"), name), *at;
	const size_t n = MIN(json_array_size(all), RUNS_MAX), from = json_array_size(all) - n;
	const struct axis runs = { 0, n > 1 ? (double)(n - 1) : 1, 150, 950, FALSE };
	struct axis axis = { G_MAXDOUBLE, -G_MAXDOUBLE, 46, 8, FALSE };
	g_autoptr(GString) path = g_string_new(NULL);
	char low[32], high[32];
	size_t pass, i;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < n; i++) {
			const json_t *values = json_object_get(json_array_get(all, from + i), "values");
			const json_t *value = json_object_get(values, name);
			const double v = json_number_value(value);

			if (!json_is_number(value))
				continue;
			if (pass)
				g_string_append_printf(path, "%c%.1f %.1f", path->len ? 'L' : 'M', axis_at(&runs, (double)i),
						       axis_at(&axis, v));
			axis.lo = MIN(axis.lo, v);
			axis.hi = MAX(axis.hi, v);
		}
	if (!path->len)
		return;
	g_snprintf(low, sizeof(low), "%.6g", axis.lo);
	g_snprintf(high, sizeof(high), "%.6g", axis.hi);
	svg_open(out, 1060, 54, name, "One point a run, the latest at the right");
	svg_text(out, 140, 31, "lab end", name);
	json_array_foreach(changes, i, at)
		if (json_integer_value(at) > (json_int_t)from && json_integer_value(at) < (json_int_t)(from + n))
			svg_line(out, axis_at(&runs, (double)(json_integer_value(at) - (json_int_t)from) - .5), 4,
				 axis_at(&runs, (double)(json_integer_value(at) - (json_int_t)from) - .5), 50, "whisker");
	g_string_append_printf(out, "<path class=\"plot\" d=\"%s\"/>", path->str);
	svg_text(out, 960, 16, "tick", high);
	svg_text(out, 960, 48, "tick", low);
	svg_close(out);
}

void html_trend(GString *out, const struct report_view *view)
{
	const json_t *runs = json_object_get(view->trend, "runs");
	const size_t n = json_array_size(runs);
	json_t *latest = n ? json_object_get(json_array_get(runs, n - 1), "values") : NULL, *value;
	g_autofree char *about = g_strdup_printf("%zu comparable runs, oldest first; this one is not among them. An upright line: the level has "
						 "changed there for good.", n);
	const char *name;
	guint told = 0;

	if (!n)
		return;
	html_open(out, "trend", "Trend", about);
	json_object_foreach(latest, name, value)
		if (told++ < TREND_MAX)
			spark(out, view, name);
	html_close(out);
}

/* ---- what was run ------------------------------------------------------------------------------------- */

static char *value_words(const json_t *value)
{
	if (json_is_string(value))
		return g_strdup(json_string_value(value));
	return json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
}

void html_run(GString *out, const struct report_view *view)
{
	json_t *run = view->an->run, *value;
	g_autofree char *again = text_run_again(view->an);
	const char *name;

	html_open(out, "run", "What was run", NULL);
	g_string_append(out, "<p>The whole again: <code>");
	text_xml(out, again);
	g_string_append(out, "</code></p>\n<details><summary>Everything that it was started with</summary><dl class=\"key\">\n");
	json_object_foreach(run, name, value) {
		g_autofree char *text = value_words(value);

		g_string_append(out, "<dt>");
		text_xml(out, name);
		g_string_append(out, "</dt><dd>");
		text_xml(out, text ? text : "");
		g_string_append(out, "</dd>\n");
	}
	g_string_append(out, "</dl></details>\n");
	html_close(out);
}
