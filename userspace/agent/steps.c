// SPDX-License-Identifier: GPL-2.0
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"
#include "steps.h"
#include "stuck.h"

#define STACK_SIZE	(256u << 10)
#define LOOK_EVERY_NS	(100 * NSEC_PER_MSEC)	/* is the thread still there? */
#define KILL_GRACE_NS	(1000 * NSEC_PER_MSEC)	/* for a killed process to end */
#define LOOK_NS		(2000 * NSEC_PER_MSEC)	/* for finding out where a late step is */
#define STUCK_MAX	64

enum worker_state { WORKER_IDLE, WORKER_RUNNING, WORKER_DONE };

struct worker {
	struct worker *next;		/* among those left behind */
	pthread_t thread;
	_Atomic pid_t tid;		/* 0: not started yet */
	sem_t go;
	int done_fd;			/* eventfd of all workers */
	atomic_int state;		/* enum worker_state */
	atomic_bool quit;		/* end after the present step */
	int err;			/* of the step; valid when done */
	uint64_t begun_ns, due_ns;	/* due: deadline, later end of looking, of grace; 0: none */
	bool struck;			/* the deadline has */
	bool killed;			/* and the child is being killed */
	struct stuck *look;		/* where it is; NULL: not asked yet */
	struct op_run run;
};

struct steps {
	struct steps_callbacks cb;
	struct worker *worker;		/* NULL: none to be had at the moment */
	struct worker *stuck;
	unsigned int nstuck;
	int fd;
	const char *note;		/* what the watcher adds to the output */
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 1;

	atomic_store(&w->tid, (pid_t)syscall(SYS_gettid));
	while (!atomic_load(&w->quit)) {
		if (sem_wait(&w->go))
			continue;
		if (atomic_load(&w->state) != WORKER_RUNNING)
			continue;
		w->err = op_execute(&w->run);
		atomic_store(&w->state, WORKER_DONE);
		if (write(w->done_fd, &one, sizeof(one)) < 0)
			continue;	/* the watcher looks by itself, too */
	}
	return NULL;
}

static int init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	int err;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	err = pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return -err;
}

static void worker_free(struct worker *w)
{
	stuck_free(w->look);
	free(w->run.payload);
	pthread_mutex_destroy(&w->run.lock);
	sem_destroy(&w->go);
	free(w);
}

static struct worker *worker_create(int done_fd)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;
	int err;

	if (!w)
		return NULL;
	w->done_fd = done_fd;
	sem_init(&w->go, 0, 0);
	err = init_lock(&w->run.lock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!err)
		err = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (!err)
		return w;
	worker_free(w);
	return NULL;
}

/* Only its kernel knows whether a thread is there: an Oops ends it without a word to us. */
static bool worker_gone(const struct worker *w)
{
	pid_t tid = atomic_load(&w->tid);

	return tid && syscall(SYS_tgkill, getpid(), tid, 0) && errno == ESRCH;
}

/* For a thread that has ended, or is about to. */
static void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	worker_free(w);
}

static bool is_running(const struct steps *steps)
{
	return steps->worker && atomic_load(&steps->worker->state) != WORKER_IDLE;
}

/* EINTR for a thread that waits in an interruptible call and is of no use any more. */
static void on_wake_up(int sig)
{
}

int steps_create(const struct steps_callbacks *callbacks, struct steps **ret)
{
	struct sigaction act = { .sa_handler = on_wake_up };
	struct steps *steps = calloc(1, sizeof(*steps));
	int err;

	if (!steps)
		return -ENOMEM;
	steps->cb = *callbacks;
	steps->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (steps->fd < 0 || sigaction(SIGUSR1, &act, NULL)) {
		err = -errno;
		steps_destroy(steps);
		return err;
	}
	steps->worker = worker_create(steps->fd);
	if (!steps->worker) {
		steps_destroy(steps);
		return -EAGAIN;
	}
	*ret = steps;
	return 0;
}

