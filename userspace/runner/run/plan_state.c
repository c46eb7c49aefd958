// SPDX-License-Identifier: GPL-2.0
/* How the guest stands between the steps of a scenario file, and putting that right. */
#include <string.h>

#include "plan_run.h"

#define STACKED_MAX	64u		/* mounts one on the other that are taken off */

/* ---- looking ------------------------------------------------------------------------------- */

static gboolean read_guest(struct course *c, const char *path, struct step_result *res, GError **error)
{
	g_autofree char *name = g_strdup_printf("read %s", path);
	const char *strings[] = { path, NULL };
	const struct step_spec spec = { .op = VX_STEP_READ, .kind = "other", .name = name, .strings = strings };
	enum step_outcome outcome;

	return run_step(c->run, &spec, &outcome, res, error);
}

/* Lines whose word number `field` is `word`. */
static guint count_lines(const char *text, guint field, const char *word)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", 4096);
	guint n = 0, i;

	for (i = 0; lines[i]; i++) {
		g_auto(GStrv) words = g_strsplit(lines[i], " ", (int)field + 2);

		n += g_strv_length(words) > field && !strcmp(words[field], word);
	}
	return n;
}

static gboolean count_mounts(struct course *c, guint *n, GError **error)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	if (!read_guest(c, "/proc/self/mounts", &res, error))
		return FALSE;
	*n = count_lines(res.output, 1, c->run->mountpoint);
	return TRUE;
}

gboolean state_has_module(struct course *c, const char *name, gboolean *ret, GError **error)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	if (!read_guest(c, "/proc/modules", &res, error))
		return FALSE;
	*ret = count_lines(res.output, 0, name) > 0;
	return TRUE;
}

gboolean state_load(struct course *c, gboolean *usable, GError **error)
{
	if (!run_load(c->run, usable, error))
		return FALSE;
	if (*usable && c->formatted)
		c->run->stage = c->formatted ? RUN_FORMATTED : RUN_LOADED;
	return TRUE;
}

/* A module that a branch has loaded or removed. */
static gboolean look_for_module(struct course *c, GError **error)
{
	const struct run *run = c->run;
	gboolean source = run->req->target->module == TARGET_SOURCE, there;
	const char *name = source && run->built ? run->built->modules[run->built->nmodules - 1].info->name :
			   run->req->target->module_name;

	/* What comes with the kernel may be built into it: then it is loaded, and stays so. */
	if (run->req->target->module == TARGET_BUILTIN || !name || (!source && !c->removable))
		return TRUE;
	if (!state_has_module(c, name, &there, error))
		return FALSE;
	if (source && there && !run->loaded->len)
		g_ptr_array_add(run->loaded, g_strdup(name));
	if (source && !there)
		g_ptr_array_set_size(run->loaded, 0);
	if (!there)
		c->run->stage = RUN_BOOTED;
	else if (run->stage < RUN_LOADED)
		c->run->stage = RUN_FORMATTED;
	return TRUE;
}

gboolean state_look(struct course *c, GError **error)
{
	guint n;

	if (!count_mounts(c, &n, error))
		return FALSE;
	c->mounted = n > 0;
	return look_for_module(c, error);
}

/* ---- putting it right -------------------------------------------------------------------------- */

/* However many there are, one on the other. */
static gboolean unmount_all(struct course *c, gboolean *good, GError **error)
{
	enum step_outcome outcome = STEP_OK;
	guint i, n = 1;

	for (i = 0; i < STACKED_MAX && n && outcome == STEP_OK; i++) {
		if (!run_umount(c->run, &outcome, error))
			return FALSE;
		if (run_guest_is_hurt(c->run))
			return TRUE;
		if (outcome == STEP_OK && !count_mounts(c, &n, error))
			return FALSE;
	}
	c->mounted = n > 0;
	*good = !c->mounted;
	return TRUE;
}

gboolean state_bring(struct course *c, gboolean mounted, gboolean *good, GError **error)
{
	struct run *run = c->run;
	enum step_outcome outcome;
	gboolean usable = TRUE;

	*good = TRUE;
	if (c->mounted && !mounted && !unmount_all(c, good, error))
		return FALSE;
	if (!*good || run_guest_is_hurt(run) || c->plan->setup != PLAN_SETUP_FORMATTED)
		return TRUE;
	if (run->stage < RUN_LOADED && !state_load(c, &usable, error))
		return FALSE;
	if (usable && !run_guest_is_hurt(run) && (run->stage < RUN_FORMATTED || run->used)) {
		if (!run_format(run, &usable, error))
			return FALSE;
		run->used = FALSE;
		run->stage = usable ? RUN_FORMATTED : run->stage;
		c->formatted = usable;
	}
	*good = usable;
	if (!usable || run_guest_is_hurt(run) || c->mounted || !mounted)
		return TRUE;
	if (!run_mount(run, &outcome, error))
		return FALSE;
	*good = c->mounted = outcome == STEP_OK;
	return TRUE;
}

