// SPDX-License-Identifier: GPL-2.0
/* The guest is gone while it was needed, or cannot be brought back: VX_REC_VM entries. */
#include <string.h>

#include "detect.h"

struct guest_state {
	guint64 panic_step;		/* during which the kernel panicked, 0: none */
	gboolean restoring;		/* what fails meanwhile is no step's fault */
};

static gpointer guest_create(const struct detect_config *config)
{
	return g_new0(struct guest_state, 1);
}

/* The record holds what was found before; what is found of the same entry stands in `findings`. */
static void note_finding(struct guest_state *st, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);

	if (!g_strcmp0(json_string_value(json_object_get(json, "event_type")), finding_class_name(FINDING_PANIC)))
		st->panic_step = (guint64)json_integer_value(json_object_get(json, "step"));
	json_decref(json);
}

static gboolean panic_tells(const struct guest_state *st, const struct detect_now *now, const GPtrArray *findings)
{
	guint i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding->class == FINDING_PANIC)
			return TRUE;
	}
	return st->panic_step && st->panic_step == now->step;
}

/* What only somebody on the host does. */
static gboolean is_ours(const char *cause)
{
	return !g_strcmp0(cause, "QEMU is stopped");
}

static void on_lost(const struct guest_state *st, const struct detect_now *now, const struct rec_entry *entry,
		    const json_t *json, GPtrArray *findings)
{
	const char *why = json_string_value(json_object_get(json, "lost"));
	const char *cause = json_string_value(json_object_get(json, "cause"));
	g_autofree char *title = NULL;
	struct finding *finding;

	/* One crash counts once: of a panic the guest resets itself. */
	if (!why || (!g_strcmp0(cause, "reset") && panic_tells(st, now, findings)))
		return;
	title = g_strdup_printf("guest lost%s%s", cause ? ": " : "", cause ? cause : "");
	finding = finding_new(FINDING_GUEST_LOST, SEV_CRITICAL, title);
	finding->blame = now->on_target && !st->restoring && !is_ours(cause) ? BLAME_MODULE : BLAME_ENVIRONMENT;
	finding->step = now->step;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	finding_add_line(finding, "%s", why);
	if (now->step_name[0])
		finding_add_line(finding, "during step %" G_GUINT64_FORMAT " (%s)", now->step, now->step_name);
	g_ptr_array_add(findings, finding);
}

static void on_given_up(const struct detect_now *now, const struct rec_entry *entry, const json_t *json,
			GPtrArray *findings)
{
	const char *why = json_string_value(json_object_get(json, "why"));
	struct finding *finding;

	if (g_strcmp0(json_string_value(json_object_get(json, "event")), "given up") ||
	    !json_is_true(json_object_get(json, "failed")))
		return;
	finding = finding_new(FINDING_RECOVERY_FAILED, SEV_CRITICAL, "the guest could not be brought back");
	finding->blame = BLAME_ENVIRONMENT;
	finding->step = now->step;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	finding_add_line(finding, "%s", why ? why : "");
	g_ptr_array_add(findings, finding);
}

static void guest_feed(gpointer state, const struct detect_now *now,
		       const struct rec_entry *entry, GPtrArray *findings)
{
	struct guest_state *st = state;
	json_t *json;

	if (entry->frame.type == VX_REC_FINDING)
		note_finding(st, entry);
	if (entry->frame.type != VX_REC_VM)
		return;
	json = rec_entry_json(entry);
	if (!json_object_get(json, "lost"))
		st->restoring = !g_strcmp0(json_string_value(json_object_get(json, "event")), "restoring");
	on_lost(st, now, entry, json, findings);
	on_given_up(now, entry, json, findings);
	json_decref(json);
}

const struct detector detector_guest = {
	.name = "guest",
	.create = guest_create,
	.destroy = g_free,
	.feed = guest_feed,
};
