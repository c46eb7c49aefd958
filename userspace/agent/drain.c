// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "drain.h"
#include "frame.h"

#define MARKS_ROUND	(16 * PROBES_MARKS_BATCH)	/* then look at the rest of the world */
#define MARKS_PACE_NS	(5 * NSEC_PER_MSEC)
#define CPUS_MAX	4096

static bool is_full(const struct drain *drain)
{
	return outbox_pending(drain->out) >= OUTBOX_EVENT_LIMIT;
}

static int on_event(void *arg, const struct vx_event *event, size_t size)
{
	struct drain *drain = arg;

	/* A record of a size that no event has is our own fault, and visible as lost. */
	if (outbox_add_event(drain->out, event, size))
		drain->out->seq++;
	return is_full(drain) ? -EAGAIN : 0;
}

int drain_init(struct drain *drain, struct outbox *out)
{
	const struct probes_options options = { .event = on_event, .arg = drain };

	memset(drain, 0, sizeof(*drain));
	drain->out = out;
	return probes_create(&options, &drain->probes);
}

void drain_deinit(struct drain *drain)
{
	probes_destroy(drain->probes);
	drain->probes = NULL;
}

int drain_ring(struct drain *drain)
{
	int n;

	drain->next_look_ns = now_ns() + PROBES_POLL_MS * NSEC_PER_MSEC;
	if (is_full(drain))
		return -EAGAIN;
	if (probes_ring_fd(drain->probes) < 0)
		return 0;
	n = probes_consume(drain->probes);
	return n < 0 ? n : 0;
}

static void answer_trace(struct drain *drain, int err)
{
	const struct vx_probe_status *status = NULL;
	size_t n = probes_status(drain->probes, &status);
	size_t max = (VX_FRAME_PAYLOAD_MAX - sizeof(struct vx_msg_trace)) / sizeof(*status);
	struct vx_msg_trace msg = { .err = err, .groups = probes_groups(drain->probes) };

	if (n > max)
		n = max;
	msg.nprobes = (uint32_t)n;
	outbox_add(drain->out, VX_MSG_TRACE, &msg, sizeof(msg), status, n * sizeof(*status));
}

int drain_trace(struct drain *drain, const void *payload, size_t len)
{
	struct vx_req_trace req;
	int err;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	if (!memchr(req.fstype, '\0', sizeof(req.fstype)) ||
	    !memchr(req.module, '\0', sizeof(req.module)) || req.groups & ~VX_PROBES_ALL)
		return -EINVAL;
	/* What was traced before belongs in front of the answer. */
	drain_ring(drain);
	err = probes_set(drain->probes, req.groups, req.fstype, req.module);
	if (req.reset) {
		int reset_err = probes_reset(drain->probes);

		err = err ?: reset_err;
	}
	answer_trace(drain, err);
	return 0;
}

int drain_marks(struct drain *drain, const void *payload, size_t len)
{
	if (len != sizeof(drain->marks))
		return -EINVAL;
	if (drain->marks.count)
		return -EBUSY;
	memcpy(&drain->marks, payload, sizeof(drain->marks));
	drain->marks_begun_ns = now_ns();
	drain->marks_done = 0;
	return 0;
}

void drain_flush(struct drain *drain)
{
	drain->flushes++;
}

/* How many marks the wanted rate allows by now. */
static uint64_t marks_allowed(const struct drain *drain)
{
	uint64_t ns = now_ns() - drain->marks_begun_ns, due;

	if (!drain->marks.rate)
		return drain->marks.count;
	due = (uint64_t)((double)ns / NSEC_PER_SEC * (double)drain->marks.rate);
	due = due > drain->marks_done ? due - drain->marks_done : 0;
	return due < drain->marks.count ? due : drain->marks.count;
}

static int emit_marks(struct drain *drain)
{
	uint64_t left = marks_allowed(drain);
	int n, round;

	if (left > MARKS_ROUND)
		left = MARKS_ROUND;
	for (round = 0; left; round++) {
		uint32_t batch = left < PROBES_MARKS_BATCH ? (uint32_t)left : PROBES_MARKS_BATCH;

		n = drain_ring(drain);
		if (n)
			return n == -EAGAIN ? 0 : n;
		n = probes_marks(drain->probes, batch, drain->marks.cookie);
		if (n < 0)
			return n;
		/* One that found no room is counted in the kernel; it was emitted all the same. */
		drain->marks.count -= batch;
		drain->marks_done += batch;
		left -= batch;
	}
	return 0;
}

static void send_hist(struct drain *drain, enum vx_op op, unsigned int phase)
{
	struct vx_hist_slot slots[VX_HIST_SLOTS];
	struct vx_msg_hist msg = { .op = (uint8_t)op, .phase = (uint8_t)phase };
	struct vx_hist hist;
	uint32_t i;

	if (probes_hist(drain->probes, op, phase, &hist))
		return;
	for (i = 0; i < VX_HIST_SLOTS; i++)
		if (hist.slots[i])
			slots[msg.nslots++] = (struct vx_hist_slot){ .index = i,
								     .count = hist.slots[i] };
	msg.count = hist.count;
	msg.sum_ns = hist.sum_ns;
	msg.max_ns = hist.max_ns;
	msg.min_ns = hist.min_ns;
	outbox_add(drain->out, VX_MSG_HIST, &msg, sizeof(msg), slots,
		   msg.nslots * sizeof(slots[0]));
}

static void send_stats(struct drain *drain)
{
	_cleanup_free_ struct vx_cpu_stats *cpu = calloc(CPUS_MAX, sizeof(*cpu));
	struct vx_msg_stats msg = {
		.ring_bytes = probes_ring_bytes(drain->probes),
		.sent_events = drain->out->sent_events,
		.sent_bytes = drain->out->sent_bytes,
	};
	int n = 0;

	if (cpu && probes_ring_fd(drain->probes) >= 0)
		n = probes_cpu_stats(drain->probes, cpu, CPUS_MAX);
	msg.cpus = n > 0 ? (uint32_t)n : 0;
	outbox_add(drain->out, VX_MSG_STATS, &msg, sizeof(msg), cpu, msg.cpus * sizeof(*cpu));
}

static void answer_flush(struct drain *drain)
{
	unsigned int op, phase;

	outbox_seal(drain->out);
	if (probes_ring_fd(drain->probes) >= 0)
		for (op = VX_OP_NONE + 1; op < VX_OP_TYPES; op++)
			for (phase = 0; phase <= VX_PHASE_TYPES; phase++)
				send_hist(drain, op, phase);
	send_stats(drain);
	outbox_add(drain->out, VX_MSG_FLUSHED, NULL, 0, NULL, 0);
}

int drain_work(struct drain *drain)
{
	int marks_err = 0, err;

	if (drain->marks.count)
		marks_err = emit_marks(drain);
	if (marks_err)
		drain->marks.count = 0;
	err = drain_ring(drain);
	/* An error of the ring itself must not hold up the answer for ever. */
	if (err != -EAGAIN && !drain->marks.count)
		for (; drain->flushes; drain->flushes--)
			answer_flush(drain);
	return marks_err;
}

uint64_t drain_due_ns(const struct drain *drain)
{
	if (is_full(drain))
		return UINT64_MAX;	/* the port will tell when it takes more */
	if (drain->marks.count)
		return drain->marks.rate ? now_ns() + MARKS_PACE_NS : 0;
	if (drain->flushes)
		return 0;
	return probes_groups(drain->probes) ? drain->next_look_ns : UINT64_MAX;
}
