// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "run.h"

static int check(char **names, const char *dir)
{
	int code = 0;
	guint i;

	for (i = 0; names[i]; i++) {
		g_autoptr(GError) error = NULL;

		if (run_check_scenario(names[i], dir, &error))
			printf("%s: good\n", names[i]);
		else
			code = cmd_fail("scenario", error);
	}
	return code;
}

static int list(const char *dir)
{
	g_auto(GStrv) scenarios = run_scenarios(dir);
	guint i;

	for (i = 0; scenarios[i]; i += 2)
		printf("%-16s %s\n", scenarios[i], scenarios[i + 1]);
	return 0;
}

static int words(void)
{
	g_autofree char *text = run_scenario_words();

	fputs(text, stdout);
	return 0;
}

int cmd_scenario(int argc, char **argv)
{
	g_auto(GStrv) rest = NULL;
	const GOptionEntry entries[] = {
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &rest, NULL, NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("list | words | check NAME|FILE...");
	g_autofree char *dir = cmd_lib_path("scenarios");
	g_autoptr(GError) error = NULL;

	g_option_context_set_summary(context, "Scenario files: which there are, what their steps can be, and whether one is as it must be.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (g_option_context_parse(context, &argc, &argv, &error) && rest) {
		if (!strcmp(rest[0], "list") && !rest[1])
			return list(dir);
		if (!strcmp(rest[0], "words") && !rest[1])
			return words();
		if (!strcmp(rest[0], "check") && rest[1])
			return check(rest + 1, dir);
	}
	fprintf(stderr, "vexlab scenario: %s\n", error ? error->message : "say what: list, words, or check and the files");
	return EX_USAGE;
}
