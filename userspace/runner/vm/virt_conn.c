// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "orphan.h"
#include "virt_conn.h"
#include "virt_watch.h"

#define ASK_AGAIN	2
#define LOG_NAME	"libvirt.log"
#define LOG_MAX		65536
#define OPEN_S		VIRT_WATCH_S

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
	g_autofree char *output = g_strdup_printf("3:file:%s/" LOG_NAME, rundir);

	if (!g_once_init_enter(&set_up))
		return;
	g_setenv("LIBVIRT_LOG_OUTPUTS", output, FALSE);
	virSetErrorFunc(NULL, swallow_error);
	orphan_adopt();
	gvir_event_register();
	g_once_init_leave(&set_up, 1);
}

void virt_conn_trim_log(const struct vm_config *config)
{
	g_autofree char *path = g_build_filename(config->rundir, LOG_NAME, NULL);
	struct stat st;

	/* It is appended to. */
	if (!stat(path, &st) && st.st_size > LOG_MAX)
		(void)!truncate(path, 0);
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

/* Shared by the one who waits and the thread that opens; the last one frees it. */
struct opening {
	char *uri;
	GMutex lock;
	GCond done;
	gboolean over, abandoned;
	virConnectPtr conn;
	virErrorPtr error;		/* libvirt keeps it by thread */
};

static void opening_free(struct opening *o)
{
	if (o->conn)
		virConnectClose(o->conn);
	virFreeError(o->error);
	g_mutex_clear(&o->lock);
	g_cond_clear(&o->done);
	g_free(o->uri);
	g_free(o);
}

static gpointer open_in_thread(gpointer data)
{
	struct opening *o = data;
	virConnectPtr conn = virConnectOpen(o->uri);
	gboolean abandoned;

	g_mutex_lock(&o->lock);
	o->conn = conn;
	o->error = conn ? NULL : virSaveLastError();
	o->over = TRUE;
	abandoned = o->abandoned;
	g_cond_signal(&o->done);
	g_mutex_unlock(&o->lock);
	if (abandoned)
		opening_free(o);
	return NULL;
}

/* A daemon that is stopped takes connections, and says nothing for ever. */
static virConnectPtr open_within(const char *uri, GError **error)
{
	const gint64 until = g_get_monotonic_time() + OPEN_S * G_USEC_PER_SEC;
	struct opening *o = g_new0(struct opening, 1);
	virConnectPtr conn;
	gboolean over;

	o->uri = g_strdup(uri);
	g_mutex_init(&o->lock);
	g_cond_init(&o->done);
	g_thread_unref(g_thread_new("open", open_in_thread, o));
	g_mutex_lock(&o->lock);
	while (!o->over && g_cond_wait_until(&o->done, &o->lock, until))
		;
	over = o->over;
	o->abandoned = !over;
	conn = g_steal_pointer(&o->conn);
	g_mutex_unlock(&o->lock);
	if (!over) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "libvirt at %s has not answered for %d s: is its daemon "
			    "stopped?", uri, OPEN_S);
		return NULL;
	}
	if (!conn) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot open libvirt's %s: %s", uri,
			    o->error && o->error->message ? o->error->message : "libvirt gives no reason");
	}
	opening_free(o);
	return conn;
}

static virConnectPtr open_embedded(const char *uri, GError **error)
{
	struct orphan_reaper *reaper = orphan_reaper_start();
	virConnectPtr conn = virConnectOpen(uri);
	g_autofree char *what = NULL;

	orphan_reaper_stop(reaper);
	if (conn)
		return conn;
	what = g_strdup_printf("cannot open libvirt's %s", uri);
	virt_conn_set_error(error, what);
	return NULL;
}

virConnectPtr virt_conn_open(const struct vm_config *config, GError **error)
{
	g_autoptr(GArray) before = NULL;
	g_autofree char *uri = NULL;
	virConnectPtr conn;

	set_up_libvirt(config->rundir);
	uri = connection_uri(config, error);
	if (!uri)
		return NULL;
	conn = kept_connection(uri);
	if (conn)
		return conn;
	before = virt_watch_sockets();
	conn = config->uri ? open_within(uri, error) : open_embedded(uri, error);
	if (!conn)
		return NULL;
	if (config->uri)
		virt_watch_start(conn, before);
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
