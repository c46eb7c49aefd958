/* SPDX-License-Identifier: GPL-2.0 */
/* A guest as the benches use it: what fails ends the program. */
#ifndef VEXLAB_BENCH_GUEST_H
#define VEXLAB_BENCH_GUEST_H

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accel.h"
#include "error.h"
#include "event.h"
#include "fsutil.h"
#include "rows.h"
#include "session.h"
#include <vexlab/metrics.h>

struct bench {
	struct config config;
	struct guest_image *image;
	struct rundir *rundir;
	char *agent, *cachedir;
	struct session *session;
	guint64 step;
	guint64 marks, bad_marks, next_mark;
	guint64 lost, emitted;
	const char *probe_source;	/* of vexprobe.ko; NULL: without it */
	gboolean icount;
	double cpu_ns;			/* of the steps since it was zeroed */
	GArray *samples;		/* struct vx_msg_metrics, as they came; NULL: not kept */
};

static inline void die(const char *what, GError *error)
{
	fprintf(stderr, "bench: %s: %s\n", what, error ? error->message : "failed");
	exit(1);
}

/* ---- what the guest says ------------------------------------------------------- */

static inline void count_losses(struct bench *b, const void *payload, guint32 length)
{
	struct vx_msg_stats head;
	struct vx_cpu_stats cpu;
	guint32 i;

	memcpy(&head, payload, sizeof(head));
	b->lost = b->emitted = 0;
	for (i = 0; i < head.cpus && sizeof(head) + (i + 1) * sizeof(cpu) <= length; i++) {
		memcpy(&cpu, (const char *)payload + sizeof(head) + i * sizeof(cpu), sizeof(cpu));
		b->lost += cpu.lost + cpu.lost_state;
		b->emitted += cpu.emitted;
	}
}

static inline void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	const struct vx_event *event;
	struct vx_event_iter it;
	struct bench *b = ctx;

	if (frame->type == VX_MSG_STATS && frame->length >= sizeof(struct vx_msg_stats))
		count_losses(b, payload, frame->length);
	if (frame->type == VX_MSG_METRICS && frame->length >= sizeof(struct vx_msg_metrics) && b->samples)
		g_array_append_vals(b->samples, payload, 1);
	if (frame->type != VX_MSG_EVENTS)
		return;
	vx_event_iter_init(&it, payload, frame->length);
	while ((event = vx_event_iter_next(&it)))
		b->marks += event->type == VX_EVENT_MARK;
	b->bad_marks += it.bad;
}

static inline void on_console(void *ctx, const void *data, gsize len)
{
}

static inline void on_note(void *ctx, json_t *json)
{
	json_decref(json);
}

static inline void on_progress(void *ctx, const char *text)
{
}

static inline void open_guest(struct bench *b, gboolean cold, guint ssh_port)
{
	g_autofree char *why = NULL;
	const struct session_config config = {
		.config = &b->config, .image = b->image, .agent = b->agent,
		.cachedir = b->cachedir, .rundir = b->rundir, .driver = &vm_libvirt,
		.accel = vm_probe_accel(b->image->kernel, b->cachedir, FALSE, &why),
		.cold = cold, .scratch_mib = 64, .ssh_port = ssh_port, .icount = b->icount,
		.probe_source = b->probe_source, .box = b->probe_source ? VM_BOX_SHMEM : VM_BOX_NONE,
	};
	const struct session_sink sink = {
		.frame = on_frame, .console = on_console, .note = on_note, .progress = on_progress, .ctx = b,
	};
	GError *error = NULL;

	b->session = session_open(&config, &sink, &error);
	if (!b->session)
		die("no guest", error);
}

static inline void close_guest(struct bench *b)
{
	session_close(b->session);
	b->session = NULL;
}

/* ns by the agent's own clock. */
static inline double step(struct bench *b, enum vx_step_op op, const char *const *strings, gint64 n0,
		   gint64 n1)
{
	struct vx_req_step req = {
		.id = ++b->step, .op = op, .deadline_ns = 60000000000ull, .num = { n0, n1 },
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	GError *error = NULL;

	if (!session_step(b->session, &req, strings, &res, &error))
		die("step", error);
	if (res.msg.err || (op == VX_STEP_EXEC && res.msg.value)) {
		fprintf(stderr, "bench: step %u: %s %s\n", op, g_strerror(-res.msg.err), res.output);
		exit(1);
	}
	b->cpu_ns += (double)res.msg.cpu_ns;
	return (double)(res.msg.end_ns - res.msg.start_ns);
}

static inline void bench_init(struct bench *b, const char *agent)
{
	struct config_machine machine;
	GError *error = NULL;

	config_init(&b->config);
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(&b->config, &machine));
	b->agent = g_canonicalize_filename(agent, NULL);
	b->cachedir = fs_default_cachedir();
	b->image = guest_find(b->cachedir, NULL, &error);
	if (!b->image || !rundir_reap(NULL, NULL, &error) ||
	    !(b->rundir = rundir_create(NULL, &error)))
		die("set-up", error);
}

static inline void bench_clear(struct bench *b)
{
	rundir_destroy(b->rundir);
	guest_free(b->image);
	g_free(b->agent);
	g_free(b->cachedir);
}

#endif
