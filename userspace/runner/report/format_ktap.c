// SPDX-License-Identifier: GPL-2.0
/* KTAP version 1 (Documentation/dev-tools/ktap.rst): a subtest for each phase, a test for each kind of step and finding. */
#include <string.h>

#include "cases.h"
#include "text.h"

static void diagnostic(GString *out, const char *indent, const char *text)
{
	g_string_append_printf(out, "%s# ", indent);
	text_ktap(out, text);
	g_string_append_c(out, '\n');
}

static gboolean is_ok(const struct report_case *one)
{
	return one->result == CASE_PASSED || one->result == CASE_SKIPPED;
}

static void one_case(GString *out, const struct report_case *one, guint number)
{
	guint i;

	/* Diagnostics stand in front of the result that they are of. */
	for (i = 0; i < one->lines->len; i++)
		diagnostic(out, "    ", g_ptr_array_index(one->lines, i));
	if (one->result == CASE_FAILED || one->result == CASE_ERROR)
		diagnostic(out, "    ", one->message);
	g_string_append_printf(out, "    %sok %u ", is_ok(one) ? "" : "not ", number);
	text_ktap(out, one->name);
	if (one->result == CASE_SKIPPED) {
		g_string_append(out, " # SKIP ");
		text_ktap(out, one->message);
	}
	g_string_append_c(out, '\n');
}

static void one_group(GString *out, const GPtrArray *cases, const char *group, guint number)
{
	gboolean ok = TRUE;
	guint n = 0, i, plan = 0;

	for (i = 0; i < CASE_RESULTS; i++)
		plan += report_cases_count(cases, group, i);
	g_string_append(out, "    KTAP version 1\n    # Subtest: ");
	text_ktap(out, group);
	g_string_append_printf(out, "\n    1..%u\n", plan);
	for (i = 0; i < cases->len; i++) {
		const struct report_case *one = g_ptr_array_index(cases, i);

		if (strcmp(one->group, group))
			continue;
		one_case(out, one, ++n);
		ok = ok && is_ok(one);
	}
	g_string_append_printf(out, "%sok %u ", ok ? "" : "not ", number);
	text_ktap(out, group);
	g_string_append_c(out, '\n');
}

void format_ktap(GString *out, const struct report_view *view)
{
	g_autoptr(GPtrArray) cases = report_cases(view), groups = report_cases_groups(cases);
	guint i;

	g_string_append_printf(out, "KTAP version 1\n1..%u\n", groups->len);
	for (i = 0; i < groups->len; i++)
		one_group(out, cases, g_ptr_array_index(groups, i), i + 1);
}
