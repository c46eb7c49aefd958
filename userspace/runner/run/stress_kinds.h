/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts stress and exhaust share: kinds by name, each a step of the guest's, and what came of it. */
#ifndef VEXLAB_RUN_STRESS_KINDS_H
#define VEXLAB_RUN_STRESS_KINDS_H

#include "part.h"
#include "stress.h"

struct stress_args {
	char **kinds;			/* NULL: all */
	guint seconds, threads, patience;
};
extern const struct yaml_field stress_fields[];

struct stress_course {
	struct run *run;
	const struct stress_args *args;
	const char *part;		/* its name */
	enum vx_step_op op;
	char *dir;			/* in the guest, for mount points */
	gboolean prepared, go_on;	/* prepared: `dir` is there; not any more in a guest that was put back */
	gboolean spoiled;		/* by what followed a kind: the guest is to be put back */
	GPtrArray *devices;		/* further ones, paths */
	/* Before and after a kind's own step; may be NULL. FALSE with `error` as run_step(). */
	gboolean (*before)(struct stress_course *c, const struct vx_stress_kind *kind, const char **device, GError **error);
	gboolean (*after)(struct stress_course *c, const struct vx_stress_kind *kind, GError **error);
};

/* All kinds that are wanted, in the table's order; VX_ERROR_USAGE for a name that is none. */
gboolean stress_course(struct stress_course *c, const struct vx_stress_kind *kinds, gboolean *go_on, GError **error);

/* A device of the guest's (VX_STEP_DEVICE); NULL in *ret: it cannot be made there. */
gboolean stress_device_make(struct run *run, const char *verb, const char *what, guint64 bytes, char **ret, GError **error);
gboolean stress_device_drop(struct run *run, const char *path, GError **error);
/* A module of the guest's kernel, if it has it. */
gboolean stress_modprobe(struct run *run, const char *module, GError **error);

/* "operations N in M ms" among the lines of an answer; FALSE: it is not there. */
gboolean stress_parse_counts(const char *output, guint64 *operations, guint64 *ms, guint64 *met);
/* `kinds` as the user gave them, names apart by commas, are of the table; else the first that is not. Caller frees. */
char *stress_unknown_kind(char **kinds, const struct vx_stress_kind *table);

#endif
