/* SPDX-License-Identifier: GPL-2.0 */
/* A program on the host, run to its end with a deadline; it and all that it started die together. */
#ifndef VEXLAB_PROCESS_H
#define VEXLAB_PROCESS_H

#include <gio/gio.h>

/* Borrowed during the call. */
struct process {
	const char *const *argv;	/* argv[0] is looked up in PATH */
	const char *const *env;		/* "KEY=value", beside the usual ones; NULL: none */
	int *exit_status;		/* not NULL: set, and then no failure; -1 where there is none */
	int log_fd;			/* stdout and stderr together; -1: nowhere */
	gint64 deadline_us;		/* g_get_monotonic_time(); 0: none */
	/* Each line of output, without its end, cut at 1 KiB; may be NULL. */
	void (*line)(void *ctx, const char *line);
	void *ctx;
};

/*
 * TRUE when it exited with 0. Runs the thread's default main context meanwhile. Its environment
 * is PATH, HOME, TMPDIR and LC_ALL=C: nothing that a calling make left there. Errors:
 * VX_ERROR_UNAVAILABLE: not found, another exit status, a signal, or the deadline;
 * G_IO_ERROR_CANCELLED.
 */
gboolean process_run(const struct process *process, GCancellable *cancellable, GError **error);

#endif
