/* SPDX-License-Identifier: GPL-2.0 */
/* What a kernel module file (.ko) says of itself. The file is checked, not trusted. */
#ifndef VEXLAB_KOINFO_H
#define VEXLAB_KOINFO_H

#include <glib.h>

#include "guard.h"

struct koinfo {
	char *name;		/* as lsmod shows it */
	char *vermagic;		/* "6.12.1-cloud-amd64 SMP preempt mod_unload modversions " */
	char **depends;		/* never NULL */
	char **fstypes;		/* of its "fs-..." aliases; a hint only: many set none. Never NULL */
	gboolean has_btf;
};

/* VX_ERROR_UNAVAILABLE: not a 64-bit module, or cut short. */
struct koinfo *koinfo_read(const char *path, GError **error);
/* NULL-safe. */
void koinfo_free(struct koinfo *info);
VX_DEFINE_GUARD(struct koinfo, koinfo_free);

#endif
