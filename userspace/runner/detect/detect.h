/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Detectors read the record's entries, keep their own state and emit findings.
 * They know nothing of VMs or reports. Adding one: a file, and a line in the
 * table of detect.c.
 */
#ifndef VEXLAB_DETECT_H
#define VEXLAB_DETECT_H

#include <glib.h>
#include "guard.h"
#include "finding.h"
#include "record.h"

/* What detectors know of the moment: kept by detect_feed from the entries themselves. */
struct detect_now {
	guint64 step, cycle;
	guint64 realtime_ns;
	char step_name[VX_NAME_LEN];
	char step_kind[16];		/* "load", "unload", "mkfs", "mount", ... as run/ names them */
	gboolean on_target;		/* the step exercises the target (not our own set-up) */
};

struct detect_config {
	double slow_operation_ms;	/* threshold for one operation */
	char module[VX_NAME_LEN];	/* target's module, "" when built in */
};

/* The settings stand in the record itself, so that old runs are judged by their own. */
struct detect_config detect_config_from(const json_t *run);

struct detector {
	const char *name;
	gpointer (*create)(const struct detect_config *config);
	void (*destroy)(gpointer state);
	/* Append findings (owned by the array). */
	void (*feed)(gpointer state, const struct detect_now *now, const struct rec_entry *entry,
		     GPtrArray *findings);
	/* The record has ended: whatever is still in hand. May be NULL. */
	void (*finish)(gpointer state, const struct detect_now *now, GPtrArray *findings);
};

extern const struct detector detector_console, detector_step, detector_latency, detector_guest;

struct detect;

struct detect *detect_new(void);
void detect_free(struct detect *detect);
VX_DEFINE_GUARD(struct detect, detect_free);

/* Findings that `entry` completes: a new array of struct finding *, NULL when there are none. */
GPtrArray *detect_feed(struct detect *detect, const struct rec_entry *entry);
GPtrArray *detect_finish(struct detect *detect);

#endif
