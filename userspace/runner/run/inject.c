// SPDX-License-Identifier: GPL-2.0
/*
 * inject: each allocation, read, write and flush of an operation fails once. Counted first, then one by one; after each, the
 * filesystem must be of use, and nothing may be left allocated that was not left without the failure. What is to be made of
 * the answers, detect/inject.c says.
 */
#include <string.h>

#include "error.h"
#include "file_ops.h"
#include "inject.h"
#include "inject_plan.h"
#include "injected.h"
#include "part.h"

#define DEFAULT_OPS	"load,mount,umount,sync,write-fsync,write,truncate-down,fsync,fallocate,mmap-shared,create-exclusive,"	\
			"mkdir,rename,link,symlink,unlinked,readdir,xattr,statfs"
#define SAME_TITLE	3u	/* times in one operation, then the next one's turn */
#define TURNS_A_CRASH	8u	/* recoveries that each operation may need */

struct inject_args {
	char *operations, *what;
	guint max, seconds, times;
};

static const struct inject_args defaults = {
	.operations = (char *)DEFAULT_OPS, .what = (char *)"alloc,read,write,flush", .max = 24, .seconds = 600, .times = 3,
};

#define FIELD(name_, kind_, min_, max_, help_)	\
	{ .key = #name_, .kind = kind_, .offset = offsetof(struct inject_args, name_), .min = min_, .max = max_, .help = help_ }

static const struct yaml_field fields[] = {
	FIELD(operations, YAML_STRING, 1, 4096, "which, separated by commas: load, mount, umount, sync, write-fsync, file operations"),
	FIELD(what, YAML_STRING, 1, 64, "what fails, separated by commas: alloc, read, write, flush"),
	FIELD(max, YAML_UINT, 1, 100000, "failures of one kind in an operation; of more, as many spread over all"),
	FIELD(seconds, YAML_UINT, 1, 86400, "for all of it; what is left is told"),
	FIELD(times, YAML_UINT, 2, 100, "a suspected leak is repeated"),
	{ .key = NULL },
};

static const char *const what_words[VX_INJECT_KINDS] = { "alloc", "read", "write", "flush" };

struct sweep {
	struct inject in;
	const struct inject_args *args;
	guint32 what;
	gint64 until;			/* g_get_monotonic_time() */
	guint from;			/* findings that were there when the operation began */
	gint64 ordinary;		/* objects that a turn without a failure leaves outstanding */
	guint64 left_out;
	gboolean unavailable;		/* told, once */
};

/* ---- what is asked for --------------------------------------------------------------------------- */

static const struct inject_op own_ops[] = {
	{ "load", INJECT_LOAD }, { "mount", INJECT_MOUNT }, { "umount", INJECT_UMOUNT }, { "sync", INJECT_SYNC },
	{ "write-fsync", INJECT_KEEP },
};

static gboolean find_op(const char *name, struct inject_op *ret)
{
	const struct vx_file_op *op;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(own_ops); i++)
		if (!strcmp(own_ops[i].name, name)) {
			*ret = own_ops[i];
			return TRUE;
		}
	for (op = vx_file_ops; op->name; op++)
		if (!strcmp(op->name, name) && !(op->flags & VX_FILE_OP_AGAIN)) {
			*ret = (struct inject_op){ op->name, INJECT_FILE_OP };
			return TRUE;
		}
	return FALSE;
}

static gboolean read_what(struct sweep *s, GError **error)
{
	g_auto(GStrv) words = g_strsplit(s->args->what, ",", -1);
	guint i, kind;

	for (i = 0; words[i]; i++) {
		for (kind = 0; kind < VX_INJECT_KINDS && strcmp(words[i], what_words[kind]); kind++)
			;
		if (kind == VX_INJECT_KINDS) {
			g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
				    "inject: what: there is no %s; there are alloc, read, write, flush", words[i]);
			return FALSE;
		}
		s->what |= 1u << kind;
	}
	return TRUE;
}

