// SPDX-License-Identifier: GPL-2.0
/*
 * The guest is lost or hurt: put it back and go on. Each attempt is in the
 * record, with cause, duration and outcome:
 *
 *	{"event": "recovery", "attempt": 1, "cause": "..."}
 *	{"event": "restored", ...}		by the session
 *	{"event": "recovered", "attempt": 1, "from": "ready", "ms": 412.3}
 *	or {"event": "recovery failed", "attempt": 1, "why": "...", "ms": ...}
 *	and, when nothing more is tried, {"event": "given up", "why": "..."}
 */
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "process.h"
#include "run_priv.h"

#define SETTLE_MS	400	/* at most, for a crash's last lines; they end after 25 ms of silence */
#define TRIES		3	/* of one recovery, before the run ends */
#define HANDLER_S	30
#define POINT		"set-up"

/* What a handler may answer (docs/USAGE.md); anything else is its failure, told and passed over. */
enum handler_answer {
	HANDLER_GO_ON	= 0,	/* recover as usual */
	HANDLER_GIVE_UP	= 10,	/* end the run in order */
};

static void note(struct run *run, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(run->journal, "%s", text);
	journal_json(run->journal, VX_REC_VM, json);
}

static gboolean wake(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

/* A crash's lines are still on their way when its step has failed. */
void run_settle(struct run *run)
{
	const gint64 until = g_get_monotonic_time() + SETTLE_MS * 1000;
	guint timer;

	if (session_lost(run->session))
		return;
	timer = g_timeout_add(10, wake, NULL);
	while (!journal_settled(run->journal) && !session_lost(run->session) && g_get_monotonic_time() < until)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(timer);
}

/* A is more to the point than B: what hurts before what does not, then the graver. */
static gboolean is_worse(const struct finding *a, const struct finding *b)
{
	if (finding_hurts(a) != finding_hurts(b))
		return finding_hurts(a);
	return a->severity > b->severity;
}

/* What was found since the last recovery and is most likely its cause; NULL: nothing was. */
static const struct finding *worst(const struct run *run)
{
	const GPtrArray *findings = journal_findings(run->journal);
	const struct finding *ret = NULL;
	guint i;

	for (i = run->behind; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (!finding->noise && (!ret || is_worse(finding, ret)))
			ret = finding;
	}
	return ret;
}

/* ---- the user's handlers ------------------------------------------------------------- */

static char *handler_for(const struct run *run, const struct finding *finding)
{
	const char *names[] = { finding ? finding_class_name(finding->class) : "GuestLost", "any" };
	guint i;

	for (i = 0; run->req->handlers && i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(run->req->handlers, names[i], NULL);

		if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE) && !g_file_test(path, G_FILE_TEST_IS_DIR))
			return g_steal_pointer(&path);
	}
	return NULL;
}

char **run_environment(const struct run *run, const struct finding *finding)
{
	/* A handler may go where it likes. */
	g_autofree char *dir = g_canonicalize_filename(journal_dir(run->journal), NULL);
	GPtrArray *env = g_ptr_array_new();

	g_ptr_array_add(env, g_strdup_printf("VEXLAB_RUN=%s", dir));
	g_ptr_array_add(env, g_strdup_printf("VEXLAB_TARGET=%s", run->req->target->name));
	g_ptr_array_add(env, g_strdup_printf("VEXLAB_ATTEMPT=%u", run->recoveries));
	g_ptr_array_add(env, g_strdup_printf("VEXLAB_STEP=%" G_GUINT64_FORMAT, run->next_step));
	g_ptr_array_add(env, g_strdup_printf("VEXLAB_CYCLE=%" G_GUINT64_FORMAT, run->cycle));
	g_ptr_array_add(env, g_strdup_printf("VEXLAB_LOST=%s",
					     run->session && session_lost(run->session) ? session_lost(run->session) : ""));
	if (finding) {
		g_ptr_array_add(env, g_strdup_printf("VEXLAB_FINDING=%s", finding_class_name(finding->class)));
		g_ptr_array_add(env, g_strdup_printf("VEXLAB_TITLE=%s", finding->title));
		g_ptr_array_add(env, g_strdup_printf("VEXLAB_SEVERITY=%s", severity_name(finding->severity)));
	}
	g_ptr_array_add(env, NULL);
	return (char **)g_ptr_array_free(env, FALSE);
}

