/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What befalls a run, told once and handed to each sink that was asked for: a terminal (the commands' own), JSON lines, journald.
 * docs/CI.md has the events and their fields.
 */
#ifndef VEXLAB_LOG_H
#define VEXLAB_LOG_H

#include <glib.h>
#include <jansson.h>
#include <stdio.h>

#include "guard.h"

enum log_level {			/* syslog's */
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* All borrowed. Message and fields may hold a guest's words: each sink escapes as it must. */
struct log_entry {
	enum log_level level;
	const char *event;		/* "finding", "guest", ... */
	const char *message;		/* valid UTF-8 */
	const char *run;		/* the run's folder; NULL: it has none yet */
	const json_t *fields;		/* object; NULL: none */
};

/* Now: "2026-11-27T23:10:06.123456Z". Caller frees. */
char *log_timestamp(void);

typedef void (*log_sink)(void *ctx, const struct log_entry *entry);

struct log;
struct log *log_new(void);
/* NULL-safe. */
void log_free(struct log *log);
VX_DEFINE_GUARD(struct log, log_free);

void log_add(struct log *log, log_sink sink, void *ctx);
/* {"timestamp", "level", "event", "message", "run", "fields"}, a line each, to `file`, which stays the caller's. */
void log_add_json(struct log *log, FILE *file);
/* VX_ERROR_UNAVAILABLE: there is no journald on this machine. */
gboolean log_add_journald(struct log *log, GError **error);

/* What is told from now on is that run's. */
void log_set_run(struct log *log, const char *dir);
/* Takes over `fields`. `log` may be NULL: nobody listens. */
void log_write(struct log *log, enum log_level level, const char *event, json_t *fields, const char *format, ...) G_GNUC_PRINTF(5, 6);

#endif
