// SPDX-License-Identifier: GPL-2.0
/*
 * Nobody answers: who is it that does not? A stopped QEMU, a dead kernel, a
 * dead agent and a guest that is merely slow look alike from the channel. They
 * are told apart by the process' state, by heartbeats, and by an NMI, to which
 * a kernel that lives says something on its console.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "procstat.h"
#include "session_priv.h"

#define MS		1000		/* in us */
#define FRESH_US	(2500 * MS)	/* the agent beats once a second */
#define SLOW_FACTOR	5u		/* a guest that lives gets its time-outs so many times... */
#define SLOW_MAX_MS	30000u		/* ...but no more than this beyond them */
#define SUSPECT_US	(1500 * MS)	/* silence after which the process is looked at */
#define NMI_WAIT_US	(1000 * MS)	/* for the kernel's answer to an NMI */

const char *session_loss_word(enum session_loss loss)
{
	static const char *const words[LOSS_TYPES] = {
		[LOSS_RESET] = "reset", [LOSS_POWEROFF] = "power off", [LOSS_QEMU_DIED] = "QEMU died",
		[LOSS_QEMU_STOPPED] = "QEMU is stopped", [LOSS_KERNEL] = "kernel does not react",
		[LOSS_AGENT] = "agent does not react", [LOSS_AGENT_ANEW] = "agent ended",
		[LOSS_SILENT] = "silence",
	};

	return words[loss];
}

gboolean session_vm_lives(const struct session *s)
{
	return s->vm && (!s->lost || (s->loss != LOSS_RESET && s->loss != LOSS_POWEROFF &&
				      s->loss != LOSS_QEMU_DIED && s->loss != LOSS_QEMU_STOPPED));
}

static struct procstat look_at_qemu(const struct session *s)
{
	return procstat_read(s->vm ? s->config.driver->pid(s->vm) : 0);
}

static gboolean is_fresh(const struct session *s)
{
	return g_get_monotonic_time() - s->last_seen < FRESH_US;
}

/* Waits for a sign on the console or the channel; the caller's timer wakes the context. */
static gboolean answers_nmi(struct session *s)
{
	const gint64 until = g_get_monotonic_time() + NMI_WAIT_US, seen = s->last_seen;
	const guint64 said = s->console_bytes;

	if (!s->config.driver->nmi(s->vm, NULL))
		return FALSE;
	/* To the end, as stacks may follow the first line. */
	while (!s->lost && s->last_seen == seen && g_get_monotonic_time() < until)
		g_main_context_iteration(NULL, TRUE);
	return s->console_bytes != said;
}

/* The guest is of no use any more; why is found out. May take NMI_WAIT_US. */
static void give_up(struct session *s, const char *what, gint64 silent_us)
{
	const struct procstat before = look_at_qemu(s);
	const double silent = (double)silent_us / G_USEC_PER_SEC;
	const gint64 now = g_get_monotonic_time();
	struct procstat after;
	gboolean answer;

	if (before.state == 'T' || before.state == 't') {
		session_lose(s, LOSS_QEMU_STOPPED, "QEMU is stopped (process state %c): nothing of the guest runs",
			     before.state);
		return;
	}
	answer = s->vm && answers_nmi(s);
	if (s->lost || s->last_seen > now)
		return;		/* its end has come meanwhile, with its own reason, or an answer has */
	after = look_at_qemu(s);
	if (!s->vm)
		session_lose(s, LOSS_SILENT, "no answer to %s; silent for %.1f s", what, silent);
	else if (answer)
		session_lose(s, LOSS_AGENT, "no answer to %s: the agent has been silent for %.1f s, the kernel "
			     "answers an NMI", what, silent);
	else
		session_lose(s, LOSS_KERNEL, "no answer to %s: silent for %.1f s, and not even an NMI makes the kernel "
			     "say something; QEMU has used %.0f %% of a CPU meanwhile", what, silent,
			     (double)(after.cpu - before.cpu) / (double)sysconf(_SC_CLK_TCK) /
			     ((double)NMI_WAIT_US / G_USEC_PER_SEC) * 100);
}

/* TRUE: it is late, but it lives: wait on. */
static gboolean merely_slow(struct session *s, gint64 deadline, guint timeout_ms)
{
	const guint more_ms = MIN(timeout_ms * (SLOW_FACTOR - 1), SLOW_MAX_MS);

	if (!s->ready || !is_fresh(s) || g_get_monotonic_time() > deadline + (gint64)more_ms * MS)
		return FALSE;
	if (!s->slow_told && s->sink.note)
		s->sink.note(s->sink.ctx, json_pack("{s:s, s:s}", "event", "slow", "why",
						    "an answer is late, but the agent's heartbeats come"));
	s->slow_told = TRUE;
	return TRUE;
}

void session_watch(struct session *s, gint64 deadline, guint timeout_ms, const char *what)
{
	const gint64 now = g_get_monotonic_time();
	const gint64 silent = now - s->last_seen;
	struct procstat qemu;

	if (now > deadline && !merely_slow(s, deadline, timeout_ms)) {
		if (s->ready)
			give_up(s, what, silent);
		else
			session_lose(s, LOSS_SILENT, "no answer to %s within %u ms", what, timeout_ms);
		return;
	}
	if (!s->ready || silent < SUSPECT_US)
		return;
	if (s->stale_seen > s->last_seen) {
		session_lose(s, LOSS_AGENT_ANEW, "the agent ended during %s, and another one was started", what);
		return;
	}
	qemu = look_at_qemu(s);
	if (silent > (gint64)s->config.config->heartbeat_s * session_patience(s) * G_USEC_PER_SEC ||
	    qemu.state == 'T' || qemu.state == 't')
		give_up(s, what, silent);
}
