// SPDX-License-Identifier: GPL-2.0
/*
 * The allocators and their counterparts that a module can call, each as
 * vexprobe_NAME: does what NAME does and writes it down. The host binds them in
 * place of NAME in the file of a module under test (runner/scenario/bind.c). Which
 * ones there are it reads in our file, so that one more is one more here.
 *
 * Since 6.10 (7bd230a26648) the functions behind the macros end in _noprof;
 * NAME_OF() is that. A wrapper is what a module's object file refers to, so
 * what is inline in the kernel's headers has none and needs none.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "calls.h"
#include "inject.h"
#include "locks.h"
#include "wrap.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define NAME_OF(name)	name##_noprof
#else
#define NAME_OF(name)	name
#endif

/* For those that are not told any: a parameter of this name hides it. */
static const gfp_t gfp = GFP_KERNEL;

/* The name of what a wrapper stands for. */
#define WRAPPED		(__func__ + sizeof(VX_CALLS_PREFIX) - 1)

/* What allocates, `call` in its words; `refused`: what it returns when it is to fail (inject.h). */
#define ALLOCATES_OR(refused, type, name, kind, bytes, call, ...)		\
	WRAPPER(type, name, __VA_ARGS__)					\
	{									\
		type ret_;							\
										\
		if (inject_wrapped(WRAPPED, gfp, 0, _RET_IP_))			\
			return (type)refused;					\
		delay_here(_RET_IP_, DELAY_ALLOC);				\
		ret_ = name call;						\
		inject_unwrap();						\
		return added(ret_, bytes, kind, _RET_IP_);			\
	}
#define ALLOCATES(type, name, kind, bytes, call, ...)				\
	ALLOCATES_OR(NULL, type, name, kind, bytes, call, __VA_ARGS__)

#define FREES(name, call, object, ...)						\
	WRAPPER(void, name, __VA_ARGS__)					\
	{									\
		delay_here(_RET_IP_, DELAY_FREE);				\
		removed(object);						\
		name call;							\
	}

/* Nothing, an error, or ZERO_SIZE_PTR: no object. */
static inline bool is_object(const void *object)
{
	return !ZERO_OR_NULL_PTR(object) && !IS_ERR(object);
}

static inline void *add(void *object, size_t bytes, enum vx_alloc_kind kind, unsigned long site)
{
	if (is_object(object))
		calls_add((unsigned long)object, bytes, kind, site);
	return object;
}

#define added(object, bytes, kind, site) \
	((typeof(object))(unsigned long)add((void *)(unsigned long)(object), bytes, kind, site))

static inline void removed(const void *object)
{
	/* Before it is given back: from then on its address may be anybody's. */
	if (is_object(object))
		calls_remove((unsigned long)object);
}

/* ---- kmalloc --------------------------------------------------------------------------------- */

#define KMALLOC(name, bytes, call, ...)	ALLOCATES(void *, name, VX_ALLOC_KMALLOC, bytes, call, __VA_ARGS__)

#ifdef DECL_KMALLOC_PARAMS
/* 7.x: buckets and type tokens, which only some configurations pass on, and an alignment for kvmalloc. */
KMALLOC(NAME_OF(__kmalloc), size, (PASS_TOKEN_PARAMS(size, token), gfp), DECL_TOKEN_PARAMS(size, token), gfp_t gfp)
KMALLOC(NAME_OF(__kmalloc_node), size, (PASS_KMALLOC_PARAMS(size, b, token), gfp, node),
	DECL_KMALLOC_PARAMS(size, b, token), gfp_t gfp, int node)
KMALLOC(NAME_OF(__kmalloc_node_track_caller), size, (PASS_KMALLOC_PARAMS(size, b, token), gfp, node, caller),
	DECL_KMALLOC_PARAMS(size, b, token), gfp_t gfp, int node, unsigned long caller)
KMALLOC(NAME_OF(__kvmalloc_node), size, (PASS_KMALLOC_PARAMS(size, b, token), align, gfp, node),
	DECL_KMALLOC_PARAMS(size, b, token), unsigned long align, gfp_t gfp, int node)
#else
KMALLOC(NAME_OF(__kmalloc), size, (size, gfp), size_t size, gfp_t gfp)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
/* 6.11 67f2df3b82d0: the buckets, which only some configurations pass on. */
KMALLOC(NAME_OF(__kmalloc_node), size, (PASS_BUCKET_PARAMS(size, b), gfp, node),
	DECL_BUCKET_PARAMS(size, b), gfp_t gfp, int node)
