// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds of stress and exhaustion, one after the other, each one step. What became of each is one note of the record,
 * {"event": "stress", ...}. After one that went wrong the guest is put back: what it has left must not be the next one's.
 */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "stress_kinds.h"

#define FIELD(member) offsetof(struct stress_args, member)

const struct yaml_field stress_fields[] = {
	{ .key = "kinds", .kind = YAML_STRINGS, .offset = FIELD(kinds), .help = "names, apart by commas; left out: all" },
	{ .key = "seconds", .kind = YAML_UINT, .offset = FIELD(seconds), .min = 1, .max = 86400, .unit = "s",
	  .help = "of each kind" },
	{ .key = "threads", .kind = YAML_UINT, .offset = FIELD(threads), .min = 2, .max = VX_STRESS_THREADS_MAX,
	  .help = "of each kind" },
	{ .key = "patience", .kind = YAML_UINT, .offset = FIELD(patience), .min = 2, .max = 86400, .unit = "s",
	  .help = "for what ends by itself, and for what lasts longer than it was told" },
	{ .key = NULL },
};

/* ---- which --------------------------------------------------------------------------------------- */

static gboolean names(const char *list, const char *name)
{
	g_auto(GStrv) words = g_strsplit(list, ",", -1);

	return g_strv_contains((const char *const *)words, name);
}

static gboolean is_wanted(char **kinds, const char *name)
{
	gboolean wanted = !kinds || !kinds[0];

	for (; kinds && *kinds && !wanted; kinds++)
		wanted = names(*kinds, name);
	return wanted;
}

char *stress_unknown_kind(char **kinds, const struct vx_stress_kind *table)
{
	const struct vx_stress_kind *row;
	guint i;

	for (; kinds && *kinds; kinds++) {
		g_auto(GStrv) words = g_strsplit(*kinds, ",", -1);

		for (i = 0; words[i]; i++) {
			for (row = table; row->name && strcmp(row->name, words[i]); row++)
				;
			if (!row->name)
				return g_strdup(words[i]);
		}
	}
	return NULL;
}

static gboolean check_kinds(const struct stress_course *c, const struct vx_stress_kind *table, GError **error)
{
	g_autofree char *unknown = stress_unknown_kind(c->args->kinds, table);
	g_autoptr(GString) all = g_string_new(NULL);

	if (!unknown)
		return TRUE;
	for (; table->name; table++)
		g_string_append_printf(all, "%s%s", all->len ? ", " : "", table->name);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s has no kind \"%s\"; it has: %s", c->part, unknown, all->str);
	return FALSE;
}

/* ---- devices ------------------------------------------------------------------------------------- */

gboolean stress_modprobe(struct run *run, const char *module, GError **error)
{
	g_autofree char *name = g_strdup_printf("modprobe %s", module);
	const char *strings[] = { module, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MODPROBE, .kind = "other", .name = name, .strings = strings, .may_fail = TRUE,
	};
	enum step_outcome outcome;

	return run_step(run, &spec, &outcome, NULL, error);
}

