// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virt_watch.h"

#define PERIOD_US	G_USEC_PER_SEC

struct watch {
	virConnectPtr conn;
	GArray *sockets;	/* of the connection */
	GMutex lock;
	gint64 asked;		/* monotonic, us; 0: nothing is unanswered */
	gboolean over;
	guint refs;
};

GArray *virt_watch_sockets(void)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(int));
	g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
	const char *name;
	struct stat st;

	while (dir && (name = g_dir_read_name(dir))) {
		int fd = atoi(name);

		if (!fstat(fd, &st) && S_ISSOCK(st.st_mode))
			g_array_append_val(all, fd);
	}
	return all;
}

static gboolean has(const GArray *fds, int fd)
{
	for (guint i = 0; i < fds->len; i++)
		if (g_array_index(fds, int, i) == fd)
			return TRUE;
	return FALSE;
}

static void watch_unref(struct watch *w)
{
	gboolean last;

	g_mutex_lock(&w->lock);
	last = !--w->refs;
	g_mutex_unlock(&w->lock);
	if (!last)
		return;
	g_array_unref(w->sockets);
	g_mutex_clear(&w->lock);
	g_free(w);
}

static void set_asked(struct watch *w, gint64 when, gboolean over)
{
	g_mutex_lock(&w->lock);
	w->asked = when;
	w->over |= over;
	g_mutex_unlock(&w->lock);
}

/* A daemon that is busy has other threads for this. */
static gpointer ask(gpointer data)
{
	struct watch *w = data;
	unsigned long version;
	gboolean ok = TRUE;

	while (ok) {
		g_usleep(PERIOD_US);
		set_asked(w, g_get_monotonic_time(), FALSE);
		ok = !virConnectGetLibVersion(w->conn, &version);
		set_asked(w, 0, !ok);
	}
	virConnectClose(w->conn);
	watch_unref(w);
	return NULL;
}

static gpointer look(gpointer data)
{
	struct watch *w = data;

	for (;;) {
		gint64 asked;
		gboolean over;

		g_mutex_lock(&w->lock);
		asked = w->asked;
		over = w->over;
		g_mutex_unlock(&w->lock);
		if (over)
			break;
		/* The descriptors are still the connection's: whoever waits for the answer has it open. */
		for (guint i = 0; asked && g_get_monotonic_time() - asked > VIRT_WATCH_S * G_USEC_PER_SEC &&
		     i < w->sockets->len; i++)
			shutdown(g_array_index(w->sockets, int, i), SHUT_RDWR);
		g_usleep(PERIOD_US / 4);
	}
	watch_unref(w);
	return NULL;
}

void virt_watch_start(virConnectPtr conn, const GArray *before)
{
	g_autoptr(GArray) now = virt_watch_sockets();
	struct watch *w;

	if (virConnectRef(conn))
		return;
	w = g_new0(struct watch, 1);
	w->conn = conn;
	w->sockets = g_array_new(FALSE, FALSE, sizeof(int));
	for (guint i = 0; i < now->len; i++)
		if (!has(before, g_array_index(now, int, i)))
			g_array_append_val(w->sockets, g_array_index(now, int, i));
	g_mutex_init(&w->lock);
	w->refs = 2;
	g_thread_unref(g_thread_new("virt-ask", ask, w));
	g_thread_unref(g_thread_new("virt-look", look, w));
}
