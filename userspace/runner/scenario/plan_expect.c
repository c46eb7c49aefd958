// SPDX-License-Identifier: GPL-2.0
/* "expect:" and "when:" of a step. */
#include <string.h>

#include "plan_priv.h"

#define ERRNO_MAX	133

/* ---- what is expected ----------------------------------------------------------------------- */

struct expect_args {
	char **error;
	char *finding, *title;
	unsigned int status;
};

/* As finding.c has them; this folder does not know of findings. run/ checks that they agree. */
#define CLASS_PATTERN	"KernelPanic|Oops|BUG|Warning|Hang|GuestLost|ModuleLoadFailure|ModuleUnloadFailure|StepFailure|" \
	"MemoryCorruption|UndefinedBehaviour|DataRace|LockingError|MemoryLeak|ResourceExhaustion|Segfault|FilesystemError|" \
	"WrongResult|DataCorruption|LostData|LostSpace|PerformanceRegression|HighMemoryUsage|" \
	"HighCpuUsage|ExcessiveIO"

static const struct yaml_field expect_fields[] = {
	{ .key = "error", .kind = YAML_STRINGS, .offset = offsetof(struct expect_args, error), .min = 1, .max = 20 },
	{ .key = "status", .kind = YAML_UINT, .offset = offsetof(struct expect_args, status), .max = 255 },
	{ .key = "finding", .kind = YAML_STRING, .offset = offsetof(struct expect_args, finding), .min = 1, .max = 64,
	  .pattern = CLASS_PATTERN, .pattern_said = "a finding's class: " CLASS_PATTERN },
	{ .key = "title", .kind = YAML_STRING, .offset = offsetof(struct expect_args, title), .min = 1, .max = 400 },
	{ 0 },
};

void plan_expect_clear(struct plan_expect *expect)
{
	g_clear_pointer(&expect->errors, g_array_unref);
	g_clear_pointer(&expect->class, g_free);
	g_clear_pointer(&expect->title, g_free);
}

static int errno_of(const char *name)
{
	int i;

	for (i = 1; i <= ERRNO_MAX; i++)
		if (strerrorname_np(i) && !strcmp(strerrorname_np(i), name))
			return i;
	return 0;
}

static gboolean unknown_error(struct yaml_place at, const char *word, GError **error)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new();
	static const char *const others[] = { "ok", "fails", "any" };
	const char *nearest;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(others); i++)
		g_ptr_array_add(words, (gpointer)others[i]);
	for (i = 1; i <= ERRNO_MAX; i++)
		if (strerrorname_np((int)i))
			g_ptr_array_add(words, (gpointer)strerrorname_np((int)i));
	g_ptr_array_add(words, NULL);
	nearest = yaml_nearest(word, (const char *const *)words->pdata);
	return yaml_fail(at, "expect", error, "\"%.40s\" is none of ok, fails, any, an error as EROFS, an exit status, or keys "
			 "(error, status, finding, title)%s%s%s", word, nearest ? "; did you mean \"" : "",
			 nearest ? nearest : "", nearest ? "\"?" : "");
}

static gboolean add_errors(struct yaml_place at, char **names, struct plan_expect *ret, GError **error)
{
	int number;

	ret->result = PLAN_EXPECT_FAILS;
	ret->errors = g_array_new(FALSE, FALSE, sizeof(int));
	for (; *names; names++) {
		number = errno_of(*names);
		if (!number)
			return unknown_error(at, *names, error);
		g_array_append_val(ret->errors, number);
	}
	return TRUE;
}

static gboolean read_word(struct yaml_place at, struct plan_expect *ret, GError **error)
{
	const char *word = yaml_text(at);
	const char *one[] = { word, NULL };
	guint64 status;

	if (!strcmp(word, "ok"))
		return TRUE;
	if (!strcmp(word, "fails"))
		ret->result = PLAN_EXPECT_FAILS;
	else if (!strcmp(word, "any"))
		ret->result = PLAN_EXPECT_ANY;
	else if (g_ascii_string_to_unsigned(word, 10, 0, 255, &status, NULL))
		ret->status = (int)status;
	else if (g_regex_match_simple("^(?:" CLASS_PATTERN ")$", word, 0, 0))
		ret->class = g_strdup(word);
	else
		return add_errors(at, (char **)one, ret, error);
	return TRUE;
}

