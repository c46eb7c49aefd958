// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that the kernel makes on the target's behalf (new_inode(), sb_bread()...), those of modules that are not
 * bound to our wrappers, and block requests: kprobes at the functions' entries, which send the call to a stub of ours
 * when it is to fail. Only such probes as stand on ftrace: an int3 would make each context look like an NMI.
 */
#include <linux/blkdev.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "inject.h"

#define STACK_DEPTH	48
#define ENTRY_BYTES	32	/* of a function: what ftrace patches lies in there */
#define CLASS_SLOTS	8192	/* a power of two */

enum whose { UNKNOWN = 0, TARGETS, ALLOCATORS, OTHERS };

struct hook {
	struct kprobe probe;
	const char *name;
	unsigned int gfp_arg;	/* which argument, from 1 */
	unsigned int size_arg;	/* 0: not among them */
	bool alternative;	/* only if the one before it is not there */
};

#ifdef CONFIG_SLAB_BUCKETS
#define BUCKET_ARG	1
#else
#define BUCKET_ARG	0
#endif

static int on_alloc(struct kprobe *probe, struct pt_regs *regs);
static int on_bio(struct kprobe *probe, struct pt_regs *regs);

/* 7.x: kvmalloc is told an alignment, in front of its flags; it came with the word for parameters that is asked for here. */
#ifdef DECL_KMALLOC_PARAMS
#define ALIGN_ARG	1
#else
#define ALIGN_ARG	0
#endif

#define ALLOC(name_, gfp, size, ...)	{ .name = name_, .gfp_arg = gfp, .size_arg = size, ##__VA_ARGS__ }

/* Of any kernel from 5.10 on; what a kernel does not have is left out. */
static struct hook allocators[] = {
	ALLOC("__kmalloc_noprof", 2, 1),
	ALLOC("__kmalloc", 2, 1),
	ALLOC("__kmalloc_node_noprof", 2 + BUCKET_ARG, 1),
	ALLOC("__kmalloc_node", 2, 1),
	ALLOC("__kmalloc_node_track_caller_noprof", 2 + BUCKET_ARG, 1),
	ALLOC("__kmalloc_node_track_caller", 2, 1),
	ALLOC("__kmalloc_track_caller", 2, 1),
	ALLOC("__kmalloc_cache_noprof", 2, 3),
	ALLOC("__kmalloc_cache_node_noprof", 2, 4),
	ALLOC("kmalloc_trace", 2, 3),
	ALLOC("kmalloc_node_trace", 2, 4),
	ALLOC("kmem_cache_alloc_trace", 2, 3),
	ALLOC("kmem_cache_alloc_node_trace", 2, 4),
	ALLOC("__kmalloc_large_noprof", 2, 1),
	ALLOC("__kmalloc_large_node_noprof", 2, 1),
	ALLOC("kmalloc_large", 2, 1),
	ALLOC("kmem_cache_alloc_noprof", 2, 0),
	ALLOC("kmem_cache_alloc", 2, 0),
	ALLOC("kmem_cache_alloc_lru_noprof", 3, 0),
	ALLOC("kmem_cache_alloc_lru", 3, 0),
	ALLOC("kmem_cache_alloc_node_noprof", 2, 0),
	ALLOC("kmem_cache_alloc_node", 2, 0),
	ALLOC("kmem_cache_alloc_bulk_noprof", 2, 0),
	ALLOC("kmem_cache_alloc_bulk", 2, 0),
	ALLOC("krealloc_noprof", 3, 2),
	ALLOC("krealloc", 3, 2),
	ALLOC("krealloc_node_align_noprof", 4, 2),
	ALLOC("__kvmalloc_node_noprof", 2 + BUCKET_ARG + ALIGN_ARG, 1),
	ALLOC("kvmalloc_node", 2, 1),
	ALLOC("__vmalloc_node_range_noprof", 5, 1),
	ALLOC("__vmalloc_node_range", 5, 1),
	ALLOC("pcpu_alloc_noprof", 4, 1),
	ALLOC("pcpu_alloc", 4, 1),
	/* One calls the other. */
	ALLOC("__alloc_frozen_pages_noprof", 1, 0),
	ALLOC("__alloc_pages_noprof", 1, 0, .alternative = true),
	ALLOC("__alloc_pages", 1, 0, .alternative = true),
	ALLOC("__alloc_pages_nodemask", 1, 0, .alternative = true),
};

