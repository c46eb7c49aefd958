/* SPDX-License-Identifier: GPL-2.0 */
/* Leaks on demand; leak_list.h has what there is and how it is asked for. */
#ifndef FAULTFS_LEAK_H
#define FAULTFS_LEAK_H

#include <linux/fs.h>

#include "leak_list.h"

enum leak_place {
#define X(name, word, has, when) LEAK_AT_##name,
	FAULTFS_PLACES(X)
#undef X
	LEAK_PLACES
};

/* What a kind may want of the place; each includes those above it. */
enum leak_needs {
	LEAK_NEEDS_NOTHING,
	LEAK_NEEDS_DEVICE,	/* a super block with its block size set */
	LEAK_NEEDS_TREE,	/* and its root */
};

struct leak_at {
	struct super_block *sb;	/* NULL: the place has none */
	size_t size;		/* bytes, for kinds that have a size */
	unsigned long number;	/* counts leaks since insmod, from 0; for what must differ each time */
};

/* leak.c: a mount begins, which makes a new cycle. */
void leaks_cycle(void);
/* What is planted there leaks, if it is its turn. Never fails: that it could not is on the console. `sb` may be NULL. */
void leaks_strike(enum leak_place place, struct super_block *sb);

/* leak_kinds.c, leak_late.c: each in a function of its own, by which a report must name it. 0 or -errno. */
#define X(kind, is, allocator, needs, resource) int leak_##kind(const struct leak_at *at);
FAULTFS_LEAKS(X)
#undef X

/* The module goes: waits for what is under way, frees what was only kept. */
void leak_kinds_exit(void);
void leak_late_exit(void);

#endif
