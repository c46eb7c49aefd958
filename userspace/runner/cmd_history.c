// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "cmd_history.h"
#include "error.h"

#define LIST_LAST	20
#define TREND_LAST	1000

struct options {
	char *file, *target, *scenario, *like, *field;
	char **across;
	int last;
	gboolean json, undo;
	struct regress_config how;
	struct history *h;
};

static void options_clear(struct options *o)
{
	g_free(o->file);
	g_free(o->target);
	g_free(o->scenario);
	g_free(o->like);
	g_free(o->field);
	g_strfreev(o->across);
	history_close(o->h);
}

/* Takes over `json`. */
static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static struct hist_run *named(struct options *o, const char *name, gboolean light, GError **error)
{
	const gint64 id = history_find(o->h, name, error);

	return id ? history_load(o->h, id, light, error) : NULL;
}

static void run_free(gpointer run)
{
	hist_run_free(run);
}

/* ---- list, show, accept, check --------------------------------------------------------------- */

static gboolean list(struct options *o, char **args, int n, GError **error)
{
	const struct history_filter filter = {
		.target = o->target, .scenario = o->scenario, .last = o->last < 0 ? LIST_LAST : (guint)o->last,
	};
	g_autoptr(GArray) ids = history_list(o->h, &filter, error);
	g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(run_free);
	json_t *json;
	guint i;

	for (i = 0; ids && i < ids->len; i++) {
		struct hist_run *run = history_load(o->h, g_array_index(ids, gint64, i), FALSE, error);

		if (!run)
			return FALSE;
		g_ptr_array_add(runs, run);
	}
	if (!ids)
		return FALSE;
	if (!o->json) {
		show_list(runs);
		return TRUE;
	}
	json = json_array();
	for (i = 0; i < runs->len; i++) {
		const struct hist_run *run = g_ptr_array_index(runs, i);
		json_t *one = hist_run_json(run);

		json_object_set_new(one, "number", json_integer(run->id));
		json_array_append_new(json, one);
	}
	print_json(json);
	return TRUE;
}

static gboolean show(struct options *o, char **args, int n, GError **error)
{
	VX_GUARD(hist_run_free) struct hist_run *run = named(o, args[0], FALSE, error);
	g_autoptr(GPtrArray) lives = NULL;
	json_t *json;
	guint looked;

	if (!run || !(lives = lives_of(o->h, run, &looked, error)))
		return FALSE;
	if (!o->json) {
		show_run(run, lives, looked);
		return TRUE;
	}
	json = hist_run_json(run);
	json_object_set_new(json, "number", json_integer(run->id));
	json_object_set_new(json, "lives", lives_json(lives, looked));
	print_json(json);
	return TRUE;
}

static gboolean accept(struct options *o, char **args, int n, GError **error)
{
	const gint64 id = history_find(o->h, args[0], error);

	return id && history_accept(o->h, id, !o->undo, error);
}

static gboolean check(struct options *o, char **args, int n, GError **error)
{
	if (!history_check(o->h, error))
		return FALSE;
	printf("sound: %" G_GINT64_FORMAT " runs\n", history_count(o->h, NULL));
	return TRUE;
}

/* ---- compare, trend --------------------------------------------------------------------------- */

static gboolean compare(struct options *o, char **args, int n, GError **error)
{
	const char *const *across = (const char *const *)o->across;
	VX_GUARD(hist_run_free) struct hist_run *a = n > 1 ? named(o, args[0], FALSE, error) : NULL;
	VX_GUARD(hist_run_free) struct hist_run *b = n > 1 && !a ? NULL : named(o, args[n - 1], FALSE, error);
	VX_GUARD(regress_free) struct regress *r = NULL;
	json_t *json;

	if (!b)
		return FALSE;
	r = a ? regress_pair(o->h, a, b, across, &o->how, error) : regress_run(o->h, b, across, &o->how, error);
	if (!r)
		return FALSE;
	if (!o->json) {
		show_regress(r, b->name);
		return TRUE;
	}
	json = regress_json(r);
	json_object_set_new(json, "run", json_string(b->name));
	print_json(json);
	return TRUE;
}

