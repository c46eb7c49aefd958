// SPDX-License-Identifier: GPL-2.0
/* What the host asks, frame by frame. The host is checked like anybody else. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent.h"
#include "allocs.h"
#include "clock.h"

void agent_log(struct agent *agent, const char *format, ...)
{
	char line[1024];
	va_list args;
	int n;

	if (outbox_pending(&agent->out) >= OUTBOX_IDLE_LIMIT)
		return;
	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n > 0)
		outbox_add(&agent->out, VX_MSG_LOG, line,
			   (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1, NULL, 0);
}

static int set_clock(uint64_t realtime_ns)
{
	struct timespec t = {
		(time_t)(realtime_ns / NSEC_PER_SEC), (long)(realtime_ns % NSEC_PER_SEC)
	};

	return clock_settime(CLOCK_REALTIME, &t) ? -errno : 0;
}

static int on_hello(struct agent *agent, const void *payload, size_t len)
{
	struct vx_req_hello req;
	int err = 0;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	if (req.realtime_ns && agent->may_set_clock)
		err = set_clock(req.realtime_ns);
	outbox_set_epoch(&agent->out, req.epoch);
	hello_send(&agent->hello, &agent->out);
	if (err)
		agent_log(agent, "cannot set the clock: %s", strerror(-err));
	if (req.protocol != VX_PROTOCOL_VERSION)
		agent_log(agent, "host speaks protocol %u, agent %u", req.protocol,
			  VX_PROTOCOL_VERSION);
	return 0;
}

/* What does not touch the target leaves no allocations of it behind. */
static bool is_on_target(uint32_t op)
{
	switch (op) {
	case VX_STEP_EXEC:
	case VX_STEP_SLEEP:
	case VX_STEP_NOP:
	case VX_STEP_FAULT:
	case VX_STEP_SETTLE:
	case VX_STEP_RESOURCES:
	case VX_STEP_OUTSTANDING:
	case VX_STEP_INJECT_END:
	case VX_STEP_LOCKS:
	case VX_STEP_DELAYS:
		return false;
	}
	return true;
}

static bool may_load_modules(uint32_t op)
{
	return op == VX_STEP_INSMOD || op == VX_STEP_MODPROBE || op == VX_STEP_MOUNT || op == VX_STEP_INJECT;
}

static int on_step(struct agent *agent, const void *payload, size_t len)
{
	struct vx_req_step req = { 0 };
	struct vx_msg_step msg = { 0 };

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	msg.id = req.id;
	/* Before the worker starts, so that its first event bears the step. */
	if (!steps_running(agent->steps, NULL)) {
		if (req.op != VX_STEP_RESOURCES)
			sampler_before_step(&agent->sampler, &agent->out, agent->steps);
		probes_set_step(agent->drain.probes, req.id);
		probes_watch(agent->drain.probes, is_on_target(req.op));
		agent->may_load_modules = may_load_modules(req.op);
	}
	msg.err = steps_start(agent->steps, payload, len);
	if (!msg.err)
		return 0;
	if (msg.err != -EBUSY) {
		probes_watch(agent->drain.probes, false);
		probes_set_step(agent->drain.probes, 0);
	}
	if (!msg.id)
		return msg.err;
	outbox_add(&agent->out, VX_MSG_STEP, &msg, sizeof(msg), NULL, 0);
	return 0;
}

static void on_step_done(void *arg, const struct vx_msg_step *msg, const char *output, size_t len)
{
	struct agent *agent = arg;

	probes_watch(agent->drain.probes, false);
	probes_set_step(agent->drain.probes, 0);
	if (agent->may_load_modules)
		probes_modules_changed(agent->drain.probes);
	/* What the step caused comes before its answer, as far as there is room. */
	drain_ring(&agent->drain);
	outbox_add(&agent->out, VX_MSG_STEP, msg, sizeof(*msg), output, len);
}

static void on_step_log(void *arg, const char *line)
{
	agent_log(arg, "%s", line);
}

const struct steps_callbacks requests_step_callbacks = {
	.done = on_step_done,
	.log = on_step_log,
};

static int on_cancel(struct agent *agent, const void *payload, size_t len)
{
	struct vx_req_cancel req;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	return steps_cancel(agent->steps, req.id);
}

static int on_put(struct agent *agent, const void *payload, size_t len)
{
	struct vx_msg_put msg;

	if (put_chunk(&agent->put, payload, len, &msg))
		outbox_add(&agent->out, VX_MSG_PUT, &msg, sizeof(msg), NULL, 0);
	return 0;
}

static int on_trace(struct agent *agent, const void *payload, size_t len)
{
	return drain_trace(&agent->drain, payload, len);
}

static int on_allocs(struct agent *agent, const void *payload, size_t len)
{
	return allocs_answer(&agent->out, agent->drain.probes, payload, len);
}

static int on_metrics(struct agent *agent, const void *payload, size_t len)
{
	int err = sampler_ask(&agent->sampler, payload, len);

	if (err != -ENOENT)
		return err;
	agent_log(agent, "this kernel keeps no pressure figures (CONFIG_PSI, psi=1)");
	return 0;
}

static int on_marks(struct agent *agent, const void *payload, size_t len)
{
	return drain_marks(&agent->drain, payload, len);
}

static int on_flush(struct agent *agent, const void *payload, size_t len)
{
	if (len)
		return -EINVAL;
	drain_flush(&agent->drain);
	return 0;
}

static const struct {
	uint16_t type;
	const char *name;
	int (*handle)(struct agent *agent, const void *payload, size_t len);
} requests[] = {
	{ VX_REQ_HELLO,		"hello",	on_hello },
	{ VX_REQ_STEP,		"step",		on_step },
	{ VX_REQ_PUT,		"put",		on_put },
	{ VX_REQ_TRACE,		"trace",	on_trace },
	{ VX_REQ_FLUSH,		"flush",	on_flush },
	{ VX_REQ_MARKS,		"marks",	on_marks },
	{ VX_REQ_CANCEL,	"cancel",	on_cancel },
	{ VX_REQ_ALLOCS,	"allocs",	on_allocs },
	{ VX_REQ_METRICS,	"metrics",	on_metrics },
};

void requests_handle(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct agent *agent = ctx;
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int err;

		if (requests[i].type != frame->type)
			continue;
		err = requests[i].handle(agent, payload, frame->length);
		if (err)
			agent_log(agent, "request %s of %u bytes: %s", requests[i].name,
				  frame->length, strerror(-err));
		return;
	}
	agent_log(agent, "unknown request 0x%x of %u bytes", frame->type, frame->length);
}
