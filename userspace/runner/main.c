// SPDX-License-Identifier: GPL-2.0
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "version.h"

#define ARENAS	2

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *description;
} commands[] = {
	{ "run", cmd_run, "Boot a guest, drive a filesystem through a scenario, judge it" },
	{ "scenario", cmd_scenario, "List and check scenario files, and what they can say" },
	{ "report", cmd_report, "Make the reports of a run again from its record" },
	{ "leaks", cmd_leaks, "What a leak hunt has found, site by site" },
	{ "replay", cmd_replay, "Do again what led to a finding, and say whether it comes back" },
	{ "history", cmd_history, "Earlier runs: list, show, compare, trend, import, export" },
	{ "guest", cmd_guest, "Build, list or remove guest images" },
	{ "snapshot", cmd_snapshot, "Keep guests at a point of a target's set-up; check and remove them" },
	{ "clean", cmd_clean, "Remove what a vexlab that was killed has left" },
	{ "doctor", cmd_doctor, "Check this machine and say how to mend it" },
};

static int usage(FILE *out)
{
	size_t i;

	fprintf(out, "Usage: vexlab COMMAND [OPTION...]\n\nCommands:\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].description);
	fprintf(out, "\n`vexlab COMMAND --help` tells each one's options. First time: make run\n");
	return out == stdout ? 0 : EX_USAGE;
}

int main(int argc, char **argv)
{
	size_t i;

	setlocale(LC_ALL, "C.UTF-8");
	/* Each recovery has threads of its own; with an arena for each, memory that nobody uses piles up. */
	mallopt(M_ARENA_MAX, ARENAS);
	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout);
	if (!strcmp(argv[1], "--version")) {
		printf("vexlab %s\n", VX_VERSION);
		return 0;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "vexlab: there is no command %s\n", argv[1]);
	return usage(stderr);
}
