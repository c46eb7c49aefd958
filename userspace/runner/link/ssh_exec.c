// SPDX-License-Identifier: GPL-2.0
/* Commands on the guest: one channel each, always with a deadline, killed when it passes. */
#include <string.h>

#include "ssh_priv.h"

#define PID_MARK	"vexlab-pid:"
#define HEAD_MAX	4096	/* what a login shell may say before our own line */
#define EOF_GRACE	G_USEC_PER_SEC	/* exited, but a child of it keeps its output open */

char *ssh_guest_quote(const char *arg)
{
	GString *out = g_string_new("'");
	const char *p;

	/* Within single quotes a POSIX sh takes all bytes for themselves, save the quote: leave, say \', enter again. */
	for (p = arg; *p; p++) {
		if (*p == '\'')
			g_string_append(out, "'\\''");
		else
			g_string_append_c(out, *p);
	}
	g_string_append_c(out, '\'');
	return g_string_free(out, FALSE);
}

char *ssh_guest_quote_argv(const char *const *argv)
{
	GString *out;

	if (!argv || !argv[0])
		return NULL;
	for (out = g_string_new(NULL); *argv; argv++) {
		g_autofree char *word = ssh_guest_quote(*argv);

		if (out->len)
			g_string_append_c(out, ' ');
		g_string_append(out, word);
	}
	return g_string_free(out, FALSE);
}

void ssh_result_clear(struct ssh_result *r)
{
	if (r->out)
		g_string_free(r->out, TRUE);
	if (r->err)
		g_string_free(r->err, TRUE);
	memset(r, 0, sizeof(*r));
}

/* The line with the pid is ours and first, but a login shell's start-up files may speak before it. */
static void take_head(struct sg_exec *x, const char *data, gsize len)
{
	g_autoptr(GString) head = x->head;
	char *mark, *end = NULL;

	g_string_append_len(head, data, len);
	mark = strstr(head->str, PID_MARK);
	if (mark)
		end = strchr(mark, '\n');
	if (!end && head->len < HEAD_MAX) {
		head = NULL;
		return;
	}
	x->head = NULL;
	if (end) {
		gint64 pid = g_ascii_strtoll(mark + strlen(PID_MARK), NULL, 10);

		x->pid = pid > 1 && pid <= G_MAXINT32 ? pid : 0;
		g_string_erase(head, mark - head->str, end + 1 - mark);
	}
	if (head->len)
		x->data(x->ctx, TRUE, head->str, head->len);
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len, int is_err, void *ctx)
{
	struct sg_exec *x = ctx;

	x->last = g_get_monotonic_time();
	if (is_err && x->head) {
		take_head(x, data, len);
		return len;
	}
	return x->data(x->ctx, is_err, data, len);
}

static void on_eof(ssh_session session, ssh_channel channel, void *ctx)
{
	struct sg_exec *x = ctx;

	x->eof = TRUE;
}

static void on_close(ssh_session session, ssh_channel channel, void *ctx)
{
	struct sg_exec *x = ctx;

	x->eof = x->closed = TRUE;
}

static void on_status(ssh_session session, ssh_channel channel, int status, void *ctx)
{
	struct sg_exec *x = ctx;

	x->last = g_get_monotonic_time();
	x->exited = TRUE;
	x->status = status & 0xff;
}

static void on_signal(ssh_session session, ssh_channel channel, const char *signal, int core, const char *message,
		      const char *lang, void *ctx)
{
	struct sg_exec *x = ctx;
	gsize i;

	x->last = g_get_monotonic_time();
	x->exited = TRUE;
	x->status = -1;
	g_strlcpy(x->signal, signal, sizeof(x->signal));
	for (i = 0; x->signal[i]; i++)
		if (!g_ascii_isalnum(x->signal[i]))
			x->signal[i] = '?';
	if (!x->signal[0])
		g_strlcpy(x->signal, "?", sizeof(x->signal));
}

static gboolean refused(struct ssh_guest *g, const char *what, GError **error)
{
	if (!sg_alive(g, error))
		return FALSE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "%s refuses %s (%s): see that its sshd lets this user run commands, and MaxSessions",
		    g->where, what, ssh_get_error(g->session));
	return FALSE;
}

