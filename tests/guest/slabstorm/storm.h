/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A slab storm: reading the parameter `pair_ps` runs `loops` times 16
 * allocations and their frees, and tells the ps of one pair. What costs an
 * allocation something shows here as nowhere else. Two modules are made of it:
 * one to be the target, and one that merely stands by.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>

#define BATCH 16

static int loops = 4000;
module_param(loops, int, 0644);

static int keep;
module_param(keep, int, 0444);
MODULE_PARM_DESC(keep, "objects that are allocated at load and stay until unload");

static void **kept;

static noinline void storm_alloc(void **objects)
{
	int i;

	for (i = 0; i < BATCH; i++)
		objects[i] = kmalloc(64 + i * 24, GFP_KERNEL);
}

static noinline void storm_free(void **objects)
{
	int i;

	for (i = 0; i < BATCH; i++)
		kfree(objects[i]);
}

static int storm_get(char *buf, const struct kernel_param *kp)
{
	void *objects[BATCH];
	u64 begun = ktime_get_ns();
	int i;

	for (i = 0; i < loops; i++) {
		storm_alloc(objects);
		storm_free(objects);
	}
	return sprintf(buf, "%llu\n", div_u64((ktime_get_ns() - begun) * 1000, loops * BATCH));
}

static const struct kernel_param_ops storm_ops = { .get = storm_get };
module_param_cb(pair_ps, &storm_ops, NULL, 0444);

static int __init storm_init(void)
{
	int i;

	kept = keep ? kvcalloc(keep, sizeof(*kept), GFP_KERNEL) : NULL;
	if (keep && !kept)
		return -ENOMEM;
	for (i = 0; i < keep; i++)
		kept[i] = kmalloc(64, GFP_KERNEL);
	return 0;
}

static void __exit storm_exit(void)
{
	int i;

	for (i = 0; i < keep; i++)
		kfree(kept[i]);
	kvfree(kept);
}

module_init(storm_init);
module_exit(storm_exit);
MODULE_LICENSE("GPL");
