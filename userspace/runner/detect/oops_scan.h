/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds which of a set of literal words a line holds, in one pass whatever the
 * number of words (Aho-Corasick as a dense table over the bytes that occur in
 * words). It is what every console byte goes through; regular expressions see
 * only lines that it lets pass. Control bytes but TAB are looked through: a NUL
 * or a CR inside a word does not hide it.
 */
#ifndef VEXLAB_OOPS_SCAN_H
#define VEXLAB_OOPS_SCAN_H

#include <glib.h>
#include "guard.h"

#define SCAN_WORDS_MAX	128u

/* A set of words, by their index. */
struct scan_hits {
	guint64 bits[SCAN_WORDS_MAX / 64];
	guint64 unclean;		/* there are control bytes */
};

static inline gboolean scan_any(const struct scan_hits *hits)
{
	return (hits->bits[0] | hits->bits[1]) != 0;
}

static inline gboolean scan_has(const struct scan_hits *hits, guint word)
{
	return hits->bits[word / 64] >> (word % 64) & 1;
}

struct scan;

/* At most SCAN_WORDS_MAX words, none empty; they are copied. */
struct scan *scan_new(const char *const *words, guint nwords);
void scan_free(struct scan *scan);
VX_DEFINE_GUARD(struct scan, scan_free);

/* The words in `line`. */
struct scan_hits scan_line(const struct scan *scan, const char *line, gsize len);

#endif
