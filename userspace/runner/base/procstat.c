// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "procstat.h"

/* The second field is the name, which may hold anything. */
struct procstat procstat_read(gint64 pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid), *stat = NULL;
	struct procstat ret = { .state = '?' };
	unsigned long user, system;
	const char *rest;

	if (pid <= 0 || !g_file_get_contents(path, &stat, NULL, NULL))
		return ret;
	rest = strrchr(stat, ')');
	if (rest && sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ret.state, &user,
			   &system) == 3)
		ret.cpu = user + system;
	return ret;
}
