/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Alerts to a program and to a webhook, by a thread of its own: whoever sends never waits, and what takes too long is cut
 * off. Order is kept. At most ALERTS_WAITING wait; more are dropped, which is a failure.
 */
#ifndef VEXLAB_ALERT_SEND_H
#define VEXLAB_ALERT_SEND_H

#include <glib.h>
#include "guard.h"

#define ALERTS_WAITING		64
#define ALERT_COMMAND_S		30
#define ALERT_WEBHOOK_MS	5000	/* from connecting to the answer */

struct alert_send;

/* `command`: a path, run without a shell; `webhook`: http or https. One of them may be NULL. */
struct alert_send *alert_send_new(const char *command, const char *webhook);
/* Waits for what is under way, `end_ms` at most, then cuts it off and drops the rest. NULL-safe. */
void alert_send_finish(struct alert_send *send, guint end_ms);
void alert_send_free(struct alert_send *send);
VX_DEFINE_GUARD(struct alert_send, alert_send_free);

/* `env`: "KEY=value" for the program; `body`: JSON for the webhook. Copied. */
void alert_send(struct alert_send *send, const char *const *env, const char *body);
/* The first failure, each of command and webhook once, since the last call; NULL: none. Caller frees. */
char *alert_send_failure(struct alert_send *send);

#endif
