// SPDX-License-Identifier: GPL-2.0
/*
 * Where the target and the reference part. The scenario says in the record which operations it does:
 *
 *	{"do": "oracle", "event": "program", "text": "..."}	before its steps, and counts of space start anew
 *	{"event": "oracle unconfirmed", "step", "title", "class", "detail"}		seen once, not again
 *
 * and steps of the kind "oracle" are judged by their answers, those of the kind "oracle-try" only in a replay.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oracle_answer.h"
#include "wire.h"

#define TITLE_MAX	160
#define DETAIL_MAX	2000
#define TEXT_MAX	(128u << 10)
#define OPERATIONS_TOLD	120u

struct oracle_state {
	char module[VX_NAME_LEN];
	gboolean replay;
	char *program;			/* operations under way; NULL: none */
	char op[16];			/* of the step under way */
	struct oracle_space samples[ORACLE_SAMPLES];
	guint nsamples;
};

/* ---- answers ---------------------------------------------------------------------------------- */

static char *line_of(char **lines, guint n, const char *prefix, gsize max)
{
	const char *line = g_strv_length(lines) > n ? lines[n] : "";
	g_autofree char *text = NULL;

	if (g_str_has_prefix(line, prefix))
		line += strlen(prefix);
	text = g_strndup(line, max);
	return g_utf8_make_valid(text, -1);
}

void oracle_answer_parse(const struct vx_msg_step *msg, const char *text, gsize len, struct oracle_answer *ret)
{
	g_autofree char *copy = g_strndup(text, MIN(len, TEXT_MAX));
	g_auto(GStrv) lines = g_strsplit(copy, "\n", 6);
	g_autofree char *errs = NULL, *operation = NULL;

	*ret = (struct oracle_answer){ .result = msg->value & 0xff, .done = (guint64)msg->value >> 8 };
	if (msg->err) {
		ret->result = VX_ORACLE_WRONG;
		ret->title = g_strdup_printf("the mount point is of no use: %s", vx_step_err_text(msg->err));
		ret->shape = g_strdup("");
		ret->detail = line_of(lines, 0, "", DETAIL_MAX);
		return;
	}
	if (ret->result > VX_ORACLE_LIMIT)
		ret->result = VX_ORACLE_SAME;
	ret->title = line_of(lines, 0, "", TITLE_MAX);
	operation = line_of(lines, 1, "", DETAIL_MAX);
	if (sscanf(operation, "operation %u:", &ret->line) != 1)
		ret->line = 0;
	ret->shape = line_of(lines, 2, "shape: ", TITLE_MAX);
	errs = line_of(lines, 3, "errno: ", 32);
	if (sscanf(errs, "%d %d", &ret->errs[0], &ret->errs[1]) != 2)
		ret->errs[0] = ret->errs[1] = 0;
	ret->detail = line_of(lines, 4, "", DETAIL_MAX);
}

void oracle_answer_clear(struct oracle_answer *answer)
{
	g_clear_pointer(&answer->title, g_free);
	g_clear_pointer(&answer->shape, g_free);
	g_clear_pointer(&answer->detail, g_free);
}

enum finding_class oracle_class(enum vx_oracle_result result)
{
	return result == VX_ORACLE_LOST ? FINDING_LOST_DATA : result == VX_ORACLE_CORRUPT ? FINDING_CORRUPTION :
	       FINDING_WRONG_RESULT;
}

gboolean oracle_space_parse(const char *text, struct oracle_space *ret)
{
	return sscanf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
		      " %" G_GUINT64_FORMAT, &ret->block, &ret->blocks, &ret->bfree, &ret->files, &ret->ffree) == 5;
}

const char *oracle_space_lost(const struct oracle_space *samples, guint n)
{
	gboolean blocks = n == ORACLE_SAMPLES, inodes = blocks;
	guint i;

	for (i = 1; i < n; i++) {
		blocks = blocks && samples[i].bfree < samples[i - 1].bfree;
		inodes = inodes && samples[i].ffree < samples[i - 1].ffree;
	}
	return blocks ? "free space does not come back" : inodes ? "free inodes do not come back" : NULL;
}

/* ---- findings ----------------------------------------------------------------------------------- */

static gpointer oracle_create(const struct detect_config *config)
{
	struct oracle_state *st = g_new0(struct oracle_state, 1);

	g_strlcpy(st->module, config->module, sizeof(st->module));
	st->replay = config->replay;
	return st;
}

static void oracle_destroy(gpointer state)
{
	struct oracle_state *st = state;

	g_free(st->program);
	g_free(st);
}

static enum severity severity_of(enum finding_class class)
{
	return class == FINDING_CORRUPTION || class == FINDING_LOST_DATA ? SEV_CRITICAL : SEV_HIGH;
}

static void add_operations(const struct oracle_state *st, struct finding *finding)
{
	g_auto(GStrv) lines = g_strsplit(st->program ? st->program : "", "\n", -1);
	guint n = g_strv_length(lines), i;

	while (n && !*lines[n - 1])
		n--;
	finding_add_line(finding, "operations, %u:", n);
	for (i = n > OPERATIONS_TOLD ? n - OPERATIONS_TOLD : 0; i < n; i++)
		finding_add_line(finding, "  %s", lines[i]);
}

static struct finding *tell(const struct oracle_state *st, enum finding_class class, const char *title, const char *detail)
{
	struct finding *finding = finding_new(class, severity_of(class), title);

