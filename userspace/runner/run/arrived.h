/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which events have come over the channel: what a black box holds besides is
 * news. The newest are remembered, more than any box can hold.
 */
#ifndef VEXLAB_ARRIVED_H
#define VEXLAB_ARRIVED_H

#include <glib.h>
#include <vexlab/event.h>
#include "guard.h"

struct arrived;

struct arrived *arrived_new(void);
/* NULL-safe. */
void arrived_free(struct arrived *arrived);
VX_DEFINE_GUARD(struct arrived, arrived_free);

void arrived_add(struct arrived *arrived, const struct vx_event *event);
/* The same moment, CPU, task, step and type: the same event. Quick after the first call since an addition. */
gboolean arrived_has(struct arrived *arrived, const struct vx_event *event);

#endif
