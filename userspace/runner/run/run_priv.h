/* SPDX-License-Identifier: GPL-2.0 */
/* Between run.c and the scenarios. */
#ifndef VEXLAB_RUN_PRIV_H
#define VEXLAB_RUN_PRIV_H

#include "detect.h"
#include "journal.h"
#include "modbuild.h"
#include "plan.h"
#include "run.h"
#include "session.h"

/* The set-up, in order: nothing of the target, its module, a formatted device too. */
enum run_upto { RUN_BOOTED, RUN_LOADED, RUN_FORMATTED };

/* A step by its name, the `count`th time that it ends well; run_step() refuses the next one that exercises the target. */
struct stop {
	const char *name;
	guint count, times;			/* wanted, seen */
	GPtrArray *seen;			/* names of all steps so far, each once */
};

struct run {
	const struct run_request *req;
	struct session *session;
	struct journal *journal;
	struct modbuild_result *built;		/* NULL: nothing was built */
	char *fstype;				/* given by the target, or discovered */
	char *device, *mountpoint, *mkfs;	/* in the guest */
	gboolean bind_calls;			/* modules are loaded with their calls of allocators bound to vexprobe.ko's */
	gboolean told_loaded;			/* once a run */
	guint bound;				/* symbols that were, in the last load */
	guint64 next_step;
	guint64 cycle;
	GRegex *until;				/* req->until */
	guint64 seed;				/* see run_seed() */
	const char *phase;			/* of the scenario: "setup", "check", "warmup", "measure"... */
	GPtrArray *loaded;			/* modules we loaded, names, in order */
	enum run_upto stage;			/* how far the set-up is */
	gboolean used;				/* a part has had the device, and may have left it damaged: format it first */
	struct start *start;			/* the snapshot that the guest starts from; NULL: none */
	struct stop *stop;			/* the step that the run ends with; NULL: none */
	gboolean dumped;			/* once a run, tried or done */
	guint dump_timer, watch_timer;
	struct alerts *alerts;			/* NULL: none are told */
	struct alert_send *alert_send;		/* NULL: only to the terminal */
	struct vx_req_trace traced;		/* what the guest was last asked to trace */
	gboolean tracing;			/* it was asked */
	gboolean given_up;			/* nothing is tried any more: a handler says so, or it has failed */
	guint recoveries;			/* attempts so far */
	guint recoveries_more;			/* that the scenario may have beyond recovery.attempts */
	gboolean has_point;			/* the guest as run_setup() and run_trace() left it is kept */
	const struct plan *plan;		/* the scenario's file; NULL: it has none */
	struct plan *own_plan;			/* the same, to be freed */
	const char *load_params;		/* for the module, this time, beside all others; or NULL */
	const struct detect_expect *load_expect; /* what loading must end with, this time; NULL: success */
	gint64 budget_us;			/* host's monotonic clock: the whole run's time is over then; 0: never */
	guint budget_timer;
	gboolean cut;				/* it was, and something was left undone */
	json_t *undone;				/* words: what; NULL: the scenario did not say */
	gint64 due_us;				/* the same clock, of the run or of a part of it: run_step() ends with SESSION_STOPPED then; 0: never */
	guint behind;				/* findings that are the matter of a guest we have left behind */
	const struct guest_image *image;	/* what run_open_session() makes a guest of */
	struct rundir *rundir;
	enum vm_accel accel;
};

/* One step as scenarios write it. */
struct step_spec {
	enum vx_step_op op;
	const char *kind;		/* "load", "unload", "exec", "mount", "umount", "files", "other" */
	gboolean on_target;		/* exercises the target: its failure is the target's */
	const char *name;		/* for people: "mount", "insmod vexfs.ko" */
	const char *const *strings;
	gint64 num[4];
	guint deadline_ms;		/* 0: the configuration's */
	const struct detect_expect *expect; /* how it must fail, and the step's answer is judged by; NULL: not at all */
	gboolean may_fail;		/* it is to provoke an error: only a crash or a hang in it is a finding */
	gboolean provokes;		/* errors of the filesystem, want of memory: what the console says of those is right */
	const char *way;		/* of a leak hunt (detect/leak.h); NULL: the ordinary one */
};

