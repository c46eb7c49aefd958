/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scope guards for our own types, where g_autoptr would want a typedef:
 *
 *	VX_GUARD(record_close) struct record *rec = record_create(dir, error);
 */
#ifndef VEXLAB_GUARD_H
#define VEXLAB_GUARD_H

/* Beside the declaration of `fn`, which takes NULL. */
#define VX_DEFINE_GUARD(type, fn)						\
	static inline void fn##_guard(type **p) { fn(*p); }			\
	struct vx_guard_needs_semicolon

#define VX_GUARD(fn) __attribute__((cleanup(fn##_guard)))

#endif
