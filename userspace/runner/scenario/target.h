/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A target: the filesystem under test, as configuration. targets/ in the source tree holds
 * the ones that come with vexlab; users copy and change them. All keys: targets/README.md.
 */
#ifndef VEXLAB_TARGET_H
#define VEXLAB_TARGET_H

#include <glib.h>

#include "guard.h"

enum target_module {
	TARGET_BUILTIN,		/* part of the guest's kernel */
	TARGET_MODPROBE,	/* a module that comes with the guest's kernel: module_name */
	TARGET_SOURCE,		/* out of tree: built from its source, then insmod */
};

/* Read only for everyone but target.c. Strings may be NULL where said so. */
struct target {
	char *path;			/* the file it was read from */
	char *name;
	char *description;		/* or NULL */
	char *fstype;			/* NULL: whatever appears in /proc/filesystems after insmod */
	enum target_module module;
	char *module_name;		/* MODPROBE: its name; SOURCE: which .ko of several, or NULL */
	char *module_source;		/* SOURCE: default folder, absolute; NULL: the user must name one */
	char **module_dirs;		/* SOURCE: where Kbuild may lie below the folder; never empty: at least "." */
	char *module_params;		/* "a=1 b=2" for insmod, or NULL */
	char **mkfs_argv;		/* template, see target_mkfs_argv(); NULL: the device needs none */
	char **mkfs_older;		/* what takes {older}'s place in mkfs_argv: "VERSION WORD...", for kernels before VERSION; or NULL */
	char *mkfs_source;		/* C file below the source folder, built statically for the guest, or NULL */
	char *mount_options;		/* or NULL */
	unsigned int device_mib;	/* size of the device it gets, MiB */
	char *image_format;		/* file that describes its format (imageformat.h), absolute; or NULL */
	char **unsupported;		/* features that are known to be missing: never tested; or NULL */
};

/*
 * `name_or_path` with a '/' or ending in ".yaml" is a file; else a name, looked for in ./targets,
 * $VEXLAB_LIBDIR/targets and then each of `dirs` (NULL-terminated, may be NULL: further folders,
 * as the source tree's).
 * Errors: VX_ERROR_USAGE unknown name (lists the known ones), VX_ERROR_UNAVAILABLE a file that
 * is not there, VX_ERROR_CONFIG what is wrong in it, with file and line.
 */
struct target *target_load(const char *name_or_path, const char *const *dirs, GError **error);
/* NULL-safe. */
void target_free(struct target *target);
VX_DEFINE_GUARD(struct target, target_free);

/* Names that target_load() would find, sorted. Caller frees (g_strfreev). */
char **target_names(const char *const *dirs);

/*
 * mkfs's argv for the guest: "{device}" replaced by `device`, "{mkfs}" by `mkfs` (where the mkfs
 * that was built from source lies in the guest), "{older}" by the words of the first line of mkfs_older whose version is above
 * `release`, uname -r (none: "{older}" goes). NULL when the target has none. Caller frees.
 */
char **target_mkfs_argv(const struct target *target, const char *release, const char *mkfs, const char *device);

/* Where a target's source is; absolute paths. */
struct target_source {
	char *root;		/* the folder the user named, or its parent if that was the module's own */
	char *module_dir;	/* holds Kbuild or Makefile */
	char *mkfs_source;	/* C file, or NULL when the target has none */
};

/*
 * Finds the pieces below `source` (what the user named, may be NULL: the target's default).
 * VX_ERROR_USAGE when neither names one; VX_ERROR_UNAVAILABLE when the path or a piece is missing.
 */
gboolean target_find_source(const struct target *target, const char *source,
			    struct target_source *ret, GError **error);
/* Frees the strings, not the struct. Twice-safe. */
void target_source_clear(struct target_source *source);
static inline void target_source_clear_guard(struct target_source *source) { target_source_clear(source); }

#endif
