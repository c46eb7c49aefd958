// SPDX-License-Identifier: GPL-2.0
/* Steps of the target that failed, or never came back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "death.h"
#include "detect.h"
#include "oops_table.h"
#include "scenario.h"
#include "wire.h"

#define LINES_TOLD	120u
#define WHY_MAX		160
#define BY_SIGNAL	128		/* of an exit status: more than that (sh's convention, the agent's too) */

struct step_state {
	char module[VX_NAME_LEN];	/* the target's, "" when built in */
	guint64 crash_step;		/* the last during which the kernel broke, or a program was shot */
	struct finding *held;		/* a step whose thread was killed: NULL, or waits for the reason */
	guint64 held_ns;		/* since then (host's monotonic clock) */
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

/* The step's own thread only waits for others of its process. */
static gboolean waits_for_threads(char **lines)
{
	guint i, tasks = 0;

	for (i = 0; lines[i] && tasks < 2; i++) {
		tasks += g_str_has_prefix(lines[i], "task ");
		if (tasks == 1 && strstr(lines[i], "futex_wait"))
			return TRUE;
	}
	return FALSE;
}

/* Of all that are blocked in the target, by name the first function: the order of the tasks is chance. */
static gboolean guilty_among_others(const struct step_state *st, char **lines, struct frame *ret)
{
	gboolean found = FALSE, named = FALSE;
	struct frame frame;
	guint i;

	for (i = 0; st->module[0] && lines[i]; i++) {
		if (g_str_has_prefix(lines[i], "task "))
			named = FALSE;
		if (named || !parse_frame(lines[i], &frame) || strcmp(frame.module, st->module))
			continue;
		named = TRUE;	/* further out it only called that */
		if (!found || strcmp(frame.function, ret->function) < 0)
			*ret = frame;
		found = TRUE;
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
	gboolean others = how && waits_for_threads(lines) && guilty_among_others(st, lines, &frame);
	gboolean known = others || (how && guilty_frame(st, lines, &frame));
	g_autofree char *title = known ?
		g_strdup_printf("%s did not come back: %s in %s", now->step_name, others ? "blocked" : how, frame.function) :
		g_strdup_printf("%s did not come back", now->step_name);
	struct finding *finding = finding_new(FINDING_HANG, SEV_CRITICAL, title);

	finding->kind = others ? "blocked" : how;
	if (known)
		finding->function = g_strdup(frame.function);
	if (known && frame.module[0])
		finding->module = g_strdup(frame.module);
	return finding;
}

/* ---- any other failure -------------------------------------------------------------------- */

/*
 * One crash counts once: a step whose thread the kernel killed tells nothing that
 * the kernel's own report does not tell better. It may come later than the step's end.
 */

static gboolean was_killed(const struct vx_msg_step *msg)
{
	return msg->err == -EOWNERDEAD || (!msg->err && msg->value > BY_SIGNAL);
}

static enum finding_class class_of(const struct detect_now *now, const struct vx_msg_step *msg)
{
	if (!strcmp(now->step_kind, "load"))
		return FINDING_LOAD_FAILED;
	if (!strcmp(now->step_kind, "unload"))
		return FINDING_UNLOAD_FAILED;
	return FINDING_STEP_FAILED;
}

/* The agent has judged it, and says why in a first line that can be a title. */
static gboolean says_why(const struct detect_now *now)
{
	return !strcmp(now->step_kind, "fileop") || !strcmp(now->step_kind, "parallel") || !strcmp(now->step_kind, "stress");
}

/* `why`: the first line of what the step said. */
static char *failure_title(const struct detect_now *now, const struct vx_msg_step *msg, const char *why)
{
	if (says_why(now) && why && *why && !was_killed(msg))
		return g_strdup_printf(msg->value ? "%s: %.*s" : "%s failed: %.*s", now->step_name, WHY_MAX, why);
	if (msg->err)
		return g_strdup_printf("%s failed: %s", now->step_name, vx_step_err_text(msg->err));
	if (msg->value > BY_SIGNAL)
		return g_strdup_printf("%s failed: killed by signal %" G_GINT64_FORMAT, now->step_name,
				       (gint64)msg->value - BY_SIGNAL);
	return g_strdup_printf("%s failed: exit status %" G_GINT64_FORMAT, now->step_name, (gint64)msg->value);
}

static struct finding *failure_finding(const struct detect_now *now, const struct vx_msg_step *msg, const char *why)
{
	g_autofree char *title = failure_title(now, msg, why);
	struct finding *finding = finding_new(class_of(now, msg), SEV_HIGH, title);

	if (says_why(now) && strcmp(now->step_kind, "parallel"))
		finding->kind = msg->value == VX_FILE_CORRUPT ? "data-corruption" :
				msg->value == VX_FILE_WRONG ? "wrong-result" :
				msg->value == VX_FILE_HELD ? "held" : NULL;
	return finding;
}

static gboolean kills(enum finding_class class)
{
	return finding_class_is_crash(class) || class == FINDING_SEGFAULT || class == FINDING_EXHAUSTED;
}

static void note_crash(struct step_state *st, enum finding_class class, guint64 step)
{
	if (!kills(class))
		return;
	st->crash_step = step;
	if (st->held && st->held->step == step)
		g_clear_pointer(&st->held, finding_free);
}

static void look_at(struct step_state *st, const GPtrArray *findings)
{
	guint i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		note_crash(st, finding->class, finding->step);
	}
}

static void note_record(struct step_state *st, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);

