/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The private directory of one run: sockets, libvirt's root, locks. Its path
 * is short, because the path of a unix socket is at most 107 bytes.
 *
 *	<base>/<id>/owner.lock	flock'd for as long as the owner lives
 *	<base>/<id>/scratch	paths of files elsewhere that die with the run, one a line
 *
 * A directory whose lock can be taken belongs to a vexlab that died: rundir_reap()
 * kills the QEMU it left and removes everything. <base> is /run/vexlab for root,
 * else $XDG_RUNTIME_DIR/vexlab, else /tmp/vexlab-<uid>.
 */
#ifndef VEXLAB_RUNDIR_H
#define VEXLAB_RUNDIR_H

#include <glib.h>

struct rundir;

/* What rundir_reap() did. */
struct rundir_reaped {
	unsigned int dirs;	/* directories of dead owners removed */
	unsigned int killed;	/* processes killed */
	unsigned int files;	/* files removed that their `scratch` listed */
};

/* `base` NULL: the default one. One libvirt root a process: make one rundir and keep it. */
struct rundir *rundir_create(const char *base, GError **error);
/* Removes the directory, its scratch files, any QEMU that still holds its path; frees. NULL-safe. */
void rundir_destroy(struct rundir *rd);

const char *rundir_path(const struct rundir *rd);
const char *rundir_id(const struct rundir *rd);

/* Lists an absolute path outside of the directory to be removed with it. Call before creating the file. */
gboolean rundir_add_scratch(struct rundir *rd, const char *path, GError **error);

/* Call at each start. `base` as above, `ret` may be NULL. Directories of the living are left alone. */
gboolean rundir_reap(const char *base, struct rundir_reaped *ret, GError **error);

#endif
