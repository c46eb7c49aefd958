// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds which lock, taken where, and in which order locks are taken. Called in any context but NMI, around the
 * very calls that take and release locks: nothing here takes one, allocates or waits. A slot of a table is claimed by
 * one cmpxchg of its key; figures are added by atomics, maxima are lost to a race now and then, which nobody minds.
 *
 * A holder is a task, or a CPU's interrupt on top of it. It has a slot as long as it holds anything, found by
 * looking at the few slots where it may lie; only itself adds to it.
 */
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/stacktrace.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "locks.h"
#include "vexprobe.h"

/* 5.11 fe13889c390e */
#ifndef in_hardirq
#define in_hardirq()	in_irq()
#endif

#define REACH		16u	/* slots that a key may lie off its own */
#define HOLDERS		512u
#define HOLDER_REACH	16u
#define DEPTH		16u	/* locks that one holds at once; the others are not followed */
#define SKIPPED		2u	/* frames that are always ours; what else is, the agent knows by its module */
#define ORDERED		6u	/* of them, the innermost, that get an edge to a new one */

struct held {
	u64 lock;		/* 0: let go by another */
	u64 site, since_ns, ran_ns;
	unsigned long slept;	/* the task's count at that time */
	u32 kind;
};

struct holder {
	u64 key;		/* 0: free */
	u32 n, tid, tgid;
	char comm[TASK_COMM_LEN];
	struct held held[DEPTH];
};

u32 locks_source;
static struct vx_locks *tables;
static struct holder *holders;
static u64 long_ns;
static const struct file *owner;
static u32 owner_tgid;
static DEFINE_MUTEX(locks_mutex);
static DEFINE_PER_CPU(struct vx_lock_counts, counts);
static atomic_t foreign_next;

u64 locks_clock(void)
{
	return ktime_get_mono_fast_ns();
}

static void add_to(u64 *to, u64 more)
{
	atomic64_add(more, (atomic64_t *)to);
}

static bool raise_to(u64 *to, u64 value)
{
	if (READ_ONCE(*to) >= value)
		return false;
	WRITE_ONCE(*to, value);
	return true;
}

