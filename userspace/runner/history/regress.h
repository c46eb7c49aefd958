/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is a run slower than those before it? Operations of one run share the machine's mood, so that hundreds of them are one
 * witness, not hundreds: a run's level is one figure, and it is held against how much the levels of earlier comparable runs differ
 * among themselves. The operations' ranks must agree. docs/HISTORY.md has the formulas, docs/SCORING.md what it finds.
 */
#ifndef VEXLAB_REGRESS_H
#define VEXLAB_REGRESS_H

#include "history.h"

struct regress_config {
	guint runs_min, runs_most;	/* of the baseline */
	double alpha;			/* chance of any false alarm in a comparison, all metrics together */
	double effect_min;		/* share: what is less is not told */
	double prior_spread, prior_df;	/* between runs, of logarithms: what is believed before any run was seen, and how many it is worth */
};
extern const struct regress_config regress_defaults;

enum regress_outcome { REGRESS_NO_EVIDENCE, REGRESS_SLOWER, REGRESS_FASTER };
const char *regress_outcome_name(enum regress_outcome outcome);

struct regress_metric {
	char *name;
	enum regress_outcome outcome;
	guint runs;			/* of the baseline that have it */
	guint64 here, there;		/* operations */
	double p50_here, p50_there;	/* ns; of the baseline the median of its runs' */
	double delta;			/* Cliff's: P(here > there) - P(here < there), of operations */
	double shift, shift_low, shift_high;	/* share: Hodges and Lehmann's, of operations; 95 % as if they were independent */
	double level, level_low, level_high;	/* share: this run's level against the baseline's; 95 % with the spread between runs */
	double relative;		/* share: the same with the machine's mood taken off: what the kernel's own phases are slower by */
	double spread;			/* between runs, share */
	double seen_from;		/* share: a change of less would not have been told */
	double p_slower, p_faster;	/* corrected for all metrics of the comparison */
};

struct regress {
	char *why;			/* nothing was compared, and why; else NULL */
	gboolean same_code;		/* most of the baseline ran the same module, with the same parameters and options */
	GPtrArray *baseline;		/* char *: the runs' names, oldest first */
	GPtrArray *metrics;		/* struct regress_metric * */
};

/* `samples`: sorted, guint64 ns. One metric. */
struct regress_input {
	const char *name;
	const GArray *here;
	GPtrArray *there;		/* GArray *, of each run of the baseline, the same order in all inputs; NULL: it has none */
	guint64 count_here, count_there;
};

/* Pure: judges all metrics of one comparison together. `inputs`: array of struct regress_input. */
void regress_judge(const struct regress_config *config, GArray *inputs, GPtrArray *metrics);

/*
 * A run against its baseline. Where there is none, or too small a one, ->why says so: that is no error. NULL: the history cannot be
 * read.
 */
struct regress *regress_run(struct history *history, const struct hist_run *run, const char *const *across,
			    const struct regress_config *config, GError **error);
/* B against A, which need not be its baseline: how much runs differ is known from A's baseline and A. */
struct regress *regress_pair(struct history *history, const struct hist_run *a, const struct hist_run *b, const char *const *across,
			     const struct regress_config *config, GError **error);
void regress_free(struct regress *regress);
VX_DEFINE_GUARD(struct regress, regress_free);

guint regress_count(const struct regress *regress, enum regress_outcome outcome);
/* {"baseline": [...], "why", "same_code", "metrics": [...]}. New reference. */
json_t *regress_json(const struct regress *regress);

#endif
