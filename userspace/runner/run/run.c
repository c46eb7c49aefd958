// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "event.h"
#include "fsutil.h"
#include "report.h"
#include "run_priv.h"
#include "tidy.h"
#include "wire.h"

#define WORK_FILES	16
#define WORK_BYTES	8192

/* ---- what comes from the guest goes to disk first ------------------------------ */

/* A guest whose words are lost is not worth waiting for, however long its step may take. */
static const GError *on_asked(void *ctx)
{
	struct run *run = ctx;

	return journal_error(run->journal);
}

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct run *run = ctx;

	journal_frame(run->journal, frame, payload);
	if (frame->type == VX_MSG_LOG) {
		g_autofree char *text = g_strndup(payload, MIN(frame->length, 1024));

		journal_log(run->journal, "agent: %s", text);
	}
	alert_look(run);
}

static void on_console(void *ctx, const void *data, gsize len)
{
	struct run *run = ctx;

	journal_console(run->journal, data, len);
	alert_look(run);
}

static void on_box(void *ctx, GBytes *box)
{
	struct run *run = ctx;
	gsize len;
	gconstpointer data = g_bytes_get_data(box, &len);

	journal_box(run->journal, data, len);
}

static void on_note(void *ctx, json_t *json)
{
	struct run *run = ctx;
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(run->journal, "guest: %s", text);
	journal_json(run->journal, VX_REC_VM, json);
}

static void on_progress(void *ctx, const char *text)
{
	struct run *run = ctx;

	journal_log(run->journal, "%s", text);
	run->req->progress.tick(run->req->progress.ctx, text, 0, 0);
}

/* ---- steps --------------------------------------------------------------------- */

static gboolean record_ok(const struct run *run, GError **error)
{
	const GError *broken = journal_error(run->journal);

	if (broken && error)
		*error = g_error_copy(broken);
	return !broken;
}

static void tell_failed(struct run *run, const struct step_spec *spec, const struct vx_msg_step *msg, const char *took)
{
	const char *why = vx_step_err_text(msg->err);

	journal_log(run->journal, "step %" G_GUINT64_FORMAT " %s: %s after %s", (guint64)msg->id, spec->name, why, took);
	log_write(run->req->log, spec->may_fail ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "step",
		  json_pack("{s:I, s:I, s:s, s:I, s:b}", "step", (json_int_t)msg->id, "cycle", (json_int_t)run->cycle, "phase", run->phase,
			    "errno", (json_int_t)-msg->err, "may_fail", (int)spec->may_fail),
		  "%s: %s after %s", spec->name, why, took);
}

static void log_step(struct run *run, const struct step_spec *spec, const struct vx_msg_step *msg)
{
	char buf[32];

	report_ns(buf, sizeof(buf), (double)(msg->end_ns - msg->start_ns));
	if (msg->err)
		tell_failed(run, spec, msg, buf);
	else
		journal_log(run->journal, "step %" G_GUINT64_FORMAT " %s: ok, value %" G_GINT64_FORMAT
			    ", %s", (guint64)msg->id, spec->name, (gint64)msg->value, buf);
}

/* FALSE: the run has come to where it was to end. What is not the target's is let through: reading, finding out. */
static gboolean may_go_on(struct run *run, const struct step_spec *spec, GError **error)
{
	struct stop *stop = run->stop;

	if (!stop)
		return TRUE;
	if (stop->times >= stop->count && spec->on_target) {
		g_set_error(error, SESSION_ERROR, SESSION_STOPPED, "the step %s has been done", stop->name);
		return FALSE;
	}
	if (!g_ptr_array_find_with_equal_func(stop->seen, spec->name, g_str_equal, NULL))
		g_ptr_array_add(stop->seen, g_strdup(spec->name));
	return TRUE;
}

/* FALSE: what is looked for has been found. */
static gboolean is_open(const struct run *run, GError **error)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = 0; run->until && i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding->blame == BLAME_ENVIRONMENT || !g_regex_match(run->until, finding->title, 0, NULL))
			continue;
		g_set_error(error, SESSION_ERROR, SESSION_FOUND, "found, as it was to be (--until): %s", finding->title);
		return FALSE;
	}
	return TRUE;
}

gboolean run_is_over(struct run *run)
{
	const gint64 now = g_get_monotonic_time();

	run->cut |= run->budget_us && now >= run->budget_us;
	return run->due_us && now >= run->due_us;
}

