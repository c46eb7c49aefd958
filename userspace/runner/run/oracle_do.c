// SPDX-License-Identifier: GPL-2.0
/* One program on the guest: its lines go there in as few steps as what stands between them allows. */
#include <string.h>

#include "error.h"
#include "oracle_run.h"

#define KEEP_MAX	(60u << 10)

struct course {
	struct oracle *o;
	const GPtrArray *lines;
	struct oracle_came *came;
	GString *text;			/* of the next step */
	guint first;			/* the program's line that it begins with */
	guint extra;			/* lines of our own before that */
	char *keep;			/* promises of the latest step that was asked for them */
};

void oracle_came_clear(struct oracle_came *came)
{
	g_clear_pointer(&came->title, g_free);
	g_clear_pointer(&came->shape, g_free);
	g_clear_pointer(&came->detail, g_free);
}

static gboolean is_over(const struct course *c)
{
	return c->came->end != ORACLE_SAME;
}

/* The guest answers no more, or is hurt: that is others' to tell. */
static gboolean not_done(struct course *c, enum step_outcome outcome)
{
	if (outcome != STEP_STUCK && !run_guest_is_hurt(c->o->run))
		return FALSE;
	c->came->end = ORACLE_NOT_DONE;
	return TRUE;
}

static void differs(struct course *c, enum finding_class class, char *title)
{
	c->came->end = ORACLE_DIFFERS;
	c->came->class = class;
	c->came->title = title;
	c->came->shape = g_strdup("");
	c->came->detail = g_strdup("");
	c->came->at = G_MAXUINT;
	c->came->step = c->o->run->next_step;
}

/* ---- steps ----------------------------------------------------------------------------------------- */

static gboolean mount(struct course *c, const char *after, GError **error)
{
	struct run *run = c->o->run;
	const char *options = run->req->mount_options ? run->req->mount_options : run->req->target->mount_options;
	const char *strings[] = { run->device, run->mountpoint, run->fstype, options ? options : "", NULL };
	const gint64 num[4] = { 0, run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT };
	g_autofree char *name = g_strdup_printf("mount%s", after);
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	run->cycle++;
	if (!oracle_step(c->o, VX_STEP_MOUNT, name, strings, num, &outcome, &res, error))
		return FALSE;
	c->o->mounted = outcome == STEP_OK;
	if (!not_done(c, outcome) && outcome != STEP_OK)
		differs(c, *after ? FINDING_LOST_DATA : FINDING_WRONG_RESULT,
			g_strdup_printf("%s failed: %s", name, g_strerror(-res.msg.err)));
	return TRUE;
}

static gboolean unmount(struct course *c, GError **error)
{
	const char *strings[] = { c->o->run->mountpoint, NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!c->o->mounted)
		return TRUE;
	if (!oracle_step(c->o, VX_STEP_UMOUNT, "umount", strings, NULL, &outcome, &res, error))
		return FALSE;
	c->o->mounted = outcome != STEP_OK;
	if (!not_done(c, outcome) && outcome != STEP_OK)
		differs(c, FINDING_WRONG_RESULT, g_strdup_printf("umount failed: %s", g_strerror(-res.msg.err)));
	return TRUE;
}

static void take_answer(struct course *c, const struct step_result *res, guint first)
{
	ORACLE_ANSWER_CLEAR struct oracle_answer answer = { 0 };

	oracle_answer_parse(&res->msg, res->output, res->output_len, &answer);
	c->o->operations += MIN(answer.done, ORC_OPS_MAX);
	if (res->msg.end_ns > res->msg.start_ns)
		c->o->agent_s += (double)(res->msg.end_ns - res->msg.start_ns) / 1e9;
	if (answer.result == VX_ORACLE_SAME)
		return;
	c->came->end = answer.result == VX_ORACLE_LIMIT ? ORACLE_FULL : ORACLE_DIFFERS;
	c->came->class = oracle_class(answer.result);
	c->came->title = g_steal_pointer(&answer.title);
	c->came->shape = g_steal_pointer(&answer.shape);
	c->came->detail = g_steal_pointer(&answer.detail);
	memcpy(c->came->errs, answer.errs, sizeof(answer.errs));
	c->came->at = answer.line > c->extra ? first + answer.line - 1 - c->extra : G_MAXUINT;
	c->came->at = c->came->at < c->lines->len ? c->came->at : G_MAXUINT;
	c->came->step = c->o->run->next_step;
}

static gboolean send_list(struct course *c, const char *text, const char *when, gboolean promises, GError **error)
{
	const struct oracle *o = c->o;
	g_autofree char *skip = NULL;
	const char *strings[] = { o->run->mountpoint, o->reference, text, NULL, when, NULL };
	const gint64 num[4] = { (promises ? VX_ORACLE_PROMISES : 0) | (o->args->compare ? 0 : VX_ORACLE_ALONE) };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	g_ptr_array_add(o->skip, NULL);
	strings[3] = skip = g_strjoinv("\n", (char **)o->skip->pdata);
	g_ptr_array_set_size(o->skip, (int)o->skip->len - 1);
	if (!oracle_step(c->o, VX_STEP_ORACLE, *when ? "compare" : "operations", strings, num, &outcome, &res, error))
		return FALSE;
	if (not_done(c, outcome))
		return TRUE;
	take_answer(c, &res, c->first);
	g_free(c->keep);
	c->keep = promises && !is_over(c) ? g_strndup(res.output, MIN(res.output_len, KEEP_MAX)) : NULL;
	return TRUE;
}

