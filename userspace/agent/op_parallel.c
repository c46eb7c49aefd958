// SPDX-License-Identifier: GPL-2.0
/*
 * VX_STEP_PARALLEL: branches of steps at the same time, each a thread with an operation of its own. They begin together. One
 * that the kernel holds keeps the whole from ending, as any step that is held; one that the kernel killed ends it.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "branches.h"
#include "ops.h"

#define STACK_SIZE	(256u << 10)
#define LOOK_EVERY_NS	(100 * NSEC_PER_MSEC)
#define KINDS_MAX	6		/* different errors told of one step */
#define EXITED		(-4095)		/* a program ended with another status than 0 */

/* How one step of a branch went, all times. Its own branch writes, the first thread reads after the end. */
struct tally {
	uint64_t done, wrong, longest_ns;
	struct {
		int err;
		uint64_t times;
	} kinds[KINDS_MAX];
	int first_wrong;
	char said[120];			/* by the first that was wrong */
};

struct branch {
	struct parallel *all;
	pthread_t thread;
	_Atomic pid_t tid;
	const char *name;
	uint64_t times;
	unsigned int first, n;		/* of `inner` */
	atomic_uint at;			/* step under way, of `inner` */
	_Atomic uint64_t round, since_ns;
	atomic_bool done;
	bool dead;
	struct op_run run;
};

struct parallel {
	struct op_run *run;
	struct vx_inner inner[VX_STEP_STRINGS_MAX];
	struct tally tally[VX_STEP_STRINGS_MAX];
	unsigned int ninner, nbranches;
	struct branch *branch[VX_BRANCHES_MAX];
	uint64_t until_ns;		/* 0: no end */
	sem_t go, ended;
	atomic_bool stop;
};

/* ---- a branch ------------------------------------------------------------------------------- */

static void count(struct tally *t, const struct vx_inner *inner, const struct op_run *run, int err)
{
	const uint64_t ns = run->end_ns > run->start_ns ? run->end_ns - run->start_ns : 0;
	size_t len;
	int i;

	t->done++;
	if (ns > t->longest_ns)
		t->longest_ns = ns;
	for (i = 0; i < KINDS_MAX - 1 && t->kinds[i].times && t->kinds[i].err != err; i++)
		;
	t->kinds[i].err = err;
	t->kinds[i].times++;
	if (vx_inner_is_as_expected(inner, err) || t->wrong++)
		return;
	t->first_wrong = err;
	len = run->out.len < sizeof(t->said) - 1 ? run->out.len : sizeof(t->said) - 1;
	memcpy(t->said, run->out.buf, len);
	t->said[strcspn(t->said, "\n")] = '\0';
}

static void one_step(struct branch *b, unsigned int i)
{
	struct op_run *run = &b->run;
	int err;

	atomic_store(&b->at, i);
	atomic_store(&b->since_ns, now_ns());
	run->step = b->all->inner[i].step;
	run->value = 0;
	run->start_ns = run->end_ns = 0;
	run->out.len = run->out.cut = 0;
	err = op_execute(run);
	if (!err && run->step.req.op == VX_STEP_EXEC && run->value)
		err = EXITED;
	count(&b->all->tally[i], &b->all->inner[i], run, err);
}

static bool may_begin(const struct branch *b)
{
	return !atomic_load(&b->all->stop) && (!b->all->until_ns || now_ns() < b->all->until_ns);
}

static void *branch_main(void *arg)
{
	struct branch *b = arg;
	uint64_t round;
	unsigned int i;

	atomic_store(&b->tid, (pid_t)syscall(SYS_gettid));
	while (sem_wait(&b->all->go))
		;
	for (round = 0; round < b->times && may_begin(b); round++) {
		atomic_store(&b->round, round);
		for (i = 0; i < b->n && !atomic_load(&b->all->stop); i++)
			one_step(b, b->first + i);
	}
	atomic_store(&b->done, true);
	sem_post(&b->all->ended);
	return NULL;
}

