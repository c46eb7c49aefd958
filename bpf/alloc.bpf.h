/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of what is outstanding, and whose allocation one is. Three rules:
 *
 *	A free first looks at one counter of `filter`, which is 0 for nearly every object of the machine.
 *	What finds no room is counted in `overflows`; nothing is dropped silently.
 *	Allocations by an interrupt on top of the target's task are not the target's.
 */
#ifndef VEXLAB_ALLOC_BPF_H
#define VEXLAB_ALLOC_BPF_H

#include <vexlab/alloc.h>
#include <vexlab/probe_alloc.h>
#include "object.bpf.h"

#define FILTER_BITS	18
#define CPUS_APART	128	/* more CPUs than that share */
#define EEXIST		17
#define PF_KTHREAD	0x00200000
#define FOREIGN_FRAMES	12	/* the module's own call of a free is not further out */

/* Sizes and flags are set by user space before loading, by what the kernel can. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, struct vx_probe_live);
} live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 12);
	__type(key, __u64);
	__type(value, struct vx_probe_site);
} sites SEC(".maps");

/* How many of `live` have an address of this hash. User space counts down what it removes itself. */
__u32 filter[1 << FILTER_BITS];

/* User space sets these; the programs on the loading of modules too. */
struct vx_probe_range text, init_text;		/* the module's; bytes 0: it is not loaded, or built in */
char module_name[56];			/* "": none is looked out for */
__u32 generation;			/* it was loaded so many times */
__u32 agent_tgid, agent_tid;		/* threads of this process but for the main one do steps */
__u32 on_target;			/* such a step runs */
__u64 alloc_step;

__u64 overflows;			/* allocations not followed */

/* --- whose ------------------------------------------------------------------- */

static __always_inline bool is_in(const struct vx_probe_range *range, __u64 address)
{
	return address - range->start < range->bytes;
}

static __always_inline bool is_module_text(__u64 address)
{
	return is_in(&text, address) || is_in(&init_text, address);
}

static __always_inline bool is_target_task(void)
{
	__u64 id;

	if (!on_target)
		return false;
	id = bpf_get_current_pid_tgid();
	return id >> 32 == agent_tgid && (__u32)id != agent_tid && !fix_in_interrupt();
}

static __always_inline bool is_module_stack(void *ctx)
{
	__u64 stack[FOREIGN_FRAMES] = { 0 };

	if (!text.bytes)
		return false;
	bpf_get_stack(ctx, stack, sizeof(stack), 0);
	for (int i = 0; i < FOREIGN_FRAMES; i++)
		if (is_module_text(stack[i]))
			return true;
	return false;
}

/*
 * What the module's code has done in others' tasks, where the allocator was not called by it but on its behalf
 * (kasprintf(), kvmalloc()): in programs that a step has started, their children, and the kernel's threads. Of all others'
 * the stack is not walked: that would cost them more than the allocation.
 */
static __always_inline bool is_module_helper(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!text.bytes || fix_in_interrupt())
		return false;
	if (!(BPF_CORE_READ(task, flags) & PF_KTHREAD) && BPF_CORE_READ(task, real_parent, tgid) != agent_tgid &&
	    BPF_CORE_READ(task, real_parent, real_parent, tgid) != agent_tgid)
		return false;
	return is_module_stack(ctx);
}

static __always_inline bool is_ours(void *ctx, __u64 call)
{
	return is_module_text(call) || is_target_task() || is_module_helper(ctx);
}

/* --- remembering ---------------------------------------------------------------- */

static __always_inline __u32 *filter_of(__u64 address)
{
	return &filter[address * 0x9e3779b97f4a7c15ull >> (64 - FILTER_BITS) & ((1 << FILTER_BITS) - 1)];
}

