/* SPDX-License-Identifier: GPL-2.0 */
/* What calls_wrap.c and locks_wrap.c make their wrappers of. */
#ifndef VEXPROBE_WRAP_H
#define VEXPROBE_WRAP_H

#define JOIN_(a, b)	a##b
#define JOIN(a, b)	JOIN_(a, b)

/* Not one of them is called by name from C: their prototypes are their own. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

#define WRAPPER(type, name, ...)						\
	type JOIN(vexprobe_, name)(__VA_ARGS__);				\
	EXPORT_SYMBOL(JOIN(vexprobe_, name));					\
	notrace type JOIN(vexprobe_, name)(__VA_ARGS__)

#endif
