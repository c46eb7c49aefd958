// SPDX-License-Identifier: GPL-2.0
/* Steps of the target that failed, or never came back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "detect.h"
#include "oops_table.h"

#define LINES_TOLD	120u

struct step_state {
	char module[VX_NAME_LEN];	/* the target's, "" when built in */
};

static gpointer step_create(const struct detect_config *config)
{
	struct step_state *st = g_new0(struct step_state, 1);

	g_strlcpy(st->module, config->module, sizeof(st->module));
	return st;
}

/* ---- a step that does not come back: where it is, as the agent saw it (stuck.c there) ---- */

struct frame {
	char function[VX_NAME_LEN], module[VX_NAME_LEN];
};

/* "  name+0x1/0x2 [module]", or the same behind "RIP: 0010:". */
static gboolean parse_frame(const char *line, struct frame *ret)
{
	const char *rip = strstr(line, "RIP: 0010:");

	ret->module[0] = '\0';
	line = rip ? rip + 10 : line + strspn(line, " ");
	return sscanf(line, "%63[A-Za-z0-9_.]+0x%*[0-9a-f]/0x%*[0-9a-f] [%63[A-Za-z0-9_]", ret->function,
		      ret->module) >= 1 && strstr(line, "+0x") == line + strlen(ret->function);
}

static gboolean only_waits(const char *function)
{
	guint i;

	for (i = 0; oops_hang_waits[i]; i++)
		if (strstr(function, oops_hang_waits[i]))
			return TRUE;
	return FALSE;
}

/* The target's own innermost function on the step's stack, else the innermost that does not just wait. */
static gboolean guilty_frame(const struct step_state *st, char **lines, struct frame *ret)
{
	gboolean found = FALSE;
	struct frame frame;
	guint i, tasks = 0;

	for (i = 0; lines[i]; i++) {
		tasks += g_str_has_prefix(lines[i], "task ");
		if (tasks > 1)		/* others, who are blocked too */
			break;
		if (!parse_frame(lines[i], &frame))
			continue;
		if (st->module[0] && !strcmp(frame.module, st->module)) {
			*ret = frame;
			return TRUE;
		}
		if (!found && !only_waits(frame.function)) {
			*ret = frame;
			found = TRUE;
		}
	}
	return found;
}

static const char *how_it_hangs(char **lines)
{
	guint i;

	for (i = 0; lines[i]; i++) {
		const char *state = g_str_has_prefix(lines[i], "task ") ? strstr(lines[i], " is in state ") : NULL;

		if (state)
			return state[13] == 'R' ? "spinning" : state[13] == 'D' ? "blocked" : "waiting";
	}
	return NULL;
}

static struct finding *hang_finding(const struct step_state *st, const struct detect_now *now, char **lines)
{
	const char *how = how_it_hangs(lines);
	struct frame frame = { 0 };
	gboolean known = how && guilty_frame(st, lines, &frame);
	g_autofree char *title = known ?
		g_strdup_printf("%s did not come back: %s in %s", now->step_name, how, frame.function) :
		g_strdup_printf("%s did not come back", now->step_name);
	struct finding *finding = finding_new(FINDING_HANG, SEV_CRITICAL, title);

	finding->kind = how;
	if (known)
		finding->function = g_strdup(frame.function);
	if (known && frame.module[0])
		finding->module = g_strdup(frame.module);
	return finding;
}

/* ---- any other failure -------------------------------------------------------------------- */

static enum finding_class class_of(const struct detect_now *now, const struct vx_msg_step *msg)
{
	if (!strcmp(now->step_kind, "load"))
		return FINDING_LOAD_FAILED;
	if (!strcmp(now->step_kind, "unload"))
		return FINDING_UNLOAD_FAILED;
	return FINDING_STEP_FAILED;
}

static struct finding *failure_finding(const struct detect_now *now, const struct vx_msg_step *msg)
{
	g_autofree char *title = msg->err ?
		g_strdup_printf("%s failed: %s", now->step_name, g_strerror(-msg->err)) :
		g_strdup_printf("%s failed: exit status %" G_GINT64_FORMAT, now->step_name, (gint64)msg->value);

	return finding_new(class_of(now, msg), SEV_HIGH, title);
}

static void step_feed(gpointer state, const struct detect_now *now,
		      const struct rec_entry *entry, GPtrArray *findings)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	struct finding *finding;
	struct vx_msg_step msg;
	guint i;

	if (entry->frame.type != VX_MSG_STEP || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	/* A program's exit status is its error. */
	if (msg.id != now->step || (!msg.err && (strcmp(now->step_kind, "exec") || !msg.value)))
		return;
	text = g_strndup((const char *)entry->payload + sizeof(msg), entry->frame.length - sizeof(msg));
	lines = g_strsplit(text, "\n", LINES_TOLD);
	finding = msg.err == -ETIMEDOUT ? hang_finding(state, now, lines) : failure_finding(now, &msg);
	finding->blame = now->on_target ? BLAME_MODULE : BLAME_ENVIRONMENT;
	finding->step = msg.id;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	for (i = 0; lines[i]; i++)
		if (lines[i][0])
			finding_add_line(finding, "%s", lines[i]);
	g_ptr_array_add(findings, finding);
}

const struct detector detector_step = {
	.name = "step",
	.create = step_create,
	.destroy = g_free,
	.feed = step_feed,
};
