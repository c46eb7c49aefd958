// SPDX-License-Identifier: GPL-2.0
/* Operations above their threshold. */
#include <string.h>

#include "detect.h"
#include "event.h"

#define FINDINGS_MAX 20		/* a run where everything is slow says so twenty times, not a million */

struct latency {
	double threshold_ms;
	guint findings;
};

static gpointer latency_create(const struct detect_config *config)
{
	struct latency *lat = g_new0(struct latency, 1);

	lat->threshold_ms = config->slow_operation_ms;
	return lat;
}

static void note_slow(struct latency *lat, const struct detect_now *now,
		      const struct vx_event_fsop *ev, GPtrArray *findings)
{
	double ms = (double)ev->total_ns / 1e6;
	g_autofree char *title = NULL;
	struct finding *finding;
	guint i;

	if (ms <= lat->threshold_ms || lat->findings++ >= FINDINGS_MAX)
		return;
	title = g_strdup_printf("%s above its threshold", vx_op_name(ev->op));
	finding = finding_new(FINDING_SLOW_OPERATION, SEV_MEDIUM, title);
	finding->blame = BLAME_MODULE;
	finding->step = ev->head.step;
	finding->cycle = now->cycle;
	finding->realtime_ns = now->realtime_ns;
	finding_add_line(finding, "%.3f ms, threshold %.3f ms", ms, lat->threshold_ms);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (ev->phase_ns[i])
			finding_add_line(finding, "%s: %.3f ms", vx_phase_name(i),
					 (double)ev->phase_ns[i] / 1e6);
	g_ptr_array_add(findings, finding);
}

static void latency_feed(gpointer state, const struct detect_now *now,
			 const struct rec_entry *entry, GPtrArray *findings)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	if (entry->frame.type != VX_MSG_EVENTS)
		return;
	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter)))
		if (event->type == VX_EVENT_FSOP)
			note_slow(state, now, (const struct vx_event_fsop *)event, findings);
}

const struct detector detector_latency = {
	.name = "latency",
	.create = latency_create,
	.destroy = g_free,
	.feed = latency_feed,
};
