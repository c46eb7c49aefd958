/* SPDX-License-Identifier: GPL-2.0 */
/* A report while it is gathered: which lines of a mixed stream belong to it. */
#ifndef VEXLAB_OOPS_REPORT_H
#define VEXLAB_OOPS_REPORT_H

#include "oops_line.h"
#include "oops_scan.h"
#include "oops_table.h"

struct report {
	gboolean open;
	const struct oops_key *key;
	enum oops_class class;		/* as far as the header tells */
	enum oops_severity severity;
	enum oops_origin origin;	/* whose lines it gathers */
	guint32 id;
	guint64 kernel_ns, last_ns;	/* of its first and last line, OOPS_NO_TIME: unknown */
	guint64 start, end;		/* byte offsets in the stream */
	guint64 first_line;		/* of the stream */
	GString *text;
	gsize title_len;		/* of `text`, up to where something else begins */
	guint lines;
	guint folded;
	guint beyond;			/* lines of others since it should be over */
	gboolean second;		/* another message with a stack has begun in the stream */
	gboolean all_cpus;		/* CPUs were asked for their stacks: theirs belong to it */
	gboolean skipping;		/* the rest repeats what is known */
	gboolean ended;			/* its end marker was seen */
	gboolean rests;			/* its stack has ended: complete, if nothing follows */
	gboolean panicked;
	gboolean follows;		/* the aftermath of a report that has been delivered */
};

/* A line with what the scanner found in it. */
struct heard {
	struct oops_line line;
	struct scan_hits hits;		/* oops_keys, then oops_marks */
	guint64 start, end;		/* byte offsets */
	guint64 number;			/* of the line in the stream */
};

static inline gboolean heard_mark(const struct heard *heard, enum oops_mark mark)
{
	return scan_has(&heard->hits, oops_nkeys + (guint)mark);
}

void report_open(struct report *report, const struct oops_key *key, const struct oops_rule *rule,
		 const struct heard *heard);

/* Whoever's line it is: takes what belongs to the report, `header` being its own first line. */
void report_hear(struct report *report, const struct heard *heard, gboolean header);

/* The kernel's time says that it must be over, or that another boot has begun. */
gboolean report_stale(struct report *report, const struct heard *heard);

/* Time between two reports' beginnings (OOPS_NO_TIME) or else lines: near enough to be one crash? */
gboolean report_near(enum oops_class class, guint64 kernel_ns, guint64 line,
		     const struct heard *heard);

gboolean report_is_hang(enum oops_class class);
/* The task that it happens to does not survive it. */
gboolean report_is_fatal(enum oops_class class);

#endif
