// SPDX-License-Identifier: GPL-2.0
/*
 * The driver for libvirt. By default its QEMU driver runs inside this process
 * (qemu:///embed) with a root of its own in the run directory, so that nothing
 * needs a daemon and nothing is left behind.
 *
 * libvirt calls block; its monitor has a thread of its own, so that calling
 * from the main context's thread cannot dead-lock. Its events come through the
 * main context (gvir_event_register).
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <libvirt-glib/libvirt-glib.h>
#include <jansson.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blackbox.h"
#include "domain_xml.h"
#include "error.h"
#include "fsutil.h"
#include "kdump.h"
#include "orphan.h"
#include "save_image.h"
#include "stream.h"
#include "virt_conn.h"
#include "vm.h"

#define SAVE_CHANNELS	4
#define KILL_WAIT_MS	5000
/* After QEMU's end, libvirt says why within milliseconds; a guest is gone all the same if it never does. */
#define REASON_WAIT_MS	1000
#define PREDECESSOR_TRIES 500
#define PREDECESSOR_WAIT_US 5000

struct vm {
	const struct vm_config *config;
	struct vm_sink sink;
	virConnectPtr conn;
	virDomainPtr dom;
	struct stream *console, *channel;
	int pidfd;			/* of QEMU, -1: not known */
	gint64 pid;
	gboolean status_known;
	int status;			/* QEMU's, as of waitpid(2) */
	guint pidfd_watch, reason_timer, gone_idle;
	gboolean quiet;			/* its end is our doing: do not tell */
	GError *failure;		/* to be told by failure_idle */
	guint failure_idle;
	gboolean why_known;
	enum vm_gone why;
};

static char *libvirt_fingerprint(const struct vm_config *config, GError **error)
{
	virConnectPtr conn = virt_conn_open(config, error);
	g_autofree char *skeleton = NULL;
	unsigned long qemu = 0, lib = 0;
	char *ret = NULL;

	if (!conn)
		return NULL;
	if (virt_conn_qemu_version(conn, &qemu, error)) {
		virConnectGetLibVersion(conn, &lib);
		skeleton = domain_xml_skeleton(config, qemu);
		ret = g_strdup_printf("qemu %lu libvirt %lu %s", qemu, lib, skeleton);
	}
	virConnectClose(conn);
	return ret;
}

/* --- The guest's end ----------------------------------------------------- */

static gboolean tell_gone(void *data)
{
	struct vm *vm = data;

	vm->gone_idle = 0;
	vm->quiet = TRUE;
	/* What it said last comes first. gone() may free the VM. */
	stream_drain(vm->console);
	stream_drain(vm->channel);
	vm->sink.gone(vm->sink.ctx, vm->why_known ? vm->why : VM_GONE_CRASHED);
	return G_SOURCE_REMOVE;
}

static void schedule_gone(struct vm *vm)
{
	g_clear_handle_id(&vm->reason_timer, g_source_remove);
	if (!vm->gone_idle && !vm->quiet)
		vm->gone_idle = g_idle_add_full(G_PRIORITY_DEFAULT, tell_gone, vm, NULL);
}

static gboolean on_no_reason(void *data)
{
	struct vm *vm = data;

	vm->reason_timer = 0;
	schedule_gone(vm);
	return G_SOURCE_REMOVE;
}

/* QEMU is no more. Why, libvirt's next event says. */
static void qemu_ended(struct vm *vm)
{
	if (vm->quiet || vm->gone_idle)
		return;
	if (vm->why_known)
		schedule_gone(vm);
	else if (!vm->reason_timer)
		vm->reason_timer = g_timeout_add(REASON_WAIT_MS, on_no_reason, vm);
}

static void reap(struct vm *vm)
{
	if (orphan_reap(vm->pidfd, &vm->status))
		vm->status_known = TRUE;
}

