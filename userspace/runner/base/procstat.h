/* SPDX-License-Identifier: GPL-2.0 */
/* A process of the host, by /proc/PID/stat (proc(5)). */
#ifndef VEXLAB_PROCSTAT_H
#define VEXLAB_PROCSTAT_H

#include <glib.h>

struct procstat {
	char state;			/* as in proc(5), '?': gone */
	unsigned long cpu;		/* ticks of CPU time so far, sysconf(_SC_CLK_TCK) of them a second */
};

/* `pid` 0 or less: nobody, who is gone. */
struct procstat procstat_read(gint64 pid);

#endif
