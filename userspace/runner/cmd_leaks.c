// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "cmd.h"
#include "error.h"
#include "report.h"

static void print_json(const char *dir, const struct analysis *an)
{
	json_t *json = report_leaks(dir, an);

	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

int cmd_leaks(int argc, char **argv)
{
	gboolean json = FALSE, folded = FALSE;
	const GOptionEntry entries[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &json, "Sites, checkpoints and resources as JSON", NULL },
		{ "folded", 0, 0, G_OPTION_ARG_NONE, &folded, "Stacks and their bytes, for a flame graph", NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("RUN");
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;

	g_option_context_set_summary(context, "What a leak hunt has found, site by site, with what was acquitted "
				     "and why. RUN is its folder, such as runs/latest.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 2 || (json && folded)) {
		fprintf(stderr, "vexlab leaks: %s\n", error ? error->message :
			"name one run's folder, and one of --json and --folded at most");
		return EX_USAGE;
	}
	an = analysis_read(argv[1], &error);
	if (!an)
		return cmd_fail("leaks", error);
	if (!an->leaks) {
		fprintf(stderr, "vexlab leaks: that run did not hunt leaks: vexlab run --scenario leak-hunt\n");
		return EX_USAGE;
	}
	if (json) {
		print_json(argv[1], an);
		return 0;
	}
	text = folded ? report_leaks_folded(an) : report_leaks_text(argv[1], an, TRUE);
	fputs(text, stdout);
	return 0;
}
