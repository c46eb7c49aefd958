/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Samples of the guest (vexlab/metrics.h) as rates: what lay between two of them. Nothing is compared across epochs, as
 * a restored guest counts from where it was; a counter that runs backwards has not moved.
 */
#ifndef VEXLAB_DETECT_METRICS_H
#define VEXLAB_DETECT_METRICS_H

#include "metrics_msg.h"
#include "record.h"

struct metrics_disk_rate {
	double reads, writes;			/* requests a second */
	double read_bytes, write_bytes;		/* a second */
	double busy;				/* % of the time */
};

/* Between a sample and the one before; a figure that could not be read is negative. */
struct metrics_rates {
	double seconds;				/* by the guest's clock; 0: there was none before, and no rates */
	double user, system, iowait, steal;	/* % of all CPUs; system: with interrupts */
	double busy;				/* user and system */
	double switches, interrupts, forks;	/* a second */
	double pressure[VX_PSI_TYPES];		/* % of the time that some waited */
	double tasks;				/* % of one CPU: those that work for the step */
	double ops;				/* requests a second of the busiest device */
	const char *busiest;			/* its name, NULL: none; lives as the flow's present sample does */
	struct metrics_disk_rate disks[VX_METRICS_DISKS_MAX];	/* as the sample's rows */
};

struct metrics_flow {
	gboolean any;
	guint32 epoch;
	guint64 bad;				/* frames that were no sample */
	struct vx_metrics before, now;
	struct metrics_rates rates;
};

/* TRUE: `entry` is a sample, and stands in `now` and `rates`. */
gboolean metrics_feed(struct metrics_flow *flow, const struct rec_entry *entry);

/* Memory in use, kB: what is not available without swapping; 0: not known. */
guint64 metrics_memory_kb(const struct vx_metrics *sample);
/* The same of a sample's entry alone; `fallback`: it does not say. */
guint64 metrics_memory_of(const struct rec_entry *entry, guint64 fallback);

#endif
