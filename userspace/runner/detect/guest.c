// SPDX-License-Identifier: GPL-2.0
/* The guest is gone while it was needed: VX_REC_VM entries with "lost". */
#include <string.h>

#include "detect.h"

struct state {
	gboolean restoring;	/* what fails meanwhile is no step's fault */
};

static gpointer guest_create(const struct detect_config *config)
{
	return g_new0(struct state, 1);
}

static void guest_feed(gpointer state, const struct detect_now *now,
		       const struct rec_entry *entry, GPtrArray *findings)
{
	struct state *guest = state;
	struct finding *finding;
	const char *why, *what;
	json_t *json;

	if (entry->frame.type != VX_REC_VM)
		return;
	json = rec_entry_json(entry);
	why = json_string_value(json_object_get(json, "lost"));
	what = json_string_value(json_object_get(json, "event"));
	if (!why)
		guest->restoring = !g_strcmp0(what, "restoring");
	if (why) {
		finding = finding_new(FINDING_GUEST_LOST, SEV_CRITICAL, "guest lost");
		finding->blame = now->on_target && !guest->restoring ? BLAME_MODULE : BLAME_ENVIRONMENT;
		finding->step = now->step;
		finding->cycle = now->cycle;
		finding->realtime_ns = entry->stamp.realtime_ns;
		finding_add_line(finding, "%s", why);
		if (now->step_name[0])
			finding_add_line(finding, "during step %" G_GUINT64_FORMAT " (%s)",
					 now->step, now->step_name);
		g_ptr_array_add(findings, finding);
	}
	json_decref(json);
}

const struct detector detector_guest = {
	.name = "guest",
	.create = guest_create,
	.destroy = g_free,
	.feed = guest_feed,
};