static gboolean on_pidfd(int fd, GIOCondition condition, void *data)
{
	struct vm *vm = data;

	vm->pidfd_watch = 0;
	reap(vm);
	qemu_ended(vm);
	return G_SOURCE_REMOVE;
}

static void on_hangup(void *ctx)
{
	qemu_ended(ctx);
}

static void set_why(struct vm *vm, enum vm_gone why)
{
	if (vm->why_known)
		return;
	vm->why = why;
	vm->why_known = TRUE;
}

/* --- What carries the guest fails ------------------------------------------ */

static gboolean tell_failed(void *data)
{
	struct vm *vm = data;
	GError *failure = g_steal_pointer(&vm->failure);

	vm->failure_idle = 0;
	if (vm->sink.failed)
		vm->sink.failed(vm->sink.ctx, failure);
	g_error_free(failure);
	return G_SOURCE_REMOVE;
}

/* Takes over `failure`; the first is the one that is told. */
static void fail(struct vm *vm, GError *failure)
{
	if (vm->failure || vm->quiet) {
		g_error_free(failure);
		return;
	}
	vm->failure = failure;
	vm->failure_idle = g_idle_add_full(G_PRIORITY_DEFAULT, tell_failed, vm, NULL);
}

static GError *cut_error(const struct vm *vm, const char *why)
{
	return g_error_new(VX_ERROR, VX_ERROR_UNAVAILABLE, "the connection to libvirt at %s was cut (%s): the run cannot "
			   "go on; start the daemon again, then the run", vm->config->uri, why);
}

static void on_close(virConnectPtr conn, int reason, void *ctx)
{
	static const char *const words[] = {
		[VIR_CONNECT_CLOSE_REASON_ERROR] = "it broke", [VIR_CONNECT_CLOSE_REASON_EOF] = "its daemon has ended, or does not answer",
		[VIR_CONNECT_CLOSE_REASON_KEEPALIVE] = "its daemon does not answer",
		[VIR_CONNECT_CLOSE_REASON_CLIENT] = "it was closed",
	};
	GPtrArray *vms = ctx;

	for (guint i = 0; i < vms->len; i++)
		fail(vms->pdata[i], cut_error(vms->pdata[i], reason >= 0 && (guint)reason < G_N_ELEMENTS(words) ?
					      words[reason] : "it is not said why"));
}

/* A call has failed: was it for want of libvirt? It may go away while there is no guest that could be told. */
static void check_connection(struct vm *vm)
{
	g_autoptr(GError) error = NULL;

	if (!vm->config->uri || !vm->sink.failed || virConnectIsAlive(vm->conn) == 1)
		return;
	error = cut_error(vm, "a call failed");
	vm->sink.failed(vm->sink.ctx, error);
}

/* A connection takes each callback once, and tells it of all its guests. */
static struct {
	virConnectPtr conn;
	int lifecycle, shutdown;	/* -1: not registered */
	int io_error;
	GPtrArray *vms;			/* borrowed */
} events;

static struct vm *vm_of(virDomainPtr dom)
{
	for (guint i = 0; events.vms && i < events.vms->len; i++) {
		struct vm *vm = events.vms->pdata[i];

		if (!g_strcmp0(virDomainGetName(dom), vm->config->name))
			return vm;
	}
	return NULL;
}

/* QEMU's SHUTDOWN event: the only place that tells a reset from a power-off. */
static void on_shutdown_event(virConnectPtr conn, virDomainPtr dom, const char *event, long long seconds,
			      unsigned int micros, const char *details, void *ctx)
{
	struct vm *vm = vm_of(dom);

	if (!details || !vm)
		return;
	if (strstr(details, "guest-reset"))
		set_why(vm, VM_GONE_REBOOT);
	else if (strstr(details, "guest-shutdown"))
		set_why(vm, VM_GONE_SHUTDOWN);
	else if (strstr(details, "guest-panic"))
		set_why(vm, VM_GONE_CRASHED);
}