/* What ends by its time ends between steps. */
static gboolean in_time(struct run *run, const struct step_spec *spec, GError **error)
{
	if (!run_is_over(run))
		return TRUE;
	g_set_error(error, SESSION_ERROR, SESSION_STOPPED, "%s before the step %s",
		    run->cut ? "the run's budget is used up" : "the time is over", spec->name);
	return FALSE;
}

gboolean run_step(struct run *run, const struct step_spec *spec, enum step_outcome *outcome,
		  struct step_result *ret, GError **error)
{
	STEP_RESULT_CLEAR struct step_result local = { 0 };
	struct step_result *res = ret ? ret : &local;
	guint ms = MIN(spec->deadline_ms ? spec->deadline_ms : run->req->config->step_deadline_ms,
		       run->req->config->watchdog_s * 1000) * (run->image ? run->image->patience : 1);
	struct vx_req_step req = {
		.op = spec->op, .deadline_ns = (guint64)ms * 1000000,
		.num = { spec->num[0], spec->num[1], spec->num[2], spec->num[3] },
	};

	if (!may_go_on(run, spec, error) || !is_open(run, error) || !in_time(run, spec, error))
		return FALSE;
	req.id = ++run->next_step;
	journal_json(run->journal, VX_REC_STEP_BEGIN, steplog_step(run, spec, &req));
	if (!session_step(run->session, &req, spec->strings, res, error) || !record_ok(run, error)) {
		run_dump(run);
		return FALSE;
	}
	run_dump(run);
	log_step(run, spec, &res->msg);
	*outcome = res->msg.err == -ETIMEDOUT ? STEP_STUCK :
		   res->msg.err || (spec->op == VX_STEP_EXEC && res->msg.value) ? STEP_FAILED :
		   STEP_OK;
	if (run->stop && *outcome == STEP_OK)
		run->stop->times += !strcmp(run->stop->name, spec->name);
	return TRUE;
}

gboolean run_guest_is_hurt(const struct run *run)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = run->behind; i < findings->len; i++) {
		if (finding_hurts(g_ptr_array_index(findings, i)))
			return TRUE;
	}
	return FALSE;
}

gboolean run_mount(struct run *run, enum step_outcome *outcome, GError **error)
{
	const char *options = run->req->mount_options ? run->req->mount_options :
			      run->req->target->mount_options;
	const char *strings[] = { run->device, run->mountpoint, run->fstype,
				  options ? options : "", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MOUNT, .kind = "mount", .on_target = TRUE, .name = "mount",
		.strings = strings,
		.num = { 0, run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT },
	};

	return run_step(run, &spec, outcome, NULL, error);
}

gboolean run_umount(struct run *run, enum step_outcome *outcome, GError **error)
{
	const char *strings[] = { run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_UMOUNT, .kind = "umount", .on_target = TRUE, .name = "umount",
		.strings = strings,
	};

	return run_step(run, &spec, outcome, NULL, error);
}

gboolean run_file_work(struct run *run, enum step_outcome *outcome, GError **error)
{
	const char *strings[] = { run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_FILES, .kind = "files", .on_target = TRUE, .name = "file work",
		.strings = strings, .num = { WORK_FILES, WORK_BYTES },
	};

	return run_step(run, &spec, outcome, NULL, error);
}

guint32 run_latency_probes(const struct run *run)
{
	return run->req->no_trace || run->req->mode == MODE_CRASHES ? 0 : VX_PROBES_MOUNT;
}

gboolean run_trace(struct run *run, guint32 groups, gboolean reset, GError **error)
{
	struct vx_req_trace req = { .groups = groups, .reset = reset };
	g_autofree char *text = NULL;
	struct vx_msg_trace msg;

	g_strlcpy(req.fstype, run->fstype ? run->fstype : "", sizeof(req.fstype));
	if (run->loaded->len)
		g_strlcpy(req.module, g_ptr_array_index(run->loaded, run->loaded->len - 1),
			  sizeof(req.module));
	run->traced = req;
	run->traced.reset = TRUE;	/* a new guest counts from zero */
	run->tracing = TRUE;
	steplog_trace(run, &req);
	if (!session_trace(run->session, &req, &msg, error))
		return FALSE;
	if (msg.err && groups) {
		text = g_strdup_printf("the guest cannot trace (%s): no latency by phase in this run",
				       g_strerror(-msg.err));
		run->req->progress.say(run->req->progress.ctx, text);
		journal_log(run->journal, "%s", text);
	}
	return record_ok(run, error);
}

