// SPDX-License-Identifier: GPL-2.0
/*
 * leak-hunt: load, format, (mount, work, unmount) x N, unload, x M, with a look at what is outstanding now and
 * then. A module of ours is first followed by its own calls of allocators, which costs nobody else anything;
 * what that suspects is confirmed or acquitted by rounds in which every free is seen. A target that cannot be
 * loaded so is traced from the start; one that cannot be unloaded is judged by growth. Rounds end early when more of
 * the same would tell nothing new.
 */
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "leak_hunt.h"

#define CONFIRM_MIN	10u		/* cycles of a round that confirms */
#define DECIDED_MIN	5u		/* of them, before objects in hand end it */
#define BUDGET		5u		/* times the cycles, and the rounds, that were asked for */
#define WAYS_AFTER	5u		/* ordinary cycles before the first error */
#define WAY_TIMES	2u		/* each, a round */
#define FAILURES_MAX	3u		/* cycles in a row, then more of the same proves nothing */
#define ENOUGH		0.999		/* confidence of growth that ends the hunt */

static const char *source_word(enum vx_alloc_source source)
{
	return source == VX_ALLOCS_CALLS ? "calls" : "traced";
}

static guint32 groups_of(const struct hunt *h)
{
	return h->source == VX_ALLOCS_CALLS ? VX_PROBES_CALLS : h->can_trace ? VX_PROBES_ALLOC : 0;
}

static struct leaks_status status_of(const struct hunt *h)
{
	return leaks_status(journal_leaks(h->run->journal));
}

static void note(struct hunt *h, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(h->run->journal, "%s", text);
	journal_json(h->run->journal, VX_REC_REQUEST, json);
}

/* The guest lives and is unharmed, or is put back: then the round goes on, counting from zero. FALSE: the run ends. */
static gboolean survive(struct hunt *h, gboolean ok, GError **local, gboolean *recovered, GError **error)
{
	run_settle(h->run);
	if (!run_survive(h->run, ok, local, &h->go_on, recovered, error))
		return FALSE;
	if (!*recovered)
		return TRUE;
	h->mounted = FALSE;
	/* The point that it came back to may have been made in a round that traced otherwise. */
	return run_trace(h->run, groups_of(h), TRUE, error);
}

/* ---- a round ------------------------------------------------------------------------------------ */

/* Dense at first, then twelve times and more, so that growth can be told from noise. */
static gboolean is_checkpoint(guint i, guint n)
{
	return i <= 3 || i == 5 || i == 7 || i == 10 || i == 15 || i == n || !(i % MAX(n / 10, 5));
}

static gboolean checkpoint(struct hunt *h, const char *after, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok = hunt_checkpoint(h, after, &local), recovered;

	return survive(h, ok, &local, &recovered, error);
}

/* Each error path, and an ordinary cycle after it: what it has broken shows there. */
static gboolean ways(struct hunt *h, GError **error)
{
	enum leak_way way;
	guint i;

	for (way = LEAK_WAY_ORDINARY + 1; way < LEAK_WAYS; way++) {
		for (i = 0; i < WAY_TIMES && h->go_on && !h->mounted && !(h->crashed & 1u << way); i++) {
			g_autofree char *text = g_strdup_printf("round %u, %s", h->round, leak_way_words(way));
			g_autoptr(GError) local = NULL;
			gboolean good = TRUE, recovered, ok;

			h->run->req->progress.tick(h->run->req->progress.ctx, text, 0, 0);
			ok = hunt_way(h, way, &local) && (run_guest_is_hurt(h->run) || hunt_cycle(h, &good, &local));
			if (!survive(h, ok, &local, &recovered, error))
				return FALSE;
			if (recovered)
				h->crashed |= 1u << way;
		}
		if (h->go_on && !checkpoint(h, "unmount", error))
			return FALSE;
	}
	return TRUE;
}