void steps_destroy(struct steps *steps)
{
	struct worker *w;

	if (!steps)
		return;
	/* A worker at work keeps its memory and the eventfd: both end with the process. */
	for (w = steps->stuck; w; w = w->next)
		op_kill_child(&w->run);
	if (is_running(steps)) {
		atomic_store(&steps->worker->run.cancelled, true);
		op_kill_child(&steps->worker->run);
	} else if (steps->worker) {
		atomic_store(&steps->worker->quit, true);
		sem_post(&steps->worker->go);
		worker_join(steps->worker);
		if (!steps->stuck)
			close(steps->fd);
	}
	free(steps);
}

int steps_fd(const struct steps *steps)
{
	return steps->fd;
}

uint64_t steps_running(const struct steps *steps, uint64_t *since_ns)
{
	if (!is_running(steps))
		return 0;
	if (since_ns)
		*since_ns = steps->worker->begun_ns;
	return steps->worker->run.step.req.id;
}

bool steps_counts(const struct steps *steps)
{
	return is_running(steps) && steps->worker->run.step.req.op == VX_STEP_RESOURCES;
}

pid_t steps_child(const struct steps *steps)
{
	return is_running(steps) ? __atomic_load_n(&steps->worker->run.child, __ATOMIC_RELAXED) : 0;
}

uint64_t steps_due_ns(const struct steps *steps)
{
	uint64_t look = now_ns() + LOOK_EVERY_NS;

	if (!is_running(steps))
		return UINT64_MAX;
	return steps->worker->due_ns && steps->worker->due_ns < look ? steps->worker->due_ns : look;
}

static void reset_run(struct op_run *run)
{
	free(run->payload);
	run->payload = NULL;
	run->value = 0;
	run->start_ns = run->end_ns = run->cpu_ns = 0;
	atomic_store(&run->cancelled, false);
	run->child = 0;
	run->where = NULL;
	atomic_store(&run->suspect, 0);
	run->out.len = 0;
	run->out.cut = 0;
}

int steps_start(struct steps *steps, const void *payload, size_t len)
{
	_cleanup_free_ void *copy = NULL;
	struct vx_step step;
	struct worker *w;
	int err;

	if (is_running(steps))
		return -EBUSY;
	if (!steps->worker && steps->nstuck < STUCK_MAX)
		steps->worker = worker_create(steps->fd);
	w = steps->worker;
	if (!w)
		return -EAGAIN;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, payload, len);
	err = vx_step_unpack(copy, len, &step);
	if (err)
		return err;
	reset_run(&w->run);
	w->run.payload = copy;
	copy = NULL;
	w->run.step = step;
	w->struck = w->killed = false;
	stuck_free(w->look);
	w->look = NULL;
	w->begun_ns = now_ns();
	w->due_ns = 0;
	if (step.req.deadline_ns && step.req.deadline_ns < UINT64_MAX - w->begun_ns)
		w->due_ns = w->begun_ns + step.req.deadline_ns;
	steps->note = "";
	atomic_store(&w->state, WORKER_RUNNING);
	sem_post(&w->go);
	return 0;
}

int steps_cancel(struct steps *steps, uint64_t id)
{
	if (!is_running(steps) || steps->worker->run.step.req.id != id)
		return -ESRCH;
	atomic_store(&steps->worker->run.cancelled, true);
	return op_kill_child(&steps->worker->run) ? 0 : -ESRCH;
}

static void answer(struct steps *steps, int err)
{
	struct op_run *run = &steps->worker->run;
	struct vx_msg_step msg = {
		.id = run->step.req.id, .err = err, .value = run->value,
		.start_ns = run->start_ns, .end_ns = run->end_ns, .cpu_ns = run->cpu_ns,
	};
	const char *text;
	size_t len;

	/* Still inside the call: as long as it has lasted by now. */
	if (msg.start_ns && !msg.end_ns)
		msg.end_ns = now_ns();
	op_lock(run);
	if (steps->worker->look) {
		text = stuck_text(steps->worker->look, &len);
		output_printf(&run->out, "the deadline struck\n");
		output_add(&run->out, text, len);
	}
	output_add(&run->out, steps->note, strlen(steps->note));
	output_trim(&run->out);
	msg.output_cut = run->out.cut < UINT32_MAX ? (uint32_t)run->out.cut : UINT32_MAX;
	/* Under the lock: a worker about to be left behind may still write. */
	steps->cb.done(steps->cb.arg, &msg, run->out.buf, run->out.len);
	op_unlock(run);
}

