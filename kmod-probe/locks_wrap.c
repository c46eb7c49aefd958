// SPDX-License-Identifier: GPL-2.0
/*
 * The lock functions that a module can call, each as vexprobe_NAME (see calls_wrap.c, which does the same for
 * allocators): takes or releases the lock, and writes it down while somebody wants to know. What is inline in the
 * kernel's headers has no wrapper; so spin locks have them only where taking and releasing are both calls, as they are
 * with CONFIG_PREEMPTION, or a lock would seem to be held for ever.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#include "locks.h"
#include "wrap.h"

/* What a lock costs its waiter, told only if it is not to be had at once: then the clock is not even read. */
#define TAKES(name, kind, type, try)						\
	WRAPPER(void, name, type *lock)						\
	{									\
		u64 began;							\
										\
		delay_here(_RET_IP_, DELAY_BEFORE_LOCK);				\
		if (!locks_wrapped()) {						\
			name(lock);						\
			return;							\
		}								\
		if (try(lock)) {						\
			locks_taken(lock, kind, _RET_IP_, 0);			\
			return;							\
		}								\
		began = locks_clock();						\
		name(lock);							\
		locks_taken(lock, kind, _RET_IP_, locks_clock() - began);	\
	}

/* May be broken off by a signal: 0, or -EINTR. */
#define TAKES_OR_FAILS(name, kind, type, try)					\
	WRAPPER(int, name, type *lock)						\
	{									\
		u64 began;							\
		int err;							\
										\
		delay_here(_RET_IP_, DELAY_BEFORE_LOCK);				\
		if (!locks_wrapped())						\
			return name(lock);					\
		if (try(lock)) {						\
			locks_taken(lock, kind, _RET_IP_, 0);			\
			return 0;						\
		}								\
		began = locks_clock();						\
		err = name(lock);						\
		if (!err)							\
			locks_taken(lock, kind, _RET_IP_, locks_clock() - began); \
		return err;							\
	}

#define TRIES(name, kind, type)							\
	WRAPPER(int, name, type *lock)						\
	{									\
		int taken = name(lock);						\
										\
		if (taken && locks_wrapped())					\
			locks_taken(lock, (kind) | LOCKS_TRIED, _RET_IP_, 0);	\
		return taken;							\
	}

#define RELEASES(name, type)							\
	WRAPPER(void, name, type *lock)						\
	{									\
		if (locks_wrapped())						\
			locks_released(lock);					\
		name(lock);							\
		delay_here(_RET_IP_, DELAY_AFTER_UNLOCK);				\
	}

/* ---- that sleep ------------------------------------------------------------------------------ */

TAKES(mutex_lock, VX_LOCK_MUTEX, struct mutex, mutex_trylock)
TAKES(mutex_lock_io, VX_LOCK_MUTEX, struct mutex, mutex_trylock)
TAKES_OR_FAILS(mutex_lock_interruptible, VX_LOCK_MUTEX, struct mutex, mutex_trylock)
TAKES_OR_FAILS(mutex_lock_killable, VX_LOCK_MUTEX, struct mutex, mutex_trylock)
TRIES(mutex_trylock, VX_LOCK_MUTEX, struct mutex)
RELEASES(mutex_unlock, struct mutex)

TAKES(down_read, VX_LOCK_READ, struct rw_semaphore, down_read_trylock)
TAKES_OR_FAILS(down_read_interruptible, VX_LOCK_READ, struct rw_semaphore, down_read_trylock)
TAKES_OR_FAILS(down_read_killable, VX_LOCK_READ, struct rw_semaphore, down_read_trylock)
TRIES(down_read_trylock, VX_LOCK_READ, struct rw_semaphore)
RELEASES(up_read, struct rw_semaphore)
TAKES(down_write, VX_LOCK_WRITE, struct rw_semaphore, down_write_trylock)
TAKES_OR_FAILS(down_write_killable, VX_LOCK_WRITE, struct rw_semaphore, down_write_trylock)
TRIES(down_write_trylock, VX_LOCK_WRITE, struct rw_semaphore)
RELEASES(up_write, struct rw_semaphore)

/* ---- that spin ------------------------------------------------------------------------------- */

#if defined(CONFIG_SMP) && !defined(CONFIG_PREEMPT_RT)

