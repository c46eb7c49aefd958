/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel as bpf/ sees it: only the types and members that the programs
 * touch. Offsets here mean nothing: every record is relocated at load time
 * against the running kernel's BTF (preserve_access_index), so no kernel need
 * be around to compile. Add a member when a program needs it, in the kernel's
 * spelling; where kernels differ, say so here and deal with it in
 * bpf/core_fixes.bpf.h.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef unsigned long size_t;
typedef _Bool bool;
typedef u32 dev_t;
typedef u32 blk_opf_t;

enum { false = 0, true = 1 };

/* uapi/linux/bpf.h: what of it the programs use. Numbers are ABI. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH		= 1,
	BPF_MAP_TYPE_ARRAY		= 2,
	BPF_MAP_TYPE_PERCPU_ARRAY	= 6,
	BPF_MAP_TYPE_RINGBUF		= 27,
};

enum {
	BPF_ANY		= 0,
	BPF_NOEXIST	= 1,
};

enum {
	BPF_F_MMAPABLE	= 1 << 10,
};

enum {
	BPF_RB_NO_WAKEUP	= 1 << 0,
	BPF_RB_FORCE_WAKEUP	= 1 << 1,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
};

/* Asked only whether the kernel has it; the value is relocated. */
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,	/* 5.11 */
	BPF_FUNC_get_func_ip = 173,		/* 5.15 */
	BPF_FUNC_loop = 181,			/* 5.17 */
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* System call arguments. The names are those of the architecture. */
struct pt_regs {
	unsigned long di, si, dx, r10, r8, r9;
};

struct callback_head {
	struct callback_head *next;
};

typedef struct {
	int counter;
} atomic_t;

/* --- tasks ---------------------------------------------------------------- */

struct sched_entity {
	u64 exec_start;			/* rq clock when last put to account */
	u64 sum_exec_runtime;		/* ns on a CPU until then */
	u64 nr_migrations;
};

/* CONFIG_TASK_DELAY_ACCT, and only for tasks born while delay accounting was on. */
struct task_delay_info {
	u64 blkio_delay;		/* ns waited for block I/O */
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct sched_entity se;
	struct files_struct *files;
	struct callback_head *task_works; /* newest first */
	struct task_delay_info *delays;
	char comm[16];
};

/* Asked only whether there is such a member: CONFIG_IRQ_TIME_ACCOUNTING. */
struct rq {
	u64 prev_irq_time;
};

/* --- files ---------------------------------------------------------------- */

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	void *private_data;		/* of an fsopen(2) descriptor: struct fs_context */
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* --- filesystems ---------------------------------------------------------- */

struct file_system_type {
	const char *name;
};

struct super_block {
	dev_t s_dev;
	struct file_system_type *s_type;
	struct dentry *s_root;		/* NULL until fill_super has made it */
	atomic_t s_active;
};

struct dentry {
	struct super_block *d_sb;
};

struct fs_context {
	struct file_system_type *fs_type;
	struct dentry *root;		/* after get_tree */
};

struct vfsmount {
	struct super_block *mnt_sb;
};

struct mount {
	struct vfsmount mnt;
	struct callback_head mnt_rcu;	/* its last put hangs in task_works */
};

/* --- block ---------------------------------------------------------------- */

struct gendisk {
	int major;
	int first_minor;
};

struct block_device {
	dev_t bd_dev;
};

struct bvec_iter {
	unsigned int bi_size;
};

struct bio {
	struct block_device *bi_bdev;	/* from 5.12 */
	blk_opf_t bi_opf;
	struct bvec_iter bi_iter;
};

struct bio___5_11 {			/* until 5.11 */
	struct gendisk *bi_disk;
	u8 bi_partno;
};

/* --- slab ----------------------------------------------------------------- */

struct kmem_cache {
	unsigned int size;		/* bytes an object takes, padding included */
	unsigned int object_size;
	const char *name;
};

struct slab {				/* from 5.17; before, these are struct page's */
	struct kmem_cache *slab_cache;
};

enum pageflags {
	PG_slab = 9,			/* until 6.9 */
};

enum pagetype___6_10 {			/* 6.10 and 6.11 */
	PG_slab___6_10 = 0x1000,
};

enum pagetype {
	PGTY_slab = 0xf5,		/* from 6.12 */
};

struct page {
	unsigned long flags;
	unsigned long compound_head;	/* bit 0 set: the head page's address + 1 */
	unsigned int page_type;		/* slab is told by it from 6.10 */
};

struct page___7_0 {
	unsigned long compound_info;	/* instead of compound_head; see fix_compound_head() */
};

struct page___5_16 {
	struct kmem_cache *slab_cache;
};

struct folio {
	unsigned long _flags_1;		/* of its second page; from 6.6 the low byte is the order */
};

/* Asked only what members they have, which tells the tracepoint's arguments. */
struct trace_event_raw_kmem_alloc {	/* until 6.0 */
	bool accounted;			/* 5.19 and 6.0 */
};

struct trace_event_raw_kmem_cache_alloc { /* from 6.1 */
	const void *ptr;
};

struct trace_event_raw_percpu_alloc_percpu {
	unsigned long call_site;	/* from 5.19 */
};

struct vmap_area {
	unsigned long va_start, va_end;
};

/* --- modules, interrupts ---------------------------------------------------- */

enum mod_mem_type {			/* from 6.4 */
	MOD_TEXT	= 0,
	MOD_INIT_TEXT	= 4,
};

struct module_memory {
	void *base;
	unsigned int size;
};

struct module {
	char name[56];
	struct module_memory mem[7];
};

struct module_layout {			/* until 6.3 */
	void *base;
	unsigned int text_size;
};

struct module___6_3 {
	struct module_layout core_layout;
	struct module_layout init_layout;
};

/* x86, 6.2 to 6.14; before and after, the count is a variable of its own. */
struct pcpu_hot {
	int preempt_count;
};

#pragma clang attribute pop

#endif
