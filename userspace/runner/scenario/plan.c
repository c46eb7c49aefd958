// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "plan_priv.h"

#define FIELD(key_, kind_, member, ...) \
	{ .key = key_, .kind = kind_, .offset = offsetof(struct plan, member), __VA_ARGS__ }

#define NAME_PATTERN	"[A-Za-z0-9][A-Za-z0-9_.-]*"
#define LINE_PATTERN	"[^\\x00-\\x1f\\x7f]*"

static const char *const setup_words[] = { "booted", "loaded", "formatted", NULL };

static const struct yaml_field plan_fields[] = {
	FIELD("name", YAML_STRING, name, .min = 1, .max = 60, .pattern = NAME_PATTERN, .required = TRUE,
	      .pattern_said = "a name of letters, digits, '_', '.' and '-'"),
	FIELD("description", YAML_STRING, description, .min = 1, .max = 200, .pattern = LINE_PATTERN,
	      .pattern_said = "one line of text", .required = TRUE),
	FIELD("setup", YAML_ENUM, setup, .choices = setup_words),
	FIELD("recoveries", YAML_UINT, recoveries, .max = 100000),
	FIELD("for", YAML_TIME, budget_ms, .min = 1, .max = 24 * 3600 * 1000),
	{ 0 },
};

const char *const plan_variables[] = { "device", "mountpoint", "cycle", "target", "fstype", "seed", NULL };
const char *const plan_outcome_words[] = { "ok", "failed", "crashed", "skipped", NULL };

/* ---- a step's life -------------------------------------------------------------------- */

void plan_step_free(struct plan_step *step)
{
	if (!step)
		return;
	if (step->args)
		yaml_clear(step->word->fields, step->args);
	g_free(step->args);
	plan_when_clear(&step->when);
	plan_expect_clear(&step->expect);
	if (step->steps)
		g_ptr_array_unref(step->steps);
	g_free(step->name);
	g_free(step);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	yaml_clear(plan_fields, plan);
	if (plan->steps)
		g_ptr_array_unref(plan->steps);
	g_free(plan->path);
	g_free(plan);
}

/* ---- the file ----------------------------------------------------------------------------- */

