/* SPDX-License-Identifier: GPL-2.0 */
/* The threads that work for a step: their files of /proc stay open from the first sample that sees them. */
#ifndef VEXLAB_AGENT_SAMPLER_TASKS_H
#define VEXLAB_AGENT_SAMPLER_TASKS_H

#include <sys/types.h>
#include <vexlab/metrics.h>

enum sampler_task_file { TASK_STAT, TASK_SCHED, TASK_IO, TASK_FILES };

struct sampler_tasks {
	int dir;			/* /proc/self/task, -1: not open */
	struct sampler_task {
		pid_t tid;		/* 0: free */
		int seen;		/* in the present sample */
		int fd[TASK_FILES];
	} slot[VX_METRICS_TASKS_MAX];
};

void sampler_tasks_init(struct sampler_tasks *tasks);
void sampler_tasks_deinit(struct sampler_tasks *tasks);

/*
 * Rows of all threads of this process but its first, and of process `child` (0: none). Those that are gone are
 * forgotten, whoever has their number now is another. Returns how many; *cut: those that found no room.
 */
unsigned int sampler_tasks_sample(struct sampler_tasks *tasks, pid_t child,
				  struct vx_metrics_task ret[VX_METRICS_TASKS_MAX], __u32 *cut);

#endif
