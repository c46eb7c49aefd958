/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernels that the programs must know, 5.10 to 7.x.
 * Asked by what the kernel has, never by its version; the branch that a kernel
 * cannot take is dead code to its verifier.
 */
#ifndef VEXLAB_CORE_FIXES_BPF_H
#define VEXLAB_CORE_FIXES_BPF_H

#include <vexlab/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

/* Entry point of a system call. */
#if defined(__TARGET_ARCH_x86)
#define VX_SYSCALL(name) "__x64_sys_" #name
#else
#error "name the system call entry points of this architecture here, its registers in vmlinux.h"
#endif

#define VX_MINOR_BITS	20	/* of the kernel's own dev_t, not of user space's */

/* ERR_PTR() is the last page. */
static __always_inline bool fix_is_err(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

/*
 * With CONFIG_IRQ_TIME_ACCOUNTING each CPU's run clock leaves out the time that
 * CPU spent in interrupts, so exec_start of two CPUs do not compare; rq has
 * prev_irq_time only then.
 */
static __always_inline bool fix_run_clock_per_cpu(void)
{
	return bpf_core_field_exists(struct rq, prev_irq_time);
}

/* Where the current task stands in the scheduler's books. */
struct fix_run_clock {
	__u64 off;		/* exec_start less what it ran: moves on by its time off CPU */
	__u64 ran;		/* these two only with clocks per CPU */
	__u64 migrations;
};

/*
 * bpf_get_current_task_btf() came with 3ca1032ab7ab ("bpf: Implement
 * get_current_task_btf and RET_PTR_TO_BTF_ID", 5.11) and spares a probe read
 * per member.
 */
static __always_inline bool fix_has_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
}

static __always_inline __u32 fix_tid(void)
{
	return fix_has_task_btf() ? (__u32)bpf_get_current_task_btf()->pid : (__u32)bpf_get_current_pid_tgid();
}

/* Out of line, so that it takes no registers from the others. */
static __noinline int fix_run_clock_by_probe(struct fix_run_clock *ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	ret->ran = BPF_CORE_READ(task, se.sum_exec_runtime);
	ret->off = BPF_CORE_READ(task, se.exec_start) - ret->ran;
	ret->migrations = BPF_CORE_READ(task, se.nr_migrations);
	return 0;
}

static __always_inline void fix_run_clock(struct fix_run_clock *ret)
{
	struct task_struct *task;

	if (!fix_has_task_btf()) {
		fix_run_clock_by_probe(ret);
		return;
	}
	task = bpf_get_current_task_btf();
	ret->off = task->se.exec_start - task->se.sum_exec_runtime;
	if (!fix_run_clock_per_cpu())
		return;
	ret->ran = task->se.sum_exec_runtime;
	ret->migrations = task->se.nr_migrations;
}

/* Brings `clock` up to date; ns off CPU since it was, of the `wall` ns that passed. */
static __always_inline __u64 fix_run_clock_advance(struct fix_run_clock *clock, __u64 wall)
{
	struct fix_run_clock last = { .off = clock->off };

	if (!fix_run_clock_per_cpu()) {
		fix_run_clock(clock);
		return clock->off - last.off;
	}
	last = *clock;
	fix_run_clock(clock);
	if (clock->migrations == last.migrations)
		return clock->off - last.off;
	/* Clocks do not compare: exact to a scheduler tick only. */
	last.ran = clock->ran - last.ran;
	return wall > last.ran ? wall - last.ran : 0;
}

/* Two loads where there is get_current_task_btf(), instead of a helper that pads a string. */
static __always_inline void fix_comm(char ret[VX_TASK_COMM_LEN])
{
	_Static_assert(VX_TASK_COMM_LEN == 16, "copied as two words");
	__u64 *name;

	if (!fix_has_task_btf()) {
		bpf_get_current_comm(ret, VX_TASK_COMM_LEN);
		return;
	}
	name = (__u64 *)bpf_get_current_task_btf()->comm;
	((__u64 *)ret)[0] = name[0];
	((__u64 *)ret)[1] = name[1];
}

/* ns the current task has waited for block I/O; false: delay accounting is off. */
static __always_inline bool fix_blkio_delay(__u64 *ret)
{
	struct task_delay_info *delays;
	struct task_struct *task;

	if (!bpf_core_field_exists(struct task_struct, delays))
		return false;
	if (fix_has_task_btf()) {
		delays = bpf_get_current_task_btf()->delays;
		if (!delays)
			return false;
		*ret = delays->blkio_delay;
		return true;
	}
	task = (void *)bpf_get_current_task();
	delays = BPF_CORE_READ(task, delays);
	if (!delays)
		return false;
	*ret = BPF_CORE_READ(delays, blkio_delay);
	return true;
}

/* The compiler turns a choice of two arguments into one of two addresses, which the verifier does not take. */
#define FIX_ARG(args, n)								\
({											\
	__u64 value_;									\
											\
	asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(value_) : "r"(args), "i"((n) * 8));	\
	value_;										\
})

