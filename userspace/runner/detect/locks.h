/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Locks, by the output of VX_STEP_LOCKS (READ), a line each; what is not understood is counted.
 *
 *	C taken released unknown sites_lost pairs_lost edges_lost holders_lost missed
 *	S id kind taken contended wait wait_max hold hold_max hold_max_off long long_max long_slept
 *	F frame		of the site before: the call that takes the lock, then its callers ("function+0x1/0x2 [module]")
 *	L frame		of the site before: who let go after the longest of the long holds
 *	E outer class site inner class site gate flags count tid
 *	G frame		of the order before: taking the inner lock
 *	H site tid held_ns	still held when all who could hold it are back in user space
 *	U site tid by	a mutex, let go by another task
 *	X n		lines left out
 *
 * Times are ns; locks have numbers of their own in each report.
 */
#ifndef VEXLAB_LOCKS_DETECT_H
#define VEXLAB_LOCKS_DETECT_H

#include <glib.h>
#include "guard.h"
#include "lockorder.h"

#define LOCK_FRAMES_MAX	16u

struct lock_frames {
	guint n;
	char *text[LOCK_FRAMES_MAX];
};

struct lock_site {
	guint id, kind;			/* enum vx_lock_kind */
	guint64 taken, contended, wait_ns, wait_max_ns, hold_ns, hold_max_ns, hold_max_off_ns;
	guint64 long_holds, long_max_ns, long_slept;
	struct lock_frames at, let_go;
};

struct lock_order {
	struct lockorder_edge edge;
	guint outer_site, inner_site;
	guint64 count;
	guint tid;
	struct lock_frames stack;
};

struct lock_held {
	guint site, tid, by;		/* by 0: it is held */
	guint64 ns;
};

struct lock_counts {
	guint64 taken, released, unknown, sites_lost, pairs_lost, edges_lost, holders_lost, missed;
};

struct lock_report {
	struct lock_counts counts;
	GPtrArray *sites;		/* struct lock_site * */
	GPtrArray *orders;		/* struct lock_order * */
	GArray *held;			/* struct lock_held */
	guint64 left_out;
	guint bad_lines;
};

/* Never NULL. `text` need not be terminated, and comes from the guest: anything may be in it. */
struct lock_report *lock_report_parse(const char *text, gsize len);
void lock_report_free(struct lock_report *report);
VX_DEFINE_GUARD(struct lock_report, lock_report_free);
/* NULL: there is none of that number. */
const struct lock_site *lock_report_site(const struct lock_report *report, guint id);
/* "mutex", "rwsem read", ...: static. */
const char *lock_kind_name(guint kind);
/* The function of a frame, and its module: NULL where it has none. Caller frees. */
char *lock_frame_function(const char *frame);
char *lock_frame_module(const char *frame);

/* Of all reports of a run together, by the function that takes the lock and the lock's kind. */
struct lock_row {
	char *function, *module;	/* module NULL: the kernel's own */
	guint kind, sites;
	guint64 taken, contended, wait_ns, wait_max_ns, hold_ns, hold_max_ns, hold_max_off_ns, long_holds;
};

struct lock_totals {
	GHashTable *rows;		/* "function kind" to struct lock_row */
	struct lock_counts counts;
	guint reports;
	guint64 left_out, bad_lines;
	guint circles_of_others;	/* in which the target has no part */
};

/* The state of the detector `locks`: what the reports tell. Borrowed; `reports` 0: nobody asked. */
const struct lock_totals *detector_locks_totals(gpointer state);

#endif