static bool is_exclusive(u32 kind)
{
	return kind != VX_LOCK_READ && kind != VX_LOCK_RREAD;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The slot of `key` in a table of `n` records of `size` bytes that begin with their key; *made: it is new. NULL: full. */
static void *slot_of(void *table, u32 n, size_t size, u64 key, bool *made)
{
	u32 at = hash_64(key, 32) & (n - 1), i;

	*made = false;
	for (i = 0; i < REACH; i++) {
		u64 *slot = table + ((at + i) & (n - 1)) * size, was = READ_ONCE(*slot);

		if (!was) {
			was = cmpxchg(slot, 0, key);
			*made = !was;
		}
		if (!was || was == key)
			return slot;
	}
	return NULL;
}

#define SLOT_OF(table, n, key, made)	((typeof(&(table)[0]))slot_of(table, n, sizeof((table)[0]), key, made))

static void save_stack(u64 *ret)
{
	unsigned long stack[VX_LOCK_FRAMES];
	unsigned int n = stack_trace_save(stack, ARRAY_SIZE(stack), SKIPPED), i;

	for (i = 0; i < n && i < VX_LOCK_FRAMES; i++)
		ret[i] = stack[i];
}

static u64 mix(u64 a, u64 b)
{
	return (a ^ (b * 0x9e3779b97f4a7c15ull)) * 0xbf58476d1ce4e5b9ull + (b >> 29);
}

static struct vx_lock_site *site_of(unsigned long address, u32 kind)
{
	bool made;
	struct vx_lock_site *site = SLOT_OF(tables->sites, VX_LOCK_SITES, address, &made);

	if (unlikely(!site)) {
		this_cpu_inc(counts.sites_lost);
		return NULL;
	}
	if (unlikely(made)) {
		site->kind = kind;
		save_stack(site->stack);
	}
	return site;
}

static bool note_pair(u64 lock, u64 address)
{
	const u64 key = mix(lock, address) | 1;
	bool made;
	struct vx_lock_pair *pair = SLOT_OF(tables->pairs, VX_LOCK_PAIRS, key, &made);

	if (unlikely(!pair)) {
		this_cpu_inc(counts.pairs_lost);
		return false;
	}
	if (unlikely(made)) {
		pair->site = address;
		smp_store_release(&pair->lock, lock);
	}
	return true;
}

static void note_edge(const struct held *outer, const struct held *first, u64 lock, u32 kind, u64 address)
{
	const u64 key = mix(mix(outer->lock, outer->site), mix(lock, address)) | 1;
	const u64 gate = first != outer && is_exclusive(first->kind) ? first->lock : 0;
	u32 flags = (is_exclusive(outer->kind) ? VX_EDGE_WRITES_OUTER : 0) |
		    (is_exclusive(kind) ? VX_EDGE_WRITES_INNER : 0);
	bool made;
	struct vx_lock_edge *edge = SLOT_OF(tables->edges, VX_LOCK_EDGES, key, &made);

	if (unlikely(!edge)) {
		this_cpu_inc(counts.edges_lost);
		return;
	}
	if (unlikely(made)) {
		edge->outer = outer->lock;
		edge->outer_site = outer->site;
		edge->inner = lock;
		edge->inner_site = address;
		edge->gate = gate;
		edge->tid = current->pid;
		save_stack(edge->stack);
	} else if (READ_ONCE(edge->gate) != gate) {
		flags |= VX_EDGE_GATE_BROKEN;
	}
	if ((READ_ONCE(edge->flags) & flags) != flags)
		WRITE_ONCE(edge->flags, edge->flags | flags);
	add_to(&edge->count, 1);
}

/* ---- holders --------------------------------------------------------------------------------- */

static u64 holder_key(void)
{
	if (in_hardirq())
		return ((u64)smp_processor_id() << 2) + 2;
	if (in_serving_softirq())
		return ((u64)smp_processor_id() << 2) + 1;
	return (unsigned long)current;
}

static struct holder *find_holder(u64 key)
{
	const u32 at = hash_64(key, 32);
	u32 i;

	for (i = 0; i < HOLDER_REACH; i++) {
		struct holder *holder = &holders[(at + i) & (HOLDERS - 1)];

		if (READ_ONCE(holder->key) == key)
			return holder;
	}
	return NULL;
}

static struct holder *make_holder(u64 key)
{
	const u32 at = hash_64(key, 32);
	u32 i;

	for (i = 0; i < HOLDER_REACH; i++) {
		struct holder *holder = &holders[(at + i) & (HOLDERS - 1)];

		if (READ_ONCE(holder->key) || cmpxchg(&holder->key, 0, key))
			continue;
		WRITE_ONCE(holder->n, 0);
		holder->tid = current->pid;
		holder->tgid = current->tgid;
		memcpy(holder->comm, current->comm, sizeof(holder->comm));
		return holder;
	}
	this_cpu_inc(counts.holders_lost);
	return NULL;
}

static void note_held(struct holder *holder, const void *lock, u32 kind, u64 site, u64 now)
{
	struct held *held;

	if (holder->n == DEPTH) {
		this_cpu_inc(counts.holders_lost);
		return;
	}
	held = &holder->held[holder->n];
	held->site = site;
	held->since_ns = now;
	held->ran_ns = current->se.sum_exec_runtime;
	held->slept = current->nvcsw;
	held->kind = kind;
	WRITE_ONCE(held->lock, (unsigned long)lock);
	smp_store_release(&holder->n, holder->n + 1);
}

/* Also what is held several times over (a reader's lock) is one: no order is told by it. */
static void note_order(const struct holder *holder, u64 lock, u32 kind, u64 address)
{
	const struct held *first = NULL;
	u32 i;

	for (i = 0; i < holder->n; i++) {
		if (holder->held[i].lock == lock)
			return;
		if (!first && holder->held[i].lock)
			first = &holder->held[i];
	}
	for (i = holder->n > ORDERED ? holder->n - ORDERED : 0; i < holder->n; i++)
		if (holder->held[i].lock)
			note_edge(&holder->held[i], first, lock, kind, address);
}

void locks_taken(const void *lock, u32 kind, unsigned long address, u64 wait_ns)
{
	const bool tried = kind & LOCKS_TRIED;
	struct vx_lock_site *site;
	struct holder *holder;

	kind &= ~LOCKS_TRIED;
	preempt_disable_notrace();
	this_cpu_inc(counts.taken);
	site = site_of(address, kind);
	if (site) {
		add_to(&site->taken, 1);
		if (wait_ns) {
			add_to(&site->contended, 1);
			add_to(&site->wait_ns, wait_ns);
			raise_to(&site->wait_max_ns, wait_ns);
		}
	}
	holder = find_holder(holder_key()) ?: make_holder(holder_key());
	/* The task that it was is dead, and its address another's. */
	if (holder && in_task() && holder->tid != current->pid) {
		WRITE_ONCE(holder->n, 0);
		holder->tid = current->pid;
	}
	if (holder) {
		if (note_pair((unsigned long)lock, address) && holder->n && !tried)
			note_order(holder, (unsigned long)lock, kind, address);
		note_held(holder, lock, kind, address, locks_clock());
	}
	preempt_enable_notrace();
}

static void note_hold(const struct held *held)
{
	const u64 ns = locks_clock() - held->since_ns, ran = current->se.sum_exec_runtime - held->ran_ns;
	const unsigned long slept = current->nvcsw - held->slept;
	struct vx_lock_site *site = site_of(held->site, held->kind);

	if (!site)
		return;
	add_to(&site->hold_ns, ns);
	if (raise_to(&site->hold_max_ns, ns))
		WRITE_ONCE(site->hold_max_off_ns, ns > ran ? ns - ran : 0);
	if (ns < long_ns || !slept)
		return;
	add_to(&site->long_holds, 1);
	if (raise_to(&site->long_max_ns, ns)) {
		WRITE_ONCE(site->long_slept, slept);
		save_stack(site->long_stack);
	}
}

/* The latest of `lock`; what lies above moves down. */
static bool let_go(struct holder *holder, u64 lock)
{
	u32 i = holder->n;

	while (i && holder->held[i - 1].lock != lock)
		i--;
	if (!i)
		return false;
	note_hold(&holder->held[i - 1]);
	for (; i < holder->n; i++)
		holder->held[i - 1] = holder->held[i];
	WRITE_ONCE(holder->n, holder->n - 1);
	while (holder->n && !holder->held[holder->n - 1].lock)
		WRITE_ONCE(holder->n, holder->n - 1);
	if (!holder->n)
		smp_store_release(&holder->key, 0);
	return true;
}

static void note_foreign(const struct holder *holder, const struct held *held, u64 lock)
{
	const int at = atomic_inc_return(&foreign_next) - 1;
	struct vx_lock_held *foreign;

	if (at < 0 || at >= VX_LOCK_HELD_MAX)
		return;
	foreign = &tables->foreign[at];
	foreign->lock = lock;
	foreign->site = held->site;
	foreign->kind = held->kind;
	foreign->held_ns = locks_clock() - held->since_ns;
	foreign->tid = holder->tid;
	foreign->tgid = holder->tgid;
	foreign->by = current->pid;
	memcpy(foreign->comm, holder->comm, sizeof(foreign->comm));
}

/* Not the present task's. Seldom: before it was recorded, or by somebody who may not. */
static void let_go_for_another(u64 lock)
{
	u32 i, k;

	for (i = 0; i < HOLDERS; i++) {
		struct holder *holder = &holders[i];
		const u32 n = READ_ONCE(holder->key) ? min(READ_ONCE(holder->n), DEPTH) : 0;

		for (k = 0; k < n; k++) {
			struct held *held = &holder->held[k];

			if (READ_ONCE(held->lock) != lock || cmpxchg(&held->lock, lock, 0) != lock)
				continue;
			note_foreign(holder, held, lock);
			return;
		}
	}
	this_cpu_inc(counts.unknown);
}

void locks_released(const void *lock)
{
	struct holder *holder;

	preempt_disable_notrace();
	holder = find_holder(holder_key());
	if (holder && let_go(holder, (unsigned long)lock))
		this_cpu_inc(counts.released);
	else
		let_go_for_another((unsigned long)lock);
	preempt_enable_notrace();
}

/* ---- the agent's side ------------------------------------------------------------------------ */

static int make_tables(void)
{
	if (!tables)
		tables = vzalloc(sizeof(*tables));
	if (!holders)
		holders = vzalloc(HOLDERS * sizeof(*holders));
	return tables && holders ? 0 : -ENOMEM;
}

static void stop(void)
{
	const u32 was = locks_source;

	WRITE_ONCE(locks_source, VX_LOCKS_OFF);
	if (was == VX_LOCKS_PROBED)
		locks_probe_stop();
	/* Who is still writing does so with preemption off. */
	synchronize_rcu();
}

static void clear(void)
{
	int cpu;

	memset(tables, 0, sizeof(*tables));
	memset(holders, 0, HOLDERS * sizeof(*holders));
	atomic_set(&foreign_next, 0);
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&counts, cpu), 0, sizeof(counts));
}

