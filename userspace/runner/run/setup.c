// SPDX-License-Identifier: GPL-2.0
/* Making the target usable in the guest: its module, its type, a formatted device, a mount point. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "error.h"
#include "fsutil.h"
#include "run_priv.h"
#include "wire.h"

#define SETTLE_NS	300000000

/* A step of our own set-up: anything but success is ours to tell. */
static gboolean must(struct run *run, const struct step_spec *spec, struct step_result *ret,
		     GError **error)
{
	STEP_RESULT_CLEAR struct step_result local = { 0 };
	struct step_result *res = ret ? ret : &local;
	enum step_outcome outcome;

	if (!run_step(run, spec, &outcome, res, error))
		return FALSE;
	if (outcome == STEP_OK)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "setting up the guest failed at %s: %s",
		    spec->name, vx_step_err_text(res->msg.err));
	return FALSE;
}

/* Names of the block device filesystems the guest knows now: the second column of /proc/filesystems. */
static GHashTable *known_types(struct run *run, GError **error)
{
	const char *strings[] = { "/proc/filesystems", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_READ, .kind = "other", .name = "read /proc/filesystems",
		.strings = strings,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_auto(GStrv) lines = NULL;
	GHashTable *types;
	guint i;

	if (!must(run, &spec, &res, error))
		return NULL;
	types = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	lines = g_strsplit(res.output, "\n", 512);
	for (i = 0; lines[i]; i++) {
		const char *tab = strchr(lines[i], '\t');

		if (tab && tab[1])
			g_hash_table_add(types, g_strdup(tab + 1));
	}
	return types;
}

static gboolean load_step(struct run *run, enum vx_step_op op, const char *what,
			  const char *const *strings, gboolean *usable, GError **error)
{
	g_autofree char *name = g_strdup_printf("%s %s", vx_step_op_name(op), what);
	const struct step_spec spec = {
		.op = op, .kind = "load", .on_target = TRUE, .name = name, .strings = strings,
		.expect = run->load_expect, .may_fail = run->load_expect != NULL,
	};
	enum step_outcome outcome;

	if (!run_step(run, &spec, &outcome, NULL, error))
		return FALSE;
	*usable = outcome == STEP_OK && !run_guest_is_hurt(run);
	return TRUE;
}

/* Kept in the run's folder: a replay needs the very file. NULL: it stays as it is. Caller frees. */
static char *bound_copy(struct run *run, const struct modbuild_module *module)
{
	g_autofree char *dir = g_build_filename(journal_dir(run->journal), "bound", NULL);
	g_autofree char *base = g_path_get_basename(module->path), *path = g_build_filename(dir, base, NULL);
	const char *probe = session_probe(run->session);
	g_autoptr(GError) local = NULL;
	guint bound = 0;

	/* A guest that was put back has it loaded anew. */
	unlink(path);
	if (!run->bind_calls || !probe || !fs_mkdir(dir, 0755, &local) ||
	    !bind_calls(module->path, probe, path, &bound, &local)) {
		if (local)
			journal_log(run->journal, "the calls of %s are not bound: %s", base, local->message);
		return NULL;
	}
	run->bound += bound;
	journal_log(run->journal, "%u of the allocators that %s calls are bound to vexprobe's", bound, base);
	return bound ? g_steal_pointer(&path) : NULL;
}

static gboolean insert_built(struct run *run, gboolean *usable, GError **error)
{
	const char *own = run->req->target->module_params, *more = run->req->module_params;
	g_autofree char *given = g_strjoin(own && more ? " " : "", own ? own : "",
					   more ? more : "", NULL);
	g_autofree char *params = run->load_params ? g_strjoin(*given ? " " : "", given, run->load_params, NULL) :
						      g_strdup(given);
	guint i;

	run->bound = 0;
	for (i = 0; i < run->built->nmodules && *usable; i++) {
		const struct modbuild_module *module = &run->built->modules[i];
		g_autofree char *bound = bound_copy(run, module);
		g_autofree char *base = g_path_get_basename(module->path);
		g_autofree char *remote = g_build_filename(session_workdir(run->session), base, NULL);
		const char *strings[] = { remote, params, NULL };

		if (!run_put(run, bound ? bound : module->path, remote, 0644, error) ||
		    !load_step(run, VX_STEP_INSMOD, base, strings, usable, error))
			return FALSE;
		if (*usable)
			g_ptr_array_add(run->loaded, g_strdup(module->info->name));
	}
	return TRUE;
}

/* What the module registered is what appeared; a name the target gives must be among it. */
static gboolean discover_type(struct run *run, GHashTable *before, GError **error)
{
	GHashTable *after = known_types(run, error);
	g_autoptr(GString) fresh = g_string_new(NULL);
	g_autofree char *first = NULL;
	GHashTableIter iter;
	gpointer name;

	if (!after)
		return FALSE;
	g_hash_table_iter_init(&iter, after);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		if (g_hash_table_contains(before, name))
			continue;
		g_string_append_printf(fresh, "%s%s", fresh->len ? ", " : "", (char *)name);
		if (!first)
			first = g_strdup(name);
	}
	if (!run->fstype)
		run->fstype = g_steal_pointer(&first);
	if (!run->fstype || !g_hash_table_contains(after, run->fstype)) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "the module loads but does not register %s%s; what appeared in "
			    "/proc/filesystems: %s", run->fstype ? "the type " : "a filesystem type",
			    run->fstype ? run->fstype : "", fresh->len ? fresh->str : "nothing");
		g_hash_table_unref(after);
		return FALSE;
	}
	g_hash_table_unref(after);
	return TRUE;
}

