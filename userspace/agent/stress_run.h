/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kinds of stress and exhaustion (common/stress.h) share. A kind runs in a process of its own, with a mount
 * namespace, threads and limits of its own, so that all it has done ends with it: only devices, modules and what the
 * kernel itself keeps outlive it. What is counted lies in memory shared with the agent, which thus knows, too, which
 * thread has been in the kernel for longest when the deadline strikes.
 */
#ifndef VEXLAB_AGENT_STRESS_RUN_H
#define VEXLAB_AGENT_STRESS_RUN_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <vexlab/request.h>

#include "clock.h"
#include "ops.h"
#include "stress.h"

#define STRESS_ERRNO_MAX	134
#define STRESS_MEETINGS		4	/* contended pairs of one kind */
#define STRESS_PATH		512

/* Calls that are counted, each with its errors. */
#define STRESS_CALLS(X)									\
	X(MOUNT, "mount") X(UMOUNT, "umount") X(REMOUNT, "remount") X(BIND, "bind")	\
	X(MOVE, "move") X(PROPAGATE, "propagation") X(UNSHARE, "unshare") X(LOAD, "load")	\
	X(UNLOAD, "unload") X(OPEN, "open") X(CREATE, "create") X(CLOSE, "close")	\
	X(WRITE, "write") X(READ, "read") X(TRUNCATE, "truncate") X(FSYNC, "fsync")	\
	X(MAP, "mmap") X(MKDIR, "mkdir") X(RMDIR, "rmdir") X(RENAME, "rename")		\
	X(LINK, "link") X(UNLINK, "unlink") X(READDIR, "readdir") X(STAT, "stat")	\
	X(STATFS, "statfs") X(SETXATTR, "setxattr") X(GETXATTR, "getxattr")		\
	X(SYNC, "sync") X(FREEZE, "freeze") X(THAW, "thaw") X(DEVICE, "device") X(FORK, "fork")

enum stress_call {
#define X(name, word) CALL_##name,
	STRESS_CALLS(X)
#undef X
	CALLS
};

/* Shared with the agent; whoever dies with it in hand leaves it sound. */
struct stress_board {
	struct {
		_Atomic pid_t tid;		/* 0: not begun, or over */
		_Atomic uint64_t since_ns;	/* in a call; 0: not */
		atomic_int call;		/* enum stress_call: the one it is in */
		atomic_uint calls[CALLS];
		atomic_bool ended;		/* by itself */
	} thread[VX_STRESS_THREADS_MAX + 1];	/* the last is the process's own */
	atomic_uint errors[CALLS][STRESS_ERRNO_MAX];
	struct {
		const char *_Atomic name;	/* static */
		atomic_int inside[2];
		_Atomic uint64_t met;
	} meeting[STRESS_MEETINGS];
	atomic_int wrong;			/* enum vx_file_result; the first one has the words */
	atomic_bool worded;
	atomic_bool lacking;			/* `what` says what is missing here */
	atomic_int killed;			/* threads that the kernel killed */
	atomic_bool ended;			/* the process, by itself */
	char what[160], detail[256];
	_Atomic size_t nnotes;
	char notes[2048];
};

struct stress_thread;

struct stress {
	struct op_run *run;
	struct stress_board *board;
	const char *kind, *device, *dir, *fstype, *options;
	const char *module;			/* "": built in */
	char module_file[STRESS_PATH];		/* "": it cannot be loaded again */
	const char *params;
	const char *devices[VX_STRESS_DEVICES_MAX];
	unsigned int ndevices;
	unsigned int nthreads;
	uint64_t seed, ns, until_ns;
	bool ended_by_force;			/* the process, by the agent */
	uint64_t patience_ns;			/* for what ends by itself, on a slow machine too */
	long pins;				/* of the module, before; -1: it has no count */
	bool reloads;				/* after its kind the module is unloaded and loaded again */
};

/* One thread of a kind. */
struct stress_thread {
	struct stress *s;
	unsigned int index;
	uint64_t random;
	void *arg;				/* of the kind */
};

/* ---- stress_board.c ---------------------------------------------------------------------------- */

