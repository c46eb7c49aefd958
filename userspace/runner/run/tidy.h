/* SPDX-License-Identifier: GPL-2.0 */
/* What a vexlab that was killed left: at each start, by `vexlab clean`, and by the guard of the one that died. */
#ifndef VEXLAB_TIDY_H
#define VEXLAB_TIDY_H

#include "rundir.h"

/*
 * Its QEMU processes, its run directory, its disks and points, and what it had half made in the cache. What belongs
 * to the living stays. *again (may be NULL): something is still being written to by what it had started, and goes a
 * little later.
 */
gboolean tidy_all(const char *cachedir, struct rundir_reaped *ret, gboolean *again, GError **error);

#endif
