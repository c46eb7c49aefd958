// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "error.h"
#include "format.h"
#include "report.h"

static void format_text(GString *out, const struct report_view *view)
{
	g_autofree char *text = report_summary(view->dir, view->an, view->v, FALSE);

	g_string_append(out, text);
}

static void format_json(GString *out, const struct report_view *view)
{
	json_t *json = report_comprehensive(view->an, view->v);
	g_autofree char *text = json_dumps(json, JSON_INDENT(2));

	json_decref(json);
	g_string_append(out, text ? text : "null");
	g_string_append_c(out, '\n');
}

static const struct report_format formats[] = {
	{ "text", NULL, "the summary that a run ends with", format_text },
	{ "json", NULL, "all of it, as comprehensive_report.json", format_json },
	{ "html", "report.html", "one page for people, with its pictures; needs nothing else", format_html },
	{ "markdown", NULL, "a summary for a pull request", format_markdown },
	{ "github", NULL, "annotations for a job of GitHub Actions, one for each different finding", format_github },
	{ "junit", "junit.xml", "test cases for CI (JUnit XML, as xfstests has it)", format_junit },
	{ "ktap", NULL, "test cases as the kernel's own tests tell them (KTAP version 1)", format_ktap },
	{ "kcidb", NULL, "for KernelCI's database (KCIDB JSON 5.3)", format_kcidb },
	{ "openmetrics", NULL, "figures and histograms for Prometheus (OpenMetrics text)", format_openmetrics },
	{ "trace", NULL, "the course of the run for Perfetto or chrome://tracing (JSON)", format_trace },
	{ "csv", NULL, "one line for each mount and unmount (RFC 4180)", format_csv },
	{ "series", NULL, "what was sampled over time, one line a sample (RFC 4180)", format_series },
	{ NULL }
};

const struct report_format *report_formats(void)
{
	return formats;
}

const struct report_format *report_format_find(const char *name, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	const struct report_format *format;

	for (format = formats; format->name; format++) {
		if (!strcmp(format->name, name))
			return format;
		g_string_append_printf(names, "%s%s", names->len ? ", " : "", format->name);
	}
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "there is no format \"%s\"; there are %s", name, names->str);
	return NULL;
}

char *report_format_list(void)
{
	GString *out = g_string_new(NULL);
	const struct report_format *format;

	for (format = formats; format->name; format++)
		g_string_append_printf(out, "  %-12s %s\n", format->name, format->about);
	return g_string_free(out, FALSE);
}

GString *report_format_make(const struct report_format *format, const char *dir, const struct analysis *an,
			    const struct verdict *v, GError **error)
{
	VX_GUARD(chronicle_free) struct chronicle *chron = chronicle_read(dir, error);
	const struct report_view view = { .dir = dir, .an = an, .v = v, .chron = chron, .trend = analysis_vm_event(an, "trend") };
	GString *out;

	if (!chron)
		return NULL;
	out = g_string_new(NULL);
	format->make(out, &view);
	return out;
}

static gboolean write_one(const struct report_format *format, const struct report_view *view, GError **error)
{
	g_autofree char *path = g_build_filename(view->dir, format->file, NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) local = NULL;

	format->make(text, view);
	if (g_file_set_contents(path, text->str, (gssize)text->len, &local))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s; the run's record is whole: free some space there, "
		    "then `vexlab report --write` makes its reports", path, local->message);
	return FALSE;
}

/* They are read anywhere: what is to be typed has the whole path. */
gboolean report_format_write(const char *dir, const struct analysis *an, const struct verdict *v, GError **error)
{
	VX_GUARD(chronicle_free) struct chronicle *chron = chronicle_read(dir, error);
	g_autofree char *whole = g_canonicalize_filename(dir, NULL);
	const struct report_view view = { .dir = whole, .an = an, .v = v, .chron = chron, .trend = analysis_vm_event(an, "trend") };
	const struct report_format *format;

	if (!chron)
		return FALSE;
	for (format = formats; format->name; format++)
		if (format->file && !write_one(format, &view, error))
			return FALSE;
	return TRUE;
}
