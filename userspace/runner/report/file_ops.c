// SPDX-License-Identifier: GPL-2.0
/* What the scenario file-operations has shown, operation by operation. */
#include <string.h>

#include "report.h"

static const char *const outcomes[] = { "done", "unsupported", "failed", "crashed", "not done" };

static const char *word(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static gboolean is_of(const struct finding *finding, const json_t *note)
{
	return !finding->noise && finding->step &&
	       finding->step >= (guint64)json_integer_value(json_object_get(note, "first_step")) &&
	       finding->step <= (guint64)json_integer_value(json_object_get(note, "last_step"));
}

/* New reference. A crash that was found late is one all the same. */
static json_t *row_of(const struct analysis *an, const json_t *note)
{
	json_t *titles = json_array();
	const char *outcome = word(note, "outcome");
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (!is_of(finding, note))
			continue;
		if (finding_hurts(finding) || finding_class_is_crash(finding->class))
			outcome = "crashed";
		json_array_append_new(titles, json_string(finding->title));
	}
	return json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:o}", "operation", word(note, "operation"),
			 "group", word(note, "group"), "outcome", outcome,
			 "why", json_object_get(note, "why"), "ms", json_object_get(note, "ms"),
			 "step", json_object_get(note, "first_step"), "findings", titles);
}

static guint count(const json_t *rows, const char *outcome)
{
	const json_t *row;
	guint n = 0;
	size_t i;

	json_array_foreach(rows, i, row)
		n += !strcmp(word(row, "outcome"), outcome);
	return n;
}

json_t *report_file_operations(const struct analysis *an)
{
	json_t *rows = json_array(), *json;
	const json_t *note;
	guint wanted = 0;
	size_t i;

	json_array_foreach(an->vm, i, note) {
		if (strcmp(word(note, "event"), "file operation"))
			continue;
		wanted = (guint)json_integer_value(json_object_get(note, "of"));
		json_array_append_new(rows, row_of(an, note));
	}
	if (!json_array_size(rows)) {
		json_decref(rows);
		return NULL;
	}
	json = json_pack("{s:i, s:i, s:i, s:i, s:i}", "wanted", (int)wanted,
			 "done", (int)count(rows, "done"), "unsupported", (int)count(rows, "unsupported"),
			 "failed", (int)count(rows, "failed"), "crashed", (int)count(rows, "crashed"));
	json_object_set_new(json, "operations", rows);
	return json;
}

static void append_row(GString *out, const json_t *row)
{
	const json_t *titles = json_object_get(row, "findings");
	g_autofree char *why = report_printable(word(row, "why"));
	size_t i;

	if (!strcmp(word(row, "outcome"), "done") && !json_array_size(titles))
		return;
	g_string_append_printf(out, "    %-12s %-18s ", word(row, "outcome"), word(row, "operation"));
	if (!json_array_size(titles))
		g_string_append(out, why);
	for (i = 0; i < json_array_size(titles); i++) {
		g_autofree char *title = report_printable(json_string_value(json_array_get(titles, i)));

		g_string_append_printf(out, "%s%s", i ? "; " : "", title);
	}
	g_string_append_c(out, '\n');
}

char *report_file_operations_text(const struct analysis *an)
{
	json_t *json = report_file_operations(an);
	const json_t *rows = json_object_get(json, "operations");
	GString *out;
	size_t i;
	guint o;

	if (!json)
		return NULL;
	out = g_string_new(NULL);
	g_string_append_printf(out, "  file operations  %" JSON_INTEGER_FORMAT ":",
			       json_integer_value(json_object_get(json, "wanted")));
	for (o = 0; o < G_N_ELEMENTS(outcomes); o++)
		if (count(rows, outcomes[o]) || o < 4)
			g_string_append_printf(out, "%s %u %s", o ? "," : "", count(rows, outcomes[o]), outcomes[o]);
	g_string_append_c(out, '\n');
	for (i = 0; i < json_array_size(rows); i++)
		append_row(out, json_array_get(rows, i));
	json_decref(json);
	return g_string_free(out, FALSE);
}
