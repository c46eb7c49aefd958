// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "scenario.h"
#include "wire.h"

void scenario_clear(struct detect_scenario *s)
{
	g_clear_pointer(&s->where, g_free);
	g_clear_pointer(&s->name, g_free);
	g_clear_pointer(&s->words, g_free);
	g_clear_pointer(&s->title, g_regex_unref);
	s->expecting = FALSE;
}

static const char *text(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void expect(struct detect_scenario *s, const json_t *json)
{
	const char *class = text(json, "class"), *title = text(json, "title");

	g_free(s->name);
	g_free(s->words);
	g_clear_pointer(&s->title, g_regex_unref);
	s->name = g_strdup(text(json, "name") ?: "?");
	s->words = title ? g_strdup_printf("%s \"%s\"", class ? class : "a finding", title) : g_strdup(class ? class : "a finding");
	s->class = finding_class_from(class);
	if (title)
		s->title = g_regex_new(title, 0, 0, NULL);
	s->expecting = TRUE;
	s->seen = FALSE;
}

static void add(const struct detect_scenario *s, const struct detect_now *now, struct finding *finding, const char *kind,
		GPtrArray *findings)
{
	finding->kind = kind;
	finding->blame = BLAME_MODULE;
	finding->step = now->step;
	finding->cycle = now->cycle;
	finding->realtime_ns = now->realtime_ns;
	finding->during = g_strdup(s->where);
	g_ptr_array_add(findings, finding);
}

static void missing(struct detect_scenario *s, const struct detect_now *now, GPtrArray *findings)
{
	g_autofree char *title = g_strdup_printf("%s: expected, but did not come: %s", s->name, s->words);
	struct finding *finding = finding_new(FINDING_STEP_FAILED, SEV_HIGH, title);

	add(s, now, finding, SCENARIO_MISSING, findings);
}

static void late(const struct detect_scenario *s, const struct detect_now *now, const json_t *json, GPtrArray *findings)
{
	g_autofree char *title = g_strdup_printf("%s took longer than its deadline", text(json, "name") ?: "?");
	struct finding *finding = finding_new(FINDING_STEP_FAILED, SEV_HIGH, title);

	finding_add_line(finding, "%" JSON_INTEGER_FORMAT " ms, allowed were %" JSON_INTEGER_FORMAT " ms",
			 json_integer_value(json_object_get(json, "ms")), json_integer_value(json_object_get(json, "deadline_ms")));
	add(s, now, finding, SCENARIO_LATE, findings);
}

void scenario_note(struct detect_scenario *s, const struct detect_now *now, const json_t *json, GPtrArray *findings)
{
	const char *event = text(json, "event");

	if (g_strcmp0(text(json, "do"), "scenario") || !event)
		return;
	if (!strcmp(event, "step")) {
		g_free(s->where);
		s->where = g_strdup(text(json, "where"));
	} else if (!strcmp(event, "expect")) {
		expect(s, json);
	} else if (!strcmp(event, "again")) {
		s->expecting = FALSE;
	} else if (!strcmp(event, "late")) {
		late(s, now, json, findings);
	} else if (!strcmp(event, "expect-end") && s->expecting) {
		s->expecting = FALSE;
		if (!s->seen)
			missing(s, now, findings);
	}
}

static gboolean is_it(const struct detect_scenario *s, const struct finding *finding)
{
	return s->expecting && (s->class == FINDING_CLASSES || s->class == finding->class) &&
	       (!s->title || g_regex_match(s->title, finding->title, 0, NULL));
}

void scenario_mark(struct detect_scenario *s, GPtrArray *findings)
{
	guint i;

	for (i = 0; i < findings->len; i++) {
		struct finding *finding = g_ptr_array_index(findings, i);

		if (!finding->during)
			finding->during = g_strdup(s->where);
		if (!is_it(s, finding))
			continue;
		finding->expected = TRUE;
		s->seen = TRUE;
	}
}

/* ---- a step that has to fail ------------------------------------------------------------ */

void scenario_expect_from(const json_t *json, struct detect_expect *ret)
{
	const json_t *errors = json_object_get(json, "errors"), *status = json_object_get(json, "status");
	size_t i;

	*ret = (struct detect_expect){ .set = json_is_object(json), .status = -1 };
	for (i = 0; i < json_array_size(errors) && ret->nerrors < G_N_ELEMENTS(ret->errors); i++)
		ret->errors[ret->nerrors++] = (int)json_integer_value(json_array_get(errors, i));
	if (json_is_integer(status))
		ret->status = (int)json_integer_value(status);
}

static gboolean is_among(const struct detect_expect *e, int err)
{
	guint i;

	for (i = 0; i < e->nerrors; i++)
		if (e->errors[i] == -err)
			return TRUE;
	return !e->nerrors;
}

static char *wanted(const struct detect_expect *e)
{
	GString *out = g_string_new(NULL);
	guint i;

	if (e->status >= 0)
		g_string_printf(out, "exit status %d", e->status);
	for (i = 0; i < e->nerrors; i++)
		g_string_append_printf(out, "%s%s", i ? " or " : "", strerrorname_np(e->errors[i]) ?: "an error");
	return g_string_free(out->len ? out : g_string_append(out, "an error"), FALSE);
}

struct finding *scenario_judge(const struct detect_now *now, const struct vx_msg_step *msg)
{
	const struct detect_expect *e = &now->expect;
	const gboolean exec = !strcmp(now->step_kind, "exec");
	const gboolean failed = msg->err || (exec && msg->value);
	g_autofree char *want = NULL, *title = NULL;

	if (e->status >= 0 ? !msg->err && msg->value == e->status : failed && (is_among(e, msg->err) || (exec && !msg->err && !e->nerrors)))
		return NULL;
	want = wanted(e);
	if (msg->err)
		title = g_strdup_printf("%s failed: %s; expected was %s", now->step_name, vx_step_err_text(msg->err), want);
	else if (exec)
		title = g_strdup_printf("%s: exit status %" G_GINT64_FORMAT "; expected was %s", now->step_name, (gint64)msg->value, want);
	else
		title = g_strdup_printf("%s succeeded; expected was %s", now->step_name, want);
	return finding_new(FINDING_STEP_FAILED, SEV_HIGH, title);
}