/* ---- the run --------------------------------------------------------------------- */

static char *make_dir(const struct run_request *req, const char *stamp, GError **error)
{
	g_autofree char *latest = g_build_filename(req->outdir, "latest", NULL);
	g_autofree char *name = NULL, *dir = NULL;
	guint i;

	if (!fs_mkdir(req->outdir, 0755, error))
		return NULL;
	for (i = 0; i < 100; i++) {
		g_free(name);
		g_free(dir);
		name = i ? g_strdup_printf("%s-%s-%u", stamp, req->target->name, i) :
			   g_strdup_printf("%s-%s", stamp, req->target->name);
		dir = g_build_filename(req->outdir, name, NULL);
		if (!mkdir(dir, 0755))
			break;
		if (errno != EEXIST) {
			g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot make %s: %s", dir,
				    g_strerror(errno));
			return NULL;
		}
	}
	unlink(latest);
	if (symlink(name, latest))
		errno = 0;	/* a convenience; the run does not depend on it */
	return g_steal_pointer(&dir);
}

static json_t *operations_json(const struct config *c)
{
	json_t *ops = json_object();
	guint i;

	for (i = 0; i < c->nops; i++)
		json_object_set_new(ops, c->ops[i].name, json_pack("{s:i, s:i, s:i, s:i}", "max_ms", (int)c->ops[i].max_ms,
			"p50_ms", (int)c->ops[i].p50_ms, "p90_ms", (int)c->ops[i].p90_ms, "p99_ms", (int)c->ops[i].p99_ms));
	return ops;
}

static json_t *run_json(const struct run *run, const char *stamp, const struct guest_image *image,
			enum vm_accel accel)
{
	const struct run_request *req = run->req;
	const struct config *c = req->config;
	const char *module = run->built ?
		run->built->modules[run->built->nmodules - 1].info->name :
		req->target->module == TARGET_MODPROBE ? req->target->module_name : "";

	json_t *noise = json_array();
	guint i;

	for (i = 0; req->noise && req->noise[i]; i++)
		json_array_append_new(noise, json_string(req->noise[i]));
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:s?, s:o, "
			 "s:{s:i, s:i, s:i, s:i, s:i, s:o}}",
		"stamp", stamp, "target", req->target->name, "scenario", run->plan ? run->plan->name : req->scenario,
		"seed", (json_int_t)run->seed, "module", module, "source", req->source ? req->source : "",
		"kernel", image ? image->release : "", "accel",
		req->ssh ? "foreign" : accel == VM_ACCEL_KVM ? "kvm" : "tcg",
		"guest", req->ssh ? req->ssh->host : "", "mount_api",
		req->new_mount_api ? "fsmount" : "mount",
		"memory_mib", (int)c->memory_mib, "vcpus", (int)c->vcpus,
		"cycles", (int)c->cycles, "warmup", (int)c->warmup, "traced", run_latency_probes(run) != 0,
		"mode", run_mode_word(req->mode), "noise", noise,
		"thresholds", "operation_ms", (int)c->operation_ms, "memory_kb", (int)c->memory_kb,
		"cpu_percent", (int)c->cpu_percent, "io_per_second", (int)c->io_per_second, "lasting_s", (int)c->lasting_s,
		"operations", operations_json(c));
}

static void build_line(void *ctx, const char *line)
{
	const struct run_request *req = ctx;
	g_autofree char *text = g_strdup_printf("building: %s", line);

	req->progress.tick(req->progress.ctx, text, 0, 0);
}

gboolean run_build_module(struct run *run, const struct guest_image *image, GError **error)
{
	const struct run_request *req = run->req;
	struct target_source source = { 0 };
	g_autofree char *text = NULL;
	struct modbuild_request build;

	if (req->target->module != TARGET_SOURCE)
		return TRUE;
	if (!target_find_source(req->target, req->source, &source, error))
		return FALSE;
	build = (struct modbuild_request){
		.module_dir = source.module_dir, .headers = image->headers,
		.release = image->release, .mkfs_source = source.mkfs_source,
		.cachedir = req->cachedir, .deadline_s = req->config->build_deadline_s,
		.progress = build_line, .ctx = (void *)req,
	};
	run->built = modbuild_run(&build, req->cancellable, error);
	target_source_clear(&source);
	if (!run->built)
		return FALSE;
	text = g_strdup_printf("module %s for %s: %s in %.1f s",
			       run->built->modules[run->built->nmodules - 1].info->name,
			       image->release, run->built->cached ? "built before, taken" : "built",
			       run->built->seconds);
	req->progress.say(req->progress.ctx, text);
	return TRUE;
}

