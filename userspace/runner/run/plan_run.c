// SPDX-License-Identifier: GPL-2.0
/*
 * A scenario file, step by step. A step that fails ends the list of steps it stands in, and what that list had mounted is
 * unmounted; on the top level the next step follows. After a crash the guest is as the set-up left it, mounted again if it
 * was before the step. What a step leads to is its outcome, for "when".
 */
#include <string.h>

#include "error.h"
#include "plan_run.h"

#define BAD_MAX		3u		/* repetitions in a row that fail, then more of the same proves nothing */
#define TITLES_TOLD	3u
#define WHERE_MAX	120

static gboolean do_steps(struct course *c, const GPtrArray *steps, enum plan_outcome *ret, GError **error);
static gboolean do_step(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error);

/* ---- the record ------------------------------------------------------------------------- */

static void note(struct course *c, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(c->run->journal, "%s", text);
	journal_json(c->run->journal, VX_REC_REQUEST, json);
}

/* `inner`: a step of its own name below the top level; NULL: back on it. */
static void note_where(struct course *c, const char *inner)
{
	g_autofree char *where = g_strdup_printf(inner ? "%s / %s" : "%s", c->top, inner);
	g_autofree char *cut = g_utf8_make_valid(where, (gssize)MIN(strlen(where), WHERE_MAX));

	note(c, json_pack("{s:s, s:s, s:s, s:i, s:i}", "do", "scenario", "event", "step", "where", cut, "n", (int)c->number,
			  "of", (int)c->of));
}

/* ---- time ---------------------------------------------------------------------------------------- */

static gboolean is_over(const struct course *c)
{
	return run_is_over(c->run);
}

/* The earlier one of what was and what the step says. Returns what was. */
static gint64 set_due(struct course *c, guint ms)
{
	const gint64 was = c->run->due_us, own = ms ? g_get_monotonic_time() + (gint64)ms * 1000 : 0;

	if (own && (!was || own < was))
		c->run->due_us = own;
	return was;
}

/* ---- surviving ------------------------------------------------------------------------------------ */

/* *outcome CRASHED: the guest was lost or hurt, and is back as the set-up left it, or c->go_on is FALSE. */
static gboolean survive(struct course *c, gboolean ok, GError **local, enum plan_outcome *outcome, GError **error)
{
	gboolean recovered, hurt;

	run_settle(c->run);
	hurt = !ok || run_guest_is_hurt(c->run);
	if (!run_survive(c->run, ok, local, &c->go_on, &recovered, error))
		return FALSE;
	if (recovered) {
		c->mounted = FALSE;
		c->untidy = FALSE;
	}
	if (hurt)
		*outcome = PLAN_CRASHED;
	return TRUE;
}

static gboolean put_back(struct course *c, const char *why, GError **error)
{
	c->mounted = FALSE;
	c->untidy = FALSE;
	return run_put_back(c->run, why, &c->go_on, error);
}

/* The guest as a step, or a list of them, found it; whatever it takes. */
static gboolean bring(struct course *c, gboolean mounted, GError **error)
{
	enum plan_outcome outcome = PLAN_OK;
	g_autoptr(GError) local = NULL;
	gboolean good = FALSE, ok;
	const gint64 due = c->run->due_us;

	if (c->untidy && c->go_on && !put_back(c, "what was done before cannot be undone", error))
		return FALSE;
	if (!c->go_on)
		return TRUE;
	c->run->due_us = 0;
	ok = state_bring(c, mounted, &good, &local);
	c->run->due_us = due;
	if (!survive(c, ok, &local, &outcome, error))
		return FALSE;
	if (!c->go_on || (good && outcome == PLAN_OK))
		return TRUE;
	if (outcome != PLAN_CRASHED && !put_back(c, "it cannot be brought to where it was", error))
		return FALSE;
	return TRUE;
}

/* ---- one word -------------------------------------------------------------------------------------- */

static gboolean trace(struct course *c, GError **error)
{
	if (c->traced)
		return TRUE;
	c->traced = TRUE;
	return run_trace(c->run, run_latency_probes(c->run), TRUE, error);
}

static gboolean do_action(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	enum step_outcome outcome = STEP_OK;
	g_autoptr(GError) local = NULL;
	gboolean ok = trace(c, &local) && (step->kind == PLAN_PARALLEL ? parallel_do(c, step, &outcome, &local) :
					   action_do(c, step, &outcome, &local));

	*ret = outcome == STEP_OK ? PLAN_OK : PLAN_FAILED;
	/* Its time is over before it could begin. */
	if (g_error_matches(local, SESSION_ERROR, SESSION_STOPPED) && !c->run->stop) {
		*ret = PLAN_OK;
		return TRUE;
	}
	return survive(c, ok, &local, ret, error);
}