/* Nothing is gained by more cycles before the unload. */
static gboolean is_decided(const struct hunt *h, guint i, guint n)
{
	const struct leaks_status status = status_of(h);

	if (i < DECIDED_MIN || i < WAYS_AFTER)
		return FALSE;
	if (h->source == VX_ALLOCS_CALLS)
		return status.calls_growing > 0 && i >= CONFIRM_MIN;
	if (!h->unloads)
		return status.grows && !status.suspected && status.least >= ENOUGH;
	return status.suspected && status.outstanding == status.suspected;
}

static void tell_cycle(struct hunt *h, guint i, guint n)
{
	const struct leaks_status status = status_of(h);
	g_autofree char *text =
		g_strdup_printf("round %u (%s), cycle %u of %u: %u leaks, %u suspected", h->round,
				source_word(h->source), i, n, status.found + status.grows, status.suspected);

	h->run->req->progress.tick(h->run->req->progress.ctx, text, i, n);
}

static gboolean cycles(struct hunt *h, guint n, GError **error)
{
	guint i;

	for (i = 1; i <= n && h->go_on; i++) {
		g_autoptr(GError) local = NULL;
		gboolean good = FALSE, recovered, ok;

		tell_cycle(h, i, n);
		ok = hunt_cycle(h, &good, &local);
		if (!survive(h, ok, &local, &recovered, error))
			return FALSE;
		h->failures = good || recovered ? 0 : h->failures + 1;
		if (h->failures >= FAILURES_MAX || (h->mounted && h->go_on)) {
			journal_log(h->run->journal,
				    "stopped in cycle %" G_GUINT64_FORMAT ": it fails, or cannot be unmounted",
				    h->run->cycle);
			h->go_on = FALSE;
			return TRUE;
		}
		if (h->go_on && is_checkpoint(i, n) && !checkpoint(h, "unmount", error))
			return FALSE;
		if (h->go_on && i == MIN(WAYS_AFTER, n) && !ways(h, error))
			return FALSE;
		if (is_checkpoint(i, n) && is_decided(h, i, n))
			break;
	}
	return TRUE;
}

/* *out FALSE: it stays loaded. */
static gboolean unload(struct hunt *h, gboolean *out, GError **error)
{
	const struct target *target = h->run->req->target;
	enum step_outcome outcome = STEP_FAILED;
	gboolean there = FALSE;

	*out = FALSE;
	if (target->module == TARGET_SOURCE) {
		there = h->run->loaded->len > 0;
		if (there && !run_unload(h->run, &outcome, error))
			return FALSE;
	} else if (target->module == TARGET_MODPROBE && h->unloads) {
		if (!hunt_has_module(h, target->module_name, &there, error) ||
		    (there && !hunt_remove_modprobed(h, &outcome, error)))
			return FALSE;
	}
	*out = there && outcome == STEP_OK;
	return TRUE;
}

/*
 * What one load leaves behind the next may take the place of, as a name that is made anew: it is no leak, and looks like one
 * as long as each round has one load, and forgets the rounds before.
 */
static gboolean load_again(struct hunt *h, gboolean *out, GError **error)
{
	gboolean usable = TRUE;

	*out = FALSE;
	if (!run_load(h->run, &usable, error))
		return FALSE;
	h->go_on = h->go_on && usable;
	return !usable || (run_trace(h->run, groups_of(h), FALSE, error) && unload(h, out, error));
}

static gboolean round_ends_again(struct hunt *h, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean out = FALSE, recovered, ok;

	if (h->source != VX_ALLOCS_TRACED || !status_of(h).suspected)
		return TRUE;
	ok = load_again(h, &out, &local);
	if (!survive(h, ok, &local, &recovered, error))
		return FALSE;
	return !h->go_on || recovered || !out || checkpoint(h, "unload", error);
}

