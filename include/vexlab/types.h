/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fixed-width types for everything that crosses a boundary. This is the only
 * header that asks who includes it.
 */
#ifndef VEXLAB_TYPES_H
#define VEXLAB_TYPES_H

#if defined(__bpf__)
#include "vmlinux.h"
#elif defined(__KERNEL__)
#include <linux/types.h>
#else
#include <linux/types.h>
#endif

#define VX_TASK_COMM_LEN	16
#define VX_FSTYPE_LEN		16
#define VX_NAME_LEN		64

#endif