enum step_outcome {
	STEP_OK,
	STEP_FAILED,		/* it answered with an error; recorded, the run may go on */
	STEP_STUCK,		/* its deadline struck; the guest cannot be trusted any more */
};

/* Is the time over, with more to be done? */
gboolean run_is_over(struct run *run);
/* FALSE: the guest is lost, the user interrupted, or the record cannot be written. */
gboolean run_step(struct run *run, const struct step_spec *spec, enum step_outcome *outcome,
		  struct step_result *ret, GError **error);

/*
 * part.c: the `n`th number that `what` draws; the same in each run of the same seed, whatever others have drawn.
 */
guint64 run_seed(const struct run *run, const char *what, guint64 n);
void run_say_seed(const struct run *run);

/* Puts a file into the guest; recorded, as steps are. */
gboolean run_put(struct run *run, const char *local, const char *remote, int mode, GError **error);

/*
 * steplog.c: what of a run goes into its record, so that it can be done again. New references;
 * steplog_run() adds to `json` and hands it back.
 */
json_t *steplog_step(const struct run *run, const struct step_spec *spec,
		     const struct vx_req_step *req);
json_t *steplog_run(const struct run *run, json_t *json);
void steplog_trace(const struct run *run, const struct vx_req_trace *req);

/*
 * dump.c, for --dump. What the guest's kernel must do beforehand; and the dump at the first finding that
 * has evidence: to be called before the guest is let go or brought back.
 */
gboolean run_prepare_dump(struct run *run, GError **error);
void run_dump(struct run *run);

/* TRUE once something was found after which going on proves nothing (panic, oops, hang). */
gboolean run_guest_is_hurt(const struct run *run);

/*
 * recover.c. After a step, or a part of the scenario, that ended with `ok` and, if not, `*local`: was the
 * guest lost or hurt, and is it back? FALSE: the run ends now, `error` is set (what was in `*local`, if it
 * was not the guest's loss). *go_on FALSE: it ends in order, as nothing more can be done. *recovered TRUE:
 * the guest is as run_setup() left it, traced as before; what was under way is lost.
 */
gboolean run_survive(struct run *run, gboolean ok, GError **local, gboolean *go_on, gboolean *recovered,
		     GError **error);

/* Lets the console come to rest, so that what a step has caused is not found during the next; 0.4 s at most. */
void run_settle(struct run *run);

/* The same, for a guest that is merely of no more use for what comes next. */
gboolean run_put_back(struct run *run, const char *cause, gboolean *go_on, GError **error);

/* control.c: shall there be a control run, what is asked of it, and what came of it (`why`: it could not judge). */
gboolean control_is_due(const struct run *run);
struct run_request control_request(const struct run *run, const char *outdir);
void control_note(struct run *run, const struct run_outcome *out, const GError *why);

/*
 * alert.c: what was found since the last look is told, if it is an alert; close waits for what is being sent, some seconds at
 * most. check: before anything is started; VX_ERROR_CONFIG.
 */
gboolean alert_check(const struct config *config, GError **error);
void alert_open(struct run *run);
void alert_look(struct run *run);
void alert_close(struct run *run);
/* recover.c: what the user's programs are told, "KEY=value"; `finding` may be NULL. g_strfreev(). */
char **run_environment(const struct run *run, const struct finding *finding);

/* hostwatch.c: from now on, QEMU and room on disks into the record, each watch.monitor_interval_ms. */
void hostwatch_start(struct run *run);
void hostwatch_stop(struct run *run);

/* environment.c: machine, versions, the source's revision, into the record; once the guest is there. */
void run_note_environment(const struct run *run);

