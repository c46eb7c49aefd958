/* SPDX-License-Identifier: GPL-2.0 */
/* Which of `count` places fail, one by one. */
#ifndef VEXLAB_INJECT_PLAN_H
#define VEXLAB_INJECT_PLAN_H

#include <glib.h>

/*
 * Numbers from 1 to `count`, ascending, each once: all of them, or `max` spread over the whole, one from each of as many equal
 * parts, drawn by `seed`; the first and the last are always among them (max 1: the first).
 */
GArray *inject_plan(guint64 count, guint max, guint64 seed);

#endif