static int start(const struct file *file, const struct vx_locks_start *req)
{
	int err = make_tables();

	if (err)
		return err;
	if (owner && owner != file)
		return -EBUSY;
	stop();
	owner = NULL;
	if (req->source == VX_LOCKS_OFF)
		return 0;
	clear();
	owner = file;
	owner_tgid = current->tgid;
	long_ns = req->long_ns ?: U64_MAX;
	if (req->source == VX_LOCKS_PROBED)
		err = locks_probe_start();
	if (!err)
		smp_store_release(&locks_source, req->source);
	return err;
}

static void gather_held(void)
{
	const u64 now = locks_clock();
	u32 i, k, n = 0;

	for (i = 0; i < HOLDERS; i++) {
		const struct holder *holder = &holders[i];
		const u32 depth = READ_ONCE(holder->key) ? min(READ_ONCE(holder->n), DEPTH) : 0;

		for (k = 0; k < depth && n < VX_LOCK_HELD_MAX; k++) {
			struct vx_lock_held *held = &tables->held[n];

			if (!holder->held[k].lock)
				continue;
			*held = (struct vx_lock_held){
				.lock = holder->held[k].lock, .site = holder->held[k].site,
				.kind = holder->held[k].kind, .held_ns = now - holder->held[k].since_ns,
				.tid = holder->tid, .tgid = holder->tgid,
			};
			memcpy(held->comm, holder->comm, sizeof(held->comm));
			n++;
		}
	}
	tables->nheld = n;
	tables->nforeign = min_t(u32, atomic_read(&foreign_next), VX_LOCK_HELD_MAX);
}