/* What has been gathered, and the trees as a whole. */
static gboolean flush(struct course *c, gboolean promises, GError **error)
{
	g_string_append(c->text, "compare\n");
	if (!send_list(c, c->text->str, "", promises, error))
		return FALSE;
	g_string_truncate(c->text, 0);
	c->extra = 0;
	return TRUE;
}

static gboolean remount(struct course *c, GError **error)
{
	if (!unmount(c, error))
		return FALSE;
	if (!is_over(c) && !mount(c, " after a remount", error))
		return FALSE;
	return is_over(c) || send_list(c, "compare\n", " after a remount", FALSE, error);
}

static gboolean check(struct course *c, GError **error)
{
	const char *strings[] = { c->o->run->mountpoint, c->keep ? c->keep : "", NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!oracle_step(c->o, VX_STEP_ORACLE_CHECK, "check after a power cut", strings, NULL, &outcome, &res, error))
		return FALSE;
	if (!not_done(c, outcome))
		take_answer(c, &res, 0);
	return TRUE;
}

static gboolean power_cut(struct course *c, GError **error)
{
	gboolean done;

	if (!oracle_cut_power(c->o, &done, error))
		return FALSE;
	if (!done) {
		c->came->end = run_guest_is_hurt(c->o->run) || c->o->cannot_cut ? ORACLE_NOT_DONE : c->came->end;
		return TRUE;
	}
	if (!mount(c, " after a power cut", error))
		return FALSE;
	return is_over(c) || (check(c, error) && (is_over(c) || unmount(c, error)));
}

static gboolean sample(struct course *c, struct oracle_space *ret, gboolean *ok, GError **error)
{
	const char *strings[] = { c->o->run->mountpoint, NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!send_list(c, "clear\nsync\n", "", FALSE, error))
		return FALSE;
	/* What is freed in the background is free after this. */
	if (!is_over(c) && (!unmount(c, error) || (!is_over(c) && !mount(c, " after a remount", error))))
		return FALSE;
	if (is_over(c))
		return TRUE;
	if (!oracle_step(c->o, VX_STEP_STATFS, "free space", strings, NULL, &outcome, &res, error))
		return FALSE;
	*ok = outcome == STEP_OK && oracle_space_parse(res.output, ret);
	return TRUE;
}

static gboolean send_range(struct course *c, guint from, guint to, GError **error);

/* The same again and again, each time removed: what a filesystem keeps, it keeps once. */
static gboolean space(struct course *c, guint at, GError **error)
{
	struct oracle_space samples[ORACLE_SAMPLES];
	const char *title;
	gboolean ok = TRUE;
	guint i;

	for (i = 0; i < ORACLE_SAMPLES; i++) {
		if (i && (!send_range(c, 0, at, error) || (!is_over(c) && !flush(c, FALSE, error))))
			return FALSE;
		if (is_over(c) || !sample(c, &samples[i], &ok, error))
			return is_over(c);
		if (is_over(c) || !ok)
			return TRUE;
	}
	title = oracle_space_lost(samples, ORACLE_SAMPLES);
	if (title)
		differs(c, FINDING_LOST_SPACE, g_strdup(title));
	return TRUE;
}

/* ---- lines -------------------------------------------------------------------------------------------- */

static enum orc_kind directive(const char *line)
{
	enum orc_kind kind;

	for (kind = ORC_REMOUNT; kind < ORC_KINDS; kind++)
		if (!strcmp(line, orc_kind_name(kind)))
			break;
	return kind;
}

static gboolean direct(struct course *c, enum orc_kind kind, guint at, GError **error)
{
	if (!flush(c, kind == ORC_POWER_CUT, error) || is_over(c))
		return is_over(c);
	c->first = at + 1;
	return kind == ORC_REMOUNT ? remount(c, error) : kind == ORC_POWER_CUT ? power_cut(c, error) : space(c, at, error);
}

static gboolean send_range(struct course *c, guint from, guint to, GError **error)
{
	guint i;

	c->first = from;
	for (i = from; i < to && !is_over(c); i++) {
		const char *line = g_ptr_array_index(c->lines, i);
		const enum orc_kind kind = directive(line);

		if (kind < ORC_KINDS) {
			if (!direct(c, kind, i, error))
				return FALSE;
			continue;
		}
		if (c->text->len + strlen(line) + 16 > ORC_TEXT_MAX) {
			if (!flush(c, FALSE, error))
				return FALSE;
			c->first = i;
		}
		g_string_append_printf(c->text, "%s\n", line);
	}
	return TRUE;
}