static gboolean load_module(struct run *run, gboolean *usable, GError **error)
{
	const struct target *target = run->req->target;
	g_autofree char *text = NULL;
	GHashTable *before;
	gboolean ok = TRUE;

	if (target->module == TARGET_MODPROBE) {
		const char *strings[] = { target->module_name, NULL };

		return load_step(run, VX_STEP_MODPROBE, target->module_name, strings, usable, error);
	}
	if (target->module != TARGET_SOURCE)
		return TRUE;
	before = known_types(run, error);
	if (!before)
		return FALSE;
	ok = insert_built(run, usable, error);
	if (ok && *usable)
		ok = discover_type(run, before, error);
	g_hash_table_unref(before);
	if (ok && *usable) {
		text = g_strdup_printf("loaded %s, filesystem type %s",
				       (char *)g_ptr_array_index(run->loaded, run->loaded->len - 1),
				       run->fstype);
		if (!run->recoveries && !run->told_loaded)
			run->req->progress.say(run->req->progress.ctx, text);
		run->told_loaded = TRUE;
	}
	return ok;
}

gboolean run_format_device(struct run *run, const char *device, gboolean *usable, GError **error)
{
	g_autofree char *kernel = NULL;
	g_auto(GStrv) argv = NULL;
	struct step_spec spec = {
		.op = VX_STEP_EXEC, .kind = "exec", .on_target = TRUE, .name = "mkfs",
		.deadline_ms = 120000,
	};
	enum step_outcome outcome;

	*usable = TRUE;
	if (run->built && run->built->mkfs && !run->mkfs) {
		run->mkfs = g_build_filename(session_workdir(run->session), "mkfs.target", NULL);
		if (!run_put(run, run->built->mkfs, run->mkfs, 0755, error))
			return FALSE;
	}
	kernel = session_kernel(run->session);
	argv = target_mkfs_argv(run->req->target, kernel, run->mkfs, device);
	if (!argv)
		return TRUE;
	spec.strings = (const char *const *)argv;
	if (!run_step(run, &spec, &outcome, NULL, error))
		return FALSE;
	*usable = outcome == STEP_OK && !run_guest_is_hurt(run);
	return TRUE;
}

/*
 * An error that a write met stays with the device until somebody's fsync() has told it: mkfs would be told of a write that
 * a part had made to fail.
 */
static gboolean forget_old_errors(struct run *run, GError **error)
{
	g_autofree char *of = g_strdup_printf("of=%s", run->device);
	const char *argv[] = { "/bin/dd", "if=/dev/null", of, "conv=notrunc,fsync", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_EXEC, .kind = "other", .name = "take the device's old errors", .strings = argv, .may_fail = TRUE,
	};
	enum step_outcome outcome;

	return run_step(run, &spec, &outcome, NULL, error);
}

gboolean run_format(struct run *run, gboolean *usable, GError **error)
{
	if (run->used && !forget_old_errors(run, error))
		return FALSE;
	return run_format_device(run, run->device, usable, error);
}

/* The scratch disk is the third; never format anything else. */
static gboolean check_device(struct run *run, GError **error)
{
	const char *strings[] = { "/sys/block/vdc/serial", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_READ, .kind = "other", .name = "find the scratch disk",
		.strings = strings,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	if (run->req->ssh)
		return TRUE;	/* the user named it */
	if (!must(run, &spec, &res, error))
		return FALSE;
	if (g_str_has_prefix(res.output, "vexlab-scratch"))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "%s is not the scratch disk", run->device);
	return FALSE;
}

gboolean run_load(struct run *run, gboolean *usable, GError **error)
{
	*usable = TRUE;
	if (!load_module(run, usable, error))
		return FALSE;
	run->stage = *usable ? RUN_LOADED : run->stage;
	return TRUE;
}