static gboolean read_operations(const struct sweep *s, GArray *ret, GError **error)
{
	g_auto(GStrv) words = g_strsplit(s->args->operations, ",", -1);
	struct inject_op op;
	guint i;

	for (i = 0; words[i]; i++) {
		if (!find_op(words[i], &op)) {
			g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
				    "inject: operations: there is no %s; there are load, mount, umount, sync, write-fsync, and the file "
				    "operations of `vexlab run --list`", words[i]);
			return FALSE;
		}
		g_array_append_val(ret, op);
	}
	return TRUE;
}

/* ---- one turn, whatever becomes of the guest -------------------------------------------------------- */

static void note(struct sweep *s, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(s->in.run->journal, "%s", text);
	journal_json(s->in.run->journal, VX_REC_REQUEST, json);
}

/* The third of one title. */
static gboolean is_enough(const struct sweep *s)
{
	const GPtrArray *findings = journal_findings(s->in.run->journal);
	const struct finding *last = findings->len > s->from ? g_ptr_array_index(findings, findings->len - 1) : NULL;
	guint same = 0, i;

	for (i = s->from; last && i < findings->len; i++)
		same += !strcmp(((struct finding *)g_ptr_array_index(findings, i))->title, last->title);
	return same >= SAME_TITLE;
}

/* The next turn finds the filesystem unmounted and sound. */
static gboolean make_sound(struct sweep *s, GError **error)
{
	struct run *run = s->in.run;
	gboolean usable = TRUE;

	if (s->in.mounted) {
		s->in.mounted = FALSE;
		return run_put_back(run, "it cannot be unmounted after a failure", &s->in.go_on, error);
	}
	if (!run_format(run, &usable, error))
		return FALSE;
	s->in.go_on = s->in.go_on && usable;
	return TRUE;
}

/* *whole FALSE: the guest was put back, or something that must work did not. */
static gboolean turn(struct sweep *s, struct inject_turn *t, gboolean *whole, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean recovered, ok = inject_turn(&s->in, t, &local);

	run_settle(s->in.run);
	if (!run_survive(s->in.run, ok, &local, &s->in.go_on, &recovered, error))
		return FALSE;
	*whole = !recovered && t->usable && s->in.go_on;
	if (recovered)
		s->in.mounted = s->in.left_known = FALSE;
	else if (s->in.go_on && !t->usable && !make_sound(s, error))
		return FALSE;
	return TRUE;
}

/* Times and times again; what grows with each is left by the failure. */
static gboolean repeat(struct sweep *s, const struct inject_turn *suspected, GError **error)
{
	gboolean whole = TRUE;
	guint i;

	if (!inject_watch(&s->in, suspected, "before", error))
		return FALSE;
	for (i = 0; i < s->in.times && whole; i++) {
		struct inject_turn t = { .what = suspected->what, .nth = suspected->nth };

		if (!turn(s, &t, &whole, error))
			return FALSE;
	}
	return !whole || inject_watch(&s->in, suspected, "after", error);
}

/* Sites are asked for only now: their names take the agent half a second to read, after each load of a module. */
static gboolean confirm(struct sweep *s, const struct inject_turn *suspected, GError **error)
{
	return run_trace(s->in.run, VX_PROBES_CALLS, FALSE, error) && repeat(s, suspected, error) &&
	       (!s->in.go_on || run_trace(s->in.run, 0, FALSE, error));
}

static void tell_trouble(struct sweep *s, const struct inject_turn *t)
{
	const char *text = NULL;

	if (t->told && t->done.missing && !s->in.told_missing) {
		text = "not all of this kernel's allocators can be made to fail";
		s->in.told_missing = TRUE;
	} else if (t->told && t->done.hits && !t->done.took && !s->in.told_vain) {
		text = "a failure had no effect: something else hooks the same function";
		s->in.told_vain = TRUE;
	}
	if (text)
		s->in.run->req->progress.say(s->in.run->req->progress.ctx, text);
}

