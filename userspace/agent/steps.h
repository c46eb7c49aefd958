/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps: one at a time, in a worker thread, watched from here. A worker that
 * the kernel holds beyond the deadline is left behind, with its kernel stack as
 * evidence, and another takes its place; one that the kernel killed is noticed
 * and told. All calls belong to one thread.
 */
#ifndef VEXLAB_AGENT_STEPS_H
#define VEXLAB_AGENT_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vexlab/request.h>

struct steps;

struct steps_callbacks {
	/* A step has its answer; `output` is valid during the call. Must not call steps_*(). */
	void (*done)(void *arg, const struct vx_msg_step *msg, const char *output, size_t len);
	/* Something for the run's log: one line. */
	void (*log)(void *arg, const char *line);
	void *arg;
	bool foreign;	/* not our machine: do not make its kernel print */
};

int steps_create(const struct steps_callbacks *callbacks, struct steps **ret);
/* Kills what helper process is still running. Threads that are stuck end with the process. */
void steps_destroy(struct steps *steps);

/*
 * Starts the step of a VX_REQ_STEP payload. -EINVAL: malformed; -EBUSY: one is
 * running; -EAGAIN: no thread to be had (too many are stuck). Then no done().
 */
int steps_start(struct steps *steps, const void *payload, size_t len);
/* Kills the helper process of step `id`, which then answers; -ESRCH: there is none. */
int steps_cancel(struct steps *steps, uint64_t id);

/* Readable when steps_check() has something to do... */
int steps_fd(const struct steps *steps);
/* ...which it also has at this time (CLOCK_MONOTONIC), UINT64_MAX: never. */
uint64_t steps_due_ns(const struct steps *steps);
void steps_check(struct steps *steps);

/* The running step counts what the kernel holds: whoever can do nothing for as long does nothing. */
bool steps_counts(const struct steps *steps);
/* The program that the running step has started and waits for, 0: none. It may be gone by the time it is looked at. */
pid_t steps_child(const struct steps *steps);
/* Running step, 0: none; since when, unless NULL. */
uint64_t steps_running(const struct steps *steps, uint64_t *since_ns);

#endif
