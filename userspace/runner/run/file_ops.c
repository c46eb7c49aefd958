// SPDX-License-Identifier: GPL-2.0
/*
 * file-operations: each ordinary operation (file_ops.h) by itself, in a directory of its own, its data
 * written out afterwards: what breaks belongs to one operation. Between groups the filesystem is
 * mounted anew. What became of each is one note of the record, {"event": "file operation", ...}.
 */
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "file_ops.h"
#include "part.h"

#define DEADLINE_MS	20000u		/* of an operation that does not fill the device; a second or two under emulation */
#define MOUNTS_MAX	2		/* in a row that fail: then it is of no use */

struct operations_args {
	char **only;			/* these or these groups; NULL: as --operations says, else all */
};

static const struct yaml_field fields[] = {
	{ .key = "only", .kind = YAML_STRINGS, .offset = offsetof(struct operations_args, only), .min = 1, .max = 64 },
	{ 0 },
};

static const struct operations_args defaults = { 0 };

struct course {
	struct run *run;
	char **only;
	guint of, recovered;		/* operations wanted; times the guest was put back */
	const char *group;		/* of the latest operation */
	gboolean mounted, go_on;
	gboolean no_directories;	/* making one crashes or never works: the mount point itself has to do */
	guint no_directory;		/* times in a row that none could be made */
	gboolean left;			/* what the operation before has made is there */
};

/* One operation while it is done. */
struct turn {
	const struct vx_file_op *op;
	char *dir;
	guint64 first_step;
	guint from;			/* findings that were there before */
	double ms;
	const char *outcome;
	char *why;
};

/* ---- steps --------------------------------------------------------------------------------- */

static guint deadline_ms(const struct run *run)
{
	return MIN(DEADLINE_MS, run->req->config->step_deadline_ms);
}

/* *good FALSE: it could not be mounted; that is found and told. */
static gboolean mount_it(struct course *c, gboolean *good, GError **error)
{
	enum step_outcome outcome;

	*good = c->mounted;
	if (c->mounted)
		return TRUE;
	c->run->cycle++;
	if (!run_mount(c->run, &outcome, error))
		return FALSE;
	*good = c->mounted = outcome == STEP_OK;
	return TRUE;
}

static gboolean unmount(struct course *c, GError **error)
{
	enum step_outcome outcome = STEP_OK;

	if (!c->mounted)
		return TRUE;
	if (!run_umount(c->run, &outcome, error))
		return FALSE;
	c->mounted = outcome != STEP_OK;
	return TRUE;
}

static gboolean make_directory(struct course *c, const struct vx_file_op *op, const char *dir, gboolean *good,
			       GError **error)
{
	g_autofree char *name = g_strdup_printf("directory for %s", op->name);
	const char *strings[] = { dir, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MKDIR, .kind = "other", .on_target = TRUE, .name = name, .strings = strings,
		.num = { 0755 }, .deadline_ms = deadline_ms(c->run),
	};
	enum step_outcome outcome;

	*good = FALSE;
	if (!run_step(c->run, &spec, &outcome, NULL, error))
		return FALSE;
	*good = outcome == STEP_OK;
	return TRUE;
}

static void note_answer(struct turn *t, const struct step_result *res, enum step_outcome outcome)
{
	t->why = g_strndup(res->output, strcspn(res->output, "\n"));
	t->ms = (double)(res->msg.end_ns - res->msg.start_ns) / 1e6;
	t->outcome = outcome != STEP_OK ? "failed" : res->msg.value == VX_FILE_UNSUPPORTED ? "unsupported" : "done";
}

static gboolean operate(struct course *c, struct turn *t, GError **error)
{
	const char *strings[] = { t->op->name, t->dir, c->run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_FILE_OP, .kind = "fileop", .on_target = TRUE, .name = t->op->name, .strings = strings,
		.deadline_ms = strcmp(t->op->group, "full") ? deadline_ms(c->run) : c->run->req->config->step_deadline_ms,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(c->run, &spec, &outcome, &res, error))
		return FALSE;
	note_answer(t, &res, outcome);
	return TRUE;
}

/* What is still in memory has its chance to break now, not during the next operation. */
static gboolean write_out(struct course *c, struct turn *t, GError **error)
{
	g_autofree char *name = g_strdup_printf("sync after %s", t->op->name);
	const char *strings[] = { c->run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_SYNC, .kind = "other", .on_target = TRUE, .name = name, .strings = strings,
		.deadline_ms = deadline_ms(c->run),
	};
	enum step_outcome outcome;

	if (!run_step(c->run, &spec, &outcome, NULL, error))
		return FALSE;
	if (outcome == STEP_OK || strcmp(t->outcome, "done"))
		return TRUE;
	t->outcome = "failed";
	g_free(t->why);
	t->why = g_strdup("sync afterwards");
	return TRUE;
}

