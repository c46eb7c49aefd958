// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation made for the target and every free of the machine: what is
 * outstanding, exactly (alloc.h, source TRACED).
 *
 * What allocators allocate for themselves on the way (a slab's pages, the
 * pages of vmalloc, page tables) is remembered like everything else; user
 * space leaves it out, by the name of the function that asked for it.
 */
#include "alloc.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define BULK_MAX	(1 << 16)	/* objects of one call looked at */
#define BULK_MAX_OLD	512		/* before 5.17; a batch of RCU's is a page of pointers at most */

/* --- slab ------------------------------------------------------------------------ */

static __always_inline int allocated(void *ctx, __u64 call, __u64 address, __u64 bytes, __u32 kind,
				     struct kmem_cache *cache)
{
	/* NULL and ZERO_SIZE_PTR */
	if (address < 4096 || !is_ours(ctx, call))
		return 0;
	return remember(address, bytes, site_of(ctx, call, kind, cache, address));
}

SEC("raw_tp/kmalloc")
int alloc_kmalloc(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx, ctx->args[0], ctx->args[1], fix_kmalloc_bytes(ctx), VX_ALLOC_KMALLOC, NULL);
}

SEC("raw_tp/kmalloc_node")
int alloc_kmalloc_node(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx, ctx->args[0], ctx->args[1], fix_kmalloc_bytes(ctx), VX_ALLOC_KMALLOC, NULL);
}

SEC("raw_tp/kmem_cache_alloc")
int alloc_cache(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx, ctx->args[0], ctx->args[1], fix_cache_bytes(ctx->args[2]), VX_ALLOC_CACHE,
			 fix_cache_of(ctx->args[2]));
}

SEC("raw_tp/kmem_cache_alloc_node")
int alloc_cache_node(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx, ctx->args[0], ctx->args[1], fix_cache_bytes(ctx->args[2]), VX_ALLOC_CACHE,
			 fix_cache_of(ctx->args[2]));
}

static struct seen kfree_seen[CPUS_APART], cache_free_seen[CPUS_APART], page_free_seen[CPUS_APART];

SEC("raw_tp/kfree")
int alloc_kfree(struct bpf_raw_tracepoint_args *ctx)
{
	leave_word(kfree_seen, ctx->args[1]);
	return forget(ctx->args[1], ctx->args[0]);
}

SEC("raw_tp/kfree")
int alloc_kfree_again(struct bpf_raw_tracepoint_args *ctx)
{
	return was_seen(kfree_seen, ctx->args[1]) ? 0 : forget(ctx->args[1], ctx->args[0]);
}

SEC("raw_tp/kmem_cache_free")
int alloc_cache_free(struct bpf_raw_tracepoint_args *ctx)
{
	leave_word(cache_free_seen, ctx->args[1]);
	return forget(ctx->args[1], ctx->args[0]);
}

SEC("raw_tp/kmem_cache_free")
int alloc_cache_free_again(struct bpf_raw_tracepoint_args *ctx)
{
	return was_seen(cache_free_seen, ctx->args[1]) ? 0 : forget(ctx->args[1], ctx->args[0]);
}

/* --- slab, many at once: no tracepoint tells of these ------------------------------ */

struct bulk {
	__u64 *objects;
	__u64 call, key, bytes;
};

/* Not static: so they are verified once, and not anew for each object of a call. */
__noinline int bulk_remember_at(__u64 slot, __u64 bytes, __u64 key)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), (void *)slot);
	return address < 4096 ? 0 : remember(address, bytes, key);
}

__noinline int bulk_forget_at(__u64 slot, __u64 call)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), (void *)slot);
	return forget(address, call);
}

static long bulk_remember(__u32 i, struct bulk *bulk)
{
	bulk_remember_at((__u64)(bulk->objects + i), bulk->bytes, bulk->key);
	return 0;
}

static long bulk_forget(__u32 i, struct bulk *bulk)
{
	bulk_forget_at((__u64)(bulk->objects + i), bulk->call);
	return 0;
}

/* False: nothing of ours. */
static __always_inline bool bulk_allocated(void *ctx, struct kmem_cache *cache, int n, struct bulk *bulk)
{
	bulk->call = fix_fexit_caller(ctx, 4);
	if (n <= 0 || !is_ours(ctx, bulk->call))
		return false;
	bulk->bytes = BPF_CORE_READ(cache, object_size);
	bulk->key = site_of(ctx, bulk->call, VX_ALLOC_CACHE, cache, 0);
	return true;
}