static void branch_free(struct branch *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->run.lock);
	free(b);
}

static struct branch *branch_create(struct parallel *all, const char *text)
{
	struct branch *b = calloc(1, sizeof(*b));
	pthread_mutexattr_t attr;

	if (!b)
		return NULL;
	b->all = all;
	b->first = all->ninner;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&b->run.lock, &attr);
	pthread_mutexattr_destroy(&attr);
	if (!vx_branch_unpack(text, &b->times, &b->name))
		return b;
	branch_free(b);
	return NULL;
}

/* ---- all of them --------------------------------------------------------------------------------- */

static int unpack(struct parallel *all)
{
	const char *const *str = all->run->step.str;
	struct branch *b = NULL;
	int err;

	for (; *str; str++) {
		if (vx_is_branch(*str)) {
			b = all->nbranches < VX_BRANCHES_MAX ? branch_create(all, *str) : NULL;
			if (!b)
				return -EINVAL;
			all->branch[all->nbranches++] = b;
			continue;
		}
		err = b ? vx_inner_unpack(*str, &all->inner[all->ninner]) : -EINVAL;
		if (err)
			return err;
		all->ninner++;
		b->n++;
	}
	return all->nbranches ? 0 : -EINVAL;
}

static int start(struct parallel *all, unsigned int *started)
{
	pthread_attr_t attr;
	unsigned int i;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 0; i < all->nbranches && !err; i++)
		err = -pthread_create(&all->branch[i]->thread, &attr, branch_main, all->branch[i]);
	pthread_attr_destroy(&attr);
	*started = err ? i - 1 : i;
	if (err)
		atomic_store(&all->stop, true);
	for (i = 0; i < *started; i++)
		sem_post(&all->go);
	return err;
}

/* An Oops ends a thread without a word to us. */
static bool is_dead(struct branch *b)
{
	const pid_t tid = atomic_load(&b->tid);

	if (!atomic_load(&b->done) && !b->dead && tid && syscall(SYS_tgkill, getpid(), tid, 0) && errno == ESRCH)
		b->dead = !atomic_load(&b->done);
	return b->dead;
}

static void stop_all(struct parallel *all, unsigned int started)
{
	unsigned int i;

	atomic_store(&all->stop, true);
	for (i = 0; i < started; i++) {
		atomic_store(&all->branch[i]->run.cancelled, true);
		op_kill_child(&all->branch[i]->run);
	}
}

/* Until each has ended, or was killed. */
static void wait_for(struct parallel *all, unsigned int started)
{
	unsigned int i, gone;

	do {
		const uint64_t until = clock_ns(CLOCK_REALTIME) + LOOK_EVERY_NS;
		const struct timespec t = { (time_t)(until / NSEC_PER_SEC), (long)(until % NSEC_PER_SEC) };
		bool dead = false;

		sem_timedwait(&all->ended, &t);
		for (gone = i = 0; i < started; i++) {
			dead |= is_dead(all->branch[i]);
			gone += all->branch[i]->dead || atomic_load(&all->branch[i]->done);
		}
		if (dead || atomic_load(&all->run->cancelled))
			stop_all(all, started);
	} while (gone < started);
	for (i = 0; i < started; i++)
		pthread_join(all->branch[i]->thread, NULL);
}

/* Called by the watcher. The one that has been at its step for longest is the one to be looked at. */
static pid_t where(void *arg, struct output *out)
{
	struct parallel *all = arg;
	const uint64_t now = now_ns();
	struct branch *oldest = NULL;
	unsigned int i;

	for (i = 0; i < all->nbranches; i++) {
		struct branch *b = all->branch[i];
		const uint64_t since = atomic_load(&b->since_ns);

		if (atomic_load(&b->done) || !since)
			continue;
		output_printf(out, "branch \"%s\" (task %d) is in its step %u, %s, round %llu, for %llu ms\n", b->name,
			      atomic_load(&b->tid), atomic_load(&b->at) - b->first + 1,
			      vx_step_op_name(all->inner[atomic_load(&b->at)].step.req.op),
			      (unsigned long long)atomic_load(&b->round) + 1, (unsigned long long)((now - since) / NSEC_PER_MSEC));
		if (!oldest || since < atomic_load(&oldest->since_ns))
			oldest = b;
	}
	return oldest ? atomic_load(&oldest->tid) : 0;
}

