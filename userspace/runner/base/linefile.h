/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file that grows by whole pieces: each is on its way to the disk when the call returns, and one
 * that does not fit is cut off again, so that whoever reads the file later, after whatever death or
 * full disk, finds no half of a line.
 */
#ifndef VEXLAB_LINEFILE_H
#define VEXLAB_LINEFILE_H

#include <glib.h>

struct linefile;

/* A new file; one that is there already is an error. */
struct linefile *linefile_create(const char *path, GError **error);
/* 0, or -errno: nothing of `data` stays then. */
int linefile_append(struct linefile *lf, const void *data, gsize len);
/* NULL-safe. */
void linefile_close(struct linefile *lf);

#endif