/* ---- points ------------------------------------------------------------------------------------- */

struct course_point {
	gboolean mounted;
	enum run_upto stage;
	GPtrArray *loaded;
};

void state_point_free(gpointer data)
{
	struct course_point *point = data;

	g_ptr_array_unref(point->loaded);
	g_free(point);
}

static GPtrArray *copy_names(const GPtrArray *from)
{
	GPtrArray *to = g_ptr_array_new_with_free_func(g_free);
	guint i;

	for (i = 0; i < from->len; i++)
		g_ptr_array_add(to, g_strdup(from->pdata[i]));
	return to;
}

/* The session's own points have other names. */
static char *point_name(const char *name)
{
	return g_strdup_printf("of-%.28s", name);
}

gboolean state_point_make(struct course *c, const char *name, GError **error)
{
	g_autofree char *full = point_name(name);
	struct course_point *point;

	if (!session_point_make(c->run->session, full, error))
		return FALSE;
	point = g_new0(struct course_point, 1);
	point->mounted = c->mounted;
	point->stage = c->run->stage;
	point->loaded = copy_names(c->run->loaded);
	g_hash_table_replace(c->points, g_strdup(name), point);
	return TRUE;
}

gboolean state_point_back(struct course *c, const char *name, GError **error)
{
	const struct course_point *point = g_hash_table_lookup(c->points, name);
	g_autofree char *full = point_name(name);

	if (!session_point_back(c->run->session, full, error))
		return FALSE;
	/* What was found until now is the matter of the guest that we leave behind. */
	c->run->behind = journal_findings(c->run->journal)->len;
	if (!point)
		return TRUE;
	c->mounted = point->mounted;
	c->run->stage = point->stage;
	g_ptr_array_unref(c->run->loaded);
	c->run->loaded = copy_names(point->loaded);
	return TRUE;
}

/* ---- conditions ------------------------------------------------------------------------------------ */

static gboolean matches(char **patterns, const char *text)
{
	for (; *patterns; patterns++)
		if (g_pattern_match_simple(*patterns, text))
			return TRUE;
	return FALSE;
}

static gboolean lacks_any(const struct course *c, char **words)
{
	const char *const *list = (const char *const *)c->run->req->target->unsupported;

	for (; list && *words; words++)
		if (g_strv_contains(list, *words))
			return TRUE;
	return FALSE;
}

static gboolean lacks_all(const struct course *c, char **words)
{
	const char *const *list = (const char *const *)c->run->req->target->unsupported;

	for (; list && *words && g_strv_contains(list, *words); words++)
		;
	return list && !*words;
}

/* As the guest tells it: it may be a foreign one. */
static gboolean kernel_is(struct course *c, char **conditions)
{
	gboolean ret = TRUE;

	if (!c->release)
		c->release = session_kernel(c->run->session);
	for (; *conditions; conditions++)
		ret = ret && plan_kernel_is(c->release, *conditions);
	return ret;
}

gboolean state_holds(struct course *c, const struct plan_when *when, gboolean *ret, GError **error)
{
	static const char *const modules[] = {
		[TARGET_BUILTIN] = "builtin", [TARGET_MODPROBE] = "modprobe", [TARGET_SOURCE] = "source",
	};
	const struct target *target = c->run->req->target;
	gpointer outcome = NULL;

	*ret = (!when->target || matches(when->target, target->name)) &&
	       (!when->not_target || !matches(when->not_target, target->name)) &&
	       (!when->module || g_strv_contains((const char *const *)when->module, modules[target->module])) &&
	       (!when->supports || !lacks_any(c, when->supports)) && (!when->lacks || lacks_all(c, when->lacks));
	if (*ret && when->step)
		*ret = g_hash_table_lookup_extended(c->outcomes, when->step, NULL, &outcome) &&
		       GPOINTER_TO_INT(outcome) == when->outcome;
	*ret = *ret && (!when->kernel || kernel_is(c, when->kernel));
	return TRUE;
}
