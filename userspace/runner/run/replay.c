// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "error.h"
#include "evidence.h"
#include "leak.h"
#include "replay.h"
#include "report.h"
#include "run_priv.h"
#include "scenario.h"
#include "steplist.h"
#include "wire.h"

#define POINT		"from"
#define SETTLE_MS	2500	/* for a report that comes after the last step */
#define LINES_SAID	200u	/* of a longer list, only the last lines are told */
#define LINES_TAIL	20u

struct replay {
	const struct replay_request *req;
	struct analysis *an;
	const struct finding *finding;
	struct steplist *steps;
	struct replay_outcome *out;
	guint from;			/* action after which a point is made, counted from 1; 0: none */
	guint point;			/* ... was made: steps begun until then; 0: not yet */
	/* of the attempt under way */
	guint first_finding;		/* of this replay's findings: those before are another attempt's */
	guint number;			/* steps begun */
	char *name;			/* the last one's */
	json_t *done;
};

static const char *word(const struct replay *rp, const char *key)
{
	return json_string_value(json_object_get(rp->an->run, key));
}

/* ---- one attempt ------------------------------------------------------------------- */

static gboolean is_it(const struct finding *want, const struct finding *got)
{
	return want->class == got->class && !g_strcmp0(want->kind, got->kind) &&
	       !strcmp(want->title, got->title);
}

static gboolean seen(const struct run *run)
{
	const struct replay *rp = run->req->replay;
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = rp->first_finding; i < findings->len; i++)
		if (is_it(rp->finding, g_ptr_array_index(findings, i)))
			return TRUE;
	return FALSE;
}

static gboolean wake(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

/* Reports that come late, and those that only silence completes. */
static void wait_for_it(struct run *run)
{
	const gint64 until = g_get_monotonic_time() + SETTLE_MS * 1000;
	guint timer = g_timeout_add(50, wake, NULL);

	while (!seen(run) && g_get_monotonic_time() < until &&
	       !g_cancellable_is_cancelled(run->req->cancellable))
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(timer);
}

static enum vx_step_op op_from(const char *name)
{
	guint op;

	for (op = VX_STEP_NONE + 1; op < VX_STEP_OPS; op++)
		if (name && !strcmp(vx_step_op_name(op), name))
			return op;
	return VX_STEP_NONE;
}

static const char *text_of(const json_t *json, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : fallback;
}

static gboolean damaged(GError **error)
{
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "the run's record does not tell how its steps were done: it is damaged, or older than replays");
	return FALSE;
}

static void tell_step(struct run *run, const char *outcome, double ms)
{
	struct replay *rp = run->req->replay;
	const guint all = rp->out->steps;
	g_autofree char *text = g_strdup_printf("%4u  %-28s %s, %.1f ms", rp->number, rp->name, outcome, ms);

	json_array_append_new(rp->done, json_pack("{s:i, s:s, s:s, s:f}", "number", (int)rp->number,
						  "name", rp->name, "outcome", outcome, "ms", ms));
	if (all <= LINES_SAID || rp->number + LINES_TAIL > all)
		run->req->progress.say(run->req->progress.ctx, text);
	else
		run->req->progress.tick(run->req->progress.ctx, text, rp->number, all);
}

static gboolean do_spec(struct run *run, const struct step_spec *spec, gboolean *stuck, GError **error)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	const gint64 began = g_get_monotonic_time();
	enum step_outcome outcome;
	gboolean ok = run_step(run, spec, &outcome, &res, error);
	double ms = (double)(g_get_monotonic_time() - began) / 1000;

	if (ok && res.msg.end_ns >= res.msg.start_ns)
		ms = (double)(res.msg.end_ns - res.msg.start_ns) / 1e6;
	tell_step(run, !ok ? "no answer" : outcome == STEP_OK ? "ok" : res.msg.err ? vx_step_err_text(res.msg.err) :
		  "failed", ms);
	*stuck = ok && outcome == STEP_STUCK;
	return ok;
}

