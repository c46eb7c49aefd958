/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the machine spends, sampled (vexlab/metrics.h): files of /proc that are kept open, fixed buffers, no allocation.
 * All calls belong to the thread that talks to the host, which samples between requests: a sample that is due waits for
 * the step that runs, but not for longer than half an interval.
 */
#ifndef VEXLAB_AGENT_SAMPLER_H
#define VEXLAB_AGENT_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler_tasks.h"
#include "outbox.h"
#include "steps.h"

enum sampler_file { SAMPLER_STAT, SAMPLER_MEM, SAMPLER_DISKS, SAMPLER_PSI, SAMPLER_FILES = SAMPLER_PSI + VX_PSI_TYPES };

struct sampler {
	int fd[SAMPLER_FILES];		/* -1: not to be had */
	struct sampler_tasks tasks;
	uint64_t interval_ns;		/* 0: nobody has asked */
	uint64_t due_ns, last_ns;	/* CLOCK_MONOTONIC */
	uint64_t step;			/* that ran when last looked at */
	uint64_t spent_ns, samples;
};

void sampler_init(struct sampler *sampler);
void sampler_deinit(struct sampler *sampler);

/* A VX_REQ_METRICS payload. -EINVAL; -ENOENT: all is well, but this kernel keeps no pressure figures. */
int sampler_ask(struct sampler *sampler, const void *payload, size_t len);
/* When sampler_work() has something to do, UINT64_MAX: never. */
uint64_t sampler_due_ns(const struct sampler *sampler, const struct steps *steps);
/* Samples into `out` if it is time, or a step has just ended: true. Not while nobody listens. */
bool sampler_work(struct sampler *sampler, struct outbox *out, struct steps *steps);
/* A step is about to begin. */
void sampler_before_step(struct sampler *sampler, struct outbox *out, struct steps *steps);

/* The texts of the files, into the fields that are theirs: 0 or -EINVAL, and nothing was written. */
int sampler_parse_stat(const char *text, struct vx_msg_metrics *ret);
int sampler_parse_mem(const char *text, struct vx_metrics_mem *ret);
int sampler_parse_psi(const char *text, struct vx_metrics_psi *ret);
/* Rows at most `max`; *cut: those that found no room. */
unsigned int sampler_parse_disks(const char *text, struct vx_metrics_disk *ret, unsigned int max, uint32_t *cut);

#endif
