// SPDX-License-Identifier: GPL-2.0
/* What a kind of stress counts and says. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stress_run.h"

static const char *const call_words[CALLS] = {
#define X(name, word) [CALL_##name] = word,
	STRESS_CALLS(X)
#undef X
};

const int stress_any[] = { -1, 0 };

bool stress_is_wrong(const struct stress *s)
{
	return atomic_load(&s->board->wrong) || atomic_load(&s->board->lacking);
}

bool stress_go_on(const struct stress *s)
{
	return now_ns() < s->until_ns && !stress_is_wrong(s);
}

/* FALSE: somebody was first. */
static bool take_words(struct stress *s)
{
	return !atomic_exchange(&s->board->worded, true);
}

int stress_wrong(struct stress *s, enum vx_file_result result, const char *what, const char *detail, ...)
{
	va_list args;

	if (!take_words(s))
		return -EBADMSG;
	va_start(args, detail);
	snprintf(s->board->what, sizeof(s->board->what), "%s", what);
	vsnprintf(s->board->detail, sizeof(s->board->detail), detail, args);
	va_end(args);
	atomic_store(&s->board->wrong, result);
	return -EBADMSG;
}

int stress_lack(struct stress *s, const char *why)
{
	if (take_words(s)) {
		snprintf(s->board->what, sizeof(s->board->what), "%s", why);
		atomic_store(&s->board->lacking, true);
	}
	return -EBADMSG;
}

void stress_note(struct stress *s, const char *format, ...)
{
	char line[256];
	va_list args;
	size_t at, n;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	n = strlen(line);
	line[n++] = '\n';
	at = atomic_fetch_add(&s->board->nnotes, n);
	if (at + n < sizeof(s->board->notes))
		memcpy(s->board->notes + at, line, n);
}

/* ---- calls ------------------------------------------------------------------------------------- */

void stress_call_begin(struct stress_thread *t, enum stress_call call)
{
	atomic_store_explicit(&t->s->board->thread[t->index].call, (int)call, memory_order_relaxed);
	atomic_store_explicit(&t->s->board->thread[t->index].since_ns, now_ns(), memory_order_relaxed);
}

static bool is_right(int err, const int *right)
{
	if (right == stress_any)
		return true;
	for (; *right; right++)
		if (*right == err)
			return true;
	return false;
}

long stress_call_end(struct stress_thread *t, enum stress_call call, long ret, const int *right)
{
	struct stress_board *board = t->s->board;
	int err = ret < 0 ? errno : 0;
	char what[96];

	atomic_store_explicit(&board->thread[t->index].since_ns, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&board->thread[t->index].calls[call], 1, memory_order_relaxed);
	if (!err)
		return ret;
	atomic_fetch_add_explicit(&board->errors[call][err < STRESS_ERRNO_MAX ? err : 0], 1, memory_order_relaxed);
	if (!is_right(err, right)) {
		snprintf(what, sizeof(what), "%s failed: %s", call_words[call], strerror(err));
		stress_wrong(t->s, VX_FILE_WRONG, what, "in thread %u", t->index);
	}
	return -err;
}

/* ---- who meets whom ---------------------------------------------------------------------------- */

void stress_meet_in(struct stress *s, unsigned int meeting, const char *name, unsigned int side)
{
	struct stress_board *board = s->board;

	atomic_store_explicit(&board->meeting[meeting].name, name, memory_order_relaxed);
	atomic_fetch_add(&board->meeting[meeting].inside[side], 1);
	if (atomic_load(&board->meeting[meeting].inside[!side]) > 0)
		atomic_fetch_add_explicit(&board->meeting[meeting].met, 1, memory_order_relaxed);
}

void stress_meet_out(struct stress *s, unsigned int meeting, unsigned int side)
{
	atomic_fetch_sub(&s->board->meeting[meeting].inside[side], 1);
}

pid_t stress_slowest(const struct stress_board *board, uint64_t *ns, const char **call)
{
	const uint64_t now = now_ns();
	uint64_t oldest = now;
	pid_t tid = 0;
	size_t i;

	for (i = 0; i <= VX_STRESS_THREADS_MAX; i++) {
		uint64_t since = atomic_load(&board->thread[i].since_ns);

		if (!since || since >= oldest || !atomic_load(&board->thread[i].tid))
			continue;
		oldest = since;
		tid = atomic_load(&board->thread[i].tid);
		*call = call_words[atomic_load(&board->thread[i].call) % CALLS];
	}
	*ns = now - oldest;
	return tid;
}

unsigned int stress_count(const struct stress *s, enum stress_call call)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i <= VX_STRESS_THREADS_MAX; i++)
		n += atomic_load(&s->board->thread[i].calls[call]);
	return n;
}

uint64_t stress_random(struct stress_thread *t)
{
	/* xorshift64*: no two threads have the same state. */
	t->random ^= t->random >> 12;
	t->random ^= t->random << 25;
	t->random ^= t->random >> 27;
	return (t->random * 2685821657736338717ull) >> 16;
}

void stress_nap(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	nanosleep(&t, NULL);
}

/* ---- the answer -------------------------------------------------------------------------------- */

/* "mount 512, EBUSY 12": how often in all, and how often with which error. */
static void say_call(const struct stress *s, struct op_run *run, enum stress_call call)
{
	unsigned int all = stress_count(s, call), err, n;

	if (!all)
		return;
	op_say(run, "%s %u", call_words[call], all);
	for (err = 0; err < STRESS_ERRNO_MAX; err++) {
		const char *name = err ? strerrorname_np((int)err) : "others";

		n = atomic_load(&s->board->errors[call][err]);
		if (n)
			op_say(run, ", %s %u", name ?: "?", n);
	}
	op_say(run, "\n");
}

void stress_board_say(const struct stress *s, struct op_run *run, uint64_t ns)
{
	const struct stress_board *board = s->board;
	size_t nnotes = atomic_load(&board->nnotes), i;
	uint64_t operations = 0;
	unsigned int call;

	if (atomic_load(&board->worded))
		op_say(run, "%.*s\n", (int)sizeof(board->what) - 1, board->what);
	if (atomic_load(&board->wrong))
		op_say(run, "%.*s\n", (int)sizeof(board->detail) - 1, board->detail);
	for (call = 0; call < CALLS; call++)
		operations += stress_count(s, call);
	op_say(run, "operations %llu in %llu ms\n", (unsigned long long)operations,
	       (unsigned long long)(ns / NSEC_PER_MSEC));
	for (i = 0; i < STRESS_MEETINGS; i++) {
		const char *name = atomic_load(&board->meeting[i].name);

		if (name)
			op_say(run, "met %llu times: %s\n", (unsigned long long)atomic_load(&board->meeting[i].met), name);
	}
	for (call = 0; call < CALLS; call++)
		say_call(s, run, call);
	op_say_bytes(run, board->notes, nnotes < sizeof(board->notes) ? nnotes : sizeof(board->notes) - 1);
	if (atomic_load(&board->killed))
		op_say(run, "threads killed by the kernel: %d\n", atomic_load(&board->killed));
}
