// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "alloc_fold.h"

/* --- by site ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct vx_probe_live *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

static void add(struct fold_site *site, const struct vx_probe_live *one)
{
	if (!site->objects)
		site->first_step = one->step;
	if (!site->objects || site->last_step != one->step)
		site->steps++;
	site->last_step = one->step;
	site->objects++;
	site->bytes += one->bytes;
}

size_t alloc_fold(struct vx_probe_live *live, size_t n, struct fold_site *ret)
{
	size_t sites = 0;

	if (n)
		qsort(live, n, sizeof(*live), compare);
	for (size_t i = 0; i < n; i++) {
		if (!i || live[i].site != live[i - 1].site)
			ret[sites++] = (struct fold_site){ .site = live[i].site };
		add(&ret[sites - 1], &live[i]);
	}
	return sites;
}

/* --- of a stack ----------------------------------------------------------------------- */

#define SLAB	(1u << VX_ALLOC_KMALLOC | 1u << VX_ALLOC_CACHE)
#define PERCPU	(1u << VX_ALLOC_PERCPU)
#define VMALLOC	(1u << VX_ALLOC_VMALLOC)
#define PAGES	(1u << VX_ALLOC_PAGES)
#define ANY	(SLAB | PERCPU | VMALLOC | PAGES)

/*
 * Functions that allocate for their callers, by the kinds they do it with; what they need of other kinds is their own
 * business, as are all needs of those with none. Without what compilers and configurations append: "_noprof", ".isra.0".
 */
static const struct {
	const char *name;
	unsigned int kinds;
} allocators[] = {
	/* slab */
	{ "kmalloc", SLAB }, { "__kmalloc", SLAB }, { "__do_kmalloc_node", SLAB }, { "__kmalloc_cache", SLAB },
	{ "__kmalloc_cache_node", SLAB }, { "__kmalloc_node", SLAB }, { "__kmalloc_node_track_caller", SLAB },
	{ "__kmalloc_track_caller", SLAB }, { "kmalloc_trace", SLAB }, { "kmalloc_node_trace", SLAB },
	{ "kmalloc_large", SLAB }, { "kmalloc_large_node", SLAB }, { "__kmalloc_large", SLAB },
	{ "__kmalloc_large_node", SLAB }, { "___kmalloc_large_node", SLAB }, { "kmalloc_order", SLAB },
	{ "kmalloc_order_trace", SLAB }, { "kmem_cache_alloc", SLAB }, { "kmem_cache_alloc_trace", SLAB },
	{ "kmem_cache_alloc_node", SLAB }, { "kmem_cache_alloc_node_trace", SLAB }, { "kmem_cache_alloc_lru", SLAB },
	{ "__kmem_cache_alloc_node", SLAB }, { "__kmem_cache_alloc_lru", SLAB }, { "kmem_cache_alloc_bulk", SLAB },
	{ "___slab_alloc", 0 }, { "__slab_alloc", 0 }, { "allocate_slab", 0 }, { "new_slab", 0 },
	{ "alloc_slab_page", 0 }, { "alloc_slab_obj_exts", 0 }, { "memcg_alloc_slab_cgroups", 0 },
	{ "memcg_alloc_page_obj_cgroups", 0 }, { "__memcg_slab_post_alloc_hook", 0 }, { "kfence_guarded_alloc", 0 },
	{ "krealloc", SLAB }, { "__do_krealloc", SLAB }, { "kvmalloc_node", SLAB | VMALLOC },
	{ "__kvmalloc_node", SLAB | VMALLOC }, { "kvrealloc", SLAB | VMALLOC }, { "kvmemdup", SLAB | VMALLOC },
	{ "kmemdup", SLAB }, { "kmemdup_array", SLAB }, { "kmemdup_nul", SLAB }, { "kstrdup", SLAB },
	{ "kstrdup_const", SLAB }, { "kstrndup", SLAB }, { "kasprintf", SLAB }, { "kvasprintf", SLAB },
	{ "kvasprintf_const", SLAB }, { "memdup_user", SLAB }, { "memdup_user_nul", SLAB },
	{ "vmemdup_user", SLAB | VMALLOC }, { "strndup_user", SLAB },
	{ "mempool_alloc", ANY }, { "mempool_alloc_slab", ANY }, { "mempool_kmalloc", ANY },
	{ "mempool_alloc_pages", ANY }, { "mempool_init_node", ANY }, { "mempool_init", ANY },
	{ "mempool_create_node", ANY }, { "mempool_create", ANY },
	/* per CPU */
	{ "pcpu_alloc", PERCPU }, { "__alloc_percpu", PERCPU }, { "__alloc_percpu_gfp", PERCPU },
	{ "pcpu_create_chunk", 0 }, { "pcpu_alloc_chunk", 0 }, { "pcpu_mem_zalloc", 0 }, { "pcpu_populate_chunk", 0 },
	{ "pcpu_alloc_pages", 0 }, { "pcpu_get_vm_areas", 0 }, { "pcpu_balance_populated", 0 },
	/* vmalloc */
	{ "alloc_vmap_area", VMALLOC }, { "__get_vm_area_node", VMALLOC }, { "__get_vm_area_caller", VMALLOC },
	{ "get_vm_area", VMALLOC }, { "get_vm_area_caller", VMALLOC }, { "__vmalloc_node_range", VMALLOC },
	{ "__vmalloc_area_node", VMALLOC }, { "__vmalloc_node", VMALLOC }, { "__vmalloc", VMALLOC },
	{ "vmalloc", VMALLOC }, { "vzalloc", VMALLOC }, { "vmalloc_user", VMALLOC }, { "vmalloc_node", VMALLOC },
	{ "vzalloc_node", VMALLOC }, { "vmalloc_huge", VMALLOC }, { "vmalloc_huge_node", VMALLOC },
	{ "vmalloc_32", VMALLOC }, { "vmalloc_32_user", VMALLOC }, { "vmap", VMALLOC }, { "vmap_pfn", VMALLOC },
	{ "vm_map_ram", VMALLOC }, { "vm_area_alloc_pages", 0 }, { "new_vmap_block", 0 }, { "vb_alloc", 0 },
	{ "preload_this_cpu_lock", 0 }, { "purge_vmap_node", 0 }, { "insert_vmap_area_augment", 0 },
	/* pages */
	{ "get_page_from_freelist", PAGES }, { "__alloc_pages", PAGES }, { "__alloc_pages_nodemask", PAGES },
	{ "__alloc_frozen_pages", PAGES }, { "alloc_frozen_pages", PAGES }, { "alloc_pages", PAGES },
	{ "alloc_pages_current", PAGES }, { "alloc_pages_mpol", PAGES }, { "alloc_pages_node", PAGES },
	{ "alloc_pages_exact", PAGES }, { "alloc_pages_bulk", PAGES }, { "__alloc_pages_bulk", PAGES },
	{ "get_free_pages", PAGES }, { "__get_free_pages", PAGES }, { "get_zeroed_page", PAGES },
	{ "folio_alloc", PAGES }, { "__folio_alloc", PAGES }, { "folio_alloc_mpol", PAGES },
	{ "filemap_alloc_folio", PAGES }, { "__page_cache_alloc", PAGES }, { "vma_alloc_folio", PAGES },
	{ "alloc_pages_vma", PAGES }, { "alloc_pages_slowpath", PAGES }, { "__alloc_pages_slowpath", PAGES },
	/* page tables, and the memory of our own process */
	{ "__pte_alloc", 0 }, { "__pte_alloc_kernel", 0 }, { "pte_alloc_one", 0 }, { "__pmd_alloc", 0 },
	{ "__pud_alloc", 0 }, { "__p4d_alloc", 0 }, { "do_anonymous_page", 0 }, { "alloc_anon_folio", 0 },
	{ "folio_prealloc", 0 }, { "wp_page_copy", 0 }, { "do_wp_page", 0 }, { "do_cow_fault", 0 },
	{ "__handle_mm_fault", 0 }, { "handle_mm_fault", 0 }, { "alloc_zeroed_user_highpage_movable", 0 },
	{ "__change_page_attr_set_clr", 0 }, { "__change_page_attr", 0 }, { "split_large_page", 0 },
	{ "__split_large_page", 0 }, { "alloc_pte_page", 0 }, { "alloc_pmd_page", 0 },
	{ "vma_alloc_zeroed_movable_folio", 0 }, { "do_huge_pmd_anonymous_page", 0 },
};