static void handler_line(void *ctx, const char *line)
{
	struct run *run = ctx;

	journal_log(run->journal, "handler: %s", line);
}

/* FALSE: it wants the run to end. */
static gboolean ask_handler(struct run *run, const struct finding *finding)
{
	g_autofree char *path = handler_for(run, finding);
	g_auto(GStrv) env = run_environment(run, finding);
	const char *argv[] = { path, NULL };
	g_autoptr(GError) error = NULL;
	int status = -1;
	const struct process process = {
		.argv = argv, .env = (const char *const *)env, .exit_status = &status, .log_fd = -1,
		.deadline_us = g_get_monotonic_time() + HANDLER_S * G_USEC_PER_SEC,
		.line = handler_line, .ctx = run,
	};

	if (!path)
		return TRUE;
	process_run(&process, run->req->cancellable, &error);
	note(run, json_pack("{s:s, s:s, s:i, s:s?}", "event", "handler", "path", path, "status", status,
			    "why", error ? error->message : NULL));
	return status != HANDLER_GIVE_UP;
}

/* ---- one recovery ---------------------------------------------------------------------- */

static gboolean set_up_again(struct run *run, GError **error)
{
	const char *const phase = run->phase;
	struct vx_msg_trace msg;
	gboolean usable;

	g_ptr_array_set_size(run->loaded, 0);
	g_clear_pointer(&run->fstype, g_free);
	g_clear_pointer(&run->device, g_free);
	g_clear_pointer(&run->mountpoint, g_free);
	g_clear_pointer(&run->mkfs, g_free);
	if (!run_setup(run, &usable, error))
		return FALSE;
	run->phase = phase;
	if (!usable) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the target cannot be set up again");
		return FALSE;
	}
	if (run->tracing)
		steplog_trace(run, &run->traced);
	return !run->tracing || session_trace(run->session, &run->traced, &msg, error);
}

/*
 * From the second crash on, the way back is short. Not before the first: a run without one is to
 * be measured with nothing beside it.
 */
static void keep_point(struct run *run)
{
	g_autoptr(GError) error = NULL;

	run->has_point = session_point_make(run->session, POINT, &error);
	if (!run->has_point)
		journal_log(run->journal, "no point is kept: %s", error->message);
}

static gboolean to_nearest_point(struct run *run, GError **error)
{
	if (run->has_point) {
		/* Should it be damaged, the next attempt starts from "ready". */
		run->has_point = session_point_back(run->session, POINT, error);
		run->behind = journal_findings(run->journal)->len;
		return run->has_point;
	}
	if (!session_point_back(run->session, SESSION_READY, error))
		return FALSE;
	/* Whatever comes from here on is a new guest's. */
	run->behind = journal_findings(run->journal)->len;
	return set_up_again(run, error);
}

