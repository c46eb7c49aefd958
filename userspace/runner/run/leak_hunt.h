/* SPDX-License-Identifier: GPL-2.0 */
/* Between leak_hunt.c, which decides what is done next, and leak_work.c, which does it. */
#ifndef VEXLAB_LEAK_HUNT_H
#define VEXLAB_LEAK_HUNT_H

#include "leak.h"
#include "part.h"

struct hunt {
	struct run *run;
	enum vx_alloc_source source;
	gboolean can_trace;
	guint cycles, rounds;		/* of the first round; at most, where one suffices */
	guint round;
	guint64 done;			/* cycles, all rounds */
	gboolean mounted;
	gboolean unloads;		/* the target can be unloaded, as far as we know */
	gboolean go_on;			/* the guest is of use */
	gboolean under_way;		/* traced, and nothing unloaded since: a further round adds to the last */
	gboolean told_allocs;		/* once: why a source cannot tell */
	guint failures;			/* cycles in a row */
	guint64 crashed;		/* 1 << enum leak_way: those that are not gone again */
	guint kills;			/* mounts that were interrupted: each a little later */
};

/* leak_work.c. FALSE: what run_step() says; that a step fails is none of it. */

/* One ordinary cycle. *good FALSE: something of it failed. */
gboolean hunt_cycle(struct hunt *h, gboolean *good, GError **error);
/* Once on this way, ending unmounted with a filesystem that can be mounted again. */
gboolean hunt_way(struct hunt *h, enum leak_way way, GError **error);
/* Settles, looks at resources, asks what is outstanding: the detectors know then. `after`: "unmount", "unload". */
gboolean hunt_checkpoint(struct hunt *h, const char *after, GError **error);
/* `name`: "resources at the start", ... (leak.h). */
gboolean hunt_resources(struct hunt *h, const char *name, GError **error);
/* *found: /proc/modules has it. */
gboolean hunt_has_module(struct hunt *h, const char *name, gboolean *found, GError **error);
gboolean hunt_remove_modprobed(struct hunt *h, enum step_outcome *outcome, GError **error);

#endif
