/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A folder for each finding that matters (severity High or Critical, hangs): what
 * one needs to understand it and to see it again. Made from the record and from the
 * module's file; made again, it is the same.
 *
 *	RUN/evidence/01-null-deref-in-vexfs-fill-super/
 *		README.txt finding.json console.txt stack.txt timeline.txt timeline.jsonl steps.json
 *	RUN/evidence/modules/NAME.ko	as it was built, for its debug information and for replays
 */
#ifndef VEXLAB_EVIDENCE_H
#define VEXLAB_EVIDENCE_H

#include "analysis.h"

#define EVIDENCE_DIR		"evidence"
#define EVIDENCE_FOLDERS_MAX	50u
#define EVIDENCE_REPEATS_MAX	3u	/* folders for findings of one title */
#define EVIDENCE_STEPS_MAX	5000u	/* in steps.json; replay reads the record */

/* Names each finding's folder and finds its file and line; writes nothing. Twice-safe. */
void evidence_assign(const char *dir, struct analysis *an);
/* After evidence_assign(): the folders, each file whole or not at all. */
gboolean evidence_write(const char *dir, const struct analysis *an, GError **error);

/* Folders assigned, and findings that would deserve one beyond the bounds. */
void evidence_count(const struct analysis *an, guint *folders, guint *left_out);
/* Would it get a folder, were there no bounds? */
gboolean evidence_deserved(const struct finding *finding);
/* The number in the folder's name, 0: it has none. */
guint evidence_number(const struct finding *finding);
/* The finding whose folder bears the number `n` (1...), NULL: none. */
const struct finding *evidence_finding(const struct analysis *an, guint n);

/*
 * A module of VX_REC_RUN's "modules" (or its mkfs) whose bytes are still what was run: where the
 * build cache keeps it, or in the run's own evidence. NULL: gone or changed. Caller frees.
 */
char *evidence_kept_file(const char *dir, const json_t *file);

#endif
