/* SPDX-License-Identifier: GPL-2.0 */
/* The main figures of the runs before one, for a picture: into its record, so that a report needs no history. */
#ifndef VEXLAB_HISTORY_TREND_H
#define VEXLAB_HISTORY_TREND_H

#include "history.h"

#define TREND_RUNS_MAX	60u

/*
 * {"runs": [{"stamp": "NAME", "values": {"mount p50, ms": 0.27, ...}}, ...], "changes": {"mount p50, ms": [12, ...]}}: comparable
 * runs, oldest first, at most TREND_RUNS_MAX; a change is the first of `runs` on another level (changes.h). New reference.
 * NULL and `error`.
 */
json_t *trend_of(struct history *history, const struct hist_run *run, const char *const *across, GError **error);

#endif
