/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libvirt's embedded driver starts QEMU as an orphan, for process 1 to wait
 * for, and takes a dead one for alive until that has been done. In a container
 * process 1 may take its time, or never do it: libvirt then hangs for 40 s
 * wherever it ends QEMU. So this process adopts its orphans.
 */
#ifndef VEXLAB_ORPHAN_H
#define VEXLAB_ORPHAN_H

#include <glib.h>

/* From now on orphaned descendants become this process's children. */
void orphan_adopt(void);

/*
 * Around a call that blocks until a QEMU has ended: a thread waits for dead
 * children called qemu-* and for no others. Do not let other code that waits
 * for a QEMU of its own run meanwhile.
 */
struct orphan_reaper;
struct orphan_reaper *orphan_reaper_start(void);
void orphan_reaper_stop(struct orphan_reaper *reaper);

/*
 * Waits for that process if it has ended. FALSE if it has not, or was no child of ours; else `ret` is its
 * status as of waitpid(2).
 */
gboolean orphan_reap(int pidfd, int *ret);

#endif
