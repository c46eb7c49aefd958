/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures that were injected (run/inject.c), as the record has them:
 *
 *	steps of kind	inject		the operation with something failing in it: it may fail, or not
 *			inject-check	afterwards: must work
 *			inject-compare	what no call has complained of must be there after a new mount
 *	notes		{"do": "inject", "event": "watch", "phase": "before" | "after", "operation", "what", "nth", "times"}:
 *			what is outstanding by site follows (VX_MSG_ALLOC_SITE...); in between the same turn was done `times` times;
 *			nth 0: without a failure
 *			{"do": "inject", "event": "persistent", "is"}: can anything outlast an unmount there?
 *			{"do": "inject", "event": "operation"}: the next one begins; "end": of all; "unavailable", "why"
 *
 * A step's `way` is the operation's name.
 */
#ifndef VEXLAB_DETECT_INJECT_H
#define VEXLAB_DETECT_INJECT_H

#include <glib.h>
#include <vexlab/alloc.h>

/* ---- inject_sites.c: what grew between two looks --------------------------------------------- */

/* One look: sites by address. Bounded: what comes beyond is left out. */
struct inject_sites;
struct inject_sites *inject_sites_new(void);
void inject_sites_free(struct inject_sites *sites);
/* A VX_MSG_ALLOC_SITE as it came; what is no such message is passed over. */
void inject_sites_add(struct inject_sites *sites, const void *payload, gsize len);

struct inject_growth {
	guint64 site, objects, bytes;	/* more than before */
	guint16 kind;			/* enum vx_alloc_kind */
	char *const *frames;		/* borrowed from the later look */
};

/*
 * Sites that have grown by `times` objects at least beyond what they grow by without a failure (`ordinary`: the same two looks
 * around as many ordinary turns; each may be NULL). Array of struct inject_growth, by address; borrows from `after`.
 */
GArray *inject_sites_grown(const struct inject_sites *before, const struct inject_sites *after,
			   const struct inject_sites *ordinary_before, const struct inject_sites *ordinary_after, guint times);



/* "foo_fill_super" of "foo_fill_super+0x12/0x34 [foo]"; NULL: it is no frame. Caller frees. `module`: NULL or of it. */
char *inject_frame_function(const char *frame, char **module);

#endif