/* Else a user wonders why a step may take so long. */
static void say_checks(struct run *run)
{
	g_autofree char *text = NULL;

	if (!run->image || !run->image->checks)
		return;
	text = g_strdup_printf("this kernel checks itself (%s): deadlines are %u times as long", run->image->checks,
			       run->image->patience);
	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
}

static void say_ready(struct run *run)
{
	g_autofree char *text = g_strdup_printf("guest ready in %.2f s (%s start)",
						session_ready_ms(run->session) / 1000,
						session_how(run->session));

	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
}

/* The part of a run during which the guest lives. */
static gboolean drive(struct run *run, const struct scenario *scenario, GError **error)
{
	gboolean usable;

	hostwatch_start(run);
	say_ready(run);
	say_checks(run);
	run_note_environment(run);
	if (!run_prepare_dump(run, error))
		return FALSE;
	if (scenario->alone)
		return scenario->run(run, error);
	if (!run_setup(run, &usable, error))
		return FALSE;
	if (!usable)
		return TRUE;
	if (!scenario->run(run, error))
		return FALSE;
	return run_guest_is_hurt(run) || run_teardown(run, error);
}

struct session_config run_session_config(const struct run_request *req, const struct guest_image *image,
					 struct rundir *rundir, enum vm_accel accel)
{
	return (struct session_config){
		.config = req->config, .image = image, .agent = req->agent,
		.cachedir = req->cachedir, .rundir = rundir, .driver = &vm_libvirt,
		.uri = req->uri, .accel = accel, .dumpable = req->dump, .cold = req->cold,
		.scratch_mib = req->target->device_mib, .ssh_port = req->ssh_port,
		.probe_source = req->probe_source, .box = req->box,
		.icount = req->icount, .ssh = req->ssh, .cancellable = req->cancellable,
	};
}

gboolean run_open_session(struct run *run, const struct session_config *config, GError **error)
{
	const struct session_sink sink = {
		.frame = on_frame, .console = on_console, .box = on_box, .note = on_note,
		.progress = on_progress, .failure = on_asked, .ctx = run,
	};

	session_close(g_steal_pointer(&run->session));
	run->session = session_open(config, &sink, error);
	return run->session != NULL;
}

gboolean run_open_guest(struct run *run, GError **error)
{
	struct session_config config = run_session_config(run->req, run->image, run->rundir, run->accel);

	if (run->start) {
		if (!start_fits(run->start, run, &config, error))
			return FALSE;
		start_apply(run->start, &config);
	}
	return run_open_session(run, &config, error);
}

void run_clear(struct run *run)
{
	if (run->dump_timer)
		g_source_remove(run->dump_timer);
	if (run->budget_timer)
		g_source_remove(run->budget_timer);
	json_decref(run->undone);
	hostwatch_stop(run);
	session_close(run->session);
	if (run->journal)
		alert_close(run);
	journal_close(run->journal);
	modbuild_result_free(run->built);
	g_clear_pointer(&run->until, g_regex_unref);
	g_free(run->fstype);
	g_free(run->device);
	g_free(run->mountpoint);
	g_free(run->mkfs);
	if (run->loaded)
		g_ptr_array_unref(run->loaded);
	start_free(run->start);
	plan_free(run->own_plan);
}

/* ---- the budget ------------------------------------------------------------------- */

#define BUDGET_WARNS	.8

static gboolean on_budget_near(gpointer data)
{
	struct run *run = data;
	g_autofree char *text = g_strdup_printf("%.0f %% of the run's budget are used up: it ends in order in %.0f s", 100 * BUDGET_WARNS,
						(1 - BUDGET_WARNS) * run->req->config->budget_ms / 1000);

	run->budget_timer = 0;
	run->req->progress.say(run->req->progress.ctx, text);
	if (run->journal)
		journal_log(run->journal, "%s", text);
	return G_SOURCE_REMOVE;
}

static void begin_budget(struct run *run, gint64 began)
{
	const guint ms = run->req->config->budget_ms;

	if (!ms)
		return;
	run->budget_us = run->due_us = began + (gint64)ms * 1000;
	run->budget_timer = g_timeout_add((guint)(BUDGET_WARNS * ms), on_budget_near, run);
}