static gboolean open_channel(struct sg_exec *x, const char *command, gint64 deadline, GCancellable *cancellable,
			     GError **error)
{
	struct ssh_guest *g = x->guest;
	int rc;

	while ((rc = ssh_channel_open_session(x->channel)) == SSH_AGAIN)
		if (!sg_wait(g, deadline, cancellable, error))
			return FALSE;
	if (rc != SSH_OK)
		return refused(g, "another channel", error);
	while ((rc = ssh_channel_request_exec(x->channel, command)) == SSH_AGAIN)
		if (!sg_wait(g, deadline, cancellable, error))
			return FALSE;
	if (rc != SSH_OK)
		return refused(g, "to run commands", error);
	return TRUE;
}

gboolean sg_exec_open(struct sg_exec *x, struct ssh_guest *g, const char *command, gint64 deadline,
		      GCancellable *cancellable, GError **error)
{
	if (!sg_alive(g, error))
		return FALSE;
	if (strlen(command) > SG_COMMAND_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the command for %s has %zu bytes, allowed are %d: put a file there instead",
			    g->where, strlen(command), SG_COMMAND_MAX);
		return FALSE;
	}
	x->guest = g;
	x->last = g_get_monotonic_time();
	x->channel = ssh_channel_new(g->session);
	if (!x->channel)
		return refused(g, "another channel", error);
	x->cb.userdata = x;
	x->cb.channel_data_function = on_data;
	x->cb.channel_eof_function = on_eof;
	x->cb.channel_close_function = on_close;
	x->cb.channel_exit_status_function = on_status;
	x->cb.channel_exit_signal_function = on_signal;
	ssh_callbacks_init(&x->cb);
	ssh_set_channel_callbacks(x->channel, &x->cb);
	if (open_channel(x, command, deadline, cancellable, error))
		return TRUE;
	sg_exec_close(x, FALSE);
	return FALSE;
}

gboolean sg_exec_open_argv(struct sg_exec *x, struct ssh_guest *g, const char *const *argv, gint64 deadline,
			   GCancellable *cancellable, GError **error)
{
	g_autofree char *quoted = ssh_guest_quote_argv(argv);
	g_autofree char *command = NULL;

	if (!quoted) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "no command to run on %s", g->where);
		return FALSE;
	}
	/* sshd makes the shell a session leader: its pid is also the process group that exec hands on. */
	command = g_strdup_printf("echo " PID_MARK "$$ >&2; exec %s", quoted);
	x->head = g_string_new(NULL);
	return sg_exec_open(x, g, command, deadline, cancellable, error);
}

gboolean sg_exec_done(const struct sg_exec *x)
{
	return x->closed || (x->eof && x->exited);
}

