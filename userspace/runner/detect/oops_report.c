// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "oops_report.h"

#define SECOND_NS	1000000000ull
#define GAP_NS		(3 * SECOND_NS)		/* silence after which a report is over */
#define GAP_HANG_NS	(15 * SECOND_NS)	/* stalled CPUs print slowly */
#define BOOT_NS		(10 * SECOND_NS)
#define BEYOND_LINES	32u			/* of others after the gap: one might be mistaken */
#define NEAR_NS		(1 * SECOND_NS)
#define NEAR_HANG_NS	(150 * SECOND_NS)	/* watchdogs repeat themselves every 20 to 120 s */
#define NEAR_LINES	100u
#define ENOUGH_LINES	22u	/* of a report; a panic behind them repeats its stack */
#define ENOUGH_KMSAN	16u	/* its reports are shorter */

gboolean report_is_hang(enum oops_class class)
{
	return class == OOPS_HUNG_TASK || class == OOPS_SOFT_LOCKUP ||
	       class == OOPS_HARD_LOCKUP || class == OOPS_RCU_STALL;
}

gboolean report_is_fatal(enum oops_class class)
{
	return class <= OOPS_BUG || class == OOPS_LIST;
}

void report_open(struct report *report, const struct oops_key *key, const struct oops_rule *rule,
		 const struct heard *heard)
{
	GString *text = report->text;

	*report = (struct report){
		.open = TRUE, .key = key, .text = text,
		.class = rule ? rule->class : key->class,
		.severity = rule ? rule->severity : key->severity,
		.origin = heard->line.origin, .id = heard->line.id,
		.kernel_ns = heard->line.kernel_ns, .last_ns = heard->line.kernel_ns,
		.start = heard->start, .end = heard->end, .first_line = heard->number,
	};
	g_string_truncate(text, 0);
}

static gboolean belongs(const struct report *report, const struct heard *heard)
{
	return oops_line_same_origin(&heard->line, report->origin, report->id) ||
	       (report->all_cpus && heard->line.origin == ORIGIN_CPU);
}

gboolean report_stale(struct report *report, const struct heard *heard)
{
	guint64 now = heard->line.kernel_ns, last = report->last_ns;

	if (now == OOPS_NO_TIME || last == OOPS_NO_TIME)
		return FALSE;
	/* Time starts anew: another boot. Else clocks that disagree are no news. */
	if (now + SECOND_NS < last)
		return now < BOOT_NS;
	if (now <= last + (report_is_hang(report->class) ? GAP_HANG_NS : GAP_NS))
		return FALSE;
	return belongs(report, heard) || ++report->beyond > BEYOND_LINES;
}

gboolean report_near(enum oops_class class, guint64 kernel_ns, guint64 line,
		     const struct heard *heard)
{
	guint64 now = heard->line.kernel_ns;

	if (now == OOPS_NO_TIME || kernel_ns == OOPS_NO_TIME)
		return heard->number - line <= NEAR_LINES;
	return now < kernel_ns + (report_is_hang(class) ? NEAR_HANG_NS : NEAR_NS);
}

/* Frames that the unwinder only guesses. */
static gboolean guessed(const struct heard *heard)
{
	return heard->line.origin != ORIGIN_NONE && !heard_mark(heard, MARK_EOI) &&
	       (heard_mark(heard, MARK_QUESTION) || heard_mark(heard, MARK_UNRELIABLE));
}

/*
 * With panic_on_warn there are two stacks, the crash's and the panic's, and
 * reporting a crash draws complaints of lockdep: what comes after enough of
 * the real thing only blurs it.
 */
static gboolean repeats(struct report *report, const struct heard *heard)
{
	guint enough = report->class == OOPS_KMSAN ? ENOUGH_KMSAN : ENOUGH_LINES;

	if (heard_mark(heard, MARK_TAINT))
		return TRUE;
	if (heard_mark(heard, MARK_NMI))
		report->all_cpus = TRUE;
	else if ((heard_mark(heard, MARK_PANIC) || heard_mark(heard, MARK_CIRCULAR)) &&
		 report->lines > enough)
		report->skipping = TRUE;
	return report->skipping;
}

void report_hear(struct report *report, const struct heard *heard, gboolean header)
{
	const struct oops_line *line = &heard->line;

	if (!header && (guessed(heard) || !belongs(report, heard)))
		return;
	report->lines++;
	report->beyond = 0;
	report->end = heard->end;
	if (line->kernel_ns != OOPS_NO_TIME)
		report->last_ns = line->kernel_ns;
	if (heard_mark(heard, MARK_END_TRACE) || (heard_mark(heard, MARK_RULER) && report->lines > 5))
		report->ended = TRUE;
	/* A stall goes on with other CPUs, which may take their time. */
	if (heard_mark(heard, MARK_END_STACK) && !report_is_hang(report->class))
		report->rests = TRUE;
	if (repeats(report, heard) && !header)
		return;
	if (report->text->len + line->len + 1 > OOPS_TEXT_MAX)
		return;
	g_string_append_len(report->text, line->text, (gssize)line->len);
	g_string_append_c(report->text, '\n');
	if (header || !report->second || report->origin == ORIGIN_TASK || report->origin == ORIGIN_CPU)
		report->title_len = report->text->len;
}
