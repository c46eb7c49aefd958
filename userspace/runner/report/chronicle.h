/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happened when: every step, operation and turn of a run with its moment on the host's CLOCK_REALTIME, and
 * whatever was measured over time. A pure function of the record; what struct analysis sums up, this
 * keeps apart, for reports that show a course.
 *
 * What a guest did within a step is placed by the guest's own clock, relative to the step: the way there and back is
 * halved. So nothing of a step lies outside it, however the two clocks drift.
 */
#ifndef VEXLAB_CHRONICLE_H
#define VEXLAB_CHRONICLE_H

#include "analysis.h"
#include "metrics.h"

#define CHRONICLE_STEPS_MAX	1000000u
#define CHRONICLE_OPS_MAX	1000000u
#define CHRONICLE_MARKS_MAX	10000u
#define CHRONICLE_SERIES_MAX	2048u
#define CHRONICLE_POINTS_MAX	1024u	/* of one series, a multiple of 4: beyond, of four the least and the most are left */
#define CHRONICLE_NO_STEP	G_MAXUINT

/* Strings are the run's own words, or a guest's: not printable for sure, valid UTF-8. Borrowed from the chronicle. */
struct chron_step {
	guint64 id, cycle;
	guint64 begin_ns, end_ns;	/* host's clock; of one that was never answered, when the next thing began */
	guint64 call_ns;		/* begin of the system call, host's clock; 0: not answered */
	guint64 guest_ns, took_ns;	/* the same on the guest's clock, and how long it took there */
	const char *name, *kind, *phase, *op;
	const char *says;		/* first line of what it answered, when it failed; or NULL */
	gint64 value;
	gint32 err;
	gboolean target, may_fail, answered;
};

struct chron_op {
	guint64 step_id, cycle;
	guint step;			/* index in `steps`, CHRONICLE_NO_STEP: outside any */
	guint64 at_ns;			/* host's clock */
	guint64 total_ns, phase_ns[VX_PHASE_TYPES], offcpu_ns, blkio_wait_ns;
	guint64 io_read_bytes, io_write_bytes;
	gint64 slab_bytes;
	guint32 io_reads, io_writes, slab_allocs, slab_frees;
	guint32 cpu, pid;
	gint32 err;
	guint16 flags;			/* enum vx_fsop_flags */
	guint8 op, api;
	const char *comm, *fstype;
};

/* A turn of the run: what VX_REC_VM tells. */
struct chron_mark {
	guint64 ns;
	const char *event;		/* "ready", "lost", "recovered", ... */
	const char *why;		/* in words, or NULL */
	double ms;			/* how long it took, 0: not told */
};

struct chron_point {
	guint64 ns;
	double value;
};

struct chron_series {
	char *name;			/* dotted words, the first of which is its family: "memory.free" */
	const char *unit;		/* "kB", "objects"; static */
	GArray *points;			/* struct chron_point, ascending */
	guint64 count;			/* of samples, however many points are left */
	double sum, least, most;	/* of all of them */
	guint stride;			/* above 1: two points are left of twice so many samples, */
	guint pending;			/* so many of which wait, */
	struct chron_point low, high;	/* the least and the most of them these */
	guint64 last_ns;
};

/* The last of what is told as differences. */
struct host_flow {
	guint64 pid, at_ns, cpu_ms, read_bytes, write_bytes;	/* QEMU's, host's monotonic clock */
	guint32 epoch;
	gint64 fastest;			/* way of a sample, host's clock less the guest's, ns */
	guint64 fastest_ns;		/* when that one came, 0: none has */
};

struct chronicle {
	GArray *steps;			/* struct chron_step, in order */
	GArray *ops;			/* struct chron_op, in order of arrival */
	GArray *marks;			/* struct chron_mark */
	GPtrArray *series;		/* struct chron_series *, in order of appearance */
	guint64 begin_ns, end_ns;	/* of the record */
	guint64 left_out;		/* steps, operations, series beyond the bounds */

	/* while reading */
	GHashTable *by_id;		/* step id -> index + 1 */
	GHashTable *by_name;		/* series' name -> struct chron_series * */
	GStringChunk *words;
	gint64 ahead_ns;		/* host's clock less the guest's, by the last answer */
	struct metrics_flow *flow;	/* the guest's samples */
	struct host_flow *host;		/* the host's (series_usage.c) */
};

struct chronicle *chronicle_read(const char *dir, GError **error);
void chronicle_free(struct chronicle *chronicle);
VX_DEFINE_GUARD(struct chronicle, chronicle_free);

/* NULL: it has none of that id. */
const struct chron_step *chronicle_step(const struct chronicle *chronicle, guint64 id);
/* Was the operation one of the measured cycles, whose latencies are told? */
gboolean chronicle_is_measured(const struct chronicle *chronicle, const struct chron_op *op);
/* Did it fail, being one that ought not? One that was never answered did. */
gboolean chron_step_failed(const struct chron_step *step);

/*
 * series.c: a sample of something. What is new to be shown over time calls this from a function of its own, which
 * stands in the table there. `unit` is static.
 */
void chronicle_sample(struct chronicle *chronicle, const char *name, const char *unit, guint64 ns, double value);
/* Not the same value all the time. */
gboolean chron_series_varies(const struct chron_series *series);
/* Feeds one entry to all sources of samples; a step's answer after the step itself was noted. */
void chronicle_feed_series(struct chronicle *chronicle, const struct rec_entry *entry);
/* Sources of samples, series_usage.c: what guest and host spend. */
void chronicle_feed_usage(struct chronicle *chronicle, const struct rec_entry *entry);
void chronicle_feed_host(struct chronicle *chronicle, const struct rec_entry *entry);
/* What the operations themselves tell, once each has its moment. */
void chronicle_sample_ops(struct chronicle *chronicle);
/* Nothing more comes. */
void chronicle_end_series(struct chronicle *chronicle);

#endif
