/* SPDX-License-Identifier: GPL-2.0 */
/* From an address of the kernel's linear map to the page and the slab that it lies in. */
#ifndef VEXLAB_OBJECT_BPF_H
#define VEXLAB_OBJECT_BPF_H

#include "core_fixes.bpf.h"

#define PAGE_SHIFT	12

/* Addresses of the kernel's variables; user space finds them. 0: unknown. */
const volatile __u64 page_offset_base_at = 0;
const volatile __u64 vmemmap_base_at = 0;

/* NULL: not of the linear map, or not to be told. */
static __always_inline struct page *object_page(__u64 address)
{
	__u64 page_offset = 0, vmemmap = 0, pfn;

	bpf_probe_read_kernel(&page_offset, sizeof(page_offset), (void *)page_offset_base_at);
	bpf_probe_read_kernel(&vmemmap, sizeof(vmemmap), (void *)vmemmap_base_at);
	if (!page_offset || !vmemmap || address < page_offset || address >= vmemmap)
		return NULL;
	pfn = (address - page_offset) >> PAGE_SHIFT;
	return (void *)(vmemmap + pfn * bpf_core_type_size(struct page));
}

/* The page that speaks for all of its compound page. */
static __always_inline struct page *object_head(__u64 address)
{
	struct page *page = object_page(address);

	return page ? fix_compound_head(page) : NULL;
}

#endif