static void set_where(struct parallel *all, bool on)
{
	op_lock(all->run);
	all->run->where = on ? where : NULL;
	all->run->where_arg = all;
	op_unlock(all->run);
}

/* ---- what came of it -------------------------------------------------------------------------- */

static const char *err_words(int err)
{
	return !err ? "ok" : err == EXITED ? "exit status" : strerrorname_np(-err) ?: "error";
}

/* The first line is to be a title: no numbers that change. */
static void say_first_wrong(struct parallel *all)
{
	unsigned int i, j;

	for (i = 0; i < all->nbranches; i++) {
		const struct branch *b = all->branch[i];

		for (j = b->first; j < b->first + b->n; j++) {
			const struct tally *t = &all->tally[j];

			if (!t->wrong)
				continue;
			op_say(all->run, "%s, step %u (%s): %s%s%s\n", b->name, j - b->first + 1,
			       vx_step_op_name(all->inner[j].step.req.op),
			       t->first_wrong ? err_words(t->first_wrong) : "worked where it had to fail",
			       t->said[0] ? ", " : "", t->said);
			return;
		}
	}
}

static bool say_tallies(struct parallel *all)
{
	unsigned int i, j, k;
	bool wrong = false;

	for (i = 0; i < all->ninner; i++)
		wrong |= all->tally[i].wrong > 0;
	if (wrong)
		say_first_wrong(all);
	for (i = 0; i < all->nbranches; i++) {
		const struct branch *b = all->branch[i];

		for (j = b->first; j < b->first + b->n; j++) {
			const struct tally *t = &all->tally[j];

			op_say(all->run, "%s, %u %s:", b->name, j - b->first + 1, vx_step_op_name(all->inner[j].step.req.op));
			for (k = 0; k < KINDS_MAX && t->kinds[k].times; k++)
				op_say(all->run, " %llu %s", (unsigned long long)t->kinds[k].times, err_words(t->kinds[k].err));
			op_say(all->run, ", longest %.3f ms\n", (double)t->longest_ns / 1e6);
			all->run->value += (int64_t)t->done;
		}
		if (b->dead)
			op_say(all->run, "%s: the kernel killed its thread in %s\n", b->name,
			       vx_step_op_name(all->inner[atomic_load(&b->at)].step.req.op));
	}
	return wrong;
}

static int do_all(struct parallel *all)
{
	unsigned int i, started = 0;
	bool dead = false;
	int err;

	if (all->run->step.req.num[0] > 0)
		all->until_ns = now_ns() + (uint64_t)all->run->step.req.num[0];
	op_begin(all->run);
	err = start(all, &started);
	set_where(all, true);
	wait_for(all, started);
	set_where(all, false);
	op_end(all->run, 0);
	if (err)
		return err;
	for (i = 0; i < all->nbranches; i++)
		dead |= all->branch[i]->dead;
	if (say_tallies(all) && !dead)
		return -EBADMSG;
	return dead ? -EOWNERDEAD : 0;
}

int op_parallel(struct op_run *run)
{
	struct parallel *all = calloc(1, sizeof(*all));
	unsigned int i;
	int err;

	if (!all)
		return -ENOMEM;
	all->run = run;
	sem_init(&all->go, 0, 0);
	sem_init(&all->ended, 0, 0);
	err = unpack(all);
	if (!err)
		err = do_all(all);
	for (i = 0; i < all->nbranches; i++)
		branch_free(all->branch[i]);
	for (i = 0; i < all->ninner; i++)
		vx_inner_clear(&all->inner[i]);
	sem_destroy(&all->go);
	sem_destroy(&all->ended);
	free(all);
	return err;
}
