/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshots that outlive a run: a guest with a target at a point of its set-up,
 * saved by libvirt, in <cachedir>/snapshots/<name>/{memory, disk, manifest}. They depend on
 * the guest's kernel, image and agent, on QEMU and libvirt, and on the target's file and modules: when one of them has
 * changed, the snapshot is stale and refused.
 */
#ifndef VEXLAB_SNAPSHOT_H
#define VEXLAB_SNAPSHOT_H

#include "run.h"
#include "rundir.h"

enum snapshot_point { SNAPSHOT_BOOTED, SNAPSHOT_LOADED, SNAPSHOT_FORMATTED, SNAPSHOT_MOUNTED, SNAPSHOT_POINTS };
/* "booted", ... */
const char *snapshot_point_name(enum snapshot_point point);
/* SNAPSHOT_POINTS if there is none of that name. */
enum snapshot_point snapshot_point_parse(const char *name);

struct snapshot {
	char *name, *target, *fstype;	/* fstype "" where it is not known yet */
	char *target_file, *source;	/* source "": the target's own, or none */
	char **modules;			/* that were loaded, in order; never NULL */
	char *release;			/* of the kernel */
	enum snapshot_point point;	/* how far the set-up was */
	char *step;			/* the step that it was made after; "": the point itself */
	gint64 made;			/* seconds since the epoch */
	guint64 bytes;			/* on disk */
	unsigned int memory_mib, vcpus, device_mib;
	char *stale;			/* why it cannot be used; NULL: it can, as far as can be told without reading it */
};
void snapshot_free(struct snapshot *snapshot);

/* The target's file, for those who do not name the target. NULL and `error`: there is no such snapshot. Caller frees. */
char *snapshot_target(const char *cachedir, const char *name, GError **error);

/*
 * `request`: config, target, source, cachedir, agent, kernel_release, force_tcg, cold, scenario, progress and cancellable are used;
 * for all but create only cachedir, agent, config, progress and cancellable. `rundir`: the process's one.
 */

/* Of struct snapshot, by name; never NULL. */
GPtrArray *snapshot_list(const struct run_request *request, struct rundir *rundir);

/*
 * Brings a guest to `at` and keeps it, in the place of one of that name. `at` is a point, or a step of the request's
 * scenario by its name: after the first time that it ends well, or with "@N" the Nth.
 */
gboolean snapshot_create(const struct run_request *request, struct rundir *rundir, const char *name,
			 const char *at, GError **error);

/* Is it whole and of use, does the guest come up from it, answer, and is everything as it was left? */
struct snapshot_trial {
	double check_ms;	/* digest, and with `thorough` qemu-img check */
	double ready_ms;	/* from the start of QEMU to the agent's answer */
	double clock_off_ms;	/* of the guest's clock then: session.h */
};
gboolean snapshot_try(const struct run_request *request, struct rundir *rundir, const char *name, gboolean thorough,
		      struct snapshot_trial *ret, GError **error);

gboolean snapshot_remove(const char *cachedir, const char *name, GError **error);

#endif
