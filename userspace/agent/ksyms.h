/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names for addresses of kernel code, also of modules that are gone: what
 * /proc/kallsyms said while they were there is kept. Errors are -errno.
 */
#ifndef VEXLAB_AGENT_KSYMS_H
#define VEXLAB_AGENT_KSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Addresses of kernel variables, 0: not to be had. */
void ksyms_variables(const char *const *names, uint64_t *ret, size_t n);

/* --- one reading of kallsyms ----------------------------------------------- */

struct ksym {
	uint64_t address, size;		/* size: up to the next function */
	const char *name;
	const char *module;		/* "" the kernel itself */
};

struct ksyms;

/* Functions only. `modules_only`: leaves the kernel's own out. */
int ksyms_parse(FILE *file, bool modules_only, struct ksyms **ret);
void ksyms_free(struct ksyms *syms);	/* NULL is fine */
/* NULL: in no function that is known. Valid as long as `syms`. */
const struct ksym *ksyms_find(const struct ksyms *syms, uint64_t address);
/* From the first to behind the last function of a module; 0 or -ENOENT. */
int ksyms_module_range(const struct ksyms *syms, const char *module, uint64_t *start, uint64_t *end);

/* --- all readings so far ------------------------------------------------------ */

/* `generation`: how often the target's module has been loaded; each has addresses of its own. */
struct ksyms_past;

int ksyms_past_create(struct ksyms_past **ret);
void ksyms_past_destroy(struct ksyms_past *past);	/* NULL is fine */
/* Reads kallsyms if there is a module that was not there the last time, or a new generation; with `anew` always. */
int ksyms_past_update(struct ksyms_past *past, uint32_t generation, bool anew);
/* As of that generation if possible, else of the latest that knows. `address` is a return address. */
const struct ksym *ksyms_past_find(const struct ksyms_past *past, uint32_t generation, uint64_t address);
/* Of a module that is loaded now. */
int ksyms_past_range(const struct ksyms_past *past, const char *module, uint64_t *start, uint64_t *end);

#endif
