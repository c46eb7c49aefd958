/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest image in the cache: a kernel and a root filesystem, built apart by
 * the recipes in guest/ of the source tree.
 *
 *	<cache>/kernels/RELEASE/	and `current`, a link
 *	<cache>/rootfs/HASH/		and `current`, a link
 */
#ifndef VEXLAB_GUEST_H
#define VEXLAB_GUEST_H

#include <gio/gio.h>
#include "guard.h"

/*
 * Absolute paths; every file was there, and whole as far as its size tells, when
 * it was looked up. guest_remove() leaves both parts alone until guest_free().
 */
struct guest_image {
	char *release;		/* of the kernel: uname -r */
	char *kernel;		/* what QEMU is given: vmlinux (PVH) or vmlinuz */
	char *initrd;		/* base, without an agent */
	char *modules_img;	/* disk "vexlab-mods" */
	char *headers;		/* `make -C` for out-of-tree modules */
	char *rootfs_img;	/* disk "vexlab-root" */
	char *rootfs_hash;
	char *ssh_key;		/* private key that may log in as root */
	char *known_hosts;	/* the image's host key, pinned */
	char *cmdline;
	char *checks;		/* what the kernel checks by itself and is slow for, "KASAN, lockdep"; NULL: nothing */
	unsigned int patience;	/* by which deadlines are multiplied for it; 1 for an ordinary kernel */
	int kernel_lock, rootfs_lock;	/* private */
};

/* `release` NULL: the current one. VX_ERROR_UNAVAILABLE says how to build what is missing. */
struct guest_image *guest_find(const char *cachedir, const char *release, GError **error);
/* NULL-safe. */
void guest_free(struct guest_image *image);
VX_DEFINE_GUARD(struct guest_image, guest_free);

/* One line of `vexlab guest list`. */
struct guest_entry {
	char *kind;		/* "kernel", "rootfs" */
	char *name;		/* release or hash */
	char *built;		/* ISO time, "" unknown */
	guint64 bytes;		/* on disk */
	gboolean current;
};
void guest_entry_free(struct guest_entry *entry);
/* Array of struct guest_entry *, never NULL. */
GPtrArray *guest_list(const char *cachedir);
/* Refuses one that a running guest uses (VX_ERROR_UNAVAILABLE); unknown: VX_ERROR_USAGE. */
gboolean guest_remove(const char *cachedir, const char *name, GError **error);

/*
 * Runs the recipes with progress on stderr; what is there already is left alone
 * unless `force`. `init` is the guest's PID 1, `recipes` the folder guest/.
 * Waits in the main context, so that Ctrl-C's handler runs.
 */
gboolean guest_build(const char *cachedir, const char *recipes, const char *init, gboolean force,
		     GCancellable *cancellable, GError **error);

/* A kernel that stands beside the current one; the recipe tells its release. */
struct guest_kernel {
	const char *suite;	/* of Debian's: "bookworm", see guest_is_suite(); else NULL, and */
	const char *tree;	/* the folder in which the user built it; else NULL: Debian's source with all checks (debug-kernel.sh) */
};
gboolean guest_build_kernel(const char *cachedir, const char *recipes, const char *init, const struct guest_kernel *kernel,
			    gboolean force, GCancellable *cancellable, GError **error);
/* The suites whose kernels build-kernel.sh knows. */
gboolean guest_is_suite(const char *name);
extern const char *const guest_suites[];	/* NULL at the end */

/* A second hold on the kernel, for who may outlive `image`: until the fd is closed. -1 and error. */
int guest_use(const struct guest_image *image, GError **error);

/* Writes base initrd plus a cpio with /vexlab/agent to `path`. */
gboolean guest_compose_initrd(const struct guest_image *image, const char *agent,
			      const char *path, GError **error);

#endif
