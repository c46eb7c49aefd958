/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a step with an injected failure says of it: the last line of its output.
 *
 *	injected: counts=12,3,0,0 hits=1 took=1 missing=0 kind=1 sector=0 bytes=64 in=__kmalloc_noprof site=foo+0x12/0x34 [foo]
 */
#ifndef VEXLAB_INJECTED_H
#define VEXLAB_INJECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <vexlab/inject.h>

#define VX_INJECTED_LINE_MAX	512

/* Without a line's end. */
void vx_injected_print(const struct vx_injected *done, char *ret, size_t size);
/* Finds the line in the output `text`, NUL-terminated, and checks it. FALSE: there is none, or it is none; *ret is untouched. */
bool vx_injected_parse(const char *text, struct vx_injected *ret);
/* "an allocation", "a read", ...; "something" for none of them. */
const char *vx_inject_words(unsigned int what);

#endif