	finding->blame = BLAME_MODULE;
	finding->module = st->module[0] ? g_strdup(st->module) : NULL;
	if (*detail)
		finding_add_line(finding, "%s", detail);
	add_operations(st, finding);
	return finding;
}

static void place(struct finding *finding, const struct detect_now *now, const struct rec_entry *entry, guint64 step,
		  GPtrArray *findings)
{
	finding->step = step;
	finding->cycle = now->cycle;
	finding->realtime_ns = entry->stamp.realtime_ns;
	g_ptr_array_add(findings, finding);
}

static struct finding *judge_answer(struct oracle_state *st, const struct vx_msg_step *msg, const char *text, gsize len)
{
	ORACLE_ANSWER_CLEAR struct oracle_answer answer = { 0 };

	oracle_answer_parse(msg, text, len, &answer);
	if (answer.result == VX_ORACLE_SAME || answer.result == VX_ORACLE_LIMIT)
		return NULL;
	return tell(st, oracle_class(answer.result), answer.title, answer.detail);
}

static struct finding *judge_space(struct oracle_state *st, const char *text)
{
	g_autofree char *detail = NULL;
	const char *title;

	if (st->nsamples == ORACLE_SAMPLES)
		st->nsamples = 0;
	if (!oracle_space_parse(text, &st->samples[st->nsamples]))
		return NULL;
	title = oracle_space_lost(st->samples, ++st->nsamples);
	if (!title)
		return NULL;
	detail = g_strdup_printf("free blocks, inodes after each of %u times the same and its removal: %" G_GUINT64_FORMAT ", %"
				 G_GUINT64_FORMAT " at first, %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " at last",
				 ORACLE_SAMPLES, st->samples[0].bfree, st->samples[0].ffree,
				 st->samples[ORACLE_SAMPLES - 1].bfree, st->samples[ORACLE_SAMPLES - 1].ffree);
	return tell(st, FINDING_LOST_SPACE, title, detail);
}

/* Mounts and unmounts between operations: their names say after what. */
static struct finding *judge_mount(struct oracle_state *st, const struct detect_now *now, const struct vx_msg_step *msg)
{
	g_autofree char *title = g_strdup_printf("%s failed: %s", now->step_name, vx_step_err_text(msg->err));

	return msg->err ? tell(st, strstr(now->step_name, " after ") ? FINDING_LOST_DATA : FINDING_WRONG_RESULT, title, "") : NULL;
}

static void on_answer(struct oracle_state *st, const struct detect_now *now, const struct rec_entry *entry,
		      GPtrArray *findings)
{
	struct finding *finding = NULL;
	struct vx_msg_step msg;
	g_autofree char *text = NULL;
	gsize len;

	if (entry->frame.length < sizeof(msg) ||
	    (strcmp(now->step_kind, ORACLE_STEP) && !(st->replay && !strcmp(now->step_kind, ORACLE_TRY))))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	/* What never came back, or was killed, is told by others. */
	if (msg.id != now->step || msg.err == -ETIMEDOUT || msg.err == -EOWNERDEAD)
		return;
	len = entry->frame.length - sizeof(msg);
	text = g_strndup((const char *)entry->payload + sizeof(msg), len);
	if (!strcmp(st->op, "oracle") || !strcmp(st->op, "oracle_check"))
		finding = judge_answer(st, &msg, text, len);
	else if (!strcmp(st->op, "statfs") && !msg.err)
		finding = judge_space(st, text);
	else if (!strcmp(st->op, "mount") || !strcmp(st->op, "umount"))
		finding = judge_mount(st, now, &msg);
	if (finding)
		place(finding, now, entry, msg.id, findings);
}

static void on_note(struct oracle_state *st, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	json_t *json = rec_entry_json(entry);
	const char *what = json_string_value(json_object_get(json, "do"));
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *title = json_string_value(json_object_get(json, "title"));
	const char *detail = json_string_value(json_object_get(json, "detail"));
	enum finding_class class = finding_class_from(json_string_value(json_object_get(json, "class")));

	if (!g_strcmp0(what, "oracle") && !g_strcmp0(event, "program")) {
		g_free(st->program);
		st->program = g_strdup(json_string_value(json_object_get(json, "text")));
		st->nsamples = 0;
	} else if (!g_strcmp0(event, "oracle unconfirmed") && title && class < FINDING_CLASSES && !st->replay) {
		place(tell(st, class, title, detail ? detail : ""), now, entry,
		      (guint64)json_integer_value(json_object_get(json, "step")), findings);
	}
	json_decref(json);
}

static void on_step(struct oracle_state *st, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *op = json_string_value(json_object_get(json, "op"));

	g_strlcpy(st->op, op ? op : "", sizeof(st->op));
	json_decref(json);
}

static void oracle_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	struct oracle_state *st = state;

	if (entry->frame.type == VX_REC_STEP_BEGIN && g_str_has_prefix(now->step_kind, ORACLE_STEP))
		on_step(st, entry);
	else if (entry->frame.type == VX_REC_REQUEST || entry->frame.type == VX_REC_VM)
		on_note(st, now, entry, findings);
	else if (entry->frame.type == VX_MSG_STEP)
		on_answer(st, now, entry, findings);
}

const struct detector detector_oracle = {
	.name = "oracle",
	.create = oracle_create,
	.destroy = oracle_destroy,
	.feed = oracle_feed,
};
