/* SPDX-License-Identifier: GPL-2.0 */
/* A run as the history keeps it: what it ran in, what it measured, what it found, how it was judged. */
#ifndef VEXLAB_HISTORY_ENTRY_H
#define VEXLAB_HISTORY_ENTRY_H

#include <jansson.h>
#include "guard.h"
#include "samples.h"
#include "score.h"

#define HIST_WORD_MAX		4096u	/* bytes of any word of an import */
#define HIST_METRICS_MAX	4096u
#define HIST_FINDINGS_MAX	4096u

struct hist_metric {
	char *name;			/* "mount.fill_super" */
	guint64 count;			/* of values; samples are at most SAMPLES_MAX of them */
	double min, p50, p90, p99, max, mean;
	GArray *samples;		/* guint64, ns, sorted; NULL: a single figure */
};

/* Of findings of one class and title in one run. */
struct hist_finding {
	char *class, *title;
	char *key;			/* class and title without what changes from build to build (hist_key()) */
	enum severity severity;		/* the worst */
	enum blame blame;
	gboolean noise;
	guint64 times, cycle;		/* how often; of the first */
	guint attempts, seen;		/* it was tried again: so often, and came back so often; 0: it was not */
};

struct hist_run {
	gint64 id;			/* in this database, 0: not in one */
	char *uid;			/* the same wherever this run is imported */
	char *name, *directory;		/* of its folder */
	guint64 begin_ns, end_ns;	/* CLOCK_REALTIME */
	json_t *env;			/* object of strings */
	gboolean complete;		/* it came to its end */
	gboolean accepted;		/* `history accept`: baselines begin with it */
	gboolean judged;
	enum verdict_code verdict;
	double overall, stability, tests, performance;
	guint64 cycles;
	GPtrArray *metrics;		/* struct hist_metric * */
	GPtrArray *findings;		/* struct hist_finding * */
};

struct hist_run *hist_run_new(void);
void hist_run_free(struct hist_run *run);
VX_DEFINE_GUARD(struct hist_run, hist_run_free);
struct hist_metric *hist_metric_add(struct hist_run *run, const char *name);
struct hist_finding *hist_finding_add(struct hist_run *run, const char *class, const char *title);
const struct hist_metric *hist_run_metric(const struct hist_run *run, const char *name);

/* From a run's record; `dir` is its folder. */
struct hist_run *hist_run_from(const char *dir, const struct analysis *an, const struct verdict *verdict);

/* One line of an export, and back. New reference; NULL and VX_ERROR_CONFIG: it is none, and why. */
json_t *hist_run_json(const struct hist_run *run);
struct hist_run *hist_run_from_json(const json_t *json, GError **error);

/* Class and normalised title: addresses and offsets left out, numbers as N. Caller frees. */
char *hist_key(const char *class, const char *title);

/*
 * What must be the same for figures to be compared, as a canonical text. `across`: keys that may differ (NULL-terminated, or NULL).
 * Caller frees.
 */
char *hist_class(const json_t *env, const char *const *across);
/* NULL-terminated: the keys that hist_class() looks at. */
const char *const *hist_class_keys(void);
/* "kernel: 6.1.0 there, 6.12.1 here; accel: ..."; NULL: they are comparable. Caller frees. */
char *hist_difference(const json_t *there, const json_t *here, const char *const *across);
/* A word of the environment, "" when absent. Borrowed. */
const char *hist_word(const json_t *env, const char *key);

#endif