static void reader_init(struct plan_reader *r, const struct plan_word *parts)
{
	static const char *const blocks[] = { "steps", "repeat", "choose", "shuffle", "parallel" };
	const struct plan_word *word;
	guint i;

	*r = (struct plan_reader){ .parts = parts, .words = g_ptr_array_new() };
	for (word = plan_words; word->name; word++)
		g_ptr_array_add(r->words, (gpointer)word->name);
	for (word = parts; word && word->name; word++)
		g_ptr_array_add(r->words, (gpointer)word->name);
	for (i = 0; i < G_N_ELEMENTS(blocks); i++)
		g_ptr_array_add(r->words, (gpointer)blocks[i]);
	g_ptr_array_add(r->words, NULL);
	r->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void reader_clear(struct plan_reader *r)
{
	g_ptr_array_unref(r->words);
	g_hash_table_unref(r->names);
}

struct plan *plan_read(const struct yamlfile *yf, const char *path, const struct plan_word *parts, GError **error)
{
	static const char *const steps[] = { "steps", NULL };
	const struct yaml_place top = yaml_top(yf);
	struct plan *plan = g_new0(struct plan, 1);
	struct plan_reader reader;
	struct yaml_place at;
	gboolean ok;

	plan->setup = PLAN_SETUP_FORMATTED;
	plan->path = g_canonicalize_filename(path, NULL);
	plan->steps = g_ptr_array_new_with_free_func((GDestroyNotify)plan_step_free);
	reader_init(&reader, parts);
	ok = yaml_read_at(top, "", plan_fields, steps, plan, error);
	if (ok && !yaml_find(top, "steps", &at))
		ok = yaml_fail(top, "", error, "the key \"steps\" is missing (a list of what is to be done)");
	ok = ok && plan_read_steps(&reader, at, 1, plan->steps, error);
	reader_clear(&reader);
	if (!ok)
		g_clear_pointer(&plan, plan_free);
	return plan;
}

struct plan *plan_open(const char *path, const struct plan_word *parts, GError **error)
{
	VX_GUARD(yamlfile_close) struct yamlfile *yf = yamlfile_open(path, error);

	return yf ? plan_read(yf, path, parts, error) : NULL;
}

/* ---- where they are --------------------------------------------------------------------------- */

static GPtrArray *search_path(const char *dir)
{
	const char *libdir = g_getenv("VEXLAB_LIBDIR");
	GPtrArray *path = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(path, g_strdup("scenarios"));
	if (libdir && *libdir)
		g_ptr_array_add(path, g_build_filename(libdir, "scenarios", NULL));
	if (dir)
		g_ptr_array_add(path, g_strdup(dir));
	return path;
}

char *plan_find(const char *name, const char *dir)
{
	g_autoptr(GPtrArray) path = NULL;
	guint i;

	if (strchr(name, '/') || g_str_has_suffix(name, ".yaml"))
		return g_strdup(name);
	path = search_path(dir);
	for (i = 0; i < path->len; i++) {
		g_autofree char *base = g_strconcat(name, ".yaml", NULL);
		char *file = g_build_filename(path->pdata[i], base, NULL);

		if (g_file_test(file, G_FILE_TEST_IS_REGULAR))
			return file;
		g_free(file);
	}
	return NULL;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **plan_names(const char *dir)
{
	g_autoptr(GPtrArray) path = search_path(dir);
	GPtrArray *names = g_ptr_array_new();
	const char *entry;
	guint i;

	for (i = 0; i < path->len; i++) {
		g_autoptr(GDir) folder = g_dir_open(path->pdata[i], 0, NULL);

		while (folder && (entry = g_dir_read_name(folder))) {
			g_autofree char *name = g_strndup(entry, strlen(entry) - MIN(strlen(entry), 5));

			if (g_str_has_suffix(entry, ".yaml") && entry[0] != '.' &&
			    !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
				g_ptr_array_add(names, g_steal_pointer(&name));
		}
	}
	g_ptr_array_sort(names, by_name);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

/* ---- words with a meaning -------------------------------------------------------------------- */

char *plan_expand(const char *text, const char *const *values)
{
	GString *out = g_string_new(NULL);
	gsize len;
	guint i;

	while (*text) {
		if (*text != '{' || text[1] == '{') {
			g_string_append_c(out, *text);
			text += *text == '{' ? 2 : 1;
			continue;
		}
		len = strcspn(text + 1, "}");
		for (i = 0; plan_variables[i]; i++)
			if (strlen(plan_variables[i]) == len && !strncmp(plan_variables[i], text + 1, len))
				g_string_append(out, values[i] ? values[i] : "");
		text += len + 1 + (text[len + 1] == '}');
	}
	return g_string_free(out, FALSE);
}

/* As far as both have numbers: "6.12" is as new as "6.12.9". */
static int compare_releases(const char *release, const char *wanted)
{
	unsigned long a, b;

	while (g_ascii_isdigit(*release) && g_ascii_isdigit(*wanted)) {
		a = strtoul(release, (char **)&release, 10);
		b = strtoul(wanted, (char **)&wanted, 10);
		if (a != b)
			return a < b ? -1 : 1;
		release += *release == '.';
		wanted += *wanted == '.';
	}
	return 0;
}

gboolean plan_kernel_is(const char *release, const char *condition)
{
	const gsize op = strcspn(condition, "0123456789");
	const int order = compare_releases(release, condition + op);
	const gboolean or_equal = memchr(condition, '=', op) != NULL || !op;

	if (memchr(condition, '>', op))
		return order > 0 || (or_equal && !order);
	if (memchr(condition, '<', op))
		return order < 0 || (or_equal && !order);
	return !order;
}
