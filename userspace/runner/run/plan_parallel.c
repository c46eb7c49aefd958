// SPDX-License-Identifier: GPL-2.0
/* Branches of a scenario file: one step of the agent's, whose strings are the branches' steps. */
#include <stdlib.h>
#include <string.h>

#include "branches.h"
#include "error.h"
#include "plan_run.h"

#define GRACE_MS	30000u		/* beyond the time that the branches have */

static void take_expect(const struct plan_expect *e, struct vx_inner *inner)
{
	guint i;

	inner->expect = e->result == PLAN_EXPECT_OK ? VX_INNER_OK : e->result == PLAN_EXPECT_ANY ? VX_INNER_ANY : VX_INNER_FAILS;
	for (i = 0; e->errors && i < e->errors->len && i < VX_INNER_ERRORS_MAX; i++)
		inner->errors[inner->nerrors++] = g_array_index(e->errors, int, i);
}

static gboolean add_inner(struct course *c, const struct plan_step *step, GPtrArray *strings, GError **error)
{
	ACTION_CLEAR struct action a = { 0 };
	struct vx_inner inner = { 0 };
	char *text;
	guint i;

	/* What this target has not is not done. */
	if (!action_make(c, step, &a))
		return TRUE;
	inner.step.req.op = a.spec.op;
	for (i = 0; i < G_N_ELEMENTS(a.spec.num); i++)
		inner.step.req.num[i] = a.spec.num[i];
	for (i = 0; i < VX_STEP_STRINGS_MAX && a.spec.strings[i]; i++)
		inner.step.str[i] = a.spec.strings[i];
	take_expect(&step->expect, &inner);
	text = vx_inner_pack(&inner);
	if (!text) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%u: this cannot be part of a branch: a control character is in it",
			    c->plan->path, step->line);
		return FALSE;
	}
	g_ptr_array_add(strings, text);
	return TRUE;
}

static gboolean add_branch(struct course *c, const struct plan_step *branch, GPtrArray *strings, GError **error)
{
	guint i;

	g_ptr_array_add(strings, vx_branch_pack(branch->times, branch->name));
	for (i = 0; i < branch->steps->len; i++)
		if (!add_inner(c, branch->steps->pdata[i], strings, error))
			return FALSE;
	return TRUE;
}

gboolean parallel_do(struct course *c, const struct plan_step *step, enum step_outcome *ret, GError **error)
{
	g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(free);
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	struct step_spec spec = {
		.op = VX_STEP_PARALLEL, .kind = "parallel", .on_target = TRUE, .name = step->name,
		.num = { (gint64)step->budget_ms * 1000000 },
		.deadline_ms = step->deadline_ms ? step->deadline_ms : step->budget_ms ? step->budget_ms + GRACE_MS : 0,
		.may_fail = step->expect.class || step->expect.title || step->expect.result == PLAN_EXPECT_ANY,
	};
	guint i;

	for (i = 0; i < step->steps->len; i++)
		if (!add_branch(c, step->steps->pdata[i], strings, error))
			return FALSE;
	g_ptr_array_add(strings, NULL);
	spec.strings = (const char *const *)strings->pdata;
	if (!run_step(c->run, &spec, ret, &res, error))
		return FALSE;
	if (res.output_len) {
		g_autofree char *text = g_utf8_make_valid(res.output, (gssize)res.output_len);

		journal_log(c->run->journal, "%s: %s", step->name, text);
	}
	if (*ret == STEP_FAILED && spec.may_fail)
		*ret = STEP_OK;
	return *ret == STEP_STUCK || run_guest_is_hurt(c->run) || state_look(c, error);
}
