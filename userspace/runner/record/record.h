/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of a run: everything that was seen, in the order it was seen,
 * appended to one file, `record.vxl`. Detectors, score and reports are made
 * from it and can be made again from it at any time.
 *
 *	file header (16 bytes):	"VXRECORD", u32 version, u32 0
 *	then entries:		struct rec_stamp, struct vx_frame, payload, zeros up to 8 bytes
 *
 * Every entry is written by a single write(2): a run that is killed leaves a
 * readable record, at worst with one torn entry at its end, which a reader
 * tells (rec_reader_torn) and leaves out.
 */
#ifndef VEXLAB_RECORD_H
#define VEXLAB_RECORD_H

#include <glib.h>
#include "guard.h"
#include <jansson.h>
#include <vexlab/event.h>
#include <vexlab/frame.h>
#include <vexlab/request.h>

#define REC_FILE_NAME	"record.vxl"
#define REC_VERSION	1u

struct rec_stamp {
	guint64 realtime_ns;	/* host's CLOCK_REALTIME on arrival */
	guint64 monotonic_ns;	/* host's CLOCK_MONOTONIC on arrival */
};

/* One entry; `payload` lives as long as the entry's source says. */
struct rec_entry {
	struct rec_stamp stamp;
	struct vx_frame frame;
	const void *payload;
};

struct record;

/* Creates `dir`/record.vxl; it must not exist. */
struct record *record_create(const char *dir, GError **error);
/* NULL-safe. */
void record_close(struct record *rec);
VX_DEFINE_GUARD(struct record, record_close);

/*
 * Append and hand back the entry as it now stands on disk (payload borrowed
 * from the caller). FALSE: nothing was appended, VX_ERROR_IO says why.
 */
gboolean record_frame(struct record *rec, const struct vx_frame *frame, const void *payload,
		      struct rec_entry *ret, GError **error);
/* A host's own entry: VX_REC_* with raw bytes or with JSON (borrowed). */
gboolean record_bytes(struct record *rec, enum vx_frame_type type, const void *data, gsize len,
		      struct rec_entry *ret, GError **error);

struct rec_reader;

struct rec_reader *rec_reader_open(const char *dir, GError **error);
void rec_reader_close(struct rec_reader *reader);
VX_DEFINE_GUARD(struct rec_reader, rec_reader_close);

/* TRUE and the next entry, valid until the next call; FALSE at the end. */
gboolean rec_reader_next(struct rec_reader *reader, struct rec_entry *ret);
/* Bytes at the end that are no whole entry: 0 unless the writer was cut off. */
gsize rec_reader_torn(const struct rec_reader *reader);

/* JSON payload of a VX_REC_* entry, or NULL when it is none. Caller owns it. */
json_t *rec_entry_json(const struct rec_entry *entry);

#endif
