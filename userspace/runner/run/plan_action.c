// SPDX-License-Identifier: GPL-2.0
/* Actions of a scenario file: which step of the agent's each is. */
#include <string.h>
#include <sys/mount.h>

#include "file_ops.h"
#include "plan_run.h"
#include "wire.h"

#define SLEEP_GRACE_MS	10000u
#define MKFS_MS		120000u
#define OPERATION_MS	20000u

void action_clear(struct action *a)
{
	g_clear_pointer(&a->strings, g_ptr_array_unref);
	g_clear_pointer(&a->name, g_free);
}

/* ---- strings ------------------------------------------------------------------------------ */

static char *expand(const struct course *c, const char *text)
{
	const struct run *run = c->run;
	g_autofree char *cycle = g_strdup_printf("%" G_GUINT64_FORMAT, run->cycle);
	g_autofree char *seed = g_strdup_printf("%" G_GUINT64_FORMAT, run->seed);
	const char *const values[] = { run->device, run->mountpoint, cycle, run->req->target->name, run->fstype, seed, NULL };

	return plan_expand(text, values);
}

/* `text` NULL: `fallback` as it is. */
static void add(struct action *a, const struct course *c, const char *text, const char *fallback)
{
	g_ptr_array_add(a->strings, text ? expand(c, text) : g_strdup(fallback ? fallback : ""));
}

static void call(struct action *a, const struct plan_step *step, const char *name)
{
	a->name = g_strdup(step->named ? step->name : name);
}

/* ---- one function a group of actions ---------------------------------------------------------- */

static const char *options_of(const struct run *run)
{
	return run->req->mount_options ? run->req->mount_options : run->req->target->mount_options;
}

static gint64 api_of(const struct run *run, int api)
{
	if (api == PLAN_API_DEFAULT)
		return run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT;
	return api == PLAN_API_FSMOUNT ? VX_API_FSMOUNT : VX_API_MOUNT;
}

/* As mount(8) does: words that the kernel takes as flags are none of the filesystem's. */
static char *split_options(char *options, unsigned long *flags)
{
	g_auto(GStrv) words = g_strsplit(options, ",", -1);
	GString *rest = g_string_new(NULL);
	guint i;

	for (i = 0; words[i]; i++) {
		char *one[] = { words[i], NULL };
		const unsigned long flag = plan_mount_flags(one);

		*flags |= flag;
		if (!flag)
			g_string_append_printf(rest, "%s%s", rest->len ? "," : "", words[i]);
	}
	g_free(options);
	return g_string_free(rest, FALSE);
}

static void make_mount(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	unsigned long flags = plan_mount_flags(args->flags) | (args->read_only ? MS_RDONLY : 0);
	const gboolean again = step->word->action == PLAN_REMOUNT;

	a->spec.op = VX_STEP_MOUNT;
	a->spec.kind = again ? "other" : "mount";
	add(a, c, args->device, c->run->device);
	add(a, c, args->at, c->run->mountpoint);
	add(a, c, args->fstype, c->run->fstype);
	add(a, c, args->options, again || args->device ? "" : options_of(c->run));
	if (args->options)
		a->strings->pdata[3] = split_options(a->strings->pdata[3], &flags);
	a->spec.num[0] = (gint64)(flags | (again ? MS_REMOUNT : 0));
	a->spec.num[1] = again ? VX_API_MOUNT : api_of(c->run, args->api);
	call(a, step, again ? "remount" : "mount");
}

static void make_umount(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	a->spec.op = VX_STEP_UMOUNT;
	a->spec.kind = "umount";
	a->spec.num[0] = (gint64)plan_umount_flags(args->flags);
	add(a, c, args->at, c->run->mountpoint);
	call(a, step, "umount");
}

