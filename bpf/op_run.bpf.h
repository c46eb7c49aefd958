/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way of an operation: begun, matched, charged phase by phase, held
 * between calls, emitted. It belongs to one task at a time, which works on it
 * in `ops`; between two system calls of the new mount API, and between a lazy
 * umount and its end, it rests in `held`.
 *
 * Time is charged to the running phase at each boundary, so that the phases
 * are exclusive and add up by construction. Off-CPU time comes from the
 * scheduler's own books of the current task: `exec_start` moves on by what the
 * task ran plus what it did not, `sum_exec_runtime` by the former; both are
 * brought up to date together, so the difference of their advances is the time
 * off CPU, exact at any moment, with no probe in the scheduler.
 */
#ifndef VEXLAB_OP_RUN_BPF_H
#define VEXLAB_OP_RUN_BPF_H

#include "op.bpf.h"
#include "emit.bpf.h"
#include "hist.bpf.h"

/*
 * The table is a variable, because what every event of the machine looks at is
 * then a load or two, where a lookup in a map is a dozen instructions. In a
 * section of its own, which is a map by itself, because slab.bpf.c shares it.
 */
static struct op_table table SEC(".data.ops");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, __u64);		/* op.key */
	__type(value, struct op);
} held SEC(".maps");

/*
 * Devices that are being mounted or unmounted, for I/O that others submit:
 * dev << 32 | tid. One place for each hash: of two that fall together the last
 * one wins, and the other goes without what others submit for it.
 */
#define WATCH_BITS	6
__u64 watched[1 << WATCH_BITS];

/* Written by user space at run time. */
__u64 filter[VX_FSTYPE_LEN / sizeof(__u64)];	/* filesystem type, zero padded; zero: every one */
__u64 step;
__u32 slab_attached;

/* Spares lookups; user space zeroes it before attaching. */
__u32 nr_held;

static __always_inline struct op *op_of(__u32 tid)
{
	return op_in(&table, tid);
}

static __always_inline struct op *op_current(void)
{
	return op_of(fix_tid());
}

static __always_inline void op_count_running(int by)
{
	__sync_fetch_and_add(&table.running, by);
}

static __always_inline void op_read_clocks(struct op *op, __u64 now)
{
	op->last_ns = now;
	fix_run_clock(&op->last_run);
}

/* Everything since the last boundary goes to `phase`. */
static __always_inline void op_charge_to(struct op *op, __u32 phase)
{
	__u64 now = bpf_ktime_get_ns(), wall = now - op->last_ns, off;

	op->last_ns = now;
	off = fix_run_clock_advance(&op->last_run, wall);
	if (phase >= VX_PHASE_TYPES)
		return;
	op->rec.phase_ns[phase] += wall;
	if (off)
		op->rec.phase_offcpu_ns[phase] += off < wall ? off : wall;
}

static __always_inline void op_phase(struct op *op, __u32 phase)
{
	op_charge_to(op, op->phase);
	op->phase = op->rec.flags & VX_FSOP_DEFERRED ? VX_PHASE_DEFERRED : phase;
}

static __always_inline __u64 *watch_place(__u32 dev)
{
	return &watched[dev * 0x9e3779b1u >> (32 - WATCH_BITS)];
}

static __always_inline void op_watch_device(struct op *op)
{
	if (op->dev)
		*watch_place(op->dev) = (__u64)op->dev << 32 | fix_tid();
}

/* Who mounts or unmounts this device: thread id, 0: nobody. */
static __always_inline __u32 watcher_of(__u32 dev)
{
	__u64 place = *watch_place(dev);

	return place >> 32 == dev ? (__u32)place : 0;
}

static __always_inline void op_set_sb(struct op *op, struct super_block *sb)
{
	__u32 dev = sb->s_dev;

	op->sb = (__u64)sb;
	if (!dev || op->dev == dev)
		return;
	op->dev = dev;
	op->rec.dev_major = dev >> VX_MINOR_BITS;
	op->rec.dev_minor = dev & ((1u << VX_MINOR_BITS) - 1);
	op_watch_device(op);
}

/* The current task takes the operation up, or again. */
static __always_inline void op_resume(struct op *op, __u64 now)
{
	op_read_clocks(op, now);
	op->rec.flags &= ~VX_FSOP_IOWAIT_VALID;
	if (fix_blkio_delay(&op->blkio_ns))
		op->rec.flags |= VX_FSOP_IOWAIT_VALID;
	op_watch_device(op);
}

