// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>

#include "stress.h"

#define ROW(name_, function_, needs_, what_, expected_)	\
	{ .name = name_, .what = what_, .expected = expected_, .needs = needs_ },

const struct vx_stress_kind vx_stress_kinds[] = { VX_STRESS_KINDS(ROW) { .name = NULL } };
const struct vx_stress_kind vx_exhaust_kinds[] = { VX_EXHAUST_KINDS(ROW) { .name = NULL } };
