// SPDX-License-Identifier: GPL-2.0
/*
 * locks: what the target does with locks, and what happens when threads meet. First ordinary work by one thread, with
 * its locks recorded, which shows orders and long holds; then rounds of concurrent work, each by a seed of its own and, but
 * for the first, with delays at the target's functions by that seed, until the outcome is another: a crash, wrong content, a
 * hang. What a round has shown is done again, to tell how often it shows.
 */
#include <string.h>
#include <vexlab/locks.h>

#include "error.h"
#include "part.h"

#define THREADS		4
#define DEADLINE_MS	20000u	/* beyond the work itself: threads that hang do so for ever */
#define MOUNTS_MS	300
#define PERMILLE	400	/* of the calls at a place that a seed has chosen */

struct locks_args {
	guint rounds, ms, seconds, hold_ms, replays, delay_us;
	gboolean delays, mounts, cost;
};

static const struct locks_args defaults = {
	.rounds = 8, .ms = 1000, .seconds = 30, .hold_ms = 30, .replays = 3, .delay_us = 1500, .delays = TRUE, .mounts = TRUE,
};

#define AT(field)	offsetof(struct locks_args, field)
static const struct yaml_field fields[] = {
	{ .key = "rounds", .kind = YAML_UINT, .offset = AT(rounds), .min = 0, .max = 10000,
	  .help = "of concurrent work, each by another seed" },
	{ .key = "ms", .kind = YAML_UINT, .offset = AT(ms), .min = 50, .max = 30000, .unit = "ms",
	  .help = "of concurrent work in a round" },
	{ .key = "seconds", .kind = YAML_UINT, .offset = AT(seconds), .min = 1, .max = 86400, .unit = "s",
	  .help = "no round begins later than that" },
	{ .key = "hold-ms", .kind = YAML_UINT, .offset = AT(hold_ms), .min = 1, .max = 60000, .unit = "ms",
	  .help = "a lock that is held longer, asleep, is held too long" },
	{ .key = "delays", .kind = YAML_BOOL, .offset = AT(delays),
	  .help = "delays at the target's functions and locks, from the second round on" },
	{ .key = "delay-us", .kind = YAML_UINT, .offset = AT(delay_us), .min = 1, .max = VX_DELAY_MAX_US, .unit = "us",
	  .help = "the longest of them" },
	{ .key = "replays", .kind = YAML_UINT, .offset = AT(replays), .min = 0, .max = 100,
	  .help = "of a round that has shown something, by the same seed" },
	{ .key = "mounts", .kind = YAML_BOOL, .offset = AT(mounts), .help = "mounts in parallel, too" },
	{ .key = "cost", .kind = YAML_BOOL, .offset = AT(cost), .help = "tell what recording costs, first" },
	{ .key = NULL },
};

struct locks {
	struct run *run;
	const struct locks_args *args;
	enum vx_locks_source source;	/* OFF: the guest has no vexprobe */
	gboolean go_on, mounted, recording;
	gint64 until;
	guint rounds, shown;		/* done; those whose outcome was another */
};

static void say(const struct locks *l, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(const struct locks *l, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	l->run->req->progress.say(l->run->req->progress.ctx, text);
	journal_log(l->run->journal, "%s", text);
}

/* ---- steps --------------------------------------------------------------------------------- */

static gboolean is_hurt(const struct locks *l)
{
	return run_guest_is_hurt(l->run);
}

static gboolean locks_step(struct locks *l, enum vx_locks_do what, const char *name, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_LOCKS, .kind = what == VX_LOCKS_READ ? "locks" : "other", .name = name,
		.num = { what, l->source, (gint64)l->args->hold_ms * 1000000 },
	};
	enum step_outcome outcome = STEP_OK;

	if (l->source == VX_LOCKS_OFF)
		return TRUE;
	if (!run_step(l->run, &spec, &outcome, NULL, error))
		return FALSE;
	if (outcome == STEP_OK)
		return TRUE;
	/* What else there is to see is seen without. */
	say(l, "locks cannot be recorded in this guest (%s)", name);
	l->source = VX_LOCKS_OFF;
	return TRUE;
}

static gboolean start(struct locks *l, GError **error)
{
	l->recording = TRUE;
	return locks_step(l, VX_LOCKS_START, "record locks", error);
}

static gboolean stop(struct locks *l, GError **error)
{
	if (!l->recording)
		return TRUE;
	l->recording = FALSE;
	return locks_step(l, VX_LOCKS_READ, "locks", error) && locks_step(l, VX_LOCKS_STOP, "record locks no more", error);
}

/* Of a pair of lock and unlock: nobody else's are recorded meanwhile. */
static gboolean tell_cost(struct locks *l, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_LOCKS, .kind = "other", .name = "what a lock costs", .num = { VX_LOCKS_COST }, .may_fail = TRUE,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!l->args->cost || l->source == VX_LOCKS_OFF || is_hurt(l))
		return TRUE;
	if (!start(l, error) || !run_step(l->run, &spec, &outcome, &res, error))
		return FALSE;
	l->recording = FALSE;
	g_strchomp(res.output);
	say(l, "ns of a lock and an unlock: %s", res.output);
	return locks_step(l, VX_LOCKS_STOP, "record locks no more", error);
}

