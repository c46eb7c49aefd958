/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations made on behalf of the target that are still there, told site by
 * site at a checkpoint, which is where nothing of the target ought to be left:
 * after an unmount or an unload, with deferred work done (VX_STEP_SETTLE).
 *
 * Two sources know of them; which one is asked for is the host's choice:
 *
 *	TRACED	BPF on the kernel's allocation and free tracepoints. Whose allocation
 *		it is, is judged when it is made: by a task in a step on the target, or from
 *		the module's text. Every free of the machine is seen, whoever does it. Each
 *		of them pays for that.
 *	CALLS	the module's own calls of allocators and of their counterparts, bound to
 *		wrappers in vexprobe.ko when the module was loaded. Nobody else pays. What
 *		others free is not seen: an object that the module allocated and gave away
 *		looks outstanding. So this source accuses nobody: it acquits.
 */
#ifndef VEXLAB_ALLOC_H
#define VEXLAB_ALLOC_H

#include <vexlab/types.h>

enum vx_alloc_source {
	VX_ALLOCS_TRACED	= 1 << 0,
	VX_ALLOCS_CALLS		= 1 << 1,
};

enum vx_alloc_kind {
	VX_ALLOC_NONE		= 0,
	VX_ALLOC_KMALLOC	= 1,	/* kmalloc family, kvmalloc's small ones, strdup and memdup */
	VX_ALLOC_CACHE		= 2,	/* kmem_cache_alloc family, bulk too; `cache` names it */
	VX_ALLOC_PERCPU		= 3,	/* bytes: of one CPU's copy */
	VX_ALLOC_VMALLOC	= 4,	/* vmalloc, vmap */
	VX_ALLOC_PAGES		= 5,	/* alloc_pages, __get_free_pages */
	VX_ALLOC_KINDS,
};

#define VX_ALLOC_FRAMES		24	/* of a stack, at most */
#define VX_ALLOC_SITES_MAX	4096	/* told at one checkpoint; more are counted in `sites_cut` */

struct vx_req_allocs {
	__u64 id;			/* comes back in all answers */
	__u32 source;			/* one of enum vx_alloc_source */
	__u32 pad;
};

/*
 * VX_MSG_ALLOC_SITE: one allocation site: a stack for TRACED, a call for CALLS. Only sites with something
 * outstanding, or that gave something away to others, and of TRACED modules' own calls, are sent. Followed by `frames` lines of text,
 * innermost first, the site's own call foremost: "function+0x12/0x34 [module]\n", "0xffff...\n" when unknown.
 * Stamps are the ids of host's steps (vx_req_step.id), so the host knows the cycle.
 */
struct vx_msg_alloc_site {
	__u64 id;			/* the request's */
	__u64 site;			/* stable while the target stays loaded */
	__u64 objects, bytes;		/* outstanding */
	__u64 allocs, frees;		/* all since tracing was reset */
	__u64 foreign_frees;		/* TRACED: of `frees`, done by no code of the module: others, RCU's own kfree */
	__u64 first_step, last_step;	/* of what is outstanding: in which step the oldest and newest were made */
	__u32 steps;			/* in how many different steps; counted up to 65535 */
	__u16 kind;			/* enum vx_alloc_kind */
	__u16 frames;			/* lines of text that follow, <= VX_ALLOC_FRAMES */
	char cache[VX_NAME_LEN / 2];	/* of the slab, "" unknown or none */
};

/* VX_MSG_ALLOCS: after the last site. */
struct vx_msg_allocs {
	__u64 id;
	__s32 err;			/* 0; -ENODATA: this source is not on; -EOPNOTSUPP: not to be had here */
	__u32 source;
	__u64 objects, bytes;		/* outstanding, all sites */
	__u64 allocs, frees;		/* since reset */
	__u64 overflows;		/* allocations not followed: the table was full */
	__u64 unknown_frees;		/* CALLS: frees by the module of what it did not allocate; not an error */
	__u32 sites, sites_cut;		/* sent, and left out */
	__u64 ns;			/* what making this answer took */
};

_Static_assert(VX_NAME_LEN / 2 == 32, "ABI");
_Static_assert(sizeof(struct vx_req_allocs) == 16, "ABI");
_Static_assert(sizeof(struct vx_msg_alloc_site) == 112, "ABI");
_Static_assert(sizeof(struct vx_msg_allocs) == 80, "ABI");

#endif
