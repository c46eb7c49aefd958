/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Binds a module's calls of allocators to the wrappers of vexprobe.ko: in a copy
 * of its file, each undefined symbol NAME for which vexprobe.ko exports
 * vexprobe_NAME is renamed to that, in the symbol table and in the symbol versions, so that the
 * kernel's own loader does the binding, inlined calls, function pointers and all.
 * Text, BTF and debug information stay as they are. A signature does not survive.
 */
#ifndef VEXLAB_BIND_H
#define VEXLAB_BIND_H

#include <glib.h>

/*
 * `module` and `probe`: files, both for the same kernel. Writes `out`, a private file of the caller's, and
 * tells how many symbols were bound; 0: the module calls nothing that is wrapped, and `out` is a mere copy.
 * Errors: VX_ERROR_UNAVAILABLE: one of them is no 64-bit relocatable ELF file; VX_ERROR_IO.
 */
gboolean bind_calls(const char *module, const char *probe, const char *out, guint *bound, GError **error);

#endif