/*
 * block_bio_queue: (queue, bio) until 5.10, (bio) from 5.11, e8a676d61c07
 * ("block: simplify and extended the block_bio_merge tracepoint class").
 * 5.11 alone has neither sign and is not told from 5.10; nobody ships it.
 * bio.bi_bdev instead of bi_disk: 309dca309fc3 ("block: store a block_device
 * pointer in struct bio", 5.12).
 */
static __always_inline struct bio *fix_queued_bio(__u64 *ctx)
{
	if (bpf_core_field_exists(struct bio, bi_bdev))
		return (void *)FIX_ARG(ctx, 0);
	return (void *)FIX_ARG(ctx, 1);
}

static __always_inline dev_t fix_bio_dev(struct bio *bio)
{
	struct bio___5_11 *old = (void *)bio;

	if (bpf_core_field_exists(struct bio, bi_bdev))
		return bio->bi_bdev->bd_dev;
	return old->bi_disk->major << VX_MINOR_BITS |
	       (old->bi_disk->first_minor + old->bi_partno);
}

/*
 * The page that speaks for all of the compound page that `page` is of. Tail pages have bit 0 of a word set. Until 7.0 the rest of the
 * word, compound_head, is the head's address; then it is compound_info ("mm: Rename the 'compound_head' field in the 'struct
 * page' to 'compound_info'"), and where sizeof(struct page) is a power of two that is the mask which leaves of a
 * tail's address the head's: all ones down to the size of the compound page's struct pages, which no such address is.
 */
#define FIX_MASK_BITS	32	/* of the struct pages of the largest compound page, and many more */

static __always_inline struct page *fix_compound_head(struct page *page)
{
	struct page___7_0 *newer = (void *)page;
	__u64 info, low;

	if (!bpf_core_field_exists(newer->compound_info)) {
		info = BPF_CORE_READ(page, compound_head);
		return info & 1 ? (void *)(info - 1) : page;
	}
	info = BPF_CORE_READ(newer, compound_info);
	if (!(info & 1))
		return page;
	low = ~(info - 1);
	if (low < 1ull << FIX_MASK_BITS && !(low & (low + 1)))
		return (void *)((__u64)page & info);
	return (void *)(info - 1);
}

/*
 * Is this (head) page a slab? Told by page_type from 6.10, 46df8e73a4a3 ("mm:
 * free up PG_slab"): by a cleared bit at first, from 6.12 by its top byte,
 * 4ffca5a96678 ("mm: support only one page_type per page"); by a flag before.
 */
static __always_inline bool fix_page_is_slab(struct page *page)
{
	__u32 bit;

	if (bpf_core_enum_value_exists(enum pagetype, PGTY_slab))
		return BPF_CORE_READ(page, page_type) >> 24 ==
		       bpf_core_enum_value(enum pagetype, PGTY_slab);
	if (bpf_core_enum_value_exists(enum pagetype___6_10, PG_slab___6_10)) {
		bit = bpf_core_enum_value(enum pagetype___6_10, PG_slab___6_10);
		return (BPF_CORE_READ(page, page_type) & (0xf0000000 | bit)) == 0xf0000000;
	}
	return BPF_CORE_READ(page, flags) >>
	       bpf_core_enum_value(enum pageflags, PG_slab) & 1;
}

/* struct slab left struct page in 5.17: d122019bf061 ("mm: Split slab into its own type"). */
static __always_inline struct kmem_cache *fix_slab_cache(struct page *page)
{
	struct page___5_16 *old = (void *)page;
	struct slab *slab = (void *)page;

	if (bpf_core_field_exists(struct slab, slab_cache))
		return BPF_CORE_READ(slab, slab_cache);
	return BPF_CORE_READ(old, slab_cache);
}

/*
 * Bytes of the compound page that a large kmalloc is; 0 where we cannot tell.
 * The order lies in the second page: folio._flags_1 from 6.6, ebc1baf5c9b4
 * ("mm: free up a word in the first tail page").
 */
static __always_inline __u64 fix_large_bytes(struct page *page)
{
	struct folio *folio = (void *)page;

	if (!bpf_core_field_exists(struct folio, _flags_1))
		return 0;
	return 4096ull << (BPF_CORE_READ(folio, _flags_1) & 0x1f);
}

/*
 * Arguments of the slab's tracepoints. kmalloc: site, object, asked for, got, flags; kmem_cache_alloc the same until
 * 6.0, and from 6.1 site, object, cache: 2c1d697fb8ba ("mm/slab_common: drop kmem_alloc & avoid dereferencing
 * fields when not using"). In 5.19 and 6.0 both had the cache third and the rest behind it.
 */
static __always_inline bool fix_alloc_has_both(void)
{
	return bpf_core_field_exists(struct trace_event_raw_kmem_alloc, accounted);
}