static gboolean is_bad(const struct finding *finding)
{
	return finding_counts(finding) && finding_concern(finding->class) != CONCERN_PERFORMANCE && finding->blame != BLAME_ENVIRONMENT;
}

static guint count_bad(const struct course *c, guint from)
{
	const GPtrArray *findings = journal_findings(c->run->journal);
	guint n = 0;

	for (; from < findings->len; from++)
		n += is_bad(g_ptr_array_index(findings, from));
	return n;
}

/* TRUE with *over: a part that its time has ended is somewhere in the middle. */
static gboolean run_part(struct course *c, const struct part *part, const void *args, gboolean *over, gboolean *go_on,
			 GError **error)
{
	g_autoptr(GError) local = NULL;

	if (part_do(c->run, part, args, go_on, &local))
		return TRUE;
	*over = g_error_matches(local, SESSION_ERROR, SESSION_STOPPED) && !c->run->stop;
	if (*over)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gboolean do_part(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	const guint from = journal_findings(c->run->journal)->len, recoveries = c->run->recoveries;
	const struct part *part = step->word->part;
	const char *phase = c->run->phase;
	gboolean over = FALSE, go_on = TRUE, ok;
	g_autoptr(GError) local = NULL;

	if (!bring(c, FALSE, error))
		return FALSE;
	if (!c->go_on)
		return TRUE;
	ok = (part->own_trace || trace(c, &local)) && run_part(c, part, step->args, &over, &go_on, &local);
	c->run->phase = phase;
	c->traced = c->traced && !part->own_trace;
	if (!survive(c, ok, &local, ret, error))
		return FALSE;
	if (c->run->recoveries != recoveries)
		*ret = PLAN_CRASHED;
	else if (*ret == PLAN_OK && count_bad(c, from))
		*ret = PLAN_FAILED;
	if (!c->go_on || session_lost(c->run->session) || run_guest_is_hurt(c->run)) {
		c->go_on = FALSE;
		return TRUE;
	}
	/* It says that it could not go on, but the guest can. */
	c->untidy = c->untidy || over || !go_on;
	if (over) {
		/* Its time was the file's doing, and so is the way back. */
		c->run->recoveries_more++;
		/* A hunt that was cut may have loaded the module in its own way. */
		c->run->bind_calls = FALSE;
		c->run->has_point = FALSE;
	}
	return TRUE;
}

/* ---- many ------------------------------------------------------------------------------------------ */

static gboolean pause_between(struct course *c, const struct plan_step *step, guint i, gint64 began, GError **error)
{
	const gint64 spent = (g_get_monotonic_time() - began) / 1000;
	const double part = step->times > 1 ? (double)i / (step->times - 1) :
			    step->budget_ms ? MIN(1.0, (double)spent / step->budget_ms) : 0;
	const double ms = (double)step->pause_ms + ((double)step->last_pause_ms - (double)step->pause_ms) * part;
	const struct step_spec spec = {
		.op = VX_STEP_SLEEP, .kind = "other", .name = "pause", .num = { (gint64)(ms * 1e6) },
		.deadline_ms = (guint)ms + 10000,
	};
	enum step_outcome outcome;

	return ms < 1 || run_guest_is_hurt(c->run) || run_step(c->run, &spec, &outcome, NULL, error);
}

static gboolean take_pause(struct course *c, const struct plan_step *step, guint i, gint64 began, GError **error)
{
	enum plan_outcome outcome = PLAN_OK;
	g_autoptr(GError) local = NULL;
	gboolean ok = pause_between(c, step, i, began, &local);

	if (g_error_matches(local, SESSION_ERROR, SESSION_STOPPED) && !c->run->stop)
		return TRUE;
	return survive(c, ok, &local, &outcome, error);
}

/* Which of the step's, the `n`th time that is asked on its line. */
static guint draw(struct course *c, const struct plan_step *step, guint of)
{
	g_autofree char *what = g_strdup_printf("line %u", step->line);
	const guint n = GPOINTER_TO_UINT(g_hash_table_lookup(c->draws, GUINT_TO_POINTER(step->line)));

	g_hash_table_insert(c->draws, GUINT_TO_POINTER(step->line), GUINT_TO_POINTER(n + 1));
	return (guint)(run_seed(c->run, what, n) % of);
}

static gboolean one_of(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	const struct plan_step *chosen = step->steps->pdata[draw(c, step, step->steps->len)];
	const gboolean mounted = c->mounted;

	journal_log(c->run->journal, "%s: %s of line %u", step->name, chosen->name, chosen->line);
	return do_step(c, chosen, ret, error) &&
	       (*ret == PLAN_OK || *ret == PLAN_SKIPPED || !c->go_on || bring(c, mounted, error));
}

static gboolean do_many(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	guint i, bad = 0;

	for (i = 0; (!step->times || i < step->times) && c->go_on && !is_over(c) && bad < BAD_MAX; i++) {
		g_autofree char *text = step->times ? g_strdup_printf("%s: %u of %u", step->name, i + 1, step->times) :
						      g_strdup_printf("%s: %u", step->name, i + 1);
		enum plan_outcome outcome = PLAN_OK;

		c->run->cycle++;
		c->run->req->progress.tick(c->run->req->progress.ctx, text, i + 1, step->times);
		if (!(step->kind == PLAN_CHOOSE ? one_of(c, step, &outcome, error) : do_steps(c, step->steps, &outcome, error)))
			return FALSE;
		if (outcome == PLAN_FAILED || outcome == PLAN_CRASHED) {
			*ret = outcome;
			bad++;
		} else {
			bad = 0;
		}
		if (c->go_on && step->kind == PLAN_REPEAT && !take_pause(c, step, i, began, error))
			return FALSE;
	}
	if (bad >= BAD_MAX)
		journal_log(c->run->journal, "%s: stopped after %u that failed in a row", step->name, bad);
	return TRUE;
}

/* Fisher and Yates; each of them, whatever became of the others. */
static gboolean do_shuffle(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	const guint n = step->steps->len;
	g_autofree guint *order = g_new(guint, n);
	guint i;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		const guint j = draw(c, step, i), was = order[i - 1];

		order[i - 1] = order[j];
		order[j] = was;
	}
	for (i = 0; i < n && c->go_on && !is_over(c); i++) {
		enum plan_outcome outcome = PLAN_OK;
		const gboolean mounted = c->mounted;

		if (!do_step(c, step->steps->pdata[order[i]], &outcome, error))
			return FALSE;
		if (outcome != PLAN_FAILED && outcome != PLAN_CRASHED)
			continue;
		*ret = outcome;
		if (c->go_on && !bring(c, mounted, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean do_steps(struct course *c, const GPtrArray *steps, enum plan_outcome *ret, GError **error)
{
	const gboolean mounted = c->mounted;
	guint i;

	for (i = 0; i < steps->len && c->go_on && !is_over(c); i++) {
		if (!do_step(c, steps->pdata[i], ret, error))
			return FALSE;
		if (*ret == PLAN_FAILED || *ret == PLAN_CRASHED)
			break;
		*ret = PLAN_OK;
	}
	/* It did not come to its own end. */
	return i == steps->len || !c->go_on || bring(c, mounted, error);
}

static gboolean by_kind(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	switch (step->kind) {
	case PLAN_WORD:
		return step->word->part ? do_part(c, step, ret, error) : do_action(c, step, ret, error);
	case PLAN_PARALLEL:
		return do_action(c, step, ret, error);
	case PLAN_GROUP:
		return do_steps(c, step->steps, ret, error);
	case PLAN_SHUFFLE:
		return do_shuffle(c, step, ret, error);
	case PLAN_REPEAT:
	case PLAN_CHOOSE:
		break;
	}
	return do_many(c, step, ret, error);
}

/* ---- what is expected of one --------------------------------------------------------------------------- */

static gboolean expects_finding(const struct plan_step *step)
{
	return step->expect.class || step->expect.title;
}

static void begin_expecting(struct course *c, const struct plan_step *step)
{
	if (expects_finding(step))
		note(c, json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "do", "scenario", "event", "expect", "name", step->name,
				  "class", step->expect.class, "title", step->expect.title));
}

/* What came as it had to is no failure, whatever else the guest has suffered by it. */
static void end_expecting(struct course *c, const struct plan_step *step, guint from, enum plan_outcome *ret)
{
	const GPtrArray *findings = journal_findings(c->run->journal);
	gboolean came = FALSE;

	if (!expects_finding(step))
		return;
	run_settle(c->run);
	note(c, json_pack("{s:s, s:s, s:s}", "do", "scenario", "event", "expect-end", "name", step->name));
	for (; from < findings->len; from++)
		came |= ((const struct finding *)g_ptr_array_index(findings, from))->expected;
	*ret = came ? PLAN_OK : *ret == PLAN_OK ? PLAN_FAILED : *ret;
}

static void end_in_time(struct course *c, const struct plan_step *step, gint64 began, enum plan_outcome *ret)
{
	const gint64 ms = (g_get_monotonic_time() - began) / 1000;

	/* The agent holds an action to its own. */
	if (!step->deadline_ms || (step->kind == PLAN_WORD && !step->word->part) || step->kind == PLAN_PARALLEL ||
	    ms < (gint64)step->deadline_ms)
		return;
	note(c, json_pack("{s:s, s:s, s:s, s:i, s:I}", "do", "scenario", "event", "late", "name", step->name,
			  "deadline_ms", (int)step->deadline_ms, "ms", (json_int_t)ms));
	*ret = *ret == PLAN_OK ? PLAN_FAILED : *ret;
}

static gboolean do_step(struct course *c, const struct plan_step *step, enum plan_outcome *ret, GError **error)
{
	const guint from = journal_findings(c->run->journal)->len;
	const gint64 began = g_get_monotonic_time();
	const gboolean told = step->named && strcmp(step->name, c->top);
	gboolean holds = TRUE, ok;
	gint64 due;

	*ret = PLAN_OK;
	if (step->has_when && !state_holds(c, &step->when, &holds, error))
		return FALSE;
	if (holds) {
		if (told)
			note_where(c, step->name);
		begin_expecting(c, step);
		/* A block's deadline ends it, too; an action has its own. */
		due = set_due(c, step->kind == PLAN_WORD && !step->word->part ? 0 :
			      step->budget_ms ? step->budget_ms : step->deadline_ms);
		ok = by_kind(c, step, ret, error);
		c->run->due_us = due;
		if (!ok)
			return FALSE;
		end_expecting(c, step, from, ret);
		end_in_time(c, step, began, ret);
		if (told)
			note_where(c, NULL);
	} else {
		*ret = PLAN_SKIPPED;
	}
	if (step->named)
		g_hash_table_insert(c->outcomes, g_strdup(step->name), GINT_TO_POINTER(*ret));
	return TRUE;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static void tell_begin(struct course *c)
{
	g_autofree char *text = g_strdup_printf("step %u of %u: %s", c->number, c->of, c->top);

	if (c->of > 1)
		c->run->req->progress.say(c->run->req->progress.ctx, text);
	note_where(c, NULL);
}

/* Different titles, in the order they came. */
static char *titles(const struct course *c, guint from)
{
	const GPtrArray *findings = journal_findings(c->run->journal);
	g_autoptr(GPtrArray) seen = g_ptr_array_new();
	GString *out = g_string_new(NULL);

	for (; from < findings->len; from++) {
		const struct finding *finding = g_ptr_array_index(findings, from);

		if (!is_bad(finding) || g_ptr_array_find_with_equal_func(seen, finding->title, g_str_equal, NULL))
			continue;
		g_ptr_array_add(seen, finding->title);
		if (seen->len <= TITLES_TOLD)
			g_string_append_printf(out, "%s%s", seen->len > 1 ? "; " : ": ", finding->title);
	}
	if (seen->len > TITLES_TOLD)
		g_string_append_printf(out, "; and %u more", seen->len - TITLES_TOLD);
	return g_string_free(out, FALSE);
}

static void tell_end(struct course *c, guint from, gint64 began, enum plan_outcome outcome)
{
	const double seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	const guint bad = count_bad(c, from);
	g_autofree char *what = titles(c, from);
	g_autofree char *text = outcome == PLAN_SKIPPED ?
		g_strdup_printf("step %u of %u: %s: not for this target", c->number, c->of, c->top) :
		g_strdup_printf("step %u of %u: %s: %u finding%s in %.1f s%s", c->number, c->of, c->top, bad, bad == 1 ? "" : "s",
				seconds, what);

	note(c, json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:i, s:f}", "do", "scenario", "event", "step-end", "where", c->top,
			  "n", (int)c->number, "of", (int)c->of, "outcome", plan_outcome_words[outcome], "findings", (int)bad,
			  "seconds", seconds));
	if (c->of > 1)
		c->run->req->progress.say(c->run->req->progress.ctx, text);
}

/* What the next step finds mounted, had this one not crashed. */
static gboolean leads_to_mounted(const struct plan_step *step, gboolean mounted)
{
	const enum plan_do what = step->kind == PLAN_WORD && !step->word->part ? step->word->action : PLAN_ACTIONS;
	const struct plan_args *args = step->args;

	if ((what != PLAN_MOUNT && what != PLAN_UMOUNT) || args->at)
		return mounted;
	return what == PLAN_MOUNT;
}

static gboolean do_top(struct course *c, const struct plan_step *step, GError **error)
{
	const guint from = journal_findings(c->run->journal)->len;
	const gint64 began = g_get_monotonic_time();
	const gboolean mounted = c->mounted;
	enum plan_outcome outcome = PLAN_OK;

	c->top = step->name;
	tell_begin(c);
	if (c->untidy && !bring(c, mounted, error))
		return FALSE;
	if (c->go_on && !do_step(c, step, &outcome, error))
		return FALSE;
	if (c->go_on && outcome == PLAN_CRASHED && c->number < c->of && !bring(c, leads_to_mounted(step, mounted), error))
		return FALSE;
	tell_end(c, from, began, outcome);
	return TRUE;
}

static gboolean uses_chance(const GPtrArray *steps)
{
	guint i;

	for (i = 0; i < steps->len; i++) {
		const struct plan_step *step = steps->pdata[i];
		const struct part *part = step->word ? step->word->part : NULL;

		if (step->kind == PLAN_CHOOSE || step->kind == PLAN_SHUFFLE || (part && !part->own_trace) ||
		    uses_chance(step->steps))
			return TRUE;
	}
	return FALSE;
}

/* By --steps; all, when nothing is said. */
static gboolean is_wanted(const struct course *c, const struct plan_step *step)
{
	g_auto(GStrv) wanted = c->run->req->steps ? g_strsplit(c->run->req->steps, ",", -1) : NULL;

	return !wanted || g_strv_contains((const char *const *)wanted, step->name);
}

/* Its budget has cut the run before step `i`, or in it. */
static void note_undone(struct course *c, guint i, gboolean begun)
{
	const GPtrArray *steps = c->plan->steps;

	if (!c->run->cut || c->run->undone)
		return;
	c->run->undone = json_array();
	for (; i < steps->len; i++, begun = FALSE) {
		const struct plan_step *step = steps->pdata[i];

		if (is_wanted(c, step))
			json_array_append_new(c->run->undone, json_sprintf("%s%s", step->name, begun ? " (in part)" : ""));
	}
}

static gboolean all_steps(struct course *c, GError **error)
{
	const GPtrArray *steps = c->plan->steps;
	const gint64 due = set_due(c, c->plan->budget_ms);
	gboolean traced = FALSE, ok;
	guint i;

	c->of = steps->len;
	for (i = 0; i < steps->len && c->go_on; i++) {
		if (is_over(c)) {
			journal_log(c->run->journal, "the scenario's time is over before step %u of %u", i + 1, c->of);
			note_undone(c, i, FALSE);
			break;
		}
		c->number = i + 1;
		if (!is_wanted(c, steps->pdata[i]))
			continue;
		ok = do_top(c, steps->pdata[i], error);
		note_undone(c, i, TRUE);
		if (!ok)
			return FALSE;
		traced = traced || c->traced;
	}
	c->run->due_us = due;
	c->run->phase = "flush";
	if (!c->go_on)
		return TRUE;
	if (c->mounted && !bring(c, FALSE, error))
		return FALSE;
	return !traced || !c->go_on || session_flush(c->run->session, error);
}

static gboolean plan_run(struct run *run, GError **error)
{
	struct course c = {
		.run = run, .plan = run->plan, .go_on = TRUE,
		.outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		.draws = g_hash_table_new(NULL, NULL),
		.points = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, state_point_free),
	};
	gboolean ok;

	c.formatted = run->stage >= RUN_FORMATTED;
	if (uses_chance(run->plan->steps))
		run_say_seed(run);
	run->phase = "scenario";
	run->recoveries_more += run->plan->recoveries;
	ok = all_steps(&c, error);
	g_hash_table_unref(c.outcomes);
	g_hash_table_unref(c.draws);
	g_hash_table_unref(c.points);
	g_free(c.release);
	return ok;
}

const struct scenario scenario_plan = { .name = "plan", .description = "a scenario file", .run = plan_run };

static gboolean plan_run_alone(struct run *run, GError **error)
{
	gboolean usable;

	if (!run_setup_upto(run, (enum run_upto)run->plan->setup, &usable, error))
		return FALSE;
	return !usable || plan_run(run, error);
}

const struct scenario scenario_plan_alone = {
	.name = "plan", .description = "a scenario file that sets up by itself", .alone = TRUE, .run = plan_run_alone,
};
