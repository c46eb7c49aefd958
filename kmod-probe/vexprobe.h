/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of vexprobe.ko. Each _exit is safe if its _init failed or never ran. */
#ifndef VEXPROBE_H
#define VEXPROBE_H

#include <linux/types.h>
#include <vexlab/blackbox.h>

struct pt_regs;

/* oops.c: die and panic notifiers, the tracepoints that they fire. */
int oops_init(void);
void oops_exit(void);
/* This CPU's moment, by kind; `regs` NULL: not known. Any context. `ret` is written whole. */
void oops_describe(struct vx_event_oops *ret, enum vx_oops_kind kind, const char *message,
		   const struct pt_regs *regs);

/* share.c: the flight map that user space handed over. */
int share_init(void);
void share_exit(void);

struct share {
	struct vx_flight_slot *map;
	u32 cpus, slots;
	u64 *next;		/* of each CPU: the newest event not taken yet, while a box is made */
	struct page **pages;
	unsigned long npages;
};
/* NULL: none. Until share_put() it stays mapped. Any context. */
struct share *share_get(void);
void share_put(void);

/* blackbox.c: from the map out to the host. */
int blackbox_init(void);
void blackbox_exit(void);
/* There is shared memory, or a port. */
bool blackbox_has_way(void);
/* Any context. One at a time: another one under way makes this one do nothing, but for a panic. */
void blackbox_write(enum vx_box_reason reason, const struct vx_event_oops *oops);

/* calls.c: the allocator calls of a module under test, by /dev/vexprobe. */
struct file;
struct vm_area_struct;
long calls_ioctl(unsigned int cmd, void __user *arg);
int calls_mmap(struct file *file, struct vm_area_struct *vma);
void calls_exit(void);

/* inject.c: allocations and block requests that fail, by /dev/vexprobe. release: of any file, before it is gone. */
long inject_ioctl(const struct file *file, unsigned int cmd, void __user *arg);
void inject_release(const struct file *file);

/* locks.c: locks and delays, by /dev/vexprobe; all of a descriptor's is off when it is closed. */
long locks_ioctl(const struct file *file, unsigned int cmd, void __user *arg);
void locks_release(const struct file *file);
void locks_exit(void);

/* settle.c: RCU, works, files. May sleep, and takes as long as the works that are queued. */
void settle(void);

/* nmi.c: what a host that gets no answer from the agent asks for. */
int nmi_stacks_init(void);
void nmi_stacks_exit(void);

#endif
