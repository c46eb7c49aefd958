// SPDX-License-Identifier: GPL-2.0
/* A guest of our own: a warm start where a ready-state is kept, else a boot that makes one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "accel.h"
#include "disk.h"
#include "error.h"
#include "fsutil.h"
#include "session_priv.h"
#include "warm.h"

#define PANIC_S		"5"	/* from a panic to the reset, in a run that keeps the guest's memory */
#define RESIZE_MS	5000
#define INITRDS_KEPT	32u	/* each new agent makes one, 3 MB */

static void vm_write(void *ctx, GBytes *bytes)
{
	struct session *s = ctx;

	if (s->vm)
		s->config.driver->channel_write(s->vm, bytes);
}

static gsize vm_pending(void *ctx)
{
	struct session *s = ctx;

	return s->vm ? s->config.driver->channel_pending(s->vm) : 0;
}

static void vm_gone(void *ctx, enum vm_gone why)
{
	static const char *const words[] = {
		[VM_GONE_SHUTDOWN] = "it powered off",
		[VM_GONE_REBOOT] = "it reset itself (a panic or a triple fault)",
		[VM_GONE_CRASHED] = "QEMU died",
		[VM_GONE_KILLED] = "QEMU was killed",
	};
	static const enum session_loss losses[] = {
		[VM_GONE_SHUTDOWN] = LOSS_POWEROFF, [VM_GONE_REBOOT] = LOSS_RESET,
		[VM_GONE_CRASHED] = LOSS_QEMU_DIED, [VM_GONE_KILLED] = LOSS_QEMU_DIED,
	};
	struct session *s = ctx;
	g_autofree char *last = NULL;

	if (why == VM_GONE_CRASHED && s->vm && s->config.driver->last_words)
		last = s->config.driver->last_words(s->vm);
	session_lose(s, losses[why], "%s%s%s", words[why], last ? ": " : "", last ? last : "");
}

static void vm_failed(void *ctx, const GError *error)
{
	session_fail(ctx, error);
}

/* An NMI then reaches all CPUs, and each can tell where it is (kmod-probe/nmi.c). */
#define CMDLINE_MORE " apic_extnmi=all"

struct vm *session_new_vm(struct session *s, const struct vm_config *config, GError **error)
{
	const struct vm_sink sink = {
		.console = session_console, .channel = session_channel, .gone = vm_gone, .failed = vm_failed, .ctx = s,
	};

	return s->config.driver->create(config, &sink, error);
}

static gboolean new_vm(struct session *s, GError **error)
{
	s->vm = session_new_vm(s, &s->vm_config, error);
	return s->vm != NULL;
}

static void drop_vm(struct session *s)
{
	s->config.driver->destroy(s->vm);
	s->vm = NULL;
	g_clear_pointer(&s->lost, g_free);
}

/* Whoever is killed in the middle has it removed with the run directory. */
static gboolean make_initrd(const struct session *s, const char *path, GError **error)
{
	g_autofree char *temp = g_strdup_printf("%s-%s", path, rundir_id(s->config.rundir));
	g_autofree char *dir = g_path_get_dirname(path);

	if (!rundir_add_scratch(s->config.rundir, temp, error))
		return FALSE;
	if (!guest_compose_initrd(s->config.image, s->config.agent, temp, error)) {
		unlink(temp);
		return FALSE;
	}
	if (rename(temp, path)) {
		vx_error_set_errno(error, errno, "cannot rename %s", temp);
		unlink(temp);
		return FALSE;
	}
	fs_keep_newest(dir, INITRDS_KEPT);
	return TRUE;
}

/* The initrd with this agent inside, made once for each pair. */
static char *initrd_for(const struct session *s, GError **error)
{
	const char *files[] = { s->config.image->initrd, s->config.agent, NULL };
	g_autofree char *dir = g_build_filename(s->config.cachedir, "initrd", NULL);
	g_autofree char *key = warm_key(NULL, files, error);
	g_autofree char *path = NULL;

	if (!key || !fs_mkdir(dir, 0755, error))
		return NULL;
	key[16] = '\0';
	path = g_build_filename(dir, key, NULL);
	if (!g_file_test(path, G_FILE_TEST_EXISTS) && !make_initrd(s, path, error))
		return NULL;
	return g_steal_pointer(&path);
}

gboolean session_new_disk(const struct session *s, const char *path, GError **error)
{
	return s->config.disk ?
	       disk_create_overlay(path, s->config.scratch_mib * MIB, s->config.disk, RESERVE, error) :
	       disk_create_scratch(path, SCRATCH_MIB * MIB, RESERVE, error);
}

static char *scratch_for(struct session *s, GError **error)
{
	g_autofree char *dir = g_build_filename(s->config.cachedir, "scratch", NULL);
	g_autofree char *name = g_strdup_printf("%s.qcow2", rundir_id(s->config.rundir));
	g_autofree char *path = g_build_filename(dir, name, NULL);

	if (!fs_mkdir(dir, 0755, error) || !rundir_add_scratch(s->config.rundir, path, error) ||
	    !session_new_disk(s, path, error))
		return NULL;
	return g_steal_pointer(&path);
}

