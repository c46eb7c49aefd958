/* SPDX-License-Identifier: GPL-2.0 */
/* calls_wrap.c writes what calls.c keeps. Any context but NMI. */
#ifndef VEXPROBE_CALLS_H
#define VEXPROBE_CALLS_H

#include <linux/types.h>
#include <vexlab/alloc.h>
#include <vexlab/calls.h>

/* `site`: return address of the call that allocated. */
void calls_add(unsigned long object, size_t bytes, enum vx_alloc_kind kind, unsigned long site);
void calls_remove(unsigned long object);

#endif
