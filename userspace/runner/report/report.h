/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reports: pure functions of a run's analysis. What comes from the guest is
 * escaped here, at the edge: JSON by jansson, terminals by report_printable.
 */
#ifndef VEXLAB_REPORT_H
#define VEXLAB_REPORT_H

#include <jansson.h>
#include "analysis.h"
#include "score.h"
#include "thresholds.h"

/* comprehensive_report.json, as DESIGN names its fields, and more. New reference. */
json_t *report_comprehensive(const struct analysis *an, const struct verdict *verdict);
/* performance_metrics_TIMESTAMP.json: distributions by operation and phase. New reference. */
json_t *report_metrics(const struct analysis *an);
/*
 * One line of performance_events.jsonl. CPU and I/O are the operation's own; memory is the guest's at the last sample, 0: not
 * known. What was not measured is null. New reference.
 */
json_t *report_performance_event(const struct vx_event_fsop *event, guint64 realtime_ns,
				 const struct thresholds *thresholds, guint64 memory_kb);
/* The same of a finding that has a `violation`. New reference. */
json_t *report_violation(const struct finding *finding, guint64 memory_kb);
/* crash_detection_TIMESTAMP.log. Caller frees. */
char *report_crash_log(const struct analysis *an);
/* faults.md, of the scenario faults; NULL: the record has none. Caller frees. */
char *report_faults(const struct analysis *an);
/* Of the scenario file-operations: counts and each operation; NULL: the record has none. New reference. */
json_t *report_file_operations(const struct analysis *an);
/* The same for a terminal: how many, and those that are not done. Caller frees. */
char *report_file_operations_text(const struct analysis *an);
/* Of the oracle: what was compared, what is missing; NULL: the record has none. New reference; text: caller frees. */
json_t *report_oracle(const struct analysis *an);
char *report_oracle_text(const struct analysis *an);
/*
 * Of the part locks: figures by the function that takes a lock, and rounds of concurrent work; NULL: there were none. New
 * reference. Text: those that are waited for most. Caller frees.
 */
json_t *report_locks(const struct analysis *an);
char *report_locks_text(const struct analysis *an);
/*
 * Of a leak hunt, all from the record; `dir` is the run's, for its module's debug information. NULL: there was no hunt.
 * JSON (new reference): sites with their stacks and verdicts, checkpoints, other resources. Text: a table; `all` with
 * what was acquitted and why, and with stacks. Folded: a stack a line, outermost first, with its bytes, of what
 * leaks or is suspected. Caller frees.
 */
json_t *report_leaks(const char *dir, const struct analysis *an);
char *report_leaks_text(const char *dir, const struct analysis *an, gboolean all);
char *report_leaks_folded(const struct analysis *an);
/* What earlier runs say of it (regress.h, lives.h), from the record: {"comparison", "lives"}; NULL: it was not asked. New reference. */
json_t *report_history(const struct analysis *an);
/* The same as lines for a terminal, "" when there are none. Caller frees. */
char *report_history_text(const struct analysis *an);
/* Since when a finding is there, and whether the run before had it; one line. Caller frees. */
char *report_since_text(const struct analysis *an, const struct finding *finding);
/* Scores with what they are worth, readiness with its reasons, recommendations. New reference; lines; caller frees. */
json_t *report_assessment(const struct analysis *an, const struct verdict *verdict);
char *report_assessment_text(const struct analysis *an, const struct verdict *verdict);
/* What a terminal shows at the end; `colour` for a terminal that wants it. Caller frees. */
char *report_summary(const char *dir, const struct analysis *an, const struct verdict *verdict,
		     gboolean colour);

/*
 * Writes comprehensive_report.json, performance_metrics_*.json, crash_detection_*.log and
 * crash_events.jsonl, performance_events.jsonl, faults.md, leaks.json, leaks.folded and locks.json where there are any, and the findings' evidence (evidence.h, which it
 * assigns) into `dir`, each whole or not at all.
 */
gboolean report_write_files(const char *dir, struct analysis *an,
			    const struct verdict *verdict, GError **error);

/* Control bytes made visible, invalid UTF-8 replaced: safe for a terminal. Caller frees. */
char *report_printable(const char *text);

/* "1.23 ms": three significant digits, unit that fits. `buf` of at least 16 bytes is returned. */
const char *report_ns(char *buf, gsize size, double ns);

#endif
