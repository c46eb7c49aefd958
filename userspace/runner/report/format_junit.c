// SPDX-License-Identifier: GPL-2.0
/* JUnit XML as xfstests has it (doc/xunit.xsd there): one suite for the run. Nothing here reads a clock. */
#include <string.h>

#include "cases.h"
#include "text.h"

static const char xmlns[] = "https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git";

static void attribute(GString *out, const char *name, const char *value)
{
	g_string_append_printf(out, " %s=\"", name);
	text_xml(out, value);
	g_string_append_c(out, '"');
}

static void property(GString *out, const char *name, const char *value)
{
	g_string_append(out, "\t\t<property");
	attribute(out, "name", name);
	attribute(out, "value", value);
	g_string_append(out, "/>\n");
}

static void properties(GString *out, const struct report_view *view)
{
	static const char *const words[] = { "target", "scenario", "module", "kernel", "accel", "mount_api", "stamp" };
	char score[32] = "none";
	guint i;

	g_string_append(out, "\t<properties>\n");
	for (i = 0; i < G_N_ELEMENTS(words); i++)
		property(out, words[i], analysis_run_word(view->an, words[i], ""));
	if (view->v->judged)
		g_snprintf(score, sizeof(score), "%.1f", view->v->overall);
	property(out, "verdict", verdict_result(view->v));
	property(out, "readiness", verdict_readiness(view->v));
	property(out, "score", score);
	g_string_append(out, "\t</properties>\n");
}

static void body(GString *out, const struct report_case *one)
{
	static const char *const elements[CASE_RESULTS] = {
		[CASE_SKIPPED] = "skipped", [CASE_FAILED] = "failure", [CASE_ERROR] = "error",
	};
	const char *element = elements[one->result];
	guint i;

	g_string_append_printf(out, "\t\t<%s", element);
	attribute(out, "message", one->message);
	if (one->result != CASE_SKIPPED)
		attribute(out, "type", one->type);
	g_string_append_c(out, '>');
	for (i = 0; i < one->lines->len; i++) {
		text_xml(out, g_ptr_array_index(one->lines, i));
		g_string_append_c(out, '\n');
	}
	g_string_append_printf(out, "</%s>\n", element);
}

static void testcase(GString *out, const struct report_view *view, const struct report_case *one)
{
	g_autofree char *class = g_strdup_printf("vexlab.%s.%s.%s", analysis_run_word(view->an, "target", "unknown"),
						 analysis_run_word(view->an, "scenario", "unknown"), one->group);

	g_string_append(out, "\t<testcase");
	attribute(out, "name", one->name);
	attribute(out, "classname", class);
	g_string_append_printf(out, " time=\"%.6f\"", (double)one->took_ns / 1e9);
	if (one->result == CASE_PASSED) {
		g_string_append(out, "/>\n");
		return;
	}
	g_string_append(out, ">\n");
	body(out, one);
	g_string_append(out, "\t</testcase>\n");
}

void format_junit(GString *out, const struct report_view *view)
{
	g_autoptr(GPtrArray) cases = report_cases(view);
	const struct chronicle *chron = view->chron;
	char begin[32], end[32];
	guint i;

	text_time(begin, sizeof(begin), chron->begin_ns);
	text_time(end, sizeof(end), chron->end_ns);
	g_string_append_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite xmlns=\"%s\"", xmlns);
	attribute(out, "name", "vexlab");
	attribute(out, "timestamp", end);
	attribute(out, "report_timestamp", end);
	attribute(out, "start_timestamp", begin);
	attribute(out, "hostname", "localhost");
	/* There is no attribute for errors: whoever reads only this line must not see a run that is green. */
	g_string_append_printf(out, " tests=\"%u\" failures=\"%u\" skipped=\"%u\" time=\"%.3f\">\n", cases->len,
			       report_cases_count(cases, NULL, CASE_FAILED) + report_cases_count(cases, NULL, CASE_ERROR),
			       report_cases_count(cases, NULL, CASE_SKIPPED),
			       (double)(chron->end_ns - chron->begin_ns) / 1e9);
	properties(out, view);
	for (i = 0; i < cases->len; i++)
		testcase(out, view, g_ptr_array_index(cases, i));
	g_string_append(out, "</testsuite>\n");
}
