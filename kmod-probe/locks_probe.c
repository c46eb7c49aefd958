// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own lock functions, followed by kprobes: for a target that nobody can bind, as it is the guest's own.
 * Only the threads of the process that asked are followed, its main thread excepted; of a probe that is hit too often at once
 * the call is counted as missed, and its lock then not known to be held.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/version.h>

#include "locks.h"

/* 5.11 d741bf41d7c7 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define get_kretprobe(ri)	((ri)->rp)
#endif

enum way { TAKES, TAKES_OR_FAILS, TRIES, RELEASES };

struct function {
	struct kretprobe probe;		/* of what takes; its `kp` alone of what releases */
	u32 kind;
	enum way way;
	bool there;
};

struct call {
	void *lock;
	unsigned long site;
	u64 began;
};

#define F(name, kind_, way_)	{ .probe.kp.symbol_name = name, .kind = kind_, .way = way_ }
static struct function functions[] = {
	F("mutex_lock",			VX_LOCK_MUTEX,	TAKES),
	F("mutex_lock_interruptible",	VX_LOCK_MUTEX,	TAKES_OR_FAILS),
	F("mutex_lock_killable",	VX_LOCK_MUTEX,	TAKES_OR_FAILS),
	F("mutex_trylock",		VX_LOCK_MUTEX,	TRIES),
	F("mutex_unlock",		VX_LOCK_MUTEX,	RELEASES),
	F("down_read",			VX_LOCK_READ,	TAKES),
	F("down_read_killable",		VX_LOCK_READ,	TAKES_OR_FAILS),
	F("down_read_trylock",		VX_LOCK_READ,	TRIES),
	F("up_read",			VX_LOCK_READ,	RELEASES),
	F("down_write",			VX_LOCK_WRITE,	TAKES),
	F("down_write_killable",	VX_LOCK_WRITE,	TAKES_OR_FAILS),
	F("down_write_trylock",		VX_LOCK_WRITE,	TRIES),
	F("up_write",			VX_LOCK_WRITE,	RELEASES),
};

static bool is_followed(void)
{
	return READ_ONCE(locks_source) == VX_LOCKS_PROBED && current->tgid == locks_owner() &&
	       current->pid != current->tgid && in_task();
}

static struct function *function_of(struct kretprobe_instance *ri)
{
	return container_of(get_kretprobe(ri), struct function, probe);
}

static int on_take(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct call *call = (struct call *)ri->data;

	if (!is_followed())
		return 1;
	call->lock = (void *)regs_get_kernel_argument(regs, 0);
	/* At its entry the return address is all that lies on the stack. */
	call->site = *(unsigned long *)kernel_stack_pointer(regs);
	delay_here(call->site, DELAY_BEFORE_LOCK);
	call->began = locks_clock();
	return 0;
}
NOKPROBE_SYMBOL(on_take);

/* Nobody is told apart who waits less than this from who does not. */
#define WAITED_NS	20000u

static int on_taken(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct call *call = (const struct call *)ri->data;
	const struct function *f = function_of(ri);
	const long value = regs_return_value(regs);
	const u64 ns = locks_clock() - call->began;

	if (f->way == TRIES ? (int)value == 0 : f->way == TAKES_OR_FAILS && (int)value)
		return 0;
	locks_taken(call->lock, f->way == TRIES ? f->kind | LOCKS_TRIED : f->kind, call->site,
		    ns > WAITED_NS ? ns : 0);
	return 0;
}
NOKPROBE_SYMBOL(on_taken);

static int on_release(struct kprobe *probe, struct pt_regs *regs)
{
	if (is_followed())
		locks_released((const void *)regs_get_kernel_argument(regs, 0));
	return 0;
}
NOKPROBE_SYMBOL(on_release);

static int plant(struct function *f)
{
	const char *name = f->probe.kp.symbol_name;
	int err;

	f->probe = (struct kretprobe){ .kp.symbol_name = name };
	if (f->way == RELEASES) {
		f->probe.kp.pre_handler = on_release;
		err = register_kprobe(&f->probe.kp);
	} else {
		f->probe.entry_handler = on_take;
		f->probe.handler = on_taken;
		f->probe.data_size = sizeof(struct call);
		f->probe.maxactive = 64;
		err = register_kretprobe(&f->probe);
	}
	f->there = !err;
	return err;
}

static void pull(struct function *f)
{
	if (f->there && f->way == RELEASES)
		unregister_kprobe(&f->probe.kp);
	else if (f->there)
		unregister_kretprobe(&f->probe);
	f->there = false;
}

/* Without those that release nothing could be told; of the others some kernels lack one. */
int locks_probe_start(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		int err = plant(&functions[i]);

		if (err && functions[i].way == RELEASES) {
			locks_probe_stop();
			return err;
		}
	}
	return 0;
}

void locks_probe_stop(void)
{
	unsigned int i;

	/* Who takes first, so that nothing is taken whose release is not seen. */
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (functions[i].way != RELEASES)
			pull(&functions[i]);
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		pull(&functions[i]);
}

u64 locks_probe_missed(void)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (functions[i].there)
			sum += functions[i].probe.nmissed + functions[i].probe.kp.nmissed;
	return sum;
}
