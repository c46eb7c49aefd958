// SPDX-License-Identifier: GPL-2.0
/*
 * kmod-probe's module in the guest, and the box that it writes when the guest
 * dies. Everything goes on without: then the record says what there is not.
 */
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "modbuild.h"
#include "session_priv.h"
#include "wire.h"

#define LOAD_NS		(5000 * 1000000ull)
#define STEP_ID		(G_MAXUINT64 - 1)	/* no step of a run has it */

static void note_absent(struct session *s, const char *why)
{
	if (s->sink.note)
		s->sink.note(s->sink.ctx, json_pack("{s:s, s:s}", "event", "no probe module", "why", why));
}

static void say_line(void *ctx, const char *line)
{
	struct session *s = ctx;
	g_autofree char *text = g_strdup_printf("building vexprobe: %s", line);

	if (s->sink.progress)
		s->sink.progress(s->sink.ctx, text);
}

/* Built for this guest's kernel, once: the path of the module, NULL: told why not. Caller frees. */
char *session_probe_module(struct session *s)
{
	const struct guest_image *image = s->config.image;
	const struct modbuild_request req = {
		.module_dir = s->config.probe_source, .headers = image->headers, .release = image->release,
		.cachedir = s->config.cachedir, .deadline_s = s->config.config->build_deadline_s,
		.progress = say_line, .ctx = s,
	};
	VX_GUARD(modbuild_result_free) struct modbuild_result *built = NULL;
	g_autoptr(GError) error = NULL;

	if (!s->config.probe_source)
		return NULL;
	built = modbuild_run(&req, s->config.cancellable, &error);
	if (built)
		return g_strdup(built->modules[0].path);
	note_absent(s, error->message);
	return NULL;
}

static gboolean insert(struct session *s, const char *path, GError **error)
{
	const struct vx_req_step req = { .id = STEP_ID, .op = VX_STEP_INSMOD, .deadline_ns = LOAD_NS };
	const char *strings[] = { path, "", NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	if (!session_step(s, &req, strings, &res, error))
		return FALSE;
	if (!res.msg.err)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the guest does not load it: %s", vx_step_err_text(res.msg.err));
	return FALSE;
}

/* Into a guest that has just booted. FALSE: the guest did not survive it. */
gboolean session_load_probe(struct session *s, GError **error)
{
	g_autofree char *remote = g_build_filename(s->workdir, "vexprobe.ko", NULL);
	g_autoptr(GError) local = NULL;

	if (!s->probe || (session_put(s, s->probe, remote, 0644, &local) && insert(s, remote, &local)))
		return TRUE;
	if (s->lost || g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	note_absent(s, local->message);
	return TRUE;
}

void session_take_box(struct session *s)
{
	const struct vm_driver *driver = s->config.driver;
	g_autoptr(GBytes) box = s->vm && driver->take_box ? driver->take_box(s->vm) : NULL;

	if (box && s->sink.box)
		s->sink.box(s->sink.ctx, box);
}
