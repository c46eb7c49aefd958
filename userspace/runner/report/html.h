/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page: one file a part. Nothing is loaded and nothing is run, which a policy in its head enforces, so that whatever
 * a guest said is text. Each part is bounded, and says what it leaves out.
 */
#ifndef VEXLAB_HTML_H
#define VEXLAB_HTML_H

#include "format.h"

extern const char html_style[];

/* A section with its heading; `about` a line below it, NULL: none. */
void html_open(GString *out, const char *id, const char *title, const char *about);
void html_close(GString *out);
/* Headings of a table; a name that begins with '>' is of numbers. */
void html_table(GString *out, const char *caption, const char *const *columns);
/* The text as a cell; `class` NULL: none. */
void html_cell(GString *out, const char *class, const char *text);
void html_cell_printf(GString *out, const char *class, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* "Critical" in its colours. */
void html_severity(GString *out, const struct finding *finding);
/* Seconds since the run began. */
double html_seconds(const struct report_view *view, guint64 ns);

/* Parts of the page, in its order. One that has nothing to say says nothing. */
void html_verdict(GString *out, const struct report_view *view);
void html_findings(GString *out, const struct report_view *view);
void html_course(GString *out, const struct report_view *view);
void html_latency(GString *out, const struct report_view *view);
void html_leaks(GString *out, const struct report_view *view);
void html_cases(GString *out, const struct report_view *view);
void html_missing(GString *out, const struct report_view *view);
void html_trend(GString *out, const struct report_view *view);
void html_run(GString *out, const struct report_view *view);

#endif
