/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vexprobe.ko tells the agent about locks, and how it is told to delay.
 *
 * Locks are recorded by one of two sources: WRAPPED, the calls of a module that was bound to vexprobe's wrappers
 * (calls.h), in any context; PROBED, kprobes on the kernel's lock functions, of the threads of the process that asked,
 * its main thread excepted. Either way a *site* is the return address of a call that takes a lock, a *pair* says that
 * a lock was taken at a site, an *edge* that one lock was taken by who held another.
 *
 * Tables are of fixed size and written without a lock: what finds no room is counted. A pair that is not known has no
 * edges, since who reads them must be able to tell which locks are of one kind.
 */
#ifndef VEXLAB_LOCKS_H
#define VEXLAB_LOCKS_H

#include <vexlab/types.h>

#define VX_LOCK_FRAMES		14u
#define VX_LOCK_SITES		1024u		/* powers of two */
#define VX_LOCK_PAIRS		16384u
#define VX_LOCK_EDGES		4096u
#define VX_LOCK_HELD_MAX	64u

enum vx_lock_kind {
	VX_LOCK_NONE = 0, VX_LOCK_MUTEX, VX_LOCK_READ, VX_LOCK_WRITE, VX_LOCK_SPIN, VX_LOCK_RREAD, VX_LOCK_RWRITE,
	VX_LOCK_KINDS,
};

struct vx_lock_site {
	__u64 site;			/* 0: free */
	__u64 taken, contended;
	__u64 wait_ns, wait_max_ns;
	__u64 hold_ns, hold_max_ns;
	__u64 hold_max_off_ns;		/* of the longest: not on a CPU */
	__u64 long_holds;		/* longer than asked for, and slept meanwhile */
	__u64 long_max_ns;
	__u32 long_slept;		/* of the longest of those: how often */
	__u32 kind;			/* enum vx_lock_kind */
	__u64 stack[VX_LOCK_FRAMES];	/* the first that took one there; 0 ends it */
	__u64 long_stack[VX_LOCK_FRAMES];	/* who let go the longest of the long ones */
};

struct vx_lock_pair {
	__u64 key;			/* 0: free */
	__u64 lock, site;
};

enum vx_lock_edge_flag {
	VX_EDGE_WRITES_OUTER	= 1 << 0,	/* exclusive at least once */
	VX_EDGE_WRITES_INNER	= 1 << 1,
	VX_EDGE_GATE_BROKEN	= 1 << 2,	/* not each time below the same third lock */
};

struct vx_lock_edge {
	__u64 key;			/* 0: free */
	__u64 outer, inner;		/* locks */
	__u64 outer_site, inner_site;
	__u64 gate;			/* the first lock held then, exclusively; 0: it was `outer` */
	__u64 count;
	__u32 tid;			/* the first who did it */
	__u32 flags;			/* enum vx_lock_edge_flag */
	__u64 stack[VX_LOCK_FRAMES];	/* taking `inner` */
};

/* Held at the moment, or (unlockers) let go by another task than the one that took it. */
struct vx_lock_held {
	__u64 lock, site;
	__u64 held_ns;
	__u32 tid, tgid;
	__u32 kind;
	__u32 by;			/* the other task; 0: it is held */
	char comm[16];
};

struct vx_lock_counts {
	__u64 taken, released;
	__u64 unknown;			/* released, but not known to be held */
	__u64 sites_lost, pairs_lost, edges_lost, holders_lost;
};

struct vx_locks {
	struct vx_lock_counts counts;
	__u32 nheld, nforeign;
	__u64 missed;			/* calls that the probes could not follow */
	struct vx_lock_held held[VX_LOCK_HELD_MAX], foreign[VX_LOCK_HELD_MAX];
	struct vx_lock_site sites[VX_LOCK_SITES];
	struct vx_lock_pair pairs[VX_LOCK_PAIRS];
	struct vx_lock_edge edges[VX_LOCK_EDGES];
};

enum vx_locks_source { VX_LOCKS_OFF = 0, VX_LOCKS_WRAPPED, VX_LOCKS_PROBED, VX_LOCKS_SOURCES };

struct vx_locks_start {
	__u32 source;			/* enum vx_locks_source; all tables are emptied, but by OFF */
	__u32 pad;
	__u64 long_ns;			/* a hold is long from here on */
};

/* Delays at the wrappers, and at functions of the target; until the descriptor is closed. */
#define VX_DELAY_FUNCTIONS	32u
#define VX_DELAY_MAX_US		5000u
#define VX_DELAY_ATOMIC_US	400u		/* where nobody may sleep */

struct vx_delays {
	__u64 seed;			/* 0: none any more */
	__u64 base, end;		/* text of the target: a site is told by its offset */
	__u32 max_us;			/* of one */
	__u32 permille;			/* of the calls at a place that the seed chose */
	__u64 budget_us;		/* of all together; then there are no more */
	__u32 nfunctions;
	__u32 pad;
	__u64 functions[VX_DELAY_FUNCTIONS];	/* entries, in the target's text */
};

struct vx_delays_done {
	__u64 delays, us;
	__u32 probed;			/* functions, of those asked for */
	__u32 pad;
};

/* ioctl(2) of /dev/vexprobe. All is off once the descriptor that asked is closed. */
#define VX_PROBE_LOCKS_START	_IOW('V', 40, struct vx_locks_start)
#define VX_PROBE_LOCKS_READ	_IOW('V', 41, __u64)		/* address of a struct vx_locks */
#define VX_PROBE_DELAYS		_IOW('V', 42, struct vx_delays)
#define VX_PROBE_DELAYS_DONE	_IOR('V', 43, struct vx_delays_done)
/* The function that an address is in, without reading all symbols, which takes long. */
struct vx_symbol {
	__u64 address;
	__u64 start, size;		/* of the function; 0: it is in none */
	char name[128];			/* "function", "function [module]" */
};
#define VX_PROBE_SYMBOL		_IOWR('V', 45, struct vx_symbol)
#define VX_PROBE_LOCKS_COST	_IOWR('V', 44, struct vx_locks_cost)

/* What a pair of mutex_lock() and mutex_unlock() costs, measured by doing `rounds` of them. */
struct vx_locks_cost {
	__u64 rounds;
	__u64 plain_ns, off_ns, recorded_ns, nested_ns;	/* of all rounds; nested: below another lock */
};

_Static_assert(sizeof(struct vx_lock_site) == 312, "ABI");
_Static_assert(sizeof(struct vx_lock_edge) == 176, "ABI");
_Static_assert(sizeof(struct vx_lock_held) == 56, "ABI");
_Static_assert(sizeof(struct vx_symbol) == 152, "ABI");
_Static_assert(sizeof(struct vx_delays) == 304, "ABI");

#endif