static gboolean do_step(struct run *run, const json_t *json, gboolean *stuck, GError **error)
{
	struct replay *rp = run->req->replay;
	const json_t *list = json_object_get(json, "strings"), *num = json_object_get(json, "num");
	g_autoptr(GPtrArray) strings = g_ptr_array_new();
	struct step_spec spec = {
		.op = op_from(text_of(json, "op", NULL)), .kind = text_of(json, "kind", "other"),
		.on_target = json_is_true(json_object_get(json, "target")),
		.name = text_of(json, "name", "?"),
		.deadline_ms = (guint)json_integer_value(json_object_get(json, "deadline_ms")),
		.may_fail = json_is_true(json_object_get(json, "may_fail")),
		.provokes = json_is_true(json_object_get(json, "provokes")),
		.way = json_string_value(json_object_get(json, "way")),
	};
	struct detect_expect expect;
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		g_ptr_array_add(strings, (char *)(json_string_value(json_array_get(list, i)) ?: ""));
	g_ptr_array_add(strings, NULL);
	for (i = 0; i < G_N_ELEMENTS(spec.num); i++)
		spec.num[i] = json_integer_value(json_array_get(num, i));
	if (spec.op == VX_STEP_NONE || json_object_get(json, "inexact"))
		return damaged(error);
	scenario_expect_from(json_object_get(json, "expect"), &expect);
	spec.expect = expect.set ? &expect : NULL;
	spec.strings = (const char *const *)strings->pdata;
	run->phase = g_intern_string(text_of(json, "phase", "replay"));
	run->cycle = (guint64)json_integer_value(json_object_get(json, "cycle"));
	rp->number++;
	g_free(rp->name);
	rp->name = g_utf8_make_valid(spec.name, -1);
	return do_spec(run, &spec, stuck, error);
}

/* From a build made anew, when what was run is not kept any more. */
static const char *rebuilt(const struct run *run, const char *path)
{
	g_autofree char *want = g_path_get_basename(path);
	guint i;

	for (i = 0; run->built && i < run->built->nmodules; i++) {
		g_autofree char *have = g_path_get_basename(run->built->modules[i].path);

		if (!strcmp(want, have))
			return run->built->modules[i].path;
	}
	return run->built && !strcmp(want, "mkfs") ? run->built->mkfs : NULL;
}

static gboolean do_put(struct run *run, const json_t *json, GError **error)
{
	const json_t *file = json_object_get(json, "file");
	const char *path = text_of(file, "path", NULL), *remote = text_of(json, "remote", NULL);
	g_autofree char *local = evidence_kept_file(run->req->replay->req->dir, file);

	if (!path || !remote)
		return damaged(error);
	if (!local)
		local = g_strdup(rebuilt(run, path));
	if (local)
		return run_put(run, local, remote, (int)json_integer_value(json_object_get(json, "mode")), error);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "%s is not what was run any more, and no copy of it is kept", path);
	return FALSE;
}

static gboolean do_trace(struct run *run, const json_t *json, GError **error)
{
	struct vx_req_trace req = {
		.groups = (guint32)json_integer_value(json_object_get(json, "groups")),
		.reset = json_is_true(json_object_get(json, "reset")),
	};
	struct vx_msg_trace msg;

	g_strlcpy(req.fstype, text_of(json, "fstype", ""), sizeof(req.fstype));
	g_strlcpy(req.module, text_of(json, "module", ""), sizeof(req.module));
	steplog_trace(run, &req);
	return session_trace(run->session, &req, &msg, error);
}

/* What a leak hunt noted, and what it asked for then: the verdict is made of this guest's answers. */
static gboolean do_leak(struct run *run, const json_t *json, GError **error)
{
	const enum vx_alloc_source source = strcmp(text_of(json, "source", ""), "calls") ? VX_ALLOCS_TRACED : VX_ALLOCS_CALLS;
	struct vx_msg_allocs msg;

	journal_json(run->journal, VX_REC_REQUEST, json_deep_copy(json));
	return strcmp(text_of(json, "event", ""), "leak-checkpoint") || session_allocs(run->session, source, &msg, error);
}

/* Which part, which step of a scenario, what it expects: what this guest makes of it is judged anew. Its time is another. */
static gboolean do_note(struct run *run, const json_t *json)
{
	if (strcmp(text_of(json, "event", ""), "late"))
		journal_json(run->journal, VX_REC_REQUEST, json_deep_copy(json));
	return TRUE;
}

/* Notes of injected failures, and what was asked for at two of them. */
static gboolean do_inject(struct run *run, const json_t *json, GError **error)
{
	struct vx_msg_allocs msg;

	journal_json(run->journal, VX_REC_REQUEST, json_deep_copy(json));
	return strcmp(text_of(json, "event", ""), "watch") ||
	       session_allocs(run->session, VX_ALLOCS_CALLS, &msg, error);
}

