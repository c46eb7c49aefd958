// SPDX-License-Identifier: GPL-2.0
/* Operations above their threshold, each as it ends; and, when there are no more, percentiles above theirs. */
#include <string.h>

#include "detect.h"
#include "event.h"
#include "ranks.h"

#define FINDINGS_MAX	20u		/* a run where everything is slow says so twenty times, not a million */
#define TIMES_MAX	1000000u	/* of one operation */

/* ns, guint64: of the measured cycles, and of all else but warming up. */
struct times {
	GArray *measured, *others;
};

struct latency {
	struct thresholds thresholds;
	gboolean traced;
	guint findings;
	struct times times[THRESHOLD_OPS_MAX];
};

static gpointer latency_create(const struct detect_config *config)
{
	struct latency *lat = g_new0(struct latency, 1);
	guint i;

	lat->thresholds = config->thresholds;
	lat->traced = config->traced;
	for (i = 0; i < lat->thresholds.nops; i++) {
		lat->times[i].measured = g_array_new(FALSE, FALSE, sizeof(guint64));
		lat->times[i].others = g_array_new(FALSE, FALSE, sizeof(guint64));
	}
	return lat;
}

static void latency_destroy(gpointer state)
{
	struct latency *lat = state;
	guint i;

	for (i = 0; i < lat->thresholds.nops; i++) {
		g_array_unref(lat->times[i].measured);
		g_array_unref(lat->times[i].others);
	}
	g_free(lat);
}

static void keep(struct latency *lat, const struct threshold_op *op, const struct detect_now *now, guint64 ns)
{
	struct times *times = &lat->times[op - lat->thresholds.ops];
	GArray *list = strcmp(now->phase, "measure") ? times->others : times->measured;

	if (strcmp(now->phase, "warmup") && list->len < TIMES_MAX)
		g_array_append_val(list, ns);
}

/* What no line of an operation's own tells. */
static json_t *violation(const char *operation, double ms, double limit_ms, guint64 step)
{
	return json_pack("{s:s, s:f, s:n, s:n, s:n, s:b, s:s, s:I, s:f, s:f}", "operation", operation, "duration_ms", ms,
			 "memory_usage_kb", "cpu_usage_percent", "io_operations", "threshold_violated", TRUE,
			 "violation_type", finding_class_name(FINDING_SLOW_OPERATION), "step", (json_int_t)step, "value", ms,
			 "threshold", limit_ms);
}

/* NULL: there were enough of them. */
static struct finding *slow(struct latency *lat, const struct detect_now *now, const char *operation, guint64 step, double ms,
			    double limit_ms, GPtrArray *findings)
{
	g_autofree char *title = g_strdup_printf("%s above its threshold", operation);
	struct finding *finding;

	if (lat->findings++ >= FINDINGS_MAX)
		return NULL;
	finding = detect_finding(now, FINDING_SLOW_OPERATION, SEV_MEDIUM, title);
	finding->step = step;
	finding_add_line(finding, "%.3f ms, threshold %.3f ms", ms, limit_ms);
	g_ptr_array_add(findings, finding);
	return finding;
}

/* ---- mounts and unmounts, by BPF ------------------------------------------------------------- */

static void note_fsop(struct latency *lat, const struct detect_now *now, const struct vx_event_fsop *ev, GPtrArray *findings)
{
	const char *name = vx_op_name(ev->op);
	const struct threshold_op *op = thresholds_op(&lat->thresholds, name);
	const double ms = (double)ev->total_ns / 1e6, limit = thresholds_operation_ms(&lat->thresholds, name);
	struct finding *finding;
	guint i;

	if (op && !ev->err)
		keep(lat, op, now, ev->total_ns);
	if (ms <= limit)
		return;
	finding = slow(lat, now, name, ev->head.step, ms, limit, findings);
	for (i = 0; finding && i < VX_PHASE_TYPES; i++)
		if (ev->phase_ns[i])
			finding_add_line(finding, "%s: %.3f ms", vx_phase_name(i), (double)ev->phase_ns[i] / 1e6);
}

static void note_events(struct latency *lat, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter)))
		if (event->type == VX_EVENT_FSOP)
			note_fsop(lat, now, (const struct vx_event_fsop *)event, findings);
}

/* ---- steps, by the agent's clock ---------------------------------------------------------------- */

/* Those that BPF times are not counted a second time. */
static const struct threshold_op *op_of_step(const struct latency *lat, const struct detect_now *now)
{
	if (lat->traced && (!strcmp(now->step_kind, "mount") || !strcmp(now->step_kind, "umount")))
		return NULL;
	return thresholds_op(&lat->thresholds, now->step_name) ?: thresholds_op(&lat->thresholds, now->step_kind);
}

static void note_step(struct latency *lat, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	const struct threshold_op *op = op_of_step(lat, now);
	struct finding *finding;
	struct vx_msg_step msg;
	guint64 ns;

	if (!op || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (msg.id != now->step || msg.end_ns < msg.start_ns)
		return;
	ns = msg.end_ns - msg.start_ns;
	if (!msg.err)
		keep(lat, op, now, ns);
	if (op->max_ms <= 0 || (double)ns / 1e6 <= op->max_ms)
		return;
	finding = slow(lat, now, now->step_name, msg.id, (double)ns / 1e6, op->max_ms, findings);
	if (finding)
		finding->violation = violation(now->step_name, (double)ns / 1e6, op->max_ms, msg.id);
}

static void latency_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	if (entry->frame.type == VX_MSG_EVENTS)
		note_events(state, now, entry, findings);
	else if (entry->frame.type == VX_MSG_STEP)
		note_step(state, now, entry, findings);
}

/* ---- percentiles ---------------------------------------------------------------------------------- */

static void judge(const struct detect_now *now, const struct threshold_op *op, enum limit_percentile which, GArray *times,
		  GPtrArray *findings)
{
	const double ms = (double)nearest_rank(times, limit_shares[which]) / 1e6, limit = op->percentile_ms[which];
	g_autofree char *title = NULL;
	struct finding *finding;

	if (limit <= 0 || ms <= limit)
		return;
	title = g_strdup_printf("%s of %s above its threshold", limit_names[which], op->name);
	finding = detect_finding(now, FINDING_SLOW_OPERATION, SEV_MEDIUM, title);
	finding->step = finding->cycle = 0;
	finding_add_line(finding, "%.3f ms of %u%s, threshold %.3f ms", ms, times->len,
			 times->len == TIMES_MAX ? " (more are not looked at)" : "", limit);
	finding->violation = violation(op->name, ms, limit, 0);
	g_ptr_array_add(findings, finding);
}

static void latency_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	struct latency *lat = state;
	guint i, which;

	for (i = 0; i < lat->thresholds.nops; i++) {
		GArray *times = lat->times[i].measured->len ? lat->times[i].measured : lat->times[i].others;

		if (!times->len)
			continue;
		ranks_sort(times);
		for (which = 0; which < LIMIT_PERCENTILES; which++)
			judge(now, &lat->thresholds.ops[i], which, times, findings);
	}
}

const struct detector detector_latency = {
	.name = "latency",
	.create = latency_create,
	.destroy = latency_destroy,
	.feed = latency_feed,
	.finish = latency_finish,
};
