/* SPDX-License-Identifier: GPL-2.0 */
/* Of snapshot.c, for a run that starts from one (start.c). */
#ifndef VEXLAB_SNAPSHOT_PRIV_H
#define VEXLAB_SNAPSHOT_PRIV_H

#include <jansson.h>

#include "run_priv.h"
#include "snapshot.h"

VX_DEFINE_GUARD(struct snapshot, snapshot_free);

/* Where they lie. Caller frees. */
char *snapshot_dir(const char *cachedir);
gboolean snapshot_good_name(const char *name, GError **error);
/* Never NULL: one that cannot be read is stale. Caller frees. */
struct snapshot *snapshot_describe(const char *dir, const char *name, json_t *manifest);
/* Reads every byte; with `disk` that one is checked by qemu-img too. VX_ERROR_IO: damaged. */
gboolean snapshot_check(const char *dir, const char *name, json_t *manifest, const char *disk, GError **error);
/* Does what it was made with still stand there? Else why not; caller frees. */
char *snapshot_stale(json_t *manifest, const struct session_config *session);
/* The target's file and the modules, as the manifest has them. New reference. */
json_t *snapshot_depends(const struct run *run);

#endif
