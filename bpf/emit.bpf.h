/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only writer of the ring buffer. What finds no room is counted on its CPU
 * and never waited for.
 */
#ifndef VEXLAB_EMIT_BPF_H
#define VEXLAB_EMIT_BPF_H

#include <vexlab/event.h>
#include <vexlab/request.h>
#include <bpf/bpf_helpers.h>

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

/* A reader is woken each time this much more lies in the ring; power of two. */
const volatile __u64 wake_mask = 0;

static __always_inline struct vx_cpu_stats *emit_stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_stats, &zero);
}

/*
 * The kernel's own choice (wake when the reader had caught up) costs a wake-up
 * a record in a mount storm; the reader looks by itself as well.
 */
static __always_inline __u64 emit_wakeup(__u64 size)
{
	__u64 filled = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	return (filled ^ (filled + size)) & ~wake_mask ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void emit_task(struct vx_event *event)
{
	__u64 id = bpf_get_current_pid_tgid();

	event->pid = (__u32)id;
	event->tgid = id >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/*
 * `event` begins with a struct vx_event whose task and step the caller has
 * filled; `size` is a constant, so that the copy is plain stores.
 */
static __always_inline bool emit(struct vx_event *event, __u16 type, const __u16 size)
{
	struct vx_cpu_stats *stats = emit_stats();
	__u64 wakeup = emit_wakeup(size);
	void *room = bpf_ringbuf_reserve(&ring, size, 0);

	if (!room) {
		if (stats)
			__sync_fetch_and_add(&stats->lost, 1);
		return false;
	}
	event->type = type;
	event->size = size;
	event->cpu = bpf_get_smp_processor_id();
	event->ts = bpf_ktime_get_ns();
	__builtin_memcpy(room, event, size);
	bpf_ringbuf_submit(room, wakeup);
	if (stats)
		__sync_fetch_and_add(&stats->emitted, 1);
	return true;
}

static __always_inline void emit_count_lost_state(void)
{
	struct vx_cpu_stats *stats = emit_stats();

	if (stats)
		__sync_fetch_and_add(&stats->lost_state, 1);
}

#endif
