// SPDX-License-Identifier: GPL-2.0
/*
 * What a record tells of over time. A source is a function that looks at every entry and calls chronicle_sample()
 * for what it knows; adding one is that function and a line in the table at the end.
 */
#include <string.h>

#include <vexlab/alloc.h>
#include "chronicle.h"
#include "event.h"
#include "resources.h"

static struct chron_series *series_named(struct chronicle *chron, const char *name, const char *unit)
{
	struct chron_series *series = g_hash_table_lookup(chron->by_name, name);

	if (series)
		return series;
	if (chron->series->len >= CHRONICLE_SERIES_MAX) {
		chron->left_out++;
		return NULL;
	}
	series = g_new0(struct chron_series, 1);
	series->name = g_utf8_make_valid(name, -1);
	series->unit = unit;
	series->stride = 1;
	series->points = g_array_new(FALSE, FALSE, sizeof(struct chron_point));
	g_ptr_array_add(chron->series, series);
	g_hash_table_insert(chron->by_name, series->name, series);
	return series;
}

static void append_both(GArray *points, const struct chron_point *low, const struct chron_point *high)
{
	g_array_append_val(points, *(low->ns <= high->ns ? low : high));
	g_array_append_val(points, *(low->ns <= high->ns ? high : low));
}

/* Of four points the least and the most are left: a series always spans the whole run, and a spike stays one. */
static void thin_out(struct chron_series *series)
{
	GArray *left = g_array_new(FALSE, FALSE, sizeof(struct chron_point));
	guint i, k;

	for (i = 0; i + 4 <= series->points->len; i += 4) {
		const struct chron_point *four = &g_array_index(series->points, struct chron_point, i);
		const struct chron_point *low = four, *high = four;

		for (k = 1; k < 4; k++) {
			low = four[k].value < low->value ? &four[k] : low;
			high = four[k].value >= high->value ? &four[k] : high;
		}
		append_both(left, low, high);
	}
	g_array_unref(series->points);
	series->points = left;
	series->stride *= 2;
}

static void append_pending(struct chron_series *series)
{
	if (series->pending)
		append_both(series->points, &series->low, &series->high);
	series->pending = 0;
	if (series->points->len >= CHRONICLE_POINTS_MAX)
		thin_out(series);
}

void chronicle_sample(struct chronicle *chron, const char *name, const char *unit, guint64 ns, double value)
{
	struct chron_series *series = series_named(chron, name, unit);
	struct chron_point point = { ns, value };

	if (!series)
		return;
	series->least = series->count ? MIN(series->least, value) : value;
	series->most = series->count ? MAX(series->most, value) : value;
	series->sum += value;
	series->count++;
	/* Records come by CPU, and a host's clock may be set back. */
	point.ns = series->last_ns = MAX(ns, series->last_ns);
	if (series->stride == 1) {
		g_array_append_val(series->points, point);
		append_pending(series);
		return;
	}
	if (!series->pending || value < series->low.value)
		series->low = point;
	if (!series->pending || value >= series->high.value)
		series->high = point;
	if (++series->pending >= 2 * series->stride)
		append_pending(series);
}

void chronicle_end_series(struct chronicle *chron)
{
	guint i;

	for (i = 0; i < chron->series->len; i++)
		append_pending(g_ptr_array_index(chron->series, i));
}

/* ---- sources ---------------------------------------------------------------------------------- */

/* Snapshots of what the kernel holds: text of a step's answer. */
static void feed_resources(struct chronicle *chron, const struct rec_entry *entry)
{
	VX_GUARD(resources_free) struct resources *resources = NULL;
	const struct chron_step *step;
	struct vx_msg_step msg;
	guint i;

	if (entry->frame.type != VX_MSG_STEP || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	step = chronicle_step(chron, msg.id);
	if (!step || msg.err || strcmp(step->op, "resources"))
		return;
	resources = resources_parse((const char *)entry->payload + sizeof(msg), entry->frame.length - sizeof(msg));
	for (i = 0; i < resources->n; i++)
		chronicle_sample(chron, resources->items[i].name, resource_unit(resources->items[i].name),
				 entry->stamp.realtime_ns, (double)resources->items[i].value);
}

/* What was allocated for the target and is not freed, at each checkpoint of a leak hunt. */
static void feed_outstanding(struct chronicle *chron, const struct rec_entry *entry)
{
	struct vx_msg_allocs msg;

	if (entry->frame.type != VX_MSG_ALLOCS || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (msg.err)
		return;
	chronicle_sample(chron, msg.source == VX_ALLOCS_CALLS ? "outstanding.calls" : "outstanding.traced", "objects",
			 entry->stamp.realtime_ns, (double)msg.objects);
}

/* The guest's own count of what it has sent: where it stands still, nothing happened, or nobody lived. */
static void feed_heartbeat(struct chronicle *chron, const struct rec_entry *entry)
{
	struct vx_msg_heartbeat beat;

	if (entry->frame.type != VX_MSG_HEARTBEAT || entry->frame.length < sizeof(beat))
		return;
	memcpy(&beat, entry->payload, sizeof(beat));
	chronicle_sample(chron, "agent.events", "events", entry->stamp.realtime_ns, (double)beat.sent_events);
}

static void (*const sources[])(struct chronicle *chron, const struct rec_entry *entry) = {
	feed_resources, feed_outstanding, feed_heartbeat, chronicle_feed_usage, chronicle_feed_host,
};

void chronicle_feed_series(struct chronicle *chron, const struct rec_entry *entry)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(sources); i++)
		sources[i](chron, entry);
}

/* Bytes gained are known where the slab probes were on. */
void chronicle_sample_ops(struct chronicle *chron)
{
	guint i;

	for (i = 0; i < chron->ops->len; i++) {
		const struct chron_op *op = &g_array_index(chron->ops, struct chron_op, i);
		g_autofree char *latency = g_strdup_printf("latency.%s", vx_op_name(op->op));
		g_autofree char *slab = g_strdup_printf("slabgain.%s", vx_op_name(op->op));

		if (!op->err)
			chronicle_sample(chron, latency, "ms", op->at_ns, (double)op->total_ns / 1e6);
		if (op->flags & VX_FSOP_SLAB_VALID)
			chronicle_sample(chron, slab, "bytes", op->at_ns, (double)op->slab_bytes);
	}
}

gboolean chron_series_varies(const struct chron_series *series)
{
	guint i;

	for (i = 1; i < series->points->len; i++)
		if (g_array_index(series->points, struct chron_point, i).value !=
		    g_array_index(series->points, struct chron_point, 0).value)
			return TRUE;
	return FALSE;
}
