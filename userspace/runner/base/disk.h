/* SPDX-License-Identifier: GPL-2.0 */
/* Disk images for guests. */
#ifndef VEXLAB_DISK_H
#define VEXLAB_DISK_H

#include <glib.h>

#define DISK_SCRATCH_MAX (G_GUINT64_CONSTANT(1) << 42)	/* bytes: what one cluster of L1 table can name */

/*
 * Writes a new, empty qcow2 of `bytes` (a multiple of 512, at most DISK_SCRATCH_MAX) to `path`, which must not
 * exist. The host must have `reserve` bytes free for it to grow, else VX_ERROR_IO. On failure nothing is left.
 */
gboolean disk_create_scratch(const char *path, guint64 bytes, guint64 reserve, GError **error);

/* The same over another qcow2 (an absolute path), which from now on must not change: only what differs goes here. */
gboolean disk_create_overlay(const char *path, guint64 bytes, const char *below, guint64 reserve, GError **error);

#endif