/* ---- what became of it -------------------------------------------------------------------------- */

static const struct finding *crash_since(const struct run *run, guint from)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = from; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding_hurts(finding) || (finding_class_is_crash(finding->class) && !finding->noise))
			return finding;
	}
	return NULL;
}

static void note_turn(const struct course *c, const struct turn *t)
{
	g_autofree char *why = t->why ? g_utf8_make_valid(t->why, -1) : NULL;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:I, s:f, s:i}", "event", "file operation",
				 "operation", t->op->name, "group", t->op->group, "outcome", t->outcome,
				 "why", why && *why && strcmp(t->outcome, "done") ? why : NULL,
				 "first_step", (json_int_t)t->first_step, "last_step", (json_int_t)c->run->next_step,
				 "ms", t->ms, "of", (int)c->of);
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(c->run->journal, "%s", text);
	journal_json(c->run->journal, VX_REC_VM, json);
}

/* The guest lives and is unharmed, or is put back. FALSE: the run ends. */
static gboolean survive(struct course *c, gboolean ok, GError **local, GError **error)
{
	gboolean recovered;

	run_settle(c->run);
	if (!run_survive(c->run, ok, local, &c->go_on, &recovered, error))
		return FALSE;
	if (recovered) {
		c->mounted = FALSE;
		c->left = FALSE;
		c->recovered++;
	}
	return TRUE;
}

/* ---- the course ---------------------------------------------------------------------------------- */

/* A mount that fails without a crash is tried once more on a filesystem made anew. */
static gboolean be_mounted(struct course *c, GError **error)
{
	gboolean good = FALSE;
	guint i;

	for (i = 0; i < MOUNTS_MAX && !good && c->go_on; i++) {
		g_autoptr(GError) local = NULL;
		const guint before = c->recovered;
		gboolean ok = mount_it(c, &good, &local);

		if (!survive(c, ok, &local, error))
			return FALSE;
		good = good && c->mounted;
		if (!good && c->go_on && c->recovered == before) {
			if (!run_put_back(c->run, "it cannot be mounted", &c->go_on, error))
				return FALSE;
			c->recovered++;
			c->left = FALSE;
		}
	}
	c->go_on = c->go_on && good;
	return TRUE;
}

/* Its umount is a test, too: of all that the group has left behind. */
static gboolean next_group(struct course *c, const char *group, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok;

	if (!c->group || !strcmp(c->group, group))
		return TRUE;
	ok = unmount(c, &local);
	if (!survive(c, ok, &local, error))
		return FALSE;
	if (!c->mounted || !c->go_on)
		return TRUE;
	c->mounted = FALSE;
	c->left = FALSE;
	return run_put_back(c->run, "it cannot be unmounted", &c->go_on, error);
}

static gboolean steps_of(struct course *c, struct turn *t, GError **error)
{
	if (!operate(c, t, error))
		return FALSE;
	run_settle(c->run);
	return run_guest_is_hurt(c->run) || write_out(c, t, error);
}

static gboolean do_turn(struct course *c, struct turn *t, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok, lost;

	t->outcome = "failed";
	t->first_step = c->run->next_step + 1;
	t->from = journal_findings(c->run->journal)->len;
	ok = steps_of(c, t, &local);
	lost = !ok;
	run_settle(c->run);
	if (lost || crash_since(c->run, t->from))
		t->outcome = "crashed";
	note_turn(c, t);
	c->left = !strcmp(t->outcome, "done");
	return survive(c, ok, &local, error);
}

static void not_done(struct course *c, struct turn *t, const char *outcome, const char *why)
{
	t->outcome = outcome;
	t->why = g_strdup(why);
	t->first_step = c->run->next_step + 1;
	note_turn(c, t);
}

/* With no directories, names would meet: each operation has the whole of a filesystem made anew. */
static gboolean fresh_filesystem(struct course *c, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean usable = TRUE, ok;

	ok = unmount(c, &local) && (c->mounted || run_format(c->run, &usable, &local));
	if (!survive(c, ok, &local, error))
		return FALSE;
	c->go_on = c->go_on && usable && !c->mounted;
	return !c->go_on || be_mounted(c, error);
}