static gboolean do_action(struct run *run, const json_t *json, gboolean *stuck, GError **error)
{
	const char *what = text_of(json, "do", "");

	if (!strcmp(what, "step"))
		return do_step(run, json, stuck, error);
	if (!strcmp(what, "put"))
		return do_put(run, json, error);
	if (!strcmp(what, "trace"))
		return do_trace(run, json, error);
	if (!strcmp(what, "leak"))
		return do_leak(run, json, error);
	if (!strcmp(what, "part") || !strcmp(what, "scenario") || !strcmp(what, "oracle"))
		return do_note(run, json);
	if (!strcmp(what, "power-cut"))
		return session_power_cut(run->session, error);
	if (!strcmp(what, "inject"))
		return do_inject(run, json, error);
	if (!strcmp(what, "dump"))
		return TRUE;	/* did nothing to the guest */
	return damaged(error);
}

/* From here on the next attempts start: what led here is done once. */
static gboolean make_point(struct run *run, GError **error)
{
	struct replay *rp = run->req->replay;

	/* A guest that is hurt is none to start from. */
	if (run_guest_is_hurt(run))
		return TRUE;
	if (!session_point_make(run->session, POINT, error))
		return FALSE;
	rp->point = rp->number;
	return TRUE;
}

/* All of the list, or until it is seen, or nothing more can be. */
static gboolean do_list(struct run *run, GError **error)
{
	struct replay *rp = run->req->replay;
	const guint n = steplist_length(rp->steps);
	gboolean stuck = FALSE, ok = TRUE;
	guint i;

	for (i = rp->point ? rp->from : 0; i < n && ok && !stuck && !seen(run); i++) {
		json_t *json = steplist_action(rp->steps, i);

		ok = do_action(run, json, &stuck, error);
		json_decref(json);
		if (ok && !stuck && !rp->point && i + 1 == rp->from && rp->req->times > 1 && !seen(run))
			ok = make_point(run, error);
	}
	return ok;
}

static void tell_attempt(struct run *run, gboolean again)
{
	struct replay *rp = run->req->replay;
	const char *name = rp->name ? rp->name : "nothing";
	g_autofree char *text = again ?
		g_strdup_printf("seen again after step %u (%s): %s", rp->number, name, rp->finding->title) :
		g_strdup_printf("not seen in %u steps: %s", rp->number, rp->finding->title);

	rp->out->attempts++;
	rp->out->seen += again;
	json_array_append_new(rp->out->details, json_pack("{s:b, s:i, s:s, s:O}", "seen", (int)again, "after",
							  (int)rp->number, "step", name, "steps", rp->done));
	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
}

/* A guest that is lost is what may be looked for: no error, but the attempt ends by it. */
static gboolean attempt(struct run *run, GError **error)
{
	struct replay *rp = run->req->replay;
	g_autoptr(GError) local = NULL;

	rp->first_finding = journal_findings(run->journal)->len;
	rp->number = rp->point;
	g_clear_pointer(&rp->name, g_free);
	json_decref(rp->done);
	rp->done = json_array();
	if (!do_list(run, &local) && !g_error_matches(local, SESSION_ERROR, SESSION_LOST)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	wait_for_it(run);
	if (g_cancellable_set_error_if_cancelled(run->req->cancellable, error))
		return FALSE;
	tell_attempt(run, seen(run));
	return TRUE;
}

/* Before the guest is put back: detectors begin anew with it, and its greeting is news to them. */
static void note_attempt(struct run *run, guint attempt)
{
	journal_json(run->journal, VX_REC_REQUEST, json_pack("{s:s, s:s, s:i}", "do", "scenario", "event", "again",
							     "attempt", (int)attempt));
}

static gboolean start_again(struct run *run, GError **error)
{
	const struct replay *rp = run->req->replay;

	/* Those of the guest that is left behind are not this one's. */
	run->behind = journal_findings(run->journal)->len;
	return session_point_back(run->session, rp->point ? POINT : SESSION_READY, error);
}

static gboolean replay_run(struct run *run, GError **error)
{
	const guint times = run->req->replay->req->times;
	guint i;

	for (i = 0; i < times; i++) {
		note_attempt(run, i + 1);
		if ((i && !start_again(run, error)) || !attempt(run, error))
			return FALSE;
	}
	return TRUE;
}

const struct scenario scenario_replay = {
	.name = "replay", .description = "the steps of another run", .alone = TRUE, .run = replay_run,
};

/* ---- what is to be done ------------------------------------------------------------------ */

void replay_note_origin(const struct replay *rp, json_t *run)
{
	const char *module = word(rp, "module");
	g_autofree char *dir = g_utf8_make_valid(rp->req->dir, -1);
	json_t *modules = json_object_get(rp->an->run, "modules");

	if (module)
		json_object_set_new(run, "module", json_string(module));
	/* The same files, so that the replay's own evidence finds their debug information. */
	if (!json_array_size(json_object_get(run, "modules")) && modules)
		json_object_set(run, "modules", modules);
	json_object_set_new(run, "replay", json_pack("{s:s, s:s, s:s?, s:i}", "of", dir, "title", rp->finding->title,
						     "kind", rp->finding->kind, "times", (int)rp->req->times));
}

static const struct finding *choose_finding(const struct replay *rp, GError **error)
{
	const guint number = rp->req->number ? rp->req->number : 1;
	const struct finding *finding = evidence_finding(rp->an, number);
	guint folders, left_out;

	if (finding)
		return finding;
	evidence_count(rp->an, &folders, &left_out);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, folders ? "%s has no finding %u with evidence; it has %u of them" :
		    "%s has no finding %u: nothing of severity High or Critical was seen in it", rp->req->dir, number,
		    folders);
	return NULL;
}

