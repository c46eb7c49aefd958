/* SPDX-License-Identifier: GPL-2.0 */
/* history.retry: what a run found for the first time is tried again. */
#ifndef VEXLAB_CMD_RETRY_H
#define VEXLAB_CMD_RETRY_H

#include "run.h"

struct retry {
	unsigned int times;		/* 0: not at all */
	const char *history;		/* its file, or NULL: not at all */
	const char *output, *cache, *agent;
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

/* After the run has gone into its history; what comes of it goes there too, and is said. */
void cmd_retry(const struct retry *retry, const struct run_outcome *outcome);

#endif
