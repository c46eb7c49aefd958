// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "orphan.h"
#include "virt_conn.h"

#define ASK_AGAIN	2
/* A daemon that is stopped is as good as gone after this. */
#define KEEPALIVE_S	5
#define KEEPALIVE_TRIES	3

void virt_conn_set_error(GError **error, const char *what)
{
	virErrorPtr e = virGetLastError();

	const char *why = e && e->message ? e->message : "libvirt gives no reason";
	const gboolean full = strstr(why, g_strerror(ENOSPC)) != NULL;

	g_set_error(error, VX_ERROR, full ? VX_ERROR_IO : VX_ERROR_UNAVAILABLE, "%s: %s%s", what, why,
		    full ? ": free some space there, or have the cache elsewhere (--cache)" : "");
}

/* libvirt prints each error and warning to stderr unless it has somewhere else to send it. */
static void swallow_error(void *ctx, virErrorPtr error)
{
}

static gsize set_up;

static void set_up_libvirt(const char *rundir)
{
	g_autofree char *output = g_strdup_printf("3:file:%s/libvirt.log", rundir);

	if (!g_once_init_enter(&set_up))
		return;
	g_setenv("LIBVIRT_LOG_OUTPUTS", output, FALSE);
	virSetErrorFunc(NULL, swallow_error);
	orphan_adopt();
	gvir_event_register();
	g_once_init_leave(&set_up, 1);
}

/* --- Where libvirt lives ------------------------------------------------- */

/*
 * capability_filters: with it, libvirt asks QEMU for each of some 450 CPU features by a message of its own,
 * 0.3 to 0.7 s at each start; without it, all at once.
 *
 * stdio_handler: there is no virtlogd. For root: QEMU runs as we do, without the labels, namespaces and
 * groups that a daemon would set up.
 */
static char *qemu_conf(void)
{
	return g_strconcat("stdio_handler = \"file\"\nmax_core = 0\n"
			   "capability_filters = [ \"cpu-unavailable-features\" ]\n",
			   geteuid() ? "" :
			   "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\n"
			   "security_driver = \"none\"\nnamespaces = []\ncgroup_controllers = []\n", NULL);
}

/* Asking QEMU what it can do takes more than a second; all runs share the answer. */
static gboolean share_cache(const char *root, const char *cachedir, GError **error)
{
	g_autofree char *shared = g_build_filename(cachedir, "libvirt-cache", NULL);
	g_autofree char *link = g_build_filename(root, "cache", NULL);

	if (!fs_mkdir(shared, 0700, error))
		return FALSE;
	if (!symlink(shared, link) || errno == EEXIST)
		return TRUE;
	vx_error_set_errno(error, errno, "cannot link %s", link);
	return FALSE;
}

static char *make_root(const struct vm_config *config, GError **error)
{
	g_autofree char *root = g_build_filename(config->rundir, "libvirt", NULL);
	g_autofree char *etc = g_build_filename(root, "etc", NULL);
	g_autofree char *file = g_build_filename(etc, "qemu.conf", NULL), *text = qemu_conf();

	if (!fs_mkdir(etc, 0700, error) || !g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error))
		return NULL;
	if (config->cachedir && !share_cache(root, config->cachedir, error))
		return NULL;
	return g_steal_pointer(&root);
}

static char *connection_uri(const struct vm_config *config, GError **error)
{
	g_autofree char *root = NULL, *escaped = NULL;

	if (config->uri)
		return g_strdup(config->uri);
	root = make_root(config, error);
	if (!root)
		return NULL;
	escaped = g_uri_escape_string(root, "/", FALSE);
	return g_strconcat("qemu:///embed?root=", escaped, NULL);
}

/*
 * One connection for the life of the process: the embedded driver registers
 * itself anew at each opening, and libvirt takes sixteen of those.
 */
static struct {
	virConnectPtr conn;
	char *uri;
} kept;

static virConnectPtr kept_connection(const char *uri)
{
	if (!kept.conn || strcmp(kept.uri, uri))
		return NULL;
	if (virConnectIsAlive(kept.conn) == 1 && !virConnectRef(kept.conn))
		return kept.conn;
	virConnectClose(kept.conn);
	kept.conn = NULL;
	return NULL;
}

static void keep_connection(virConnectPtr conn, const char *uri)
{
	if (kept.conn || virConnectRef(conn))
		return;
	kept.conn = conn;
	g_free(kept.uri);
	kept.uri = g_strdup(uri);
}

virConnectPtr virt_conn_open(const struct vm_config *config, GError **error)
{
	g_autofree char *uri = NULL, *what = NULL;
	struct orphan_reaper *reaper;
	virConnectPtr conn;

	set_up_libvirt(config->rundir);
	uri = connection_uri(config, error);
	if (!uri)
		return NULL;
	conn = kept_connection(uri);
	if (conn)
		return conn;
	reaper = orphan_reaper_start();
	conn = virConnectOpen(uri);
	orphan_reaper_stop(reaper);
	if (!conn) {
		what = g_strdup_printf("cannot open libvirt's %s", uri);
		virt_conn_set_error(error, what);
		return NULL;
	}
	if (config->uri)
		virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_TRIES);
	keep_connection(conn, uri);
	return conn;
}

/* The first time, libvirt starts QEMU to ask it. */
gboolean virt_conn_qemu_version(virConnectPtr conn, unsigned long *ret, GError **error)
{
	struct orphan_reaper *reaper = orphan_reaper_start();
	int r, i;

	/* On a busy machine QEMU answers too late now and then, and libvirt takes that for no QEMU. */
	for (i = 0; (r = virConnectGetVersion(conn, ret)) && i < ASK_AGAIN; i++)
		;
	orphan_reaper_stop(reaper);
	if (r)
		virt_conn_set_error(error, "libvirt finds no QEMU: install qemu-system-x86");
	return !r;
}

unsigned long vm_libvirt_version(void)
{
	unsigned long version = 0;

	/* It would start libvirt, which would then log to stderr. */
	if (!g_atomic_pointer_get(&set_up) || virGetVersion(&version, NULL, NULL))
		return 0;
	return version;
}
