// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "lockorder.h"

/* ---- classes: a forest over locks and sites --------------------------------------------- */

struct lockorder_classes {
	size_t n;
	uint64_t *nodes;		/* sorted; locks and sites never have an address in common */
	uint32_t *parent;
};

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t find_node(const struct lockorder_classes *classes, uint64_t node)
{
	const uint64_t *at = classes->n ? bsearch(&node, classes->nodes, classes->n, sizeof(node), compare) : NULL;

	return at ? (uint32_t)(at - classes->nodes) : UINT32_MAX;
}

static uint32_t root_of(const struct lockorder_classes *classes, uint32_t i)
{
	while (classes->parent[i] != i) {
		classes->parent[i] = classes->parent[classes->parent[i]];
		i = classes->parent[i];
	}
	return i;
}

static size_t unique(uint64_t *nodes, size_t n)
{
	size_t kept = 0, i;

	qsort(nodes, n, sizeof(*nodes), compare);
	for (i = 0; i < n; i++)
		if (!kept || nodes[kept - 1] != nodes[i])
			nodes[kept++] = nodes[i];
	return kept;
}

struct lockorder_classes *lockorder_classes_create(const struct lockorder_pair *pairs, size_t n)
{
	struct lockorder_classes *classes = calloc(1, sizeof(*classes));
	uint32_t a, b;
	size_t i;

	if (!classes)
		return NULL;
	classes->nodes = calloc(2 * n + 1, sizeof(*classes->nodes));
	classes->parent = calloc(2 * n + 1, sizeof(*classes->parent));
	if (!classes->nodes || !classes->parent) {
		lockorder_classes_destroy(classes);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		classes->nodes[2 * i] = pairs[i].lock;
		classes->nodes[2 * i + 1] = pairs[i].site;
	}
	if (n)
		classes->n = unique(classes->nodes, 2 * n);
	for (i = 0; i < classes->n; i++)
		classes->parent[i] = (uint32_t)i;
	for (i = 0; i < n; i++) {
		a = root_of(classes, find_node(classes, pairs[i].lock));
		b = root_of(classes, find_node(classes, pairs[i].site));
		classes->parent[a > b ? a : b] = a > b ? b : a;
	}
	return classes;
}

void lockorder_classes_destroy(struct lockorder_classes *classes)
{
	if (!classes)
		return;
	free(classes->nodes);
	free(classes->parent);
	free(classes);
}

uint32_t lockorder_class(const struct lockorder_classes *classes, uint64_t lock)
{
	uint32_t i = find_node(classes, lock);

	return i == UINT32_MAX ? 0 : root_of(classes, i) + 1;
}

/* ---- circles ------------------------------------------------------------------------------ */

static bool has_before(const struct lockorder_edge *edges, size_t n, uint64_t lock)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (edges[i].inner == lock)
			return true;
	return false;
}

static bool has_after(const struct lockorder_edge *edges, size_t n, uint64_t lock)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (edges[i].outer == lock)
			return true;
	return false;
}

static bool is_judged(const struct lockorder_edge *edge)
{
	return edge->outer != edge->inner && edge->outer_class != edge->inner_class && edge->outer_class &&
	       edge->inner_class;
}

size_t lockorder_prune(struct lockorder_edge *edges, size_t n)
{
	size_t kept, i, was;

	for (i = kept = 0; i < n; i++)
		if (is_judged(&edges[i]))
			edges[kept++] = edges[i];
	do {
		was = kept;
		for (i = kept = 0; i < was; i++) {
			const struct lockorder_edge edge = edges[i];

			/* What was dropped in this pass is no obstacle to the next. */
			if (has_before(edges + i, was - i, edge.outer) || has_before(edges, kept, edge.outer))
				if (has_after(edges + i, was - i, edge.inner) || has_after(edges, kept, edge.inner))
					edges[kept++] = edge;
		}
	} while (kept < was);
	return kept;
}

struct search {
	const struct lockorder_edge *edges;
	size_t n;
	const struct lockorder_edge *path[LOCKORDER_CIRCLE_MAX];
	unsigned int told, steps;
	lockorder_fn fn;
	void *ctx;
};

/* Who waits at a lock does so for somebody who excludes him. */
static bool would_wait(const struct lockorder_edge *const *path, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!path[i]->writes_inner && !path[(i + 1) % n]->writes_outer)
			return false;
	return true;
}

static bool is_gated(const struct lockorder_edge *const *path, size_t n)
{
	size_t i;

	for (i = 0; i < n && path[i]->gate && path[i]->gate == path[0]->gate; i++)
		;
	return i == n;
}

static void tell(struct search *s, size_t n)
{
	if (!would_wait(s->path, n) || is_gated(s->path, n))
		return;
	if (s->told < LOCKORDER_CIRCLES_MAX)
		s->fn(s->ctx, s->path, n);
	s->told++;
}

static bool was_passed(const struct search *s, size_t depth, const struct lockorder_edge *edge)
{
	size_t i;

	for (i = 0; i < depth; i++)
		if (s->path[i]->outer_class == edge->inner_class || s->path[i]->outer == edge->inner)
			return true;
	return false;
}

/* `depth` edges are on the path; no lock of it is lower than the first. */
static void go_on(struct search *s, size_t depth)
{
	const struct lockorder_edge *last = s->path[depth - 1];
	size_t i;

	for (i = 0; i < s->n && s->steps < LOCKORDER_STEPS_MAX; i++) {
		const struct lockorder_edge *edge = &s->edges[i];

		s->steps++;
		if (edge->outer != last->inner || edge->inner < s->path[0]->outer)
			continue;
		s->path[depth] = edge;
		if (edge->inner == s->path[0]->outer)
			tell(s, depth + 1);
		else if (depth + 1 < LOCKORDER_CIRCLE_MAX && !was_passed(s, depth + 1, edge))
			go_on(s, depth + 1);
	}
}

bool lockorder_circles(const struct lockorder_edge *edges, size_t n, lockorder_fn fn, void *ctx)
{
	struct search s = { .edges = edges, .n = n, .fn = fn, .ctx = ctx };
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_judged(&edges[i]) || edges[i].inner < edges[i].outer)
			continue;
		s.path[0] = &edges[i];
		go_on(&s, 1);
	}
	return s.told <= LOCKORDER_CIRCLES_MAX && s.steps < LOCKORDER_STEPS_MAX;
}
