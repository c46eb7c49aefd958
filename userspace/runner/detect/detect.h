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
#include "thresholds.h"
#include "record.h"

/* What a scenario file wants of a step: an error of these (none: any error), or a program's status. */
struct detect_expect {
	gboolean set;
	int errors[16];
	guint nerrors;
	int status;			/* -1: not said */
};

/* What detectors know of the moment: kept by detect_feed from the entries themselves. */
struct detect_now {
	guint64 step, cycle;
	guint64 realtime_ns;
	char step_name[VX_NAME_LEN];
	char step_kind[16];		/* "load", "unload", "mkfs", "mount", ... as run/ names them */
	char phase[16];			/* of the scenario: "warmup", "measure", ... */
	gboolean on_target;		/* the step exercises the target (not our own set-up) */
	gboolean may_fail;		/* it is to provoke an error: that it fails is no finding, a crash is */
	struct detect_expect expect;
	gboolean provokes;		/* errors of the filesystem, want of memory: no findings; that it fails is one */
};

/* Silence of the console after which a report that has seen its end is complete. */
#define DETECT_QUIET_MS		15
/* The same for one that has none, or has not seen it. */
#define DETECT_SILENT_MS	1000

struct detect_config {
	struct thresholds thresholds;
	gboolean traced;		/* BPF tells of mounts and unmounts */
	char module[VX_NAME_LEN];	/* target's module, "" when built in */
	char target[VX_NAME_LEN];	/* its name: what it calls itself in messages, roughly */
	gboolean replay;		/* another run's steps are done again */
	const json_t *noise;		/* array of patterns of known noise (PCRE2), of the record; or NULL */
};

/* The settings stand in the record itself, so that old runs are judged by their own. Borrows from `run`. */
struct detect_config detect_config_from(const json_t *run);

/*
 * The user's list of known noise: one pattern (PCRE2) a line, matched against a
 * crash's title and its first line; empty lines and "#" comments are skipped.
 * VX_ERROR_CONFIG names file and line of what is no pattern. g_strfreev() it.
 */
char **noise_load(const char *path, GError **error);

struct detector {
	const char *name;
	gpointer (*create)(const struct detect_config *config);
	void (*destroy)(gpointer state);
	/* Append findings (owned by the array). */
	void (*feed)(gpointer state, const struct detect_now *now, const struct rec_entry *entry,
		     GPtrArray *findings);
	/* Nothing has come since `monotonic_ns` (host's) or before. May be NULL. */
	void (*idle)(gpointer state, const struct detect_now *now, guint64 monotonic_ns,
		     GPtrArray *findings);
	/* The record has ended: whatever is still in hand. May be NULL. */
	void (*finish)(gpointer state, const struct detect_now *now, GPtrArray *findings);
};

/* A finding of the module's in the step of the moment. The caller's. */
struct finding *detect_finding(const struct detect_now *now, enum finding_class class, enum severity severity,
			       const char *title);

extern const struct detector detector_console, detector_death, detector_step, detector_latency, detector_guest, detector_leak,
	detector_oracle, detector_locks, detector_inject, detector_regression, detector_excess;

struct detect;

struct detect *detect_new(void);
void detect_free(struct detect *detect);
VX_DEFINE_GUARD(struct detect, detect_free);

/* Findings that `entry` completes: a new array of struct finding *, NULL when there are none. */
GPtrArray *detect_feed(struct detect *detect, const struct rec_entry *entry);
/* No entry has come by now: the same as detect_feed, for what waits for silence. */
GPtrArray *detect_idle(struct detect *detect, guint64 monotonic_ns);
GPtrArray *detect_finish(struct detect *detect);

struct leaks;
/* What the detector of leaks knows (leak.h); NULL before the run's entry. Lives as long as `detect`. */
struct leaks *detect_leaks(const struct detect *detect);

struct lock_totals;
/* The same of locks (locks.h). */
const struct lock_totals *detect_locks(const struct detect *detect);

#endif