/* What a step of these does, and when, is not the same each time. */
static gboolean is_for_races(const char *op)
{
	static const char *const ops[] = { "parallel", "stress", "races", NULL };

	return g_strv_contains(ops, op);
}

/* Up to what shows the finding, that included. */
static gboolean read_steps(struct replay *rp, GError **error)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(rp->req->dir, error);
	const gboolean by_step = steplist_ends_with_step(rp->finding);
	struct rec_entry entry;
	guint i;

	if (!reader)
		return FALSE;
	rp->steps = steplist_new();
	while (rec_reader_next(reader, &entry)) {
		guint64 id = steplist_feed(rp->steps, &entry);

		if (by_step ? id == rp->finding->step :
		    entry.stamp.realtime_ns >= rp->finding->realtime_ns)
			break;
	}
	for (i = 0; i < steplist_length(rp->steps); i++) {
		json_t *json = steplist_action(rp->steps, i);

		if (!strcmp(text_of(json, "do", ""), "step")) {
			rp->out->steps++;
			rp->out->race = rp->finding->class == FINDING_RACE || is_for_races(text_of(json, "op", ""));
		}
		json_decref(json);
	}
	return TRUE;
}

/* The last time of the step in the list, else the error names all that there are. */
static gboolean find_from(struct replay *rp, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *all = NULL;
	guint i;

	for (i = 0; rp->req->from && i < steplist_length(rp->steps); i++) {
		json_t *json = steplist_action(rp->steps, i);
		const char *name = text_of(json, "name", "");

		if (!strcmp(text_of(json, "do", ""), "step")) {
			rp->from = strcmp(name, rp->req->from) ? rp->from : i + 1;
			if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
				g_ptr_array_add(names, g_strdup(name));
		}
		json_decref(json);
	}
	/* After the step of the finding there is nothing left to do. */
	if (!rp->req->from || (rp->from && rp->from < steplist_length(rp->steps)))
		return TRUE;
	g_ptr_array_add(names, NULL);
	all = g_strjoinv("\", \"", (char **)names->pdata);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "no step \"%s\" comes before the finding; the steps are: \"%s\"",
		    rp->req->from, all);
	return FALSE;
}

static gboolean open_origin(struct replay *rp, GError **error)
{
	const char *guest;

	rp->an = analysis_read(rp->req->dir, error);
	if (!rp->an)
		return FALSE;
	if (!json_object_get(rp->an->run, "settings"))
		return damaged(error);
	guest = word(rp, "guest");
	if (guest && *guest) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "that run was on %s, which is not a guest of our own: it cannot be made again", guest);
		return FALSE;
	}
	evidence_assign(rp->req->dir, rp->an);
	rp->finding = choose_finding(rp, error);
	if (!rp->finding || !read_steps(rp, error) || !find_from(rp, error))
		return FALSE;
	rp->out->title = g_strdup(rp->finding->title);
	return TRUE;
}

static gboolean read_settings(const struct replay *rp, struct config *ret, GError **error)
{
	const json_t *settings = json_object_get(rp->an->run, "settings");
	size_t i;

	config_init(ret);
	for (i = 0; i < json_array_size(settings); i++)
		if (!config_set(ret, json_string_value(json_array_get(settings, i)) ?: "", error))
			return FALSE;
	/* That one's time was for that one. */
	ret->budget_ms = 0;
	return TRUE;
}