static gboolean qemu_is_alive(struct vm *vm)
{
	struct pollfd gone = { .fd = vm->pidfd, .events = POLLIN };

	return poll(&gone, 1, 0) == 0;
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *ctx)
{
	struct vm *vm = vm_of(dom);

	if (event != VIR_DOMAIN_EVENT_STOPPED || !vm)
		return 0;
	/* Or it is about a predecessor of the same name. */
	if (!vm->config->uri && (vm->pidfd < 0 || qemu_is_alive(vm)))
		return 0;
	if (detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
		set_why(vm, VM_GONE_SHUTDOWN);
	else if (detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
		set_why(vm, VM_GONE_KILLED);
	else
		set_why(vm, VM_GONE_CRASHED);
	schedule_gone(vm);
	return 0;
}

/* QEMU has stopped the guest, which would look like one that hangs. */
static void on_io_error(virConnectPtr conn, virDomainPtr dom, const char *path, const char *alias, int action,
			const char *reason, void *ctx)
{
	struct vm *vm = vm_of(dom);

	if (vm && action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
		fail(vm, g_error_new(VX_ERROR, VX_ERROR_IO, "the guest's disk %s cannot be written (%s), so QEMU has "
				     "stopped the guest: free some space there, or have the cache elsewhere (--cache)",
				     path, reason && *reason ? reason : "QEMU does not say why"));
}

static gboolean watch_events(struct vm *vm, GError **error)
{
	if (!events.vms)
		events.vms = g_ptr_array_new();
	if (!events.vms->len) {
		events.conn = vm->conn;
		events.lifecycle = virConnectDomainEventRegisterAny(vm->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
								    VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), NULL, NULL);
		if (events.lifecycle < 0) {
			virt_conn_set_error(error, "cannot hear of the guest's end");
			return FALSE;
		}
		/* Without it a reset looks like a power-off, no more. */
		events.shutdown = virConnectDomainQemuMonitorEventRegister(vm->conn, NULL, "SHUTDOWN",
									   on_shutdown_event, NULL, NULL, 0);
		events.io_error = virConnectDomainEventRegisterAny(vm->conn, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
								   VIR_DOMAIN_EVENT_CALLBACK(on_io_error), NULL, NULL);
		/* The driver in this process has none that could be cut. */
		if (vm->config->uri)
			virConnectRegisterCloseCallback(vm->conn, on_close, events.vms, NULL);
	}
	g_ptr_array_add(events.vms, vm);
	return TRUE;
}

static void unwatch_events(struct vm *vm)
{
	if (!events.vms || !g_ptr_array_remove_fast(events.vms, vm) || events.vms->len)
		return;
	virConnectDomainEventDeregisterAny(events.conn, events.lifecycle);
	if (events.shutdown >= 0)
		virConnectDomainQemuMonitorEventDeregister(events.conn, events.shutdown);
	if (events.io_error >= 0)
		virConnectDomainEventDeregisterAny(events.conn, events.io_error);
	if (vm->config->uri)
		virConnectUnregisterCloseCallback(events.conn, on_close);
}

/* --- Life cycle ---------------------------------------------------------- */

static void on_console(void *ctx, const void *data, gsize len)
{
	struct vm *vm = ctx;

	vm->sink.console(vm->sink.ctx, data, len);
}

static void on_channel(void *ctx, const void *data, gsize len)
{
	struct vm *vm = ctx;

	vm->sink.channel(vm->sink.ctx, data, len);
}

static void close_streams(struct vm *vm)
{
	g_clear_pointer(&vm->console, stream_free);
	g_clear_pointer(&vm->channel, stream_free);
}

/* Caller frees. */
static char *socket_path(struct vm *vm, const char *what)
{
	g_autofree char *name = g_strconcat(vm->config->name, ".", what, NULL);

	return g_build_filename(vm->config->rundir, name, NULL);
}

static gboolean open_streams(struct vm *vm, GError **error)
{
	const struct stream_ops console = { .bytes = on_console, .hangup = on_hangup, .ctx = vm };
	const struct stream_ops channel = { .bytes = on_channel, .hangup = on_hangup, .ctx = vm };
	g_autofree char *console_path = socket_path(vm, "console");
	g_autofree char *channel_path = socket_path(vm, "channel");

	vm->console = stream_listen(console_path, &console, error);
	if (vm->console)
		vm->channel = stream_listen(channel_path, &channel, error);
	return vm->channel != NULL;
}

static void libvirt_destroy(struct vm *vm);

static struct vm *libvirt_create(const struct vm_config *config, const struct vm_sink *sink, GError **error)
{
	struct vm *vm = g_new0(struct vm, 1);

	vm->config = config;
	vm->sink = *sink;
	vm->pidfd = -1;
	vm->conn = virt_conn_open(config, error);
	if (vm->conn && watch_events(vm, error) && open_streams(vm, error))
		return vm;
	if (vm->conn)
		check_connection(vm);
	else if (config->uri && sink->failed && error)
		sink->failed(sink->ctx, *error);
	libvirt_destroy(vm);
	return NULL;
}

static gboolean send_kill(struct vm *vm)
{
	return vm->pidfd >= 0 && !syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
}

/*
 * libvirt's own way asks first and waits; this guest is thrown away. The pidfd
 * came from the socket's peer, so that it is QEMU and no other.
 */
static void kill_qemu(struct vm *vm)
{
	struct pollfd gone = { .fd = vm->pidfd, .events = POLLIN };

	if (!send_kill(vm))
		return;
	while (poll(&gone, 1, KILL_WAIT_MS) < 0 && errno == EINTR)
		;
	reap(vm);
}

static void stop_watching(struct vm *vm)
{
	vm->quiet = TRUE;
	g_clear_handle_id(&vm->pidfd_watch, g_source_remove);
	g_clear_handle_id(&vm->reason_timer, g_source_remove);
	g_clear_handle_id(&vm->gone_idle, g_source_remove);
	g_clear_handle_id(&vm->failure_idle, g_source_remove);
	g_clear_error(&vm->failure);
}

static void libvirt_kill(struct vm *vm)
{
	stop_watching(vm);
	stream_drain(vm->console);
	stream_drain(vm->channel);
	close_streams(vm);
	send_kill(vm);
}

/* One on standby was not taken over. */
static void know_qemu(struct vm *vm)
{
	if (!vm->channel || vm->pidfd >= 0)
		return;
	stream_drain(vm->channel);
	vm->pid = stream_peer_pid(vm->channel);
	if (vm->pid)
		vm->pidfd = syscall(SYS_pidfd_open, (pid_t)vm->pid, 0);
}

static void libvirt_destroy(struct vm *vm)
{
	if (!vm)
		return;
	stop_watching(vm);
	know_qemu(vm);
	kill_qemu(vm);
	/*
	 * libvirt sees QEMU's end by itself, 0.2 s later if it looked too early; waiting for that would be idle, as
	 * all it has to tidy up goes with the run directory.
	 */
	if (vm->dom && (vm->pidfd < 0 || vm->config->uri))
		virDomainDestroy(vm->dom);
	if (vm->dom)
		virDomainFree(vm->dom);
	unwatch_events(vm);
	if (vm->conn)
		virConnectClose(vm->conn);
	close_streams(vm);
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	g_free(vm);
}

static char *build_xml(struct vm *vm, GError **error)
{
	g_autofree char *console = socket_path(vm, "console");
	g_autofree char *channel = socket_path(vm, "channel");
	g_autofree char *box = vm->config->uri ? NULL : socket_path(vm, "box");
	const struct domain_paths paths = { console, channel, box };
	unsigned long version = 0;

	if (!virt_conn_qemu_version(vm->conn, &version, error)) {
		check_connection(vm);
		return NULL;
	}
	return domain_xml(vm->config, &paths, version);
}

/* QEMU has connected to both sockets before libvirt said that it runs. */
static gboolean take_over(struct vm *vm, GError **error)
{
	stream_drain(vm->console);
	know_qemu(vm);
	if (vm->pidfd < 0 || !stream_is_connected(vm->channel)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s", vm->config->uri ?
			    "QEMU did not connect to this run's sockets: the libvirt at that address must be on this "
			    "machine and run QEMU as this user" : "QEMU died as it started");
		return FALSE;
	}
	vm->pidfd_watch = g_unix_fd_add(vm->pidfd, G_IO_IN, on_pidfd, vm);
	return TRUE;
}

/* Caller frees: libvirt's log of this domain, its own root only. */
static char *log_path(const struct vm *vm)
{
	g_autofree char *name = g_strconcat(vm->config->name, ".log", NULL);

	return g_build_filename(vm->config->rundir, "libvirt", "log", "qemu", name, NULL);
}

/*
 * What a predecessor's black box held is not this guest's; and libvirt appends to the log of that
 * name at each start, 6 KB: a run recovers hundreds of times.
 */
static void clear_files(struct vm *vm)
{
	g_autofree char *box = socket_path(vm, "box"), *log = log_path(vm);

	unlink(box);
	unlink(log);
	virt_conn_trim_log(vm->config);
}

/* Its vexlab is gone, and its sockets with it. */
static gboolean is_abandoned(virDomainPtr dom)
{
	char *xml = virDomainGetXMLDesc(dom, 0);
	const char *end = xml ? strstr(xml, ".console'") : NULL, *start = end;
	g_autofree char *path = NULL;

	while (start && start > xml && start[-1] != '\'')
		start--;
	if (start)
		path = g_strndup(start, (gsize)(end - start) + strlen(".console"));
	free(xml);
	return path && g_path_is_absolute(path) && access(path, F_OK) && errno == ENOENT;
}

/*
 * A predecessor of this name, whose end libvirt has not taken note of yet: ours (libvirt_destroy() does not wait), as
 * no other process sees our root; with another's libvirt, one of a vexlab that died with the daemon, which finds
 * it again when it starts. One that lives is left alone: libvirt says then that the name is taken.
 */
static void clear_predecessor(struct vm *vm)
{
	virDomainPtr old;

	for (int i = 0; i < PREDECESSOR_TRIES && (old = virDomainLookupByName(vm->conn, vm->config->name)); i++) {
		const gboolean clear = !vm->config->uri || is_abandoned(old);

		if (clear)
			virDomainDestroy(old);
		virDomainFree(old);
		if (!clear)
			return;
		g_usleep(PREDECESSOR_WAIT_US);
	}
}

static gboolean libvirt_boot(struct vm *vm, GError **error)
{
	g_autofree char *xml = build_xml(vm, error);
	struct orphan_reaper *reaper;

	if (!xml)
		return FALSE;
	/* The embedded driver knows no autodestroy: there rundir_reap() sees to it. */
	clear_files(vm);
	reaper = orphan_reaper_start();
	clear_predecessor(vm);
	vm->dom = virDomainCreateXML(vm->conn, xml, vm->config->uri ? VIR_DOMAIN_START_AUTODESTROY : 0);
	orphan_reaper_stop(reaper);
	if (!vm->dom) {
		virt_conn_set_error(error, "cannot start the guest");
		check_connection(vm);
		return FALSE;
	}
	return take_over(vm, error);
}

/* --- Ready-state on disk ------------------------------------------------- */

static void add_string(virTypedParameterPtr *params, int *n, int *max, const char *key, const char *value)
{
	/* Fails only when memory does. */
	g_assert(!virTypedParamsAddString(params, n, max, key, value));
}

static gboolean libvirt_save(struct vm *vm, const char *path, GError **error)
{
	struct orphan_reaper *reaper;
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0, ret;

	stop_watching(vm);
	add_string(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE, path);
	/* Each page at its own place: 4 GiB of guest are read back in 0.1 s. Nor does it need libvirt's iohelper. */
	add_string(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_IMAGE_FORMAT, "sparse");
	/* Nearly all of it is looking for pages that are zero: 0.45 s instead of 0.7 s for 4 GiB on two CPUs. */
	g_assert(!virTypedParamsAddInt(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_PARALLEL_CHANNELS,
				       (int)CLAMP(g_get_num_processors(), 1, SAVE_CHANNELS)));
	reaper = orphan_reaper_start();
	ret = virDomainSaveParams(vm->dom, params, n, VIR_DOMAIN_SAVE_RUNNING);
	orphan_reaper_stop(reaper);
	virTypedParamsFree(params, n);
	if (ret) {
		g_autofree char *what = g_strdup_printf("cannot save the guest's state to %s", path);

		virt_conn_set_error(error, what);
		check_connection(vm);
		return FALSE;
	}
	/* What it said until then. */
	stream_drain(vm->console);
	stream_drain(vm->channel);
	return TRUE;
}

static gboolean start_from(struct vm *vm, const char *path, unsigned int flags, GError **error)
{
	g_autofree char *xml = build_xml(vm, error), *uuid = domain_uuid(vm->config->name);
	struct orphan_reaper *reaper;
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0, ret;

	if (!xml || !save_image_rename(path, vm->config->name, uuid, error))
		return FALSE;
	add_string(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE, path);
	add_string(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_DXML, xml);
	clear_files(vm);
	reaper = orphan_reaper_start();
	clear_predecessor(vm);
	ret = virDomainRestoreParams(vm->conn, params, n, flags);
	orphan_reaper_stop(reaper);
	virTypedParamsFree(params, n);
	if (!ret)
		vm->dom = virDomainLookupByName(vm->conn, vm->config->name);
	if (vm->dom)
		return TRUE;
	virt_conn_set_error(error, "cannot restore the guest's state");
	check_connection(vm);
	return FALSE;
}

static gboolean libvirt_restore(struct vm *vm, const char *path, GError **error)
{
	return start_from(vm, path, VIR_DOMAIN_SAVE_RUNNING, error) && take_over(vm, error);
}

static gboolean libvirt_standby(struct vm *vm, const char *path, GError **error)
{
	/* Before QEMU is there, so that the main thread has nothing to tell. */
	vm->quiet = TRUE;
	return start_from(vm, path, VIR_DOMAIN_SAVE_PAUSED, error);
}

static gboolean libvirt_wake(struct vm *vm, GError **error)
{
	vm->quiet = FALSE;
	if (!take_over(vm, error))
		return FALSE;
	if (!virDomainResume(vm->dom))
		return TRUE;
	virt_conn_set_error(error, "cannot wake the guest that stood by");
	return FALSE;
}

/* --- While it runs ------------------------------------------------------- */

static gboolean libvirt_pause(struct vm *vm, gboolean on, GError **error)
{
	if (!(on ? virDomainSuspend(vm->dom) : virDomainResume(vm->dom)))
		return TRUE;
	virt_conn_set_error(error, on ? "cannot pause the guest" : "cannot resume the guest");
	return FALSE;
}

static gboolean libvirt_nmi(struct vm *vm, GError **error)
{
	if (!virDomainInjectNMI(vm->dom, 0))
		return TRUE;
	virt_conn_set_error(error, "cannot send the guest an NMI");
	return FALSE;
}

/* Asks QEMU itself: libvirt's own dump wants its iohelper, which comes with the daemon. */
static gboolean dump_as(struct vm *vm, const char *path, const char *format, GError **error)
{
	g_autofree char *protocol = g_strconcat("file:", path, NULL), *command = NULL;
	json_t *json = json_pack("{s:s, s:{s:b, s:s, s:s}}", "execute", "dump-guest-memory", "arguments",
				 "paging", 0, "protocol", protocol, "format", format), *answer;
	char *said = NULL;
	gboolean ok;

	command = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!command || virDomainQemuMonitorCommand(vm->dom, command, &said, 0)) {
		virt_conn_set_error(error, "cannot write the guest's memory");
		return FALSE;
	}
	answer = json_loads(said, 0, NULL);
	ok = json_object_get(answer, "return") != NULL;
	if (!ok)
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot write the guest's memory: %s", said);
	json_decref(answer);
	free(said);
	return ok;
}

