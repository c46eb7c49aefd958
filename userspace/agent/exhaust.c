// SPDX-License-Identifier: GPL-2.0
/* VX_STEP_EXHAUST: which kinds there are stands in common/stress.h, what they do in exhaust_*.c. */
#include "stress_run.h"

#define X(name_, function_, needs_, what, expected) { .name = name_, .run = exhaust_##function_, .needs = needs_ },
static const struct stress_row rows[] = { VX_EXHAUST_KINDS(X) { .name = NULL } };
#undef X

int op_exhaust(struct op_run *run)
{
	return stress_step(run, rows);
}