/* What the target has is gone, or it cannot be unloaded: then no later round tries. */
static gboolean round_ends(struct hunt *h, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean out = FALSE, recovered, ok = unload(h, &out, &local);

	if (!survive(h, ok, &local, &recovered, error))
		return FALSE;
	if (!h->go_on || recovered)
		return TRUE;
	h->unloads = out;
	h->under_way = h->under_way && !out;
	if (!out)
		return TRUE;
	return checkpoint(h, "unload", error) && (!h->go_on || round_ends_again(h, error));
}

/* A guest that was put back has it loaded, perhaps as another round wants it. */
static gboolean round_begins(struct hunt *h, const char *why, GError **error)
{
	const guint32 groups = groups_of(h);
	const gboolean of_ours = h->run->req->target->module == TARGET_SOURCE;
	enum step_outcome outcome;
	gboolean usable = TRUE;

	h->run->bind_calls = h->source == VX_ALLOCS_CALLS;
	if (of_ours && h->unloads && h->run->loaded->len && !run_unload(h->run, &outcome, error))
		return FALSE;
	if (!run_trace(h->run, groups, TRUE, error))
		return FALSE;
	note(h, json_pack("{s:s, s:s, s:i, s:s, s:s}", "do", "leak", "event", "leak-round", "round", (int)h->round,
			  "source", source_word(h->source), "why", why));
	if ((!of_ours || !h->run->loaded->len) && !run_load(h->run, &usable, error))
		return FALSE;
	/* Only now its text is there, and what its type is called. */
	if (usable && groups && !run_trace(h->run, groups, FALSE, error))
		return FALSE;
	if (usable && h->run->req->target->module == TARGET_MODPROBE &&
	    !hunt_has_module(h, h->run->req->target->module_name, &h->unloads, error))
		return FALSE;
	if (usable && !run_format(h->run, &usable, error))
		return FALSE;
	h->under_way = usable && groups & VX_PROBES_ALLOC;
	h->run->stage = usable ? RUN_FORMATTED : h->run->stage;
	h->go_on = h->go_on && usable;
	return TRUE;
}

static gboolean one_round(struct hunt *h, guint n, const char *why, GError **error)
{
	g_autofree char *text =
		g_strdup_printf("round %u, at most %u cycles, %s: %s", ++h->round, n,
				h->source == VX_ALLOCS_CALLS ? "by the module's own calls" : "traced", why);
	g_autoptr(GError) local = NULL;
	gboolean ok, recovered;

	h->run->req->progress.say(h->run->req->progress.ctx, text);
	h->run->phase = "hunt";
	ok = h->under_way || round_begins(h, why, &local);
	if (!survive(h, ok, &local, &recovered, error))
		return FALSE;
	return !h->go_on || (cycles(h, n, error) && (!h->go_on || round_ends(h, error)));
}

/* ---- the hunt -------------------------------------------------------------------------------------- */

/* Its own calls can be followed: it is a module from source, and vexprobe is in the guest. */
static gboolean choose_source(struct hunt *h, GError **error)
{
	gboolean probe = FALSE;

	h->source = VX_ALLOCS_TRACED;
	if (!h->run->built || !session_probe(h->run->session))
		return TRUE;
	if (!hunt_has_module(h, "vexprobe", &probe, error))
		return FALSE;
	h->source = probe ? VX_ALLOCS_CALLS : VX_ALLOCS_TRACED;
	return TRUE;
}

static void verdict(struct hunt *h, const char *why)
{
	const struct leaks_status status = status_of(h);
	g_autofree char *text =
		g_strdup_printf("%s after %" G_GUINT64_FORMAT " cycles in %u rounds", why, h->done, h->round);

	note(h, json_pack("{s:s, s:s, s:s, s:i, s:I, s:i, s:i, s:b}", "do", "leak", "event", "leak-verdict",
			  "why", text, "rounds", (int)h->round, "cycles", (json_int_t)h->done,
			  "leaks", (int)(status.found + status.grows), "suspected", (int)status.suspected,
			  "unloaded", (int)h->unloads));
	h->run->req->progress.say(h->run->req->progress.ctx, text);
}

