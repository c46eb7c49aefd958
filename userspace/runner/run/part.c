// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "error.h"
#include "part.h"

/* One line for each; alphabetical. */
const struct part *const parts[] = {
	&part_exhaust,
	&part_faults,
	&part_file_operations,
	&part_images,
	&part_inject,
	&part_leak_hunt,
	&part_locks,
	&part_mount_cycles,
	&part_oracle,
	&part_stress,
	NULL,
};

const struct part *part_find(const char *name)
{
	guint i;

	for (i = 0; parts[i]; i++)
		if (!strcmp(parts[i]->name, name))
			return parts[i];
	return NULL;
}

static char **string_of(const struct yaml_field *field, void *args)
{
	return (char **)((char *)args + field->offset);
}

void *part_args_new(const struct part *part)
{
	const struct yaml_field *field;
	void *args;

	if (!part->fields)
		return NULL;
	args = g_memdup2(part->defaults, part->size);
	for (field = part->fields; field->key; field++)
		if (field->kind == YAML_STRING)
			*string_of(field, args) = g_strdup(*string_of(field, args));
		else if (field->kind == YAML_STRINGS)
			*(char ***)string_of(field, args) = g_strdupv(*(char ***)string_of(field, args));
	return args;
}

void part_args_free(const struct part *part, void *args)
{
	if (args)
		yaml_clear(part->fields, args);
	g_free(args);
}

gboolean part_args_set(const struct part *part, void *args, const char *assignment, GError **error)
{
	const char *eq = strchr(assignment, '=');
	g_autofree char *key = NULL;

	if (!eq) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--arg %s: write KEY=VALUE", assignment);
		return FALSE;
	}
	if (!part->fields) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--arg %s: %s takes no arguments", assignment, part->name);
		return FALSE;
	}
	key = g_strndup(assignment, (gsize)(eq - assignment));
	return yaml_set(part->fields, args, "--arg", key, eq + 1, error);
}

static json_t *args_json(const struct part *part, const void *args)
{
	const struct yaml_field *field;
	json_t *json = json_object();

	for (field = part->fields; field && field->key; field++) {
		g_autofree char *value = yaml_value(field, args);

		json_object_set_new(json, field->key, json_string(value ? value : ""));
	}
	return json;
}

gboolean part_do(struct run *run, const struct part *part, const void *args, gboolean *go_on, GError **error)
{
	journal_json(run->journal, VX_REC_REQUEST, json_pack("{s:s, s:s, s:o}", "do", "part", "name", part->name,
							      "args", args_json(part, args)));
	run->phase = part->name;
	run->used = TRUE;
	return part->run(run, args, go_on, error);
}

/* ---- a part alone -------------------------------------------------------------------- */

static gboolean set_all(const struct run *run, const struct part *part, void *args, GError **error)
{
	guint i;

	for (i = 0; run->req->args && run->req->args[i]; i++)
		if (!part_args_set(part, args, run->req->args[i], error))
			return FALSE;
	return TRUE;
}

static gboolean alone(struct run *run, GError **error)
{
	const struct part *part = part_find(run->req->scenario);
	void *args = part_args_new(part);
	gboolean go_on = TRUE, ok;

	run_say_seed(run);
	ok = set_all(run, part, args, error) &&
	     run_trace(run, run_latency_probes(run), TRUE, error) &&
	     part_do(run, part, args, &go_on, error);
	part_args_free(part, args);
	run->phase = "flush";
	return ok && (!go_on || session_flush(run->session, error));
}

const struct scenario scenario_part = {
	.name = "part",
	.description = "one part, by its own name",
	.run = alone,
};

/* ---- chance --------------------------------------------------------------------------- */

void run_say_seed(const struct run *run)
{
	g_autofree char *text = g_strdup_printf("seed %" G_GUINT64_FORMAT " (--seed does the same again)", run->seed);

	run->req->progress.say(run->req->progress.ctx, text);
}

/* splitmix64: any two of its inputs give outputs that have nothing to do with each other. */
guint64 run_seed(const struct run *run, const char *what, guint64 n)
{
	guint64 x = run->seed + n * 0x9e3779b97f4a7c15ull;

	for (; *what; what++)
		x = (x ^ (guchar)*what) * 1099511628211ull;
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}
