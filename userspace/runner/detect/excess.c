// SPDX-License-Identifier: GPL-2.0
/*
 * Memory, CPU and I/O above their thresholds for long. One sample says little: a guest whose CPUs are emulated is at its
 * limit for moments all the time. So it must be so in every sample for `lasting_s` seconds; of CPU and I/O in one and the
 * same step, as a run of short steps keeps a small guest busy from end to end; and not in a step that is there to load it.
 */
#include <string.h>

#include "detect.h"
#include "metrics.h"

#define FINDINGS_MAX	20u	/* of each kind */

enum excess_kind { EXCESS_MEMORY, EXCESS_CPU, EXCESS_IO, EXCESS_KINDS };

static const struct {
	enum finding_class class;
	const char *title, *unit;
	gboolean of_step;
} kinds[EXCESS_KINDS] = {
	[EXCESS_MEMORY] = { FINDING_HIGH_MEMORY, "memory in use", "kB", FALSE },
	[EXCESS_CPU] = { FINDING_HIGH_CPU, "CPU", "%", TRUE },
	[EXCESS_IO] = { FINDING_EXCESSIVE_IO, "I/O", "requests/s", TRUE },
};

/* Samples above the threshold, without a break. */
struct streak {
	guint64 since_ns;	/* guest's clock; 0: the last sample was not above it */
	gboolean told;
	double most;
};

struct excess {
	struct thresholds thresholds;
	struct metrics_flow flow;
	struct streak streaks[EXCESS_KINDS];
	guint findings[EXCESS_KINDS];
};

static gpointer excess_create(const struct detect_config *config)
{
	struct excess *ex = g_new0(struct excess, 1);

	ex->thresholds = config->thresholds;
	return ex;
}

/* Whoever asks for these asks for a guest at its limits. */
static gboolean is_load(const struct detect_now *now)
{
	static const char *const loads[] = { "stress", "parallel", "exec", NULL };

	return now->provokes || g_strv_contains(loads, now->step_kind);
}

static double value_of(const struct excess *ex, enum excess_kind kind)
{
	switch (kind) {
	case EXCESS_MEMORY:
		return (double)metrics_memory_kb(&ex->flow.now);
	case EXCESS_CPU:
		return ex->flow.rates.busy;
	default:
		return ex->flow.rates.ops;
	}
}

static double limit_of(const struct excess *ex, enum excess_kind kind)
{
	return kind == EXCESS_MEMORY ? ex->thresholds.memory_kb : kind == EXCESS_CPU ? ex->thresholds.cpu_percent :
	       ex->thresholds.io_per_second;
}

/* Its line of performance_events.jsonl. */
static json_t *violation(const struct excess *ex, const struct detect_now *now, enum excess_kind kind, double lasted_s)
{
	const struct metrics_rates *rates = &ex->flow.rates;

	return json_pack("{s:s, s:f, s:I, s:o, s:o, s:b, s:s, s:I, s:f, s:f}", "operation", now->step_name,
			 "duration_ms", lasted_s * 1e3,
			 "memory_usage_kb", (json_int_t)metrics_memory_kb(&ex->flow.now),
			 "cpu_usage_percent", rates->busy < 0 ? json_null() : json_real(rates->busy),
			 "io_operations", rates->ops < 0 ? json_null() : json_integer((json_int_t)MIN(rates->ops * rates->seconds, 1e15)),
			 "threshold_violated", TRUE, "violation_type", finding_class_name(kinds[kind].class),
			 "step", (json_int_t)now->step, "value", ex->streaks[kind].most, "threshold", limit_of(ex, kind));
}

static void tell(struct excess *ex, const struct detect_now *now, enum excess_kind kind, double lasted_s, GPtrArray *findings)
{
	const gboolean of_step = kinds[kind].of_step && now->step_name[0];
	g_autofree char *title = g_strdup_printf("%s above its threshold%s%s", kinds[kind].title, of_step ? " in " : "",
						 of_step ? now->step_name : "");
	struct finding *finding;

	if (ex->findings[kind]++ >= FINDINGS_MAX)
		return;
	finding = detect_finding(now, kinds[kind].class, SEV_MEDIUM, title);
	if (!now->on_target)
		finding->blame = BLAME_ENVIRONMENT;
	finding_add_line(finding, "above %.0f %s in every sample of %.1f s, at most %.0f; the threshold counts after %.0f s",
			 limit_of(ex, kind), kinds[kind].unit, lasted_s, ex->streaks[kind].most, ex->thresholds.lasting_s);
	if (kind == EXCESS_IO && ex->flow.rates.busiest)
		finding_add_line(finding, "device: %s", ex->flow.rates.busiest);
	finding->violation = violation(ex, now, kind, lasted_s);
	g_ptr_array_add(findings, finding);
}

static void look(struct excess *ex, const struct detect_now *now, enum excess_kind kind, GPtrArray *findings)
{
	const struct vx_msg_metrics *before = &ex->flow.before.head, *head = &ex->flow.now.head;
	const double value = value_of(ex, kind), limit = limit_of(ex, kind);
	struct streak *streak = &ex->streaks[kind];
	const gboolean same = before->step == head->step && ex->flow.rates.seconds > 0;
	double lasted_s;

	/* Before the first step the guest is ours. */
	if (limit <= 0 || value <= limit || !now->step || is_load(now)) {
		*streak = (struct streak){ 0 };
		return;
	}
	/* A rate is of the time since the sample before; a level is of this moment. */
	if (!streak->since_ns || (kinds[kind].of_step && !same))
		streak->since_ns = kinds[kind].of_step && same ? before->monotonic_ns : head->monotonic_ns;
	streak->most = MAX(streak->most, value);
	lasted_s = head->monotonic_ns > streak->since_ns ? (double)(head->monotonic_ns - streak->since_ns) / 1e9 : 0;
	if (streak->told || lasted_s < ex->thresholds.lasting_s)
		return;
	streak->told = TRUE;
	tell(ex, now, kind, lasted_s, findings);
}

static void excess_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	struct excess *ex = state;
	guint i;

	if (!metrics_feed(&ex->flow, entry))
		return;
	/* Another guest, or the same one as it was before. */
	if (!ex->flow.rates.seconds)
		memset(ex->streaks, 0, sizeof(ex->streaks));
	for (i = 0; i < EXCESS_KINDS; i++)
		look(ex, now, i, findings);
}

const struct detector detector_excess = {
	.name = "excess",
	.create = excess_create,
	.destroy = g_free,
	.feed = excess_feed,
};