static gboolean libvirt_dump(struct vm *vm, const char *path, gboolean *kdump, GError **error)
{
	*kdump = dump_as(vm, path, "kdump-raw-zlib", NULL);
	if (!*kdump)
		return dump_as(vm, path, "elf", error);
	(void)kdump_name_system(path);	/* some readers can do without */
	return TRUE;
}

static gboolean libvirt_resize_disk(struct vm *vm, unsigned int index, guint64 bytes, GError **error)
{
	const char target[] = { 'v', 'd', (char)('a' + index), '\0' };
	g_autofree char *what = NULL;

	if (!virDomainBlockResize(vm->dom, target, bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES))
		return TRUE;
	what = g_strdup_printf("cannot resize the guest's disk %s", vm->config->disks[index].path);
	virt_conn_set_error(error, what);
	return FALSE;
}

static void libvirt_channel_write(struct vm *vm, GBytes *bytes)
{
	stream_write(vm->channel, bytes);
}

static gsize libvirt_channel_pending(struct vm *vm)
{
	return stream_pending(vm->channel);
}

static gint64 libvirt_pid(struct vm *vm)
{
	return vm->pid;
}

static GBytes *libvirt_take_box(struct vm *vm)
{
	g_autofree char *path = socket_path(vm, "box");

	return blackbox_take(path);
}

