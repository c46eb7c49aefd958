/* SPDX-License-Identifier: GPL-2.0 */
/* Thresholds: what a run's record says they are, so that an old run is judged by its own. */
#ifndef VEXLAB_DETECT_THRESHOLDS_H
#define VEXLAB_DETECT_THRESHOLDS_H

#include <glib.h>
#include <jansson.h>
#include <vexlab/types.h>

#define THRESHOLD_OPS_MAX	32u

enum limit_percentile { LIMIT_P50, LIMIT_P90, LIMIT_P99, LIMIT_PERCENTILES };
extern const double limit_shares[LIMIT_PERCENTILES];
/* "p50", ... */
extern const char *const limit_names[LIMIT_PERCENTILES];

/* Of one operation: "mount", "umount", a step's name or kind. 0: none. */
struct threshold_op {
	char name[VX_NAME_LEN];
	double max_ms, percentile_ms[LIMIT_PERCENTILES];
};

struct thresholds {
	double operation_ms;		/* for one mount or unmount */
	double memory_kb;		/* in use in the guest */
	double cpu_percent;		/* of all its CPUs */
	double io_per_second;		/* requests of its busiest device */
	double lasting_s;		/* so long without a break until it counts */
	guint nops;
	struct threshold_op ops[THRESHOLD_OPS_MAX];
};

/* Of VX_REC_RUN; what it does not say is as ever, or, of memory, CPU and I/O, none. */
struct thresholds thresholds_from(const json_t *run);
/* NULL: it has none of its own. */
const struct threshold_op *thresholds_op(const struct thresholds *thresholds, const char *name);
/* What a mount or unmount must not take longer than, ms. */
double thresholds_operation_ms(const struct thresholds *thresholds, const char *name);

#endif
