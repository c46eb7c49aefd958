/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The history: every run of a place, in one SQLite file. Many processes may write at a time (write-ahead log, 60 s of
 * patience); each run is there whole or not at all, and once. A file that is damaged is set aside under a new name
 * and a new one begun.
 */
#ifndef VEXLAB_HISTORY_H
#define VEXLAB_HISTORY_H

#include "entry.h"

#define HISTORY_FILE	"history.db"	/* in the folder that runs are kept in */

struct history;

/* What it is opened for. */
enum history_use { HISTORY_READ, HISTORY_WRITE };

/*
 * HISTORY_READ: VX_ERROR_UNAVAILABLE when it is not there, VX_ERROR_IO when it is damaged. HISTORY_WRITE: it is made, or set aside and
 * made anew; *told, if not NULL, is then a sentence on where the damaged one is now (caller frees), else NULL.
 * VX_ERROR_CONFIG: another program's, or a newer vexlab's. VX_ERROR_PERM as for any file.
 */
struct history *history_open(const char *path, enum history_use use, char **told, GError **error);
/* NULL-safe. */
void history_close(struct history *history);
VX_DEFINE_GUARD(struct history, history_close);

/* SQLite has said so in the last call that failed. */
gboolean history_is_damaged(const struct history *history);

/* SQLite's own check of the whole file. VX_ERROR_IO: what is wrong with it. */
gboolean history_check(struct history *history, GError **error);

/*
 * *added FALSE: it is there already, and what it says was kept, but where the one there is of a run that
 * had not come to its end, and this one is more. Sets run->id.
 */
gboolean history_add(struct history *history, struct hist_run *run, gboolean *added, GError **error);
/* Between them many are added at once; end with `ok` FALSE undoes them. */
gboolean history_begin(struct history *history, GError **error);
gboolean history_end(struct history *history, gboolean ok, GError **error);

/*
 * A run by what people call it: its number, its folder (a path or the last part of it), "latest", the beginning
 * of its uid (at least 4). 0 and VX_ERROR_USAGE: none, or more than one.
 */
gint64 history_find(struct history *history, const char *name, GError **error);
/* All of it; `light`: without metrics and findings. NULL: not there. */
struct hist_run *history_load(struct history *history, gint64 id, gboolean light, GError **error);

/* With its findings alone. */
struct hist_run *history_load_findings(struct history *history, gint64 id, GError **error);

/* Baselines begin with this run, whatever it was told of it; FALSE: no longer. */
gboolean history_accept(struct history *history, gint64 id, gboolean accepted, GError **error);
/* A finding of `run` was tried again `attempts` times and came back `seen` times: added to what is known. */
gboolean history_retried(struct history *history, gint64 run, const char *key, guint attempts, guint seen, GError **error);

struct history_filter {
	const char *target, *scenario;	/* NULL: any */
	guint64 before_ns;		/* began before then; 0: any */
	guint last;			/* so many, the latest; 0: all */
	gboolean complete;		/* only those that came to their end */
};
/* Ids, oldest first. NULL and `error`. */
GArray *history_list(struct history *history, const struct history_filter *filter, GError **error);
gint64 history_count(struct history *history, GError **error);

/* ---- series --------------------------------------------------------------------------- */

/* One run's value of a metric. */
struct history_point {
	gint64 run;
	guint64 begin_ns;
	double value;
};
enum history_field { FIELD_P50, FIELD_P90, FIELD_P99, FIELD_MIN, FIELD_MAX, FIELD_MEAN, HISTORY_FIELDS };
const char *history_field_name(enum history_field field);
/*
 * Of the runs comparable to `like` (its class, or with `across` any that differs in those only), the `last` (0: all), oldest
 * first; runs that did not come to their end are left out. Array of struct history_point.
 */
GArray *history_series(struct history *history, const struct hist_run *like, const char *const *across, const char *metric,
		       enum history_field field, guint last, GError **error);
/* All names, sorted; g_strfreev() it. */
char **history_metrics(struct history *history, GError **error);
/* The samples of a run's metric as logarithms, sorted; NULL: there are none. */
GArray *history_samples(struct history *history, gint64 run, const char *metric, GError **error);

/*
 * Ids of the runs that `run` is to be compared with: comparable, before it, complete, none that a regression was told of, none before the
 * last accepted one; the `most` latest, oldest first. *why, when there are none: how the latest run of this target differs. Caller frees.
 */
GArray *history_baseline(struct history *history, const struct hist_run *run, const char *const *across, guint most, char **why,
			 GError **error);
/* The same without a baseline's conditions: complete runs that are comparable, latest first. */
GArray *history_comparable(struct history *history, const struct hist_run *run, const char *const *across, guint most, GError **error);

#endif
