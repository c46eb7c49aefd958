/* SPDX-License-Identifier: GPL-2.0 */
/* Between leak.c (the detector), leak_sites.c (what was told) and leak_judge.c (what it means). */
#ifndef VEXLAB_LEAK_PRIV_H
#define VEXLAB_LEAK_PRIV_H

#include "leak.h"

struct leak_step_info {
	guint64 id, cycle;
	guint8 kind, way;		/* enum leak_step, enum leak_way */
	gboolean ok;
};

struct leaks {
	char module[VX_NAME_LEN];	/* the target's, "" */
	char target[VX_NAME_LEN];
	GArray *steps;			/* struct leak_step_info, ascending id */
	GArray *points;			/* struct leak_point */
	GPtrArray *sites;		/* struct leak_site */
	GHashTable *by_key;		/* borrowed from them */
	guint left_out;
	guint round, segment;
	guint64 segment_step;		/* the latest step when it began */
	GArray *segment_steps;		/* guint64, by segment */
	char snapshot[VX_NAME_LEN];	/* name of the step under way that takes one; "" */
	guint64 cycle;			/* of the step under way */
	gboolean open;			/* a checkpoint's answer is under way */
	gboolean hunting, hunted;	/* the scenario is one; a round has begun */
	guint64 done_id, id;		/* of answers: the last that is over, and the one under way (0: not begun) */
	char *end;
	struct resources *before, *after;	/* the first and the last snapshot without the target; NULL: none */
	struct resource_series *unmounted, *unloaded;
	struct leaks_status status;
};

/* A snapshot has come: by the name of its step, as of the mounts so far. leak_resources.c */
gboolean leak_is_snapshot(const char *step_name);
/* Another guest, as it was some cycles ago: no series goes on in it. */
void leak_forget_series(struct leaks *leaks);
void leak_note_snapshot(struct leaks *leaks, const char *text, gsize len);

/* The sample of a point; NULL: the site was not among what it told. */
const struct leak_sample *leak_sample_at(const struct leak_site *site, guint point);

#endif