/* ---- an operation ------------------------------------------------------------------------------------- */

/* Twice, for the first fills caches. *good FALSE: it cannot be counted. */
static gboolean count(struct sweep *s, struct inject_turn *t, gboolean *good, GError **error)
{
	guint i;

	*good = TRUE;
	for (i = 0; i < 2 && *good; i++) {
		*t = (struct inject_turn){ .what = VX_INJECT_ALL };
		if (!turn(s, t, good, error))
			return FALSE;
		*good = *good && t->told;
	}
	if (!*good || t->grown <= 0)
		return TRUE;
	/* It gives something to others, or leaks without any failure: that is no error path's. */
	s->ordinary = t->grown;
	return confirm(s, t, error);
}

/* Nothing was tested then, and that must not look like success. */
static void tell_unavailable(struct sweep *s, const char *why)
{
	if (s->unavailable)
		return;
	s->unavailable = TRUE;
	note(s, json_pack("{s:s, s:s, s:s}", "do", "inject", "event", "unavailable", "why", why));
	s->in.run->req->progress.say(s->in.run->req->progress.ctx, why);
}

static gboolean fail_one(struct sweep *s, guint32 what, guint64 nth, GError **error)
{
	struct inject_turn t = { .what = what, .nth = nth };
	gboolean whole;

	if (!turn(s, &t, &whole, error))
		return FALSE;
	tell_trouble(s, &t);
	if (whole && t.told && t.done.took && t.grown > s->ordinary)
		return confirm(s, &t, error);
	return TRUE;
}

/* All of one kind. *enough TRUE: the operation's turn is over. */
static gboolean fail_all(struct sweep *s, guint32 what, guint64 of, gboolean *enough, GError **error)
{
	struct run *run = s->in.run;
	g_autoptr(GArray) plan = inject_plan(of, s->args->max, run_seed(run, s->in.op->name, what));
	guint i;

	for (i = 0; i < plan->len && s->in.go_on && !*enough && g_get_monotonic_time() < s->until; i++) {
		const guint64 nth = g_array_index(plan, guint64, i);
		g_autofree char *text = g_strdup_printf("%s: %s of %" G_GUINT64_FORMAT " fails, number %" G_GUINT64_FORMAT,
							s->in.op->name, vx_inject_words(what), of, nth);

		run->req->progress.tick(run->req->progress.ctx, text, i + 1, plan->len);
		if (!fail_one(s, what, nth, error))
			return FALSE;
		*enough = is_enough(s);
	}
	s->left_out += of - i;
	note(s, json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:I}", "do", "inject", "event", "sweep", "operation",
			  s->in.op->name, "what", (int)what, "of", (json_int_t)of, "failed", (int)i, "left_out",
			  (json_int_t)(of - i)));
	return TRUE;
}

static gboolean one_operation(struct sweep *s, const struct inject_op *op, GError **error)
{
	struct run *run = s->in.run;
	struct inject_turn counted;
	gboolean good, enough = FALSE;
	g_autofree char *text = NULL;
	guint kind;

	s->in.op = op;
	s->from = journal_findings(run->journal)->len;
	s->ordinary = 0;
	note(s, json_pack("{s:s, s:s, s:s}", "do", "inject", "event", "operation", "operation", op->name));
	if (!count(s, &counted, &good, error))
		return FALSE;
	if (!good) {
		journal_log(run->journal, "inject: %s does not even work without a failure", op->name);
		if (counted.asked && !counted.told)
			tell_unavailable(s, "no failure can be injected: vexprobe.ko is not in the guest, or cannot hook its kernel");
		return TRUE;
	}
	text = g_strdup_printf("%s: %" G_GUINT64_FORMAT " allocations, %" G_GUINT64_FORMAT " reads, %" G_GUINT64_FORMAT
			       " writes, %" G_GUINT64_FORMAT " flushes", op->name, (guint64)counted.done.counts[0],
			       (guint64)counted.done.counts[1], (guint64)counted.done.counts[2],
			       (guint64)counted.done.counts[3]);
	run->req->progress.say(run->req->progress.ctx, text);
	for (kind = 0; kind < VX_INJECT_KINDS && s->in.go_on && !enough; kind++)
		if (s->what & 1u << kind && counted.done.counts[kind] &&
		    !fail_all(s, 1u << kind, counted.done.counts[kind], &enough, error))
			return FALSE;
	return TRUE;
}

