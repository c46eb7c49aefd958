/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a guest's black box (<vexlab/blackbox.h>) arrives: a file in the run's
 * private directory, which goes with it. With VM_BOX_SHMEM it is the guest's
 * shared memory itself, with VM_BOX_PORT what came through the port.
 */
#ifndef VEXLAB_VM_BLACKBOX_H
#define VEXLAB_VM_BLACKBOX_H

#include <glib.h>

/*
 * What the guest has written to the file at `path` since the last call; the
 * file is empty of it from then on. NULL: nothing. Not checked. Caller frees.
 */
GBytes *blackbox_take(const char *path);

#endif