static struct hook block = { .name = "submit_bio_noacct" };

/* Words in the names of functions that allocate for an allocator's own needs, or for a page fault on top of the target. */
static const char *const innards[] = {
	"slab", "kmalloc_large", "memcg", "obj_cgroup", "kvmalloc", "vmalloc", "vmap_area", "pcpu_", "pte_alloc",
	"pmd_alloc", "pud_alloc", "p4d_alloc", "handle_mm_fault", "exc_page_fault", "do_user_addr_fault", "krealloc",
	"kasan", "stack_depot", "kmem_cache_alloc_bulk", "refill_obj", "get_partial",
};

static u32 hooked;		/* enum vx_inject_what */
static bool missing;

/* Of return addresses that were met before; written by the armed thread alone. */
static struct { unsigned long address; enum whose whose; } classes[CLASS_SLOTS];

void inject_hooks_forget(void)
{
	memset(classes, 0, sizeof(classes));
}

bool inject_hooks_missing(void)
{
	return missing;
}

/* ---- whose code it is ----------------------------------------------------------------------- */

static bool is_of_module(const char *symbol)
{
	const size_t len = strlen(injection.req.module);
	const char *open = len ? strstr(symbol, " [") : NULL;

	return open && !strncmp(open + 2, injection.req.module, len) && open[2 + len] == ']';
}

static bool has_prefix(const char *symbol)
{
	const size_t len = strlen(injection.req.prefix);

	while (*symbol == '_')
		symbol++;
	return len && !strncmp(symbol, injection.req.prefix, len) && symbol[len] == '_';
}

static enum whose look_up(unsigned long address)
{
	static char symbol[KSYM_SYMBOL_LEN];	/* the armed thread alone comes here */
	unsigned int i;

	/* A return address may stand behind its function's end. */
	if (!sprint_symbol_no_offset(symbol, address - 1))
		return OTHERS;
	if (is_of_module(symbol) || has_prefix(symbol))
		return TARGETS;
	for (i = 0; i < ARRAY_SIZE(innards); i++)
		if (strstr(symbol, innards[i]))
			return ALLOCATORS;
	return OTHERS;
}

static enum whose whose_is(unsigned long address)
{
	const u32 slot = (address ^ address >> 13) & (CLASS_SLOTS - 1);

	if (classes[slot].address != address) {
		classes[slot].whose = look_up(address);
		classes[slot].address = address;
	}
	return classes[slot].whose;
}

/*
 * The target's innermost frame; 0: it is not its allocation. `probed`: the entry where we are. What lies on top of it is ours
 * and ftrace's, whose trampoline may lie where a module's init was, and bear its name (ftrace keeps that).
 */
static unsigned long targets_frame(unsigned long probed)
{
	static unsigned long stack[STACK_DEPTH];	/* the armed thread alone comes here, and does not meet itself */
	unsigned int n = stack_trace_save(stack, STACK_DEPTH, 0), i = 0;

	while (i < n && stack[i] - probed >= ENTRY_BYTES)
		i++;
	for (i++; i < n; i++) {
		switch (whose_is(stack[i])) {
		case TARGETS:
			return stack[i];
		case ALLOCATORS:
			return 0;
		default:
			break;
		}
	}
	return 0;
}

/* ---- the probes ------------------------------------------------------------------------------ */

/* In place of an allocator. */
static noinline notrace void *refuse(void)
{
	inject_took();
	return NULL;
}