/* FALSE: the target is part of the kernel, or was not loaded by us. */
static gboolean make_module(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	const struct run *run = c->run;
	const gboolean load = step->word->action == PLAN_LOAD, source = run->req->target->module == TARGET_SOURCE;
	const char *module = source && run->built ? run->built->modules[run->built->nmodules - 1].info->name :
			     run->req->target->module_name;
	g_autofree char *base = NULL, *name = NULL, *params = NULL, *more = NULL;

	if (run->req->target->module == TARGET_BUILTIN || (source && !run->built))
		return FALSE;
	a->spec.op = load ? source ? VX_STEP_INSMOD : VX_STEP_MODPROBE : VX_STEP_RMMOD;
	a->spec.kind = load ? "load" : "unload";
	if (load && source) {
		base = g_path_get_basename(run->built->modules[run->built->nmodules - 1].path);
		more = args && args->params ? expand(c, args->params) : NULL;
		params = g_strjoin(" ", run->req->target->module_params ?: "", run->req->module_params ?: "", more ?: "", NULL);
		g_ptr_array_add(a->strings, g_build_filename(session_workdir(run->session), base, NULL));
		g_ptr_array_add(a->strings, g_strdup(g_strstrip(params)));
	} else {
		add(a, c, NULL, module);
	}
	name = g_strdup_printf("%s %s", vx_step_op_name(a->spec.op), base ? base : module);
	call(a, step, name);
	return TRUE;
}

static gboolean make_format(struct course *c, const struct plan_step *step, struct action *a)
{
	g_autofree char *kernel = session_kernel(c->run->session);
	g_auto(GStrv) argv = target_mkfs_argv(c->run->req->target, kernel, c->run->mkfs, c->run->device);
	guint i;

	for (i = 0; argv && argv[i]; i++)
		add(a, c, NULL, argv[i]);
	a->spec.op = VX_STEP_EXEC;
	a->spec.kind = "exec";
	a->spec.deadline_ms = MKFS_MS;
	call(a, step, "mkfs");
	return argv != NULL;
}

static void make_files(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	a->spec.op = VX_STEP_FILES;
	a->spec.kind = "files";
	a->spec.num[0] = args->files;
	a->spec.num[1] = args->bytes;
	add(a, c, args->at, c->run->mountpoint);
	call(a, step, "file work");
}

static gboolean make_operation(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	const char *const *lacks = (const char *const *)c->run->req->target->unsupported;

	a->spec.op = VX_STEP_FILE_OP;
	a->spec.kind = "fileop";
	a->spec.deadline_ms = OPERATION_MS;
	add(a, c, NULL, args->operation);
	add(a, c, args->at, c->run->mountpoint);
	add(a, c, NULL, c->run->mountpoint);
	call(a, step, args->operation);
	return !lacks || !g_strv_contains(lacks, args->operation);
}

static void make_exec(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	guint i;

	a->spec.op = VX_STEP_EXEC;
	a->spec.kind = "exec";
	for (i = 0; args->argv[i]; i++)
		add(a, c, args->argv[i], NULL);
	call(a, step, args->argv[0]);
}

/* "1777" as a shell has it. */
static gint64 octal(guint digits)
{
	g_autofree char *text = g_strdup_printf("%u", digits);

	return (gint64)g_ascii_strtoull(text, NULL, 8);
}

static void make_plain(struct course *c, const struct plan_step *step, const struct plan_args *args, struct action *a)
{
	static const enum vx_step_op ops[PLAN_ACTIONS] = {
		[PLAN_WRITE] = VX_STEP_WRITE, [PLAN_READ] = VX_STEP_READ, [PLAN_MKDIR] = VX_STEP_MKDIR, [PLAN_SYNC] = VX_STEP_SYNC,
		[PLAN_STATFS] = VX_STEP_STATFS, [PLAN_DROP_CACHES] = VX_STEP_DROP_CACHES, [PLAN_SLEEP] = VX_STEP_SLEEP,
		[PLAN_SETTLE] = VX_STEP_SETTLE, [PLAN_NOTHING] = VX_STEP_NOP,
	};

	a->spec.op = ops[step->word->action];
	a->spec.kind = "other";
	if (args && args->path)
		add(a, c, args->path, NULL);
	if (step->word->action == PLAN_WRITE)
		add(a, c, args->text, NULL);
	if (step->word->action == PLAN_MKDIR)
		a->spec.num[0] = octal(args->mode);
	if (step->word->action == PLAN_DROP_CACHES)
		a->spec.num[0] = args->what + 1;
	if (step->word->action == PLAN_SLEEP) {
		a->spec.num[0] = (gint64)args->time_ms * 1000000;
		a->spec.deadline_ms = args->time_ms + SLEEP_GRACE_MS;
	}
	call(a, step, step->name);
}

