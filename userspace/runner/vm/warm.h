/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ready-states kept between runs: <cachedir>/warm/<key>/{state,manifest}. The
 * key is a hash over all that a state depends on; the manifest tells a damaged
 * state from a good one, byte for byte. A bad entry is removed where it is
 * found, so that the next run makes a new one.
 *
 * How a run uses it:
 *	key = warm_key(facts, files)
 *	state = warm_find(cachedir, key, &why)
 *	if (state && !driver->restore(vm, state)) warm_discard(cachedir, key), a new VM, boot
 *	if (!state) boot, wait for the agent, writer = warm_begin(), driver->save(writer's path), warm_commit(),
 *		a new VM, restore
 */
#ifndef VEXLAB_WARM_H
#define VEXLAB_WARM_H

#include <glib.h>

#define WARM_KEEP	4	/* entries; the least recently used go first */

/*
 * `facts` by their text, `files` by their identity (fsutil.h: not read, so that this takes no time); both
 * NULL-terminated, NULL for none. 64 hex digits; caller frees. NULL and `error` if a file is missing.
 */
char *warm_key(const char *const *facts, const char *const *files, GError **error);

/*
 * Path of a state that was checked byte for byte (0.1 s for 130 MB), or NULL. `why` (may be NULL; caller frees) says
 * in that case why not, in words for the user.
 */
char *warm_find(const char *cachedir, const char *key, char **why);

/* The state could not be used. */
void warm_discard(const char *cachedir, const char *key);

struct warm_writer;

/*
 * Starts a new entry; the directory's filesystem must have `need` bytes free, else VX_ERROR_IO. While another process
 * writes one, NULL and G_IO_ERROR_BUSY: go on without.
 */
struct warm_writer *warm_begin(const char *cachedir, const char *key, guint64 need, GError **error);
/* Where to save to: does not exist yet. Lives as long as the writer. */
const char *warm_writer_path(const struct warm_writer *writer);
/* Makes the entry complete and visible at once, removes old ones. Frees the writer, on failure the entry too. */
gboolean warm_commit(struct warm_writer *writer, GError **error);
/* Throws away what was written. NULL-safe. */
void warm_abort(struct warm_writer *writer);

#endif
