// SPDX-License-Identifier: GPL-2.0
/*
 * A command's stdin and stdout as a channel in the main loop. Bytes come in
 * from sg_pump(), are gathered, and go to the sink from dispatch only; bytes
 * to go out wait in a queue until the guest's window and the socket take them.
 */
#include <string.h>

#include <libssh/server.h>	/* ssh_send_keepalive */

#include "ssh_priv.h"

#define STOP_GRACE_MS 10000	/* after end of file: the agent takes back what it changed */

#define PACKET		32000			/* below the 32 KiB that sshd takes in one */
#define IN_HIGH		(1024 * 1024)		/* above this the guest must wait (a call that waits is on) */
#define IN_FLOOD	(8 * 1024 * 1024)	/* above this it sends more than its window allows */
#define TURNS		4			/* pumps in one dispatch, then others' turn */

struct stream_source {
	GSource source;
	struct ssh_stream *stream;
};

struct ssh_stream {
	struct ssh_guest *guest;
	struct sg_exec exec;
	struct ssh_sink sink;
	GSource *source;
	gpointer tag;		/* of the session's descriptor in it */
	GByteArray *in[2];	/* come, and not yet told: stdout, stderr */
	gboolean held[2];	/* libssh keeps more, which it will not offer again by itself */
	GQueue out;		/* of GBytes */
	gsize out_off, pending;
	char *packet;
	gint64 tick;		/* next look at whether the guest still lives */
	guint64 heard;
	unsigned int asked;
	gboolean busy, stopped;
};

static gsize stream_data(void *ctx, gboolean is_err, const void *data, gsize len)
{
	struct ssh_stream *s = ctx;
	GByteArray *in = s->in[is_err != 0];

	if (s->stopped)
		return len;
	if (len > IN_FLOOD)
		sg_lose(s->guest, "it sends more than its window allows");
	if (in->len >= IN_HIGH || len > IN_FLOOD) {
		s->held[is_err != 0] = TRUE;
		return 0;
	}
	g_byte_array_append(in, data, len);
	return len;
}

static void deliver(struct ssh_stream *s, gboolean is_err)
{
	void (*tell)(void *, const void *, gsize) = is_err ? s->sink.console : s->sink.channel;
	GByteArray *in = s->in[is_err];

	if (in->len && tell && !s->stopped)
		tell(s->sink.ctx, in->data, in->len);
	g_byte_array_set_size(in, 0);
}

/* libssh offers data only when more comes: fetch what was left with it. Does not read the socket while there is some. */
static void fetch_held(struct ssh_stream *s, gboolean is_err)
{
	int n = ssh_channel_poll(s->exec.channel, is_err);

	s->held[is_err] = FALSE;
	while (n > 0 && !s->stopped) {
		GByteArray *in = s->in[is_err];
		guint before = in->len;
		int got;

		g_byte_array_set_size(in, before + n);
		got = ssh_channel_read_nonblocking(s->exec.channel, in->data + before, n, is_err);
		g_byte_array_set_size(in, before + MAX(got, 0));
		deliver(s, is_err);
		if (got <= 0)
			break;
		n -= got;
	}
}

static gboolean deliver_all(struct ssh_stream *s)
{
	gboolean any = s->in[0]->len || s->in[1]->len || s->held[0] || s->held[1];
	int i;

	for (i = 0; i < 2; i++) {
		deliver(s, i);
		if (s->held[i])
			fetch_held(s, i);
	}
	return any;
}

/* The next bytes to send: of one big piece in place, of small ones gathered, so that a frame is not a packet. */
static const void *next_packet(struct ssh_stream *s, gsize *len)
{
	gsize size, off = s->out_off, n = 0;
	const char *data;
	GList *l;

	data = g_bytes_get_data(g_queue_peek_head(&s->out), &size);
	if (size - off >= PACKET || !s->out.head->next) {
		*len = MIN(size - off, PACKET);
		return data + off;
	}
	for (l = s->out.head; l && n < PACKET; l = l->next, off = 0) {
		data = g_bytes_get_data(l->data, &size);
		size = MIN(size - off, PACKET - n);
		memcpy(s->packet + n, data + off, size);
		n += size;
	}
	*len = n;
	return s->packet;
}