/* The last line of QEMU's stderr, which libvirt keeps among its own remarks ("<date>: ..."). */
static char *last_stderr(struct vm *vm)
{
	g_autofree char *file = log_path(vm), *text = NULL;
	char *found = NULL, *line, *rest;

	if (!g_file_get_contents(file, &text, NULL, NULL))
		return NULL;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "qemu-system") && strstr(line, ": ") && !strstr(line, "/qemu-system"))
			found = line;
	return g_strdup(found);
}

static char *libvirt_last_words(struct vm *vm)
{
	g_autofree char *said = last_stderr(vm), *end = NULL;

	if (!vm->status_known)
		return g_steal_pointer(&said);
	if (WIFSIGNALED(vm->status))
		end = g_strdup_printf("QEMU was killed by signal %d (%s)", WTERMSIG(vm->status),
				      g_strsignal(WTERMSIG(vm->status)));
	else
		end = g_strdup_printf("QEMU exited with status %d", WEXITSTATUS(vm->status));
	return g_strjoin(said ? ": " : "", end, said, NULL);
}

const struct vm_driver vm_libvirt = {
	.name = "libvirt",
	.fingerprint = libvirt_fingerprint,
	.create = libvirt_create,
	.destroy = libvirt_destroy,
	.boot = libvirt_boot,
	.save = libvirt_save,
	.restore = libvirt_restore,
	.standby = libvirt_standby,
	.wake = libvirt_wake,
	.kill = libvirt_kill,
	.pause = libvirt_pause,
	.nmi = libvirt_nmi,
	.dump = libvirt_dump,
	.resize_disk = libvirt_resize_disk,
	.channel_write = libvirt_channel_write,
	.channel_pending = libvirt_channel_pending,
	.pid = libvirt_pid,
	.last_words = libvirt_last_words,
	.take_box = libvirt_take_box,
};