static __always_inline __u64 fix_kmalloc_bytes(void *args)
{
	return fix_alloc_has_both() ? FIX_ARG(args, 3) : FIX_ARG(args, 2);
}

/* NULL: not told. */
static __always_inline struct kmem_cache *fix_cache_of(__u64 third)
{
	if (bpf_core_type_exists(struct trace_event_raw_kmem_cache_alloc) || fix_alloc_has_both())
		return (void *)third;
	return NULL;
}

static __always_inline __u64 fix_cache_bytes(__u64 third)
{
	struct kmem_cache *cache = fix_cache_of(third);

	return cache ? BPF_CORE_READ(cache, object_size) : third;
}

/* An argument of a hooked function as a number, whatever the verifier thinks of its type. */
static __always_inline __u64 fix_number(void *ctx, __u32 n)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), ctx + 8 * n);
	return value;
}

/* f67bed134a05 ("percpu: improve percpu_alloc_percpu event trace", 5.19) put the caller in front of the others. */
struct fix_percpu {
	__u64 call, bytes, address;	/* call 0: not told */
};

static __always_inline void fix_percpu_alloc(void *args, struct fix_percpu *ret)
{
	if (bpf_core_field_exists(struct trace_event_raw_percpu_alloc_percpu, call_site)) {
		ret->call = FIX_ARG(args, 0);
		ret->bytes = FIX_ARG(args, 3);
		ret->address = FIX_ARG(args, 7);
	} else {
		ret->call = 0;
		ret->bytes = FIX_ARG(args, 2);
		ret->address = FIX_ARG(args, 6);
	}
}

/* module.mem[] instead of two layouts: ac3b43283923 ("module: replace module_layout with module_memory", 6.4). */
struct fix_module_text {
	__u64 core, core_bytes, init, init_bytes;
};

static __always_inline void fix_module_text(struct module *mod, struct fix_module_text *ret)
{
	struct module___6_3 *old = (void *)mod;

	if (bpf_core_field_exists(struct module, mem)) {
		ret->core = (__u64)BPF_CORE_READ(mod, mem[MOD_TEXT].base);
		ret->core_bytes = BPF_CORE_READ(mod, mem[MOD_TEXT].size);
		ret->init = (__u64)BPF_CORE_READ(mod, mem[MOD_INIT_TEXT].base);
		ret->init_bytes = BPF_CORE_READ(mod, mem[MOD_INIT_TEXT].size);
		return;
	}
	ret->core = (__u64)BPF_CORE_READ(old, core_layout.base);
	ret->core_bytes = BPF_CORE_READ(old, core_layout.text_size);
	ret->init = (__u64)BPF_CORE_READ(old, init_layout.base);
	ret->init_bytes = BPF_CORE_READ(old, init_layout.text_size);
}

/*
 * Serving an interrupt, hard, soft or not maskable? x86 keeps the count in pcpu_hot from 6.2, 64701838bf05
 * ("x86/percpu: Move preempt_count next to current_task"), to 6.14, and by itself otherwise.
 */
extern const struct pcpu_hot pcpu_hot __ksym __weak;
extern const int __preempt_count __ksym __weak;

#define FIX_IN_INTERRUPT	0xff0100

static __always_inline bool fix_in_interrupt(void)
{
	if (bpf_core_field_exists(struct pcpu_hot, preempt_count) && &pcpu_hot) {
		const struct pcpu_hot *hot = bpf_this_cpu_ptr(&pcpu_hot);

		return hot->preempt_count & FIX_IN_INTERRUPT;
	}
	if (&__preempt_count) {
		const int *count = bpf_this_cpu_ptr(&__preempt_count);

		return *count & FIX_IN_INTERRUPT;
	}
	return false;
}

/*
 * Who called the function that a trampoline hooks: x86 leaves behind the arguments (and, for fexit, the result) the
 * frame pointer, the address in the hooked function, and its return address. Where the kernel says
 * which function it is (5.15), that is looked for instead of relied on; 0: not found.
 */
static __always_inline __u64 fix_trampoline_caller(void *ctx, __u32 nargs, __u32 slot)
{
	__u64 behind[5] = { 0 }, ip;

	bpf_probe_read_kernel(behind, sizeof(behind), ctx + 8 * nargs);
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_ip))
		return behind[slot];
	ip = bpf_get_func_ip(ctx);
#pragma unroll
	for (int i = 0; i < 4; i++)
		if (behind[i] - ip - 1 < 31)
			return behind[i + 1];
	return 0;
}

static __always_inline __u64 fix_fentry_caller(void *ctx, __u32 nargs)
{
	return fix_trampoline_caller(ctx, nargs, 2);
}

static __always_inline __u64 fix_fexit_caller(void *ctx, __u32 nargs)
{
	return fix_trampoline_caller(ctx, nargs, 3);
}

#endif
