/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A part: something whole that a scenario can do with a target that is set up, and that takes arguments
 * (stress, an oracle, hostile images...). A scenario file names parts among its steps; alone, each is a scenario
 * of its own name: `vexlab run --scenario NAME --arg KEY=VALUE --seed N`.
 */
#ifndef VEXLAB_PART_H
#define VEXLAB_PART_H

#include "run_priv.h"
#include "yamlfile.h"

struct part {
	const char *name, *description;
	const struct yaml_field *fields;	/* of its arguments, flat; NULL: it takes none */
	const void *defaults;			/* `size` bytes: the arguments that nobody gave */
	gsize size;
	/*
	 * Finds the target set up, freshly formatted and unmounted, and leaves it unmounted; calls run_survive() where the guest can be lost.
	 * *go_on FALSE: nothing more can be done with this target. FALSE with `error`: the run ends. What it does by chance
	 * follows from run_seed() alone.
	 */
	gboolean (*run)(struct run *run, const void *args, gboolean *go_on, GError **error);
	gboolean own_trace;			/* it traces as it needs; else the mounts are, when it begins */
};

extern const struct part part_exhaust, part_faults, part_file_operations, part_images, part_inject, part_leak_hunt, part_locks,
	part_mount_cycles, part_oracle, part_stress;

/* NULL-terminated. */
extern const struct part *const parts[];
const struct part *part_find(const char *name);

/* A copy of the defaults; strings in it are its own. */
void *part_args_new(const struct part *part);
void part_args_free(const struct part *part, void *args);
/* One "key=value" of the command line. VX_ERROR_USAGE. */
gboolean part_args_set(const struct part *part, void *args, const char *assignment, GError **error);

/* Does it, and says so in the record: {"do": "part", "name", "args": {...}}. */
gboolean part_do(struct run *run, const struct part *part, const void *args, gboolean *go_on, GError **error);

#endif
