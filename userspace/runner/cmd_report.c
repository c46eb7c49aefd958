// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "cmd.h"
#include "error.h"
#include "evidence.h"
#include "report.h"

int cmd_report(int argc, char **argv)
{
	gboolean json = FALSE, write_files = FALSE;
	const GOptionEntry entries[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &json, "The whole report as JSON", NULL },
		{ "write", 'w', 0, G_OPTION_ARG_NONE, &write_files,
		  "Write the report files into the run's folder again", NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("RUN");
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	g_autoptr(GError) error = NULL;
	struct verdict verdict;

	g_option_context_set_summary(context, "Reports a run from its record: RUN is its folder, such as runs/latest.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 2) {
		fprintf(stderr, "vexlab report: %s\n", error ? error->message : "name one run's folder");
		return EX_USAGE;
	}
	an = analysis_read(argv[1], &error);
	if (!an)
		return cmd_fail("report", error);
	score_verdict(an, &verdict);
	evidence_assign(argv[1], an);
	if (write_files && !report_write_files(argv[1], an, &verdict, &error))
		return cmd_fail("report", error);
	if (json) {
		json_t *report = report_comprehensive(an, &verdict);

		json_dumpf(report, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(report);
	} else {
		g_autofree char *text = report_summary(argv[1], an, &verdict, cmd_stdout_colour());

		fputs(text, stdout);
	}
	return verdict.judged ? (int)verdict.code : EX_UNAVAILABLE;
}
