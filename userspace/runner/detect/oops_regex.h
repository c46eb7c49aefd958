/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCRE2, bounded: patterns are compiled (and JIT-compiled) when they are first
 * used and kept; a match that takes too long is none. Bytes, not UTF-8.
 */
#ifndef VEXLAB_OOPS_REGEX_H
#define VEXLAB_OOPS_REGEX_H

#include <glib.h>

#define CAPTURES_MAX	8u

struct captures {
	guint count;				/* groups, the whole match (0) included */
	struct {
		const char *p;			/* into the subject; NULL: took no part */
		gsize len;
	} group[CAPTURES_MAX];
};

struct regexes;

struct regexes *regexes_new(void);
void regexes_free(struct regexes *res);

/*
 * Leftmost match of `pattern` that begins in the first line of `text`. `ret` may be
 * NULL. The pattern is known by its address: it must live as long as `res`.
 */
gboolean regex_match(struct regexes *res, const char *pattern, const char *text, gsize len,
		     struct captures *ret);

/* One of the NULL-terminated `patterns` matches. */
gboolean regex_any(struct regexes *res, const char *const *patterns, const char *text, gsize len);

/* All matches in `text` replaced once, "${1}" being captures. TRUE: something was. */
gboolean regex_replace(struct regexes *res, const char *pattern, const char *replacement,
		       GString *text);

/* FALSE: it does not compile. */
gboolean regex_valid(const char *pattern);

#endif
