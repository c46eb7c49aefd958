/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A finding of an earlier run, seen again or not: a guest like that run's, the steps
 * that its record tells, in order, from the ready guest up to the one in which the
 * finding was made. Points between them are not needed: what led to them is done too. A run that started from a
 * snapshot is done again from the same one.
 */
#ifndef VEXLAB_REPLAY_H
#define VEXLAB_REPLAY_H

#include "run.h"

/* Borrowed for the call. */
struct replay_request {
	const char *dir;		/* the earlier run's */
	unsigned int number;		/* of the finding's folder; 0: the first */
	unsigned int times;		/* at least 1; the guest is made anew in between */
	const char *from;		/* attempts after the first go on from just after this step's last time; or NULL */
	const char *outdir, *cachedir, *agent, *uri;
	const char *probe_source;	/* kmod-probe's folder, for a run that needs it: from a snapshot, with failures, bound */
	gboolean cold;
	struct run_progress progress;
	GCancellable *cancellable;
};

struct replay_outcome {
	char *title;			/* of the finding looked for */
	unsigned int steps;		/* that the list has */
	unsigned int attempts, seen;	/* made; in which it came back */
	gboolean race;			/* it was made in branches, or is a data race: how often it comes back is a figure, no verdict */
	json_t *details;		/* array, one an attempt: {"seen", "after", "step", "steps": [...]} */
	struct run_outcome run;		/* the replay's own record and reports */
};
void replay_outcome_clear(struct replay_outcome *outcome);
#define REPLAY_OUTCOME_CLEAR __attribute__((cleanup(replay_outcome_clear)))

/*
 * FALSE: it could not be tried. VX_ERROR_USAGE: no such finding, or step; VX_ERROR_UNAVAILABLE: what it takes is
 * not there any more (the kernel, the module and its source), or it was not a guest of our own.
 */
gboolean replay_execute(const struct replay_request *request, struct replay_outcome *ret, GError **error);

#endif
