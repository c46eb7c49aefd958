// SPDX-License-Identifier: GPL-2.0
/* Which scenarios there are: files, and parts by themselves. A file of a part's name is the file. */
#include <string.h>

#include "error.h"
#include "part.h"

/* Parts as words of a scenario file; made once. */
static const struct plan_word *part_words(void)
{
	static struct plan_word *words;
	guint i, n;

	if (words)
		return words;
	for (n = 0; parts[n]; n++)
		;
	words = g_new0(struct plan_word, n + 1);
	for (i = 0; i < n; i++)
		words[i] = (struct plan_word){
			.name = parts[i]->name, .help = parts[i]->description, .fields = parts[i]->fields,
			.brief = parts[i]->fields && parts[i]->fields[0].key && !parts[i]->fields[1].key ? parts[i]->fields[0].key : NULL,
			.defaults = parts[i]->defaults, .size = parts[i]->size, .part = parts[i],
		};
	return words;
}

static void add_files(GPtrArray *list, const char *dir)
{
	g_auto(GStrv) names = plan_names(dir);
	guint i;

	for (i = 0; names[i]; i++) {
		g_autofree char *path = plan_find(names[i], dir);
		g_autoptr(GError) error = NULL;
		VX_GUARD(plan_free) struct plan *plan = path ? plan_open(path, part_words(), &error) : NULL;

		g_ptr_array_add(list, g_strdup(names[i]));
		g_ptr_array_add(list, g_strdup(plan ? plan->description : error ? error->message : "is gone"));
	}
}

static gboolean is_listed(const GPtrArray *list, const char *name)
{
	guint i;

	for (i = 0; i < list->len; i += 2)
		if (!strcmp(list->pdata[i], name))
			return TRUE;
	return FALSE;
}

char **run_scenarios(const char *dir)
{
	GPtrArray *list = g_ptr_array_new();
	guint i;

	add_files(list, dir);
	for (i = 0; parts[i]; i++) {
		if (is_listed(list, parts[i]->name))
			continue;
		g_ptr_array_add(list, g_strdup(parts[i]->name));
		g_ptr_array_add(list, g_strdup(parts[i]->description));
	}
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}

/* A mistake in them is told before a guest is started for it. */
static gboolean check_args(const struct part *part, char **given, GError **error)
{
	void *args = part_args_new(part);
	gboolean ok = TRUE;
	guint i;

	for (i = 0; ok && given && given[i]; i++)
		ok = part_args_set(part, args, given[i], error);
	part_args_free(part, args);
	return ok;
}

static gboolean unknown(const char *name, const char *dir, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_auto(GStrv) known = run_scenarios(dir);
	const char *nearest;
	guint i;

	for (i = 0; known[i]; i += 2) {
		g_string_append_printf(text, "%s%s", i ? ", " : "", known[i]);
		g_ptr_array_add(names, known[i]);
	}
	g_ptr_array_add(names, NULL);
	nearest = yaml_nearest(name, (const char *const *)names->pdata);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "there is no scenario %s%s%s%s; there are: %s", name,
		    nearest ? " (did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?)" : "", text->str);
	return FALSE;
}

/* FALSE: one of `--steps` is none of the plan's. */
static gboolean check_steps(const struct run *run, GError **error)
{
	g_auto(GStrv) wanted = g_strsplit(run->req->steps ? run->req->steps : "", ",", -1);
	g_autoptr(GString) known = g_string_new(NULL);
	guint i, k;

	for (i = 0; i < run->plan->steps->len; i++) {
		const struct plan_step *step = g_ptr_array_index(run->plan->steps, i);

		g_string_append_printf(known, "%s%s", i ? ", " : "", step->name);
	}
	for (i = 0; wanted[i]; i++) {
		for (k = 0; k < run->plan->steps->len; k++)
			if (!strcmp(((const struct plan_step *)run->plan->steps->pdata[k])->name, wanted[i]))
				break;
		if (k < run->plan->steps->len)
			continue;
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--steps: %s has no step %s; it has: %s", run->req->scenario,
			    wanted[i], known->str);
		return FALSE;
	}
	return TRUE;
}

const struct scenario *run_find_scenario(struct run *run, GError **error)
{
	const struct run_request *req = run->req;
	g_autofree char *path = plan_find(req->scenario, req->scenario_dir);
	const struct part *part = part_find(req->scenario);

	/* Arguments are the part's, of which the file of its name is only the shortest use. */
	if (part && (!path || (req->args && req->args[0])))
		return check_args(part, req->args, error) ? &scenario_part : NULL;
	if (!path) {
		unknown(req->scenario, req->scenario_dir, error);
		return NULL;
	}
	if (req->args && req->args[0]) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--arg %s: the scenario %s takes none", req->args[0], req->scenario);
		return NULL;
	}
	run->own_plan = plan_open(path, part_words(), error);
	run->plan = run->own_plan;
	if (!run->plan || !check_steps(run, error))
		return NULL;
	return run->plan->setup == PLAN_SETUP_FORMATTED ? &scenario_plan : &scenario_plan_alone;
}

gboolean run_check_scenario(const char *name, const char *dir, GError **error)
{
	g_autofree char *path = plan_find(name, dir);
	VX_GUARD(plan_free) struct plan *plan = NULL;

	if (!path)
		return unknown(name, dir, error);
	plan = plan_open(path, part_words(), error);
	return plan != NULL;
}

static void add_word(GString *out, const struct plan_word *word)
{
	const struct yaml_field *field;

	g_string_append_printf(out, "  %-16s %s\n", word->name, word->help);
	for (field = word->fields; field && field->key; field++) {
		g_autofree char *allowed = yaml_field_allowed(field);

		g_string_append_printf(out, "    %-14s %s%s%s\n", field->key, allowed, field->required ? "; needed" : "",
				       word->brief && !strcmp(word->brief, field->key) ? "; also without its name" : "");
	}
}

char *run_scenario_words(void)
{
	GString *out = g_string_new("Actions:\n");
	const struct plan_word *word;

	for (word = plan_words; word->name; word++)
		add_word(out, word);
	g_string_append(out, "Parts:\n");
	for (word = part_words(); word->name; word++)
		add_word(out, word);
	return g_string_free(out, FALSE);
}
