// SPDX-License-Identifier: GPL-2.0
/* A list of steps, as it stands in a file, to a tree. */
#include <string.h>

#include "file_ops.h"
#include "plan_priv.h"

#define PAUSE_MAX_MS	600000u

/* Keys that any step may have beside what it is. */
static const struct yaml_field common_fields[] = {
	{ .key = "name", .kind = YAML_STRING, .offset = offsetof(struct plan_step, name), .min = 1, .max = 100,
	  .pattern = "[^\\x00-\\x1f\\x7f]*", .pattern_said = "one line of text" },
	{ .key = "deadline", .kind = YAML_TIME, .offset = offsetof(struct plan_step, deadline_ms), .min = 1, .max = 24 * 3600 * 1000 },
	{ .key = "for", .kind = YAML_TIME, .offset = offsetof(struct plan_step, budget_ms), .min = 1, .max = 24 * 3600 * 1000 },
	{ 0 },
};
static const char *const common_keys[] = { "name", "deadline", "for", "expect", "when", NULL };
/* ... and what goes with a kind alone. */
static const char *const side_keys[] = { "steps", "pause", "of", NULL };

static struct plan_step *step_new(struct yaml_place at)
{
	struct plan_step *step = g_new0(struct plan_step, 1);

	step->line = yaml_line(at);
	step->expect.status = -1;
	step->steps = g_ptr_array_new_with_free_func((GDestroyNotify)plan_step_free);
	return step;
}

static const struct plan_word *find_word(const struct plan_reader *r, const char *name)
{
	const struct plan_word *word;

	for (word = plan_words; word->name; word++)
		if (!strcmp(word->name, name))
			return word;
	for (word = r->parts; word && word->name; word++)
		if (!strcmp(word->name, name))
			return word;
	return NULL;
}

/* ---- variables ---------------------------------------------------------------------------- */

static gboolean check_text(struct yaml_place at, const char *text, GError **error)
{
	for (; text && (text = strchr(text, '{')); text++) {
		g_autofree char *word = g_strndup(text + 1, strcspn(text + 1, "}"));

		if (text[1] == '{') {
			text++;
			continue;
		}
		if (!text[1 + strlen(word)])
			return yaml_fail(at, "", error, "a '{' without its '}' (for the character itself, write \"{{\")");
		if (!g_strv_contains(plan_variables, word))
			return yaml_unknown(at, "variable", word, plan_variables, error);
	}
	return TRUE;
}

static gboolean check_variables(struct yaml_place at, const struct plan_step *step, GError **error)
{
	const struct yaml_field *field;
	char **list;

	for (field = step->word->fields; field && field->key; field++) {
		void *slot = (char *)step->args + field->offset;

		if (field->kind == YAML_STRING && !check_text(at, *(char **)slot, error))
			return FALSE;
		for (list = field->kind == YAML_STRINGS ? *(char ***)slot : NULL; list && *list; list++)
			if (!check_text(at, *list, error))
				return FALSE;
	}
	return TRUE;
}

/* ---- actions and parts ------------------------------------------------------------------------ */

static void copy_defaults(struct plan_step *step)
{
	const struct plan_word *word = step->word;
	const struct yaml_field *field;

	step->args = g_memdup2(word->defaults, word->size);
	for (field = word->fields; field->key; field++) {
		void *slot = (char *)step->args + field->offset;

		if (field->kind == YAML_STRING)
			*(char **)slot = g_strdup(*(char **)slot);
		else if (field->kind == YAML_STRINGS)
			*(char ***)slot = g_strdupv(*(char ***)slot);
	}
}

static gboolean check_operation(struct yaml_place at, const struct plan_step *step, GError **error)
{
	const struct plan_args *args = step->args;
	g_autoptr(GPtrArray) words = NULL;
	const struct vx_file_op *op;

	if (step->word->part || step->word->action != PLAN_FILE_OPERATION)
		return TRUE;
	words = g_ptr_array_new();
	for (op = vx_file_ops; op->name; op++) {
		if (!strcmp(op->name, args->operation))
			return TRUE;
		g_ptr_array_add(words, (gpointer)op->name);
	}
	g_ptr_array_add(words, NULL);
	return yaml_unknown(at, "file operation", args->operation, (const char *const *)words->pdata, error);
}

static gboolean no_keys(struct yaml_place at, const struct plan_word *word, GError **error)
{
	g_autoptr(GString) keys = g_string_new(NULL);
	const struct yaml_field *field;

	for (field = word->fields; field && field->key; field++)
		g_string_append_printf(keys, "%s%s", keys->len ? ", " : "", field->key);
	return yaml_fail(at, word->name, error, keys->len ? "takes keys (%s), not a value" : "takes nothing%s", keys->str);
}

