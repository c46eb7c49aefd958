/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames: what crosses the virtio-serial channel (or an SSH channel), both
 * ways, and what a run's record consists of. Little endian.
 *
 *	struct vx_frame, then `length` bytes of payload
 *
 * The CRC is zlib's crc32() over the header with `crc` zero, then the payload.
 * A sender counts `seq` up by one a frame, from 0 at each new epoch; the
 * receiver tells a gap as lost frames and never guesses. The epoch is given by
 * the host (VX_REQ_HELLO) and carried by every frame: what comes from before a
 * snapshot was restored bears an old epoch and is dropped.
 */
#ifndef VEXLAB_FRAME_H
#define VEXLAB_FRAME_H

#include <vexlab/types.h>

#define VX_FRAME_MAGIC		0x314c5856u	/* "VXL1" */
#define VX_FRAME_PAYLOAD_MAX	(256u << 10)	/* bytes; a longer length is a protocol error */
#define VX_PROTOCOL_VERSION	1u

struct vx_frame {
	__u32 magic;			/* VX_FRAME_MAGIC */
	__u32 length;			/* payload bytes, <= VX_FRAME_PAYLOAD_MAX */
	__u16 type;			/* enum vx_frame_type */
	__u16 flags;			/* enum vx_frame_flags; 0 on the channel */
	__u32 epoch;
	__u64 seq;
	__u32 crc;
	__u32 pad;			/* 0 */
};

enum vx_frame_flags {
	/* VX_MSG_EVENTS, in a record: never came over the channel, but by the black box. No number in the sequence. */
	VX_FRAME_FROM_BOX	= 1 << 0,
};

enum vx_frame_type {
	/* host to agent: requests (request.h) */
	VX_REQ_HELLO		= 0x01,	/* struct vx_req_hello: sets epoch and clock, asks for VX_MSG_HELLO */
	VX_REQ_STEP		= 0x02,	/* struct vx_req_step */
	VX_REQ_PUT		= 0x03,	/* struct vx_req_put: one chunk of a file */
	VX_REQ_TRACE		= 0x04,	/* struct vx_req_trace: attach or detach probes, set the filter */
	VX_REQ_FLUSH		= 0x05,	/* empty: drain the rings, then VX_MSG_HIST..., VX_MSG_STATS, VX_MSG_FLUSHED */
	VX_REQ_MARKS		= 0x06,	/* struct vx_req_marks: emit VX_EVENT_MARKs at full speed (bench) */
	VX_REQ_CANCEL		= 0x07,	/* struct vx_req_cancel: kill the running step's helper process */
	VX_REQ_ALLOCS		= 0x08,	/* struct vx_req_allocs (alloc.h): what is outstanding */
	VX_REQ_METRICS		= 0x09,	/* struct vx_req_metrics (metrics.h): sample the guest, or stop; answered by the samples */

	/* agent to host */
	VX_MSG_HELLO		= 0x41,	/* struct vx_msg_hello, then text */
	VX_MSG_STEP		= 0x42,	/* struct vx_msg_step, then output bytes */
	VX_MSG_PUT		= 0x43,	/* struct vx_msg_put */
	VX_MSG_TRACE		= 0x44,	/* struct vx_msg_trace, then struct vx_probe_status[] */
	VX_MSG_EVENTS		= 0x45,	/* struct vx_event, back to back */
	VX_MSG_HIST		= 0x46,	/* struct vx_msg_hist, then struct vx_hist_slot[] */
	VX_MSG_STATS		= 0x47,	/* struct vx_msg_stats, then struct vx_cpu_stats[] */
	VX_MSG_FLUSHED		= 0x48,	/* empty: everything recorded before VX_REQ_FLUSH has been sent */
	VX_MSG_HEARTBEAT	= 0x49,	/* struct vx_msg_heartbeat, once a second */
	VX_MSG_LOG		= 0x4a,	/* UTF-8 text, one line, for the run's log */
	VX_MSG_ALLOC_SITE	= 0x4b,	/* struct vx_msg_alloc_site, then text */
	VX_MSG_ALLOCS		= 0x4c,	/* struct vx_msg_allocs: the end of these */
	VX_MSG_METRICS		= 0x4d,	/* struct vx_msg_metrics, then disks, then tasks (metrics.h) */

	/* written by the host into the record only */
	VX_REC_RUN		= 0x81,	/* JSON: what is run, where, with what settings */
	VX_REC_STEP_BEGIN	= 0x82,	/* JSON: id, name, cycle, phase of the scenario; and all it takes to do it again */
	VX_REC_CONSOLE		= 0x83,	/* console bytes as they came */
	VX_REC_VM		= 0x84,	/* JSON: started, ready, lost, restored, ... */
	VX_REC_FINDING		= 0x85,	/* JSON: a finding */
	VX_REC_END		= 0x86,	/* JSON: verdict; its absence tells an interrupted run */
	VX_REC_BLACKBOX		= 0x87,	/* struct vx_rec_box, then bytes of a black box as it came (blackbox.h) */
	VX_REC_REQUEST		= 0x88,	/* JSON: what else was asked of the agent: "do": "put", "trace", "leak" */
	VX_REC_METRICS		= 0x89,	/* JSON: what the guest costs the host: QEMU's process, room on disks */
};

/* A box is larger than a frame may be: its pieces follow each other. */
struct vx_rec_box {
	__u64 offset;			/* of these bytes */
	__u64 total;			/* of the box */
};

_Static_assert(sizeof(struct vx_rec_box) == 16, "ABI");
_Static_assert(sizeof(struct vx_frame) == 32, "frame header is ABI");

#endif
