/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What leaks: the sites that checkpoints tell (alloc.h), followed from one to the next and judged. A pure
 * function of the record. What it is told there, beside the agent's frames and the steps:
 *
 *	{"do": "leak", "event": "leak-round", "round": 1, "source": "calls"|"traced", "why": "..."}
 *		from here on both sources count from zero
 *	{"do": "leak", "event": "leak-checkpoint", "round": 1, "cycle": 50, "after": "unmount"|"unload",
 *	 "source": "calls"|"traced"}
 *		VX_MSG_ALLOC_SITE and VX_MSG_ALLOCS that follow are of this moment
 *	{"do": "leak", "event": "leak-verdict", "why": "..."}
 *		the hunt is over: its findings are made now
 *	steps named "resources at the start", "resources after the unmount" and "... unload"
 *		snapshots (resources.h), each at its own moment of a cycle
 *
 * They stand in the record as VX_REC_REQUEST, so that a replay does them again.
 *
 * A site is a place in the target's code, or, where none of it is in the stack, the innermost part of the
 * stack. Its name is made of functions and offsets, never of addresses: after a reload it is the same site.
 *
 * The rules (leak_judge.c), in this order:
 *
 *	unloaded, TRACED	what the target's own code has allocated and is outstanding is a leak: certain.
 *				What the kernel has on its behalf may be a cache of the kernel's: it must
 *				have grown as well, within a round, or, where it is rare, over all of them:
 *				seven rises and no fall, and never three times as long without as one takes.
 *	unloaded, CALLS		outstanding is suspected, for others may free it. TRACED decides: acquitted
 *				once nothing was left of three times as many cycles as one takes.
 *	never unloaded, TRACED	growth: from checkpoint to checkpoint, and still in the last third; the oldest
 *				object never goes. What warms up stops growing; what is replaced does not grow;
 *				a queue loses its oldest.
 */
#ifndef VEXLAB_LEAK_H
#define VEXLAB_LEAK_H

#include <vexlab/alloc.h>
#include "detect.h"
#include "resources.h"

#define LEAK_SITES_MAX		4096u	/* more are counted, not followed */
#define LEAK_STACKS_MAX		16u	/* different ones of one site, kept */
#define LEAK_CERTAIN		0.99	/* confidence from which growth is called a leak */

enum leak_verdict {
	LEAK_NOT_JUDGED,		/* no checkpoint that could tell */
	LEAK_ACQUITTED,
	LEAK_SUSPECTED,
	LEAK_GROWS,			/* a leak by growth, with a confidence */
	LEAK_FOUND,			/* a leak: certain */
	LEAK_VERDICTS,
};

/* On which ways of a hunt (run/leak_hunt.c) a step was; bit 0: an ordinary cycle. */
enum leak_way {
	LEAK_WAY_ORDINARY, LEAK_WAY_BAD_IMAGE, LEAK_WAY_BAD_OPTION, LEAK_WAY_INTERRUPTED, LEAK_WAY_NO_SPACE,
	LEAK_WAYS,
};
/* As in a step's "way" of the record, and in words: "a mount of a damaged image". NULL: there is none of that name. */
const char *leak_way_name(enum leak_way way);
const char *leak_way_words(enum leak_way way);

/* One of the stacks that lead to a site. */
struct leak_stack {
	char **frames;			/* innermost first: "function+0x12/0x34 [module]" or "?"; printable ASCII */
	guint64 objects, bytes;		/* outstanding, at the last checkpoint that had it */
	enum vx_alloc_source source;	/* that told it: of CALLS the call alone */
};

struct leak_judgement {
	enum leak_verdict verdict;
	char why[160];			/* in words */
	double confidence;		/* of LEAK_GROWS and of a suspicion: 0 to 1; of LEAK_FOUND: 1 */
	guint64 objects, bytes;		/* outstanding, of which the verdict was made */
	guint64 events;			/* steps that left something */
	guint64 exposure;		/* times that it could have happened */
	const char *unit;		/* of what: "cycle", "load", "failed mount" ... */
	double rate, low, high;		/* objects a unit, and 95 % of it. Nothing seen: high alone */
	double byte_rate;
	guint ways, kinds;		/* 1 << enum leak_way; 1 << enum leak_step: seen with it */
	guint64 step, cycle;		/* the last that left something */
	guint64 certain_from;		/* a leak: cycle of the hunt whose checkpoint made it one, as far as is known; else 0 */
	guint64 more;			/* suspected: traced cycles that it takes yet to acquit it */
};

