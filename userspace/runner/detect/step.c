// SPDX-License-Identifier: GPL-2.0
/* Steps of the target that failed, or never came back. */
#include <errno.h>
#include <string.h>

#include "detect.h"

static gpointer step_create(const struct detect_config *config)
{
	return g_new0(struct vx_msg_step, 1);
}

static enum finding_class class_of(const struct detect_now *now, const struct vx_msg_step *msg)
{
	if (msg->err == -ETIMEDOUT)
		return FINDING_HANG;
	if (!strcmp(now->step_kind, "load"))
		return FINDING_LOAD_FAILED;
	if (!strcmp(now->step_kind, "unload"))
		return FINDING_UNLOAD_FAILED;
	return FINDING_STEP_FAILED;
}

static void add_output(struct finding *finding, const struct rec_entry *entry)
{
	const char *text = (const char *)entry->payload + sizeof(struct vx_msg_step);
	g_autofree char *copy = g_strndup(text, entry->frame.length - sizeof(struct vx_msg_step));
	g_auto(GStrv) lines = g_strsplit(copy, "\n", 40);
	guint i;

	for (i = 0; lines[i]; i++)
		if (lines[i][0])
			finding_add_line(finding, "%s", lines[i]);
}

static void step_feed(gpointer state, const struct detect_now *now,
		      const struct rec_entry *entry, GPtrArray *findings)
{
	g_autofree char *title = NULL;
	struct finding *finding;
	struct vx_msg_step msg;

	if (entry->frame.type != VX_MSG_STEP || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	/* A program's exit status is its error. */
	if (msg.id != now->step || (!msg.err && (strcmp(now->step_kind, "exec") || !msg.value)))
		return;
	title = msg.err == -ETIMEDOUT ?
		g_strdup_printf("%s did not come back", now->step_name) :
		msg.err ? g_strdup_printf("%s failed: %s", now->step_name, g_strerror(-msg.err)) :
		g_strdup_printf("%s failed: exit status %" G_GINT64_FORMAT, now->step_name,
				(gint64)msg.value);
	finding = finding_new(class_of(now, &msg),
			      msg.err == -ETIMEDOUT ? SEV_CRITICAL : SEV_HIGH, title);
	finding->blame = now->on_target ? BLAME_MODULE : BLAME_ENVIRONMENT;
	finding->step = msg.id;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	add_output(finding, entry);
	g_ptr_array_add(findings, finding);
}

const struct detector detector_step = {
	.name = "step",
	.create = step_create,
	.destroy = g_free,
	.feed = step_feed,
};
