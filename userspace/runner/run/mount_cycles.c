// SPDX-License-Identifier: GPL-2.0
/*
 * mount-cycles: does it mount, work and unmount, and how fast. One cycle with
 * real file work first, then a warm-up, then the measured cycles, then a few
 * with the slab probes, whose cost would spoil the measured ones.
 */
#include <stddef.h>

#include "part.h"

#define SLAB_CYCLES	8
#define FAILURES_MAX	3	/* in a row, then more of the same proves nothing */
/* *good FALSE: this cycle failed. */
static gboolean one_cycle(struct run *run, gboolean with_files, gboolean *good, GError **error)
{
	enum step_outcome mounted, unmounted, worked;

	run->cycle++;
	*good = FALSE;
	if (!run_mount(run, &mounted, error))
		return FALSE;
	if (mounted != STEP_OK || run_guest_is_hurt(run))
		return TRUE;
	if (with_files && !run_file_work(run, &worked, error))
		return FALSE;
	if (!run_umount(run, &unmounted, error))
		return FALSE;
	*good = unmounted == STEP_OK;
	return TRUE;
}

/* *go_on FALSE: failures in a row, or a guest that cannot be brought back. */
static gboolean cycles(struct run *run, const char *phase, guint n, gboolean with_files,
		       gboolean *go_on, GError **error)
{
	guint failures = 0, i;

	run->phase = phase;
	for (i = 0; i < n && *go_on; i++) {
		g_autofree char *text = g_strdup_printf("%s %u of %u", phase, i + 1, n);
		g_autoptr(GError) local = NULL;
		gboolean good = FALSE, recovered, ok;

		run->req->progress.tick(run->req->progress.ctx, text, i + 1, n);
		ok = one_cycle(run, with_files, &good, &local);
		if (!run_survive(run, ok, &local, go_on, &recovered, error))
			return FALSE;
		failures = good || recovered ? 0 : failures + 1;
		if (*go_on && failures >= FAILURES_MAX) {
			journal_log(run->journal, "stopped in %s after cycle %" G_GUINT64_FORMAT
				    ": too many failures in a row", phase, run->cycle);
			*go_on = FALSE;
		}
	}
	return TRUE;
}

struct cycles_args {
	guint cycles, warmup;		/* 0: as many as the settings say */
};

static const struct yaml_field fields[] = {
	{ .key = "cycles", .kind = YAML_UINT, .offset = offsetof(struct cycles_args, cycles), .max = 1000000 },
	{ .key = "warmup", .kind = YAML_UINT, .offset = offsetof(struct cycles_args, warmup), .max = 1000000 },
	{ 0 },
};

static const struct cycles_args defaults = { 0 };

static gboolean mount_cycles(struct run *run, const void *given, gboolean *go_on, GError **error)
{
	const struct config *config = run->req->config;
	const struct cycles_args *args = given;
	const guint32 probes = run_latency_probes(run);

	/* Not traced means none attached: a warm start brings them along. */
	if (!run_trace(run, probes, TRUE, error))
		return FALSE;
	if (!cycles(run, "check", 1, TRUE, go_on, error) ||
	    !cycles(run, "warmup", args->warmup ?: config->warmup, FALSE, go_on, error) ||
	    !cycles(run, "measure", args->cycles ?: config->cycles, FALSE, go_on, error))
		return FALSE;
	run->phase = "flush";
	if (!session_flush(run->session, error))
		return FALSE;
	if (!probes || !*go_on || run->req->mode == MODE_PERFORMANCE)
		return TRUE;
	if (!run_trace(run, probes | VX_PROBES_SLAB, FALSE, error) ||
	    !cycles(run, "slab", SLAB_CYCLES, FALSE, go_on, error))
		return FALSE;
	run->phase = "flush";
	return session_flush(run->session, error);
}

const struct part part_mount_cycles = {
	.name = "mount-cycles",
	.description = "mount and unmount N times after a warm-up; latency by phase",
	.fields = fields, .defaults = &defaults, .size = sizeof(defaults),
	.run = mount_cycles, .own_trace = TRUE,
};
