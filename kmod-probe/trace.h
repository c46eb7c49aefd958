/* SPDX-License-Identifier: GPL-2.0 */
/* Read twice, by <trace/define_trace.h>. BPF attaches by name and takes the whole event by its address. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vexprobe

#if !defined(VEXPROBE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VEXPROBE_TRACE_H

#include <linux/tracepoint.h>
#include <vexlab/event.h>

DECLARE_EVENT_CLASS(vexprobe_oops,
	TP_PROTO(const struct vx_event_oops *oops),
	TP_ARGS(oops),
	TP_STRUCT__entry(
		__field(u64, ip)
		__field(int, err)
		__field(u32, trap)
		__field(u32, offset)
		__field(u32, size)
		__field(u32, pid)
		__array(char, function, VX_NAME_LEN)
		__array(char, module, sizeof_field(struct vx_event_oops, module))
		__array(char, message, VX_OOPS_MESSAGE)
		__array(u64, stack, VX_OOPS_FRAMES)
	),
	TP_fast_assign(
		__entry->ip = oops->ip;
		__entry->err = oops->err;
		__entry->trap = oops->trap;
		__entry->offset = oops->offset;
		__entry->size = oops->size;
		__entry->pid = oops->head.pid;
		memcpy(__entry->function, oops->function, sizeof(oops->function));
		memcpy(__entry->module, oops->module, sizeof(oops->module));
		memcpy(__entry->message, oops->message, sizeof(oops->message));
		memcpy(__entry->stack, oops->stack, sizeof(oops->stack));
	),
	TP_printk("%s: %s+0x%x/0x%x%s%s pid=%u ip=%llx err=%d trap=%u", __entry->message,
		  __entry->function, __entry->offset, __entry->size, __entry->module[0] ? " " : "",
		  __entry->module, __entry->pid, __entry->ip, __entry->err, __entry->trap)
);

DEFINE_EVENT(vexprobe_oops, vexprobe_die,
	TP_PROTO(const struct vx_event_oops *oops), TP_ARGS(oops));
DEFINE_EVENT(vexprobe_oops, vexprobe_panic,
	TP_PROTO(const struct vx_event_oops *oops), TP_ARGS(oops));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
