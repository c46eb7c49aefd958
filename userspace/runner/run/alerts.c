// SPDX-License-Identifier: GPL-2.0
#include "alerts.h"

struct kind {
	const struct finding *last;	/* borrowed: the journal keeps findings */
	guint held;			/* since it was told */
	gint64 told_us;
};

struct alerts {
	struct alerts_sink sink;
	guint seen;			/* of the findings */
	guint held;			/* of all kinds: most looks, one a frame, find nothing to tell */
	GHashTable *kinds;		/* name -> struct kind */
};

struct alerts *alerts_new(const struct alerts_sink *sink)
{
	struct alerts *alerts = g_new0(struct alerts, 1);

	alerts->sink = *sink;
	alerts->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return alerts;
}

void alerts_free(struct alerts *alerts)
{
	if (!alerts)
		return;
	g_hash_table_unref(alerts->kinds);
	g_free(alerts);
}

static gboolean is_one(const struct finding *finding)
{
	return finding_counts(finding) && (finding->severity >= SEV_HIGH || finding_concern(finding->class) == CONCERN_PERFORMANCE);
}

static void note(struct alerts *alerts, const struct finding *finding, gint64 now_us)
{
	g_autofree char *name = g_strdup_printf("%s: %s", finding_class_name(finding->class), finding->title);
	struct kind *kind = g_hash_table_lookup(alerts->kinds, name);

	if (!kind && g_hash_table_size(alerts->kinds) >= ALERT_KINDS_MAX) {
		g_free(name);
		name = g_strdup("others");
		kind = g_hash_table_lookup(alerts->kinds, name);
	}
	if (kind) {
		kind->last = finding;
		kind->held++;
		alerts->held++;
		return;
	}
	kind = g_new0(struct kind, 1);
	kind->told_us = now_us;
	g_hash_table_insert(alerts->kinds, g_steal_pointer(&name), kind);
	alerts->sink.tell(alerts->sink.ctx, finding, 1, FALSE);
}

/* Those that have been held back since before `until_us`. */
static void tell_held(struct alerts *alerts, gint64 until_us, gint64 now_us)
{
	GHashTableIter iter;
	gpointer value;

	if (!alerts->held)
		return;
	g_hash_table_iter_init(&iter, alerts->kinds);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct kind *kind = value;
		const guint held = kind->held;

		if (!held || kind->told_us > until_us)
			continue;
		kind->held = 0;
		alerts->held -= held;
		kind->told_us = now_us;
		alerts->sink.tell(alerts->sink.ctx, kind->last, held, TRUE);
	}
}

void alerts_look(struct alerts *alerts, const GPtrArray *findings, gint64 now_us)
{
	while (alerts->seen < findings->len) {
		const struct finding *finding = g_ptr_array_index(findings, alerts->seen++);

		if (is_one(finding))
			note(alerts, finding, now_us);
	}
	tell_held(alerts, now_us - ALERT_EVERY_S * G_USEC_PER_SEC, now_us);
}

void alerts_flush(struct alerts *alerts)
{
	tell_held(alerts, G_MAXINT64, 0);
}
