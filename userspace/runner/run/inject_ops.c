// SPDX-License-Identifier: GPL-2.0
/*
 * The steps of one turn: the filesystem is brought to where the operation can be done, the operation is done with a failure in it,
 * and then the filesystem must be of use: unmount, mount, a little file work, unmount. None of these steps is a finding by
 * itself when it fails (may_fail): detect/inject.c knows which must not, by their kind.
 */
#include <string.h>

#include "inject.h"
#include "injected.h"
#include "wire.h"

#define DEADLINE_MS	8000u	/* of a step; the longest takes a second under emulation */
#define KEEP_BYTES	20000
#define CHECK_FILES	2
#define CHECK_BYTES	4096
#define OWN_STRINGS	4u	/* of VX_STEP_INJECT, in front of the operation's */

#define MUST		"inject-check"		/* kinds of steps: detect/inject.h */
#define COMPARE		"inject-compare"
#define INJECTED	"inject"

static gboolean do_step(struct inject *in, struct step_spec spec, enum step_outcome *outcome, struct step_result *ret,
			GError **error)
{
	spec.on_target = TRUE;
	spec.may_fail = TRUE;
	spec.way = in->op ? in->op->name : NULL;
	spec.deadline_ms = MIN(DEADLINE_MS, in->run->req->config->step_deadline_ms);
	return run_step(in->run, &spec, outcome, ret, error);
}

/* *usable FALSE: it failed, or what came before it did, and it was not done. */
static gboolean must(struct inject *in, struct step_spec spec, gboolean *usable, GError **error)
{
	enum step_outcome outcome = STEP_OK;

	if (!*usable || run_guest_is_hurt(in->run)) {
		*usable = FALSE;
		return TRUE;
	}
	spec.kind = spec.kind ?: MUST;
	if (!do_step(in, spec, &outcome, NULL, error))
		return FALSE;
	*usable = outcome == STEP_OK;
	return TRUE;
}

/* ---- what a step needs ------------------------------------------------------------------------ */

static gboolean mount_it(struct inject *in, const char *name, gboolean *usable, GError **error)
{
	const struct run *run = in->run;
	const char *options = run->req->mount_options ?: run->req->target->mount_options ?: "";
	const char *strings[] = { run->device, run->mountpoint, run->fstype, options, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MOUNT, .name = name, .strings = strings,
		.num = { 0, run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT },
	};

	if (!must(in, spec, usable, error))
		return FALSE;
	in->mounted = in->mounted || *usable;
	return TRUE;
}

static gboolean umount_it(struct inject *in, const char *name, gboolean *usable, GError **error)
{
	const char *strings[] = { in->run->mountpoint, NULL };
	const struct step_spec spec = { .op = VX_STEP_UMOUNT, .name = name, .strings = strings };
	gboolean done = TRUE;

	if (!in->mounted)
		return TRUE;
	if (!must(in, spec, &done, error))
		return FALSE;
	in->mounted = !done;
	*usable = *usable && done;
	return TRUE;
}

static gboolean file_work(struct inject *in, const char *name, gboolean *usable, GError **error)
{
	const char *strings[] = { in->run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_FILES, .name = name, .strings = strings, .num = { CHECK_FILES, CHECK_BYTES },
	};

	return must(in, spec, usable, error);
}

static const char *module_name(const struct run *run)
{
	return run->loaded->len ? g_ptr_array_index(run->loaded, run->loaded->len - 1) :
	       run->req->target->module == TARGET_MODPROBE ? run->req->target->module_name : "";
}

/* ---- the operation ------------------------------------------------------------------------------ */

