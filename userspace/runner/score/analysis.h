/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a record amounts to: distributions per operation and phase, losses,
 * steps, findings. A pure function of the record, used by score and reports.
 *
 * Percentiles are exact: taken over all records by the nearest-rank method
 * (smallest value with at least q of the values at or below it).
 */
#ifndef VEXLAB_ANALYSIS_H
#define VEXLAB_ANALYSIS_H

#include <glib.h>
#include "guard.h"
#include <jansson.h>
#include "finding.h"
#include "record.h"

/* What a run looks for. Its word is in the record's "mode" (null: MODE_ALL), and in reports. */
enum run_mode {
	MODE_ALL,
	MODE_PERFORMANCE,			/* latency; crashes are told, not hunted */
	MODE_CRASHES,				/* crashes, hangs, failures; no latency is traced */
};
/* "performance only", "crash detection only"; NULL: MODE_ALL. */
const char *run_mode_word(enum run_mode mode);

/* Distribution of a set of durations, ns. All 0 when count is 0. */
struct dist {
	guint64 count;
	guint64 min, p50, p90, p99, max, mean;
};

/* What the distributions below are made of: guint64, ns, sorted. own: without waiting for the disk, which is the host's. */
struct op_samples {
	GArray *total, *own, *oncpu, *offcpu, *agent, *phase[VX_PHASE_TYPES];
};

/* One kind of operation over the measured cycles. */
struct op_stats {
	struct op_samples samples;
	guint64 count;				/* operations recorded */
	guint64 errors;				/* of them, ended in an errno */
	struct dist total;			/* of the successful ones, as all below */
	struct dist phase[VX_PHASE_TYPES];
	struct dist offcpu, blkio_wait;
	struct dist phase_offcpu[VX_PHASE_TYPES];
	struct dist agent;			/* the agent's own clock around the system call */
	gint64 clock_gap_p50;			/* median of (agent - BPF), ns */
	guint64 clock_pairs;
	double io_reads, io_writes;		/* mean a operation */
	double io_read_bytes, io_write_bytes;
	guint64 slab_count;			/* operations with slab accounting */
	double slab_bytes, slab_allocs;		/* mean of those */
	guint64 hist_count;			/* samples in the kernel's own histogram (warm-up included) */
	guint64 hist_p50, hist_p99;		/* from it, lower bound of the slot, ns */
};

/* Steps of the target by what they try. */
enum step_group { GROUP_LOAD, GROUP_UNLOAD, GROUP_MOUNT, GROUP_UMOUNT, GROUP_OPERATION, STEP_GROUPS };

struct step_count {
	guint64 done, failed;
};

struct cpu_loss {
	guint64 emitted, lost, lost_state;
};

/* Of the guest as a whole, by its samples (detect/metrics.h); means by time. Negative: not known. */
struct usage {
	guint64 samples;
	double seconds;				/* between them, all guests */
	double memory_mean_kb, cpu_mean;	/* in use; % of all CPUs */
	guint64 memory_peak_kb, slab_peak_kb;	/* 0: not known */
	double ops_mean, ops_most;		/* requests a second of the busiest device */
	double sampling_percent;		/* of one CPU: what it took to sample */
};

struct analysis {
	json_t *run;				/* VX_REC_RUN, NULL when the record has none */
	enum run_mode mode;			/* of it */
	json_t *end;				/* VX_REC_END, NULL: interrupted */
	const json_t *cut;			/* of it: {"budget_ms", "not_done": ["stress (in part)", ...]}; NULL: it was not cut */
	json_t *vm;				/* array of VX_REC_VM, in order */
	guint64 begin_realtime_ns, end_realtime_ns;
	struct op_stats op[VX_OP_TYPES];
	guint64 steps, steps_failed;		/* steps of the target */
	struct step_count group[STEP_GROUPS];	/* of those, sorted by what they try */
	guint64 env_steps_failed;		/* our own set-up steps that failed */
	guint64 cycles;				/* measured cycles that were completed */
	double measured_s;			/* wall time of the measured cycles, host */
	GArray *cpus;				/* struct cpu_loss */
	guint64 lost;				/* records lost, all CPUs; counts lost_state too */
	guint64 frames_lost;			/* gaps in the sequence of frames */
	guint lives_unflushed;			/* guests that went without saying how many records they had lost */
	guint recoveries, recovered;		/* attempts, and those that brought the guest back */
	struct dist recovery_ns;		/* of the latter */
	GArray *probes;				/* struct vx_probe_status, last VX_MSG_TRACE with any */
	GPtrArray *findings;			/* struct finding * */
	struct usage usage;
	guint64 violations;			/* operations above their threshold */
	guint64 measurements;			/* operations held against thresholds */
	struct detect *detect;			/* as it was at the record's end */
	struct leaks *leaks;			/* of it (leak.h), judged; NULL: no leak was hunted */
	gsize torn;				/* bytes of a torn last entry */
};

/* Reads the whole record of the run in `dir`. */
struct analysis *analysis_read(const char *dir, GError **error);
void analysis_free(struct analysis *analysis);
VX_DEFINE_GUARD(struct analysis, analysis_free);

/* Distribution of `values` (guint64), which gets sorted. */
void dist_from(GArray *values, struct dist *ret);

/* The last VX_REC_VM whose "event" is that; NULL: there is none. Borrowed. */
json_t *analysis_vm_event(const struct analysis *analysis, const char *event);
/* A word from the run's own settings, `fallback` when absent. Borrowed. */
const char *analysis_run_word(const struct analysis *analysis, const char *key,
			      const char *fallback);

#endif
