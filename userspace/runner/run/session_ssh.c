// SPDX-License-Identifier: GPL-2.0
/* A guest that is not ours: the agent is put there, speaks over SSH, and is removed again. */
#include <string.h>

#include "error.h"
#include "session_priv.h"

#define GREETING_MS 30000

static void ssh_write(void *ctx, GBytes *bytes)
{
	struct session *s = ctx;

	ssh_guest_stream_write(s->ssh, bytes);
}

static gsize ssh_pending(void *ctx)
{
	struct session *s = ctx;

	return ssh_guest_stream_pending(s->ssh);
}

static void ssh_gone(void *ctx, enum ssh_gone why, int status, const char *text)
{
	session_lose(ctx, LOSS_SILENT, "%s", text);
}

gboolean session_open_ssh(struct session *s, GError **error)
{
	const struct link_transport transport = { ssh_write, ssh_pending, s };
	const struct ssh_sink sink = {
		.console = session_console, .channel = session_channel, .gone = ssh_gone, .ctx = s,
	};
	g_autofree char *agent = NULL;
	const char *argv[4];

	s->image_fd = -1;
	s->how = "ssh";
	session_link(s, &transport);
	s->sink.progress(s->sink.ctx, "logging in");
	s->ssh = ssh_guest_new(s->config.ssh, error);
	if (!s->ssh || !ssh_guest_connect(s->ssh, s->config.cancellable, error) ||
	    !(s->workdir = ssh_guest_mkdtemp(s->ssh, s->config.cancellable, error)))
		return FALSE;
	s->sink.progress(s->sink.ctx, "putting the agent there");
	agent = g_build_filename(s->workdir, "agent", NULL);
	if (!ssh_guest_put(s->ssh, s->config.agent, agent, 0755, s->config.cancellable, error))
		return FALSE;
	argv[0] = agent;
	argv[1] = "--stdio";
	argv[2] = "--foreign";
	argv[3] = NULL;
	return ssh_guest_start_stream(s->ssh, argv, &sink, error) &&
	       session_greet(s, GREETING_MS, error);
}
