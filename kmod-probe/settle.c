// SPDX-License-Identifier: GPL-2.0
/* What was to be done later is done: RCU's callbacks and batched frees, the system's works, last references to files. */
#include <linux/file.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include "vexprobe.h"

/* 6.0 c4f135d64382: of the system's own queues nobody is to wait for, says a warning of flush_workqueue(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
#define flush_queue	__flush_workqueue
#else
#define flush_queue	flush_workqueue
#endif
/* 6.18 128ea9f6ccfb: new names. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define per_cpu_queue	system_percpu_wq
#define unbound_queue	system_dfl_wq
#else
#define per_cpu_queue	system_wq
#define unbound_queue	system_unbound_wq
#endif

/*
 * 6.12 2b55d6a42d14, and no longer for modules from 7.3. Elsewhere batches wait for a timer, or for memory to be short, which the
 * caller can feign.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define batches_barrier kvfree_rcu_barrier
#else
static void batches_barrier(void)
{
}
#endif

/* A callback may queue a work (a super block's end does), and that free by RCU. */
void settle(void)
{
	flush_delayed_fput();
	flush_queue(per_cpu_queue);
	rcu_barrier();
	flush_queue(per_cpu_queue);
	flush_queue(unbound_queue);
	batches_barrier();
	rcu_barrier();
}