/* What is missing of it. */
static gboolean set_up_target(struct run *run, enum run_upto upto, gboolean *usable, GError **error)
{
	enum step_outcome outcome;

	if (run->start && start_mounted(run->start)) {
		if (!run_umount(run, &outcome, error))
			return FALSE;
		*usable = outcome == STEP_OK && !run_guest_is_hurt(run);
	}
	if (*usable && upto >= RUN_LOADED && run->stage < RUN_LOADED) {
		if (!load_module(run, usable, error))
			return FALSE;
		run->stage = *usable ? RUN_LOADED : run->stage;
	}
	if (*usable && upto >= RUN_FORMATTED && run->stage < RUN_FORMATTED) {
		if (!run_format(run, usable, error))
			return FALSE;
		run->stage = *usable ? RUN_FORMATTED : run->stage;
	}
	return TRUE;
}

gboolean run_setup_upto(struct run *run, enum run_upto upto, gboolean *usable, GError **error)
{
	const char *strings[] = { NULL, NULL };
	const struct step_spec mkdir = {
		.op = VX_STEP_MKDIR, .kind = "other", .name = "make the mount point",
		.strings = strings, .num = { 0755 },
	};

	run->phase = "setup";
	*usable = TRUE;
	run->device = g_strdup(run->req->ssh ? run->req->device : session_device(run->session));
	run->mountpoint = g_build_filename(run->req->ssh ? session_workdir(run->session) : "/mnt",
					   "target", NULL);
	run->fstype = g_strdup(run->req->target->fstype);
	strings[0] = run->mountpoint;
	run->stage = RUN_BOOTED;
	if (run->start)
		start_set_up(run->start, run);
	return check_device(run, error) && must(run, &mkdir, NULL, error) &&
	       set_up_target(run, upto, usable, error);
}

gboolean run_setup(struct run *run, gboolean *usable, GError **error)
{
	return run_setup_upto(run, RUN_FORMATTED, usable, error);
}

/* RCU callbacks and work of a module that is gone strike now or never: give them the time to. */
static gboolean settle(struct run *run, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_SLEEP, .kind = "other", .on_target = TRUE,
		.name = "wait for what the unload left behind", .num = { SETTLE_NS },
	};
	enum step_outcome outcome;

	return run_step(run, &spec, &outcome, NULL, error);
}

/* The unload follows an unmount at once: that is when what was deferred finds its code gone. */
static gboolean last_cycle(struct run *run, GError **error)
{
	enum step_outcome outcome;
	gboolean usable = TRUE;

	if (run->used && !run_format(run, &usable, error))
		return FALSE;
	if (!usable)
		return TRUE;
	run->cycle++;
	if (!run_mount(run, &outcome, error))
		return FALSE;
	return outcome != STEP_OK || run_guest_is_hurt(run) || run_umount(run, &outcome, error);
}

gboolean run_unload(struct run *run, enum step_outcome *outcome, GError **error)
{
	*outcome = STEP_OK;
	while (run->loaded->len && *outcome == STEP_OK && !run_guest_is_hurt(run)) {
		const char *module = g_ptr_array_index(run->loaded, run->loaded->len - 1);
		g_autofree char *name = g_strdup_printf("rmmod %s", module);
		const char *strings[] = { module, NULL };
		const struct step_spec spec = {
			.op = VX_STEP_RMMOD, .kind = "unload", .on_target = TRUE, .name = name,
			.strings = strings,
		};

		if (!run_step(run, &spec, outcome, NULL, error))
			return FALSE;
		if (*outcome == STEP_OK)
			g_ptr_array_set_size(run->loaded, (int)run->loaded->len - 1);
	}
	return TRUE;
}

/*
 * A kernel with kmemleak is asked while the module's functions still have names. What it answers is on the console, as
 * a crash is.
 */
static gboolean ask_kmemleak(struct run *run, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_KMEMLEAK, .kind = "other", .name = "ask kmemleak", .may_fail = TRUE,
	};
	enum step_outcome outcome;

	if (!run->image || !run->image->checks || !strstr(run->image->checks, "kmemleak"))
		return TRUE;
	run->req->progress.say(run->req->progress.ctx, "asking kmemleak, which wants six seconds of rest first");
	if (!run_step(run, &spec, &outcome, NULL, error))
		return FALSE;
	run_settle(run);
	return TRUE;
}

gboolean run_teardown(struct run *run, GError **error)
{
	const gboolean unloads = run->loaded->len > 0;
	enum step_outcome outcome;

	run->phase = "teardown";
	if (unloads && (!last_cycle(run, error) || !ask_kmemleak(run, error) || !run_unload(run, &outcome, error)))
		return FALSE;
	return !unloads || settle(run, error);
}
