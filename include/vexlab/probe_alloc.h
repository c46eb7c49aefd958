/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of bpf/alloc.bpf.c keep in their maps, for the agent. */
#ifndef VEXLAB_PROBE_ALLOC_H
#define VEXLAB_PROBE_ALLOC_H

#include <vexlab/types.h>

#define VX_PROBE_FRAMES	28	/* our own program and the allocator stand in front: VX_ALLOC_FRAMES are left */

/* Map `live`: by address. */
struct vx_probe_live {
	__u64 site;			/* key in `sites` */
	__u64 step;			/* vx_req_step.id, 0: none ran */
	__u64 bytes;			/* as asked for */
};

/* Map `sites`: by a hash of the stack. */
struct vx_probe_site {
	__u64 stack[VX_PROBE_FRAMES];	/* innermost first, return addresses; 0: there is no more */
	__u64 call;			/* return address of the site's own call; 0: not told, search the stack */
	__u64 allocs, frees, foreign_frees;
	__u32 generation;		/* how often the module had been loaded when it was first seen */
	__u16 kind;			/* enum vx_alloc_kind */
	__u16 pad;
	char cache[VX_NAME_LEN / 2];
};

struct vx_probe_range {
	__u64 start, bytes;
};

_Static_assert(sizeof(struct vx_probe_live) == 24, "shared by programs and agent");
_Static_assert(sizeof(struct vx_probe_site) == 296, "shared by programs and agent");

#endif