static __always_inline __u64 hash_of(const struct vx_probe_site *site)
{
	__u64 hash = site->kind + ((__u64)site->generation << 8);

#pragma unroll
	for (int i = 0; i < VX_PROBE_FRAMES; i++) {
		hash = (hash ^ site->stack[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 32;
	}
	return hash;
}

static __always_inline void name_cache(struct vx_probe_site *site, struct kmem_cache *cache, __u64 object)
{
	struct page *page;

	if (!cache && site->kind == VX_ALLOC_CACHE) {
		page = object_head(object);
		if (page && fix_page_is_slab(page))
			cache = fix_slab_cache(page);
	}
	if (cache)
		bpf_probe_read_kernel_str(site->cache, sizeof(site->cache), BPF_CORE_READ(cache, name));
}

/* The key of the present stack's site, 0: there is no room for it. Out of line: it fills most of the stack. */
static __noinline __u64 site_of(void *ctx, __u64 call, __u32 kind, struct kmem_cache *cache, __u64 object)
{
	struct vx_probe_site site = { .call = call, .kind = kind, .generation = generation };
	__u64 key;

	bpf_get_stack(ctx, site.stack, sizeof(site.stack), 0);
	key = hash_of(&site);
	if (bpf_map_lookup_elem(&sites, &key))
		return key;
	name_cache(&site, cache, object);
	bpf_map_update_elem(&sites, &key, &site, BPF_NOEXIST);
	if (bpf_map_lookup_elem(&sites, &key))
		return key;
	__sync_fetch_and_add(&overflows, 1);
	return 0;
}

static __always_inline void count_free(__u64 key, bool foreign)
{
	struct vx_probe_site *site = bpf_map_lookup_elem(&sites, &key);

	if (!site)
		return;
	__sync_fetch_and_add(&site->frees, 1);
	if (foreign)
		__sync_fetch_and_add(&site->foreign_frees, 1);
}

/* One is there already: its free was not seen, and it is gone. */
static __always_inline long replace(__u64 address, const struct vx_probe_live *now)
{
	struct vx_probe_live *old = bpf_map_lookup_elem(&live, &address);

	if (old)
		count_free(old->site, false);
	return bpf_map_update_elem(&live, &address, now, BPF_ANY);
}

static __noinline int remember(__u64 address, __u64 bytes, __u64 key)
{
	struct vx_probe_live now = { .site = key, .step = alloc_step, .bytes = bytes };
	struct vx_probe_site *site;
	long err;

	if (!key)
		return 0;
	err = bpf_map_update_elem(&live, &address, &now, BPF_NOEXIST);
	if (!err)
		__sync_fetch_and_add(filter_of(address), 1);
	else if (err == -EEXIST)
		err = replace(address, &now);
	if (err) {
		__sync_fetch_and_add(&overflows, 1);
		return 0;
	}
	site = bpf_map_lookup_elem(&sites, &key);
	if (site)
		__sync_fetch_and_add(&site->allocs, 1);
	return 0;
}

/* --- forgetting ----------------------------------------------------------------- */

static __always_inline bool is_unknown(__u64 address)
{
	return !*filter_of(address);
}

static __noinline int forget_by(__u64 address, bool foreign)
{
	struct vx_probe_live *entry = bpf_map_lookup_elem(&live, &address);
	__u64 key;

	if (!entry)
		return 0;
	key = entry->site;
	if (bpf_map_delete_elem(&live, &address))
		return 0;
	__sync_fetch_and_add(filter_of(address), -1);
	count_free(key, foreign && text.bytes);
	return 0;
}

static __always_inline int forget(__u64 address, __u64 call)
{
	return is_unknown(address) ? 0 : forget_by(address, !is_module_text(call));
}

/* Where no tracepoint tells who calls; the stack is looked at for what is ours only. */
static __noinline int forget_ours(void *ctx, __u64 address)
{
	if (!bpf_map_lookup_elem(&live, &address))
		return 0;
	return forget_by(address, !is_module_stack(ctx));
}

static __always_inline int forget_unknown_caller(void *ctx, __u64 address)
{
	return is_unknown(address) ? 0 : forget_ours(ctx, address);
}

/*
 * From 6.1 a program that is interrupted does not run again on that CPU before it has ended (05b24ff9b2cf, "bpf: Prevent
 * bpf program recursion for raw tracepoint probes"). An interrupt may run RCU's callbacks, so a whole
 * batch of frees would not be seen, and all of it told as leaked. So there are two programs on each free that
 * is frequent: the first leaves word which address it has seen, the second does what the first did not.
 */
struct seen {
	__u64 address;
	__u64 pad[7];			/* a cache line each */
};

static __always_inline void leave_word(struct seen *seen, __u64 address)
{
	seen[bpf_get_smp_processor_id() & (CPUS_APART - 1)].address = address;
}

static __always_inline bool was_seen(struct seen *seen, __u64 address)
{
	struct seen *mine = &seen[bpf_get_smp_processor_id() & (CPUS_APART - 1)];

	if (mine->address != address)
		return false;
	mine->address = 0;
	return true;
}

#endif