/* `seed` 0: none any more. */
static gboolean delays(struct locks *l, guint64 seed, GError **error)
{
	g_autofree char *prefix = g_strdup_printf("%s_", l->run->fstype);
	const char *module = l->run->loaded->len ?
		g_ptr_array_index(l->run->loaded, l->run->loaded->len - 1) :
		l->run->req->target->module == TARGET_MODPROBE ? l->run->req->target->module_name : "-";
	const char *strings[] = { module, prefix, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_DELAYS, .kind = "other", .name = seed ? "delay the target" : "delay it no more",
		.strings = strings, .may_fail = TRUE,
		/* All of them together: as long as the work itself for each thread. */
		.num = { (gint64)(seed >> 1), seed ? l->args->delay_us : 0, seed ? PERMILLE : 0,
			 (gint64)l->args->ms * 1000 * THREADS },
	};
	enum step_outcome outcome;

	return l->source == VX_LOCKS_OFF || run_step(l->run, &spec, &outcome, NULL, error);
}

static gboolean work(struct locks *l, guint64 seed, enum vx_races what, GError **error)
{
	const char *options = l->run->req->mount_options ?: l->run->req->target->mount_options;
	g_autofree char *second = g_strconcat(l->run->mountpoint, ".races", NULL);
	const char *strings[] = { l->run->mountpoint, l->args->mounts ? second : "", l->run->device, l->run->fstype,
				  options ?: "", NULL };
	const guint ms = what == VX_RACES_MOUNTS ? MOUNTS_MS : l->args->ms;
	const struct step_spec spec = {
		.op = VX_STEP_RACES, .kind = "fileop", .on_target = TRUE, .strings = strings,
		.name = what == VX_RACES_MOUNTS ? "concurrent mounts" : "concurrent work",
		.num = { (gint64)(seed >> 1), ms, THREADS, what }, .deadline_ms = ms + DEADLINE_MS,
	};
	enum step_outcome outcome;

	return run_step(l->run, &spec, &outcome, NULL, error);
}

static gboolean mount_it(struct locks *l, GError **error)
{
	enum step_outcome outcome;

	l->run->cycle++;
	if (!run_mount(l->run, &outcome, error))
		return FALSE;
	l->mounted = outcome == STEP_OK;
	return TRUE;
}

static gboolean unmount(struct locks *l, GError **error)
{
	enum step_outcome outcome;

	if (!l->mounted || run_guest_is_hurt(l->run))
		return TRUE;
	if (!run_umount(l->run, &outcome, error))
		return FALSE;
	l->mounted = outcome != STEP_OK;
	return TRUE;
}

/* ---- one after the other ----------------------------------------------------------------------- */

/* FALSE: the run ends. A guest that was put back records nothing, and has it not mounted. */
static gboolean survive(struct locks *l, gboolean ok, GError **local, GError **error)
{
	gboolean recovered;

	run_settle(l->run);
	if (!run_survive(l->run, ok, local, &l->go_on, &recovered, error))
		return FALSE;
	if (recovered)
		l->recording = l->mounted = FALSE;
	return TRUE;
}

static gboolean plain_steps(struct locks *l, GError **error)
{
	enum step_outcome outcome;

	if (!start(l, error) || !mount_it(l, error))
		return FALSE;
	if (l->mounted && !is_hurt(l) && !run_file_work(l->run, &outcome, error))
		return FALSE;
	return is_hurt(l) || (unmount(l, error) && (is_hurt(l) || stop(l, error)));
}

static gboolean round_steps(struct locks *l, guint64 seed, gboolean delayed, GError **error)
{
	/* Choosing functions takes locks, which are nobody's here. */
	if ((delayed && !delays(l, seed, error)) || !start(l, error) || !mount_it(l, error))
		return FALSE;
	if (l->mounted && !is_hurt(l) && !work(l, seed, VX_RACES_FILES, error))
		return FALSE;
	if (is_hurt(l) || !unmount(l, error))
		return is_hurt(l);
	if (!l->mounted && l->args->mounts && !is_hurt(l) && !work(l, seed, VX_RACES_MOUNTS, error))
		return FALSE;
	return is_hurt(l) || ((!delayed || delays(l, 0, error)) && stop(l, error));
}

/* What is found by looking at the locks is no other outcome: it was there all the time. */
static const struct finding *outcome_since(const struct locks *l, guint from)
{
	const GPtrArray *findings = journal_findings(l->run->journal);
	const struct finding *worst = NULL;
	guint i;

	for (i = from; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding->noise || finding->class == FINDING_LOCKING ||
		    finding_concern(finding->class) == CONCERN_PERFORMANCE)
			continue;
		if (!worst || (finding_hurts(finding) && !finding_hurts(worst)))
			worst = finding;
	}
	return worst;
}

