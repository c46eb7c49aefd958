/* SPDX-License-Identifier: GPL-2.0 */
/* Checksum of a large sparse file: only its data is read. Against accidents, not against malice. */
#ifndef VEXLAB_DIGEST_H
#define VEXLAB_DIGEST_H

#include <glib.h>

struct digest_range {
	gint64 start, len;	/* bytes */
};

/* "crc32c" where the CPU has an instruction for it, else "crc32" (zlib); the figures differ. */
const char *digest_name(void);

/*
 * Sums up the given ranges of the file, or with NULL those that hold data (holes of less than 256 KiB are read
 * too), with their places. Returns the ranges summed up, of struct digest_range; caller unrefs. NULL and `error` if a
 * byte of them cannot be read.
 */
GArray *digest_file(const char *path, GArray *ranges, guint32 *ret, GError **error);

/* Where the file holds data at and after byte `from`. Caller unrefs. NULL and `error` if it cannot be opened. */
GArray *digest_ranges(const char *path, gint64 from, GError **error);

#endif
