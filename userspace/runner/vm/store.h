/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named entries that are whole or absent: <dir>/<name>/{manifest, files}. The
 * manifest tells a damaged file from a good one, byte for byte. One process writes
 * into a <dir> at a time; what one that was killed left goes when the next begins.
 */
#ifndef VEXLAB_STORE_H
#define VEXLAB_STORE_H

#include <glib.h>
#include <jansson.h>

struct store_writer;

/*
 * Starts an entry; the directory's filesystem must have `need` bytes free, else VX_ERROR_IO. While another process
 * writes one, NULL and G_IO_ERROR_BUSY.
 */
struct store_writer *store_begin(const char *dir, const char *name, guint64 need, GError **error);
/* Where a file of the entry goes: does not exist yet. Caller frees. */
char *store_writer_path(const struct store_writer *writer, const char *file);
/*
 * Sums up the files (NULL-terminated) and puts the entry, with `about` in its manifest (stolen, may be NULL), in the
 * place of one of that name, at once. Frees the writer, on failure the entry too. VX_ERROR_UNAVAILABLE if the old
 * one is in use.
 */
gboolean store_commit(struct store_writer *writer, const char *const *files, json_t *about, GError **error);
/* Throws away what was written. NULL-safe. */
void store_abort(struct store_writer *writer);

/* Removes what somebody who was killed left half made in `dir`; while one writes there, nothing. */
void store_tidy(const char *dir);

/* {"format", "files", "about"}; NULL if there is none that can be read. Caller decrefs. */
json_t *store_manifest(const char *dir, const char *name);
/* NULL: the entry is good. Else what is wrong with it, of a file in it. Reads every byte (0.1 s for 130 MB). */
const char *store_wrong(json_t *manifest, const char *dir, const char *name);

/* Keeps the entry from being removed or replaced until the fd is closed. -1 and VX_ERROR_UNAVAILABLE: none there. */
int store_use(const char *dir, const char *name, GError **error);
/* VX_ERROR_UNAVAILABLE if it is in use or not there. */
gboolean store_remove(const char *dir, const char *name, GError **error);

/* Names, sorted; NULL-terminated, g_strfreev(). */
char **store_names(const char *dir);

#endif