gboolean sg_exec_wait(struct sg_exec *x, gint64 deadline, GCancellable *cancellable, GError **error)
{
	while (!sg_exec_done(x)) {
		gint64 until = x->exited ? MIN(deadline, x->last + EOF_GRACE) : deadline;
		g_autoptr(GError) failed = NULL;

		if (sg_wait(x->guest, until, cancellable, &failed) || sg_exec_done(x))
			continue;
		if (x->exited && g_error_matches(failed, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
			break;
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	if (x->head && x->head->len) {	/* ended before it told a pid: what came is all there is */
		g_autoptr(GString) head = g_steal_pointer(&x->head);

		x->data(x->ctx, TRUE, head->str, head->len);
	}
	if (x->exited)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL, "%s ended a command without its exit status: see the sshd's log there",
		    x->guest->where);
	return FALSE;
}

static gsize drop_data(void *ctx, gboolean is_err, const void *data, gsize len)
{
	return len;
}

/*
 * sshd neither kills a command whose channel closes nor takes "signal" requests
 * for root, so it is killed the way one would by hand, through another channel.
 */
gboolean sg_exec_kill(struct sg_exec *x)
{
	struct sg_exec killer = { .data = drop_data };
	gint64 deadline = sg_deadline(SG_KILL_MS);
	g_autofree char *command = NULL;
	gboolean ok;

	if (!x->pid)
		return FALSE;
	command = g_strdup_printf("kill -s KILL -- -%" G_GINT64_FORMAT " 2>/dev/null || kill -s KILL %" G_GINT64_FORMAT,
				  x->pid, x->pid);
	if (!sg_exec_open(&killer, x->guest, command, deadline, NULL, NULL))
		return FALSE;
	ok = sg_exec_wait(&killer, deadline, NULL, NULL) && killer.status == 0;
	sg_exec_close(&killer, TRUE);
	return ok;
}

void sg_exec_close(struct sg_exec *x, gboolean may_wait)
{
	gint64 deadline = sg_deadline(1000);

	if (x->channel) {
		/* The channel outlives us until the guest closes its side, our callbacks must not. */
		ssh_remove_channel_callbacks(x->channel, &x->cb);
		while (may_wait && ssh_channel_close(x->channel) == SSH_AGAIN)
			if (!sg_wait(x->guest, deadline, NULL, NULL))
				break;
		ssh_channel_free(x->channel);
	}
	x->channel = NULL;
	if (x->head)
		g_string_free(x->head, TRUE);
	x->head = NULL;
}

struct capture {
	GString *text[2];
	gsize limit;
	gboolean truncated;
};

static gsize capture_data(void *ctx, gboolean is_err, const void *data, gsize len)
{
	struct capture *c = ctx;
	GString *to = c->text[is_err != 0];
	gsize take = MIN(len, c->limit - to->len);

	g_string_append_len(to, data, take);
	c->truncated |= take < len;
	return len;
}

static void stop_command(struct sg_exec *x, const char *name, unsigned int timeout_ms, GError **error)
{
	gboolean killed;

	if (!error || !*error || (*error)->domain != G_IO_ERROR)
		return;
	killed = sg_exec_kill(x);
	if ((*error)->code != G_IO_ERROR_TIMED_OUT)
		return;
	g_clear_error(error);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "'%s' did not end within %u ms on %s: %s", name, timeout_ms,
		    x->guest->where, killed ? "it was killed" : "it could not be killed and may still run there");
}

static void fill_result(const struct sg_exec *x, struct capture *c, gint64 start, struct ssh_result *ret)
{
	ret->status = x->status;
	memcpy(ret->signal, x->signal, sizeof(ret->signal));
	ret->out = g_steal_pointer(&c->text[0]);
	ret->err = g_steal_pointer(&c->text[1]);
	ret->truncated = c->truncated;
	ret->duration_us = g_get_monotonic_time() - start;
}

/* script: our own line of shell; or NULL, and argv is what to run. */
static gboolean run(struct ssh_guest *g, const char *script, const char *const *argv, unsigned int timeout_ms,
		    GCancellable *cancellable, struct ssh_result *ret, GError **error)
{
	gint64 start = g_get_monotonic_time(), deadline = sg_deadline(timeout_ms);
	struct capture c = { { g_string_new(NULL), g_string_new(NULL) }, g->c.output_limit, FALSE };
	struct sg_exec x = { .data = capture_data, .ctx = &c };
	const char *name = script ? "sh" : argv ? argv[0] : "";
	g_autoptr(GError) failed = NULL;
	gboolean ok;

	ok = script ? sg_exec_open(&x, g, script, deadline, cancellable, &failed) :
		      sg_exec_open_argv(&x, g, argv, deadline, cancellable, &failed);
	if (ok) {
		ssh_channel_send_eof(x.channel);
		ok = sg_exec_wait(&x, deadline, cancellable, &failed);
		if (!ok)
			stop_command(&x, name, timeout_ms, &failed);
		sg_exec_close(&x, TRUE);
	}
	if (ok)
		fill_result(&x, &c, start, ret);
	else
		g_propagate_error(error, g_steal_pointer(&failed));
	if (c.text[0])
		g_string_free(c.text[0], TRUE);
	if (c.text[1])
		g_string_free(c.text[1], TRUE);
	sg_stream_kick(g);
	return ok;
}

gboolean sg_shell(struct ssh_guest *g, const char *script, unsigned int timeout_ms, GCancellable *cancellable,
		  struct ssh_result *ret, GError **error)
{
	return run(g, script, NULL, timeout_ms, cancellable, ret, error);
}

gboolean ssh_guest_run(struct ssh_guest *g, const char *const *argv, unsigned int timeout_ms,
		       GCancellable *cancellable, struct ssh_result *ret, GError **error)
{
	if (sg_stream_busy(g, error))
		return FALSE;
	return run(g, NULL, argv, timeout_ms, cancellable, ret, error);
}
