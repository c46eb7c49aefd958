/* SPDX-License-Identifier: GPL-2.0 */
/* Between plan.c, plan_read.c and plan_expect.c. */
#ifndef VEXLAB_PLAN_PRIV_H
#define VEXLAB_PLAN_PRIV_H

#include "plan.h"

struct plan_reader {
	const struct plan_word *parts;
	GPtrArray *words;		/* const char *: all that a step can be, then NULL */
	GHashTable *names;		/* of steps until now, by their own name */
	guint count;
	GRegex *variable;		/* "{word}", but not "{{" */
};

void plan_step_free(struct plan_step *step);

/* `at` is what stands behind "expect", "when". */
gboolean plan_read_expect(struct yaml_place at, struct plan_step *step, GError **error);
gboolean plan_read_when(struct plan_reader *r, struct yaml_place at, struct plan_step *step, GError **error);
void plan_expect_clear(struct plan_expect *expect);
void plan_when_clear(struct plan_when *when);

/* plan_read.c */
gboolean plan_read_steps(struct plan_reader *r, struct yaml_place at, guint depth, GPtrArray *ret, GError **error);

#endif