/* *title: of what it has shown, NULL: nothing. Caller frees. */
static gboolean one_round(struct locks *l, guint64 seed, gboolean delayed, char **title, GError **error)
{
	const guint from = journal_findings(l->run->journal)->len;
	const struct finding *finding;
	g_autoptr(GError) local = NULL;
	gboolean ok = round_steps(l, seed, delayed, &local);

	run_settle(l->run);
	finding = outcome_since(l, from);
	*title = finding ? g_strdup(finding->title) : !ok && g_error_matches(local, SESSION_ERROR, SESSION_LOST) ?
		 g_strdup("the guest was lost") : NULL;
	if (!survive(l, ok, &local, error))
		return FALSE;
	if (l->mounted && l->go_on) {
		l->mounted = FALSE;
		return run_put_back(l->run, "it cannot be unmounted", &l->go_on, error);
	}
	return TRUE;
}

static void note_round(const struct locks *l, guint64 seed, gboolean delayed, const char *title, guint seen, guint tries)
{
	journal_json(l->run->journal, VX_REC_VM,
		     json_pack("{s:s, s:I, s:b, s:s?, s:i, s:i, s:i, s:i}", "event", "race", "seed", (json_int_t)(seed >> 1),
			       "delayed", (int)delayed, "title", title, "rounds", (int)l->rounds, "shown", (int)l->shown,
			       "seen", (int)seen, "tries", (int)tries));
}

/* The same seed again: does it show again? */
static gboolean again(struct locks *l, guint64 seed, gboolean delayed, const char *title, GError **error)
{
	guint seen = 0, i;

	for (i = 0; i < l->args->replays && l->go_on; i++) {
		g_autofree char *now = NULL;

		if (!one_round(l, seed, delayed, &now, error))
			return FALSE;
		seen += now && !strcmp(now, title);
	}
	note_round(l, seed, delayed, title, seen, i);
	say(l, "%s: in round %u%s; again in %u of %u by the same seed", title, l->rounds,
	    delayed ? ", with delays" : "", seen, i);
	return TRUE;
}

static gboolean rounds(struct locks *l, GError **error)
{
	while (l->go_on && !l->shown && l->rounds < l->args->rounds && g_get_monotonic_time() < l->until) {
		const guint64 seed = run_seed(l->run, "locks", l->rounds) | 2;
		const gboolean delayed = l->args->delays && l->rounds;
		g_autofree char *title = NULL;

		l->run->req->progress.tick(l->run->req->progress.ctx, "concurrent work", l->rounds + 1, l->args->rounds);
		if (!one_round(l, seed, delayed, &title, error))
			return FALSE;
		l->rounds++;
		l->shown += title != NULL;
		if (title && !again(l, seed, delayed, title, error))
			return FALSE;
		if (!title)
			note_round(l, seed, delayed, NULL, 0, 0);
	}
	return TRUE;
}

/* ---- the part -------------------------------------------------------------------------------------- */

static gboolean has_probe(const struct locks *l, gboolean *ret, GError **error)
{
	const char *strings[] = { "/proc/modules", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_READ, .kind = "other", .name = "read /proc/modules", .strings = strings, .may_fail = TRUE,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(l->run, &spec, &outcome, &res, error))
		return FALSE;
	*ret = outcome == STEP_OK && (g_str_has_prefix(res.output, "vexprobe ") || strstr(res.output, "\nvexprobe "));
	return TRUE;
}

/* A module of ours is loaded anew, its calls bound; of others the kernel's functions are probed. */
static gboolean choose_source(struct locks *l, GError **error)
{
	enum step_outcome outcome;
	gboolean probe, usable = TRUE;

	if (!has_probe(l, &probe, error))
		return FALSE;
	l->source = !probe ? VX_LOCKS_OFF : l->run->built ? VX_LOCKS_WRAPPED : VX_LOCKS_PROBED;
	if (!probe)
		say(l, "the guest has no vexprobe: locks are not recorded, and nothing is delayed");
	if (l->source != VX_LOCKS_WRAPPED || l->run->bind_calls)
		return TRUE;
	l->run->bind_calls = TRUE;
	if (!run_unload(l->run, &outcome, error))
		return FALSE;
	if (outcome == STEP_OK && !is_hurt(l) && !run_load(l->run, &usable, error))
		return FALSE;
	l->go_on = usable && outcome == STEP_OK && !is_hurt(l);
	return TRUE;
}

static gboolean locks_run(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct locks l = { .run = run, .args = args, .go_on = TRUE };
	g_autoptr(GError) local = NULL;
	gboolean ok;

	l.until = g_get_monotonic_time() + (gint64)l.args->seconds * G_USEC_PER_SEC;
	run->recoveries_more += (1 + l.args->replays) * 2 + 2;
	ok = choose_source(&l, &local) && tell_cost(&l, &local) && (!l.go_on || plain_steps(&l, &local));
	if (!survive(&l, ok, &local, error))
		return FALSE;
	if (l.go_on && !rounds(&l, error))
		return FALSE;
	*go_on = l.go_on;
	return TRUE;
}

const struct part part_locks = {
	.name = "locks",
	.description = "locks of the target: order, holding, waiting; concurrent work, with delays that widen races",
	.fields = fields,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.run = locks_run,
};