gboolean stress_device_make(struct run *run, const char *verb, const char *what, guint64 bytes, char **ret, GError **error)
{
	g_autofree char *name = g_strdup_printf("make a device (%s)", verb);
	const char *strings[] = { verb, what, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_DEVICE, .kind = "other", .name = name, .strings = strings, .num = { (gint64)bytes },
		.may_fail = TRUE,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	*ret = NULL;
	if (!run_step(run, &spec, &outcome, &res, error))
		return FALSE;
	/* The guest's word: a path of its own, nothing else. */
	if (outcome == STEP_OK && g_str_has_prefix(res.output, "/dev/") && res.output_len < 64)
		*ret = g_strndup(res.output, strcspn(res.output, "\n"));
	return TRUE;
}

gboolean stress_device_drop(struct run *run, const char *path, GError **error)
{
	const char *strings[] = { "drop", path, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_DEVICE, .kind = "other", .name = "give a device back", .strings = strings, .may_fail = TRUE,
	};
	enum step_outcome outcome;

	return run_step(run, &spec, &outcome, NULL, error);
}

/* ---- one kind ------------------------------------------------------------------------------------ */

struct turn {
	const struct vx_stress_kind *kind;
	guint64 first_step;
	guint from;			/* findings that were there before */
	const char *outcome;
	char *why;
	guint64 operations, ms, met;
};

gboolean stress_parse_counts(const char *output, guint64 *operations, guint64 *ms, guint64 *met)
{
	g_auto(GStrv) lines = g_strsplit(output, "\n", 512);
	gboolean found = FALSE;
	guint i;

	*operations = *ms = *met = 0;
	for (i = 0; lines[i]; i++) {
		const char *line = lines[i];
		char *end;

		if (g_str_has_prefix(line, "operations ") && !found) {
			*operations = g_ascii_strtoull(line + 11, &end, 10);
			found = g_str_has_prefix(end, " in ");
			*ms = found ? g_ascii_strtoull(end + 4, NULL, 10) : 0;
		} else if (g_str_has_prefix(line, "met ")) {
			*met += g_ascii_strtoull(line + 4, NULL, 10) & G_MAXUINT32;
		}
	}
	return found;
}

/* The counts are worth a look, whatever came of it. */
static void log_answer(const struct stress_course *c, const char *output)
{
	g_autofree char *valid = g_utf8_make_valid(output, -1);
	g_auto(GStrv) lines = g_strsplit(valid, "\n", 64);
	guint i;

	for (i = 0; lines[i]; i++)
		if (*lines[i])
			journal_log(c->run->journal, "  %s", lines[i]);
}

static void take_answer(struct turn *t, const struct step_result *res, enum step_outcome outcome)
{
	const gboolean lacks = outcome == STEP_OK && res->msg.value == VX_FILE_UNSUPPORTED;

	stress_parse_counts(res->output, &t->operations, &t->ms, &t->met);
	t->outcome = outcome != STEP_OK ? "failed" : lacks ? "not done" : "done";
	if (outcome != STEP_OK || lacks)
		t->why = g_strndup(res->output, strcspn(res->output, "\n"));
}

static const char *module_of(const struct run *run)
{
	if (run->loaded->len)
		return g_ptr_array_index(run->loaded, run->loaded->len - 1);
	return run->req->target->module == TARGET_MODPROBE ? run->req->target->module_name : "";
}

/* Where the guest has it and what it was loaded with; "": modules.dep knows. */
static void module_file(const struct run *run, char **file, char **params)
{
	const char *own = run->req->target->module_params, *more = run->req->module_params;
	g_autofree char *base = NULL;

	*file = g_strdup("");
	*params = g_strdup("");
	if (!run->built)
		return;
	base = g_path_get_basename(run->built->modules[run->built->nmodules - 1].path);
	g_free(*file);
	g_free(*params);
	*file = g_build_filename(session_workdir(run->session), base, NULL);
	*params = g_strjoin(own && more ? " " : "", own ? own : "", more ? more : "", NULL);
}

static gboolean hammer(struct stress_course *c, struct turn *t, const char *device, GError **error)
{
	const char *options = c->run->req->mount_options ?: c->run->req->target->mount_options;
	g_autofree char *name = g_strdup_printf("%s %s", c->part, t->kind->name), *file = NULL, *params = NULL;
	const char *strings[8 + VX_STRESS_DEVICES_MAX + 1] = {
		t->kind->name, device ?: "", c->dir, c->run->fstype, options ?: "", module_of(c->run),
	};
	const gint64 seed = (gint64)(run_seed(c->run, t->kind->name, c->run->cycle) >> 1);
	struct step_spec spec = {
		.op = c->op, .kind = "stress", .on_target = TRUE, .name = name, .strings = strings,
		.num = { seed, (gint64)c->args->seconds * 1000000000, c->args->threads,
			 (gint64)c->args->patience * 1000000000 },
		.deadline_ms = (c->args->seconds + c->args->patience) * 1000,
		.provokes = (t->kind->needs & VX_STRESS_ERRORS) != 0,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;
	guint i;

	module_file(c->run, &file, &params);
	strings[6] = file;
	strings[7] = params;
	for (i = 0; i < c->devices->len && i < VX_STRESS_DEVICES_MAX; i++)
		strings[8 + i] = g_ptr_array_index(c->devices, i);
	if (!run_step(c->run, &spec, &outcome, &res, error))
		return FALSE;
	take_answer(t, &res, outcome);
	log_answer(c, res.output);
	return TRUE;
}

static gboolean crashed_since(const struct run *run, guint from)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = from; i < findings->len; i++)
		if (finding_hurts(g_ptr_array_index(findings, i)))
			return TRUE;
	return FALSE;
}