KMALLOC(NAME_OF(__kmalloc_node_track_caller), size, (PASS_BUCKET_PARAMS(size, b), gfp, node, caller),
	DECL_BUCKET_PARAMS(size, b), gfp_t gfp, int node, unsigned long caller)
KMALLOC(NAME_OF(__kvmalloc_node), size, (PASS_BUCKET_PARAMS(size, b), gfp, node),
	DECL_BUCKET_PARAMS(size, b), gfp_t gfp, int node)
#else
KMALLOC(NAME_OF(__kmalloc_node), size, (size, gfp, node), size_t size, gfp_t gfp, int node)
KMALLOC(NAME_OF(kvmalloc_node), size, (size, gfp, node), size_t size, gfp_t gfp, int node)
#endif
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
/* 6.11 a0a44d9175b3: the size comes last. */
KMALLOC(NAME_OF(__kmalloc_cache), size, (cache, gfp, size), struct kmem_cache *cache, gfp_t gfp, size_t size)
KMALLOC(NAME_OF(__kmalloc_cache_node), size, (cache, gfp, node, size),
	struct kmem_cache *cache, gfp_t gfp, int node, size_t size)
KMALLOC(NAME_OF(__kmalloc_large), size, (size, gfp), size_t size, gfp_t gfp)
KMALLOC(NAME_OF(__kmalloc_large_node), size, (size, gfp, node), size_t size, gfp_t gfp, int node)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
KMALLOC(NAME_OF(kmalloc_trace), size, (cache, gfp, size), struct kmem_cache *cache, gfp_t gfp, size_t size)
KMALLOC(NAME_OF(kmalloc_node_trace), size, (cache, gfp, node, size),
	struct kmem_cache *cache, gfp_t gfp, int node, size_t size)
KMALLOC(NAME_OF(kmalloc_large), size, (size, gfp), size_t size, gfp_t gfp)
KMALLOC(NAME_OF(kmalloc_large_node), size, (size, gfp, node), size_t size, gfp_t gfp, int node)
#else
KMALLOC(kmem_cache_alloc_trace, size, (cache, gfp, size), struct kmem_cache *cache, gfp_t gfp, size_t size)
KMALLOC(kmalloc_order, size, (size, gfp, order), size_t size, gfp_t gfp, unsigned int order)
KMALLOC(kmalloc_order_trace, size, (size, gfp, order), size_t size, gfp_t gfp, unsigned int order)
KMALLOC(__kmalloc_track_caller, size, (size, gfp, caller), size_t size, gfp_t gfp, unsigned long caller)
#endif

/* `call`, after which `old` is no more, unless it was refused. */
#define REALLOCATES(name, call, ...)							\
	WRAPPER(void *, name, const void *old, __VA_ARGS__)				\
	{										\
		void *ret;								\
											\
		if (inject_wrapped(WRAPPED, gfp, size, _RET_IP_))			\
			return NULL;							\
		ret = name call;							\
		inject_unwrap();							\
		if (!ret)								\
			return NULL;							\
		removed(old);								\
		return added(ret, size, VX_ALLOC_KMALLOC, _RET_IP_);			\
	}

#ifdef DECL_KMALLOC_PARAMS
REALLOCATES(krealloc_node_align_noprof, (old, PASS_TOKEN_PARAMS(size, token), align, gfp, node),
	    DECL_TOKEN_PARAMS(size, token), unsigned long align, gfp_t gfp, int node)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
REALLOCATES(krealloc_node_align_noprof, (old, size, align, gfp, node), size_t size, unsigned long align, gfp_t gfp, int node)
#else
REALLOCATES(NAME_OF(krealloc), (old, size, gfp), size_t size, gfp_t gfp)
#endif

KMALLOC(NAME_OF(kmemdup), size, (from, size, gfp), const void *from, size_t size, gfp_t gfp)
/* They tell why. */
#define COPIES_USER(type, name, bytes, call, ...) \
	ALLOCATES_OR(ERR_PTR(-ENOMEM), type, name, VX_ALLOC_KMALLOC, bytes, call, __VA_ARGS__)