	note_crash(st, finding_class_from(json_string_value(json_object_get(json, "event_type"))),
		   (guint64)json_integer_value(json_object_get(json, "step")));
	json_decref(json);
}

static void release(struct step_state *st, GPtrArray *findings)
{
	if (st->held)
		g_ptr_array_add(findings, g_steal_pointer(&st->held));
}

static void release_old(struct step_state *st, guint64 monotonic_ns, GPtrArray *findings)
{
	if (monotonic_ns > st->held_ns && monotonic_ns - st->held_ns > DEATH_NEAR_NS)
		release(st, findings);
}

static void add_told(const struct detect_now *now, const struct rec_entry *entry,
		     const struct vx_msg_step *msg, struct finding *finding, GPtrArray *findings)
{
	finding->blame = now->on_target ? BLAME_MODULE : BLAME_ENVIRONMENT;
	finding->step = msg->id;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	g_ptr_array_add(findings, finding);
}

static struct finding *judge(const struct step_state *st, const struct detect_now *now,
			     const struct rec_entry *entry, const struct vx_msg_step *msg)
{
	g_autofree char *text = g_strndup((const char *)entry->payload + sizeof(*msg),
					  entry->frame.length - sizeof(*msg));
	g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_TOLD);
	struct finding *finding = msg->err == -ETIMEDOUT ? hang_finding(st, now, lines) :
				  failure_finding(now, msg, lines[0]);
	guint i;

	finding->blame = now->on_target ? BLAME_MODULE : BLAME_ENVIRONMENT;
	finding->step = msg->id;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	for (i = 0; lines[i]; i++)
		if (lines[i][0])
			finding_add_line(finding, "%s", lines[i]);
	return finding;
}

/* It was slow, and ended by itself: the limit is ours, and so is, most often, a machine that is busy with something else. */
static void tell_late(const struct detect_now *now, const struct rec_entry *entry, const struct vx_msg_step *msg, GPtrArray *findings)
{
	g_autofree char *text = g_strndup((const char *)entry->payload + sizeof(*msg), entry->frame.length - sizeof(*msg));
	g_autofree char *title = NULL;
	struct finding *finding;

	if (msg->id != now->step || !strstr(text, VX_STEP_LATE))
		return;
	title = g_strdup_printf("%s took longer than its deadline", now->step_name);
	finding = finding_new(FINDING_STEP_FAILED, SEV_LOW, title);
	finding_add_line(finding, "%.1f s, then it ended by itself", (double)(msg->end_ns - msg->start_ns) / 1e9);
	add_told(now, entry, msg, finding, findings);
	finding->blame = BLAME_ENVIRONMENT;
}

static void on_step(struct step_state *st, const struct detect_now *now, const struct rec_entry *entry,
		    GPtrArray *findings)
{
	struct vx_msg_step msg;

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	tell_late(now, entry, &msg, findings);
	if (msg.id == now->step && now->expect.set && msg.err != -ETIMEDOUT && !was_killed(&msg)) {
		struct finding *other = scenario_judge(now, &msg);

		if (other)
			add_told(now, entry, &msg, other, findings);
		return;
	}
	/* A program's exit status is its error. */
	if (msg.id != now->step || (!msg.err && (strcmp(now->step_kind, "exec") || !msg.value)))
		return;
	if (now->may_fail && msg.err != -ETIMEDOUT && msg.err != -EOWNERDEAD)
		return;
	if (!was_killed(&msg)) {
		g_ptr_array_add(findings, judge(st, now, entry, &msg));
	} else if (st->crash_step != msg.id) {
		release(st, findings);
		st->held = judge(st, now, entry, &msg);
		st->held_ns = entry->stamp.monotonic_ns;
	}
}

static void step_feed(gpointer state, const struct detect_now *now,
		      const struct rec_entry *entry, GPtrArray *findings)
{
	struct step_state *st = state;

	look_at(st, findings);
	if (entry->frame.type == VX_REC_FINDING)
		note_record(st, entry);
	else if (entry->frame.type == VX_MSG_STEP)
		on_step(st, now, entry, findings);
	release_old(st, entry->stamp.monotonic_ns, findings);
}

static void step_idle(gpointer state, const struct detect_now *now, guint64 monotonic_ns, GPtrArray *findings)
{
	look_at(state, findings);
	release_old(state, monotonic_ns, findings);
}

static void step_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	look_at(state, findings);
	release(state, findings);
}

static void step_destroy(gpointer state)
{
	struct step_state *st = state;

	if (st->held)
		finding_free(st->held);
	g_free(st);
}

const struct detector detector_step = {
	.name = "step",
	.create = step_create,
	.destroy = step_destroy,
	.feed = step_feed,
	.idle = step_idle,
	.finish = step_finish,
};