/* ---- the part ------------------------------------------------------------------------------------------ */

static gboolean is_left_out(const struct sweep *s, const struct inject_op *op)
{
	const char *const *lacks = (const char *const *)s->in.run->req->target->unsupported;

	if (op->kind == INJECT_LOAD)
		return !s->in.run->built || s->in.run->built->nmodules != 1;
	return lacks && g_strv_contains(lacks, op->name);
}

/* Is what is written there after a new mount? A filesystem in memory has nothing to compare. */
static gboolean learn_persistence(struct sweep *s, GError **error)
{
	static const struct inject_op keep = { "write-fsync", INJECT_KEEP };
	struct inject_turn t = { .what = VX_INJECT_ALL };
	gboolean whole;

	s->in.op = &keep;
	s->in.persistent = TRUE;
	if (!turn(s, &t, &whole, error))
		return FALSE;
	s->in.persistent = whole;
	note(s, json_pack("{s:s, s:s, s:b}", "do", "inject", "event", "persistent", "is", (int)whole));
	return TRUE;
}

static void tell_end(struct sweep *s, gint64 began)
{
	struct run *run = s->in.run;
	const double seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT " failures in %.1f s (%.1f a second), %" G_GUINT64_FORMAT
						" places left out", s->in.injected, seconds,
						(double)s->in.injected / MAX(seconds, 0.001), s->left_out);

	note(s, json_pack("{s:s, s:s, s:I, s:I, s:f}", "do", "inject", "event", "end", "failures",
			  (json_int_t)s->in.injected, "left_out", (json_int_t)s->left_out, "seconds", seconds));
	run->req->progress.say(run->req->progress.ctx, text);
}

static gboolean all_operations(struct sweep *s, const GArray *ops, GError **error)
{
	guint i;

	s->in.run->recoveries_more += TURNS_A_CRASH * ops->len;
	if (s->in.go_on && !learn_persistence(s, error))
		return FALSE;
	for (i = 0; i < ops->len && s->in.go_on; i++) {
		const struct inject_op *op = &g_array_index(ops, struct inject_op, i);

		if (!is_left_out(s, op) && !one_operation(s, op, error))
			return FALSE;
	}
	s->in.op = NULL;
	return TRUE;
}

static gboolean inject_run(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct sweep s = { .in = { .run = run, .go_on = TRUE }, .args = args };
	g_autoptr(GArray) ops = g_array_new(FALSE, FALSE, sizeof(struct inject_op));
	const struct vx_req_trace traced = run->traced;
	const gint64 began = g_get_monotonic_time();
	const gboolean bound = run->bind_calls;
	gboolean usable;

	s.in.times = s.args->times;
	s.until = began + s.args->seconds * G_USEC_PER_SEC;
	if (!read_what(&s, error) || !read_operations(&s, ops, error) || !inject_begin(&s.in, &usable, error))
		return FALSE;
	s.in.go_on = usable;
	if (!all_operations(&s, ops, error))
		return FALSE;
	tell_end(&s, began);
	*go_on = s.in.go_on;
	run->bind_calls = bound;
	return !s.in.go_on || (inject_end(&s.in, error) && run_trace(run, traced.groups, FALSE, error));
}

const struct part part_inject = {
	.name = "inject",
	.description = "each allocation, read, write and flush of an operation fails once: crashes, hangs, leaks, lies",
	.fields = fields,
	.defaults = &defaults,
	.size = sizeof(struct inject_args),
	.run = inject_run,
};
