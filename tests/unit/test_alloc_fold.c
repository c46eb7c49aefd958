// SPDX-License-Identifier: GPL-2.0
/* What is outstanding summed up by site, and stacks cut to what is of interest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "alloc_fold.h"

static void test_empty(void **state)
{
	struct fold_site ret[1];

	assert_int_equal(alloc_fold(NULL, 0, ret), 0);
}

static void test_sums(void **state)
{
	struct vx_probe_live live[] = {
		{ .site = 9, .step = 5, .bytes = 10 }, { .site = 3, .step = 7, .bytes = 1 },
		{ .site = 9, .step = 2, .bytes = 20 }, { .site = 9, .step = 5, .bytes = 30 },
		{ .site = 3, .step = 0, .bytes = 2 }, { .site = UINT64_MAX, .step = 1, .bytes = UINT64_MAX },
	};
	struct fold_site ret[6];

	assert_int_equal(alloc_fold(live, 6, ret), 3);
	assert_int_equal(ret[0].site, 3);
	assert_int_equal(ret[0].objects, 2);
	assert_int_equal(ret[0].bytes, 3);
	assert_int_equal(ret[0].steps, 2);
	assert_int_equal(ret[0].first_step, 0);
	assert_int_equal(ret[0].last_step, 7);
	assert_int_equal(ret[1].site, 9);
	assert_int_equal(ret[1].objects, 3);
	assert_int_equal(ret[1].bytes, 60);
	assert_int_equal(ret[1].steps, 2);
	assert_int_equal(ret[1].first_step, 2);
	assert_int_equal(ret[1].last_step, 5);
	assert_true(ret[2].site == UINT64_MAX && ret[2].bytes == UINT64_MAX && ret[2].objects == 1);
}

#define FIRST(kind, call, ...) ({					\
	const char *const names_[] = { __VA_ARGS__ };			\
	int n_ = sizeof(names_) / sizeof(names_[0]);			\
									\
	alloc_first_frame(kind, names_, n_, (call) < 0 ? n_ : (call));	\
})

static void test_first_frame(void **state)
{
	/* The kernel names the caller. */
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 2, "__kmalloc_cache_noprof", "x", "ext4_fill_super", "vfs_get_tree"), 2);
	/* The caller is a wrapper. */
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 1, "__kmalloc_node_noprof", "__kvmalloc_node_noprof", "ext4_kvmalloc"), 2);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 1, "__kmalloc_node_track_caller_noprof", "kstrdup.part.0", "f"), 2);
	/* It is to be found behind the allocator. */
	assert_int_equal(FIRST(VX_ALLOC_VMALLOC, -1, "alloc_vmap_area", "__get_vm_area_node", "__vmalloc_node_range_noprof",
			       "vmalloc_noprof", "f"), 4);
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, NULL, "__alloc_pages_noprof", "alloc_pages_mpol_noprof", "f", "g"), 3);
	/* Names that only begin like an allocator's. */
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_mpol_noprof", "alloc_pages_of_mine"), 1);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 0, "kmallocator", "f"), 0);
}

static void test_own_needs(void **state)
{
	/* A slab's pages; a large kmalloc's; those of vmalloc; its area's description; page tables; a process' memory. */
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_noprof", "allocate_slab", "___slab_alloc", "f"), -1);
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_noprof", "___kmalloc_large_node", "f"), -1);
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_noprof", "__vmalloc_node_range_noprof", "f"), -1);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 1, "__kmalloc_node_noprof", "__get_vm_area_node.isra.0", "vmalloc", "f"), -1);
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_noprof", "__pte_alloc_kernel", "f"), -1);
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "vma_alloc_folio_noprof", "do_anonymous_page", "f"), -1);
	/* The array of a large vmalloc's pages. */
	assert_int_equal(FIRST(VX_ALLOC_VMALLOC, -1, "alloc_vmap_area", "__vmalloc_node_range_noprof",
			       "__vmalloc_node_noprof", "__vmalloc_node_range_noprof", "vmalloc_noprof", "f"), -1);
	/* The pages that page tables of the direct map are split into. */
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, "alloc_pages_noprof", "__change_page_attr_set_clr", "f"), -1);
}

/* Nothing known, or nothing but allocators: told as it is, never out of bounds. */
static void test_odd_stacks(void **state)
{
	assert_int_equal(FIRST(VX_ALLOC_PAGES, -1, NULL, NULL), 0);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 0, (const char *)NULL), 0);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, 0, "kstrdup", NULL, "f"), 1);
	assert_int_equal(FIRST(VX_ALLOC_KMALLOC, -1, "__kmalloc", "kmemdup_noprof"), 1);
}

static void test_tracing(void **state)
{
	assert_true(alloc_is_tracing("anything", "bpf"));
	assert_true(alloc_is_tracing("bpf_trampoline_6442490506", ""));
	assert_true(alloc_is_tracing("__bpf_trace_kmalloc", ""));
	assert_false(alloc_is_tracing("bpf_map_update_elem", ""));
	assert_false(alloc_is_tracing("ext4_fill_super", "ext4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_first_frame),
		cmocka_unit_test(test_own_needs),
		cmocka_unit_test(test_odd_stacks),
		cmocka_unit_test(test_tracing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
