/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Doing a scenario file: plan_run.c goes through its steps, plan_action.c makes a step of the agent's of each, plan_parallel.c
 * of branches, plan_state.c knows how the guest stands. All of a step that is to be known later goes into the record
 * (detect/scenario.h tells what).
 */
#ifndef VEXLAB_PLAN_RUN_H
#define VEXLAB_PLAN_RUN_H

#include "part.h"

struct course {
	struct run *run;
	const struct plan *plan;
	gboolean go_on;			/* the guest is of use */
	gboolean mounted;		/* the target's device, at its mount point */
	gboolean formatted;		/* the device is, whatever is loaded */
	gboolean traced;		/* the mounts are */
	gboolean removable;		/* a module that comes with the kernel was seen among the loaded ones */
	gboolean untidy;		/* put the guest back before anything else is done */
	GHashTable *outcomes;		/* step's own name -> enum plan_outcome */
	GHashTable *draws;		/* line -> how often something was drawn there */
	GHashTable *points;		/* name -> struct course_point */
	char *release;			/* the guest's kernel, NULL: not asked yet */
	guint number, of;		/* of the top-level step */
	const char *top;		/* its name */
};

/* ---- plan_action.c ---- */

/* A step of the agent's, as an action of a file wants it. */
struct action {
	struct step_spec spec;
	struct detect_expect expect;
	GPtrArray *strings;		/* char *, ends with NULL */
	char *name;
};
void action_clear(struct action *action);
#define ACTION_CLEAR __attribute__((cleanup(action_clear)))

/* Of all actions but point and back. FALSE: this target has no such thing (no module, no mkfs). */
gboolean action_make(struct course *c, const struct plan_step *step, struct action *ret);
/* *ret STEP_OK: as expected. What run_step() says. */
gboolean action_do(struct course *c, const struct plan_step *step, enum step_outcome *ret, GError **error);

/* ---- plan_parallel.c ---- */
gboolean parallel_do(struct course *c, const struct plan_step *step, enum step_outcome *ret, GError **error);

/* ---- plan_state.c ---- */
gboolean state_holds(struct course *c, const struct plan_when *when, gboolean *ret, GError **error);
/* After something that may have mounted and loaded by itself: how the guest stands. */
gboolean state_look(struct course *c, GError **error);
/* The module is loaded, and can be removed: it is no part of the kernel. */
gboolean state_has_module(struct course *c, const char *name, gboolean *ret, GError **error);
/* Loads it; what was formatted still is. */
gboolean state_load(struct course *c, gboolean *usable, GError **error);
/* Loaded, formatted, and mounted or not. *good FALSE: it cannot be had. */
gboolean state_bring(struct course *c, gboolean mounted, gboolean *good, GError **error);
gboolean state_point_make(struct course *c, const char *name, GError **error);
gboolean state_point_back(struct course *c, const char *name, GError **error);
void state_point_free(gpointer point);

#endif