static void consume(struct ssh_stream *s, gsize len)
{
	s->pending -= len;
	while (len) {
		GBytes *head = g_queue_peek_head(&s->out);
		gsize left = g_bytes_get_size(head) - s->out_off;

		if (len < left) {
			s->out_off += len;
			return;
		}
		len -= left;
		s->out_off = 0;
		g_bytes_unref(g_queue_pop_head(&s->out));
	}
}

static gboolean flush(struct ssh_stream *s)
{
	ssh_session session = s->guest->session;
	gboolean any = FALSE;

	while (s->pending && !s->exec.closed && !(ssh_get_poll_flags(session) & SSH_WRITE_PENDING)) {
		guint32 window = ssh_channel_window_size(s->exec.channel);
		const void *data;
		gsize len;
		int n;

		if (!window)
			break;
		data = next_packet(s, &len);
		n = ssh_channel_write(s->exec.channel, data, MIN(len, window));
		if (n <= 0)
			break;
		consume(s, n);
		any = TRUE;
	}
	return any;
}

/*
 * After a silence, ask; answered or not, any byte counts as life. A second call
 * because libssh uses the first to settle the answer to the question before.
 */
static void keep_alive(struct ssh_stream *s)
{
	struct ssh_guest *g = s->guest;
	gint64 now = g_get_monotonic_time();

	if (now < s->tick)
		return;
	s->tick = now + g->c.keepalive_ms * G_TIME_SPAN_MILLISECOND;
	if (g->heard.in_bytes != s->heard) {
		s->heard = g->heard.in_bytes;
		s->asked = 0;
		return;
	}
	if (s->asked == 2) {
		g_autofree char *why = g_strdup_printf("silent for %u ms, two questions unanswered",
						       3 * g->c.keepalive_ms);

		sg_lose(g, why);
		return;
	}
	s->asked++;
	ssh_send_keepalive(g->session);
	ssh_send_keepalive(g->session);
}

static void stream_free(struct ssh_stream *s)
{
	s->guest->stream = NULL;
	g_source_destroy(s->source);
	g_source_unref(s->source);
	sg_exec_close(&s->exec, FALSE);
	g_queue_clear_full(&s->out, (GDestroyNotify)g_bytes_unref);
	g_byte_array_unref(s->in[0]);
	g_byte_array_unref(s->in[1]);
	g_free(s->packet);
	g_free(s);
}

static void end_stream(struct ssh_stream *s, gboolean lost)
{
	struct ssh_sink sink = s->sink;
	struct ssh_guest *g = s->guest;
	enum ssh_gone why = SSH_GONE_LOST;
	int status = s->exec.status;
	g_autofree char *text = NULL;

	if (lost) {
		status = -1;
		text = g_strdup_printf("lost the SSH session to %s (%s)", g->where, g->lost);
	} else if (!s->exec.exited) {
		status = -1;
		text = g_strdup_printf("%s closed the channel without an exit status", g->where);
	} else if (s->exec.signal[0]) {
		why = SSH_GONE_SIGNALED;
		text = g_strdup_printf("SIG%s ended the command on %s", s->exec.signal, g->where);
	} else {
		why = SSH_GONE_EXITED;
		text = g_strdup_printf("the command on %s exited with status %d", g->where, status);
	}
	stream_free(s);
	/* From here on the callback may have freed everything but our own variables. */
	if (sink.gone)
		sink.gone(sink.ctx, why, status, text);
}

static void rearm(struct ssh_stream *s, gboolean more)
{
	GIOCondition want = G_IO_IN | G_IO_HUP | G_IO_ERR;

	if (ssh_get_poll_flags(s->guest->session) & SSH_WRITE_PENDING)
		want |= G_IO_OUT;
	g_source_modify_unix_fd(s->source, s->tag, want);
	g_source_set_ready_time(s->source, more ? 0 : s->tick);
}

