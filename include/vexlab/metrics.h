/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest as a whole spends, sampled by the agent. Counters are the kernel's own and only ever grow, so that a
 * sample that is lost loses nothing: whoever reads takes the difference of two (runner/detect/metrics.h). A guest
 * that was restored counts from where it was; its epoch is another one.
 */
#ifndef VEXLAB_METRICS_H
#define VEXLAB_METRICS_H

#include <vexlab/types.h>

#define VX_METRICS_INTERVAL_MIN	10u	/* ms; less is taken for this */
#define VX_METRICS_DISKS_MAX	64u
#define VX_METRICS_TASKS_MAX	16u
#define VX_METRICS_DISK_LEN	32	/* the kernel's BDEVNAME_SIZE */
#define VX_METRICS_HZ		100u	/* ticks a second of /proc/stat: USER_HZ of every architecture but Alpha */
#define VX_METRICS_SECTOR	512u	/* bytes, whatever the device's own are */

/*
 * From now on a sample each `interval_ms`, 0: none any more; one at once, too. Besides, one when a step begins and one
 * when it has ended, where the last is older than half of that.
 */
struct vx_req_metrics {
	__u32 interval_ms;
	__u32 pad;
};

/* /proc/stat, ticks of all CPUs together. The kernel counts `iowait` back at times. */
struct vx_metrics_cpu {
	__u64 user, nice, system, idle, iowait, irq, softirq, steal;
};

/* /proc/meminfo, kB. */
struct vx_metrics_mem {
	__u64 total, free, available, buffers, cached, dirty, writeback, anon, slab, slab_held, kernel_stack, page_tables,
	      vmalloc, percpu;
};

/* /proc/pressure: us for which some, or all, that were not idle waited. */
enum vx_psi { VX_PSI_CPU, VX_PSI_MEMORY, VX_PSI_IO, VX_PSI_TYPES };
struct vx_metrics_psi {
	__u64 some_us, full_us;
};

/* What could be read; the rest is 0. */
enum vx_metrics_have {
	VX_METRICS_STAT		= 1 << 0,	/* cpu, switches, interrupts, forks, running, blocked */
	VX_METRICS_MEM		= 1 << 1,
	VX_METRICS_DISKS	= 1 << 2,
	VX_METRICS_PSI		= 1 << 3,	/* << enum vx_psi */
};

/* VX_MSG_METRICS: this, then `ndisks` struct vx_metrics_disk, then `ntasks` struct vx_metrics_task. */
struct vx_msg_metrics {
	__u64 monotonic_ns;		/* when sampling began */
	__u64 took_ns;			/* CPU time of this sample */
	__u64 spent_ns;			/* the same of all since VX_REQ_METRICS, this one too */
	__u64 samples;			/* since then, this one too */
	__u64 step;			/* that ran, 0: none */
	__u32 have;			/* enum vx_metrics_have */
	__u32 ndisks, ntasks;
	__u32 cut;			/* disks and tasks that found no room */
	struct vx_metrics_cpu cpu;
	__u64 switches, interrupts, forks;
	__u32 running, blocked;		/* tasks, now */
	struct vx_metrics_mem mem;
	struct vx_metrics_psi psi[VX_PSI_TYPES];
};

/* /proc/diskstats. Devices that have done nothing yet are left out. */
struct vx_metrics_disk {
	char name[VX_METRICS_DISK_LEN];
	__u64 reads, writes;		/* requests completed; flushes and discards are neither */
	__u64 read_sectors, write_sectors;
	__u64 busy_ms;
	__u64 other;			/* flushes and discards */
};

/* A thread of the agent's that works for the step, or the program that the step has started. */
struct vx_metrics_task {
	__u32 tid, pad;
	char comm[VX_TASK_COMM_LEN];
	__u64 user, system;		/* ticks */
	__u64 run_ns, wait_ns;		/* on a CPU, and ready to be; 0: the kernel does not say */
	__u64 read_bytes, write_bytes;	/* of devices; what is written back later is nobody's */
};

_Static_assert(sizeof(struct vx_req_metrics) == 8, "ABI");
_Static_assert(sizeof(struct vx_msg_metrics) == 56 + 64 + 32 + 112 + 48, "ABI");
_Static_assert(sizeof(struct vx_metrics_disk) == 80, "ABI");
_Static_assert(sizeof(struct vx_metrics_task) == 72, "ABI");

#endif