static void gather_counts(void)
{
	u64 *sum = (u64 *)&tables->counts;
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(tables->counts));
	for_each_possible_cpu(cpu)
		for (i = 0; i < sizeof(counts) / sizeof(u64); i++)
			sum[i] += READ_ONCE(((u64 *)per_cpu_ptr(&counts, cpu))[i]);
}

static long read_tables(void __user *arg)
{
	u64 to;

	if (copy_from_user(&to, arg, sizeof(to)))
		return -EFAULT;
	if (!tables)
		return -ENODATA;
	gather_held();
	gather_counts();
	tables->missed = locks_probe_missed();
	return copy_to_user((void __user *)(unsigned long)to, tables, sizeof(*tables)) ? -EFAULT : 0;
}

static long start_user(const struct file *file, void __user *arg)
{
	struct vx_locks_start req;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	return req.source < VX_LOCKS_SOURCES ? start(file, &req) : -EINVAL;
}

static long cost_user(void __user *arg)
{
	struct vx_locks_cost cost;
	int err;

	if (copy_from_user(&cost, arg, sizeof(cost)))
		return -EFAULT;
	if (!tables || cost.rounds > 1000000)
		return -EINVAL;
	err = locks_measure(&cost);
	return err ?: copy_to_user(arg, &cost, sizeof(cost)) ? -EFAULT : 0;
}

/* "function+0x1/0x2 [module]" is what the kernel says. */
static long name_user(void __user *arg)
{
	char text[KSYM_SYMBOL_LEN], *plus, *blank;
	unsigned long offset, size;
	struct vx_symbol symbol;

	if (copy_from_user(&symbol, arg, sizeof(symbol)))
		return -EFAULT;
	sprint_symbol(text, symbol.address);
	symbol.start = symbol.size = 0;
	memset(symbol.name, 0, sizeof(symbol.name));
	plus = strchr(text, '+');
	if (plus && sscanf(plus, "+%lx/%lx", &offset, &size) == 2) {
		symbol.start = symbol.address - offset;
		symbol.size = size;
		blank = strchr(plus, ' ');
		*plus = '\0';
		snprintf(symbol.name, sizeof(symbol.name), "%s%s", text, blank ?: "");
	}
	return copy_to_user(arg, &symbol, sizeof(symbol)) ? -EFAULT : 0;
}

long locks_ioctl(const struct file *file, unsigned int cmd, void __user *arg)
{
	long err = -ENOTTY;

	mutex_lock(&locks_mutex);
	switch (cmd) {
	case VX_PROBE_LOCKS_START:
		err = start_user(file, arg);
		break;
	case VX_PROBE_LOCKS_READ:
		err = read_tables(arg);
		break;
	case VX_PROBE_SYMBOL:
		err = name_user(arg);
		break;
	case VX_PROBE_LOCKS_COST:
		err = cost_user(arg);
		break;
	case VX_PROBE_DELAYS:
	case VX_PROBE_DELAYS_DONE:
		err = delays_ioctl(file, cmd, arg);
		break;
	}
	mutex_unlock(&locks_mutex);
	return err;
}

u32 locks_owner(void)
{
	return owner_tgid;
}

void locks_release(const struct file *file)
{
	mutex_lock(&locks_mutex);
	if (owner == file) {
		stop();
		owner = NULL;
	}
	delays_release(file);
	mutex_unlock(&locks_mutex);
}

/* Nobody is bound to us any more, and no descriptor is open: all is off. */
void locks_exit(void)
{
	vfree(tables);
	vfree(holders);
}
