/* SPDX-License-Identifier: GPL-2.0 */
/* What a report's text says: rule, title, guilty function and module, corrupted or not. */
#ifndef VEXLAB_OOPS_TITLE_H
#define VEXLAB_OOPS_TITLE_H

#include "oops_regex.h"
#include "oops_table.h"

#define TITLE_BYTES	121u		/* as long as the convention's titles, with NUL */
#define FRAMES_NAMED	3u		/* guilty frames that one rule can ask for */

struct oops_frames {
	guint count;
	char name[FRAMES_NAMED][OOPS_NAME_MAX];
};

struct oops_verdict {
	const struct oops_rule *rule;	/* NULL: only the key is known */
	gboolean corrupted;
	char title[TITLE_BYTES];
	char function[OOPS_NAME_MAX], module[OOPS_NAME_MAX];
};

/*
 * `text`: lines without prefix, each ending in '\n'. The title is taken from its first
 * `title_len` bytes, behind which another report begins.
 */
void oops_judge(struct regexes *res, const struct oops_key *key, const char *text, gsize title_len,
		gsize len, struct oops_verdict *ret);

/* The rule for a header line alone, NULL when none fits. */
const struct oops_rule *oops_rule_for(struct regexes *res, const struct oops_key *key,
				      const char *line, gsize len);

/*
 * oops_stack.c: the guilty frames, as `rule` wants them. FALSE: a stack is missing;
 * its frame is called "corrupted".
 */
gboolean oops_blame(struct regexes *res, const struct oops_rule *rule, const char *text, gsize len,
		    struct oops_frames *ret);
/* A stack that was announced has no frames, or there is none at all. */
gboolean oops_stack_missing(struct regexes *res, const char *text, gsize len);

#endif