static gboolean make(struct course *c, const struct plan_step *step, struct action *a)
{
	const struct plan_args *args = step->args;

	switch (step->word->action) {
	case PLAN_MOUNT:
	case PLAN_REMOUNT:
		make_mount(c, step, args, a);
		return TRUE;
	case PLAN_UMOUNT:
		make_umount(c, step, args, a);
		return TRUE;
	case PLAN_LOAD:
	case PLAN_UNLOAD:
		return make_module(c, step, args, a);
	case PLAN_FORMAT:
		return make_format(c, step, a);
	case PLAN_FILES:
		make_files(c, step, args, a);
		return TRUE;
	case PLAN_FILE_OPERATION:
		return make_operation(c, step, args, a);
	case PLAN_EXEC:
		make_exec(c, step, args, a);
		return TRUE;
	default:
		make_plain(c, step, args, a);
		return TRUE;
	}
}

/* An expected crash may make the step fail, too. */
static void take_expect(const struct plan_step *step, struct action *a)
{
	const struct plan_expect *e = &step->expect;
	guint i;

	a->spec.may_fail = e->result != PLAN_EXPECT_OK || e->class || e->title || e->status > 0;
	if (e->result != PLAN_EXPECT_FAILS && e->status < 0)
		return;
	a->expect = (struct detect_expect){ .set = TRUE, .status = e->status };
	for (i = 0; e->errors && i < e->errors->len && i < G_N_ELEMENTS(a->expect.errors); i++)
		a->expect.errors[a->expect.nerrors++] = g_array_index(e->errors, int, i);
	a->spec.expect = &a->expect;
}

gboolean action_make(struct course *c, const struct plan_step *step, struct action *ret)
{
	gboolean has;

	*ret = (struct action){ .strings = g_ptr_array_new_with_free_func(g_free) };
	has = make(c, step, ret);
	g_ptr_array_add(ret->strings, NULL);
	ret->spec.on_target = TRUE;
	ret->spec.name = ret->name;
	ret->spec.strings = (const char *const *)ret->strings->pdata;
	if (step->deadline_ms)
		ret->spec.deadline_ms = step->deadline_ms;
	take_expect(step, ret);
	return has;
}

/* ---- doing it ----------------------------------------------------------------------------------- */

static gboolean is_expected(const struct plan_step *step, const struct action *a, const struct step_result *res,
			    enum step_outcome outcome)
{
	const struct plan_expect *e = &step->expect;
	guint i;

	if (outcome == STEP_STUCK)
		return FALSE;
	if (e->result == PLAN_EXPECT_ANY || e->class || e->title)
		return TRUE;
	if (e->status >= 0)
		return !res->msg.err && res->msg.value == e->status;
	if (e->result == PLAN_EXPECT_OK)
		return outcome == STEP_OK;
	for (i = 0; i < a->expect.nerrors; i++)
		if (a->expect.errors[i] == -res->msg.err)
			return TRUE;
	return outcome == STEP_FAILED && !a->expect.nerrors;
}

/* What is mounted at the mount point, and what is loaded, is remembered: it is put right after a failure. */
static void remember(struct course *c, const struct plan_step *step, const struct action *a, enum step_outcome outcome)
{
	const enum plan_do what = step->word->action;
	const guint at = what == PLAN_MOUNT ? 1 : 0;

	if (outcome != STEP_OK || (what != PLAN_MOUNT && what != PLAN_UMOUNT) ||
	    strcmp(a->strings->pdata[at], c->run->mountpoint))
		return;
	c->mounted = what == PLAN_MOUNT;
}

static gboolean is_loaded(const struct course *c)
{
	return c->run->loaded->len > 0 || (c->run->req->target->module != TARGET_SOURCE && c->run->stage >= RUN_LOADED);
}

