// SPDX-License-Identifier: GPL-2.0
/*
 * What leaks. The function's name is what a report has to say, so none is inlined and none
 * ends in a call that the compiler would make a jump of. What outlives the module must not
 * come back to its text: all that is left here is the kernel's own code with plain data.
 */
#include <linux/buffer_head.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "faultfs.h"
#include "leak.h"

#define OBJECTS_IN_BULK	4
#define LEFT		"faultfs_left_%lx"	/* names differ over loads: what has that name is still there */

static int kept(const void *object)
{
	OPTIMIZER_HIDE_VAR(object);
	return object ? 0 : -ENOMEM;
}

static unsigned long unique(void)
{
	return (unsigned long)ktime_get_ns();
}

/* ---- kmalloc and its kin --------------------------------------------------------------------- */

noinline int leak_kmalloc(const struct leak_at *at)
{
	return kept(kmalloc(at->size, GFP_KERNEL));
}

noinline int leak_kzalloc(const struct leak_at *at)
{
	return kept(kzalloc(at->size, GFP_NOFS));
}

noinline int leak_krealloc(const struct leak_at *at)
{
	void *object = kmalloc(LEAK_SIZE_MIN, GFP_KERNEL), *larger;

	if (!object)
		return -ENOMEM;
	larger = krealloc(object, at->size + 64, GFP_KERNEL);
	if (!larger)
		kfree(object);
	return kept(larger);
}

noinline int leak_kvmalloc(const struct leak_at *at)
{
	return kept(kvmalloc(max_t(size_t, at->size, 4 * PAGE_SIZE), GFP_KERNEL));
}

noinline int leak_kmemdup(const struct leak_at *at)
{
	return kept(kmemdup(at, sizeof(*at), GFP_KERNEL));
}

noinline int leak_kstrdup(const struct leak_at *at)
{
	return kept(kstrdup("a string that nobody will ever free again", GFP_KERNEL));
}

noinline int leak_kasprintf(const struct leak_at *at)
{
	return kept(kasprintf(GFP_KERNEL, "string %lu, of %zu bytes or not", at->number, at->size));
}

/* ---- slab caches ------------------------------------------------------------------------------ */

static struct kmem_cache *objects;	/* made by the first who wants one of it, destroyed at exit */

static struct kmem_cache *own_cache(size_t size)
{
	/* Poisoned caches are not merged with others. */
	if (!objects)
		objects = kmem_cache_create("faultfs_objects", min_t(size_t, size, PAGE_SIZE), 0, SLAB_POISON, NULL);
	return objects;
}

noinline int leak_cache(const struct leak_at *at)
{
	struct kmem_cache *cache = own_cache(at->size);

	return cache ? kept(kmem_cache_alloc(cache, GFP_KERNEL)) : -ENOMEM;
}

/* Of those that come at once, the last is forgotten. */
noinline int leak_bulk(const struct leak_at *at)
{
	struct kmem_cache *cache = own_cache(at->size);
	void *some[OBJECTS_IN_BULK];

	if (!cache || kmem_cache_alloc_bulk(cache, GFP_KERNEL, OBJECTS_IN_BULK, some) != OBJECTS_IN_BULK)
		return -ENOMEM;
	kmem_cache_free_bulk(cache, OBJECTS_IN_BULK - 1, some);
	return 0;
}

noinline int leak_cache_left(const struct leak_at *at)
{
	char name[32];

	snprintf(name, sizeof(name), LEFT, unique());
	return kept(kmem_cache_create(name, min_t(size_t, at->size, PAGE_SIZE), 0, SLAB_POISON, NULL));
}

/* ---- other allocators ------------------------------------------------------------------------- */

noinline int leak_percpu(const struct leak_at *at)
{
	void __percpu *copies = __alloc_percpu(min_t(size_t, at->size, PAGE_SIZE), 8);

	return kept((__force void *)copies);
}

noinline int leak_vmalloc(const struct leak_at *at)
{
	return kept(vmalloc(at->size));
}

noinline int leak_pages(const struct leak_at *at)
{
	return kept(alloc_pages(GFP_KERNEL, get_order(at->size)));
}

noinline int leak_free_pages(const struct leak_at *at)
{
	return kept((void *)__get_free_pages(GFP_KERNEL, get_order(at->size)));
}

/* ---- what the VFS gives ------------------------------------------------------------------------ */

/* Another block each time, but not the first, which has the super block. */
static sector_t some_block(const struct leak_at *at)
{
	const struct faultfs *fs = at->sb->s_fs_info;
	const struct faultfs_disk_super *disk = (const struct faultfs_disk_super *)fs->super->b_data;
	u64 blocks = le64_to_cpu(disk->blocks);

	return blocks > 1 ? 1 + at->number % (unsigned long)(blocks - 1) : 0;
}

noinline int leak_bh(const struct leak_at *at)
{
	return kept(sb_bread(at->sb, some_block(at)));
}

/* A reference to a page of the device's cache, which leaves the cache without being freed. */
noinline int leak_page(const struct leak_at *at)
{
	struct buffer_head *bh = sb_bread(at->sb, some_block(at));

	if (!bh)
		return -EIO;
	get_page(virt_to_page(bh->b_data));
	brelse(bh);
	return 0;
}

/* Not in the super block's list, nor the dentry below its root: unmount does not miss them. */
noinline int leak_inode(const struct leak_at *at)
{
	struct inode *inode = alloc_anon_inode(at->sb);

	return IS_ERR(inode) ? PTR_ERR(inode) : kept(inode);
}

noinline int leak_dentry(const struct leak_at *at)
{
	return kept(d_alloc_anon(at->sb));
}

noinline int leak_busy_inode(const struct leak_at *at)
{
	struct inode *inode = new_inode(at->sb);

	if (inode)
		inode->i_ino = get_next_ino();
	return kept(inode);
}

noinline int leak_busy_dentry(const struct leak_at *at)
{
	return kept(d_alloc_name(at->sb->s_root, "faultfs_left"));
}

noinline int leak_file(const struct leak_at *at)
{
	struct file *file = filp_open("/dev/null", O_RDONLY, 0);

	return IS_ERR(file) ? PTR_ERR(file) : kept(file);
}

/* ---- what has a name ---------------------------------------------------------------------------- */

noinline int leak_modref(const struct leak_at *at)
{
	return try_module_get(THIS_MODULE) ? 0 : -EBUSY;
}

noinline int leak_workqueue(const struct leak_at *at)
{
	return kept(alloc_workqueue("faultfs_left_%lu", WQ_MEM_RECLAIM | WQ_UNBOUND, 1, at->number));
}

/* It sleeps in the kernel's text, and is woken by nobody. */
noinline int leak_kthread(const struct leak_at *at)
{
	struct kthread_worker *worker = kzalloc(sizeof(*worker), GFP_KERNEL);
	struct task_struct *task;

	if (!worker)
		return -ENOMEM;
	kthread_init_worker(worker);
	task = kthread_run(kthread_worker_fn, worker, "faultfs_left");
	if (!IS_ERR(task))
		return kept(worker);
	kfree(worker);
	return PTR_ERR(task);
}

noinline int leak_kobject(const struct leak_at *at)
{
	char name[32];

	snprintf(name, sizeof(name), LEFT, unique());
	return kept(kobject_create_and_add(name, fs_kobj));
}

noinline int leak_proc(const struct leak_at *at)
{
	char name[32];

	snprintf(name, sizeof(name), LEFT, unique());
	return kept(proc_mkdir(name, NULL));
}

/* The kernel complains of what is left in it, and keeps it. */
void leak_kinds_exit(void)
{
	kmem_cache_destroy(objects);
}
