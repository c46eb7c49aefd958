/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Alerts: what is found and is grave, or above a threshold, told while the run goes on. The first of a kind (class and
 * title) at once; those that follow are counted, and the count is told at most once in ALERT_EVERY_S seconds and at the end.
 */
#ifndef VEXLAB_ALERTS_H
#define VEXLAB_ALERTS_H

#include "finding.h"
#include "guard.h"

#define ALERT_EVERY_S	10
#define ALERT_KINDS_MAX	256u	/* of one run; more are told as one kind, "others" */

struct alerts_sink {
	/* `times` of them, of which `finding` is the last; `more`: some were told before. */
	void (*tell)(void *ctx, const struct finding *finding, guint times, gboolean more);
	void *ctx;
};

struct alerts;

struct alerts *alerts_new(const struct alerts_sink *sink);
void alerts_free(struct alerts *alerts);
VX_DEFINE_GUARD(struct alerts, alerts_free);

/* Of all findings so far, those that are new, and what has been held back for long enough. CLOCK_MONOTONIC, us. */
void alerts_look(struct alerts *alerts, const GPtrArray *findings, gint64 now_us);
/* Whatever has been held back. */
void alerts_flush(struct alerts *alerts);

#endif