/* Interrupts are as the lock wants them from `call` on; nobody may sleep. */
#define SPINS(name, kind, type, is_taken)					\
	WRAPPER(void, name, type *lock)						\
	{									\
		u64 began = 0;							\
										\
		delay_here(_RET_IP_, DELAY_BEFORE_LOCK);				\
		if (locks_wrapped() && is_taken(lock))				\
			began = locks_clock();					\
		name(lock);							\
		if (locks_wrapped())						\
			locks_taken(lock, kind, _RET_IP_, began ? locks_clock() - began : 0); \
	}

#define SPINS_SAVING(name, kind, type, is_taken)				\
	WRAPPER(unsigned long, name, type *lock)				\
	{									\
		unsigned long flags;						\
		u64 began = 0;							\
										\
		delay_here(_RET_IP_, DELAY_BEFORE_LOCK);				\
		if (locks_wrapped() && is_taken(lock))				\
			began = locks_clock();					\
		flags = name(lock);						\
		if (locks_wrapped())						\
			locks_taken(lock, kind, _RET_IP_, began ? locks_clock() - began : 0); \
		return flags;							\
	}

#define LETS_GO(name, type)							\
	WRAPPER(void, name, type *lock)						\
	{									\
		if (locks_wrapped())						\
			locks_released(lock);					\
		name(lock);							\
		delay_here(_RET_IP_, DELAY_AFTER_UNLOCK);			\
	}

#define LETS_GO_RESTORING(name, type)						\
	WRAPPER(void, name, type *lock, unsigned long flags)			\
	{									\
		if (locks_wrapped())						\
			locks_released(lock);					\
		name(lock, flags);						\
		delay_here(_RET_IP_, DELAY_AFTER_UNLOCK);			\
	}

#define rw_is_taken(lock)	(atomic_read(&(lock)->raw_lock.cnts) != 0)

#if !defined(CONFIG_INLINE_SPIN_LOCK) && defined(CONFIG_UNINLINE_SPIN_UNLOCK)
SPINS(_raw_spin_lock, VX_LOCK_SPIN, raw_spinlock_t, raw_spin_is_locked)
TRIES(_raw_spin_trylock, VX_LOCK_SPIN, raw_spinlock_t)
LETS_GO(_raw_spin_unlock, raw_spinlock_t)
#endif
#if !defined(CONFIG_INLINE_SPIN_LOCK_BH) && !defined(CONFIG_INLINE_SPIN_UNLOCK_BH)
SPINS(_raw_spin_lock_bh, VX_LOCK_SPIN, raw_spinlock_t, raw_spin_is_locked)
LETS_GO(_raw_spin_unlock_bh, raw_spinlock_t)
#endif
#if !defined(CONFIG_INLINE_SPIN_LOCK_IRQ) && !defined(CONFIG_INLINE_SPIN_UNLOCK_IRQ)
SPINS(_raw_spin_lock_irq, VX_LOCK_SPIN, raw_spinlock_t, raw_spin_is_locked)
LETS_GO(_raw_spin_unlock_irq, raw_spinlock_t)
#endif
#if !defined(CONFIG_INLINE_SPIN_LOCK_IRQSAVE) && !defined(CONFIG_INLINE_SPIN_UNLOCK_IRQRESTORE)
SPINS_SAVING(_raw_spin_lock_irqsave, VX_LOCK_SPIN, raw_spinlock_t, raw_spin_is_locked)
LETS_GO_RESTORING(_raw_spin_unlock_irqrestore, raw_spinlock_t)
#endif
#if !defined(CONFIG_INLINE_READ_LOCK) && !defined(CONFIG_INLINE_READ_UNLOCK)
SPINS(_raw_read_lock, VX_LOCK_RREAD, rwlock_t, rw_is_taken)
LETS_GO(_raw_read_unlock, rwlock_t)
#endif
#if !defined(CONFIG_INLINE_WRITE_LOCK) && !defined(CONFIG_INLINE_WRITE_UNLOCK)
SPINS(_raw_write_lock, VX_LOCK_RWRITE, rwlock_t, rw_is_taken)
LETS_GO(_raw_write_unlock, rwlock_t)
#endif

#endif
