/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table in which vexprobe.ko's wrappers keep what a bound module has
 * allocated (<vexlab/calls.h>), mapped.
 */
#ifndef VEXLAB_AGENT_CALLS_H
#define VEXLAB_AGENT_CALLS_H

#include <stdint.h>
#include <vexlab/alloc.h>
#include <vexlab/calls.h>

struct ksyms_past;

struct calls {
	int device;			/* -1: not open */
	struct vx_calls *head;
	const uint64_t *keys;
	const struct vx_call *calls;
	struct vx_calls_counts base;	/* what had been counted when it was cleared last */
	struct ksyms_past *past;	/* names for the sites */
};

/* 0; -ENOENT: there is no vexprobe.ko; -ENOMEM and the like. The table itself stays with the kernel. */
int calls_open(struct calls *calls);
void calls_close(struct calls *calls);
/* What is allocated from now on is stamped with it. Any thread; NULL-safe before calls_open(). */
void calls_set_step(const struct calls *calls, uint64_t step);
/* Some module was loaded or unloaded: the names of its functions are kept. */
void calls_modules_changed(struct calls *calls);
/* Forgets what is outstanding. The target ought to rest. */
int calls_clear(struct calls *calls);

/*
 * What is outstanding: objects by site, in the order of their addresses, to be freed; `total` but for `id`,
 * `sites_cut` and `ns`. The number of sites, or -errno.
 */
int calls_outstanding(const struct calls *calls, struct vx_msg_alloc_site **ret, struct vx_msg_allocs *total);

#endif
