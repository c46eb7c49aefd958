// SPDX-License-Identifier: GPL-2.0
#include "log.h"

struct sink {
	log_sink write;
	void *ctx;
};

struct log {
	GArray *sinks;			/* struct sink */
	char *run;
};

char *log_timestamp(void)
{
	const gint64 now = g_get_real_time();
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(now / G_USEC_PER_SEC);
	g_autofree char *second = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");

	return g_strdup_printf("%s.%06dZ", second, (int)(now % G_USEC_PER_SEC));
}

struct log *log_new(void)
{
	struct log *log = g_new0(struct log, 1);

	log->sinks = g_array_new(FALSE, FALSE, sizeof(struct sink));
	return log;
}

void log_free(struct log *log)
{
	if (!log)
		return;
	g_array_unref(log->sinks);
	g_free(log->run);
	g_free(log);
}

void log_add(struct log *log, log_sink sink, void *ctx)
{
	const struct sink one = { sink, ctx };

	g_array_append_val(log->sinks, one);
}

void log_set_run(struct log *log, const char *dir)
{
	if (!log)
		return;
	g_free(log->run);
	log->run = g_utf8_make_valid(dir, -1);
}

void log_write(struct log *log, enum log_level level, const char *event, json_t *fields, const char *format, ...)
{
	g_autofree char *text = NULL, *valid = NULL;
	struct log_entry entry;
	va_list args;
	guint i;

	if (!log) {
		json_decref(fields);
		return;
	}
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	valid = g_utf8_make_valid(text, -1);
	entry = (struct log_entry){ level, event, valid, log->run, fields };
	for (i = 0; i < log->sinks->len; i++) {
		const struct sink *sink = &g_array_index(log->sinks, struct sink, i);

		sink->write(sink->ctx, &entry);
	}
	json_decref(fields);
}

/* ---- JSON lines --------------------------------------------------------------------- */

static const char *level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
		[LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
	};

	return names[level];
}

static void write_json(void *ctx, const struct log_entry *entry)
{
	g_autofree char *when = log_timestamp(), *line = NULL;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:O?}", "timestamp", when, "level", level_name(entry->level),
				 "event", entry->event, "message", entry->message, "run", entry->run, "fields", entry->fields);

	line = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	/* One write: two programs that share a file do not mix their lines. */
	if (line)
		fprintf(ctx, "%s\n", line);
	fflush(ctx);
}

void log_add_json(struct log *log, FILE *file)
{
	log_add(log, write_json, file);
}