static __always_inline void op_pause(struct op *op)
{
	__u64 blkio_ns;

	op_charge_to(op, op->phase);
	if (op->dev)
		*watch_place(op->dev) = 0;
	if (op->rec.flags & VX_FSOP_DEFERRED)	/* what follows is the caller's time only */
		return;
	if (op->rec.flags & VX_FSOP_IOWAIT_VALID && fix_blkio_delay(&blkio_ns))
		op->rec.blkio_wait_ns += blkio_ns - op->blkio_ns;
	op->rec.span_ns = op->last_ns - op->rec.start_ns;
}

/*
 * A free place, made the task's own; NULL: none. Two tasks that find the same
 * one free within the same few instructions are not told apart: the first
 * would go without a record.
 */
static __always_inline struct op *op_claim(void)
{
	__u32 tid = fix_tid(), place = op_place(tid);
	struct op *first = &table.ops[place], *other = &table.ops[op_other_place(place)];
	struct op *op = op_of(tid);

	if (op) {
		if (op->stage != OP_ENTERED)
			op_count_running(-1);	/* its end was never seen */
		return op;
	}
	if (!first->who)
		return first;
	if (!other->who)
		return other;
	emit_count_lost_state();
	return NULL;
}

/* NULL: no place for it, which is counted. */
static __always_inline struct op *op_begin(__u8 kind, __u8 api, __u8 stage)
{
	__u64 now = bpf_ktime_get_ns();
	struct op *op = op_claim();

	if (!op)
		return NULL;
	__builtin_memset(op, 0, sizeof(*op));
	op->who = fix_tid() + 1;
	op->rec.op = kind;
	op->rec.api = api;
	op->rec.start_ns = now;
	op->rec.head.step = step;
	op->stage = stage;
	op_read_clocks(op, now);
	return op;
}

/* Cuts a little-endian word of text behind its NUL; true if there is one. */
static __always_inline bool cut_at_nul(__u64 *word)
{
	__u64 nul = (*word - 0x0101010101010101ull) & ~*word & 0x8080808080808080ull;

	if (!nul)
		return false;
	*word &= (nul & -nul) - 1;
	return true;
}

/*
 * Zero padded, cut with its NUL kept: compares as two words. Read as such, the
 * string helper being five times dearer; it helps out where the name ends
 * within 16 bytes of what is mapped.
 */
static __always_inline bool op_type_matches(const char *name, __u64 ret[2])
{
	if (bpf_probe_read_kernel(ret, VX_FSTYPE_LEN, name)) {
		ret[0] = ret[1] = 0;
		bpf_probe_read_kernel_str(ret, VX_FSTYPE_LEN, name);
	}
	if (cut_at_nul(&ret[0]))
		ret[1] = 0;
	else if (!cut_at_nul(&ret[1]))
		ret[1] &= ~0ull >> 8;
	return !filter[0] || (ret[0] == filter[0] && ret[1] == filter[1]);
}

static __always_inline void op_match(struct op *op, const __u64 name[2])
{
	__builtin_memcpy(op->rec.fstype, name, VX_FSTYPE_LEN);
	op->rec.flags |= VX_FSOP_OFFCPU_VALID | VX_FSOP_IO_VALID;
	if (slab_attached)
		op->rec.flags |= VX_FSOP_SLAB_VALID;
	if (fix_blkio_delay(&op->blkio_ns))
		op->rec.flags |= VX_FSOP_IOWAIT_VALID;
	emit_task(&op->rec.head);
	op_count_running(1);
}

/* The current task is through with it, whatever became of it. */
static __always_inline void op_drop(struct op *op)
{
	if (op->stage != OP_ENTERED)
		op_count_running(-1);
	op->who = 0;
}

/* Into the histograms, and summed up: every phase but `last` and DEFERRED. */
static __always_inline void op_sum_up(struct op *op, struct vx_probe_hist *hist, __u32 last)
{
	__u64 total = 0, offcpu = 0, ns;
	__u32 phase;

#pragma unroll
	for (phase = 0; phase < VX_PHASE_DEFERRED; phase++) {
		ns = op->rec.phase_ns[phase];
		if (!ns || (phase == VX_PHASE_OTHER && last == VX_PHASE_OTHER))
			continue;
		hist_add(hist, phase, ns);
		total += ns;
		offcpu += op->rec.phase_offcpu_ns[phase];
	}
	op->rec.total_ns = total;
	op->rec.offcpu_ns = offcpu;
}