static gboolean describe(struct session *s, GError **error)
{
	const struct guest_image *image = s->config.image;
	const struct config *config = s->config.config;

	s->image_fd = guest_use(image, error);
	if (s->image_fd < 0 || !(s->initrd = initrd_for(s, error)) ||
	    !(s->scratch = scratch_for(s, error)))
		return FALSE;
	/* The last panic= counts: else QEMU is gone with the guest before anybody knows of the panic. */
	s->cmdline = g_strconcat(image->cmdline, CMDLINE_MORE, s->config.dumpable ? " panic=" PANIC_S : NULL, NULL);
	s->probe = session_probe_module(s);
	s->disks[0] = (struct vm_disk){ image->rootfs_img, "raw", "vexlab-root", TRUE };
	s->disks[1] = (struct vm_disk){ image->modules_img, "raw", "vexlab-mods", TRUE };
	s->disks[SCRATCH_DISK] = (struct vm_disk){ s->scratch, "qcow2", "vexlab-scratch", FALSE };
	s->vm_config = (struct vm_config){
		.name = SESSION_NAME, .uri = s->config.uri, .kernel = image->kernel,
		.initrd = s->initrd, .cmdline = s->cmdline, .accel = s->config.accel,
		.memory_mib = config->memory_mib, .vcpus = config->vcpus,
		.disks = s->disks, .ndisks = G_N_ELEMENTS(s->disks),
		.io_uring = !s->config.uri && vm_probe_io_uring(),
		.firmware = s->config.uri ? NULL : vm_probe_firmware(),
		.icount = s->config.icount, .ssh_port = s->config.ssh_port,
		.box = s->probe && !s->config.uri ? s->config.box : VM_BOX_NONE, .rundir = rundir_path(s->config.rundir),
		.cachedir = s->config.cachedir, .vmcoreinfo = s->config.dumpable,
	};
	return TRUE;
}

/* Everything the ready-state depends on. */
static char *key_of(struct session *s, GError **error)
{
	g_autofree char *fingerprint = s->config.driver->fingerprint(&s->vm_config, error);
	const char *facts[] = { fingerprint, s->cmdline, NULL };
	const char *files[] = { s->vm_config.kernel, s->initrd, s->config.image->rootfs_img,
				s->config.image->modules_img, s->probe, NULL };

	return fingerprint ? warm_key(facts, files, error) : NULL;
}

static gboolean resume(struct session *s, const char *state, GError **error)
{
	if (!new_vm(s, error))
		return FALSE;
	return s->config.driver->restore(s->vm, state, error) && session_greet(s, RESUME_MS, error);
}

gboolean session_boot(struct session *s, GError **error)
{
	g_autoptr(GError) local = NULL;

	s->sink.progress(s->sink.ctx, "booting the guest");
	if (!new_vm(s, error) || !s->config.driver->boot(s->vm, error))
		return FALSE;
	if (session_await(s, VX_MSG_HELLO, 0, s->config.config->boot_deadline_s * 1000 * session_patience(s),
			  "the agent to come up", &local))
		return session_greet(s, RESUME_MS, error) && session_load_probe(s, error);
	if (!g_error_matches(local, SESSION_ERROR, SESSION_LOST)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	/* Nothing of the target has run: this says nothing about it. */
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "the guest did not come up: %s; what it said is in vm_console.log", s->lost);
	return FALSE;
}

/*
 * Loading and attaching the probes takes seconds under TCG: do it once, with a
 * filter that nothing matches, so that each warm start finds them in place.
 * What fails here is told when a run asks for it. Not those that trace allocations: few runs want them, which then
 * take 0.5 s more, and to have them makes each new ready state take 3 s more.
 */
static void preload_probes(struct session *s)
{
	struct vx_req_trace req = { .groups = VX_PROBES_MOUNT | VX_PROBES_SLAB, .fstype = "-" };
	struct vx_msg_trace msg;

	if (session_trace(s, &req, &msg, NULL)) {
		req.groups = VX_PROBES_MOUNT;
		session_trace(s, &req, &msg, NULL);
	}
}

/* Saves the guest that has just come up, and goes on from what was saved. */
static gboolean keep_state(struct session *s, const char *key, GError **error)
{
	struct warm_writer *writer;
	g_autoptr(GError) local = NULL;
	g_autofree char *state = NULL;

	writer = warm_begin(s->config.cachedir, key, s->vm_config.memory_mib * MIB / 2, &local);
	if (!writer)
		return TRUE;	/* somebody else writes it, or there is no room: go on with this guest */
	s->sink.progress(s->sink.ctx, "loading the probes, keeping the ready state");
	preload_probes(s);
	if (!s->config.driver->save(s->vm, warm_writer_path(writer), &local)) {
		warm_abort(writer);
		drop_vm(s);
		return !s->failure && session_boot(s, error);
	}
	drop_vm(s);
	if (!warm_commit(writer, &local) ||
	    !(state = warm_find(s->config.cachedir, key, NULL)))
		return session_boot(s, error);
	if (resume(s, state, &local))
		return TRUE;
	warm_discard(s->config.cachedir, key);
	drop_vm(s);
	return session_boot(s, error);
}

