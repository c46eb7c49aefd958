/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flight recorder: a copy of each event in memory that outlives the agent
 * (<vexlab/blackbox.h>). CPUs share nothing, so nothing is waited for. One
 * program that interrupts another between two instructions below could take
 * the same slot; the gap in `seq` tells.
 */
#ifndef VEXLAB_FLIGHT_BPF_H
#define VEXLAB_FLIGHT_BPF_H

#include <vexlab/blackbox.h>
#include <bpf/bpf_helpers.h>

/* Slots of each CPU, a power of two; 0: nobody would read them, and no code is left of this. */
const volatile __u32 flight_slots = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);		/* cpus * flight_slots; user space sets it before loading */
	__type(key, __u32);
	__type(value, struct vx_flight_slot);
} flight SEC(".maps");

struct flight_head {
	__u64 seq;			/* of the newest event */
	__u64 pad[7];			/* a cache line for each CPU */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);		/* cpus */
	__type(key, __u32);
	__type(value, struct flight_head);
} flight_heads SEC(".maps");

#define flight_barrier()	asm volatile("" ::: "memory")

/* `event` is finished; `size`, a constant, is its own. */
static __always_inline void flight_put(const struct vx_event *event, const __u32 size)
{
	__u32 cpu = event->cpu, index;
	struct vx_flight_slot *slot;
	struct flight_head *head;
	__u64 seq;

	if (!flight_slots)
		return;
	head = bpf_map_lookup_elem(&flight_heads, &cpu);
	if (!head)
		return;
	seq = head->seq++;
	index = cpu * flight_slots + (seq & (flight_slots - 1));
	slot = bpf_map_lookup_elem(&flight, &index);
	if (!slot)
		return;
	slot->seq = VX_FLIGHT_BUSY;
	flight_barrier();
	__builtin_memcpy(slot->event, event, size);
	flight_barrier();
	slot->seq = seq + 1;
}

#endif
