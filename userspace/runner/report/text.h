/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text of a guest in somebody else's notation. Each function takes any bytes, makes what is not printable visible, and
 * appends what its notation cannot take for anything but text.
 */
#ifndef VEXLAB_REPORT_TEXT_H
#define VEXLAB_REPORT_TEXT_H

#include "analysis.h"

/* As report_printable(); NULL is "". Caller frees. */
char *text_plain(const char *text);

/* XML and HTML alike: content, or an attribute in double quotes. */
void text_xml(GString *out, const char *text);
void text_xml_printf(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A field of RFC 4180. What a spreadsheet would take for a formula gets an apostrophe in front. */
void text_csv(GString *out, const char *text);
/* A code span within a table of GitHub's Markdown: nothing in it is markup, a mention or a link. */
void text_markdown(GString *out, const char *text);
/* A label's value in the text formats of Prometheus and OpenMetrics, without the quotes. */
void text_label(GString *out, const char *text);
/* A test's name or a diagnostic in KTAP: '#' begins a directive there. */
void text_ktap(GString *out, const char *text);
/* A JSON string, quotes included. */
void text_json(GString *out, const char *text);

/* "2026-11-27T23:10:06+00:00" of ns since the epoch. `buf` of at least 32 bytes is returned. */
const char *text_time(char *buf, gsize size, guint64 ns);

/* What to type to see a finding again: "vexlab replay RUN 1", NULL: it has no evidence of its own. Caller frees. */
char *text_replay(const char *dir, const struct finding *finding);
/* What to type to do the whole run once more, by the same seed: "vexlab run --target ext4 ...". Caller frees. */
char *text_run_again(const struct analysis *an);

#endif
