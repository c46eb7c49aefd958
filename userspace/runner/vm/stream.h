/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One byte stream to QEMU over a unix socket, driven by the main context: we
 * listen, QEMU connects when it starts, so that no byte is lost. Written bytes
 * are queued and keep their order; reading and writing never block.
 */
#ifndef VEXLAB_STREAM_H
#define VEXLAB_STREAM_H

#include <glib.h>

struct stream;

struct stream_ops {
	/* `data` is valid only during the call, which must not free the stream. */
	void (*bytes)(void *ctx, const void *data, gsize len);
	void (*connected)(void *ctx);	/* may be NULL */
	void (*hangup)(void *ctx);	/* once, after the last byte; may be NULL */
	void *ctx;
};

/* Listens at `path` (at most 107 bytes, must not exist); takes one connection, then removes the path. */
struct stream *stream_listen(const char *path, const struct stream_ops *ops, GError **error);
/* Takes over a connected socket. */
struct stream *stream_adopt(int fd, const struct stream_ops *ops);
/* NULL-safe. What is queued is thrown away. */
void stream_free(struct stream *s);

void stream_write(struct stream *s, GBytes *bytes);
/* Bytes queued and not yet taken by the other side. */
gsize stream_pending(const struct stream *s);
gboolean stream_is_connected(const struct stream *s);
/* Process at the other end, as the kernel says; 0 unknown or not connected. */
gint64 stream_peer_pid(const struct stream *s);
/* Reads what has arrived already, now instead of at the next turn of the main loop. */
void stream_drain(struct stream *s);

#endif
