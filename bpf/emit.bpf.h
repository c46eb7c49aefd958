/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only writer of the ring buffer, and of the flight recorder beside it.
 * What finds no room is counted on its CPU and never waited for.
 */
#ifndef VEXLAB_EMIT_BPF_H
#define VEXLAB_EMIT_BPF_H

#include <vexlab/event.h>
#include <vexlab/request.h>
#include <bpf/bpf_helpers.h>
#include "flight.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);	/* bytes; user space sets it before loading */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vx_cpu_stats);
} cpu_stats SEC(".maps");

#define RING_HEADER	8	/* bytes in front of each record; uapi BPF_RINGBUF_HDR_SZ */

/* A reader is woken each time this much more lies in the ring; power of two. */
const volatile __u64 wake_mask = 0;

static __always_inline struct vx_cpu_stats *emit_stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_stats, &zero);
}

static __always_inline void emit_count_lost(void)
{
	struct vx_cpu_stats *stats = emit_stats();

	if (stats)
		__sync_fetch_and_add(&stats->lost, 1);
}

/*
 * The kernel's own choice (wake when the reader had caught up) costs a wake-up
 * a record in a mount storm; the reader looks by itself as well.
 */
static __always_inline __u64 emit_wakeup(__u64 size)
{
	__u64 filled = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	/* The record's own room is counted already. */
	return (filled ^ (filled - size - RING_HEADER)) & ~wake_mask ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void emit_task(struct vx_event *event)
{
	__u64 id = bpf_get_current_pid_tgid();

	event->pid = (__u32)id;
	event->tgid = id >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/* Room for a record, to be filled and given to emit_submit(). NULL: full, and counted. */
#define emit_reserve(size)						\
({									\
	void *room_ = bpf_ringbuf_reserve(&ring, size, 0);		\
									\
	if (!room_)							\
		emit_count_lost();					\
	room_;								\
})

/*
 * `head`: of a reserved record whose task and step are filled in, and which
 * will be submitted for certain. Returns the flags to submit it with.
 */
static __always_inline __u64 emit_prepare(struct vx_event *head, __u16 type, __u16 size)
{
	struct vx_cpu_stats *stats = emit_stats();

	head->type = type;
	head->size = size;
	head->cpu = bpf_get_smp_processor_id();
	if (stats)
		__sync_fetch_and_add(&stats->emitted, 1);
	return emit_wakeup(size);
}

static __always_inline void emit_submit(struct vx_event *head, __u64 now, __u64 flags)
{
	head->ts = now;
	bpf_ringbuf_submit(head, flags);
}

/* The same for what must not be lost with the guest: a copy goes to the flight recorder. */
static __always_inline void emit_submit_kept(struct vx_event *head, const __u32 size, __u64 now, __u64 flags)
{
	head->ts = now;
	flight_put(head, size);
	bpf_ringbuf_submit(head, flags);
}

static __always_inline void emit_count_lost_state(void)
{
	struct vx_cpu_stats *stats = emit_stats();

	if (stats)
		__sync_fetch_and_add(&stats->lost_state, 1);
}

#endif
