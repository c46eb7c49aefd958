/* SPDX-License-Identifier: GPL-2.0 */
/* Small helpers for files on the host. Errors are VX_ERROR. */
#ifndef VEXLAB_FSUTIL_H
#define VEXLAB_FSUTIL_H

#include <glib.h>

/* Unlinks a file or a whole tree below directory `dirfd` (or AT_FDCWD); never follows a symbolic
 * link. A `name` that does not exist is success. 0 or the first -errno; goes on after an error. */
int fs_remove_at(int dirfd, const char *name);

/* Makes `path` and its parents, mode `mode`; success if it exists. */
gboolean fs_mkdir(const char *path, int mode, GError **error);

/* Makes `path` and sees that it is a real directory that only this user can write to. */
gboolean fs_mkdir_private(const char *path, GError **error);

/* VX_ERROR_IO, with figures, unless the filesystem of directory `dir` has `bytes` free for us. */
gboolean fs_need_space(const char *dir, guint64 bytes, GError **error);

/* What vexlab keeps between runs: $VEXLAB_CACHE, else /var/cache/vexlab as root, else
 * $XDG_CACHE_HOME/vexlab. Not created. Caller frees. */
char *fs_default_cachedir(void);

/* "size mtime ctime inode device" of a file in ns, to tell whether it is still the same one without reading it.
 * NULL and `error` if it cannot be looked at. Caller frees. */
char *fs_identity(const char *path, GError **error);

/* Copies a file to a new one (mode 0600), shared where the filesystem can, its holes left out. Nothing is left on failure. */
gboolean fs_copy_sparse(const char *from, const char *to, GError **error);

/* Removes all files of `dir` but the `keep` that were changed last. */
void fs_keep_newest(const char *dir, guint keep);

#endif
