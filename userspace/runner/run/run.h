/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A run from beginning to end. Control has one owner, here: it alone sees the
 * guest and the findings, and decides what the next step is.
 */
#ifndef VEXLAB_RUN_H
#define VEXLAB_RUN_H

#include <gio/gio.h>
#include "config.h"
#include "guard.h"
#include "log.h"
#include "score.h"
#include "ssh.h"
#include "target.h"
#include "vm.h"

struct run_progress {
	/* A line that stays ("warm start in 0.6 s"). */
	void (*say)(void *ctx, const char *text);
	/* A line that is overwritten by the next ("cycle 37 of 100"); `done` of `all`. */
	void (*tick)(void *ctx, const char *text, unsigned int done, unsigned int all);
	void *ctx;
};

/* Borrowed for the run. */
struct run_request {
	const struct config *config;
	const struct target *target;
	const struct target *control;	/* reference for the control run (control.c), NULL: none is made */
	const char *scenario;		/* a name, or a file (plan.h) */
	const char *scenario_dir;	/* where the built-in ones are; or NULL */
	const char *source;		/* of a target built from source, or NULL */
	guint64 seed;			/* of all that is done by chance; 0: one is drawn */
	char **args;			/* of a scenario that is a part: "key=value", or NULL */
	const char *steps;		/* only these of the scenario file's, by name: words with commas between; or NULL */
	const char *until;		/* end with the first finding whose title matches this regular expression; or NULL */
	const char *module_params;	/* for insmod, beside the target's own; or NULL */
	const char *faults;		/* of the scenario faults, only these: words with commas between; or NULL */
	const char *operations;		/* of the scenario file-operations, only these or these groups; or NULL */
	const char *mount_options;	/* instead of the target's; or NULL */
	const char *outdir;		/* made if absent; its `latest` points to the run */
	const char *cachedir, *agent, *kernel_release;
	const char *uri;
	enum run_mode mode;		/* what is looked for (analysis.h) */
	gboolean force_tcg, cold, no_trace, new_mount_api;
	const char *history;		/* its file; NULL: the run is neither compared nor kept (remember.c) */
	const char *const *across;	/* what comparable runs may differ in (history/entry.h), or NULL */
	const char *version;		/* vexlab's own, for the record; or NULL */
	gboolean icount;		/* the guest's clock counts instructions (vm.h); emulation only */
	const char *probe_source;	/* kmod-probe's folder; NULL: without its module */
	enum vm_box box;		/* how a dying guest's events get out */
	unsigned int ssh_port;
	const struct ssh_config *ssh;
	const char *device;		/* block device in a foreign guest */
	char **noise;			/* patterns of known noise, or NULL */
	const char *snapshot;		/* start from it instead of a booted guest (snapshot.h); or NULL */
	gint64 snapshot_made;		/* the one that was made then, and no other; 0: any */
	gboolean dump;			/* the guest's memory at the first finding that matters */
	gboolean no_alerts;		/* of a run that belongs to another */
	const char *handlers;		/* folder of the user's recovery handlers (recover.c), or NULL */
	struct replay *replay;		/* replay.c's own: the steps of another run instead of a scenario */
	struct run_progress progress;
	struct log *log;		/* for what befalls the run beside progress (base/log.h); NULL: nobody listens */
	GCancellable *cancellable;
};

struct run_outcome {
	char *dir;			/* of the run */
	struct analysis *analysis;
	struct verdict verdict;
	gboolean interrupted;		/* Ctrl-C: results so far are there */
	double seconds;
};
void run_outcome_clear(struct run_outcome *outcome);
#define RUN_OUTCOME_CLEAR __attribute__((cleanup(run_outcome_clear)))

/* FALSE: nothing could be judged; `error` says why (its code is the exit code). */
gboolean run_execute(const struct run_request *request, struct run_outcome *ret, GError **error);

/* NULL-terminated: name, description, name, description... of files, and of parts. `dir` as in the request. g_strfreev(). */
char **run_scenarios(const char *dir);
/* A scenario file is as it must be. VX_ERROR_CONFIG, with file and line. */
gboolean run_check_scenario(const char *name_or_path, const char *dir, GError **error);
/* All that a step of such a file can be, and what each takes. Caller frees. */
char *run_scenario_words(void);

#endif
