/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where in the kernel a step is that does not come back: its own task, blocked
 * or spinning, and whoever else is blocked, as what it waits for is often one
 * of them. The kernel's own hung-task report is not relied on: it stays silent
 * after an Oops, and for two minutes before.
 *
 * Looking takes a thread of its own, because a kernel in trouble may hold
 * whoever asks it, and the watcher has to go on.
 */
#ifndef VEXLAB_AGENT_STUCK_H
#define VEXLAB_AGENT_STUCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STUCK_TEXT_MAX	(48u << 10)	/* bytes */

struct stuck;

/*
 * Starts looking at thread `tid` (of any process), which does the step itself or is
 * its helper process. `sysrq`: what spins is made to show its stack by way of the
 * console, which everybody sees. `done_fd`: an eventfd, written when all is there.
 * NULL: no memory, no thread.
 */
struct stuck *stuck_look(pid_t tid, bool sysrq, int done_fd);
bool stuck_done(const struct stuck *stuck);
/* What is known by now: lines, each ended. Valid until stuck_free(). */
const char *stuck_text(const struct stuck *stuck, size_t *len);
/* NULL-safe. One that still looks keeps its memory until it is through. */
void stuck_free(struct stuck *stuck);

#endif