/* In place of submit_bio_noacct(), which before 5.16 (3e08773c3841) returned a cookie. */
static noinline notrace unsigned long fail_bio(struct bio *bio)
{
	inject_took();
	bio_io_error(bio);
	return 0;
}

static int on_alloc(struct kprobe *probe, struct pt_regs *regs)
{
	const struct hook *hook = container_of(probe, struct hook, probe);
	unsigned long site;
	u64 bytes;

	if (likely(!inject_is_here()) || injection.wrapped || !(injection.req.what & VX_INJECT_ALLOC))
		return 0;
	if ((gfp_t)regs_get_kernel_argument(regs, hook->gfp_arg - 1) & __GFP_NOFAIL)
		return 0;
	site = targets_frame((unsigned long)probe->addr);
	bytes = hook->size_arg ? regs_get_kernel_argument(regs, hook->size_arg - 1) : 0;
	if (!site || !inject_next(VX_INJECT_ALLOC, hook->name, site, 0, bytes))
		return 0;
	instruction_pointer_set(regs, (unsigned long)refuse);
	return 1;
}

static enum vx_inject_what kind_of(const struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_FLUSH || (op_is_flush(bio->bi_opf) && !bio->bi_iter.bi_size))
		return VX_INJECT_FLUSH;
	return op_is_write(bio_op(bio)) ? VX_INJECT_WRITE : VX_INJECT_READ;
}

static int on_bio(struct kprobe *probe, struct pt_regs *regs)
{
	struct bio *bio = (struct bio *)regs_get_kernel_argument(regs, 0);

	if (likely(!READ_ONCE(injection.task)) || !(injection.req.what & ~VX_INJECT_ALLOC) ||
	    bio_dev(bio) != MKDEV(injection.req.major, injection.req.minor))
		return 0;
	if (!inject_next(kind_of(bio), block.name, 0, bio->bi_iter.bi_sector, bio->bi_iter.bi_size))
		return 0;
	instruction_pointer_set(regs, (unsigned long)fail_bio);
	return 1;
}

static bool hook_one(struct hook *hook, kprobe_pre_handler_t handler)
{
	memset(&hook->probe, 0, sizeof(hook->probe));
	hook->probe.symbol_name = hook->name;
	hook->probe.pre_handler = handler;
	if (register_kprobe(&hook->probe)) {
		hook->probe.addr = NULL;
		return false;
	}
	if (hook->probe.flags & KPROBE_FLAG_FTRACE)
		return true;
	unregister_kprobe(&hook->probe);
	hook->probe.addr = NULL;
	missing = true;
	return false;
}

static int hook_allocators(void)
{
	unsigned int i, n = 0;
	bool had = false;

	missing = false;
	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		if (allocators[i].alternative && had)
			continue;
		had = hook_one(&allocators[i], on_alloc);
		n += had;
	}
	return n ? 0 : -EOPNOTSUPP;
}

int inject_hook(u32 what)
{
	int err = 0;

	if (what & VX_INJECT_ALLOC && !(hooked & VX_INJECT_ALLOC)) {
		err = hook_allocators();
		if (!err)
			hooked |= VX_INJECT_ALLOC;
	}
	if (!err && what & ~VX_INJECT_ALLOC && !(hooked & ~VX_INJECT_ALLOC)) {
		if (!hook_one(&block, on_bio))
			return -EOPNOTSUPP;
		hooked |= VX_INJECT_ALL & ~VX_INJECT_ALLOC;
	}
	return err;
}

void inject_unhook(void)
{
	struct kprobe *probes[ARRAY_SIZE(allocators) + 1];
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		if (hooked & VX_INJECT_ALLOC && allocators[i].probe.addr)
			probes[n++] = &allocators[i].probe;
	}
	if (hooked & ~VX_INJECT_ALLOC)
		probes[n++] = &block.probe;
	/* One grace period for all. */
	if (n)
		unregister_kprobes(probes, n);
	hooked = 0;
}
