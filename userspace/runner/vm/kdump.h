/* SPDX-License-Identifier: GPL-2.0 */
/* Memory dumps in makedumpfile's format, as QEMU writes them. */
#ifndef VEXLAB_KDUMP_H
#define VEXLAB_KDUMP_H

#include <glib.h>

/*
 * QEMU leaves the system's names in the header empty, and libkdumpfile, by which drgn reads these, then does
 * not know the architecture. Fills in those that are empty or "Unknown"; the kernel's release from its own
 * VMCOREINFO, where the guest has told it. FALSE, and the file as it was: no such dump, or not writable.
 */
gboolean kdump_name_system(const char *path);

#endif