static void note_turn(const struct stress_course *c, const struct turn *t)
{
	const double rate = t->ms ? (double)t->operations * 1000 / (double)t->ms : 0;
	g_autofree char *why = t->why ? g_utf8_make_valid(t->why, -1) : NULL, *text = NULL, *line = NULL;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:I, s:I, s:f, s:I, s:I}", "event", "stress",
				 "part", c->part, "kind", t->kind->name, "outcome", t->outcome, "why", why,
				 "operations", (json_int_t)t->operations, "ms", (json_int_t)t->ms,
				 "met", (json_int_t)t->met, "per_second", rate,
				 "first_step", (json_int_t)t->first_step, "last_step", (json_int_t)c->run->next_step);

	text = json_dumps(json, JSON_COMPACT);
	journal_log(c->run->journal, "%s", text);
	journal_json(c->run->journal, VX_REC_VM, json);
	line = g_strdup_printf("%s %-18s %-11s %8" G_GUINT64_FORMAT " operations, %6.0f a second, met %" G_GUINT64_FORMAT
			       " times%s%s", c->part, t->kind->name, t->outcome, t->operations, rate, t->met,
			       why ? ": " : "", why ?: "");
	c->run->req->progress.say(c->run->req->progress.ctx, line);
}

/* ---- the course ---------------------------------------------------------------------------------- */

/* The guest lives and is unharmed, or is put back. FALSE: the run ends. */
static gboolean survive(struct stress_course *c, gboolean ok, GError **local, GError **error)
{
	gboolean recovered;

	run_settle(c->run);
	if (!ok || run_guest_is_hurt(c->run))
		c->run->recoveries_more++;
	if (!run_survive(c->run, ok, local, &c->go_on, &recovered, error))
		return FALSE;
	c->prepared = c->prepared && !recovered;
	return TRUE;
}

static gboolean put_back(struct stress_course *c, GError **error)
{
	c->run->recoveries_more++;
	c->prepared = FALSE;
	return run_put_back(c->run, "what a kind of stress has left behind", &c->go_on, error);
}

static gboolean prepare(struct stress_course *c, GError **error)
{
	const char *strings[] = { c->dir, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MKDIR, .kind = "other", .name = "make a directory for mount points", .strings = strings,
		.num = { 0755 },
	};
	enum step_outcome outcome;

	if (c->prepared)
		return TRUE;
	g_ptr_array_set_size(c->devices, 0);
	c->prepared = TRUE;
	return run_step(c->run, &spec, &outcome, NULL, error);
}

static gboolean steps_of(struct stress_course *c, struct turn *t, GError **error)
{
	const char *device = c->run->device;

	if (!prepare(c, error) || (c->before && !c->before(c, t->kind, &device, error)))
		return FALSE;
	if (run_guest_is_hurt(c->run) || !hammer(c, t, device, error))
		return run_guest_is_hurt(c->run);
	run_settle(c->run);
	return run_guest_is_hurt(c->run) || strcmp(t->outcome, "failed") == 0 || !c->after ||
	       c->after(c, t->kind, error);
}

static gboolean one_kind(struct stress_course *c, const struct vx_stress_kind *kind, GError **error)
{
	struct turn t = { .kind = kind, .outcome = "failed", .first_step = c->run->next_step + 1 };
	g_autofree char *text = g_strdup_printf("%s: %s", c->part, kind->name);
	g_autoptr(GError) local = NULL;
	gboolean ok, failed, ret;

	c->run->cycle++;
	c->spoiled = FALSE;
	c->run->req->progress.tick(c->run->req->progress.ctx, text, 0, 0);
	t.from = journal_findings(c->run->journal)->len;
	ok = steps_of(c, &t, &local);
	run_settle(c->run);
	failed = c->spoiled || !strcmp(t.outcome, "failed");
	if (!ok || crashed_since(c->run, t.from))
		t.outcome = "crashed";
	note_turn(c, &t);
	g_free(t.why);
	ret = survive(c, ok, &local, error);
	return ret && (!failed || !c->go_on || !c->prepared || put_back(c, error));
}

gboolean stress_course(struct stress_course *c, const struct vx_stress_kind *kinds, gboolean *go_on, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(c->run->mountpoint), *dir = g_build_filename(parent, "vx-stress", NULL);
	gboolean ok = check_kinds(c, kinds, error);

	c->dir = dir;
	c->go_on = TRUE;
	c->devices = g_ptr_array_new_with_free_func(g_free);
	for (; ok && kinds->name && c->go_on; kinds++)
		if (is_wanted(c->args->kinds, kinds->name))
			ok = one_kind(c, kinds, error);
	g_ptr_array_unref(c->devices);
	*go_on = c->go_on;
	return ok;
}