static gboolean missing_one(struct yaml_place at, const struct plan_word *word, GError **error)
{
	const struct yaml_field *field;

	for (field = word->fields; field && field->key; field++) {
		g_autofree char *allowed = field->required ? yaml_field_allowed(field) : NULL;

		if (field->required)
			return yaml_fail(at, word->name, error, "the key \"%s\" is missing (%s)", field->key, allowed);
	}
	return TRUE;
}

/* `args` NULL: the bare word. */
static gboolean read_word(struct yaml_place at, const struct yaml_place *args, struct plan_step *step, GError **error)
{
	const struct plan_word *word = step->word;
	const enum yaml_shape shape = args ? yaml_shape(*args) : YAML_NOTHING;
	const struct yaml_field *field = word->fields;

	step->kind = PLAN_WORD;
	if (!field)
		return shape == YAML_NOTHING || no_keys(*args, word, error);
	copy_defaults(step);
	if (shape == YAML_NOTHING)
		return missing_one(at, word, error);
	if (shape == YAML_KEYS)
		return yaml_read_at(*args, word->name, field, NULL, step->args, error) && check_variables(*args, step, error) &&
		       check_operation(*args, step, error);
	while (field->key && word->brief && strcmp(field->key, word->brief))
		field++;
	if (!word->brief || !field->key)
		return no_keys(*args, word, error);
	return yaml_read_field(*args, word->name, field, step->args, error) && check_variables(*args, step, error) &&
	       check_operation(*args, step, error);
}

/* ---- blocks --------------------------------------------------------------------------------------- */

static gboolean read_number(struct yaml_place at, const char *said, unsigned int max, unsigned int *ret, GError **error)
{
	const struct yaml_field field = { .key = said, .kind = YAML_UINT, .min = 1, .max = max };

	return yaml_read_field(at, said, &field, ret, error);
}

/* "200ms", or "200ms..0ms": from the first to the last. */
static gboolean read_pause(struct yaml_place at, struct plan_step *step, GError **error)
{
	const struct yaml_field time = { .kind = YAML_TIME, .max = PAUSE_MAX_MS };
	const struct yaml_field fields[] = {
		{ .key = "from", .kind = YAML_TIME, .max = PAUSE_MAX_MS, .offset = offsetof(struct plan_step, pause_ms) },
		{ .key = "to", .kind = YAML_TIME, .max = PAUSE_MAX_MS, .offset = offsetof(struct plan_step, last_pause_ms) },
		{ 0 },
	};
	g_auto(GStrv) ends = g_strsplit(yaml_text(at), "..", 2);
	g_autofree char *allowed = yaml_field_allowed(&time);
	guint i, n = g_strv_length(ends);

	for (i = 0; i < 2; i++) {
		const char *end = n ? ends[MIN(i, n - 1)] : "";

		if (!yaml_set(fields, step, "pause", fields[i].key, g_strstrip((char *)end), NULL))
			return yaml_fail(at, "pause", error, "\"%.60s\" is not %s, nor two of them as 200ms..0ms", yaml_text(at), allowed);
	}
	return TRUE;
}

static gboolean read_repeat(struct yaml_place at, struct yaml_place times, struct plan_step *step, GError **error)
{
	step->kind = PLAN_REPEAT;
	if (yaml_shape(times) != YAML_NOTHING && !read_number(times, "repeat", PLAN_REPEAT_MAX, &step->times, error))
		return FALSE;
	return step->times || step->budget_ms ||
	       yaml_fail(at, "repeat", error, "how often, or for how long? \"repeat: 10\", or \"for: 30s\" beside it");
}

/* Only what an agent can do by itself. */
static gboolean check_inside(struct yaml_place at, const struct plan_step *step, guint *count, GError **error)
{
	guint i;

	for (i = 0; i < step->steps->len; i++) {
		const struct plan_step *inner = step->steps->pdata[i];

		++*count;
		if (inner->kind != PLAN_WORD || !inner->word->inside)
			return yaml_fail(at, "parallel", error, "\"%s\" of line %u cannot be done in a branch: plain actions can",
					 inner->name, inner->line);
		if (inner->has_when || inner->expect.class || inner->expect.title || inner->budget_ms || inner->deadline_ms)
			return yaml_fail(at, "parallel", error, "the step of line %u: a branch's step has its words, a name and an "
					 "expected error alone; when, for, deadline and findings belong to the whole", inner->line);
	}
	return TRUE;
}

