/* SPDX-License-Identifier: GPL-2.0 */
/* Between cmd_history.c, which finds out, and cmd_history_show.c, which prints. */
#ifndef VEXLAB_CMD_HISTORY_H
#define VEXLAB_CMD_HISTORY_H

#include "changes.h"
#include "lives.h"
#include "regress.h"

void show_list(const GPtrArray *runs);
void show_run(const struct hist_run *run, const GPtrArray *lives, guint looked);
void show_regress(const struct regress *regress, const char *here);

struct trend {
	const char *metric;
	enum history_field field;
	GArray *points;			/* struct history_point */
	GArray *changes;		/* struct change */
	GPtrArray *names;		/* of the first run of each stretch: one more than changes */
};
void show_trend(const struct trend *trend);
json_t *trend_json(const struct trend *trend);

#endif