/* NULL: the run was not cut. New reference. */
static json_t *cut_json(struct run *run)
{
	if (!run->cut)
		return NULL;
	if (!run->undone)
		run->undone = json_pack("[o]", json_sprintf("%s (in part)", run->phase));
	return json_pack("{s:I, s:O}", "budget_ms", (json_int_t)run->req->config->budget_ms, "not_done", run->undone);
}

static void add_hint(GError **error, const char *dir)
{
	GError *old = error ? *error : NULL;

	if (!old)
		return;
	*error = g_error_new(old->domain, old->code, "%s\nwhat was seen until then: vexlab report %s", old->message, dir);
	g_error_free(old);
}

/* The run cannot go on, for no reason of the guest's: no verdict, but what was seen is there, and it is said where. */
static void break_off(struct run *run, const char *dir, const GError *why, GError **error)
{
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	struct verdict verdict;

	journal_log(run->journal, "%s", why->message);
	journal_finish(run->journal);
	journal_json(run->journal, VX_REC_VM, json_pack("{s:s, s:s}", "event", "broken off", "why", why->message));
	g_propagate_error(error, g_error_copy(why));
	if (!run->next_step)
		return;
	if (!journal_error(run->journal) && (an = analysis_read(dir, NULL))) {
		score_verdict(an, &verdict);
		(void)report_write_files(dir, an, &verdict, NULL);
	}
	add_hint(error, dir);
}

/* The guest has gone or is about to: end the record, judge it, write the reports. */
static gboolean conclude(struct run *run, struct run_outcome *out, const GError *why, GError **error)
{
	const gboolean lost = why && g_error_matches(why, SESSION_ERROR, SESSION_LOST);

	out->interrupted = why && g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	if (why)
		journal_log(run->journal, "%s", why->message);
	journal_finish(run->journal);
	if (!out->interrupted)
		run_compare(run, out->dir);
	alert_close(run);
	if (!out->interrupted)
		journal_json(run->journal, VX_REC_END, json_pack("{s:b, s:s?, s:o?}", "lost", lost,
			     "why", why ? why->message : NULL, "cut", cut_json(run)));
	if (journal_error(run->journal)) {
		break_off(run, out->dir, journal_error(run->journal), error);
		return FALSE;
	}
	out->analysis = analysis_read(out->dir, error);
	if (!out->analysis)
		return FALSE;
	score_verdict(out->analysis, &out->verdict);
	if (!out->interrupted)
		run_remember(run, out);
	if (report_write_files(out->dir, out->analysis, &out->verdict, error))
		return TRUE;
	add_hint(error, out->dir);
	return FALSE;
}

static gboolean with_guest(struct run *run, const struct scenario *scenario,
			   const struct guest_image *image, struct rundir *rundir,
			   struct run_outcome *out, GError **error);

/* After the guest's end, in the same place. Whatever becomes of it, the run itself stands; `error`: interrupted. */
static void control(struct run *run, const struct scenario *scenario, GError **error)
{
	g_autofree char *outdir = g_build_filename(journal_dir(run->journal), "control", NULL);
	RUN_OUTCOME_CLEAR struct run_outcome out = { 0 };
	const struct run_request req = control_request(run, outdir);
	struct run again = { .req = &req, .phase = "setup", .seed = run->seed, .plan = run->plan,
			     .budget_us = run->budget_us, .due_us = run->budget_us };
	g_autoptr(GError) local = NULL;

	if (run_is_over(run)) {
		run->undone = run->undone ?: json_array();
		json_array_append_new(run->undone, json_string("control run"));
		return;
	}
	run->req->progress.say(run->req->progress.ctx, "something was found: a control run, to see whose it is");
	again.loaded = g_ptr_array_new_with_free_func(g_free);
	with_guest(&again, scenario, run->image, run->rundir, &out, &local);
	if (again.cut && !local)
		g_set_error(&local, SESSION_ERROR, SESSION_STOPPED, "the budget was used up before it had come to its end");
	control_note(run, &out, local);
	run_clear(&again);
	g_cancellable_set_error_if_cancelled(run->req->cancellable, error);
}

