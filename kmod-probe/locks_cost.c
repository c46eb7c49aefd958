// SPDX-License-Identifier: GPL-2.0
/* What a wrapped pair of lock and unlock costs, beside a plain one. */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "locks.h"

extern void vexprobe_mutex_lock(struct mutex *lock);
extern void vexprobe_mutex_unlock(struct mutex *lock);

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(two);

static u64 plain(struct mutex *lock, u64 rounds)
{
	const u64 began = locks_clock();

	for (; rounds; rounds--) {
		mutex_lock(lock);
		mutex_unlock(lock);
	}
	return locks_clock() - began;
}

static u64 wrapped(struct mutex *lock, u64 rounds)
{
	const u64 began = locks_clock();

	for (; rounds; rounds--) {
		vexprobe_mutex_lock(lock);
		vexprobe_mutex_unlock(lock);
	}
	return locks_clock() - began;
}

int locks_measure(struct vx_locks_cost *cost)
{
	const u32 was = locks_source;

	cost->plain_ns = plain(&one, cost->rounds);
	WRITE_ONCE(locks_source, VX_LOCKS_OFF);
	cost->off_ns = wrapped(&one, cost->rounds);
	WRITE_ONCE(locks_source, VX_LOCKS_WRAPPED);
	cost->recorded_ns = wrapped(&one, cost->rounds);
	vexprobe_mutex_lock(&two);
	cost->nested_ns = wrapped(&one, cost->rounds);
	vexprobe_mutex_unlock(&two);
	WRITE_ONCE(locks_source, was);
	return 0;
}