static gboolean do_load(struct course *c, const struct plan_step *step, const struct action *a, enum step_outcome *ret, GError **error)
{
	const struct plan_args *args = step->args;
	g_autofree char *params = args->params ? expand(c, args->params) : NULL;
	gboolean usable, ok;

	if (is_loaded(c)) {
		*ret = STEP_OK;
		return TRUE;
	}
	c->run->load_params = params;
	c->run->load_expect = a->spec.may_fail ? &a->expect : NULL;
	ok = state_load(c, &usable, error);
	c->run->load_params = NULL;
	c->run->load_expect = NULL;
	*ret = usable == (step->expect.result != PLAN_EXPECT_FAILS) || step->expect.result == PLAN_EXPECT_ANY || step->expect.class ?
	       STEP_OK : STEP_FAILED;
	return ok;
}

/* FALSE with `error`: it could not be asked. */
static gboolean check_removable(struct course *c, GError **error)
{
	return c->removable || c->run->req->target->module != TARGET_MODPROBE ||
	       state_has_module(c, c->run->req->target->module_name, &c->removable, error);
}

/* All that we loaded, the last first. */
static gboolean do_unload(struct course *c, const struct plan_step *step, const struct action *a, enum step_outcome *ret,
			  GError **error)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	*ret = STEP_OK;
	if (!is_loaded(c))
		return TRUE;
	if (!check_removable(c, error))
		return FALSE;
	if (c->run->req->target->module != TARGET_SOURCE && !c->removable)
		return TRUE;
	if (c->run->req->target->module == TARGET_SOURCE && !a->spec.may_fail) {
		if (!run_unload(c->run, ret, error))
			return FALSE;
	} else {
		if (!run_step(c->run, &a->spec, &outcome, &res, error))
			return FALSE;
		*ret = is_expected(step, a, &res, outcome) ? STEP_OK : outcome == STEP_OK ? STEP_FAILED : outcome;
		if (outcome == STEP_OK && c->run->loaded->len)
			g_ptr_array_set_size(c->run->loaded, (int)c->run->loaded->len - 1);
		if (outcome != STEP_OK)
			return TRUE;
	}
	if (*ret == STEP_OK)
		c->run->stage = RUN_BOOTED;
	return TRUE;
}

/* A directory of its own, unless the file names one. */
static gboolean make_place(struct course *c, const struct plan_step *step, struct action *a, GError **error)
{
	const struct plan_args *args = step->args;
	g_autofree char *name = NULL, *dir = NULL;
	const char *strings[] = { NULL, NULL };
	struct step_spec spec = {
		.op = VX_STEP_MKDIR, .kind = "other", .on_target = TRUE, .strings = strings, .num = { 0755 },
	};
	enum step_outcome outcome;

	if (step->word->action != PLAN_FILE_OPERATION || args->at)
		return TRUE;
	name = g_strdup_printf("directory for %s", args->operation);
	dir = g_strdup_printf("%s/%u-%s", c->run->mountpoint, step->line, args->operation);
	spec.name = name;
	strings[0] = dir;
	if (!run_step(c->run, &spec, &outcome, NULL, error))
		return FALSE;
	if (outcome == STEP_OK) {
		g_free(a->strings->pdata[1]);
		a->strings->pdata[1] = g_steal_pointer(&dir);
	}
	return TRUE;
}

gboolean action_do(struct course *c, const struct plan_step *step, enum step_outcome *ret, GError **error)
{
	const struct plan_args *args = step->args;
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	ACTION_CLEAR struct action a = { 0 };
	enum step_outcome outcome;

	*ret = STEP_OK;
	if (step->word->action == PLAN_POINT)
		return state_point_make(c, args->point, error);
	if (step->word->action == PLAN_BACK)
		return state_point_back(c, args->point, error);
	if (!action_make(c, step, &a))
		return TRUE;
	if (step->word->action == PLAN_LOAD)
		return do_load(c, step, &a, ret, error);
	if (step->word->action == PLAN_UNLOAD)
		return do_unload(c, step, &a, ret, error);
	if (!make_place(c, step, &a, error) || !run_step(c->run, &a.spec, &outcome, &res, error))
		return FALSE;
	remember(c, step, &a, outcome);
	if (step->word->action == PLAN_FORMAT && outcome == STEP_OK) {
		c->run->stage = RUN_FORMATTED;
		c->formatted = TRUE;
	}
	*ret = is_expected(step, &a, &res, outcome) ? STEP_OK : outcome == STEP_OK ? STEP_FAILED : outcome;
	return TRUE;
}