static gboolean all_kept(const struct replay *rp)
{
	guint i;

	for (i = 0; i < steplist_length(rp->steps); i++) {
		json_t *json = steplist_action(rp->steps, i);
		gboolean put = !g_strcmp0(json_string_value(json_object_get(json, "do")), "put");
		g_autofree char *kept = put ? evidence_kept_file(rp->req->dir, json_object_get(json, "file")) : NULL;

		json_decref(json);
		if (put && !kept)
			return FALSE;
	}
	return TRUE;
}

/*
 * Steps that arm failures, and a module whose calls are bound to vexprobe.ko's wrappers (setup.c keeps such copies in a folder of
 * that name): without it in the guest neither can be done again.
 */
static gboolean needs_probe(const struct replay *rp)
{
	gboolean needs = FALSE;
	guint i;

	for (i = 0; i < steplist_length(rp->steps) && !needs; i++) {
		json_t *json = steplist_action(rp->steps, i);
		const char *path = text_of(json_object_get(json, "file"), "path", "");
		g_autofree char *dir = g_path_get_dirname(path), *folder = g_path_get_basename(dir);

		needs = op_from(text_of(json, "op", NULL)) == VX_STEP_INJECT || !strcmp(folder, "bound");
		json_decref(json);
	}
	return needs;
}

/* A name is part of a path: of a record that somebody edited, too. */
static char *safe_name(const char *name)
{
	char *safe = g_strdup_printf("replay-%.60s", name ? name : "");

	return g_strcanon(safe, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_", '-');
}

static gboolean run_it(struct replay *rp, const struct target *target, GError **error)
{
	const char *kernel = word(rp, "kernel"), *accel = word(rp, "accel");
	const json_t *snapshot = json_object_get(rp->an->run, "snapshot");
	const gboolean probe = snapshot || needs_probe(rp);
	struct config config;
	const struct run_request req = {
		.config = &config, .target = target, .scenario = "replay", .source = word(rp, "source"),
		.mode = rp->an->mode, .outdir = rp->req->outdir, .cachedir = rp->req->cachedir, .agent = rp->req->agent,
		.kernel_release = kernel, .uri = rp->req->uri, .cold = rp->req->cold,
		.force_tcg = !g_strcmp0(accel, "tcg"), .replay = rp, .progress = rp->req->progress,
		.cancellable = rp->req->cancellable, .snapshot = text_of(snapshot, "name", NULL),
		.snapshot_made = json_integer_value(json_object_get(snapshot, "made")),
		.probe_source = probe ? rp->req->probe_source : NULL, .box = probe ? VM_BOX_SHMEM : VM_BOX_NONE,
	};

	return read_settings(rp, &config, error) && run_execute(&req, &rp->out->run, error);
}

/* The kept files will do; else the module is built from its source again. */
static gboolean with_target(struct replay *rp, GError **error)
{
	g_autofree char *name = safe_name(word(rp, "target"));
	const char *file = word(rp, "target_file");
	VX_GUARD(target_free) struct target *loaded = NULL;
	struct target target = { .name = name, .module = TARGET_BUILTIN };

	target.device_mib = (guint)json_integer_value(json_object_get(rp->an->run, "device_mib"));
	if (!all_kept(rp)) {
		rp->req->progress.say(rp->req->progress.ctx,
				      "what was run is not kept any more: building it anew, which may give something else");
		if (!file) {
			g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
				    "the record does not say which target it was built for");
			return FALSE;
		}
		loaded = target_load(file, NULL, error);
		if (!loaded)
			return FALSE;
	}
	return run_it(rp, loaded ? loaded : &target, error);
}

gboolean replay_execute(const struct replay_request *req, struct replay_outcome *ret, GError **error)
{
	struct replay rp = { .req = req, .out = ret };
	gboolean ok;

	ret->details = json_array();
	ok = open_origin(&rp, error) && with_target(&rp, error);
	json_decref(rp.done);
	g_free(rp.name);
	steplist_free(rp.steps);
	analysis_free(rp.an);
	return ok;
}

void replay_outcome_clear(struct replay_outcome *outcome)
{
	g_clear_pointer(&outcome->title, g_free);
	g_clear_pointer(&outcome->details, json_decref);
	run_outcome_clear(&outcome->run);
}