/* In a directory of its own; *ret NULL: the course ends. */
static gboolean find_place(struct course *c, const struct vx_file_op *op, char **ret, GError **error)
{
	const guint number = (guint)(op - vx_file_ops) + 1, before = c->recovered;
	g_autofree char *dir = g_strdup_printf("%s/%u-%s", c->run->mountpoint, number, op->name);
	g_autoptr(GError) local = NULL;
	gboolean good = FALSE, ok;

	if (!c->no_directories) {
		ok = make_directory(c, op, dir, &good, &local);
		if (!survive(c, ok, &local, error))
			return FALSE;
		good = good && c->recovered == before;
	}
	c->no_directory = good ? 0 : c->no_directory + 1;
	c->no_directories = c->no_directories || c->recovered != before || c->no_directory > 1;
	if (!good && c->go_on && !fresh_filesystem(c, error))
		return FALSE;
	*ret = c->go_on ? good ? g_steal_pointer(&dir) : g_strdup(c->run->mountpoint) : NULL;
	return TRUE;
}

static gboolean target_lacks(const struct run *run, const char *name)
{
	const char *const *list = (const char *const *)run->req->target->unsupported;

	return list && g_strv_contains(list, name);
}

static gboolean one_turn(struct course *c, struct turn *t, GError **error)
{
	if (target_lacks(c->run, t->op->name)) {
		not_done(c, t, "unsupported", "the target's file says so");
		return TRUE;
	}
	if (!next_group(c, t->op->group, error) || (c->go_on && !be_mounted(c, error)))
		return FALSE;
	c->group = t->op->group;
	if (c->go_on && t->op->flags & VX_FILE_OP_AGAIN && !c->left) {
		not_done(c, t, "not done", "what it looks for was not made, or is gone with a crash");
		return TRUE;
	}
	if (c->go_on && t->op->flags & VX_FILE_OP_AGAIN)
		t->dir = g_strdup(c->run->mountpoint);
	else if (c->go_on && !find_place(c, t->op, &t->dir, error))
		return FALSE;
	if (c->go_on)
		return do_turn(c, t, error);
	not_done(c, t, "not done", "the filesystem cannot be mounted, or the guest be brought back");
	return TRUE;
}

static gboolean is_wanted(const struct course *c, const struct vx_file_op *op)
{
	const char *const *list = (const char *const *)c->only;

	return !list[0] || g_strv_contains(list, op->name) || g_strv_contains(list, op->group);
}

static gboolean check_wanted(const struct course *c, guint *of, GError **error)
{
	char **words = c->only;
	const struct vx_file_op *op;
	guint i;

	for (i = 0; words[i]; i++) {
		for (op = vx_file_ops; op->name && strcmp(op->name, words[i]) && strcmp(op->group, words[i]); op++)
			;
		if (op->name)
			continue;
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--operations: there is no operation and no group %s; "
			    "`vexlab run --list` names them", words[i]);
		return FALSE;
	}
	for (*of = 0, op = vx_file_ops; op->name; op++)
		*of += is_wanted(c, op);
	return TRUE;
}

static gboolean all_turns(struct course *c, GError **error)
{
	const struct vx_file_op *op;
	gboolean ok = TRUE;
	guint done = 0;

	for (op = vx_file_ops; op->name && ok; op++) {
		struct turn t = { .op = op };

		if (!is_wanted(c, op))
			continue;
		done++;
		c->run->req->progress.tick(c->run->req->progress.ctx, op->name, done, c->of);
		ok = one_turn(c, &t, error);
		g_free(t.dir);
		g_free(t.why);
	}
	return ok;
}

static gboolean file_operations(struct run *run, const void *given, gboolean *go_on, GError **error)
{
	const struct operations_args *args = given;
	g_auto(GStrv) words = args->only ? g_strdupv(args->only) :
			      g_strsplit(run->req->operations ? run->req->operations : "", ",", -1);
	struct course c = { .run = run, .only = words, .go_on = TRUE };
	g_autoptr(GError) local = NULL;
	gboolean ok;

	if (!check_wanted(&c, &c.of, error) ||
	    !run_trace(run, run_latency_probes(run), TRUE, error))
		return FALSE;
	run->phase = "operations";
	/* One for each operation, and for each umount between. */
	run->recoveries_more += 2 * c.of;
	if (!all_turns(&c, error))
		return FALSE;
	ok = unmount(&c, &local);
	if (!survive(&c, ok, &local, error))
		return FALSE;
	run->phase = "flush";
	*go_on = c.go_on;
	return !c.go_on || session_flush(run->session, error);
}

const struct part part_file_operations = {
	.name = "file-operations",
	.description = "each ordinary file operation by itself: what it answers, what crashes",
	.fields = fields, .defaults = &defaults, .size = sizeof(defaults),
	.run = file_operations, .own_trace = TRUE,
};
