// SPDX-License-Identifier: GPL-2.0
/*
 * Delays that widen the windows of races: in the wrappers of a bound module (before a lock, after it is let go, around
 * allocations), and at the entry of functions of the target, by kprobes. Which places, and how long each time, follows
 * from a seed and from the place's offset in the target's text, so that another load does the same.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "locks.h"

/* 5.14 2f064a59a11f: the state has another name. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
#define task_is_running(task)	(READ_ONCE((task)->state) == TASK_RUNNING)
#endif

#define CHOSEN	2u	/* one of so many places */

bool delays_on;
static struct vx_delays settings;
static const struct file *owner;
static atomic64_t delays, spent_us;
static struct kprobe probes[VX_DELAY_FUNCTIONS];
static struct kprobe *planted[VX_DELAY_FUNCTIONS];
static u32 nprobes;
static DEFINE_PER_CPU(u64, turns);

static u64 draw(u64 x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* 0: not now. Half of those that are due are short: two threads are to meet, not to pass by each other. */
static u32 how_long_us(unsigned long site, unsigned int what)
{
	const u64 place = draw(settings.seed ^ draw((site - settings.base) * 8 + what));
	u64 turn;

	if (place % CHOSEN)
		return 0;
	turn = draw(place ^ this_cpu_inc_return(turns));
	if (turn % 1000 >= settings.permille)
		return 0;
	turn >>= 20;
	return 1 + (turn >> 1) % (turn & 1 ? settings.max_us : max(settings.max_us / 8, 1u));
}

/* Who has said that he is about to sleep must not be woken by a nap of ours. */
static bool may_sleep(void)
{
	return preemptible() && !rcu_preempt_depth() && task_is_running(current);
}

void delays_strike(unsigned long site, unsigned int what)
{
	const bool sleeps = may_sleep();
	u32 us;

	if (site < settings.base || site >= settings.end)
		return;
	us = how_long_us(site, what);
	if (!us || atomic64_read(&spent_us) >= (s64)settings.budget_us)
		return;
	if (!sleeps)
		us = min(us, VX_DELAY_ATOMIC_US);
	atomic64_inc(&delays);
	atomic64_add(us, &spent_us);
	if (sleeps && us > 50)
		usleep_range(us, us + 20);
	else
		udelay(us);
}

static int on_entry(struct kprobe *probe, struct pt_regs *regs)
{
	/* At its first byte, which is no return address: the same place all the same. */
	delay_here((unsigned long)probe->addr + 1, DELAY_ENTRY);
	return 0;
}
NOKPROBE_SYMBOL(on_entry);

static void plant(void)
{
	u32 i;

	for (i = 0; i < settings.nfunctions; i++) {
		struct kprobe *probe = &probes[nprobes];

		if (settings.functions[i] < settings.base || settings.functions[i] >= settings.end)
			continue;
		*probe = (struct kprobe){ .addr = (kprobe_opcode_t *)(unsigned long)settings.functions[i],
					  .pre_handler = on_entry };
		/* Some may not be probed. */
		if (register_kprobe(probe))
			continue;
		planted[nprobes++] = probe;
	}
}

static void disarm(void)
{
	WRITE_ONCE(delays_on, false);
	/* All in one grace period. */
	if (nprobes)
		unregister_kprobes(planted, nprobes);
	nprobes = 0;
	owner = NULL;
}

static int arm(const struct file *file, const struct vx_delays *req)
{
	if (req->max_us > VX_DELAY_MAX_US || req->permille > 1000 || req->nfunctions > VX_DELAY_FUNCTIONS ||
	    (req->seed && (!req->max_us || req->base >= req->end)))
		return -EINVAL;
	if (owner && owner != file)
		return -EBUSY;
	disarm();
	if (!req->seed)
		return 0;
	settings = *req;
	owner = file;
	atomic64_set(&delays, 0);
	atomic64_set(&spent_us, 0);
	plant();
	smp_store_release(&delays_on, true);
	return 0;
}

/* Under locks.c's mutex. */
long delays_ioctl(const struct file *file, unsigned int cmd, void __user *arg)
{
	struct vx_delays_done done = { .delays = atomic64_read(&delays), .us = atomic64_read(&spent_us),
				       .probed = nprobes };
	struct vx_delays req;

	if (cmd == VX_PROBE_DELAYS_DONE)
		return copy_to_user(arg, &done, sizeof(done)) ? -EFAULT : 0;
	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	return arm(file, &req);
}

void delays_release(const struct file *file)
{
	if (owner == file)
		disarm();
}