void oracle_note_program(struct oracle *o, const GPtrArray *lines)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint i;

	for (i = 0; i < lines->len && text->len < ORC_TEXT_MAX; i++)
		g_string_append_printf(text, "%s\n", (char *)g_ptr_array_index(lines, i));
	journal_json(o->run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:s, s:s}", "do", "oracle", "event", "program", "text", text->str));
}

static gboolean all_lines(struct course *c, GError **error)
{
	oracle_note_program(c->o, c->lines);
	c->o->programs++;
	if (!send_range(c, 0, c->lines->len, error))
		return FALSE;
	return is_over(c) || !c->text->len || flush(c, FALSE, error);
}

/* A reference without what the program before has left. */
static gboolean begin(struct course *c, gboolean *usable, GError **error)
{
	if (!unmount(c, error) || is_over(c))
		return is_over(c);
	if (!run_format(c->o->run, usable, error))
		return FALSE;
	return !*usable || mount(c, "", error);
}

static gboolean clear_both(struct course *c, GError **error)
{
	const char *strings[] = { c->o->reference, "", "clear\n", NULL };
	const gint64 num[4] = { VX_ORACLE_ALONE };
	const struct step_spec spec = {
		.op = VX_STEP_ORACLE, .kind = "other", .name = "clear the reference", .strings = strings, .may_fail = TRUE,
		.num = { num[0] },
	};
	enum step_outcome outcome;

	return run_step(c->o->run, &spec, &outcome, NULL, error);
}

static gboolean fresh(struct course *c, GError **error)
{
	gboolean usable = TRUE;

	if (!oracle_make_reference(c->o, error) || !begin(c, &usable, error))
		return FALSE;
	if (!usable)
		c->came->end = ORACLE_NOT_DONE;
	return is_over(c) || (clear_both(c, error) && all_lines(c, error));
}

/* On what is there; a target that cannot be cleared is told by the list. */
static gboolean quick(struct course *c, GError **error)
{
	g_string_append(c->text, "clear\n");
	c->extra = 1;
	return all_lines(c, error);
}

static gboolean with_guest(struct oracle *o, const GPtrArray *lines, const char *kind, struct oracle_came *ret,
			   gboolean (*how)(struct course *, GError **), GError **error)
{
	struct course c = { .o = o, .lines = lines, .came = ret, .text = g_string_new(NULL) };
	g_autoptr(GError) local = NULL;
	gboolean ok, recovered;

	*ret = (struct oracle_came){ .at = G_MAXUINT };
	o->kind = kind;
	ok = how(&c, &local);
	g_string_free(c.text, TRUE);
	g_free(c.keep);
	if (!oracle_survive(o, ok, &local, &recovered, error))
		return FALSE;
	if (recovered || !o->go_on)
		ret->end = ORACLE_NOT_DONE;
	return TRUE;
}

gboolean oracle_program(struct oracle *o, const GPtrArray *lines, const char *kind, struct oracle_came *ret, GError **error)
{
	return with_guest(o, lines, kind, ret, fresh, error);
}

gboolean oracle_quick(struct oracle *o, const GPtrArray *lines, const char *kind, struct oracle_came *ret, GError **error)
{
	return with_guest(o, lines, kind, ret, o->mounted ? quick : fresh, error);
}

gboolean oracle_unmount(struct oracle *o, GError **error)
{
	const GPtrArray none = { 0 };
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	struct course c = { .o = o, .lines = &none, .came = &came };

	o->kind = ORACLE_TRY;
	return unmount(&c, error);
}

/* ---- power ---------------------------------------------------------------------------------------------- */

static void forget_guest(struct run *run)
{
	g_ptr_array_set_size(run->loaded, 0);
	g_clear_pointer(&run->fstype, g_free);
	g_clear_pointer(&run->device, g_free);
	g_clear_pointer(&run->mountpoint, g_free);
	g_clear_pointer(&run->mkfs, g_free);
}

static gboolean load_again(struct run *run, gboolean *usable, GError **error)
{
	const char *const phase = run->phase;
	struct vx_msg_trace msg;

	forget_guest(run);
	if (!run_setup_upto(run, RUN_LOADED, usable, error))
		return FALSE;
	run->phase = phase;
	if (!*usable || !run->tracing)
		return TRUE;
	steplog_trace(run, &run->traced);
	return session_trace(run->session, &run->traced, &msg, error);
}

gboolean oracle_cut_power(struct oracle *o, gboolean *done, GError **error)
{
	g_autoptr(GError) local = NULL;

	*done = FALSE;
	if (o->cannot_cut || o->run->req->ssh) {
		o->cannot_cut = TRUE;
		return TRUE;
	}
	if (!session_flush(o->run->session, error))
		return FALSE;
	o->mounted = o->has_reference = FALSE;
	if (!session_power_cut(o->run->session, &local)) {
		if (!g_error_matches(local, VX_ERROR, VX_ERROR_UNAVAILABLE) || session_lost(o->run->session)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		o->run->req->progress.say(o->run->req->progress.ctx, local->message);
		o->cannot_cut = o->has_reference = TRUE;
		return TRUE;
	}
	o->run->behind = journal_findings(o->run->journal)->len;
	return load_again(o->run, done, error);
}
