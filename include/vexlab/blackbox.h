/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The black box: what a guest that dies still gets out. Little endian.
 *
 *	BPF (bpf/flight.bpf.h)	writes each event into a slot of the flight map, beside the ring
 *	agent			maps that map and hands it to kmod-probe (VX_PROBE_SHARE)
 *	kmod-probe		in a panic, writes a box of its newest events to the host
 *	host			checks it (userspace/common/box.c), reads what never arrived
 *
 * The flight map has `cpus` times `slots` slots, a ring for each CPU, so that
 * CPUs share nothing. A slot's `seq` counts its CPU's events from 1; the slot
 * is (seq - 1) % slots. VX_FLIGHT_BUSY: being written; 0: empty.
 *
 * A box is, byte for byte:
 *
 *	struct vx_box			sizeof(struct vx_box)
 *	struct vx_box_record, event	`records` of them, newest first; sizes are multiples of 8
 *	text				`text_bytes` of the kernel's log, its end
 *
 * In shared memory it stands at offset 0, its head written last; through the
 * port it is sent in this order. Checksums are zlib's crc32().
 */
#ifndef VEXLAB_BLACKBOX_H
#define VEXLAB_BLACKBOX_H

#include <vexlab/types.h>
#include <vexlab/event.h>

#define VX_FLIGHT_EVENT_MAX	752u	/* the largest event, VX_EVENT_OOPS */
#define VX_FLIGHT_SLOTS		4096u	/* of each CPU; a power of two */

#define VX_FLIGHT_BUSY		(~0ull)

struct vx_flight_slot {
	__u64 seq;
	__u64 pad;
	__u8 event[VX_FLIGHT_EVENT_MAX];
};

#define VX_BOX_MAGIC		0x31584f4258455856ull	/* "VXEXBOX1" */
#define VX_BOX_VERSION		1u
#define VX_BOX_TEXT_MAX		(16u << 10)
#define VX_BOX_PORT		0x5e9	/* QEMU's isa-debugcon there; reads as VX_BOX_PORT_THERE */
#define VX_BOX_PORT_THERE	0xe9
#define VX_BOX_PORT_BYTES	(160u << 10)	/* at 1 MB/s: what a panic can wait for */
#define VX_BOX_SHMEM_BYTES	(8u << 20)	/* size of the ivshmem device */

enum vx_box_reason {
	VX_BOX_NONE	= 0,
	VX_BOX_PANIC	= 1,
	VX_BOX_NMI	= 2,	/* the host asked, by an NMI: the guest may live on */
	VX_BOX_REASONS,
};

struct vx_box {
	__u64 magic;			/* VX_BOX_MAGIC */
	__u32 version;			/* VX_BOX_VERSION */
	__u32 head_bytes;		/* sizeof(struct vx_box) */
	__u32 reason;			/* enum vx_box_reason */
	__u32 number;			/* counts up by one a box since the module was loaded */
	__u64 content_bytes;		/* behind the head */
	__u32 records;
	__u32 text_bytes;
	__u32 torn;			/* slots that were being written: the event is lost */
	__u32 left_out;			/* events in the map that found no room in the box */
	__u64 recorded;			/* events since the map was made, overwritten ones included */
	__u64 ts;			/* CLOCK_MONOTONIC, ns */
	__u64 took_ns;			/* for writing the content; 0: the clock stood still */
	__u32 content_crc;
	__u32 crc;			/* of this head with `crc` zero */
	struct vx_event_oops oops;	/* what is known of the death itself; head.type 0: nothing */
};

struct vx_box_record {
	__u64 seq;			/* of its slot */
	__u32 cpu;			/* whose ring of slots */
	__u32 size;			/* bytes of the event that follows */
};

/* ioctl(2) of /dev/vexprobe; the mapping is released when the descriptor is closed. */
struct vx_probe_share {
	__u64 address;			/* of the flight map in the caller, page aligned */
	__u32 cpus;			/* rings of slots */
	__u32 slots;			/* of each; a power of two */
};

#define VX_PROBE_DEVICE		"vexprobe"
#define VX_PROBE_PATH		"/dev/" VX_PROBE_DEVICE
#define VX_PROBE_SHARE		_IOW('V', 1, struct vx_probe_share)
/*
 * Waits until what was to be done later is done (settle.c). Not waited for: batches of kfree_rcu() before Linux
 * 6.12, which drop_caches sends on their way; works that a timer still holds back.
 */
#define VX_PROBE_SETTLE		_IO('V', 2)
#define VX_PROBE_CPUS_MAX	1024u

_Static_assert(sizeof(struct vx_flight_slot) == 768, "slots are ABI");
_Static_assert(sizeof(struct vx_event_oops) <= VX_FLIGHT_EVENT_MAX, "every event fits a slot");
_Static_assert(sizeof(struct vx_event_fsop) <= VX_FLIGHT_EVENT_MAX, "every event fits a slot");
_Static_assert(sizeof(struct vx_box) == 832, "the box's head is ABI");
_Static_assert(sizeof(struct vx_box_record) == 16, "ABI");
_Static_assert(sizeof(struct vx_probe_share) == 16, "ABI");

#endif