static gboolean read_branch(struct plan_reader *r, struct yaml_place at, guint depth, struct plan_step *branch, GError **error)
{
	static const char *const keys[] = { "name", "repeat", "steps", NULL };
	struct yaml_place steps = at, times, key;
	guint i;

	branch->kind = PLAN_REPEAT;
	branch->times = 1;
	if (yaml_shape(at) == YAML_KEYS) {
		for (i = 0; i < yaml_count(at); i++) {
			yaml_child(at, i, &key);
			if (!g_strv_contains(keys, yaml_text(key)))
				return yaml_unknown(key, "key of a branch", yaml_text(key), keys, error);
		}
		if (!yaml_read_at(at, "parallel", common_fields, keys + 1, branch, error))
			return FALSE;
		if (yaml_find(at, "repeat", &times) && !read_number(times, "repeat", PLAN_REPEAT_MAX, &branch->times, error))
			return FALSE;
		if (!yaml_find(at, "steps", &steps))
			return yaml_fail(at, "parallel", error, "this branch has no steps");
	}
	return plan_read_steps(r, steps, depth + 1, branch->steps, error);
}

static gboolean read_parallel(struct plan_reader *r, struct yaml_place at, guint depth, struct plan_step *step, GError **error)
{
	guint i, count = 0;

	step->kind = PLAN_PARALLEL;
	if (yaml_shape(at) != YAML_LIST || yaml_count(at) < 2 || yaml_count(at) > PLAN_BRANCHES_MAX)
		return yaml_fail(at, "parallel", error, "a list of 2 to %u branches belongs here, each a list of steps",
				 PLAN_BRANCHES_MAX);
	for (i = 0; i < yaml_count(at); i++) {
		struct yaml_place place = yaml_child(at, i, NULL);
		struct plan_step *branch = step_new(place);

		g_ptr_array_add(step->steps, branch);
		if (!read_branch(r, place, depth, branch, error) || !check_inside(place, branch, &count, error))
			return FALSE;
		branch->named = branch->name != NULL;
		if (!branch->name)
			branch->name = g_strdup_printf("branch %u", i + 1);
	}
	return count <= PLAN_BRANCH_STEPS_MAX ||
	       yaml_fail(at, "parallel", error, "its branches have %u steps, at most %u", count, PLAN_BRANCH_STEPS_MAX);
}

static gboolean read_block(struct plan_reader *r, struct yaml_place at, const char *word, struct yaml_place value, guint depth,
			   struct plan_step *step, GError **error)
{
	struct yaml_place steps = value;

	if (!strcmp(word, "parallel"))
		return read_parallel(r, value, depth, step, error);
	if (!strcmp(word, "repeat") && !read_repeat(at, value, step, error))
		return FALSE;
	if (!strcmp(word, "repeat") && !yaml_find(at, "steps", &steps))
		return yaml_fail(at, "repeat", error, "what? a list of steps belongs beside it: \"steps:\"");
	if (!strcmp(word, "choose")) {
		step->kind = PLAN_CHOOSE;
		if (!read_number(value, "choose", PLAN_REPEAT_MAX, &step->times, error))
			return FALSE;
		if (!yaml_find(at, "of", &steps))
			return yaml_fail(at, "choose", error, "of what? a list of steps belongs beside it: \"of:\"");
	}
	if (!strcmp(word, "shuffle"))
		step->kind = PLAN_SHUFFLE;
	if (!strcmp(word, "steps"))
		step->kind = PLAN_GROUP;
	return plan_read_steps(r, steps, depth + 1, step->steps, error);
}

/* ---- one step ----------------------------------------------------------------------------------- */

static gboolean is_block(const char *word)
{
	static const char *const blocks[] = { "steps", "repeat", "choose", "shuffle", "parallel", NULL };

	return g_strv_contains(blocks, word);
}

/* The one key that says what the step is: "steps" and its like beside another are that one's. */
static gboolean find_kind(struct plan_reader *r, struct yaml_place at, struct yaml_place *key, struct yaml_place *value, GError **error)
{
	struct yaml_place name, first = { 0 }, child;
	gboolean found = FALSE;
	guint i;

	for (i = 0; i < yaml_count(at); i++) {
		const char *word;

		child = yaml_child(at, i, &name);
		word = yaml_text(name);
		if (g_strv_contains(common_keys, word))
			continue;
		if (!find_word(r, word) && !is_block(word) && !g_strv_contains(side_keys, word))
			return yaml_unknown(name, "step", word, (const char *const *)r->words->pdata, error);
		if (g_strv_contains(side_keys, word) && (found || strcmp(word, "steps")))
			continue;
		if (found && strcmp(yaml_text(*key), "steps"))
			return yaml_fail(name, "", error, "a step is one thing: this is %s and, on line %u, %s", word, yaml_line(first),
					 yaml_text(first));
		*key = first = name;
		*value = child;
		found = TRUE;
	}
	return found || yaml_fail(at, "", error, "this step does not say what is to be done; words: %s and others "
				  "(`vexlab scenario words`)", plan_words[0].name);
}

