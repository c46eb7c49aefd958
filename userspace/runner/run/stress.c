// SPDX-License-Identifier: GPL-2.0
/* stress: mounts, unmounts, loads, remounts, binds and file operations against each other (docs/STRESS.md). */
#include "stress_kinds.h"

#define DEVICES	3u

/* Loop devices with filesystems, once a guest: where the guest has none, the kinds that want them say so. */
static gboolean make_devices(struct stress_course *c, GError **error)
{
	const guint64 bytes = (guint64)c->run->req->target->device_mib << 20;
	gboolean usable = TRUE;
	guint i;

	if (c->devices->len || c->run->req->ssh)
		return TRUE;
	if (!stress_modprobe(c->run, "loop", error))
		return FALSE;
	for (i = 0; i < DEVICES && usable; i++) {
		g_autofree char *file = g_strdup_printf("/tmp/vx-stress-%u", i), *path = NULL;

		if (!stress_device_make(c->run, "loop", file, bytes, &path, error))
			return FALSE;
		if (!path)
			return TRUE;
		if (!run_format_device(c->run, path, &usable, error))
			return FALSE;
		g_ptr_array_add(c->devices, g_steal_pointer(&path));
	}
	return TRUE;
}

static gboolean before(struct stress_course *c, const struct vx_stress_kind *kind, const char **device, GError **error)
{
	return !(kind->needs & VX_STRESS_DEVICES) || make_devices(c, error);
}

static gboolean stress(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct stress_course c = { .run = run, .args = args, .part = "stress", .op = VX_STEP_STRESS, .before = before };

	return stress_course(&c, vx_stress_kinds, go_on, error);
}

static const struct stress_args defaults = { .seconds = 2, .threads = 4, .patience = 30 };

const struct part part_stress = {
	.name = "stress",
	.description = "mounts, unmounts, loads, remounts, binds and file operations by many threads at the same time",
	.fields = stress_fields, .defaults = &defaults, .size = sizeof(defaults), .run = stress,
};