static bool is_suffix(const char *rest)
{
	if (!strncmp(rest, "_noprof", 7))
		rest += 7;
	return !*rest || *rest == '.';
}

/* -1: no allocator. */
static int kinds_of(const char *name)
{
	for (size_t i = 0; i < sizeof(allocators) / sizeof(allocators[0]); i++) {
		size_t len = strlen(allocators[i].name);

		if (!strncmp(name, allocators[i].name, len) && is_suffix(name + len))
			return (int)allocators[i].kinds;
	}
	return -1;
}

bool alloc_is_tracing(const char *name, const char *module)
{
	static const char *const begins[] = {
		"bpf_prog_", "bpf_trampoline_", "bpf_trace_", "__bpf_trace_", "bpf_get_stack", "bpf_dispatcher_",
		"__traceiter_", "__tracepoint_", "ftrace_",
	};

	if (!strcmp(module, "bpf"))
		return true;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (!strncmp(name, begins[i], strlen(begins[i])))
			return true;
	return false;
}

/* Large vmalloc()s take the array of their pages from themselves. */
static bool is_nested(const char *name, bool *seen)
{
	static const char again[] = "__vmalloc_node_range";
	bool was = *seen;

	if (strncmp(name, again, sizeof(again) - 1) || !is_suffix(name + sizeof(again) - 1))
		return false;
	*seen = true;
	return was;
}

int alloc_first_frame(enum vx_alloc_kind kind, const char *const *names, int n, int call)
{
	int at = call < n ? call : 0;
	bool seen = false;

	/* Frames without a name in front of the allocator are trampolines. */
	while (call >= n && at < n && !names[at])
		at++;
	if (at == n)
		return 0;
	for (; at < n && names[at]; at++) {
		int kinds = kinds_of(names[at]);

		if (kinds < 0)
			return at;
		if (!(kinds & 1 << kind) || is_nested(names[at], &seen))
			return -1;
	}
	return at < n ? at : n - 1;
}