KMALLOC(kmemdup_nul, size + 1, (from, size, gfp), const char *from, size_t size, gfp_t gfp)
COPIES_USER(void *, memdup_user, size, (from, size), const void __user *from, size_t size)
COPIES_USER(void *, memdup_user_nul, size + 1, (from, size), const void __user *from, size_t size)
COPIES_USER(void *, vmemdup_user, size, (from, size), const void __user *from, size_t size)

#define KSTRDUP(type, name, call, ...)	\
	ALLOCATES(type, name, VX_ALLOC_KMALLOC, is_object(ret_) ? strlen(ret_) + 1 : 0, call, __VA_ARGS__)

KSTRDUP(char *, kstrdup, (from, gfp), const char *from, gfp_t gfp)
KSTRDUP(char *, kstrndup, (from, max, gfp), const char *from, size_t max, gfp_t gfp)
COPIES_USER(char *, strndup_user, is_object(ret_) ? strlen(ret_) + 1 : 0, (from, max), const char __user *from, long max)
KSTRDUP(char *, kvasprintf, (gfp, format, args), gfp_t gfp, const char *format, va_list args)

/* Of a constant it makes no copy, and we cannot tell: where it allocates, the hooks see that (inject_hooks.c). */
WRAPPER(const char *, kstrdup_const, const char *from, gfp_t gfp)
{
	const char *ret = kstrdup_const(from, gfp);

	return added(ret, is_object(ret) ? strlen(ret) + 1 : 0, VX_ALLOC_KMALLOC, _RET_IP_);
}

WRAPPER(char *, kasprintf, gfp_t gfp, const char *format, ...)
{
	va_list args;
	char *ret;

	if (inject_wrapped(WRAPPED, gfp, 0, _RET_IP_))
		return NULL;
	va_start(args, format);
	ret = kvasprintf(gfp, format, args);
	va_end(args);
	inject_unwrap();
	return added(ret, ret ? strlen(ret) + 1 : 0, VX_ALLOC_KMALLOC, _RET_IP_);
}

FREES(kfree, (object), object, const void *object)
FREES(kfree_sensitive, (object), object, const void *object)
FREES(kfree_const, (object), object, const void *object)
FREES(kvfree, (object), object, const void *object)
FREES(kvfree_sensitive, (object, size), object, const void *object, size_t size)
/* Whose freeing is settled: from here on it is RCU's. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
FREES(kvfree_call_rcu, (head, object), object, struct kvfree_rcu_head *head, void *object)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
FREES(kvfree_call_rcu, (head, object), object, struct rcu_head *head, void *object)
#endif

/* ---- caches of one kind ---------------------------------------------------------------------- */

#define CACHE(name, call, ...)	\
	ALLOCATES(void *, name, VX_ALLOC_CACHE, kmem_cache_size(cache), call, __VA_ARGS__)

CACHE(NAME_OF(kmem_cache_alloc), (cache, gfp), struct kmem_cache *cache, gfp_t gfp)
CACHE(NAME_OF(kmem_cache_alloc_node), (cache, gfp, node), struct kmem_cache *cache, gfp_t gfp, int node)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
CACHE(NAME_OF(kmem_cache_alloc_lru), (cache, lru, gfp), struct kmem_cache *cache, struct list_lru *lru, gfp_t gfp)
#endif

WRAPPER(int, NAME_OF(kmem_cache_alloc_bulk), struct kmem_cache *cache, gfp_t gfp, size_t n, void **ret)
{
	int got, i;

	if (inject_wrapped(WRAPPED, gfp, n * kmem_cache_size(cache), _RET_IP_))
		return 0;
	got = NAME_OF(kmem_cache_alloc_bulk)(cache, gfp, n, ret);
	inject_unwrap();
	for (i = 0; i < got; i++)
		add(ret[i], kmem_cache_size(cache), VX_ALLOC_CACHE, _RET_IP_);
	return got;
}

FREES(kmem_cache_free, (cache, object), object, struct kmem_cache *cache, void *object)

WRAPPER(void, kmem_cache_free_bulk, struct kmem_cache *cache, size_t n, void **objects)
{
	size_t i;

	for (i = 0; i < n; i++)
		removed(objects[i]);
	kmem_cache_free_bulk(cache, n, objects);
}

/* ---- by address space, by CPU ---------------------------------------------------------------- */

#define VMALLOC(name, call, ...)	ALLOCATES(void *, name, VX_ALLOC_VMALLOC, size, call, __VA_ARGS__)

