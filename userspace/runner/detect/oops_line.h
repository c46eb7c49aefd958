/* SPDX-License-Identifier: GPL-2.0 */
/* One console line: cleaned, and what printk has put before the message. */
#ifndef VEXLAB_OOPS_LINE_H
#define VEXLAB_OOPS_LINE_H

#include <glib.h>

/* Who printed a line, as far as it says. */
enum oops_origin {
	ORIGIN_NONE,		/* no timestamp: a continuation, user space, firmware */
	ORIGIN_CONSOLE,		/* a timestamp only */
	ORIGIN_TASK,		/* "[T123]" */
	ORIGIN_CPU,		/* "[C1]" */
};

struct oops_line {
	const char *raw;	/* the whole line, cleaned, not terminated */
	gsize raw_len;
	const char *text;	/* behind the prefix; `raw` when there is none */
	gsize len;
	enum oops_origin origin;
	guint32 id;		/* task or CPU */
	guint64 kernel_ns;	/* OOPS_NO_TIME without a timestamp */
};

/*
 * Takes out control bytes and ANSI escape sequences, in place. Returns the new length.
 */
gsize oops_line_clean(char *line, gsize len);

/* Borrows `line`. */
void oops_line_parse(const char *line, gsize len, struct oops_line *ret);

static inline gboolean oops_line_same_origin(const struct oops_line *line, enum oops_origin origin,
					     guint32 id)
{
	return line->origin == origin && line->id == id;
}

#endif
