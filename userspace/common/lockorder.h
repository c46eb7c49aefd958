/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In which order locks are taken, and where that is a circle: pure functions.
 *
 * An order is one of instances: this lock was taken by who held that one. Locks are of one *class* when they were taken
 * at the same site, or at sites that have a lock in common. Between locks of a class no order is judged (a parent
 * and its child directory, two inodes by number): so a circle is told only if all its locks are of different classes,
 * each step has somebody who would really wait, and not all were made below one and the same lock.
 */
#ifndef VEXLAB_LOCKORDER_H
#define VEXLAB_LOCKORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCKORDER_CIRCLE_MAX	4u	/* locks of a circle */
#define LOCKORDER_CIRCLES_MAX	64u	/* told of one graph */
#define LOCKORDER_STEPS_MAX	200000u	/* of the search */

/* ---- classes ----------------------------------------------------------------------- */

struct lockorder_pair {
	uint64_t lock, site;
};

struct lockorder_classes;

/* NULL: no memory. */
struct lockorder_classes *lockorder_classes_create(const struct lockorder_pair *pairs, size_t n);
void lockorder_classes_destroy(struct lockorder_classes *classes);	/* NULL is fine */
/* 0: the lock is in no pair. */
uint32_t lockorder_class(const struct lockorder_classes *classes, uint64_t lock);

/* ---- circles ------------------------------------------------------------------------ */

struct lockorder_edge {
	uint64_t outer, inner;
	uint32_t outer_class, inner_class;
	uint64_t gate;			/* below which lock, each time; 0: none */
	bool writes_outer, writes_inner;	/* exclusively, at least once */
	size_t user;			/* the caller's */
};

/* Leaves those that can be part of a circle, in their order; returns how many. */
size_t lockorder_prune(struct lockorder_edge *edges, size_t n);

/* `edges` of a circle, each one's inner the next one's outer; the one with the lowest lock outside goes first. */
typedef void (*lockorder_fn)(void *ctx, const struct lockorder_edge *const *edges, size_t n);
/* FALSE: there may be more than were told. */
bool lockorder_circles(const struct lockorder_edge *edges, size_t n, lockorder_fn fn, void *ctx);

#endif
