// SPDX-License-Identifier: GPL-2.0
/*
 * Slab bytes that an operation's own task gains and gives back. A group of its
 * own, because every allocation of the machine passes here.
 *
 * Counted: what goes through the tracepoints kmalloc, kmem_cache_alloc, kfree
 * and kmem_cache_free while the task works on the operation, interrupts on top
 * of it included; at the size the object takes in its cache, padding and all,
 * allocated and freed alike, so that an object made by a mount and freed by
 * the unmount cancels out. Not counted: what others free for it later (RCU,
 * workers), bulk and page allocations, vmalloc.
 */
#include "object.bpf.h"
#include "op.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* mount.bpf.c's variable, which user space puts here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct op_table);
} op_table SEC(".maps");

/* Bytes that the object at `address` takes; 0: not of a slab, or not to be told. */
static __always_inline __u64 object_bytes(__u64 address)
{
	struct page *page = object_head(address);
	struct kmem_cache *cache;

	if (!page)
		return 0;
	if (!fix_page_is_slab(page))
		return fix_large_bytes(page);
	cache = fix_slab_cache(page);
	return BPF_CORE_READ(cache, size);
}

static __always_inline struct op *op_measured(void)
{
	__u32 zero = 0;
	struct op_table *table = bpf_map_lookup_elem(&op_table, &zero);
	struct op *op;

	if (!table || !table->running)
		return NULL;
	op = op_in(table, fix_tid());
	return op && op->rec.flags & VX_FSOP_SLAB_VALID ? op : NULL;
}

static __always_inline int allocated(__u64 address)
{
	struct op *op = op_measured();

	if (!op || !address)
		return 0;
	__sync_fetch_and_add(&op->rec.slab_bytes, object_bytes(address));
	__sync_fetch_and_add(&op->rec.slab_allocs, 1);
	return 0;
}

static __always_inline int freed(__u64 address)
{
	struct op *op = op_measured();

	if (!op || address < 4096)	/* NULL and ZERO_SIZE_PTR */
		return 0;
	__sync_fetch_and_add(&op->rec.slab_bytes, -object_bytes(address));
	__sync_fetch_and_add(&op->rec.slab_frees, 1);
	return 0;
}

/* All four have the object second, on every kernel. */
SEC("raw_tp/kmalloc")
int slab_kmalloc(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx->args[1]);
}

SEC("raw_tp/kmem_cache_alloc")
int slab_cache_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	return allocated(ctx->args[1]);
}

SEC("raw_tp/kfree")
int slab_kfree(struct bpf_raw_tracepoint_args *ctx)
{
	return freed(ctx->args[1]);
}

SEC("raw_tp/kmem_cache_free")
int slab_cache_free(struct bpf_raw_tracepoint_args *ctx)
{
	return freed(ctx->args[1]);
}