/* Until then, and as long as nothing is wrong. */
bool stress_go_on(const struct stress *s);
/* The first that is wrong is told: `what` is stable, `detail` for people. Returns -EBADMSG. */
int stress_wrong(struct stress *s, enum vx_file_result result, const char *what, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
bool stress_is_wrong(const struct stress *s);
/* It cannot be done here, and why. */
int stress_lack(struct stress *s, const char *why);
/* A line for people behind the counts. */
void stress_note(struct stress *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

void stress_call_begin(struct stress_thread *t, enum stress_call call);
/* 0 and up, or -errno, which must be 0 or one of `right` (0 ends them), or it is wrong. */
long stress_call_end(struct stress_thread *t, enum stress_call call, long ret, const int *right);
/* Any answer is right. */
extern const int stress_any[];

#define DO_RIGHT(t, call, right, expression) ({				\
	long do_ret;							\
	stress_call_begin(t, CALL_##call);				\
	do_ret = (expression);						\
	stress_call_end(t, CALL_##call, do_ret, right);			\
})
/* The answer of a system call that may fail only with the errors named behind it. */
#define DO(t, call, expression, ...) \
	DO_RIGHT(t, call, ((const int[]){ 0, ##__VA_ARGS__, 0 } + 1), expression)
#define DO_ANY(t, call, expression) DO_RIGHT(t, call, stress_any, expression)

/* Two sides of a race are inside at the same time: counted. `name` is static. */
void stress_meet_in(struct stress *s, unsigned int meeting, const char *name, unsigned int side);
void stress_meet_out(struct stress *s, unsigned int meeting, unsigned int side);
/* So many calls of that name have been made. */
unsigned int stress_count(const struct stress *s, enum stress_call call);
/* The thread that has been in a call for longest, 0: none; for how long, and in which. */
pid_t stress_slowest(const struct stress_board *board, uint64_t *ns, const char **call);

uint64_t stress_random(struct stress_thread *t);
static inline unsigned int stress_choose(struct stress_thread *t, unsigned int n)
{
	return (unsigned int)(stress_random(t) % n);
}
void stress_nap(uint64_t ns);

/* What was counted, as lines; `ns`: how long it has lasted. */
void stress_board_say(const struct stress *s, struct op_run *run, uint64_t ns);

/* ---- stress_child.c ---------------------------------------------------------------------------- */

/* `fn` in a process of its own: 0, -EBADMSG (told), -EOWNERDEAD, -errno. */
int stress_in_child(struct stress *s, int (*fn)(struct stress_thread *own));
/*
 * Threads of the calling process, `n` of them, the i-th running fn(i); `arg` for all. Waits for all. A thread that
 * the kernel killed is counted.
 */
struct stress_crew {
	struct stress *s;
	void (*fn)(struct stress_thread *t);
	void *arg;
	unsigned int n, first;		/* first: slot of the board */
	pthread_t thread[VX_STRESS_THREADS_MAX];
	struct stress_thread t[VX_STRESS_THREADS_MAX];
	bool there[VX_STRESS_THREADS_MAX];
};
void stress_crew_start(struct stress_crew *crew, struct stress *s, unsigned int first, unsigned int n,
		       void (*fn)(struct stress_thread *t), void *arg);
void stress_crew_wait(struct stress_crew *crew);
void stress_threads(struct stress *s, unsigned int n, void (*fn)(struct stress_thread *t), void *arg);
/* `fn` in a process of its own again, which may be shot; *status: what it returned, or 128 + the signal. */
int stress_fork(struct stress_thread *t, int (*fn)(struct stress_thread *t, void *arg), void *arg, int *status);

/* stress.c: the step, by the table of its kinds */
struct stress_row {
	const char *name;
	int (*run)(struct stress_thread *own);
	unsigned int needs;
};
int stress_step(struct op_run *run, const struct stress_row *rows);

/* ---- stress_place.c ---------------------------------------------------------------------------- */

/* DIR/NAME, made. */
int stress_place(struct stress_thread *t, const char *name, char ret[STRESS_PATH]);
int stress_mount(struct stress_thread *t, const char *device, const char *place, unsigned long flags);
/* The same; what else than success is wrong. */
int stress_mount_must(struct stress_thread *t, const char *device, const char *place);
/* Takes off all that is there, waiting for what is still busy: "EBUSY that never ends" is wrong. */
int stress_clear(struct stress_thread *t, const char *place);
/* Nobody holds the device, nothing the module: after the last unmount that must come to be, soon. */
int stress_gone(struct stress_thread *t, const char *device);
int stress_unpinned(struct stress_thread *t);
/* All of it; and once again mounted and unmounted, alone. */
int stress_epilogue(struct stress_thread *t);
long stress_module_pins(const char *module);
/* stress_module.c: unloaded, which nothing may keep it from, and loaded again; a target that is built in stays. */
int stress_reload(struct stress_thread *t);

/* ---- stress_files.c: file operations, as load and as a kind of their own ----------------------- */

struct stress_files {
	const char *dir;		/* where; each thread makes its own below, unless `shared` */
	bool shared;
	const int *also;		/* errors that are right answers, 0 ends them; NULL: the ordinary ones */
	bool unsure;			/* what was written may be lost: nothing is known of content and size */
	atomic_bool *stop;		/* NULL: time alone ends it */
};
/* A thread's function; its argument is a struct stress_files. */
void stress_file_work(struct stress_thread *t);

/* Files whose content is known, for a look at them later. */
int stress_keep(struct stress_thread *t, const char *dir, unsigned int n, size_t bytes);
int stress_kept(struct stress_thread *t, const char *dir, unsigned int n, size_t bytes);

/* ---- kinds -------------------------------------------------------------------------------------- */

#define X(name, function, needs, what, expected) int stress_##function(struct stress_thread *own);
VX_STRESS_KINDS(X)
#undef X
#define X(name, function, needs, what, expected) int exhaust_##function(struct stress_thread *own);
VX_EXHAUST_KINDS(X)
#undef X

/* op_module.c */
int module_insert(const char *path, const char *params);
/* The file of a module in modules.dep; -ENOENT: it is built in, or not there. */
int module_file(const char *name, char *ret, size_t size);

#endif
