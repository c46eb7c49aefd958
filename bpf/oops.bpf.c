// SPDX-License-Identifier: GPL-2.0
/*
 * Deaths, as kmod-probe tells them by tracepoints of its own. It hands over the
 * whole event; here it gets its step and goes where all events go. A dying
 * kernel still runs this: after an Oops the ring is read as ever, in a panic the
 * flight recorder is what gets out.
 */
#include "emit.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The agent's current step; set by user space. */
__u64 oops_step;

static __always_inline int emit_oops(const void *from)
{
	struct vx_event_oops *oops = emit_reserve(sizeof(*oops));
	__u64 flags;

	if (!oops)
		return 0;
	if (bpf_probe_read_kernel(oops, sizeof(*oops), from)) {
		bpf_ringbuf_discard(oops, BPF_RB_NO_WAKEUP);
		return 0;
	}
	oops->head.step = oops_step;
	emit_prepare(&oops->head, VX_EVENT_OOPS, sizeof(*oops));
	/* At once: who knows how long the agent has. */
	flags = BPF_RB_FORCE_WAKEUP;
	emit_submit_kept(&oops->head, sizeof(*oops), bpf_ktime_get_ns(), flags);
	return 0;
}

SEC("raw_tp/vexprobe_die")
int oops_die(struct bpf_raw_tracepoint_args *ctx)
{
	return emit_oops((void *)ctx->args[0]);
}

SEC("raw_tp/vexprobe_panic")
int oops_panic(struct bpf_raw_tracepoint_args *ctx)
{
	return emit_oops((void *)ctx->args[0]);
}
