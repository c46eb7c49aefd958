/* SPDX-License-Identifier: GPL-2.0 */
/* What is outstanding, by site; and what of a stack is of interest. No kernel needed. */
#ifndef VEXLAB_AGENT_ALLOC_FOLD_H
#define VEXLAB_AGENT_ALLOC_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/alloc.h>
#include <vexlab/probe_alloc.h>

struct fold_site {
	uint64_t site;
	uint64_t objects, bytes;
	uint64_t first_step, last_step;
	uint32_t steps;			/* different ones */
};

/* Sorts `live` and sums it up, sites ascending: `ret` has room for as many as `live`. Returns how many. */
size_t alloc_fold(struct vx_probe_live *live, size_t n, struct fold_site *ret);

/* A frame of our own programs, or of what leads to them. */
bool alloc_is_tracing(const char *name, const char *module);

/*
 * Where in a stack without such frames the code begins that wanted the memory: behind the allocator and its wrappers.
 * `names` of the frames, NULL unknown; `call`: the frame that the kernel itself names, n: none. -1: an allocator's
 * own need on the way, which is nobody's.
 */
int alloc_first_frame(enum vx_alloc_kind kind, const char *const *names, int n, int call);

#endif