static gboolean take_keys(struct yaml_place at, struct expect_args *args, struct plan_expect *ret, GError **error)
{
	g_autoptr(GError) local = NULL;

	if (args->error && !add_errors(at, args->error, ret, error))
		return FALSE;
	if (args->status != G_MAXUINT)
		ret->status = (int)args->status;
	if (args->title) {
		g_autoptr(GRegex) regex = g_regex_new(args->title, 0, 0, &local);

		if (!regex)
			return yaml_fail(at, "expect.title", error, "is no regular expression: %s", local->message);
	}
	ret->class = g_steal_pointer(&args->finding);
	ret->title = g_steal_pointer(&args->title);
	return TRUE;
}

static gboolean read_keys(struct yaml_place at, struct plan_expect *ret, GError **error)
{
	struct expect_args args = { .status = G_MAXUINT };
	gboolean ok = yaml_read_at(at, "expect", expect_fields, NULL, &args, error) && take_keys(at, &args, ret, error);

	yaml_clear(expect_fields, &args);
	return ok;
}

static gboolean check_fits(struct yaml_place at, const struct plan_step *step, GError **error)
{
	const struct plan_expect *e = &step->expect;
	const gboolean action = step->kind == PLAN_WORD && !step->word->part;

	if (e->errors && !action)
		return yaml_fail(at, "expect", error, "an error is what one action answers; of %s, say ok, fails, any or a finding",
				 step->name);
	if (e->status >= 0 && (!action || step->word->action != PLAN_EXEC))
		return yaml_fail(at, "expect", error, "an exit status is what exec answers, not %s", step->name);
	return TRUE;
}

gboolean plan_read_expect(struct yaml_place at, struct plan_step *step, GError **error)
{
	struct expect_args args = { 0 };
	gboolean ok = FALSE;

	switch (yaml_shape(at)) {
	case YAML_VALUE:
		ok = read_word(at, &step->expect, error);
		break;
	case YAML_LIST:
		ok = yaml_read_field(at, "expect", &expect_fields[0], &args, error) &&
		     add_errors(at, args.error, &step->expect, error);
		yaml_clear(expect_fields, &args);
		break;
	case YAML_KEYS:
		ok = read_keys(at, &step->expect, error);
		break;
	case YAML_NOTHING:
		yaml_fail(at, "expect", error, "says nothing: ok, fails, any, an error as EROFS, or keys");
		break;
	}
	return ok && check_fits(at, step, error);
}

/* ---- when it is done ----------------------------------------------------------------------- */

#define FIELD(key_, kind_, member, ...) \
	{ .key = key_, .kind = kind_, .offset = offsetof(struct plan_when, member), __VA_ARGS__ }

static const struct yaml_field when_fields[] = {
	FIELD("target", YAML_STRINGS, target, .min = 1, .max = 64),
	FIELD("not_target", YAML_STRINGS, not_target, .min = 1, .max = 64),
	FIELD("kernel", YAML_STRINGS, kernel, .min = 1, .max = 40, .pattern = "(>=|<=|>|<|==)? *[0-9]+(\\.[0-9]+)*",
	      .pattern_said = "a condition as >=6.12"),
	FIELD("supports", YAML_STRINGS, supports, .min = 1, .max = 64),
	FIELD("lacks", YAML_STRINGS, lacks, .min = 1, .max = 64),
	FIELD("module", YAML_STRINGS, module, .min = 1, .pattern = "builtin|modprobe|source",
	      .pattern_said = "one of builtin, modprobe, source"),
	FIELD("step", YAML_STRING, step, .min = 1, .max = 100),
	FIELD("outcome", YAML_ENUM, outcome, .choices = plan_outcome_words),
	{ 0 },
};

void plan_when_clear(struct plan_when *when)
{
	yaml_clear(when_fields, when);
}

gboolean plan_read_when(struct plan_reader *r, struct yaml_place at, struct plan_step *step, GError **error)
{
	g_autoptr(GPtrArray) names = NULL;
	struct yaml_place outcome;
	GHashTableIter iter;
	gpointer name;

	if (!yaml_read_at(at, "when", when_fields, NULL, &step->when, error))
		return FALSE;
	step->has_when = TRUE;
	if (yaml_find(at, "outcome", &outcome) && !step->when.step)
		return yaml_fail(outcome, "when.outcome", error, "of which step? when.step belongs beside it");
	if (!step->when.step || g_hash_table_contains(r->names, step->when.step))
		return TRUE;
	names = g_ptr_array_new();
	g_hash_table_iter_init(&iter, r->names);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_ptr_array_add(names, name);
	g_ptr_array_add(names, NULL);
	return yaml_unknown(at, "step, none before this one has the name", step->when.step,
			    (const char *const *)names->pdata, error);
}
