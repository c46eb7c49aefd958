// SPDX-License-Identifier: GPL-2.0
/*
 * Allocates as it is told and frees it or not: for testing what tells of leaks, nothing else.
 * Write "NAME COUNT" to /sys/module/leaks/parameters/run. What leaks is lost until the next boot.
 */
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#define BULK	32

struct object {
	struct rcu_head rcu;
	struct work_struct work;
	struct timer_list timer;
	struct object *next;
	char rest[64];
};

static struct kmem_cache *cache;

/* Or the compiler sees that nobody wants it. */
static void *volatile nowhere;

/* ---- kept: each by a function of its own, which is to be named ------------------------------- */

static noinline int leak_kmalloc(void)
{
	nowhere = kmalloc(200, GFP_KERNEL);
	return 0;
}

static noinline int leak_zero(void)
{
	nowhere = kmalloc(0, GFP_KERNEL);
	return 0;
}

static noinline int leak_large(void)
{
	nowhere = kmalloc(64 << 10, GFP_KERNEL);
	return 0;
}

static noinline int leak_strdup(void)
{
	nowhere = kstrdup("a string", GFP_KERNEL);
	return 0;
}

static noinline int leak_cache(void)
{
	nowhere = kmem_cache_alloc(cache, GFP_KERNEL);
	return 0;
}

static noinline int leak_bulk(void)
{
	void *objects[BULK];

	nowhere = (void *)(long)kmem_cache_alloc_bulk(cache, GFP_KERNEL, BULK, objects);
	return 0;
}

static noinline int leak_percpu(void)
{
	nowhere = (void __force *)__alloc_percpu(48, 8);
	return 0;
}

static noinline int leak_vmalloc(void)
{
	nowhere = vmalloc(3 * PAGE_SIZE);
	return 0;
}

static noinline int leak_kvmalloc(void)
{
	nowhere = kvmalloc(8 << 20, GFP_KERNEL);
	return 0;
}

static noinline int leak_pages(void)
{
	nowhere = alloc_pages(GFP_KERNEL, 1);
	return 0;
}

static noinline int leak_zeroed(void)
{
	nowhere = (void *)get_zeroed_page(GFP_KERNEL);
	return 0;
}

static noinline int leak_grown(void)
{
	void *p = kmalloc(32, GFP_KERNEL);

	nowhere = krealloc(p, 4000, GFP_KERNEL);
	return 0;
}

/* ---- given back, soon or late ------------------------------------------------------------------- */

static noinline int free_now(void)
{
	void *objects[BULK];
	int n = kmem_cache_alloc_bulk(cache, GFP_KERNEL, BULK, objects);

	if (n)
		kmem_cache_free_bulk(cache, n, objects);
	kvfree(kvmalloc(8 << 20, GFP_KERNEL));
	kfree(krealloc(kmalloc(32, GFP_KERNEL), 4000, GFP_KERNEL));
	kfree(kmalloc(64 << 10, GFP_KERNEL));
	kmem_cache_free(cache, kmem_cache_alloc(cache, GFP_KERNEL));
	vfree(vmalloc(PAGE_SIZE));
	free_percpu(__alloc_percpu(48, 8));
	free_page(get_zeroed_page(GFP_KERNEL));
	__free_pages(alloc_pages(GFP_KERNEL, 2), 2);
	return 0;
}

static noinline int free_rcu(void)
{
	struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (object)
		kfree_rcu(object, rcu);
	return 0;
}

static void on_rcu(struct rcu_head *head)
{
	kmem_cache_free(cache, container_of(head, struct object, rcu));
}

static noinline int free_call_rcu(void)
{
	struct object *object = kmem_cache_alloc(cache, GFP_KERNEL);

	if (object)
		call_rcu(&object->rcu, on_rcu);
	return 0;
}

static void on_work(struct work_struct *work)
{
	kfree(container_of(work, struct object, work));
}

static noinline int free_work(void)
{
	struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return 0;
	INIT_WORK(&object->work, on_work);
	schedule_work(&object->work);
	return 0;
}