static gboolean with_guest(struct run *run, const struct scenario *scenario,
			   const struct guest_image *image, struct rundir *rundir,
			   struct run_outcome *out, GError **error)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *stamp = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
	g_autofree char *why = NULL;
	g_autoptr(GError) local = NULL;
	enum vm_accel accel = VM_ACCEL_TCG;

	if (!run->req->ssh && run->req->config->acceleration && !run->req->force_tcg && !run->req->icount)
		accel = vm_probe_accel(image->kernel, run->req->cachedir, FALSE, &why);
	if (why)
		run->req->progress.say(run->req->progress.ctx, why);
	out->dir = make_dir(run->req, stamp, error);
	if (!out->dir)
		return FALSE;
	run->journal = journal_open(out->dir, stamp, error);
	if (!run->journal)
		return FALSE;
	journal_set_log(run->journal, run->req->log);
	log_set_run(run->req->log, out->dir);
	log_write(run->req->log, LOG_LEVEL_NOTICE, "run", json_pack("{s:s, s:s, s:s?}", "target", run->req->target->name, "scenario",
		  run->req->scenario, "mode", run_mode_word(run->req->mode)), "%s on %s", run->req->scenario, run->req->target->name);
	journal_json(run->journal, VX_REC_RUN,
		     steplog_run(run, run_json(run, stamp, image, accel)));
	run->image = image;
	run->rundir = rundir;
	run->accel = accel;
	alert_open(run);
	if (run_open_guest(run, &local) && !drive(run, scenario, &local))
		g_assert(local);
	/* Cut in the middle: the guest still can say how many records it has lost. */
	if (run->cut && run->session && !session_lost(run->session))
		(void)session_flush(run->session, NULL);
	run_dump(run);
	hostwatch_stop(run);
	session_close(g_steal_pointer(&run->session));
	if ((!local || local->domain == SESSION_ERROR) && control_is_due(run))
		control(run, scenario, local ? NULL : &local);
	if (local && local->domain != SESSION_ERROR &&
	    !g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		break_off(run, out->dir, local, error);
		return FALSE;
	}
	return conclude(run, out, local, error);
}

/* Before anything is built or started: does the snapshot exist, is it whole, is it for this? */
static gboolean open_start(struct run *run, const struct scenario *scenario, GError **error)
{
	if (!run->req->snapshot)
		return TRUE;
	if (scenario->alone && !run->req->replay) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the scenario %s makes its guests by itself: not from a snapshot",
			    scenario->name);
		return FALSE;
	}
	run->start = start_open(run->req, error);
	if (run->start)
		run->req = start_request(run->start);
	return run->start != NULL;
}

/* Not 0, and short enough to be typed again. */
static guint64 draw_seed(void)
{
	return 1 + g_random_int();
}

gboolean run_execute(const struct run_request *request, struct run_outcome *ret, GError **error)
{
	VX_GUARD(guest_free) struct guest_image *image = NULL;
	struct run run = { .req = request, .phase = "setup", .seed = request->seed ?: draw_seed() };
	gint64 began = g_get_monotonic_time();
	struct rundir_reaped reaped = { 0 };
	struct rundir *rundir = NULL;
	const struct scenario *scenario;
	const struct run_request *req;
	gboolean ok = FALSE;

	scenario = request->replay ? &scenario_replay : run_find_scenario(&run, error);
	if (!scenario) {
		plan_free(run.own_plan);
		return FALSE;
	}
	run.loaded = g_ptr_array_new_with_free_func(g_free);
	begin_budget(&run, began);
	if (request->until && !(run.until = g_regex_new(request->until, 0, 0, error))) {
		g_prefix_error(error, "--until: ");
		(*error)->domain = VX_ERROR;
		(*error)->code = VX_ERROR_USAGE;
		goto out;
	}
	if (!alert_check(request->config, error) || !open_start(&run, scenario, error))
		goto out;
	req = run.req;
	/* For a foreign guest, an image only says which kernel its module is built for. */
	if ((!req->ssh || req->target->module == TARGET_SOURCE) &&
	    !(image = guest_find(req->cachedir, req->kernel_release, error)))
		goto out;
	if (!tidy_all(req->cachedir, &reaped, NULL, error) || !run_build_module(&run, image, error))
		goto out;
	if (reaped.dirs)
		req->progress.say(req->progress.ctx, "cleared what an earlier vexlab had left");
	rundir = rundir_create(NULL, error);
	if (rundir)
		ok = with_guest(&run, scenario, image, rundir, ret, error);
out:
	run_clear(&run);
	rundir_destroy(rundir);
	ret->seconds = (double)(g_get_monotonic_time() - began) / 1e6;
	return ok;
}

void run_outcome_clear(struct run_outcome *outcome)
{
	g_clear_pointer(&outcome->dir, g_free);
	g_clear_pointer(&outcome->analysis, analysis_free);
}