/*
 * remember.c. Before the record's end: the comparison with earlier runs, and each finding's life, go into it. After the verdict: the
 * run goes into the history. What cannot be done is told, and no more: a run does not fail for it.
 */
void run_compare(struct run *run, const char *dir);
void run_remember(struct run *run, const struct run_outcome *out);

/* setup.c: module, type, mkfs, mount point; FALSE with `error`, or *usable FALSE: the target failed. */
gboolean run_setup(struct run *run, gboolean *usable, GError **error);
/* Only so far; what the snapshot has that the guest started from is not done again. */
gboolean run_setup_upto(struct run *run, enum run_upto upto, gboolean *usable, GError **error);
/* Its module alone. *usable FALSE: it does not load. */
gboolean run_load(struct run *run, gboolean *usable, GError **error);
/* All modules that we loaded, last first; *outcome of the last that was tried. */
gboolean run_unload(struct run *run, enum step_outcome *outcome, GError **error);
/* The device anew; *usable FALSE: mkfs failed. */
gboolean run_format(struct run *run, gboolean *usable, GError **error);
/* The same on another device of the guest. */
gboolean run_format_device(struct run *run, const char *device, gboolean *usable, GError **error);
gboolean run_teardown(struct run *run, GError **error);

gboolean run_mount(struct run *run, enum step_outcome *outcome, GError **error);
gboolean run_umount(struct run *run, enum step_outcome *outcome, GError **error);
gboolean run_trace(struct run *run, guint32 groups, gboolean reset, GError **error);
/* The groups that time operations; 0: the run is not to time any. */
guint32 run_latency_probes(const struct run *run);
/* Sixteen files written, read back, renamed, removed. */
gboolean run_file_work(struct run *run, enum step_outcome *outcome, GError **error);

/* run.c: what a guest needs, and what any use of one is built of. */
gboolean run_build_module(struct run *run, const struct guest_image *image, GError **error);
gboolean run_open_session(struct run *run, const struct session_config *config, GError **error);
/* What a run's guest is made of; all borrowed. */
struct session_config run_session_config(const struct run_request *req, const struct guest_image *image,
					 struct rundir *rundir, enum vm_accel accel);
void run_clear(struct run *run);
/* A guest as it is at a run's beginning; in place of the present one, if any. */
gboolean run_open_guest(struct run *run, GError **error);

/*
 * start.c: a run that starts from a snapshot. open: the snapshot is whole, locked against removal, and of this target;
 * its machine is put into a copy of the request, which the run then has. fits: is it of this agent, QEMU, module...? If so, the
 * session starts from it; asked once, before the first guest. set_up: what the snapshot has of the set-up.
 */
struct start;
struct start *start_open(const struct run_request *req, GError **error);
void start_free(struct start *start);
const struct run_request *start_request(const struct start *start);
gboolean start_fits(struct start *start, const struct run *run, const struct session_config *session, GError **error);
void start_apply(const struct start *start, struct session_config *session);
void start_set_up(const struct start *start, struct run *run);
gboolean start_mounted(const struct start *start);
json_t *start_json(const struct start *start);

struct scenario {
	const char *name, *description;
	gboolean alone;			/* does its own set-up and teardown */
	gboolean (*run)(struct run *run, GError **error);
};
/* The request's: a file, which is read into run->plan, or a part, whose arguments are checked. VX_ERROR_USAGE, VX_ERROR_CONFIG. */
const struct scenario *run_find_scenario(struct run *run, GError **error);
/* plan_run.c: run->plan, with the usual set-up and teardown, or with one of its own. */
extern const struct scenario scenario_plan, scenario_plan_alone;
/* part.c: the part whose name the request has as its scenario. */
extern const struct scenario scenario_part;
/* replay.c; not in the users' list. */
extern const struct scenario scenario_replay;
/* What a replay's record says of the run that it repeats. */
void replay_note_origin(const struct replay *replay, json_t *run);

#endif
