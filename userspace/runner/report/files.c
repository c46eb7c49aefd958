// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "detect.h"
#include "error.h"
#include "event.h"
#include "evidence.h"
#include "format.h"
#include "metrics.h"
#include "report.h"

static gboolean write_text(const char *dir, const char *name, const char *text, gsize len,
			   GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autoptr(GError) local = NULL;

	if (g_file_set_contents(path, text, (gssize)len, &local))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s; the run's record is whole: free some space there, "
		    "then `vexlab report --write` makes its reports", path, local->message);
	return FALSE;
}

/* Takes over `json`. */
static gboolean write_json(const char *dir, const char *name, json_t *json, GError **error)
{
	g_autofree char *text = json_dumps(json, JSON_INDENT(2));
	g_autofree char *whole = g_strconcat(text ? text : "null", "\n", NULL);

	json_decref(json);
	return write_text(dir, name, whole, strlen(whole), error);
}

/* Takes over `json`. */
static void append_line(GString *out, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	g_string_append(out, text ? text : "null");
	g_string_append_c(out, '\n');
}

/* What was concluded before that moment, from `*next` on. */
static void violation_lines(GString *out, const struct analysis *an, guint64 before_ns, guint64 memory_kb, guint *next)
{
	for (; *next < an->findings->len; ++*next) {
		const struct finding *finding = g_ptr_array_index(an->findings, *next);

		if (finding->realtime_ns >= before_ns)
			return;
		if (finding->violation)
			append_line(out, report_violation(finding, memory_kb));
	}
}

static void performance_lines(GString *out, const struct rec_entry *entry, const struct thresholds *thresholds, guint64 memory_kb)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter)))
		if (event->type == VX_EVENT_FSOP)
			append_line(out, report_performance_event(
				(const struct vx_event_fsop *)event, entry->stamp.realtime_ns, thresholds, memory_kb));
}

static gboolean write_performance_lines(const char *dir, const struct analysis *an,
					GError **error)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(dir, error);
	const struct thresholds thresholds = thresholds_from(an->run);
	g_autoptr(GString) out = g_string_new(NULL);
	struct rec_entry entry;
	guint64 memory_kb = 0;
	guint next = 0;

	if (!reader)
		return FALSE;
	while (rec_reader_next(reader, &entry)) {
		violation_lines(out, an, entry.stamp.realtime_ns, memory_kb, &next);
		memory_kb = metrics_memory_of(&entry, memory_kb);
		if (entry.frame.type == VX_MSG_EVENTS)
			performance_lines(out, &entry, &thresholds, memory_kb);
	}
	violation_lines(out, an, G_MAXUINT64, memory_kb, &next);
	return write_text(dir, "performance_events.jsonl", out->str, out->len, error);
}

static gboolean write_crash_lines(const char *dir, const struct analysis *an, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (finding_concern(finding->class) != CONCERN_PERFORMANCE)
			append_line(out, finding_json(finding));
	}
	return write_text(dir, "crash_events.jsonl", out->str, out->len, error);
}

static gboolean write_faults(const char *dir, const struct analysis *an, GError **error)
{
	g_autofree char *text = report_faults(an);

	return !text || write_text(dir, "faults.md", text, strlen(text), error);
}

static gboolean write_leaks(const char *dir, const struct analysis *an, GError **error)
{
	g_autofree char *folded = report_leaks_folded(an);

	return !folded || (write_json(dir, "leaks.json", report_leaks(dir, an), error) &&
			   write_text(dir, "leaks.folded", folded, strlen(folded), error));
}

static gboolean write_locks(const char *dir, const struct analysis *an, GError **error)
{
	json_t *json = report_locks(an);

	return !json || write_json(dir, "locks.json", json, error);
}

gboolean report_write_files(const char *dir, struct analysis *an, const struct verdict *v,
			    GError **error)
{
	const char *stamp = analysis_run_word(an, "stamp", "unknown");
	g_autofree char *metrics = g_strdup_printf("performance_metrics_%s.json", stamp);
	g_autofree char *crashes = g_strdup_printf("crash_detection_%s.log", stamp);
	g_autofree char *crash_log = NULL;

	evidence_assign(dir, an);
	crash_log = report_crash_log(an);
	return evidence_write(dir, an, error) &&
	       write_json(dir, "comprehensive_report.json", report_comprehensive(an, v), error) &&
	       write_json(dir, metrics, report_metrics(an), error) &&
	       write_text(dir, crashes, crash_log, strlen(crash_log), error) &&
	       write_crash_lines(dir, an, error) && write_faults(dir, an, error) &&
	       write_leaks(dir, an, error) && write_locks(dir, an, error) &&
	       write_performance_lines(dir, an, error) && report_format_write(dir, an, v, error);
}
