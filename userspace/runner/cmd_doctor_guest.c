// SPDX-License-Identifier: GPL-2.0
/* vexlab doctor --guest: what can be seen in a guest of this kernel, tried in one. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "accel.h"
#include "cmd.h"
#include "cmd_doctor.h"
#include "error.h"
#include "rundir.h"
#include "session.h"
#include "text.h"
#include "wire.h"

#define PROBES_MAX	256u	/* a guest that says more is not believed */

struct look {
	gboolean json;
	struct config config;
	struct guest_image *image;
	struct rundir *rundir;
	struct session *session;
	GArray *probes;		/* struct vx_probe_status, each program once */
};

/* Each group by itself: one that cannot be had must not hide the others. */
static const guint32 groups[] = {
	VX_PROBES_MOUNT, VX_PROBES_MOUNT | VX_PROBES_SLAB, VX_PROBES_MOUNT | VX_PROBES_ALLOC, VX_PROBES_CALLS,
};

static const char *const means[] = {
	[VX_ATTACH_NOT] = "not", [VX_ATTACH_FENTRY] = "fentry", [VX_ATTACH_KPROBE] = "kprobe", [VX_ATTACH_TRACEPOINT] = "tracepoint",
};

static gboolean is_known(const struct look *l, const struct vx_probe_status *probe)
{
	guint i;

	for (i = 0; i < l->probes->len; i++)
		if (!strcmp(g_array_index(l->probes, struct vx_probe_status, i).name, probe->name))
			return TRUE;
	return FALSE;
}

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct vx_probe_status probe;
	struct look *l = ctx;
	guint32 i;

	if (frame->type != VX_MSG_TRACE)
		return;
	for (i = 0; vx_trace_probe(payload, frame->length, i, &probe); i++)
		if (probe.kind < G_N_ELEMENTS(means) && l->probes->len < PROBES_MAX && !is_known(l, &probe))
			g_array_append_val(l->probes, probe);
}

static void on_console(void *ctx, const void *data, gsize len)
{
}

static void on_note(void *ctx, json_t *json)
{
	json_decref(json);
}

static void on_progress(void *ctx, const char *text)
{
	fprintf(stderr, "  %s\n", text);
}

static gboolean look_into(struct look *l, const char *cachedir, GError **error)
{
	g_autofree char *why = NULL, *agent = cmd_lib_path("vexlab-agent"), *probe = cmd_lib_path("kmod-probe");
	const struct session_config config = {
		.config = &l->config, .image = l->image, .agent = agent, .cachedir = cachedir, .rundir = l->rundir,
		.driver = &vm_libvirt, .accel = vm_probe_accel(l->image->kernel, cachedir, FALSE, &why), .cold = TRUE,
		.scratch_mib = 16, .probe_source = probe, .box = VM_BOX_SHMEM, .cancellable = cmd_cancellable(),
	};
	const struct session_sink sink = {
		.frame = on_frame, .console = on_console, .note = on_note, .progress = on_progress, .ctx = l,
	};
	guint i;

	l->session = session_open(&config, &sink, error);
	if (!l->session)
		return FALSE;
	for (i = 0; i < G_N_ELEMENTS(groups); i++) {
		const struct vx_req_trace req = { .groups = groups[i] };
		struct vx_msg_trace msg;

		/* What the answer says of each program is kept by on_frame(), whether or not the group is of use. */
		if (!session_trace(l->session, &req, &msg, error))
			return FALSE;
	}
	return TRUE;
}

static void print_text(const struct look *l, guint attached)
{
	guint i;

	printf("kernel %s: %u of %u programs attached\n\n%-22s %-28s %s\n", l->image->release, attached, l->probes->len,
	       "program", "hooks", "by");
	for (i = 0; i < l->probes->len; i++) {
		const struct vx_probe_status *p = &g_array_index(l->probes, struct vx_probe_status, i);
		g_autofree char *name = text_plain(p->name), *target = text_plain(p->target), *why = text_plain(p->why);

		printf("%-22s %-28s %s%s%s\n", name, target, means[p->kind], *why ? ": " : "", why);
	}
}

static void print_json(const struct look *l)
{
	json_t *all = json_pack("{s:s, s:s?, s:[]}", "kernel", l->image->release, "checks", l->image->checks, "programs");
	g_autofree char *text = NULL;
	guint i;

	for (i = 0; i < l->probes->len; i++) {
		const struct vx_probe_status *p = &g_array_index(l->probes, struct vx_probe_status, i);
		g_autofree char *name = text_plain(p->name), *target = text_plain(p->target), *why = text_plain(p->why);

		json_array_append_new(json_object_get(all, "programs"),
				      json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "hooks", target, "by", means[p->kind],
						"why", *why ? why : NULL));
	}
	text = json_dumps(all, JSON_INDENT(2));
	puts(text);
	json_decref(all);
}

static int print_all(const struct look *l)
{
	guint i, attached = 0;

	for (i = 0; i < l->probes->len; i++)
		attached += g_array_index(l->probes, struct vx_probe_status, i).kind != VX_ATTACH_NOT;
	if (l->json)
		print_json(l);
	else
		print_text(l, attached);
	return attached ? 0 : VX_ERROR_UNAVAILABLE;
}

int doctor_guest(const char *cachedir, const char *kernel, gboolean json)
{
	struct look l = { .json = json, .probes = g_array_new(FALSE, FALSE, sizeof(struct vx_probe_status)) };
	struct config_machine machine;
	g_autoptr(GError) error = NULL;
	int code;

	config_init(&l.config);
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(&l.config, &machine));
	cmd_guard(cachedir);
	l.image = guest_find(cachedir, kernel, &error);
	if (l.image && rundir_reap(NULL, NULL, &error) && (l.rundir = rundir_create(NULL, &error)) &&
	    look_into(&l, cachedir, &error))
		code = print_all(&l);
	else
		code = cmd_fail("doctor --guest", error);
	session_close(l.session);
	rundir_destroy(l.rundir);
	guest_free(l.image);
	config_clear(&l.config);
	g_array_unref(l.probes);
	return code;
}