static gboolean stream_dispatch(GSource *source, GSourceFunc unused, gpointer unused_data)
{
	struct ssh_stream *s = ((struct stream_source *)source)->stream;
	gboolean more = TRUE, lost, ended;
	int i;

	s->busy = TRUE;
	for (i = 0; i < TURNS && more && !s->stopped; i++) {
		more = sg_pump(s->guest);
		more |= deliver_all(s);
		more |= flush(s);
	}
	keep_alive(s);
	ended = sg_exec_done(&s->exec);
	lost = !sg_alive(s->guest, NULL);
	s->busy = FALSE;
	if (s->stopped) {
		stream_free(s);
		return G_SOURCE_REMOVE;
	}
	if ((ended || lost) && !s->in[0]->len && !s->in[1]->len && !s->held[0] && !s->held[1]) {
		end_stream(s, lost && !ended);
		return G_SOURCE_REMOVE;
	}
	rearm(s, more || ended || lost);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs stream_funcs = { .dispatch = stream_dispatch };

static void stream_attach(struct ssh_stream *s)
{
	s->source = g_source_new(&stream_funcs, sizeof(struct stream_source));
	((struct stream_source *)s->source)->stream = s;
	s->tag = g_source_add_unix_fd(s->source, ssh_get_fd(s->guest->session), G_IO_IN | G_IO_HUP | G_IO_ERR);
	g_source_set_static_name(s->source, "ssh stream");
	g_source_set_ready_time(s->source, 0);
	g_source_attach(s->source, g_main_context_get_thread_default());
}

gboolean ssh_guest_start_stream(struct ssh_guest *g, const char *const *argv, const struct ssh_sink *sink,
				GError **error)
{
	struct ssh_stream *s;

	if (sg_stream_busy(g, error) || !sg_alive(g, error))
		return FALSE;
	if (g->stream) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "there is a stream to %s already", g->where);
		return FALSE;
	}
	s = g_new0(struct ssh_stream, 1);
	s->guest = g;
	s->sink = *sink;
	s->in[0] = g_byte_array_new();
	s->in[1] = g_byte_array_new();
	s->exec.data = stream_data;
	s->exec.ctx = s;
	if (!sg_exec_open_argv(&s->exec, g, argv, sg_deadline(g->c.stall_timeout_ms), NULL, error)) {
		g_byte_array_unref(s->in[0]);
		g_byte_array_unref(s->in[1]);
		g_free(s);
		return FALSE;
	}
	s->packet = g_malloc(PACKET);
	s->heard = g->heard.in_bytes;
	s->tick = sg_deadline(g->c.keepalive_ms);
	g->stream = s;
	stream_attach(s);
	return TRUE;
}

void ssh_guest_stream_write(struct ssh_guest *g, GBytes *bytes)
{
	struct ssh_stream *s = g->stream;

	if (!s || s->stopped || !g_bytes_get_size(bytes))
		return;
	g_queue_push_tail(&s->out, g_bytes_ref(bytes));
	s->pending += g_bytes_get_size(bytes);
	g_source_set_ready_time(s->source, 0);
}

gsize ssh_guest_stream_pending(const struct ssh_guest *g)
{
	return g->stream ? g->stream->pending : 0;
}

void ssh_guest_stop_stream(struct ssh_guest *g)
{
	struct ssh_stream *s = g->stream;

	if (!s)
		return;
	s->stopped = TRUE;
	if (s->busy)
		return;		/* dispatch frees it on its way out */
	if (sg_alive(g, NULL)) {
		ssh_channel_send_eof(s->exec.channel);
		if (!sg_exec_wait(&s->exec, sg_deadline(STOP_GRACE_MS), NULL, NULL))
			sg_exec_kill(&s->exec);
		sg_exec_close(&s->exec, sg_alive(g, NULL));
	}
	stream_free(s);
}

void sg_stream_kick(struct ssh_guest *g)
{
	if (g->stream)
		g_source_set_ready_time(g->stream->source, 0);
}

void sg_stream_drop(struct ssh_guest *g)
{
	if (g->stream)
		stream_free(g->stream);
}

gboolean sg_stream_busy(const struct ssh_guest *g, GError **error)
{
	if (!g->stream || !g->stream->busy)
		return FALSE;
	g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "a callback of the stream to %s may not call this", g->where);
	return TRUE;
}
