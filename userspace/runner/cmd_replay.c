// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "fsutil.h"
#include "replay.h"
#include "report.h"

#define NOT_SEEN	1
#define RELIABLE	0.9	/* of the tries, by which a finding that is no race is to come back */

struct options {
	char *from, *output, *cache, *agent, *uri;
	int times;
	gboolean json, quiet, cold;
};

static void options_clear(struct options *o)
{
	g_free(o->from);
	g_free(o->output);
	g_free(o->cache);
	g_free(o->agent);
	g_free(o->uri);
}

static void say(void *ctx, const char *text)
{
	const struct options *o = ctx;
	g_autofree char *safe = report_printable(text);

	if (!o->quiet)
		fprintf(stderr, "  %s\n", safe);
}

/* Lines that a terminal would overwrite are left out: each step that counts has one that stays. */
static void tick(void *ctx, const char *text, unsigned int done, unsigned int all)
{
}

static double rate(const struct replay_outcome *out)
{
	return out->attempts ? (double)out->seen / out->attempts : 0;
}

static void print_json(const struct replay_outcome *out)
{
	json_t *json = json_pack("{s:s, s:b, s:i, s:i, s:f, s:b, s:i, s:O, s:s?, s:b}", "finding", out->title,
				 "seen", out->seen > 0, "attempts", (int)out->attempts, "times_seen", (int)out->seen,
				 "rate", rate(out), "race", out->race,
				 "steps", (int)out->steps, "details", out->details, "directory", out->run.dir,
				 "interrupted", out->run.interrupted);

	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_text(const struct replay_outcome *out)
{
	g_autofree char *title = report_printable(out->title);

	printf("%s: seen again in %u of %u tries", title, out->seen, out->attempts);
	if (out->race)
		printf(" (a race: its rate is %.0f %%)", 100 * rate(out));
	else if (out->attempts > 1 && rate(out) < RELIABLE)
		printf(" (it depends on something that the steps do not fix)");
	printf("\n  files    %s\n", out->run.dir);
}

static int finish(const struct options *o, const struct replay_outcome *out)
{
	if (o->json)
		print_json(out);
	else
		print_text(out);
	if (out->run.interrupted) {
		fprintf(stderr, "vexlab replay: interrupted; what was seen until then is above\n");
		return 130;
	}
	return out->seen ? 0 : NOT_SEEN;
}

/* 0: not given; -1: no number. */
static int number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n > 0 && n < G_MAXINT ? (int)n : -1;
}

static int replay(struct options *o, const char *dir, int number)
{
	REPLAY_OUTCOME_CLEAR struct replay_outcome out = { 0 };
	g_autofree char *probe = cmd_lib_path("kmod-probe");
	g_autoptr(GError) error = NULL;
	const struct replay_request req = {
		.dir = dir, .number = (unsigned int)number, .times = (unsigned int)o->times,
		.from = o->from, .probe_source = probe,
		.outdir = o->output, .cachedir = o->cache, .agent = o->agent, .uri = o->uri,
		.cold = o->cold, .progress = { say, tick, o }, .cancellable = cmd_cancellable(),
	};

	cmd_guard(o->cache);
	if (!replay_execute(&req, &out, &error))
		return cmd_fail("replay", error);
	return finish(o, &out);
}

static void defaults(struct options *o)
{
	if (!o->output)
		o->output = g_strdup("runs");
	if (!o->cache)
		o->cache = fs_default_cachedir();
	if (!o->agent)
		o->agent = cmd_lib_path("vexlab-agent");
}

int cmd_replay(int argc, char **argv)
{
	struct options o = { .times = 1 };
	const GOptionEntry entries[] = {
		{ "times", 'n', 0, G_OPTION_ARG_INT, &o.times, "Try so often, with a new guest each time (1)", "N" },
		{ "from", 0, 0, G_OPTION_ARG_STRING, &o.from, "Times after the first: from just after this step, by its name", "STEP" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "Print the outcome as JSON on stdout", NULL },
		{ "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress on stderr", NULL },
		{ "output", 0, 0, G_OPTION_ARG_STRING, &o.output, "Where runs are kept (runs)", "DIR" },
		{ "cold", 0, 0, G_OPTION_ARG_NONE, &o.cold, "Boot anew; keep and use no ready state", NULL },
		{ "connect", 0, 0, G_OPTION_ARG_STRING, &o.uri, "libvirt URI (an embedded QEMU driver)", "URI" },
		{ "cache", 0, 0, G_OPTION_ARG_STRING, &o.cache, "Where guest images and builds are kept", "DIR" },
		{ "agent", 0, 0, G_OPTION_ARG_STRING, &o.agent, "Another agent binary", "FILE" },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("RUN [N]");
	g_autoptr(GError) error = NULL;
	int number = 0, code;

	g_option_context_set_summary(context,
		"Does again, in a guest like that run's, what led to a finding: RUN is the run's folder,\n"
		"such as runs/latest, and N the number of the finding's folder in RUN/evidence (1).");
	g_option_context_set_description(context, "Exit codes: 0 it was seen again, 1 it was not; 64 and above: it could not be tried.\n");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 2 || argc > 3 || o.times < 1 ||
	    (argc == 3 && (number = number_of(argv[2])) < 0)) {
		fprintf(stderr, "vexlab replay: %s\n", error ? error->message :
			"name a run's folder, perhaps the number of a finding's folder in it, and --times 1 or more");
		options_clear(&o);
		return EX_USAGE;
	}
	defaults(&o);
	code = replay(&o, argv[1], number);
	options_clear(&o);
	return code;
}
