/* SPDX-License-Identifier: GPL-2.0 */
/* Whether the allocation at hand is to fail: asked by calls_wrap.c (a bound module's calls) and inject_hooks.c (all others). */
#ifndef VEXPROBE_INJECT_H
#define VEXPROBE_INJECT_H

#include <linux/gfp.h>
#include <linux/sched.h>
#include <vexlab/inject.h>

struct injection {
	struct task_struct *task;	/* whose allocations; NULL: not armed. Its reference is ours */
	bool wrapped;			/* in a wrapper: what it calls was asked about before */
	struct vx_inject req;
	struct vx_injected done;
	atomic64_t counts[VX_INJECT_KINDS];
};

/* Changed by ioctls, one at a time. */
extern struct injection injection;

/* The thread that is armed, and no interrupt on top of it. */
static inline bool inject_is_here(void)
{
	return unlikely(READ_ONCE(injection.task) == current) && !(preempt_count() & (HARDIRQ_MASK | NMI_MASK)) &&
	       !in_serving_softirq();
}

/* One more of `kind`. TRUE: it is the one to fail; then it is told. Any context but NMI. */
bool inject_next(enum vx_inject_what kind, const char *function, unsigned long site, u64 sector, u64 bytes);
/* It has failed as it was to. */
static inline void inject_took(void)
{
	WRITE_ONCE(injection.done.took, 1);
}

bool inject_wrapped(const char *function, gfp_t gfp, size_t bytes, unsigned long site);
static inline void inject_unwrap(void)
{
	if (unlikely(READ_ONCE(injection.task) == current))
		injection.wrapped = false;
}

/* inject_hooks.c: kprobes on the kernel's allocators and on the block layer. May sleep. */
int inject_hook(u32 what);
void inject_unhook(void);
/* Forgets whose an address is. */
void inject_hooks_forget(void);
/* Some allocators could not be hooked. */
bool inject_hooks_missing(void);

#endif
