// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "stream.h"

#define READ_BYTES	(256u << 10)
/* Reads in one dispatch: enough for the channel's full speed, without starving the rest of the loop. */
#define READS_A_TURN	8

struct stream {
	struct stream_ops ops;
	char *path;		/* listening: to be removed */
	int listener, fd;	/* -1: not there */
	GSource *in, *out;
	GQueue queue;		/* GBytes not yet written */
	gsize head_written;	/* of the first of them */
	gsize pending;
	gboolean hung_up;
	char buf[READ_BYTES];
};

static void drop_source(GSource **source)
{
	if (*source) {
		g_source_destroy(*source);
		g_clear_pointer(source, g_source_unref);
	}
}

static GSource *watch(int fd, GIOCondition on, GUnixFDSourceFunc func, struct stream *s)
{
	GSource *source = g_unix_fd_source_new(fd, on);

	g_source_set_callback(source, G_SOURCE_FUNC(func), s, NULL);
	g_source_attach(source, g_main_context_get_thread_default());
	return source;
}

static void throw_queue(struct stream *s)
{
	g_queue_clear_full(&s->queue, (GDestroyNotify)g_bytes_unref);
	s->pending = s->head_written = 0;
	drop_source(&s->out);
}

static void hang_up(struct stream *s)
{
	if (s->hung_up)
		return;
	s->hung_up = TRUE;
	drop_source(&s->in);
	throw_queue(s);
	if (s->ops.hangup)
		s->ops.hangup(s->ops.ctx);
}

/* FALSE: there is nothing more to read now. */
static gboolean read_some(struct stream *s)
{
	ssize_t n = recv(s->fd, s->buf, sizeof(s->buf), MSG_DONTWAIT);

	if (n > 0) {
		s->ops.bytes(s->ops.ctx, s->buf, n);
		return TRUE;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return FALSE;
	hang_up(s);
	return FALSE;
}

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
	struct stream *s = data;

	for (int i = 0; i < READS_A_TURN && read_some(s); i++)
		;
	return s->in ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* Writes what the socket takes. FALSE: it takes no more now. */
static gboolean write_head(struct stream *s)
{
	GBytes *head = g_queue_peek_head(&s->queue);
	const char *data = g_bytes_get_data(head, NULL);
	gsize len = g_bytes_get_size(head) - s->head_written;
	ssize_t n = send(s->fd, data + s->head_written, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EINTR;
	s->pending -= n;
	s->head_written += n;
	if ((gsize)n < len)
		return FALSE;
	g_bytes_unref(g_queue_pop_head(&s->queue));
	s->head_written = 0;
	return TRUE;
}

static gboolean on_writable(int fd, GIOCondition condition, void *data)
{
	struct stream *s = data;

	/* A broken connection is told by the reading side, once all that came was read. */
	while (!g_queue_is_empty(&s->queue) && write_head(s))
		;
	if (!g_queue_is_empty(&s->queue) && !(condition & (G_IO_ERR | G_IO_HUP)))
		return G_SOURCE_CONTINUE;
	g_clear_pointer(&s->out, g_source_unref);
	return G_SOURCE_REMOVE;
}

static void want_write(struct stream *s)
{
	if (s->fd >= 0 && !s->out && !s->hung_up && !g_queue_is_empty(&s->queue))
		s->out = watch(s->fd, G_IO_OUT, on_writable, s);
}

static void stop_listening(struct stream *s)
{
	if (s->listener < 0)
		return;
	close(s->listener);
	s->listener = -1;
	unlink(s->path);
}

static gboolean on_connection(int fd, GIOCondition condition, void *data)
{
	struct stream *s = data;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn < 0)
		return G_SOURCE_CONTINUE;
	drop_source(&s->in);
	stop_listening(s);
	s->fd = conn;
	s->in = watch(conn, G_IO_IN, on_readable, s);
	want_write(s);
	if (s->ops.connected)
		s->ops.connected(s->ops.ctx);
	return G_SOURCE_REMOVE;
}

static struct stream *stream_new(const struct stream_ops *ops)
{
	struct stream *s = g_new0(struct stream, 1);

	s->ops = *ops;
	s->listener = s->fd = -1;
	g_queue_init(&s->queue);
	return s;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && !chmod(path, 0600) && !listen(fd, 1))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

struct stream *stream_listen(const char *path, const struct stream_ops *ops, GError **error)
{
	struct stream *s;
	int fd = listen_at(path);

	if (fd < 0) {
		vx_error_set_errno(error, -fd, "cannot listen at %s", path);
		return NULL;
	}
	s = stream_new(ops);
	s->listener = fd;
	s->path = g_strdup(path);
	s->in = watch(fd, G_IO_IN, on_connection, s);
	return s;
}

struct stream *stream_adopt(int fd, const struct stream_ops *ops)
{
	struct stream *s = stream_new(ops);

	g_unix_set_fd_nonblocking(fd, TRUE, NULL);
	s->fd = fd;
	s->in = watch(fd, G_IO_IN, on_readable, s);
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	drop_source(&s->in);
	throw_queue(s);
	stop_listening(s);
	if (s->fd >= 0)
		close(s->fd);
	g_free(s->path);
	g_free(s);
}

void stream_write(struct stream *s, GBytes *bytes)
{
	if (s->hung_up || !g_bytes_get_size(bytes))
		return;
	g_queue_push_tail(&s->queue, g_bytes_ref(bytes));
	s->pending += g_bytes_get_size(bytes);
	/* Try at once: most requests are small, and the socket is idle. */
	if (s->fd >= 0 && !s->out)
		while (!g_queue_is_empty(&s->queue) && write_head(s))
			;
	want_write(s);
}

gsize stream_pending(const struct stream *s)
{
	return s->pending;
}

gboolean stream_is_connected(const struct stream *s)
{
	return s->fd >= 0 && !s->hung_up;
}

gint64 stream_peer_pid(const struct stream *s)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (s->fd < 0 || getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid;
}

void stream_drain(struct stream *s)
{
	if (s->listener >= 0)
		on_connection(s->listener, G_IO_IN, s);
	while (s->fd >= 0 && !s->hung_up && read_some(s))
		;
}