SEC("fexit/kmem_cache_alloc_bulk")
int BPF_PROG(alloc_bulk, struct kmem_cache *cache, __u32 flags, __u64 size, void *objects, int n)
{
	struct bulk bulk = { .objects = (void *)fix_number(ctx, 3) };

	if (bulk_allocated(ctx, cache, n, &bulk))
		bpf_loop(n < BULK_MAX ? n : BULK_MAX, bulk_remember, &bulk, 0);
	return 0;
}

/* kfree_bulk() too, and so RCU's batches. */
SEC("fentry/kmem_cache_free_bulk")
int BPF_PROG(alloc_free_bulk, struct kmem_cache *cache, __u64 size)
{
	struct bulk bulk = { .objects = (void *)fix_number(ctx, 2), .call = fix_fentry_caller(ctx, 3) };

	bpf_loop(size < BULK_MAX ? size : BULK_MAX, bulk_forget, &bulk, 0);
	return 0;
}

/* The same before there was bpf_loop(). */
SEC("fexit/kmem_cache_alloc_bulk")
int BPF_PROG(alloc_bulk_old, struct kmem_cache *cache, __u32 flags, __u64 size, void *objects, int n)
{
	struct bulk bulk = { .objects = (void *)fix_number(ctx, 3) };

	if (bulk_allocated(ctx, cache, n, &bulk))
		for (int i = 0; i < BULK_MAX_OLD && i < n; i++)
			bulk_remember(i, &bulk);
	return 0;
}

SEC("fentry/kmem_cache_free_bulk")
int BPF_PROG(alloc_free_bulk_old, struct kmem_cache *cache, __u64 size)
{
	struct bulk bulk = { .objects = (void *)fix_number(ctx, 2), .call = fix_fentry_caller(ctx, 3) };

	for (__u32 i = 0; i < BULK_MAX_OLD && i < size; i++)
		bulk_forget(i, &bulk);
	return 0;
}

/*
 * kfree_rcu(): here it is given up; from 6.18 (sheaves) no tracepoint tells of
 * its end. Until 6.3 the second argument is the head's offset in the object.
 */
SEC("fentry/kvfree_call_rcu")
int BPF_PROG(alloc_kfree_rcu)
{
	__u64 head = fix_number(ctx, 0), object = fix_number(ctx, 1);

	return forget(object < 4096 ? head - object : object, fix_fentry_caller(ctx, 2));
}

/* --- per CPU, vmalloc, pages ---------------------------------------------------------- */

SEC("raw_tp/percpu_alloc_percpu")
int alloc_percpu(struct bpf_raw_tracepoint_args *ctx)
{
	struct fix_percpu got;
	bool ours;

	fix_percpu_alloc(ctx, &got);
	if (!got.address)
		return 0;
	ours = is_target_task() || (got.call ? is_module_text(got.call) : is_module_stack(ctx));
	return ours ? remember(got.address, got.bytes, site_of(ctx, got.call, VX_ALLOC_PERCPU, NULL, 0)) : 0;
}

SEC("raw_tp/percpu_free_percpu")
int alloc_percpu_free(struct bpf_raw_tracepoint_args *ctx)
{
	return forget_unknown_caller(ctx, ctx->args[2]);
}

/* `bytes`: with the guard page behind it */
static __always_inline int vmap_allocated(void *ctx, __u64 address, __u64 bytes)
{
	if (!is_target_task() && !is_module_stack(ctx))
		return 0;
	return remember(address, bytes > 4096 ? bytes - 4096 : bytes, site_of(ctx, 0, VX_ALLOC_VMALLOC, NULL, 0));
}

/* addr, size, align, vstart, vend, failed */
SEC("raw_tp/alloc_vmap_area")
int alloc_vmap(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[5] & 1 ? 0 : vmap_allocated(ctx, ctx->args[0], ctx->args[1]);
}

SEC("raw_tp/free_vmap_area_noflush")
int alloc_vmap_free(struct bpf_raw_tracepoint_args *ctx)
{
	return forget_unknown_caller(ctx, ctx->args[0]);
}

/* The same before there were these two events, in 6.4: the functions they are in now. */
SEC("fexit/alloc_vmap_area")
int BPF_PROG(alloc_vmap_old, __u64 size, __u64 align, __u64 from, __u64 to, int node, __u32 flags, struct vmap_area *area)
{
	return fix_is_err(area) ? 0 : vmap_allocated(ctx, area->va_start, area->va_end - area->va_start);
}