static gboolean parse_field(const char *word, enum history_field *ret, GError **error)
{
	guint i;

	for (i = 0; i < HISTORY_FIELDS; i++)
		if (!word || !strcmp(word, history_field_name(i))) {
			*ret = i;
			return TRUE;
		}
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--field is p50, p90, p99, min, max or mean, not %s", word);
	return FALSE;
}

static gboolean name_stretches(struct options *o, struct trend *t, GError **error)
{
	guint i;

	for (i = 0; t->points->len && i <= t->changes->len; i++) {
		const guint at = i ? g_array_index(t->changes, struct change, i - 1).at : 0;
		VX_GUARD(hist_run_free) struct hist_run *run =
			history_load(o->h, g_array_index(t->points, struct history_point, at).run, TRUE, error);

		if (!run)
			return FALSE;
		g_ptr_array_add(t->names, g_strdup(run->name));
	}
	return TRUE;
}

/* The run whose like the trend is of: the latest, if none is named. */
static struct hist_run *model(struct options *o, GError **error)
{
	const struct history_filter filter = { .target = o->target, .scenario = o->scenario, .last = 1, .complete = TRUE };
	g_autoptr(GArray) ids = NULL;

	if (o->like)
		return named(o, o->like, TRUE, error);
	ids = history_list(o->h, &filter, error);
	if (!ids)
		return NULL;
	if (ids->len)
		return history_load(o->h, g_array_index(ids, gint64, 0), TRUE, error);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the history has no complete run of that target and scenario");
	return NULL;
}

static gboolean list_metrics(struct options *o, GError **error)
{
	g_auto(GStrv) names = history_metrics(o->h, error);
	json_t *json;
	guint i;

	if (!names)
		return FALSE;
	if (!o->json) {
		for (i = 0; names[i]; i++)
			printf("%s\n", names[i]);
		return TRUE;
	}
	json = json_array();
	for (i = 0; names[i]; i++)
		json_array_append_new(json, json_string(names[i]));
	print_json(json);
	return TRUE;
}

static gboolean trend(struct options *o, char **args, int n, GError **error)
{
	VX_GUARD(hist_run_free) struct hist_run *like = NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GArray) points = NULL, changes = NULL;
	struct trend t = { .metric = args[0], .names = names };
	g_autofree double *values = NULL;
	guint i;

	if (!n)
		return list_metrics(o, error);
	if (!parse_field(o->field, &t.field, error) || !(like = model(o, error)))
		return FALSE;
	points = history_series(o->h, like, (const char *const *)o->across, args[0], t.field,
				o->last < 0 ? TREND_LAST : (guint)o->last, error);
	if (!points)
		return FALSE;
	values = g_new(double, points->len + 1);
	for (i = 0; i < points->len; i++)
		values[i] = g_array_index(points, struct history_point, i).value;
	changes = changes_find(values, points->len, &changes_defaults);
	t.points = points;
	t.changes = changes;
	if (!name_stretches(o, &t, error))
		return FALSE;
	if (o->json)
		print_json(trend_json(&t));
	else if (points->len)
		show_trend(&t);
	else
		printf("%s: no comparable run has it\n", args[0]);
	return TRUE;
}

/* ---- import, export ------------------------------------------------------------------------------ */

struct tally {
	guint added, there;
};

static gboolean import_run(struct options *o, const char *dir, struct tally *tally, GError **error)
{
	VX_GUARD(analysis_free) struct analysis *an = analysis_read(dir, error);
	VX_GUARD(hist_run_free) struct hist_run *run = NULL;
	struct verdict verdict;
	gboolean added;

	if (!an)
		return FALSE;
	score_verdict(an, &verdict);
	run = hist_run_from(dir, an, &verdict);
	if (!*hist_word(run->env, "target")) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s: its record does not say of what it is", dir);
		return FALSE;
	}
	if (!history_add(o->h, run, &added, error))
		return FALSE;
	tally->added += added;
	tally->there += !added;
	return TRUE;
}

