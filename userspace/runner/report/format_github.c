// SPDX-License-Identifier: GPL-2.0
/* Workflow commands of GitHub Actions: each different finding that counts, where it is known at the line of its source. */
#include <string.h>

#include "evidence.h"
#include "format.h"
#include "report.h"
#include "text.h"

#define ANNOTATIONS_MAX	10u	/* that GitHub shows of a step */

/* A command is a line; of a property two more characters would end it. */
static void escaped(GString *out, const char *text, gboolean property)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	for (p = plain; *p; p++)
		if (*p == '%' || *p == '\r' || *p == '\n' || (property && (*p == ':' || *p == ',')))
			g_string_append_printf(out, "%%%02X", (unsigned char)*p);
		else
			g_string_append_c(out, *p);
}

/* "super.c:31", the line being all digits. */
static void place(GString *out, const char *location)
{
	const char *colon = location ? strrchr(location, ':') : NULL;
	g_autofree char *file = colon ? g_strndup(location, (gsize)(colon - location)) : NULL;

	if (!file || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
		return;
	g_string_append(out, "file=");
	escaped(out, file, TRUE);
	g_string_append_printf(out, ",line=%s,", colon + 1);
}

static void annotate(GString *out, const struct report_view *view, const struct finding *finding)
{
	g_autofree char *since = report_since_text(view->an, finding), *again = text_replay(view->dir, finding);

	g_string_append_printf(out, "::%s ", finding->severity >= SEV_HIGH ? "error" : "warning");
	place(out, finding->location);
	g_string_append(out, "title=");
	escaped(out, finding->title, TRUE);
	g_string_append_printf(out, "::%s, %s; since ", finding_class_name(finding->class), severity_name(finding->severity));
	escaped(out, since, FALSE);
	if (again) {
		g_string_append(out, "; again: ");
		escaped(out, again, FALSE);
	}
	g_string_append_c(out, '\n');
}

void format_github(GString *out, const struct report_view *view)
{
	g_autoptr(GPtrArray) list = verdict_advice(view->an);
	guint i;

	for (i = 0; i < list->len && i < ANNOTATIONS_MAX; i++)
		annotate(out, view, ((const struct advice *)g_ptr_array_index(list, i))->finding);
	if (!view->v->judged)
		g_string_append(out, "::error title=vexlab::nothing was judged\n");
}