static gboolean warm_start(struct session *s, const char *key)
{
	g_autofree char *why = NULL;
	g_autofree char *state = warm_find(s->config.cachedir, key, &why);
	g_autoptr(GError) error = NULL;

	if (!state)
		return FALSE;
	if (resume(s, state, &error))
		return TRUE;
	/* Nothing of that says that the state is bad. */
	if (s->failure || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return FALSE;
	s->sink.progress(s->sink.ctx, "the kept ready state is of no use: booting anew");
	s->sink.note(s->sink.ctx, json_pack("{s:s, s:s}", "event", "ready state discarded", "why",
					    error->message));
	if (s->vm)
		drop_vm(s);
	g_clear_pointer(&s->lost, g_free);
	warm_discard(s->config.cachedir, key);
	return FALSE;
}

static guint64 scratch_sectors(struct session *s, GError **error)
{
	/* An id that no step of a run has. */
	const struct vx_req_step req = { .id = G_MAXUINT64, .op = VX_STEP_READ, .deadline_ns = RESIZE_MS * 1000000ull };
	const char *strings[] = { "/sys/block/vdc/size", NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	return session_step(s, &req, strings, &res, error) && !res.msg.err ?
	       g_ascii_strtoull(res.output, NULL, 10) : 0;
}

/* The scratch disk as large as the target wants it, and the guest aware of it. */
gboolean session_size_scratch(struct session *s, GError **error)
{
	const guint64 bytes = s->config.scratch_mib * MIB;
	const gint64 deadline = g_get_monotonic_time() + RESIZE_MS * 1000;
	g_autoptr(GError) local = NULL;

	if (s->config.scratch_mib == SCRATCH_MIB || s->config.memory)
		return TRUE;
	if (!s->config.driver->resize_disk(s->vm, SCRATCH_DISK, bytes, error))
		return FALSE;
	while (scratch_sectors(s, &local) != bytes / 512) {
		if (local) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (g_get_monotonic_time() > deadline) {
			g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
				    "the guest does not see that its disk is of %u MiB now", s->config.scratch_mib);
			return FALSE;
		}
	}
	return TRUE;
}

void session_link_vm(struct session *s)
{
	const struct link_transport transport = { vm_write, vm_pending, s };

	session_link(s, &transport);
}

static gboolean start(struct session *s, GError **error)
{
	const char *key = NULL;

	s->image_fd = -1;
	s->workdir = g_strdup("/vexlab");
	session_link_vm(s);
	if (!describe(s, error))
		return FALSE;
	if (s->config.memory) {
		s->how = "snapshot";
		return resume(s, s->config.memory, error);
	}
	if (!s->config.cold) {
		key = s->ready_key = key_of(s, error);
		if (!key)
			return FALSE;
		s->how = "warm";
		if (warm_start(s, key))
			return TRUE;
		if (s->failure)
			g_propagate_error(error, g_error_copy(s->failure));
		if (s->failure || g_cancellable_set_error_if_cancelled(s->config.cancellable, error))
			return FALSE;
		session_link_vm(s);
	}
	s->how = "cold";
	return session_boot(s, error) && (!key || keep_state(s, key, error));
}

gboolean session_open_vm(struct session *s, GError **error)
{
	return start(s, error) && session_size_scratch(s, error);
}

char *session_key(const struct session_config *config, GError **error)
{
	struct session *s = g_new0(struct session, 1);
	char *key = NULL;

	s->config = *config;
	s->wait.payload = g_byte_array_new();
	s->image_fd = -1;
	if (describe(s, error))
		key = key_of(s, error);
	session_close(s);
	return key;
}

gboolean session_save(struct session *s, const char *memory, const char *disk, GError **error)
{
	if (!s->vm || s->points || s->config.disk) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "only a guest of our own without points can be kept");
		return FALSE;
	}
	if (!session_flush(s, error) || !s->config.driver->save(s->vm, memory, error))
		return FALSE;
	drop_vm(s);
	s->lost = g_strdup("it was saved");
	return fs_copy_sparse(s->scratch, disk, error);
}

void session_close_transport(struct session *s)
{
	if (s->vm)
		s->config.driver->destroy(s->vm);
	s->vm = NULL;
	session_points_free(s->points);
	s->points = NULL;
	ssh_guest_free(s->ssh);
	s->ssh = NULL;
	if (s->scratch)
		unlink(s->scratch);
	if (s->image_fd > 0)
		close(s->image_fd);
}