/* With what fails in it; `inner` as it would be done by itself. */
static gboolean injected(struct inject *in, struct inject_turn *turn, const struct step_spec *inner,
			 enum step_outcome *outcome, GError **error)
{
	const struct run *run = in->run;
	g_autofree char *name = turn->nth ?
		g_strdup_printf("%s, %s fails", in->op->name, vx_inject_words(turn->what)) :
		g_strdup_printf("%s, counted", in->op->name);
	const char *strings[VX_STEP_STRINGS_MAX] = {
		vx_step_op_name(inner->op), inner->op == VX_STEP_INSMOD ? run->built->modules[run->built->nmodules - 1].info->name :
		module_name(run), run->fstype, run->device,
	};
	const struct step_spec spec = {
		.op = VX_STEP_INJECT, .kind = INJECTED, .name = name, .strings = strings,
		.num = { turn->what, (gint64)turn->nth, inner->num[0], inner->num[1] },
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	guint i;

	for (i = 0; inner->strings && inner->strings[i]; i++)
		strings[OWN_STRINGS + i] = inner->strings[i];
	if (!do_step(in, spec, outcome, &res, error))
		return FALSE;
	turn->asked = TRUE;
	turn->told = vx_injected_parse(res.output, &turn->done);
	in->injected += turn->told && turn->done.took;
	return TRUE;
}

static gboolean inject_mount(struct inject *in, struct inject_turn *turn, GError **error)
{
	const struct run *run = in->run;
	const char *options = run->req->mount_options ?: run->req->target->mount_options ?: "";
	const char *strings[] = { run->device, run->mountpoint, run->fstype, options, NULL };
	const struct step_spec inner = {
		.op = VX_STEP_MOUNT, .strings = strings,
		.num = { 0, run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT },
	};
	enum step_outcome outcome;

	if (!injected(in, turn, &inner, &outcome, error))
		return FALSE;
	in->mounted = outcome == STEP_OK;
	return TRUE;
}

/* What is unmounted has something to write. */
static gboolean inject_umount(struct inject *in, struct inject_turn *turn, GError **error)
{
	const char *strings[] = { in->run->mountpoint, NULL };
	const struct step_spec inner = { .op = VX_STEP_UMOUNT, .strings = strings };
	enum step_outcome outcome;

	if (!mount_it(in, "mount", &turn->usable, error) || !file_work(in, "file work", &turn->usable, error))
		return FALSE;
	if (!turn->usable)
		return TRUE;
	if (!injected(in, turn, &inner, &outcome, error))
		return FALSE;
	in->mounted = outcome != STEP_OK;
	return TRUE;
}

static gboolean inject_sync(struct inject *in, struct inject_turn *turn, GError **error)
{
	g_autofree char *file = g_strdup_printf("%s/s%" G_GUINT64_FORMAT, in->run->mountpoint, in->turn);
	const char *strings[] = { in->run->mountpoint, NULL }, *work[] = { file, NULL };
	const struct step_spec inner = { .op = VX_STEP_SYNC, .strings = strings };
	const struct step_spec dirty = { .op = VX_STEP_MKDIR, .name = "make something to sync", .strings = work,
					 .num = { 0755 } };
	enum step_outcome outcome;

	if (!mount_it(in, "mount", &turn->usable, error) || !must(in, dirty, &turn->usable, error))
		return FALSE;
	return !turn->usable || injected(in, turn, &inner, &outcome, error);
}

/* What no call has complained of must be there after a new mount. */
static gboolean compare(struct inject *in, const char *file, gboolean *usable, GError **error)
{
	const char *strings[] = { file, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_KEEP, .kind = COMPARE, .name = "compare", .strings = strings,
		.num = { 1, KEEP_BYTES, VX_KEEP_COMPARE },
	};
	gboolean same = TRUE;

	if (!umount_it(in, "umount", usable, error) || !mount_it(in, "mount again", usable, error))
		return FALSE;
	if (!*usable)
		return TRUE;
	if (!must(in, spec, &same, error))
		return FALSE;
	*usable = *usable && same;
	return TRUE;
}

static gboolean inject_keep(struct inject *in, struct inject_turn *turn, GError **error)
{
	g_autofree char *file = g_strdup_printf("%s/k%" G_GUINT64_FORMAT, in->run->mountpoint, in->turn);
	const char *strings[] = { file, NULL };
	const struct step_spec inner = { .op = VX_STEP_KEEP, .strings = strings, .num = { 1, KEEP_BYTES } };
	enum step_outcome outcome;

	if (!mount_it(in, "mount", &turn->usable, error))
		return FALSE;
	if (!turn->usable)
		return TRUE;
	if (!injected(in, turn, &inner, &outcome, error))
		return FALSE;
	if (outcome != STEP_OK || !in->persistent || run_guest_is_hurt(in->run))
		return TRUE;
	return compare(in, file, &turn->usable, error);
}

static gboolean inject_file_op(struct inject *in, struct inject_turn *turn, GError **error)
{
	g_autofree char *dir = g_strdup_printf("%s/d%" G_GUINT64_FORMAT, in->run->mountpoint, in->turn);
	const char *work[] = { dir, NULL }, *strings[] = { in->op->name, dir, in->run->mountpoint, NULL };
	const struct step_spec inner = { .op = VX_STEP_FILE_OP, .strings = strings };
	const struct step_spec make = { .op = VX_STEP_MKDIR, .name = "make a directory", .strings = work,
					.num = { 0755 } };
	enum step_outcome outcome;

	if (!mount_it(in, "mount", &turn->usable, error) || !must(in, make, &turn->usable, error))
		return FALSE;
	return !turn->usable || injected(in, turn, &inner, &outcome, error);
}

/* The last of its modules, which is there again afterwards. */
static gboolean inject_load(struct inject *in, struct inject_turn *turn, GError **error)
{
	struct run *run = in->run;
	const struct modbuild_module *module = &run->built->modules[run->built->nmodules - 1];
	const char *own = run->req->target->module_params, *more = run->req->module_params;
	g_autofree char *params = g_strjoin(own && more ? " " : "", own ?: "", more ?: "", NULL);
	g_autofree char *base = g_path_get_basename(module->path);
	g_autofree char *path = g_build_filename(session_workdir(run->session), base, NULL);
	const char *strings[] = { path, params, NULL }, *names[] = { module->info->name, NULL };
	const struct step_spec inner = { .op = VX_STEP_INSMOD, .strings = strings };
	const struct step_spec out = { .op = VX_STEP_RMMOD, .name = "rmmod", .strings = names };
	const struct step_spec again = { .op = VX_STEP_INSMOD, .name = "insmod again", .strings = strings };
	enum step_outcome outcome;

	if (!must(in, out, &turn->usable, error))
		return FALSE;
	if (!turn->usable)
		return TRUE;
	g_ptr_array_set_size(run->loaded, (int)run->loaded->len - 1);
	if (!injected(in, turn, &inner, &outcome, error))
		return FALSE;
	if (outcome != STEP_OK && !must(in, again, &turn->usable, error))
		return FALSE;
	if (turn->usable && !run_guest_is_hurt(run))
		g_ptr_array_add(run->loaded, g_strdup(module->info->name));
	return TRUE;
}

static gboolean operate(struct inject *in, struct inject_turn *turn, GError **error)
{
	switch (in->op->kind) {
	case INJECT_LOAD:
		return inject_load(in, turn, error);
	case INJECT_MOUNT:
		return inject_mount(in, turn, error);
	case INJECT_UMOUNT:
		return inject_umount(in, turn, error);
	case INJECT_SYNC:
		return inject_sync(in, turn, error);
	case INJECT_KEEP:
		return inject_keep(in, turn, error);
	default:
		return inject_file_op(in, turn, error);
	}
}

/* ---- a turn -------------------------------------------------------------------------------------- */

/* Objects that its own calls have made and not freed, with what was put off done. */
static gboolean outstanding(struct inject *in, gint64 *ret, GError **error)
{
	const struct step_spec settle = { .op = VX_STEP_SETTLE, .kind = "other", .name = "settle" };
	const struct step_spec count = { .op = VX_STEP_OUTSTANDING, .kind = "other", .name = "count what is outstanding" };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	*ret = 0;
	if (!in->bound || run_guest_is_hurt(in->run))
		return TRUE;
	if (!do_step(in, settle, &outcome, NULL, error) || !do_step(in, count, &outcome, &res, error))
		return FALSE;
	*ret = outcome == STEP_OK ? res.msg.value : 0;
	return TRUE;
}

/* Were it left mounted, everything after it would fail for no reason of its own. */
static gboolean afterwards(struct inject *in, struct inject_turn *turn, GError **error)
{
	return umount_it(in, "umount", &turn->usable, error) && mount_it(in, "mount again", &turn->usable, error) &&
	       file_work(in, "file work again", &turn->usable, error) &&
	       umount_it(in, "umount again", &turn->usable, error);
}

gboolean inject_turn(struct inject *in, struct inject_turn *turn, GError **error)
{
	gint64 before = in->left;

	in->turn++;
	in->run->cycle++;
	turn->usable = TRUE;
	if (!in->left_known && !outstanding(in, &before, error))
		return FALSE;
	in->left_known = FALSE;
	if (!operate(in, turn, error))
		return FALSE;
	if (run_guest_is_hurt(in->run))
		return TRUE;
	if (!afterwards(in, turn, error) || !outstanding(in, &in->left, error))
		return FALSE;
	in->left_known = turn->usable;
	turn->grown = in->left - before;
	return TRUE;
}

gboolean inject_watch(struct inject *in, const struct inject_turn *turn, const char *phase, GError **error)
{
	struct vx_msg_allocs msg;

	journal_json(in->run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:i}", "do", "inject", "event", "watch", "phase", phase,
			       "operation", in->op->name, "what", (int)turn->what, "nth", (json_int_t)turn->nth,
			       "times", (int)in->times));
	return session_allocs(in->run->session, VX_ALLOCS_CALLS, &msg, error);
}

/* ---- before and after all ------------------------------------------------------------------------- */

gboolean inject_begin(struct inject *in, gboolean *usable, GError **error)
{
	struct run *run = in->run;
	enum step_outcome outcome = STEP_OK;

	*usable = TRUE;
	if (run->built && session_probe(run->session)) {
		run->bind_calls = TRUE;
		if (!run_unload(run, &outcome, error))
			return FALSE;
		if (!run->loaded->len && !run_load(run, usable, error))
			return FALSE;
		in->bound = *usable && run->bound > 0;
	}
	/* Programs on the functions that are to fail would be in the way. */
	return !*usable || run_trace(run, 0, TRUE, error);
}

gboolean inject_end(struct inject *in, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_INJECT_END, .kind = "other", .name = "no more failures", .may_fail = TRUE,
	};
	enum step_outcome outcome;

	return run_step(in->run, &spec, &outcome, NULL, error);
}
