// SPDX-License-Identifier: GPL-2.0
/*
 * exhaust: nothing left of room, inodes, memory, descriptors; devices that refuse, fail, shrink, are slow or gone
 * (docs/STRESS.md). After each the filesystem must work on a good device that was formatted anew.
 */
#include "stress_kinds.h"

/* The device of the kind, with a filesystem; NULL: it cannot be had here, which the kind will say. */
static gboolean make_device(struct stress_course *c, const struct vx_stress_kind *kind, char **ret, GError **error)
{
	*ret = NULL;
	/* Another's machine keeps its devices and modules. */
	if (c->run->req->ssh)
		return TRUE;
	if (kind->needs & VX_STRESS_PLUG)
		return stress_modprobe(c->run, "sd_mod", error) &&
		       stress_device_make(c->run, "plug", "", (guint64)c->run->req->target->device_mib << 20, ret, error);
	return stress_modprobe(c->run, "dm_mod", error) && stress_modprobe(c->run, "dm_delay", error) &&
	       stress_device_make(c->run, "map", c->run->device, 0, ret, error);
}

static gboolean before(struct stress_course *c, const struct vx_stress_kind *kind, const char **device, GError **error)
{
	gboolean usable;
	char *own;

	if (!(kind->needs & (VX_STRESS_MAPPED | VX_STRESS_PLUG)))
		return stress_modprobe(c->run, "loop", error);
	if (!make_device(c, kind, &own, error))
		return FALSE;
	*device = own;
	if (!own)
		return TRUE;
	/* The first is what the mapped one is on, the second what after() gives back. */
	g_ptr_array_set_size(c->devices, 0);
	g_ptr_array_add(c->devices, g_strdup(c->run->device));
	g_ptr_array_add(c->devices, own);
	return run_format_device(c->run, own, &usable, error);
}

/* What fails of it is found as any step's failure; then the guest is of no use for the next kind. */
static gboolean works_again(struct stress_course *c, GError **error)
{
	enum step_outcome outcome = STEP_FAILED;
	struct run *run = c->run;
	gboolean usable;

	c->spoiled = TRUE;
	if (!run_format(run, &usable, error) || (usable && !run_mount(run, &outcome, error)))
		return FALSE;
	if (outcome != STEP_OK || run_guest_is_hurt(run))
		return TRUE;
	if (!run_file_work(run, &outcome, error))
		return FALSE;
	if (run_guest_is_hurt(run))
		return TRUE;
	if (!run_umount(run, &outcome, error))
		return FALSE;
	c->spoiled = outcome != STEP_OK;
	return TRUE;
}

static gboolean after(struct stress_course *c, const struct vx_stress_kind *kind, GError **error)
{
	gboolean ok = c->devices->len < 2 || stress_device_drop(c->run, g_ptr_array_index(c->devices, 1), error);

	g_ptr_array_set_size(c->devices, 0);
	return ok && works_again(c, error);
}

static gboolean exhaust(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct stress_course c = {
		.run = run, .args = args, .part = "exhaust", .op = VX_STEP_EXHAUST, .before = before, .after = after,
	};

	return stress_course(&c, vx_exhaust_kinds, go_on, error);
}

static const struct stress_args defaults = { .seconds = 2, .threads = 4, .patience = 60 };

const struct part part_exhaust = {
	.name = "exhaust",
	.description = "no room, inodes, memory, descriptors; devices that are read-only, fail, shrink, are slow or removed",
	.fields = stress_fields, .defaults = &defaults, .size = sizeof(defaults), .run = exhaust,
};
