/* SPDX-License-Identifier: GPL-2.0 */
/* A folder of sources, read without changing it. What kbuild leaves behind in a tree is not source and is left out. */
#ifndef VEXLAB_SRCTREE_H
#define VEXLAB_SRCTREE_H

#include <glib.h>

#include "guard.h"

#define SRCTREE_FILES_MAX	20000u
#define SRCTREE_BYTES_MAX	(256u << 20)
#define SRCTREE_DEPTH_MAX	32u

struct srctree {
	char *root;
	GPtrArray *files;	/* char *, relative, sorted */
	guint64 bytes;
};

/*
 * Symbolic links are followed. VX_ERROR_UNAVAILABLE: cannot be read, or is larger than the limits
 * above: not a module's source.
 */
struct srctree *srctree_scan(const char *root, GError **error);
/* NULL-safe. */
void srctree_free(struct srctree *tree);
VX_DEFINE_GUARD(struct srctree, srctree_free);

/* Reads every file: names and contents into `sum`, copies below `to` (made; NULL: no copies). */
gboolean srctree_read(const struct srctree *tree, const char *to, GChecksum *sum, GError **error);

#endif
