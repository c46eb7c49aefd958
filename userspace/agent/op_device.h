/* SPDX-License-Identifier: GPL-2.0 */
/* Block devices made for a test: loop devices, device-mapper's, and one that can be pulled out (VX_STEP_DEVICE). */
#ifndef VEXLAB_AGENT_OP_DEVICE_H
#define VEXLAB_AGENT_OP_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* A loop device on `file`, its path in `ret`; 0 or -errno. */
int device_loop(const char *file, char *ret, size_t size);
int device_loop_drop(const char *path);

/*
 * What the one mapped device does from now on: `type` and its parameters, over so many sectors. Requests that are under way
 * are not waited for: they get the new answer.
 */
int device_map_table(const char *type, uint64_t sectors, const char *params);
/* Bytes of a block device; -errno. */
int64_t device_bytes(const char *path);
/* Takes a disk of scsi_debug's away, as if it were pulled out. */
int device_pull(const char *path);

#endif