static void say(struct steps *steps, const struct worker *w, const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "step %llu (%s): %s, %llu ms after it began",
		 (unsigned long long)w->run.step.req.id, vx_step_op_name(w->run.step.req.op), what,
		 (unsigned long long)((now_ns() - w->begun_ns) / NSEC_PER_MSEC));
	steps->cb.log(steps->cb.arg, line);
}

static void replace_worker(struct steps *steps)
{
	steps->worker = steps->nstuck < STUCK_MAX ? worker_create(steps->fd) : NULL;
}

static void leave_behind(struct steps *steps)
{
	struct worker *w = steps->worker;

	answer(steps, -ETIMEDOUT);
	atomic_store(&w->run.cancelled, true);
	atomic_store(&w->quit, true);
	pthread_kill(w->thread, SIGUSR1);
	w->next = steps->stuck;
	steps->stuck = w;
	steps->nstuck++;
	replace_worker(steps);
}

/* Before anything is done about it: where in the kernel is it, and why? */
static void strike(struct steps *steps)
{
	struct worker *w = steps->worker;
	pid_t at = atomic_load(&w->run.suspect);

	op_lock(&w->run);
	if (!at)
		at = w->run.where ? w->run.where(w->run.where_arg, &w->run.out) : w->run.child;
	op_unlock(&w->run);
	w->struck = true;
	w->look = stuck_look(at ?: atomic_load(&w->tid), !steps->cb.foreign, steps->fd);
	w->due_ns = now_ns() + (w->look ? LOOK_NS : 0);
}

static void give_up(struct steps *steps)
{
	struct worker *w = steps->worker;

	if (w->killed || (!op_kill_child(&w->run) && w->run.step.req.op != VX_STEP_EXEC)) {
		leave_behind(steps);
		return;
	}
	atomic_store(&w->run.cancelled, true);
	w->killed = true;
	w->due_ns = now_ns() + KILL_GRACE_NS;
}

static void check_late(struct steps *steps)
{
	struct worker *w = steps->worker;

	if (!w->due_ns)
		return;
	if (w->struck && !w->killed && w->look && stuck_done(w->look))
		give_up(steps);
	else if (now_ns() < w->due_ns)
		return;
	else if (!w->struck)
		strike(steps);
	else
		give_up(steps);
}

static void bury(struct steps *steps)
{
	struct worker *w = steps->worker;

	op_kill_child(&w->run);
	steps->note = "the kernel killed the step's thread\n";
	answer(steps, -EOWNERDEAD);
	say(steps, w, "the kernel killed its thread");
	steps->worker = NULL;
	worker_join(w);
	replace_worker(steps);
}

static void check_worker(struct steps *steps)
{
	struct worker *w = steps->worker;

	switch (atomic_load(&w->state)) {
	case WORKER_DONE:
		if (w->struck && !w->killed)
			steps->note = VX_STEP_LATE;
		/* Slow is not stuck; one that had to be killed was. */
		answer(steps, w->killed ? -ETIMEDOUT : w->err);
		atomic_store(&w->state, WORKER_IDLE);
		break;
	case WORKER_RUNNING:
		if (worker_gone(w))
			bury(steps);
		else
			check_late(steps);
		break;
	}
}

static void check_stuck(struct steps *steps)
{
	struct worker **at = &steps->stuck, *w;
	char what[64];

	while ((w = *at)) {
		bool done = atomic_load(&w->state) == WORKER_DONE;

		if (!done && !worker_gone(w)) {
			at = &w->next;
			continue;
		}
		snprintf(what, sizeof(what), "ended late with %s",
			 !done ? "the death of its thread" : w->err ? strerrorname_np(-w->err) : "success");
		say(steps, w, what);
		*at = w->next;
		steps->nstuck--;
		worker_join(w);
	}
}

void steps_check(struct steps *steps)
{
	uint64_t n;

	if (read(steps->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	if (steps->worker)
		check_worker(steps);
	if (steps->stuck)
		check_stuck(steps);
}
