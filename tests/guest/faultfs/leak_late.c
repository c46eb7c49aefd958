// SPDX-License-Identifier: GPL-2.0
/* What looks like a leak for a while, or to who sees only half of it, and is none. */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "leak.h"

#define WORK_DELAY	(LEAK_LATE_MS * 9 / 10)
#define TIMER_DELAY	(LEAK_LATE_MS / 4)

struct late {
	struct rcu_head rcu;
	struct delayed_work work;
	struct timer_list timer;
};

/* Works and timers under way, which come back to our text. */
static atomic_t pending = ATOMIC_INIT(0);

static size_t late_size(const struct leak_at *at)
{
	return max_t(size_t, at->size, sizeof(struct late));
}

/* ---- freed later -------------------------------------------------------------------------------- */

noinline int leak_rcu(const struct leak_at *at)
{
	struct late *late = kmalloc(late_size(at), GFP_KERNEL);

	if (!late)
		return -ENOMEM;
	kfree_rcu(late, rcu);
	return 0;
}

static void free_after_grace(struct rcu_head *head)
{
	kfree(container_of(head, struct late, rcu));
}

noinline int leak_callrcu(const struct leak_at *at)
{
	struct late *late = kmalloc(late_size(at), GFP_KERNEL);

	if (!late)
		return -ENOMEM;
	call_rcu(&late->rcu, free_after_grace);
	return 0;
}

static void free_by_work(struct work_struct *work)
{
	kfree(container_of(to_delayed_work(work), struct late, work));
	atomic_dec(&pending);
}

static struct workqueue_struct *works;	/* made by the first who wants it */

noinline int leak_work(const struct leak_at *at)
{
	struct late *late = kmalloc(late_size(at), GFP_KERNEL);

	if (late && !works)
		works = alloc_workqueue("faultfs_late", WQ_UNBOUND, 1);
	if (!late || !works) {
		kfree(late);
		return -ENOMEM;
	}
	atomic_inc(&pending);
	INIT_DELAYED_WORK(&late->work, free_by_work);
	queue_delayed_work(works, &late->work, msecs_to_jiffies(WORK_DELAY));
	return 0;
}

static void free_by_timer(struct timer_list *timer)
{
	kfree(container_of(timer, struct late, timer));
	atomic_dec(&pending);
}

noinline int leak_timer(const struct leak_at *at)
{
	struct late *late = kmalloc(late_size(at), GFP_KERNEL);

	if (!late)
		return -ENOMEM;
	atomic_inc(&pending);
	timer_setup(&late->timer, free_by_timer, 0);
	mod_timer(&late->timer, jiffies + msecs_to_jiffies(TIMER_DELAY));
	return 0;
}

static void free_in_interrupt(void *object)
{
	kfree(object);
}

/* By an interrupt on another CPU, where there is one. */
noinline int leak_irq(const struct leak_at *at)
{
	void *object = kmalloc(at->size, GFP_KERNEL);
	unsigned int cpu;

	if (!object)
		return -ENOMEM;
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids)
		cpu = raw_smp_processor_id();
	return smp_call_function_single(cpu, free_in_interrupt, object, 1);
}

/* ---- given away: the kernel frees it ----------------------------------------------------------- */

noinline int leak_given(const struct leak_at *at)
{
	void *object = kmalloc(at->size, GFP_KERNEL);
	DEFINE_DELAYED_CALL(done);

	if (!object)
		return -ENOMEM;
	set_delayed_call(&done, kfree_link, object);
	do_delayed_call(&done);
	return 0;
}

/* With the inode, when the VFS destroys it. */
noinline int leak_given_acl(const struct leak_at *at)
{
	struct posix_acl *acl = posix_acl_alloc(4, GFP_KERNEL);

	if (!acl)
		return -ENOMEM;
	set_cached_acl(d_inode(at->sb->s_root), ACL_TYPE_ACCESS, acl);
	posix_acl_release(acl);
	return 0;
}

/* ---- kept until the module goes ------------------------------------------------------------------ */

static void *pool[LEAK_WARMUP], *latest;
static unsigned int npool;

noinline int leak_warmup(const struct leak_at *at)
{
	void *object;

	if (npool == LEAK_WARMUP)
		return 0;
	object = kmalloc(at->size, GFP_KERNEL);
	if (!object)
		return -ENOMEM;
	pool[npool++] = object;
	return 0;
}

noinline int leak_lru(const struct leak_at *at)
{
	void *object = kmalloc(at->size, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	kfree(latest);
	latest = object;
	return 0;
}

void leak_late_exit(void)
{
	while (atomic_read(&pending))
		msleep(10);
	if (works)
		destroy_workqueue(works);
	/* Callbacks; and timers, whose softirq is a reader. */
	synchronize_rcu();
	rcu_barrier();
	while (npool)
		kfree(pool[--npool]);
	kfree(latest);
}
