// SPDX-License-Identifier: GPL-2.0
/* faults.md: what the scenario faults has shown, as a table of Markdown. */
#include <string.h>

#include "report.h"

static const char *word(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

/* Titles are the guest's: nothing of them may end a cell or begin markup. Caller frees. */
static char *cell(const char *text)
{
	g_autofree char *safe = report_printable(text);
	GString *out = g_string_new(NULL);
	const char *p;

	for (p = safe; *p; p++) {
		if (strchr("|`*<>\\&[]", *p))
			g_string_append_c(out, '\\');
		g_string_append_c(out, *p);
	}
	return g_string_free(out, FALSE);
}

static void append_found(GString *out, const json_t *row)
{
	g_autofree char *title = cell(word(row, "title")), *then = cell(word(row, "then"));

	if (!*title)
		g_string_append(out, "nothing, as nothing is wrong");
	else
		g_string_append_printf(out, "%s %s, %s: %s", word(row, "severity"), word(row, "class"),
				       word(row, "blame"), title);
	if (*then)
		g_string_append_printf(out, "; then: %s", then);
}

static void append_row(GString *out, const json_t *row)
{
	const json_t *also = json_object_get(row, "also");
	const gboolean deadline = json_is_true(json_object_get(row, "from_deadline"));
	g_autofree char *name = cell(word(row, "fault"));
	size_t i;

	g_string_append_printf(out, "| %s | ", name);
	append_found(out, row);
	if (*word(row, "title"))
		g_string_append_printf(out, " | %.0f%s", json_number_value(json_object_get(row, "detect_ms")),
				       deadline ? " after the limit" : "");
	else
		g_string_append(out, " | ");
	g_string_append_printf(out, " | %s | %.0f | %s", *word(row, "back_by") ? word(row, "back_by") : "**lost**",
			       json_number_value(json_object_get(row, "back_ms")),
			       json_is_true(json_object_get(row, "as_expected")) ? "yes" : "**no**");
	for (i = 0; i < json_array_size(also); i++) {
		g_autofree char *title = cell(json_string_value(json_array_get(also, i)));

		g_string_append_printf(out, "; also: %s", title);
	}
	g_string_append(out, " |\n");
}

char *report_faults(const struct analysis *an)
{
	g_autoptr(GString) out = g_string_new("| Fault | Detected as | ms, fault to event | Recovered by | "
					      "ms to the next step | As it must be |\n|---|---|--:|---|--:|---|\n");
	guint all = 0, rows = 0, good = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(an->vm, i, row) {
		if (strcmp(word(row, "event"), "fault"))
			continue;
		rows++;
		all = (guint)json_integer_value(json_object_get(row, "of"));
		good += json_is_true(json_object_get(row, "as_expected"));
		append_row(out, row);
	}
	g_string_append_printf(out, "\n%u faults: %u done, %u as they must be.\n", all, rows, good);
	return rows ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}
