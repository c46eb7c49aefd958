/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The byte stream to the host: a virtio-serial port, or stdin and stdout.
 * Errors are 0 or -errno; nothing blocks once it is open.
 */
#ifndef VEXLAB_AGENT_PORT_H
#define VEXLAB_AGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PORT_NAME	"org.vexlab.agent.0"

struct port {
	int in, out;		/* the same descriptor on a virtio port */
	bool stdio;
};

/*
 * Opens `path`, or the virtio port named PORT_NAME when `path` is NULL, waiting
 * up to `wait_ms` for it to appear. -ENODEV: it did not.
 */
int port_open(const char *path, int wait_ms, struct port *ret);
int port_open_stdio(struct port *ret);
void port_close(struct port *port);

/*
 * Bytes read, -EAGAIN, or -EPIPE: nobody at the other end. On a virtio port the
 * host may come back; on stdin that was the end.
 */
ssize_t port_read(const struct port *port, void *buf, size_t len);
/* Bytes written (perhaps fewer), or -EAGAIN and the like. */
ssize_t port_write(const struct port *port, const void *buf, size_t len);

#endif
