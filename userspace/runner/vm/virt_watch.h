/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A libvirt daemon that is stopped answers no call, and no call ends for that: since libvirt polls with GLib, its
 * keepalive is not heeded inside a call (virNetClientIOEventLoop() works out the timeout, and waits without it; 11.3),
 * and our calls are made by the thread that has the event loop. So a thread asks the daemon something now and then, and
 * another cuts the connection when no answer comes: every call ends then, and the close callback tells why.
 */
#ifndef VEXLAB_VIRT_WATCH_H
#define VEXLAB_VIRT_WATCH_H

#include <glib.h>
#include <libvirt/libvirt.h>

#define VIRT_WATCH_S	20	/* without an answer */

/* Sockets this process has open. For virt_watch_start(): before and after opening a connection. g_array_unref(). */
GArray *virt_watch_sockets(void);
/* Until the connection is cut or the process ends. `before`: virt_watch_sockets() of before it was opened. */
void virt_watch_start(virConnectPtr conn, const GArray *before);

#endif
