/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is known of the kernel's crash messages, as data. oops_table.c has the
 * headers and titles, oops_frames.c the stack frames that are nobody's fault.
 * All patterns are PCRE2, case-sensitive; "." stops at a line's end.
 */
#ifndef VEXLAB_OOPS_TABLE_H
#define VEXLAB_OOPS_TABLE_H

#include <glib.h>
#include "oops.h"

/* Which of a stack's remaining frames is the guilty one. */
enum oops_pick {
	PICK_FIRST,
	PICK_STALL,		/* a loop was interrupted anywhere: the one below its entry point */
	PICK_HANG,		/* a victim's stack: below all that only waits */
};

enum oops_rule_flags {
	RULE_NO_STACK	= 1 << 0,	/* no stack belongs to it, so none is missing */
	RULE_CORRUPTED	= 1 << 1,	/* matches only when something is missing */
	RULE_INCIDENT	= 1 << 2,	/* not the kernel's own fault */
};

/*
 * One form of a message. `line` matches the header, `more` later lines, in
 * order; a rule whose `more` is not found gives way to the next. `title` is made of
 * the captures of both ($1...) and of the frames that `frames` finds ($F, then $G).
 */
struct oops_rule {
	const char *line;
	const char *title;
	enum oops_class class;
	enum oops_severity severity;
	const char *more[2];
	const char *const *frames;	/* patterns, FRAMES_STACK among them, NULL at the end */
	const char *const *frames2;	/* when those find none */
	const char *const *frames3;	/* and when these do not either */
	const char *skip;		/* frames that are nobody's fault here, beside the common ones */
	enum oops_pick pick;
	unsigned int flags;
};

/* In a rule's `frames`: walk a stack from here on. The other entries are looked for, one after the other. */
extern const char FRAMES_STACK[];

enum oops_key_flags {
	KEY_AFTER	= 1 << 0,	/* comes in the middle of other reports as well: opens none of its own there */
	KEY_LINE	= 1 << 1,	/* the line is all there is */
	KEY_BOOT	= 1 << 2,	/* a crash unless a boot is expected */
	KEY_EARLIER	= 1 << 3,	/* counts only where the kernel's time goes back */
};

/*
 * A word that every header of a group has, what else has that word, and the
 * group's rules, the more special first. No rule fits: the line is the title.
 */
struct oops_key {
	const char *word;
	const char *unless;
	const struct oops_rule *rules;	/* title NULL at the end */
	enum oops_class class;
	enum oops_severity severity;
	unsigned int flags;
};

extern const struct oops_key oops_keys[];
extern const guint oops_nkeys;

/* Words that mean something inside a report. */
enum oops_mark {
	MARK_END_TRACE, MARK_END_STACK, MARK_END_PANIC, MARK_REBOOTING, MARK_PANIC, MARK_REPLAY, MARK_TAINT,
	MARK_NMI, MARK_CIRCULAR, MARK_FOREIGN_1, MARK_FOREIGN_2, MARK_FOREIGN_3, MARK_QUESTION,
	MARK_EOI, MARK_UNRELIABLE, MARK_RULER,
	MARKS,
};
extern const char *const oops_marks[MARKS];

/* Stack walking. NULL at the end of each. */
extern const char *const oops_stack_starts[];
extern const char *const oops_frame_lines[];
extern const char *const oops_skip[];		/* nobody's fault in any stack */
extern const char *const oops_stall_entries[];
extern const char *const oops_hang_waits[];
extern const char *const oops_syscall_prefixes[];
extern const char oops_stray_stack[];		/* a line of a stack that is another message's */
extern const char oops_odd_start[];		/* the one stack start that may have no frames */

struct oops_anchor {
	const char *part;		/* of a function's name */
	const char *name;		/* that the title gets; NULL: the function's own */
};
extern const struct oops_anchor oops_hang_anchors[];

/* What is taken out of titles because it differs from run to run. */
struct oops_variable {
	const char *pattern, *replacement;
};
extern const struct oops_variable oops_variables[];

/* Building blocks of patterns. */
#define RE_PC	"\\[<?(?:0x)?[0-9a-f]+>?\\]"
#define RE_FUNC	"([a-zA-Z0-9_]+)[.+]"
#define RE_SRC	"([a-zA-Z0-9_/.-]+\\.[a-z]+:[0-9]+)"
#define RE_LOCK	"at: (?:" RE_PC " +)?" RE_FUNC

#endif