VMALLOC(NAME_OF(vmalloc), (size), unsigned long size)
VMALLOC(NAME_OF(vzalloc), (size), unsigned long size)
VMALLOC(NAME_OF(vmalloc_user), (size), unsigned long size)
VMALLOC(NAME_OF(vmalloc_32), (size), unsigned long size)
VMALLOC(NAME_OF(vmalloc_node), (size, node), unsigned long size, int node)
VMALLOC(NAME_OF(vzalloc_node), (size, node), unsigned long size, int node)
VMALLOC(NAME_OF(__vmalloc), (size, gfp), unsigned long size, gfp_t gfp)
ALLOCATES(void *, vmap, VX_ALLOC_VMALLOC, (size_t)count << PAGE_SHIFT, (pages, count, flags, prot),
	  struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)
FREES(vfree, (object), object, const void *object)
FREES(vunmap, (object), object, const void *object)

#define PERCPU(name, call, ...)	ALLOCATES(void __percpu *, name, VX_ALLOC_PERCPU, size, call, __VA_ARGS__)

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
PERCPU(pcpu_alloc_noprof, (size, align, reserved, gfp), size_t size, size_t align, bool reserved, gfp_t gfp)
#else
PERCPU(__alloc_percpu, (size, align), size_t size, size_t align)
PERCPU(__alloc_percpu_gfp, (size, align, gfp), size_t size, size_t align, gfp_t gfp)
#endif
FREES(free_percpu, (object), (const void *)(unsigned long)object, void __percpu *object)

/* ---- pages ----------------------------------------------------------------------------------- */

/* By the address of struct page; what is told by an address in memory is told by its page too. */
#define PAGES(name, call, ...)	\
	ALLOCATES(struct page *, name, VX_ALLOC_PAGES, PAGE_SIZE << order, call, __VA_ARGS__)

static inline const void *page_of(unsigned long address)
{
	return address ? virt_to_page((void *)address) : NULL;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
/* No module reaches it any longer. */
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 13, 0)
PAGES(NAME_OF(__alloc_pages), (gfp, order, node, nodes), gfp_t gfp, unsigned int order, int node, nodemask_t *nodes)
#else
PAGES(__alloc_pages_nodemask, (gfp, order, node, nodes), gfp_t gfp, unsigned int order, int node, nodemask_t *nodes)
#endif
#ifdef CONFIG_NUMA
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 13, 0)
PAGES(NAME_OF(alloc_pages), (gfp, order), gfp_t gfp, unsigned int order)
#else
PAGES(alloc_pages_current, (gfp, order), gfp_t gfp, unsigned int order)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 16, 0)
ALLOCATES(struct folio *, NAME_OF(folio_alloc), VX_ALLOC_PAGES, PAGE_SIZE << order, (gfp, order),
	  gfp_t gfp, unsigned int order)
#endif
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define GET_FREE_PAGES	get_free_pages_noprof
#else
#define GET_FREE_PAGES	__get_free_pages
#endif

WRAPPER(unsigned long, GET_FREE_PAGES, gfp_t gfp, unsigned int order)
{
	unsigned long ret;

	if (inject_wrapped(WRAPPED, gfp, PAGE_SIZE << order, _RET_IP_))
		return 0;
	ret = GET_FREE_PAGES(gfp, order);
	inject_unwrap();
	add((void *)page_of(ret), PAGE_SIZE << order, VX_ALLOC_PAGES, _RET_IP_);
	return ret;
}

WRAPPER(unsigned long, NAME_OF(get_zeroed_page), gfp_t gfp)
{
	unsigned long ret;

	if (inject_wrapped(WRAPPED, gfp, PAGE_SIZE, _RET_IP_))
		return 0;
	ret = NAME_OF(get_zeroed_page)(gfp);
	inject_unwrap();
	add((void *)page_of(ret), PAGE_SIZE, VX_ALLOC_PAGES, _RET_IP_);
	return ret;
}

FREES(__free_pages, (page, order), page, struct page *page, unsigned int order)
FREES(free_pages, (address, order), page_of(address), unsigned long address, unsigned int order)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 16, 0)
/* Called when the last reference goes. */
FREES(__folio_put, (folio), folio, struct folio *folio)
#else
FREES(__put_page, (page), page, struct page *page)
#endif
