/* SPDX-License-Identifier: GPL-2.0 */
/* locks_wrap.c and locks_probe.c tell what locks.c writes down; delays.c widens windows. Any context but NMI. */
#ifndef VEXPROBE_LOCKS_H
#define VEXPROBE_LOCKS_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <vexlab/locks.h>

struct file;

/* enum vx_locks_source; OFF costs a load and a branch. */
extern u32 locks_source;

static inline bool locks_wrapped(void)
{
	return unlikely(READ_ONCE(locks_source) == VX_LOCKS_WRAPPED);
}

/* Added to a kind: it was only tried, so nobody can have waited, and no order follows. */
#define LOCKS_TRIED	0x100u

u64 locks_clock(void);
/* `lock` was taken by the present task at `site`; it had to wait so long, 0: not at all. */
void locks_taken(const void *lock, u32 kind, unsigned long site, u64 wait_ns);
void locks_released(const void *lock);

/* locks_probe.c: source PROBED; missed: calls that could not be followed. */
int locks_probe_start(void);
void locks_probe_stop(void);
u64 locks_probe_missed(void);
/* The process that asked; its threads are followed. */
u32 locks_owner(void);

/* delays.c */
extern bool delays_on;
void delays_strike(unsigned long site, unsigned int what);
static inline void delay_here(unsigned long site, unsigned int what)
{
	if (unlikely(READ_ONCE(delays_on)))
		delays_strike(site, what);
}
enum delay_what { DELAY_BEFORE_LOCK = 1, DELAY_AFTER_UNLOCK, DELAY_ALLOC, DELAY_FREE, DELAY_ENTRY };

long delays_ioctl(const struct file *file, unsigned int cmd, void __user *arg);
void delays_release(const struct file *file);

/* locks_cost.c: what it costs. */
int locks_measure(struct vx_locks_cost *cost);

#endif
