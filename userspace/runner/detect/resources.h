/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest's kernel holds, by the output of VX_STEP_RESOURCES: "NAME VALUE\n", the name
 * being dotted words, the first of which tells the family ("modules.ext4 1", "slab.inode_cache 512",
 * "pages.other 90210"). What is not there has no line and counts as 0.
 *
 * A family is of one of two natures, which the table in resources.c gives:
 *
 *	EXACT	references to modules, filesystem types, mounts, slab caches, loop devices, holders, threads,
 *		work queues, entries of sysfs and proc: what is there once more after everything was
 *		undone has been left behind. One comparison says so.
 *	GAUGE	memory, pages, slab objects, inodes: others change them too, and what was used once stays
 *		warm. Only growth over many cycles says something; it starts a confirmation, no more.
 *
 * Growth is judged for EXACT ones as well. What is merely cached grows too, until memory is short: caches ought to
 * be dropped (VX_STEP_DROP_CACHES, 2), then VX_STEP_SETTLE be done before each snapshot. Counts of slab objects
 * are exact to the object then, and one object a cycle shows. Pure functions of text: no clock, no I/O.
 */
#ifndef VEXLAB_RESOURCES_H
#define VEXLAB_RESOURCES_H

#include <glib.h>
#include "guard.h"

#define RESOURCES_MAX		2048	/* of one snapshot, and of a series; more are counted as left out */
#define RESOURCE_NAME_MAX	96	/* bytes, with the NUL; a line with a longer name is bad */
#define RESOURCE_SAMPLES_MAX	512	/* of a series; see resource_series_add() */

enum resource_nature {
	RESOURCE_GAUGE,
	RESOURCE_EXACT,
	RESOURCE_IGNORED,	/* told, never judged: of a family that is not known here, too */
};

struct resource {
	char name[RESOURCE_NAME_MAX];	/* printable ASCII without blanks, whatever the guest sent */
	gint64 value;			/* 0 .. 2^53 */
};

/* A snapshot: sorted by name, no name twice. */
struct resources {
	struct resource *items;
	guint n;
	guint bad_lines;		/* not understood, or a name for the second time */
	guint left_out;			/* beyond RESOURCES_MAX */
};

/* Never NULL. `text` need not be terminated, and comes from the guest: anything may be in it. */
struct resources *resources_parse(const char *text, gsize len);
void resources_free(struct resources *resources);
VX_DEFINE_GUARD(struct resources, resources_free);

/* 0 where it has no such line. */
gint64 resources_value(const struct resources *resources, const char *name);
gboolean resources_has(const struct resources *resources, const char *name);

/* By the name's first word. */
enum resource_nature resource_nature(const char *name);
/* "kB", "pages", "objects", ...: what the value counts. Static. */
const char *resource_unit(const char *name);

enum resource_verdict {
	RESOURCE_UNCHANGED,	/* the same all the time, or back to what it was */
	RESOURCE_NOISE,		/* goes up and down, no growth can be told */
	RESOURCE_WARM_UP,	/* grew at first, then stayed */
	RESOURCE_GROWS,		/* cycle by cycle, to the end; `p` is below RESOURCE_P */
	RESOURCE_LEFT_BEHIND,	/* EXACT: more after everything was undone than before */
	RESOURCE_VERDICTS,
};

/*
 * The probability that noise looks like that, for one resource, above which nothing is claimed. Of 1000 series each of
 * noise, spikes, shifts and warming up none was said to grow; of 1000 random walks, 3.
 */
#define RESOURCE_P		5e-7
/* Of fewer samples nothing can be told. Steady growth is certain from about 18 on, of one in 100 after about 1000 cycles. */
#define RESOURCE_SAMPLES_MIN	12

struct resource_judgement {
	const char *name;	/* valid during the callback only */
	enum resource_nature nature;
	enum resource_verdict verdict;
	double per_cycle;	/* median slope (Theil-Sen) without the first third, in the resource's unit */
	double p;		/* that noise of the same memory rises like that by chance; 1: not tested */
	gint64 first, last;	/* values in the first and last snapshot; of a comparison: before, after */
	guint samples;
};

typedef void (*resource_judged)(const struct resource_judgement *judgement, gpointer user);

/* "unchanged", "noise", "warm-up", "grows", "left-behind". Static. */
const char *resource_verdict_name(enum resource_verdict verdict);

/*
 * Two snapshots between which everything was undone (before the module was loaded, after it was
 * unloaded): tells RESOURCE_LEFT_BEHIND for each EXACT resource that is more than it was, by
 * name. Returns how many. What the first load brings along (modules it depends on, their caches and threads)
 * stays, and nobody is to blame: those are to be loaded before the first snapshot, or that is
 * taken after one whole round.
 */
guint resources_compare(const struct resources *before, const struct resources *after, resource_judged cb,
			gpointer user);

/*
 * Snapshots taken at the same point of a cycle (after each unmount, or each unload, not both in one
 * series), in ascending order of cycles.
 */
struct resource_series;
struct resource_series *resource_series_new(void);
void resource_series_free(struct resource_series *series);
VX_DEFINE_GUARD(struct resource_series, resource_series_free);

/*
 * Copies what it needs. Beyond RESOURCE_SAMPLES_MAX samples every second one is dropped and from then on
 * only every second one taken, so that the series always spans all cycles. A cycle that is not later than the
 * last is not taken: FALSE.
 */
gboolean resource_series_add(struct resource_series *series, guint64 cycle, const struct resources *snapshot);
guint resource_series_samples(const struct resource_series *series);

/*
 * Tells every EXACT and GAUGE resource of the series, by name, RESOURCE_UNCHANGED ones included. Returns how
 * many grow. With fewer than RESOURCE_SAMPLES_MIN samples nothing is said to grow: p is 1.
 */
guint resource_series_judge(const struct resource_series *series, resource_judged cb, gpointer user);

/*
 * resources_judge.c: one series by itself: `n` values at ascending cycles, at most RESOURCE_SAMPLES_MAX. `name` of the
 * result is NULL. It grows as a line does, or if it rises at so many of all looks that a coin would not.
 */
struct resource_judgement resource_judge(enum resource_nature nature, const guint64 *cycles, const gint64 *values, guint n);

#endif
