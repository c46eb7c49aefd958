/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The BPF object of VX_PROBES_ALLOC: opened for the kernel that runs, set,
 * read. probes.c loads and attaches it as it does the others. Errors are 0 or
 * -errno. One thread, but for tracer_set_step() and tracer_watch().
 */
#ifndef VEXLAB_AGENT_TRACER_H
#define VEXLAB_AGENT_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/probe_alloc.h>

struct bpf_object;
struct tracer;

/* Not loaded yet; programs that others stand in for here are not to be loaded at all. */
int tracer_open(struct tracer **ret);
void tracer_destroy(struct tracer *tracer);	/* NULL is fine */
struct bpf_object *tracer_object(struct tracer *tracer);
/* What a program hooks here, instead of what its section says; NULL: just that. */
const char *tracer_target(const char *program);

int tracer_load(struct tracer *tracer);
/* From here on: loaded. */
void tracer_set_step(struct tracer *tracer, uint64_t step);
/* Do the threads of this process, but for the main one, work on the target now? */
void tracer_watch(struct tracer *tracer, bool on);
/* "": built in. `start`, `bytes`: its text if it is loaded already, else 0. */
void tracer_set_module(struct tracer *tracer, const char *name, uint64_t start, uint64_t bytes);
uint32_t tracer_generation(const struct tracer *tracer);
/* Everything remembered is forgotten. */
int tracer_reset(struct tracer *tracer);
uint64_t tracer_overflows(const struct tracer *tracer);

/* All that is outstanding; caller frees. */
int tracer_live(const struct tracer *tracer, struct vx_probe_live **ret, size_t *nret);
/* All sites, by key, and the keys; caller frees both. */
int tracer_sites(const struct tracer *tracer, uint64_t **keys, struct vx_probe_site **ret, size_t *nret);

#endif
