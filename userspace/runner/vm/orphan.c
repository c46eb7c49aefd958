// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "orphan.h"

#define PERIOD_US	5000
#define COMM		"qemu-"

struct orphan_reaper {
	GThread *thread;
	GMutex lock;
	GCond wake;
	gboolean stop;
};

void orphan_adopt(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static gboolean is_qemu(const char *pid)
{
	g_autofree char *file = g_strdup_printf("/proc/%s/comm", pid), *comm = NULL;

	return g_file_get_contents(file, &comm, NULL, NULL) && g_str_has_prefix(comm, COMM);
}

/* The kernel gives orphans to the main thread. */
static void reap_dead(void)
{
	g_autofree char *file = g_strdup_printf("/proc/self/task/%d/children", (int)getpid()), *text = NULL;
	g_auto(GStrv) pids = NULL;

	if (!g_file_get_contents(file, &text, NULL, NULL))
		return;
	pids = g_strsplit(text, " ", -1);
	for (char **pid = pids; *pid; pid++) {
		siginfo_t info = { 0 };

		if (**pid && is_qemu(*pid))
			waitid(P_PID, atoi(*pid), &info, WEXITED | WNOHANG);
	}
}

static void *reaper_main(void *data)
{
	struct orphan_reaper *r = data;

	g_mutex_lock(&r->lock);
	while (!r->stop) {
		g_cond_wait_until(&r->wake, &r->lock, g_get_monotonic_time() + PERIOD_US);
		reap_dead();
	}
	g_mutex_unlock(&r->lock);
	return NULL;
}

struct orphan_reaper *orphan_reaper_start(void)
{
	struct orphan_reaper *r = g_new0(struct orphan_reaper, 1);

	g_mutex_init(&r->lock);
	g_cond_init(&r->wake);
	r->thread = g_thread_new("orphans", reaper_main, r);
	return r;
}

void orphan_reaper_stop(struct orphan_reaper *r)
{
	g_mutex_lock(&r->lock);
	r->stop = TRUE;
	g_cond_signal(&r->wake);
	g_mutex_unlock(&r->lock);
	g_thread_join(r->thread);
	g_mutex_clear(&r->lock);
	g_cond_clear(&r->wake);
	g_free(r);
}

gboolean orphan_reap(int pidfd, int *ret)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return FALSE;
	*ret = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : W_EXITCODE(0, info.si_status);
	return TRUE;
}