SEC("fentry/free_vmap_area_noflush")
int BPF_PROG(alloc_vmap_free_old, struct vmap_area *area)
{
	return forget_unknown_caller(ctx, area->va_start);
}

/* By the target's tasks only: to walk the stack of each page of the machine would cost it more than the page. */
SEC("raw_tp/mm_page_alloc")
int alloc_page(struct bpf_raw_tracepoint_args *ctx)
{
	if (!ctx->args[0] || !is_target_task())
		return 0;
	return remember(ctx->args[0], 4096ull << (ctx->args[1] & 0x1f), site_of(ctx, 0, VX_ALLOC_PAGES, NULL, 0));
}

/* What the module's code asks for in others' tasks comes by these doors. User space finds the functions. */
static __always_inline int pages_allocated(void *ctx, __u32 nargs, __u64 page, __u64 order)
{
	__u64 call;

	if (!page || !text.bytes)
		return 0;
	call = fix_fexit_caller(ctx, nargs);
	if (!is_module_text(call) || is_target_task())
		return 0;
	return remember(page, 4096ull << (order & 0x1f), site_of(ctx, call, VX_ALLOC_PAGES, NULL, 0));
}

SEC("fexit/alloc_pages")
int BPF_PROG(alloc_pages_of, __u32 flags, __u32 order)
{
	return pages_allocated(ctx, 2, fix_number(ctx, 2), order);
}

SEC("fexit/folio_alloc")
int BPF_PROG(alloc_folio_of, __u32 flags, __u32 order)
{
	return pages_allocated(ctx, 2, fix_number(ctx, 2), order);
}

SEC("fexit/__alloc_pages")
int BPF_PROG(alloc_pages_node_of, __u32 flags, __u32 order)
{
	return pages_allocated(ctx, 4, fix_number(ctx, 4), order);
}

SEC("fexit/__folio_alloc")
int BPF_PROG(alloc_folio_node_of, __u32 flags, __u32 order)
{
	return pages_allocated(ctx, 4, fix_number(ctx, 4), order);
}

SEC("fexit/__get_free_pages")
int BPF_PROG(alloc_free_pages_of, __u32 flags, __u32 order, __u64 address)
{
	return text.bytes && address ? pages_allocated(ctx, 2, (__u64)object_page(address), order) : 0;
}

SEC("fexit/get_zeroed_page")
int BPF_PROG(alloc_zeroed_of, __u32 flags, __u64 address)
{
	return text.bytes && address ? pages_allocated(ctx, 1, (__u64)object_page(address), 0) : 0;
}

SEC("raw_tp/mm_page_free")
int alloc_page_free(struct bpf_raw_tracepoint_args *ctx)
{
	leave_word(page_free_seen, ctx->args[0]);
	return forget_unknown_caller(ctx, ctx->args[0]);
}

SEC("raw_tp/mm_page_free")
int alloc_page_free_again(struct bpf_raw_tracepoint_args *ctx)
{
	return was_seen(page_free_seen, ctx->args[0]) ? 0 : forget_unknown_caller(ctx, ctx->args[0]);
}

/* --- the module ------------------------------------------------------------------------ */

static __always_inline bool is_the_module(struct module *mod)
{
	char name[sizeof(module_name)] = "";

	if (!module_name[0])
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), mod->name);
#pragma unroll
	for (int i = 0; i < (int)sizeof(name) / 8; i++)
		if (((__u64 *)name)[i] != ((__u64 *)module_name)[i])
			return false;
	return true;
}

/* Before its init runs. Its init's text may be another module's text afterwards, but not before that is loaded. */
SEC("raw_tp/module_load")
int alloc_module_load(struct bpf_raw_tracepoint_args *ctx)
{
	struct module *mod = (void *)ctx->args[0];
	struct fix_module_text at;

	init_text.bytes = 0;
	if (!is_the_module(mod))
		return 0;
	fix_module_text(mod, &at);
	generation++;
	text.bytes = 0;
	text.start = at.core;
	text.bytes = at.core_bytes;
	init_text.start = at.init;
	init_text.bytes = at.init_bytes;
	return 0;
}

SEC("raw_tp/module_free")
int alloc_module_free(struct bpf_raw_tracepoint_args *ctx)
{
	if (is_the_module((void *)ctx->args[0]))
		text.bytes = init_text.bytes = 0;
	return 0;
}