static gboolean attempt(struct run *run, const char *cause, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	const gboolean near = run->has_point;
	const gint64 due = run->due_us;
	g_autoptr(GError) local = NULL;
	gboolean ok;
	double ms;

	run->recoveries++;
	note(run, json_pack("{s:s, s:i, s:s}", "event", "recovery", "attempt", (int)run->recoveries, "cause", cause));
	/* The way back takes the time it takes. */
	run->due_us = 0;
	ok = to_nearest_point(run, &local);
	run->due_us = due;
	ms = (double)(g_get_monotonic_time() - began) / 1000;
	if (ok) {
		note(run, json_pack("{s:s, s:i, s:s, s:f}", "event", "recovered", "attempt", (int)run->recoveries,
				    "from", near ? POINT : SESSION_READY, "ms", ms));
		if (!near)
			keep_point(run);
		return TRUE;
	}
	note(run, json_pack("{s:s, s:i, s:s, s:f}", "event", "recovery failed", "attempt", (int)run->recoveries,
			    "why", local->message, "ms", ms));
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* Why no attempt is made, NULL: one may be. */
static const char *why_not(const struct run *run)
{
	const struct config *config = run->req->config;

	if (!config->auto_recovery)
		return "recovery is switched off (recovery.auto)";
	if (run->req->ssh)
		return "a guest that is not ours cannot be put back to where it was";
	if (run->recoveries >= config->recovery_attempts + run->recoveries_more)
		return "the run's recoveries are used up (recovery.attempts)";
	return NULL;
}

static void give_up(struct run *run, const char *why, gboolean failed)
{
	g_autofree char *text = g_strdup_printf("the run ends here: %s", why);

	run->given_up = TRUE;
	note(run, json_pack("{s:s, s:s, s:b}", "event", "given up", "why", why, "failed", failed));
	run->req->progress.say(run->req->progress.ctx, text);
}

static void tell(struct run *run, const char *cause, gint64 began)
{
	g_autofree char *text = g_strdup_printf("recovered in %.2f s from: %s",
						(double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC, cause);

	run->req->progress.say(run->req->progress.ctx, text);
}

/* A full disk, a daemon that is gone: what keeps the guest from coming back is no finding about the module. */
static gboolean is_ours(const struct run *run, const GError *why, GError **error)
{
	const GError *failure = session_failure(run->session);

	if (failure)
		g_propagate_error(error, g_error_copy(failure));
	else if (g_error_matches(why, VX_ERROR, VX_ERROR_IO))
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the guest cannot be brought back: %s", why->message);
	else
		return FALSE;
	return TRUE;
}

/* FALSE with `error`: interrupted, or the record cannot be written. */
static gboolean recover(struct run *run, const char *cause, gboolean *back, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) local = NULL;
	guint tries;

	*back = FALSE;
	for (tries = 0; tries < TRIES && !*back; tries++) {
		const char *why = why_not(run);

		if (why) {
			if (tries && is_ours(run, local, error))
				return FALSE;
			give_up(run, tries ? local->message : why, tries > 0);
			return TRUE;
		}
		g_clear_error(&local);
		*back = attempt(run, cause, &local);
		if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (journal_error(run->journal))
			session_fail(run->session, journal_error(run->journal));
		if (session_failure(run->session))
			break;
	}
	if ((!*back || session_failure(run->session)) && is_ours(run, local, error))
		return FALSE;
	if (*back)
		tell(run, cause, began);
	else
		give_up(run, local->message, TRUE);
	return TRUE;
}

gboolean run_survive(struct run *run, gboolean ok, GError **local, gboolean *go_on, gboolean *recovered,
		     GError **error)
{
	const struct finding *finding;
	g_autofree char *cause = NULL;

	*recovered = FALSE;
	if (!ok && !g_error_matches(*local, SESSION_ERROR, SESSION_LOST)) {
		g_propagate_error(error, g_steal_pointer(local));
		return FALSE;
	}
	if (ok && !run_guest_is_hurt(run))
		return TRUE;
	/* A part has been told, and whoever called it asks again. */
	if (run->given_up) {
		g_clear_error(local);
		*go_on = FALSE;
		return TRUE;
	}
	run_settle(run);
	run_dump(run);
	finding = worst(run);
	cause = g_strdup(finding ? finding->title : *local ? (*local)->message : "the guest is hurt");
	g_clear_error(local);
	if (!ask_handler(run, finding)) {
		give_up(run, "a recovery handler says so", FALSE);
		*go_on = FALSE;
		return TRUE;
	}
	if (!recover(run, cause, recovered, error))
		return FALSE;
	*go_on = *recovered;
	return TRUE;
}

gboolean run_put_back(struct run *run, const char *cause, gboolean *go_on, GError **error)
{
	return recover(run, cause, go_on, error);
}
