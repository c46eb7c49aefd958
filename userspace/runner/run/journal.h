/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything a run leaves on disk while it goes: the record first, then what
 * people and scripts read live (event log, console log, JSON lines). Feeds the
 * detectors with each entry once it is on disk, and keeps their findings.
 */
#ifndef VEXLAB_JOURNAL_H
#define VEXLAB_JOURNAL_H

#include <glib.h>
#include <jansson.h>
#include <vexlab/frame.h>
#include "finding.h"
#include "guard.h"
#include "log.h"

struct journal;

/* `dir` exists and is empty; `stamp` is the TIMESTAMP in file names. */
struct journal *journal_open(const char *dir, const char *stamp, GError **error);
/* NULL-safe. */
void journal_close(struct journal *journal);
VX_DEFINE_GUARD(struct journal, journal_close);

/*
 * Appending cannot fail from the caller's point of view: the first error (disk
 * full) is kept, later appends are dropped, the run asks journal_error() and
 * ends in order.
 */
void journal_frame(struct journal *journal, const struct vx_frame *frame, const void *payload);
void journal_console(struct journal *journal, const void *data, gsize len);
/*
 * A black box as the guest left it, unchecked: into the record whole, its events that have not come by now as a frame
 * of their own (VX_FRAME_FROM_BOX), and a note of what it was worth.
 */
void journal_box(struct journal *journal, const void *data, gsize len);
/* Takes over `json`. */
void journal_json(struct journal *journal, enum vx_frame_type type, json_t *json);
/* A line of the human log, with time. */
void journal_log(struct journal *journal, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Findings, and what befalls the guest, are told there too; borrowed, may be NULL. */
void journal_set_log(struct journal *journal, struct log *log);
/* Watches the console for `text` (at most 64 bytes, borrowed; NULL: stop) ... */
void journal_watch_for(struct journal *journal, const char *text);
/* ... and tells when it came, host's CLOCK_REALTIME in ns; 0: it has not yet. */
guint64 journal_came_ns(const struct journal *journal);
/* Nothing more is to be expected of a report that the console has begun: its findings are there. */
gboolean journal_settled(const struct journal *journal);
/* What detectors still have in hand. */
void journal_finish(struct journal *journal);

const GError *journal_error(const struct journal *journal);
/* Findings so far: struct finding *, borrowed; without their lines, which are in the record. */
const GPtrArray *journal_findings(const struct journal *journal);
/* What is known of leaks so far (detect/leak.h), NULL before the run's entry. Borrowed. */
struct leaks *journal_leaks(const struct journal *journal);
const char *journal_dir(const struct journal *journal);

#endif
