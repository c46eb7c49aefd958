// SPDX-License-Identifier: GPL-2.0
/*
 * The process of a kind, its threads, and the agent's side of it. After an Oops a thread is gone without a word,
 * and what it held stays held: so nothing here waits for a lock, and who ends by itself says so on the board.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

#define STACK_SIZE	(256u << 10)
#define LOOK_MS		50	/* how often the agent asks which thread is slowest */

/* ---- threads ----------------------------------------------------------------------------------- */

static void begin(struct stress_thread *t)
{
	atomic_store(&t->s->board->thread[t->index].ended, false);
	atomic_store(&t->s->board->thread[t->index].since_ns, 0);
	atomic_store(&t->s->board->thread[t->index].tid, (pid_t)syscall(SYS_gettid));
}

static void end(struct stress_thread *t)
{
	atomic_store(&t->s->board->thread[t->index].since_ns, 0);
	atomic_store(&t->s->board->thread[t->index].tid, 0);
	atomic_store(&t->s->board->thread[t->index].ended, true);
}

struct start {
	struct stress_thread *t;
	void (*fn)(struct stress_thread *t);
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	begin(start.t);
	start.fn(start.t);
	end(start.t);
	return NULL;
}

static void start_one(struct stress_crew *crew, unsigned int i)
{
	struct stress_thread *t = &crew->t[i];
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;

	t->s = crew->s;
	t->index = crew->first + i;
	t->random = crew->s->seed * 0x9e3779b97f4a7c15ull + (uint64_t)(t->index + 1) * 0xbf58476d1ce4e5b9ull;
	t->random |= 1;
	t->arg = crew->arg;
	if (!start)
		return;
	*start = (struct start){ t, crew->fn };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	crew->there[i] = !pthread_create(&crew->thread[i], &attr, thread_main, start);
	pthread_attr_destroy(&attr);
	if (!crew->there[i])
		free(start);
}

void stress_crew_start(struct stress_crew *crew, struct stress *s, unsigned int first, unsigned int n,
		       void (*fn)(struct stress_thread *t), void *arg)
{
	unsigned int i;

	memset(crew, 0, sizeof(*crew));
	crew->s = s;
	crew->fn = fn;
	crew->arg = arg;
	crew->first = first;
	crew->n = first + n <= VX_STRESS_THREADS_MAX ? n : VX_STRESS_THREADS_MAX - first;
	for (i = 0; i < crew->n; i++)
		start_one(crew, i);
}

void stress_crew_wait(struct stress_crew *crew)
{
	unsigned int i;

	for (i = 0; i < crew->n; i++) {
		if (!crew->there[i])
			continue;
		pthread_join(crew->thread[i], NULL);
		if (!atomic_load(&crew->s->board->thread[crew->first + i].ended))
			atomic_fetch_add(&crew->s->board->killed, 1);
		atomic_store(&crew->s->board->thread[crew->first + i].tid, 0);
	}
}

void stress_threads(struct stress *s, unsigned int n, void (*fn)(struct stress_thread *t), void *arg)
{
	struct stress_crew *crew = calloc(1, sizeof(*crew));

	if (!crew)
		return;
	stress_crew_start(crew, s, 0, n, fn, arg);
	stress_crew_wait(crew);
	free(crew);
}

/* ---- the process ------------------------------------------------------------------------------- */

static void write_word(const char *path, const char *word)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, word, strlen(word)) < 0)
		return;
}

/* Away from the agent: its files, its protection, its namespace. */
static void move_out(void)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_range(3, ~0u, 0);
	write_word("/proc/self/oom_score_adj", "500");
	/* What is mounted in it goes with it, however it ends. */
	if (!unshare(CLONE_NEWNS))
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void child_main(struct stress *s, int (*fn)(struct stress_thread *own))
{
	struct stress_thread own = {
		.s = s, .index = VX_STRESS_THREADS_MAX, .random = s->seed | 1,
	};

	move_out();
	begin(&own);
	s->until_ns = now_ns() + s->ns;
	if (!fn(&own) && s->reloads && !stress_is_wrong(s))
		stress_reload(&own);
	end(&own);
	atomic_store(&s->board->ended, true);
	_exit(0);
}

/*
 * Near its deadline the process is ended. What can be killed is not stuck in the kernel: it is slow, or waits for what does
 * not come. What cannot be killed is left to the deadline, which looks where it is.
 */
static void end_it(struct stress *s)
{
	char what[96];
	const char *call = "";
	uint64_t ns;

	if (stress_slowest(s->board, &ns, &call) && ns > s->patience_ns) {
		snprintf(what, sizeof(what), "%s does not come back until it is killed", call);
		stress_wrong(s, VX_FILE_HELD, what, "after %llu ms", (unsigned long long)(ns / NSEC_PER_MSEC));
	} else {
		stress_lack(s, "it did not end in time: too slow here for the patience that it has");
	}
	op_kill_child(s->run);
}

static int watch(struct stress *s, int pidfd)
{
	const uint64_t deadline = s->run->step.req.deadline_ns, until = now_ns() + deadline - deadline / 4;
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	bool ended = !deadline;

	for (;;) {
		int n = poll(&fd, 1, LOOK_MS);
		const char *call;
		uint64_t ns;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			return 0;
		atomic_store(&s->run->suspect, stress_slowest(s->board, &ns, &call));
		if (!ended && now_ns() > until) {
			ended = s->ended_by_force = true;
			end_it(s);
		}
	}
}

static int reap(struct op_run *run)
{
	siginfo_t info = { 0 };
	int err;

	op_lock(run);
	err = waitid(P_PID, (id_t)run->child, &info, WEXITED) ? -errno : 0;
	run->child = 0;
	op_unlock(run);
	return err;
}

int stress_in_child(struct stress *s, int (*fn)(struct stress_thread *own))
{
	_cleanup_close_ int pidfd = -1;
	pid_t pid = fork();
	int err;

	if (pid < 0)
		return -errno;
	if (!pid)
		child_main(s, fn);
	setpgid(pid, pid);
	op_lock(s->run);
	s->run->child = pid;
	op_unlock(s->run);
	pidfd = pidfd_open(pid, 0);
	err = pidfd < 0 ? -errno : 0;
	if (err || atomic_load(&s->run->cancelled))
		op_kill_child(s->run);
	err = err ?: watch(s, pidfd);
	if (reap(s->run) || err)
		return err ?: -ECHILD;
	if (!s->ended_by_force && (atomic_load(&s->board->killed) || !atomic_load(&s->board->ended)))
		return -EOWNERDEAD;
	return atomic_load(&s->board->wrong) ? -EBADMSG : 0;
}

/* Threads of a process that is over, however it ended. */
static void forget_threads(struct stress_thread *t)
{
	size_t i;

	for (i = 0; i <= VX_STRESS_THREADS_MAX; i++) {
		if (i == t->index)
			continue;
		atomic_store(&t->s->board->thread[i].since_ns, 0);
		atomic_store(&t->s->board->thread[i].tid, 0);
	}
}

int stress_fork(struct stress_thread *t, int (*fn)(struct stress_thread *t, void *arg), void *arg, int *status)
{
	pid_t pid = (pid_t)DO_ANY(t, FORK, fork());
	siginfo_t info = { 0 };

	if (pid < 0)
		return (int)pid;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(t, arg));
	}
	if (waitid(P_PID, (id_t)pid, &info, WEXITED))
		return -errno;
	forget_threads(t);
	*status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}
