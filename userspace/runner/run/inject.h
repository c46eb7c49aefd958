/* SPDX-License-Identifier: GPL-2.0 */
/* Between inject.c, which decides what fails next, and inject_ops.c, which does it. */
#ifndef VEXLAB_RUN_INJECT_H
#define VEXLAB_RUN_INJECT_H

#include <vexlab/inject.h>

#include "run_priv.h"

enum inject_kind { INJECT_LOAD, INJECT_MOUNT, INJECT_UMOUNT, INJECT_SYNC, INJECT_KEEP, INJECT_FILE_OP };

struct inject_op {
	const char *name;
	enum inject_kind kind;
};

struct inject {
	struct run *run;
	const struct inject_op *op;
	guint times;			/* a suspected leak is repeated */
	gboolean bound;			/* the module's calls of allocators are ours: leaks can be seen */
	gboolean mounted;
	gboolean go_on;
	gboolean persistent;		/* what is written is there after a new mount */
	gint64 left;			/* objects of the module after the latest turn, as far as known */
	gboolean left_known;
	guint64 turn;			/* for names that are new each time */
	guint64 injected;		/* failures that took effect */
	gboolean told_missing, told_vain;
};

/* One turn: the operation, with what fails in it, and what must work afterwards. */
struct inject_turn {
	guint32 what;			/* enum vx_inject_what, one; all to count */
	guint64 nth;			/* 0: nothing fails */
	struct vx_injected done;
	gboolean asked, told;		/* the operation was done; `done` is what the agent answered */
	gint64 grown;			/* objects of the module that were not there before it */
	gboolean usable;		/* what must work afterwards did */
};

/* inject_ops.c. FALSE: what run_step() says. */

/* From an unmounted filesystem to an unmounted one. *turn is filled in. */
gboolean inject_turn(struct inject *in, struct inject_turn *turn, GError **error);
/* Notes what is outstanding by site. `phase`: "before", "after". */
gboolean inject_watch(struct inject *in, const struct inject_turn *turn, const char *phase, GError **error);
/* The module is loaded anew with its calls bound, where that can be. */
gboolean inject_begin(struct inject *in, gboolean *usable, GError **error);
gboolean inject_end(struct inject *in, GError **error);

#endif