/* The same for `last`, and what else is known only now into the record, if there is one. */
static __always_inline void op_sum_up_last(struct op *op, struct vx_event_fsop *rec,
					   struct vx_probe_hist *hist, __u32 last)
{
	if (last != VX_PHASE_DEFERRED) {
		op->rec.total_ns += op->rec.phase_ns[last];
		op->rec.offcpu_ns += op->rec.phase_offcpu_ns[last];
	}
	if (op->rec.phase_ns[last])
		hist_add(hist, last, op->rec.phase_ns[last]);
	hist_add(hist, VX_PHASE_TYPES, op->rec.total_ns);
	if (!rec)
		return;
	rec->phase_ns[last] = op->rec.phase_ns[last];
	rec->phase_offcpu_ns[last] = op->rec.phase_offcpu_ns[last];
	rec->total_ns = op->rec.total_ns;
	rec->span_ns = op->rec.span_ns;
	rec->offcpu_ns = op->rec.offcpu_ns;
	/* 6.12 was seen to book more delay than the task was off CPU for. */
	rec->blkio_wait_ns = op->rec.blkio_wait_ns < op->rec.offcpu_ns ?
			     op->rec.blkio_wait_ns : op->rec.offcpu_ns;
}

/* What still runs when the record is made is charged to it. */
static __always_inline __u32 op_last_phase(const struct op *op)
{
	return op->rec.flags & VX_FSOP_DEFERRED ? VX_PHASE_DEFERRED : VX_PHASE_OTHER;
}

/* What is known at the very end goes to where `rec` is, if it is anywhere. */
static __always_inline void op_end(struct op *op, struct vx_event_fsop *rec, struct vx_probe_hist *hist, bool running)
{
	if (running)
		op_pause(op);
	op_sum_up_last(op, rec, hist, op_last_phase(op));
}

/*
 * Into histograms and ring. `op` may lie in any map. When the current task
 * still runs it, its clock is stopped as late as can be: what the record costs
 * was waited for too, and is charged to OTHER. Two ways, and not one that asks
 * for `rec` twice: until 6.2 the verifier believes that it may be NULL the
 * second time, and then nobody gave it back.
 */
static __noinline int op_emit(struct op *op, bool running)
{
	struct vx_probe_hist *hist;
	struct vx_event_fsop *rec;
	__u64 flags;
	__u32 kind;

	if (!op)
		return 0;
	kind = op->rec.op;
	hist = bpf_map_lookup_elem(&hists, &kind);
	if (!hist)
		return 0;
	op_sum_up(op, hist, op_last_phase(op));
	rec = emit_reserve(sizeof(*rec));
	if (!rec) {
		op_end(op, NULL, hist, running);
		return 0;
	}
	__builtin_memcpy(rec, &op->rec, sizeof(*rec));
	flags = emit_prepare(&rec->head, VX_EVENT_FSOP, sizeof(*rec));
	op_end(op, rec, hist, running);
	emit_submit_kept(&rec->head, sizeof(*rec), running ? op->last_ns : bpf_ktime_get_ns(), flags);
	return 0;
}

static __always_inline void op_finish(struct op *op, int err)
{
	op_phase(op, VX_PHASE_OTHER);
	op->rec.err = err;
	op_emit(op, true);
	op_drop(op);
}

/* Rests until somebody comes with `key`. */
static __always_inline void op_hold(struct op *op, __u64 key)
{
	op->key = key;
	if (bpf_map_update_elem(&held, &key, op, BPF_ANY))
		emit_count_lost_state();
	else
		__sync_fetch_and_add(&nr_held, 1);
	op_drop(op);
}

static __always_inline struct op *op_held(__u64 key)
{
	return nr_held ? bpf_map_lookup_elem(&held, &key) : NULL;
}

static __always_inline void op_forget_held(__u64 key)
{
	if (!bpf_map_delete_elem(&held, &key))
		__sync_fetch_and_add(&nr_held, -1);
}

/* The current task takes up the operation held under `key`, if there is one. */
static __always_inline struct op *op_take(__u64 key, __u64 now)
{
	struct op *rests = op_held(key), *op;

	if (!rests)
		return NULL;
	op = op_claim();
	if (!op)
		return NULL;
	__builtin_memcpy(op, rests, sizeof(*op));
	op->who = fix_tid() + 1;
	op_forget_held(key);
	op_count_running(1);
	op_resume(op, now);
	return op;
}

#endif