/* What a step does, as far as leaks care. */
enum leak_step {
	LEAK_STEP_LOAD, LEAK_STEP_MOUNT, LEAK_STEP_FILES, LEAK_STEP_UMOUNT, LEAK_STEP_UNLOAD, LEAK_STEP_OTHER,
	LEAK_STEPS,
};
const char *leak_step_name(enum leak_step step);

struct leak_site {
	char *key;
	enum vx_alloc_kind kind;
	char cache[VX_NAME_LEN / 2];	/* "" : none, or not known */
	char *function, *module;	/* the guilty one; module NULL: the kernel's. Borrowed by nobody else */
	guint own;			/* index in the stacks of the target's innermost frame; G_MAXUINT: none */
	gboolean direct;		/* it is the target's own call of an allocator */
	GPtrArray *stacks;		/* struct leak_stack */
	GArray *samples;		/* struct leak_sample, by checkpoint */
	struct leak_judgement judged;	/* by leaks_judge() */
};

struct leak_sample {
	guint point;			/* index of the checkpoint */
	guint64 objects, bytes, allocs, frees, foreign_frees;
	guint64 first_step, last_step;
	guint64 steps;
};

/* A checkpoint. */
struct leak_point {
	guint round, segment;		/* a segment: nothing was forgotten within it */
	guint64 cycle, step;		/* the latest step then */
	enum vx_alloc_source source;
	gboolean unloaded;
	gboolean answered;		/* VX_MSG_ALLOCS has come ... */
	struct vx_msg_allocs told;	/* ... and this is it */
};

struct leaks;

struct leaks *leaks_new(const struct detect_config *config);
void leaks_free(struct leaks *leaks);
VX_DEFINE_GUARD(struct leaks, leaks_free);

void leaks_feed(struct leaks *leaks, const struct rec_entry *entry);
/* Every site anew; cheap enough for each checkpoint. */
void leaks_judge(struct leaks *leaks);

/* Of detector_leak's state. */
struct leaks *detector_leak_state(gpointer state);

/* The stack that has most, of TRACED if there is one. */
const struct leak_stack *leak_site_stack(const struct leak_site *site);

/* struct leak_site *, in the order in which they were seen; borrowed. Judged as of the last leaks_judge(). */
const GPtrArray *leaks_sites(const struct leaks *leaks);
const GArray *leaks_points(const struct leaks *leaks);
/*
 * The kernel's other resources: those that grow with the cycles or were left behind, and which snapshots say so.
 * Copies, of struct leak_resource; judged anew by each call.
 */
struct leak_resource {
	char name[RESOURCE_NAME_MAX];
	struct resource_judgement judged;	/* its name is not valid */
};
GArray *leaks_resources(const struct leaks *leaks);
/* Snapshots after an unmount: fewer than RESOURCE_SAMPLES_MIN tell no growth. */
guint leaks_snapshots(const struct leaks *leaks);
/* Was there a snapshot before the target and one after it, that "left behind" can be said of? */
gboolean leaks_cleanup_known(const struct leaks *leaks);
/* Was there a hunt at all? */
gboolean leaks_hunted(const struct leaks *leaks);
/* What its end was told to be, NULL: it has none. */
const char *leaks_end(const struct leaks *leaks);
/* Sites and frames left out: too many, or not understood. */
guint leaks_left_out(const struct leaks *leaks);

/* Where the hunt stands: as of the last leaks_judge(). */
struct leaks_status {
	guint told;			/* checkpoints that were answered */
	guint found, grows, suspected, acquitted, not_judged;
	guint64 more;			/* traced cycles until the last suspect is acquitted, if nothing is left */
	guint outstanding;		/* suspects of which TRACED has objects in hand now: an unload would decide */
	guint calls_growing;		/* sites whose CALLS objects are of ten steps and more: worth confirming */
	guint resources;		/* that grow or were left behind, whoever has them */
	double least;			/* the smallest confidence of what grows; 1: nothing does */
};
struct leaks_status leaks_status(const struct leaks *leaks);

const char *leak_verdict_name(enum leak_verdict verdict);
const char *leak_kind_name(enum vx_alloc_kind kind);
gboolean leak_is_leak(enum leak_verdict verdict);

/* "1.00 objects a cycle (95 %: 0.72 to 1.35), 512 bytes a cycle". Caller frees. */
char *leak_rate_text(const struct leak_judgement *judged);
/* "only after a mount of a damaged image", "in mount"; NULL: nothing worth saying. Caller frees. */
char *leak_when_text(const struct leak_judgement *judged);

#endif
