// SPDX-License-Identifier: GPL-2.0
/*
 * The host's last question when nothing answers any more: an NMI. Each CPU that
 * it reaches (all of them with apic_extnmi=all) prints where it is; one of them
 * prints the tasks that are blocked, and writes a box.
 *
 * All of it in the NMI itself, so that a CPU that spins with interrupts off
 * answers too. printk() stores there and shows later, when any CPU takes an
 * interrupt; when none does, the box has the log's end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <asm/irq_regs.h>
#include <asm/nmi.h>
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/version.h>

#include "vexprobe.h"

#define AGAIN_NS	500000000ull	/* one NMI reaches all CPUs within microseconds */
#define TASKS_MAX	32u
#define STATE_BLOCKED	TASK_UNINTERRUPTIBLE

static atomic64_t last = ATOMIC64_INIT(0);

static unsigned int task_state(const struct task_struct *task)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	return READ_ONCE(task->__state);
#else
	return READ_ONCE(task->state);
#endif
}

/* Workers and the like idle in the same state, but with TASK_NOLOAD. */
static bool is_blocked(const struct task_struct *task)
{
	unsigned int state = task_state(task);

	return (state & STATE_BLOCKED) && !(state & TASK_NOLOAD);
}

static void show_blocked(void)
{
	struct task_struct *leader, *task;
	unsigned int n = 0;

	rcu_read_lock();
	for_each_process_thread(leader, task) {
		if (!is_blocked(task))
			continue;
		if (n++ < TASKS_MAX)
			sched_show_task(task);
	}
	rcu_read_unlock();
	pr_info("NMI: %u tasks blocked\n", n);
}

/* True for one CPU of those that the same NMI reaches. */
static bool am_first(u64 now)
{
	s64 before = atomic64_read(&last);

	return (!before || now - before > AGAIN_NS) && atomic64_cmpxchg(&last, before, now) == before;
}

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	static struct vx_event_oops oops;

	pr_info("NMI: CPU %d at %pS\n", raw_smp_processor_id(), (void *)instruction_pointer(regs));
	dump_stack();
	if (!am_first(ktime_get_mono_fast_ns()))
		return NMI_HANDLED;
	show_blocked();
	oops_describe(&oops, VX_OOPS_NMI, "NMI from the host", regs);
	blackbox_write(VX_BOX_NMI, &oops);
	return NMI_HANDLED;
}

/* Unknown ones only: those of the watchdog and of backtraces have found their owner before. */
int __init nmi_stacks_init(void)
{
	return register_nmi_handler(NMI_UNKNOWN, on_nmi, 0, VX_PROBE_DEVICE);
}

void nmi_stacks_exit(void)
{
	unregister_nmi_handler(NMI_UNKNOWN, VX_PROBE_DEVICE);
}
