// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <string.h>

#include "html.h"
#include "text.h"

void html_open(GString *out, const char *id, const char *title, const char *about)
{
	g_string_append_printf(out, "<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">", id, id, id);
	text_xml(out, title);
	g_string_append(out, "</h2>\n");
	if (!about)
		return;
	g_string_append(out, "<p class=\"about\">");
	text_xml(out, about);
	g_string_append(out, "</p>\n");
}

void html_close(GString *out)
{
	g_string_append(out, "</section>\n");
}

void html_table(GString *out, const char *caption, const char *const *columns)
{
	g_string_append(out, "<div class=\"scroll\"><table><caption>");
	text_xml(out, caption);
	g_string_append(out, "</caption><thead><tr>");
	for (; *columns; columns++) {
		const gboolean number = **columns == '>';

		g_string_append_printf(out, "<th scope=\"col\"%s>", number ? " class=\"n\"" : "");
		text_xml(out, *columns + number);
		g_string_append(out, "</th>");
	}
	g_string_append(out, "</tr></thead><tbody>\n");
}

void html_cell(GString *out, const char *class, const char *text)
{
	g_string_append(out, class ? "<td class=\"" : "<td");
	if (class)
		g_string_append_printf(out, "%s\"", class);
	g_string_append_c(out, '>');
	text_xml(out, text);
	g_string_append(out, "</td>");
}

void html_cell_printf(GString *out, const char *class, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	html_cell(out, class, text);
}

void html_severity(GString *out, const struct finding *finding)
{
	static const char *const classes[] = {
		[SEV_LOW] = "", [SEV_MEDIUM] = "warn", [SEV_HIGH] = "bad", [SEV_CRITICAL] = "grave",
	};

	g_string_append_printf(out, "<span class=\"tag %s\">%s</span>", finding->noise ? "" : classes[finding->severity],
			       finding->noise ? "Known noise" : severity_name(finding->severity));
}

double html_seconds(const struct report_view *view, guint64 ns)
{
	return ns > view->chron->begin_ns ? (double)(ns - view->chron->begin_ns) / 1e9 : 0;
}

static void head(GString *out, const struct report_view *view)
{
	g_string_append(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
			"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
			"base-uri 'none'; form-action 'none'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
	text_xml_printf(out, "%s: %s on %s", verdict_readiness(view->v), analysis_run_word(view->an, "scenario", "?"),
			analysis_run_word(view->an, "target", "?"));
	g_string_append_printf(out, " - vexlab</title>\n<style>\n%s</style></head>\n<body><a class=\"skip\" href=\"#verdict\">"
			       "To the verdict</a>\n", html_style);
}

/* Only to parts that are there. */
static void menu(GString *out, const char *body)
{
	static const struct { const char *id, *name; } parts[] = {
		{ "verdict", "Verdict" }, { "findings", "Findings" }, { "course", "Course" }, { "latency", "Latency" },
		{ "leaks", "Leaks" }, { "steps", "Steps" }, { "missing", "Missing" }, { "trend", "Trend" }, { "run", "Run" },
	};
	guint i;

	g_string_append(out, "<nav aria-label=\"Parts of this page\"><b>vexlab</b>");
	for (i = 0; i < G_N_ELEMENTS(parts); i++) {
		g_autofree char *mark = g_strdup_printf(" id=\"%s\"", parts[i].id);

		if (strstr(body, mark))
			g_string_append_printf(out, "<a href=\"#%s\">%s</a>", parts[i].id, parts[i].name);
	}
	g_string_append(out, "</nav>\n");
}

void format_html(GString *out, const struct report_view *view)
{
	g_autoptr(GString) body = g_string_new(NULL);

	html_verdict(body, view);
	html_findings(body, view);
	html_course(body, view);
	html_latency(body, view);
	html_leaks(body, view);
	html_cases(body, view);
	html_missing(body, view);
	html_trend(body, view);
	html_run(body, view);
	head(out, view);
	menu(out, body->str);
	g_string_append(out, "<main>\n");
	g_string_append_len(out, body->str, (gssize)body->len);
	g_string_append(out, "</main>\n<footer>Made from the run's record alone; <code>vexlab report --format html</code> makes the "
			"same page again.</footer>\n</body></html>\n");
}
