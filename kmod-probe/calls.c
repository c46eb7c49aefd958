// SPDX-License-Identifier: GPL-2.0
/*
 * The table of what the module under test has allocated and not freed yet, by
 * address. Written by the wrappers (calls_wrap.c) in any context but NMI,
 * without a lock: a slot is claimed by one cmpxchg, and given back by a store,
 * since nobody else frees an object that is being freed.
 *
 * Buckets of a cache line of keys. Who finds his bucket full goes to the next
 * ones; `spill` remembers how far those of a bucket have gone at most, so that
 * the usual search, and that for what is not there, looks at one line.
 */
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "calls.h"
#include "vexprobe.h"

struct table {
	u64 *keys;
	struct vx_call *calls;
	u8 *spill;
	struct vx_calls *head;
	u32 buckets;		/* a power of two */
	u32 bits;
};

static struct table table;	/* all but `ready` is written once, before it */
static bool ready;
static DEFINE_MUTEX(calls_lock);
static DEFINE_PER_CPU(struct vx_calls_counts, counts);

static inline u32 bucket_of(u64 object)
{
	/* The low bits of an object's address say nothing. */
	return hash_64(object >> 3, table.bits);
}

static inline u64 *bucket_keys(u32 bucket, u32 off)
{
	return table.keys + ((bucket + off) & (table.buckets - 1)) * VX_CALLS_WAYS;
}

static void spill_to(u32 bucket, u8 off)
{
	u8 *spill = &table.spill[bucket], was = READ_ONCE(*spill);

	while (was < off && !try_cmpxchg(spill, &was, off))
		;
}

static u64 *claim(u64 object)
{
	u32 bucket = bucket_of(object), off, way;

	for (off = 0; off <= VX_CALLS_REACH; off++) {
		u64 *keys = bucket_keys(bucket, off);

		for (way = 0; way < VX_CALLS_WAYS; way++) {
			if (READ_ONCE(keys[way]) || cmpxchg(&keys[way], 0, object))
				continue;
			if (unlikely(off))
				spill_to(bucket, off);
			return &keys[way];
		}
	}
	return NULL;
}

static u64 *find(u64 object)
{
	u32 bucket = bucket_of(object), off, way;
	const u8 spill = READ_ONCE(table.spill[bucket]);

	for (off = 0; off <= spill; off++) {
		u64 *keys = bucket_keys(bucket, off);

		for (way = 0; way < VX_CALLS_WAYS; way++)
			if (READ_ONCE(keys[way]) == object)
				return &keys[way];
	}
	return NULL;
}

void calls_add(unsigned long object, size_t bytes, enum vx_alloc_kind kind, unsigned long site)
{
	struct vx_call *call;
	u64 *key;

	if (!smp_load_acquire(&ready))
		return;
	this_cpu_inc(counts.allocs);
	key = claim(object);
	if (unlikely(!key)) {
		this_cpu_inc(counts.overflows);
		return;
	}
	call = table.calls + (key - table.keys);
	call->site = site;
	call->step = READ_ONCE(table.head->step);
	call->bytes = min_t(size_t, bytes, U32_MAX);
	call->kind = kind;
}

void calls_remove(unsigned long object)
{
	u64 *key;

	if (!smp_load_acquire(&ready))
		return;
	key = find(object);
	if (likely(key)) {
		WRITE_ONCE(*key, 0);
		this_cpu_inc(counts.frees);
	} else {
		this_cpu_inc(counts.unknown_frees);
	}
}

/* ---- the agent's side ------------------------------------------------------------------------ */

static int table_make(u32 slots)
{
	const u32 buckets = slots / VX_CALLS_WAYS;
	const u64 keys_offset = PAGE_SIZE, calls_offset = keys_offset + slots * sizeof(u64),
		  spill_offset = calls_offset + slots * sizeof(struct vx_call),
		  bytes = PAGE_ALIGN(spill_offset + buckets);
	char *memory = vmalloc_user(bytes);

	if (!memory)
		return -ENOMEM;
	table.head = (void *)memory;
	table.keys = (void *)(memory + keys_offset);
	table.calls = (void *)(memory + calls_offset);
	table.spill = (void *)(memory + spill_offset);
	table.buckets = buckets;
	table.bits = ilog2(buckets);
	*table.head = (struct vx_calls){
		.slots = slots, .keys_offset = keys_offset, .calls_offset = calls_offset,
		.spill_offset = spill_offset, .bytes = bytes,
	};
	smp_store_release(&ready, true);
	return 0;
}

static long calls_start(void __user *arg)
{
	struct vx_calls req;
	int err = 0;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!is_power_of_2(req.slots) || req.slots < VX_CALLS_SLOTS_MIN || req.slots > VX_CALLS_SLOTS_MAX)
		return -EINVAL;
	mutex_lock(&calls_lock);
	if (!ready)
		err = table_make(req.slots);
	mutex_unlock(&calls_lock);
	if (err)
		return err;
	return copy_to_user(arg, table.head, sizeof(req)) ? -EFAULT : 0;
}

static long calls_count(void __user *arg)
{
	struct vx_calls_counts sum = { 0 };
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct vx_calls_counts *of = per_cpu_ptr(&counts, cpu);

		sum.allocs += of->allocs;
		sum.frees += of->frees;
		sum.unknown_frees += of->unknown_frees;
		sum.overflows += of->overflows;
	}
	return copy_to_user(arg, &sum, sizeof(sum)) ? -EFAULT : 0;
}

long calls_ioctl(unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case VX_PROBE_CALLS:
		return calls_start(arg);
	case VX_PROBE_CALLS_COUNTS:
		return calls_count(arg);
	default:
		return -ENOTTY;
	}
}

int calls_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!smp_load_acquire(&ready))
		return -ENXIO;
	return remap_vmalloc_range(vma, table.head, vma->vm_pgoff);
}

/* Nobody is bound to us any more: that would hold the module. Mappings keep their pages. */
void calls_exit(void)
{
	ready = false;
	vfree(table.head);
}
