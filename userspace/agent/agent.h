/* SPDX-License-Identifier: GPL-2.0 */
/* The agent's parts together; only main.c and requests.c see them all. */
#ifndef VEXLAB_AGENT_AGENT_H
#define VEXLAB_AGENT_AGENT_H

#include "drain.h"
#include "frame.h"
#include "hello.h"
#include "sampler.h"
#include "outbox.h"
#include "port.h"
#include "put.h"
#include "steps.h"

struct agent {
	struct port port;
	struct vx_decoder in;
	struct outbox out;
	struct drain drain;
	struct steps *steps;
	struct put put;
	struct hello hello;
	struct sampler sampler;
	bool may_load_modules;	/* the step that runs */
	bool may_set_clock;	/* the machine is ours */
};

/* One line for the run's log (VX_MSG_LOG); left out when nobody has been listening for long. */
void agent_log(struct agent *agent, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A vx_frame_fn: does what the host asks, `ctx` is the agent. */
void requests_handle(void *ctx, const struct vx_frame *frame, const void *payload);
/* What steps report, `arg` is the agent. */
extern const struct steps_callbacks requests_step_callbacks;

#endif