static void on_timer(struct timer_list *timer)
{
	kfree(container_of(timer, struct object, timer));
}

static noinline int free_timer(void)
{
	struct object *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return 0;
	timer_setup(&object->timer, on_timer, 0);
	mod_timer(&object->timer, jiffies + 2);
	return 0;
}

/* ---- by a thread of our own, which no step runs in -------------------------------------------------- */

struct errand {
	int (*run)(void);
	unsigned int count;
	struct completion done;
};

static int errand_main(void *arg)
{
	struct errand *errand = arg;

	for (; errand->count; errand->count--)
		errand->run();
	complete(&errand->done);
	return 0;
}

static int run_elsewhere(int (*run)(void), unsigned int count)
{
	struct errand errand = { .run = run, .count = count };
	struct task_struct *task;

	init_completion(&errand.done);
	task = kthread_run(errand_main, &errand, "leaks");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&errand.done);
	return 0;
}

/* What others pay: ns a pair of kmalloc() and kfree(), and of pages, are left in the parameter `storm_ns`. */
static unsigned long storm_ns;
module_param(storm_ns, ulong, 0444);

static int storm(void)
{
	const u64 begun = ktime_get_ns();
	void *objects[64];
	int i, round;

	for (round = 0; round < 4096; round++) {
		for (i = 0; i < 64; i++)
			objects[i] = kmalloc(128, GFP_KERNEL);
		for (i = 0; i < 64; i++)
			kfree(objects[i]);
		cond_resched();
	}
	storm_ns = (ktime_get_ns() - begun) / (4096 * 64 / 1000);
	return 0;
}

/* One thread for each CPU, until the module goes. */
static struct task_struct *stormers[8];

static int stormer_main(void *arg)
{
	while (!kthread_should_stop()) {
		storm();
		cond_resched();
	}
	return 0;
}

static int storm_on(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		if (cpu >= ARRAY_SIZE(stormers) || stormers[cpu])
			continue;
		stormers[cpu] = kthread_create_on_cpu(stormer_main, NULL, cpu, "storm/%u");
		if (IS_ERR(stormers[cpu]))
			stormers[cpu] = NULL;
		else
			wake_up_process(stormers[cpu]);
	}
	return 0;
}

static void storm_off(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(stormers); i++)
		if (stormers[i])
			kthread_stop(stormers[i]);
}

/* ---- the menu --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(void);
} menu[] = {
	{ "kmalloc", leak_kmalloc }, { "zero", leak_zero }, { "large", leak_large }, { "strdup", leak_strdup },
	{ "cache", leak_cache }, { "bulk", leak_bulk }, { "percpu", leak_percpu }, { "vmalloc", leak_vmalloc },
	{ "kvmalloc", leak_kvmalloc }, { "pages", leak_pages }, { "zeroed", leak_zeroed }, { "grown", leak_grown },
	{ "now", free_now }, { "rcu", free_rcu }, { "call_rcu", free_call_rcu }, { "work", free_work },
	{ "timer", free_timer }, { "storm", storm }, { "storm_on", storm_on },
};

/* "NAME COUNT", or "@NAME COUNT" for a thread of its own. */
static int run_set(const char *value, const struct kernel_param *param)
{
	unsigned int count, i;
	char name[16];

	if (sscanf(value, "%15s %u", name, &count) != 2)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(menu); i++) {
		if (strcmp(menu[i].name, name + (name[0] == '@')))
			continue;
		if (name[0] == '@')
			return run_elsewhere(menu[i].run, count);
		for (; count; count--)
			menu[i].run();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "NAME COUNT: what to do, how often");

static int __init leaks_init(void)
{
	cache = kmem_cache_create("leaks_object", sizeof(struct object), 0, SLAB_NO_MERGE, NULL);
	return cache ? 0 : -ENOMEM;
}

static void __exit leaks_exit(void)
{
	storm_off();
	rcu_barrier();
	flush_scheduled_work();
	kmem_cache_destroy(cache);
}

module_init(leaks_init);
module_exit(leaks_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks on demand");
