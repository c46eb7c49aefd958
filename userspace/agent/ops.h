/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a step does, by operation (<vexlab/request.h>). Runs in a worker thread
 * that the kernel under test may hold or kill at any moment: an operation owns
 * nothing that somebody else waits for, but for `lock`, which it holds only
 * around memory accesses.
 */
#ifndef VEXLAB_AGENT_OPS_H
#define VEXLAB_AGENT_OPS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include "clock.h"
#include "output.h"
#include "wire.h"

struct op_run {
	struct vx_step step;		/* strings point into `payload` */
	void *payload;
	int64_t value;
	uint64_t start_ns, end_ns;	/* around the system call itself; 0: it was not reached */
	uint64_t cpu_began_ns, cpu_ns;	/* this thread's CPU time in between, once it is over */
	atomic_bool cancelled;		/* nobody waits any more: end soon */

	pthread_mutex_t lock;		/* robust; for what follows */
	pid_t child;			/* not reaped yet, leads its own process group; 0: none */
	_Atomic pid_t suspect;		/* the thread that has been in the kernel for longest; 0: the one that was told */
	struct output out;
	/*
	 * Of an operation that lets other threads do it, NULL else: says where they are, and which of them is to be looked at.
	 * Called under the lock, by the watcher.
	 */
	pid_t (*where)(void *arg, struct output *out);
	void *where_arg;
};

/* Does it; 0 or -errno. */
int op_execute(struct op_run *run);

/* Output from the operation's own thread. */
void op_say(struct op_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void op_say_bytes(struct op_run *run, const void *data, size_t len);

/* Kills the running helper process and its group, if there is one: true. Any thread. */
bool op_kill_child(struct op_run *run);
void op_lock(struct op_run *run);
void op_unlock(struct op_run *run);

/* For operations of many calls. The wall clock is the inner one: reading the other is a system call. */
static inline void op_begin(struct op_run *run)
{
	run->cpu_began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	run->start_ns = now_ns();
}

static inline int op_end(struct op_run *run, int err)
{
	run->end_ns = now_ns();
	run->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - run->cpu_began_ns;
	return err;
}

/* Result of the system call `call`, 0 or up, or -errno, with the clock read just before and after it. */
#define OP_TIMED(run, call) ({				\
	long op_ret, op_errno;				\
	op_begin(run);					\
	op_ret = (call);				\
	op_errno = errno;				\
	op_end(run, 0);					\
	(int)(op_ret < 0 ? -op_errno : op_ret);		\
})

/* op_exec.c */
int op_exec(struct op_run *run);
int op_exec_argv(struct op_run *run, const char *const *argv);
/* op_module.c */
int op_insmod(struct op_run *run);
int op_modprobe(struct op_run *run);
int op_rmmod(struct op_run *run);
/* op_mount.c */
int op_mount(struct op_run *run);
int op_umount(struct op_run *run);
/* op_files.c */
int op_files(struct op_run *run);
/* op_fault.c */
int op_fault(struct op_run *run);
/* fileops.c */
int op_file(struct op_run *run);
/* op_parallel.c */
int op_parallel(struct op_run *run);
/* op_settle.c */
int op_settle(struct op_run *run);
/* op_kmemleak.c */
int op_kmemleak(struct op_run *run);
/* op_images.c */
int op_image_open(struct op_run *run);
int op_image_fill(struct op_run *run);
int op_image_hold(struct op_run *run);
int op_image_try(struct op_run *run);
/* resources.c */
int op_resources(struct op_run *run);
/* oracle.c */
int op_oracle(struct op_run *run);
int op_oracle_check(struct op_run *run);
/* op_loop.c */
int op_loop(struct op_run *run);
/* stress.c, exhaust.c */
int op_stress(struct op_run *run);
int op_exhaust(struct op_run *run);
/* op_device.c */
int op_device(struct op_run *run);
/* inject.c */
int op_inject(struct op_run *run);
int op_outstanding(struct op_run *run);
int op_inject_end(struct op_run *run);
/* inject_keep.c */
int op_keep(struct op_run *run);
/* op_locks.c */
int op_locks(struct op_run *run);
/* vexprobe's, opened once; with its end all that was asked there ends. -errno. */
int locks_device(void);
/* op_delays.c */
int op_delays(struct op_run *run);
/* races.c */
int op_races(struct op_run *run);

#endif
