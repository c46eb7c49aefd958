/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which acceleration really works here. That /dev/kvm exists proves nothing:
 * under some hypervisors a guest kernel hangs in it at once. So one is booted.
 */
#ifndef VEXLAB_ACCEL_H
#define VEXLAB_ACCEL_H

#include "vm.h"

#define ACCEL_DEADLINE_MS 5000	/* a kernel under KVM is through in one second */

/* The QEMU that is used: caller frees; NULL and VX_ERROR_UNAVAILABLE if there is none. */
char *vm_qemu_path(GError **error);

/*
 * Boots `kernel` to the point where it looks for its root filesystem. Blocks, `deadline_ms` at most. `accel` is
 * "kvm" or "tcg". On FALSE `why` (caller frees) says in one line what happened.
 */
gboolean vm_kernel_boots(const char *qemu, const char *kernel, const char *accel, unsigned int deadline_ms,
			 char **why);

/*
 * VM_ACCEL_KVM if a guest kernel boots under it, else VM_ACCEL_TCG; never fails. `why` (caller frees) is one line
 * for the user. The answer is kept in `cachedir` for as long as the kernel, QEMU and the host's boot are the same;
 * `fresh`: try again in any case. Blocks ACCEL_DEADLINE_MS at most.
 */
enum vm_accel vm_probe_accel(const char *kernel, const char *cachedir, gboolean fresh, char **why);

/* May processes use io_uring here? Kernels and containers forbid it often enough. */
gboolean vm_probe_io_uring(void);

/*
 * The firmware that starts a given kernel soonest: qboot, which knows nothing else, where QEMU's package has it.
 * NULL: leave it to the machine (SeaBIOS). Static.
 */
const char *vm_probe_firmware(void);

#endif