static gboolean import_line(struct options *o, const char *text, gsize len, struct tally *tally, GError **error)
{
	json_error_t wrong;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
	VX_GUARD(hist_run_free) struct hist_run *run = json ? hist_run_from_json(json, error) : NULL;
	gboolean added;

	if (!json)
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "it is no JSON: %s", wrong.text);
	json_decref(json);
	if (!run || !history_add(o->h, run, &added, error))
		return FALSE;
	tally->added += added;
	tally->there += !added;
	return TRUE;
}

/* Whole or not at all: half an import would have to be looked for. */
static gboolean import_lines(struct options *o, const char *path, struct tally *tally, GError **error)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	guint n = 0;
	gboolean ok;

	if (!file) {
		vx_error_set_errno(error, errno, "cannot read %s", path);
		return FALSE;
	}
	ok = history_begin(o->h, error);
	while (ok && (len = getline(&line, &size, file)) > 0) {
		n++;
		if (len == 1)
			continue;
		ok = import_line(o, line, (gsize)len, tally, error);
		if (!ok)
			g_prefix_error(error, "%s:%u: ", path, n);
	}
	free(line);
	if (file != stdin)
		fclose(file);
	return history_end(o->h, ok, error);
}

static gboolean import(struct options *o, char **args, int n, GError **error)
{
	struct tally tally = { 0 };
	int i;

	for (i = 0; i < n; i++) {
		const gboolean folder = g_file_test(args[i], G_FILE_TEST_IS_DIR);

		if (folder ? !import_run(o, args[i], &tally, error) : !import_lines(o, args[i], &tally, error))
			return FALSE;
	}
	if (o->json)
		print_json(json_pack("{s:i, s:i}", "added", (int)tally.added, "there_already", (int)tally.there));
	else
		printf("%u added, %u there already\n", tally.added, tally.there);
	return TRUE;
}

static gboolean export_one(struct options *o, gint64 id, GError **error)
{
	VX_GUARD(hist_run_free) struct hist_run *run = history_load(o->h, id, FALSE, error);
	json_t *json;

	if (!run)
		return FALSE;
	json = hist_run_json(run);
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
	return TRUE;
}

static gboolean export(struct options *o, char **args, int n, GError **error)
{
	const struct history_filter filter = {
		.target = o->target, .scenario = o->scenario, .last = o->last < 0 ? 0 : (guint)o->last,
	};
	g_autoptr(GArray) ids = n ? g_array_new(FALSE, FALSE, sizeof(gint64)) : history_list(o->h, &filter, error);
	guint i;

	for (i = 0; (int)i < n; i++) {
		const gint64 id = history_find(o->h, args[i], error);

		if (!id)
			return FALSE;
		g_array_append_val(ids, id);
	}
	for (i = 0; ids && i < ids->len; i++)
		if (!export_one(o, g_array_index(ids, gint64, i), error))
			return FALSE;
	return ids != NULL;
}

/* ---- the command ----------------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	int least, most;		/* arguments, -1: any number */
	enum history_use use;
	gboolean (*run)(struct options *o, char **args, int n, GError **error);
	const char *takes, *what;
} verbs[] = {
	{ "list", 0, 0, HISTORY_READ, list, "", "Runs, the latest last" },
	{ "show", 1, 1, HISTORY_READ, show, "RUN", "All of one, and the life of its findings" },
	{ "compare", 1, 2, HISTORY_READ, compare, "[A] B", "B with the runs before it, or with A" },
	{ "trend", 0, 1, HISTORY_READ, trend, "[METRIC]", "One figure over the runs, and where it has changed; without METRIC, which there are" },
	{ "import", 1, -1, HISTORY_WRITE, import, "RUN|FILE...", "Runs by their folder, or lines of an export (- is stdin)" },
	{ "export", 0, -1, HISTORY_READ, export, "[RUN...]", "As JSON, a run a line" },
	{ "accept", 1, 1, HISTORY_WRITE, accept, "RUN", "From it on is how fast it is to be: what is later is compared with it and later ones" },
	{ "check", 0, 0, HISTORY_READ, check, "", "Is the file sound?" },
};

