// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "oops_scan.h"

#define IGNORED	0	/* byte class: leaves the state as it is */
#define OTHER	1	/* byte class: in no word */

/*
 * next[state * nclasses + class] is a state, premultiplied by nclasses, so that
 * the loop does no multiplication. States that complete a word are renumbered to
 * the end: one comparison tells them.
 */
struct scan {
	guint8 class[256];
	guint nclasses, nstates;
	guint32 accepting;		/* first state that completes words, premultiplied */
	guint32 *next;
	struct scan_hits *hits;		/* by state - accepting */
};

/* The automaton while it is built: states in the order of their making. */
struct trie {
	guint32 *next;			/* 0: none (nothing leads back to the root) */
	guint32 *fail;
	struct scan_hits *hits;
	guint nstates, nclasses;
};

static void classify(struct scan *scan, const char *const *words, guint nwords)
{
	guint i, c;

	memset(scan->class, OTHER, sizeof(scan->class));
	for (c = 0; c < 0x20; c++)
		scan->class[c] = c == '\t' ? OTHER : IGNORED;
	scan->class[0x7f] = IGNORED;
	scan->nclasses = OTHER + 1;
	for (i = 0; i < nwords; i++) {
		const unsigned char *p;

		for (p = (const unsigned char *)words[i]; *p; p++)
			if (scan->class[*p] == OTHER)
				scan->class[*p] = (guint8)scan->nclasses++;
	}
}

static void add_word(const struct scan *scan, struct trie *trie, const char *word, guint index)
{
	const unsigned char *p;
	guint32 state = 0;

	for (p = (const unsigned char *)word; *p; p++) {
		guint32 *next = &trie->next[state * trie->nclasses + scan->class[*p]];

		if (!*next)
			*next = trie->nstates++;
		state = *next;
	}
	trie->hits[state].bits[index / 64] |= (guint64)1 << (index % 64);
}

/* Breadth first: each state's longest proper suffix that is a state, and its words too. */
static void link_failures(struct trie *trie)
{
	g_autofree guint32 *queue = g_new(guint32, trie->nstates);
	guint head = 0, tail = 0, c;

	queue[tail++] = 0;
	while (head < tail) {
		guint32 state = queue[head++], fail = trie->fail[state];

		trie->hits[state].bits[0] |= trie->hits[fail].bits[0];
		trie->hits[state].bits[1] |= trie->hits[fail].bits[1];
		for (c = OTHER + 1; c < trie->nclasses; c++) {
			guint32 *next = &trie->next[state * trie->nclasses + c];
			guint32 other = state ? trie->next[fail * trie->nclasses + c] : 0;

			if (!*next) {
				*next = other;
				continue;
			}
			trie->fail[*next] = other;
			queue[tail++] = *next;
		}
	}
}

static void renumber(struct scan *scan, const struct trie *trie)
{
	g_autofree guint32 *number = g_new(guint32, trie->nstates);
	guint32 plain = 0, accepting = 0;
	guint i, c;

	for (i = 0; i < trie->nstates; i++)
		if (!scan_any(&trie->hits[i]))
			number[i] = plain++;
	scan->nstates = trie->nstates;
	scan->accepting = plain * scan->nclasses;
	scan->hits = g_new0(struct scan_hits, trie->nstates - plain + 1);
	for (i = 0; i < trie->nstates; i++) {
		if (!scan_any(&trie->hits[i]))
			continue;
		scan->hits[accepting] = trie->hits[i];
		number[i] = plain + accepting++;
	}
	scan->next = g_new0(guint32, (gsize)trie->nstates * scan->nclasses);
	for (i = 0; i < trie->nstates; i++) {
		guint32 *row = &scan->next[number[i] * scan->nclasses];

		for (c = 0; c < scan->nclasses; c++)
			row[c] = number[trie->next[i * trie->nclasses + c]] * scan->nclasses;
		row[IGNORED] = number[i] * scan->nclasses;
	}
}

struct scan *scan_new(const char *const *words, guint nwords)
{
	struct scan *scan = g_new0(struct scan, 1);
	struct trie trie = { .nstates = 1 };
	gsize most = 1;
	guint i;

	g_assert(nwords <= SCAN_WORDS_MAX);
	classify(scan, words, nwords);
	for (i = 0; i < nwords; i++)
		most += strlen(words[i]);
	trie.nclasses = scan->nclasses;
	trie.next = g_new0(guint32, most * trie.nclasses);
	trie.fail = g_new0(guint32, most);
	trie.hits = g_new0(struct scan_hits, most);
	for (i = 0; i < nwords; i++)
		add_word(scan, &trie, words[i], i);
	link_failures(&trie);
	renumber(scan, &trie);
	g_free(trie.next);
	g_free(trie.fail);
	g_free(trie.hits);
	return scan;
}

void scan_free(struct scan *scan)
{
	if (!scan)
		return;
	g_free(scan->next);
	g_free(scan->hits);
	g_free(scan);
}

struct scan_hits scan_line(const struct scan *scan, const char *line, gsize len)
{
	const unsigned char *p = (const unsigned char *)line, *end = p + len;
	const guint32 *next = scan->next, accepting = scan->accepting;
	struct scan_hits found = { 0 };
	guint32 state = 0, unclean = 0;

	for (; p < end; p++) {
		guint8 class = scan->class[*p];

		/* The table's latency is what takes the time: this costs nothing beside it. */
		unclean |= class == IGNORED;
		state = next[state + class];
		if (G_UNLIKELY(state >= accepting)) {
			const struct scan_hits *hits =
				&scan->hits[(state - accepting) / scan->nclasses];

			found.bits[0] |= hits->bits[0];
			found.bits[1] |= hits->bits[1];
		}
	}
	found.unclean = unclean;
	return found;
}
