/* SPDX-License-Identifier: GPL-2.0 */
/* Samples (vexlab/metrics.h) as the channel brings them, checked. */
#ifndef VEXLAB_COMMON_METRICS_MSG_H
#define VEXLAB_COMMON_METRICS_MSG_H

#include <stddef.h>
#include <vexlab/metrics.h>

struct vx_metrics {
	struct vx_msg_metrics head;
	struct vx_metrics_disk disks[VX_METRICS_DISKS_MAX];
	struct vx_metrics_task tasks[VX_METRICS_TASKS_MAX];
};

/*
 * 0, or -EINVAL: more rows than there may be, or than there are bytes for; `ret` is as it was then. Names are terminated,
 * and have '?' for what is no letter, digit or one of "-_.:!/". Counters are the guest's word: any value.
 */
int vx_metrics_read(const void *payload, size_t len, struct vx_metrics *ret);

#endif