/* How many cycles the next round takes, and why; 0: none. `end`: why not. */
static guint next_round(const struct hunt *h, const char **why, const char **end)
{
	const struct leaks_status status = status_of(h);
	const guint64 budget = (guint64)h->cycles * BUDGET;
	const gboolean swept = h->source == VX_ALLOCS_TRACED;

	*end = status.found || status.grows ? "certain" :
	       status.told ? "nothing leaks, as far as it was looked" : "not judged";
	if (!h->go_on) {
		*end = "it cannot go on";
	} else if (status.suspected) {
		*why = "to confirm or acquit what is suspected";
		if (h->can_trace && h->done < budget && h->round < h->rounds * BUDGET)
			return (guint)CLAMP(status.more, CONFIRM_MIN, budget - h->done);
		*end = status.found || status.grows ? "certain, but not of all that is suspected" :
		       "suspected, not confirmed";
	} else if (!status.found && !status.grows) {
		*why = swept ? "once more" : "for what its own calls do not show";
		if (h->can_trace && (!swept || (h->unloads && h->round < h->rounds)))
			return h->cycles;	/* what the kernel makes for it may be as rare as what it makes itself */
	}
	return 0;
}

static gboolean rounds(struct hunt *h, GError **error)
{
	const char *why = "what is left, and what grows", *end = NULL;
	guint n = h->cycles;

	do {
		if (!one_round(h, n, why, error))
			return FALSE;
		n = next_round(h, &why, &end);
		h->source = VX_ALLOCS_TRACED;
	} while (n);
	verdict(h, end);
	return TRUE;
}

struct hunt_args {
	guint cycles, rounds;		/* 0: as the settings say */
};

static const struct yaml_field fields[] = {
	{ .key = "cycles", .kind = YAML_UINT, .offset = offsetof(struct hunt_args, cycles), .max = 1000000 },
	{ .key = "rounds", .kind = YAML_UINT, .offset = offsetof(struct hunt_args, rounds), .max = 1000 },
	{ 0 },
};

static const struct hunt_args defaults = { 0 };

/* A scenario that has done something before has it loaded, and its points are of another binding. */
static gboolean begin(struct hunt *h, GError **error)
{
	enum step_outcome outcome = STEP_OK;

	h->run->has_point = FALSE;
	return !h->run->loaded->len || h->run->req->target->module != TARGET_SOURCE || run_unload(h->run, &outcome, error);
}

/* What comes after it loads and formats anew. */
static void end(struct hunt *h, gboolean *go_on)
{
	h->run->has_point = FALSE;
	h->run->bind_calls = FALSE;
	h->run->stage = RUN_BOOTED;
	*go_on = h->go_on;
}

static gboolean leak_hunt(struct run *run, const void *given, gboolean *go_on, GError **error)
{
	const struct hunt_args *args = given;
	struct hunt h = { .run = run, .go_on = TRUE, .unloads = run->req->target->module != TARGET_BUILTIN };

	h.can_trace = !run->req->no_trace;
	h.cycles = args->cycles ?: run->req->config->cycles;
	h.rounds = args->rounds ?: run->req->config->rounds;
	if (!begin(&h, error) || !choose_source(&h, error))
		return FALSE;
	run->phase = "hunt";
	/* Before anything of it was there: only of a module of ours is that known. */
	if (run->req->target->module == TARGET_SOURCE && !hunt_resources(&h, "resources at the start", error))
		return FALSE;
	if (!rounds(&h, error))
		return FALSE;
	run->phase = "flush";
	end(&h, go_on);
	return !h.go_on || session_flush(run->session, error);
}

const struct part part_leak_hunt = {
	.name = "leak-hunt",
	.description = "load, mount, work, unmount, unload, error paths too: what is not given back, by which line",
	.fields = fields, .defaults = &defaults, .size = sizeof(defaults),
	.run = leak_hunt, .own_trace = TRUE,
};