static gboolean check_sides(struct yaml_place at, const struct plan_step *step, GError **error)
{
	const struct {
		const char *key;
		gboolean fits;
		const char *with;
	} rules[] = {
		{ "steps", step->kind == PLAN_GROUP || step->kind == PLAN_REPEAT, "repeat, or alone" },
		{ "pause", step->kind == PLAN_REPEAT, "repeat" },
		{ "of", step->kind == PLAN_CHOOSE, "choose" },
	};
	struct yaml_place there;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(rules); i++)
		if (!rules[i].fits && yaml_find(at, rules[i].key, &there))
			return yaml_fail(there, rules[i].key, error, "goes with %s", rules[i].with);
	return TRUE;
}

static gboolean read_common(struct plan_reader *r, struct yaml_place at, struct plan_step *step, GError **error)
{
	struct yaml_place place;

	if (!check_sides(at, step, error) ||
	    (yaml_find(at, "pause", &place) && !read_pause(place, step, error)) ||
	    (yaml_find(at, "when", &place) && !plan_read_when(r, place, step, error)) ||
	    (yaml_find(at, "expect", &place) && !plan_read_expect(place, step, error)))
		return FALSE;
	if (step->kind == PLAN_WORD && !step->word->part && step->budget_ms)
		return yaml_find(at, "for", &place) && yaml_fail(place, "for", error, "ends what is made of steps; one action has a deadline");
	return TRUE;
}

static gboolean read_keys(struct plan_reader *r, struct yaml_place at, guint depth, struct plan_step *step, GError **error)
{
	struct yaml_place key = { 0 }, value = { 0 };
	g_auto(GStrv) skip = NULL;
	g_autofree char *others = NULL;

	if (!find_kind(r, at, &key, &value, error))
		return FALSE;
	others = g_strdup_printf("expect when steps pause of %s", yaml_text(key));
	skip = g_strsplit(others, " ", -1);
	/* First, for a repeat asks whether there is a "for". */
	if (!yaml_read_at(at, "", common_fields, (const char *const *)skip, step, error))
		return FALSE;
	step->named = step->name != NULL;
	if (!step->name)
		step->name = g_strdup(yaml_text(key));
	step->word = find_word(r, yaml_text(key));
	if (!(step->word ? read_word(key, &value, step, error) :
	      read_block(r, at, yaml_text(key), value, depth, step, error)))
		return FALSE;
	return read_common(r, at, step, error);
}

static gboolean read_step(struct plan_reader *r, struct yaml_place at, guint depth, struct plan_step *step, GError **error)
{
	if (++r->count > PLAN_STEPS_MAX)
		return yaml_fail(at, "", error, "the file has more than %u steps", PLAN_STEPS_MAX);
	if (yaml_shape(at) == YAML_KEYS)
		return read_keys(r, at, depth, step, error);
	if (yaml_shape(at) != YAML_VALUE)
		return yaml_fail(at, "", error, "a step belongs here: a word as \"mount\", or \"word: what it takes\"");
	step->name = g_strdup(yaml_text(at));
	step->word = find_word(r, step->name);
	if (!step->word)
		return yaml_unknown(at, "step", step->name, (const char *const *)r->words->pdata, error);
	return read_word(at, NULL, step, error);
}

gboolean plan_read_steps(struct plan_reader *r, struct yaml_place at, guint depth, GPtrArray *ret, GError **error)
{
	guint i;

	if (depth > PLAN_DEPTH_MAX)
		return yaml_fail(at, "", error, "steps within steps, more than %u deep", PLAN_DEPTH_MAX);
	if (yaml_shape(at) != YAML_LIST || !yaml_count(at))
		return yaml_fail(at, "", error, "a list of steps belongs here: lines that begin with \"- \"");
	for (i = 0; i < yaml_count(at); i++) {
		struct yaml_place place = yaml_child(at, i, NULL);
		struct plan_step *step = step_new(place);

		g_ptr_array_add(ret, step);
		if (!read_step(r, place, depth, step, error))
			return FALSE;
		if (step->named)
			g_hash_table_add(r->names, g_strdup(step->name));
	}
	return TRUE;
}