static const struct verb *find_verb(const char *name)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (!g_strcmp0(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static char *describe(void)
{
	GString *out = g_string_new("Commands:\n");
	guint i;

	for (i = 0; i < G_N_ELEMENTS(verbs); i++)
		g_string_append_printf(out, "  %-8s %-12s %s\n", verbs[i].name, verbs[i].takes, verbs[i].what);
	g_string_append(out, "\nRUN is a number of `list`, a run's folder or the last part of it, or latest.\n"
			"Exit codes: 0 done, whatever it says; 64 usage, 69 there is no history, 74 it is damaged, 78 it is another's.\n");
	return g_string_free(out, FALSE);
}

gboolean cmd_check_across(char **across, GError **error)
{
	const char *const *keys = hist_class_keys();
	g_autofree char *all = g_strjoinv(", ", (char **)keys);
	guint i;

	for (i = 0; across && across[i]; i++) {
		if (g_strv_contains(keys, across[i]))
			continue;
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--across %s: runs are told apart by %s", across[i], all);
		return FALSE;
	}
	return TRUE;
}

static int execute(struct options *o, const struct verb *verb, char **args, int n)
{
	g_autofree char *told = NULL;
	g_autoptr(GError) error = NULL;

	if (!cmd_check_across(o->across, &error) || !(o->h = history_open(o->file, verb->use, &told, &error)))
		return cmd_fail("history", error);
	if (told)
		fprintf(stderr, "vexlab history: %s\n", told);
	return verb->run(o, args, n, &error) ? 0 : cmd_fail("history", error);
}

int cmd_history(int argc, char **argv)
{
	struct options o = { .last = -1, .how = regress_defaults };
	const GOptionEntry entries[] = {
		{ "history", 0, 0, G_OPTION_ARG_FILENAME, &o.file, "The history's file (runs/history.db)", "FILE" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "As JSON on stdout", NULL },
		{ "target", 0, 0, G_OPTION_ARG_STRING, &o.target, "list, trend, export: only runs of this target", "NAME" },
		{ "scenario", 0, 0, G_OPTION_ARG_STRING, &o.scenario, "list, trend, export: only of this scenario", "NAME" },
		{ "last", 0, 0, G_OPTION_ARG_INT, &o.last, "Only the N latest (list 20, trend 1000, export all; 0: all)", "N" },
		{ "like", 0, 0, G_OPTION_ARG_STRING, &o.like, "trend: of runs comparable to this one (the latest)", "RUN" },
		{ "field", 0, 0, G_OPTION_ARG_STRING, &o.field, "trend: p50, p90, p99, min, max or mean (p50)", "NAME" },
		{ "across", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.across, "compare, trend: also runs that differ in this; may be repeated", "KEY" },
		{ "undo", 0, 0, G_OPTION_ARG_NONE, &o.undo, "accept: no longer", NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("COMMAND [ARGUMENT...]");
	g_autofree char *description = describe();
	g_autoptr(GError) error = NULL;
	const struct verb *verb = NULL;
	int n, code;

	g_option_context_set_summary(context, "Earlier runs: what they measured and found, and how this one compares.");
	g_option_context_set_description(context, description);
	g_option_context_add_main_entries(context, entries, NULL);
	if (g_option_context_parse(context, &argc, &argv, &error) && argc > 1)
		verb = find_verb(argv[1]);
	n = argc - 2;
	if (!verb || n < verb->least || (verb->most >= 0 && n > verb->most)) {
		fprintf(stderr, "vexlab history: %s; `vexlab history --help` lists them\n", error ? error->message :
			verb ? "that command takes other arguments" : "name a command: list, show, compare, trend, import, export, accept or check");
		options_clear(&o);
		return EX_USAGE;
	}
	if (!o.file)
		o.file = g_build_filename("runs", HISTORY_FILE, NULL);
	code = execute(&o, verb, argv + 2, n);
	options_clear(&o);
	return code;
}
