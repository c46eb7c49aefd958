/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every kind of leak that faultfs knows, and what looks like one but is not: one row each.
 * Shared by the module and by the tests that say what must be found. The module parameters:
 *
 *	leak=KIND@PLACE[,...]	what is planted, at most LEAKS_MAX
 *	leak_every=N		one object in N cycles that come by the place; a cycle is one mount that was
 *				begun, failed ones too. Counted from insmod; `init` has one cycle only.
 *	leak_size=BYTES		8 .. 1 MiB, of kinds that have a size
 *	leaked			to be read: objects leaked since insmod, all kinds
 *
 *	kind		is it	allocator	needs	resource
 *
 * is it: LEAK it stays for ever; BUSY too, and the next unmount says so itself, by a warning or, with
 * CONFIG_BUG_ON_DATA_CORRUPTION, a BUG; LATE it goes without an unload, within LEAK_LATE_MS; KEPT it goes at unload.
 * allocator: VX_ALLOC_* (alloc.h) of the call in the function leak_KIND(); NONE: no call of the module itself, see resource.
 * needs: NOTHING; DEVICE a super block; TREE its root.
 * resource: how the name of its line begins in VX_STEP_RESOURCES, "" if only allocations tell.
 */
#ifndef FAULTFS_LEAK_LIST_H
#define FAULTFS_LEAK_LIST_H

#define FAULTFS_LEAKS(X)								\
	X(kmalloc,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(kzalloc,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(krealloc,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(kvmalloc,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(kmemdup,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(kstrdup,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(kasprintf,	LEAK,	KMALLOC,	NOTHING,	"")			\
	X(cache,	LEAK,	CACHE,		NOTHING,	"slab.faultfs_objects")	\
	X(bulk,		LEAK,	CACHE,		NOTHING,	"slab.faultfs_objects")	\
	X(percpu,	LEAK,	PERCPU,		NOTHING,	"memory.Percpu")	\
	X(vmalloc,	LEAK,	VMALLOC,	NOTHING,	"vmalloc.leak_vmalloc")	\
	X(pages,	LEAK,	PAGES,		NOTHING,	"pages.other")		\
	X(free_pages,	LEAK,	PAGES,		NOTHING,	"pages.other")		\
	X(bh,		LEAK,	NONE,		DEVICE,		"slab.buffer_head")	\
	X(page,		LEAK,	NONE,		DEVICE,		"pages.other")		\
	X(inode,	LEAK,	NONE,		DEVICE,		"slab.inode_cache")	\
	X(dentry,	LEAK,	NONE,		DEVICE,		"slab.dentry")		\
	X(busy_inode,	BUSY,	NONE,		DEVICE,		"slab.inode_cache")	\
	X(busy_dentry,	BUSY,	NONE,		TREE,		"slab.dentry")		\
	X(file,		LEAK,	NONE,		NOTHING,	"slab.filp")		\
	X(modref,	LEAK,	NONE,		NOTHING,	"refs.faultfs")		\
	X(workqueue,	LEAK,	NONE,		NOTHING,	"threads.kworker/R-")	\
	X(kthread,	LEAK,	KMALLOC,	NOTHING,	"threads.faultfs_left")	\
	X(kobject,	LEAK,	NONE,		NOTHING,	"sysfs.fs.faultfs_left") \
	X(proc,		LEAK,	NONE,		NOTHING,	"procfs.faultfs_left")	\
	X(cache_left,	LEAK,	NONE,		NOTHING,	"caches.faultfs_left")	\
	X(rcu,		LATE,	KMALLOC,	NOTHING,	"")			\
	X(callrcu,	LATE,	KMALLOC,	NOTHING,	"")			\
	X(work,		LATE,	KMALLOC,	NOTHING,	"")			\
	X(timer,	LATE,	KMALLOC,	NOTHING,	"")			\
	X(irq,		LATE,	KMALLOC,	NOTHING,	"")			\
	X(given,	LATE,	KMALLOC,	NOTHING,	"")			\
	X(given_acl,	LATE,	NONE,		TREE,		"")			\
	X(warmup,	KEPT,	KMALLOC,	NOTHING,	"")			\
	X(lru,		KEPT,	KMALLOC,	NOTHING,	"")

/*	place		word		what it has	when */
#define FAULTFS_PLACES(X)								\
	X(INIT,		"init",		NOTHING,	"insmod")			\
	X(FILL,		"fill",		TREE,		"a mount that succeeds")	\
	X(FILL_ERROR,	"fill_error",	NOTHING,	"a mount that fails: a bad option, a bad image") \
	X(PUT,		"put",		DEVICE,		"umount, in put_super")		\
	X(WRITE,	"write",	TREE,		"a file is written")		\
	X(CREATE,	"create",	TREE,		"a file, directory or node is made") \
	X(ENOSPC,	"enospc",	TREE,		"a write that finds no space (space_kib)")

#define LEAKS_MAX		16	/* planted at once */
#define LEAK_SIZE_MIN		8	/* bytes */
#define LEAK_SIZE_MAX		(1 << 20)
#define LEAK_SIZE_DEFAULT	128
#define LEAK_LATE_MS		1000	/* until what is LATE is gone, at most, and a grace period */
#define LEAK_WARMUP		8	/* objects of the pool that then stays as it is */

#endif
