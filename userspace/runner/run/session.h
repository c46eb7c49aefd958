/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest with an agent that answers, from power-on (or a warm start, or a
 * login over SSH) to its end. Calls wait in the main context, with a deadline,
 * and come back when the guest is lost.
 *
 * Errors: G_IO_ERROR_CANCELLED; SESSION_LOST (the guest is gone or silent: a
 * verdict's matter, session_lost() says why); VX_ERROR for what is ours. SESSION_STOPPED is run_step()'s: the
 * step that the run was to end with has been done. SESSION_FOUND too: what the run was to look for was found.
 */
#ifndef VEXLAB_SESSION_H
#define VEXLAB_SESSION_H

#include <gio/gio.h>
#include <jansson.h>
#include <vexlab/alloc.h>
#include <vexlab/frame.h>
#include <vexlab/request.h>
#include "config.h"
#include "guard.h"
#include "guest.h"
#include "rundir.h"
#include "ssh.h"
#include "vm.h"

#define SESSION_ERROR session_error_quark()
GQuark session_error_quark(void);
enum { SESSION_LOST = 1, SESSION_STOPPED, SESSION_FOUND };

/* Borrowed for the life of the session. */
struct session_config {
	const struct config *config;
	const struct guest_image *image;	/* NULL with `ssh` */
	const char *agent;			/* path of the static agent */
	const char *cachedir;
	struct rundir *rundir;
	const struct vm_driver *driver;
	const char *uri;			/* libvirt's; NULL: embedded */
	enum vm_accel accel;			/* resolved */
	gboolean dumpable;			/* vmcoreinfo (vm.h), and a panic leaves time for a dump */
	gboolean cold;				/* boot anew, keep no state */
	gboolean no_standby;			/* points: nothing runs beside the guest, going back takes longer */
	unsigned int scratch_mib;		/* of the scratch disk in the guest */
	gboolean icount;			/* see vm.h */
	const char *probe_source;		/* kmod-probe's folder; NULL: do without the module */
	enum vm_box box;			/* see vm.h */
	unsigned int ssh_port;			/* not 0: the VM gets a restricted NIC */
	const char *memory, *disk;		/* start from what session_save() wrote, which stays as it is; or NULL */
	const struct ssh_config *ssh;		/* a guest that is not ours; no VM is made */
	GCancellable *cancellable;
};

/* Where everything the guest says goes, in order. */
struct session_sink {
	void (*frame)(void *ctx, const struct vx_frame *frame, const void *payload);
	void (*console)(void *ctx, const void *data, gsize len);
	/* A black box that the guest has written, before the note that it is lost. Not checked. May be NULL. */
	void (*box)(void *ctx, GBytes *box);
	/* What befalls the VM, for the record; the callee owns `json`. */
	void (*note)(void *ctx, json_t *json);
	/* One line on what is being waited for. */
	void (*progress)(void *ctx, const char *text);
	/* What makes all further waiting vain (session_fail()), NULL: nothing; asked while waiting. May be NULL. Borrowed. */
	const GError *(*failure)(void *ctx);
	void *ctx;
};

struct session;

struct session *session_open(const struct session_config *config, const struct session_sink *sink,
			     GError **error);
/* Ends the guest and removes what it left. NULL-safe. */
void session_close(struct session *session);
VX_DEFINE_GUARD(struct session, session_close);

/* Why the guest is lost, NULL while it is not. */
const char *session_lost(const struct session *session);
/*
 * Something on the host has failed that no guest is to blame for: every call from now on ends with this error, the
 * one under way within 50 ms. The first counts; copied.
 */
void session_fail(struct session *session, const GError *why);
const GError *session_failure(const struct session *session);
/* A private folder in the guest for what is put there. */
const char *session_workdir(const struct session *session);
/* The scratch disk's node in the guest; NULL with SSH. */
const char *session_device(const struct session *session);
/* "warm", "cold", "snapshot", "ssh" and how long it took to the agent's answer. */
const char *session_how(const struct session *session);
double session_ready_ms(const struct session *session);
/*
 * How far the guest's CLOCK_REALTIME was off the host's at the last greeting (the first, or after a restore), as the
 * guest read it; 0: it lay between question and answer. A guest over SSH has a clock of its own.
 */
double session_clock_off_ms(const struct session *session);
/* "key=value\n" lines of the agent's greeting. */
const char *session_greeting(const struct session *session);
/* Of it: the guest's kernel, uname -r; "" if it does not say. Caller frees. */
char *session_kernel(const struct session *session);

struct step_result {
	struct vx_msg_step msg;
	char *output;			/* NUL-terminated, may hold anything; never NULL */
	gsize output_len;
};
void step_result_clear(struct step_result *result);
#define STEP_RESULT_CLEAR __attribute__((cleanup(step_result_clear)))

/*
 * Runs one step and waits for its answer. TRUE: the agent answered; whether
 * the step itself worked stands in ret->msg.err. `strings` NULL-terminated.
 */
gboolean session_step(struct session *session, const struct vx_req_step *req,
		      const char *const *strings, struct step_result *ret, GError **error);
/* Copies a local file into the guest, checked by its CRC there. */
gboolean session_put(struct session *session, const char *local, const char *remote, int mode,
		     GError **error);
gboolean session_trace(struct session *session, const struct vx_req_trace *req,
		       struct vx_msg_trace *ret, GError **error);
/*
 * What is outstanding by one source now (alloc.h). Each site goes to the sink as VX_MSG_ALLOC_SITE before this returns,
 * which is how detectors see it. TRUE: the agent answered; whether it could tell stands in ret->err: -ENODATA, the
 * source is not on; -EOPNOTSUPP, not to be had there. Minutes at the worst: with millions outstanding.
 */
gboolean session_allocs(struct session *session, enum vx_alloc_source source, struct vx_msg_allocs *ret,
			GError **error);
/* After it all events so far, histograms and losses have gone to the sink. */
gboolean session_flush(struct session *session, GError **error);
/* `count` marks from the kernel; returns when they have been flushed. */
gboolean session_marks(struct session *session, const struct vx_req_marks *req, GError **error);

struct vm *session_vm(struct session *session);
/* vexprobe.ko as it was built for this guest; NULL: there is none. It need not have been loaded. */
const char *session_probe(const struct session *session);
/* Its QEMU would answer: it is neither gone, as after a reset, nor stopped. The guest may be lost all the same. */
gboolean session_vm_lives(const struct session *session);

/*
 * Points of a run: guest memory and the scratch disk's content under a name ([a-z0-9-], at most 32), to go back to
 * whatever has become of the guest meanwhile. "ready", how the guest was when it first answered, is always there.
 * They end with the session. Only for a guest of our own.
 *
 * Beside the guest stands another QEMU with the latest point's memory loaded, made in the background after each
 * of these calls (0.3 s of a CPU, memory as much as the guest has used). Without it (no_standby, another libvirt, a
 * forwarded SSH port, another point) going back starts a new QEMU from the file.
 *
 * make: the guest is saved and goes on from what was saved, so that what is kept is known to work; all events up to
 * then are with the sink. A point of that name is replaced. On failure the guest may be lost (session_lost()).
 *
 * back: a lost guest is lost no more; it has a new epoch on the channel, the host's time, and has answered. What the
 * guest said before comes to the sink before the note "restoring", and nothing of it later. A missing or damaged
 * point is VX_ERROR: nothing has been done, go back to an older one. Other errors leave the guest lost: go back
 * to an older one too. Connections over a forwarded SSH port are the caller's to make again.
 *
 * Notes: {"event":"point made", "name", "ms"}; {"event":"restoring", "name"}, then
 * {"event":"restored", "name", "ms", "how", "clock_off_ms"}: "standby", "file" or "boot"; ms until the agent has answered.
 */
#define SESSION_READY	"ready"
gboolean session_point_make(struct session *session, const char *name, GError **error);
gboolean session_point_back(struct session *session, const char *name, GError **error);
gboolean session_point_drop(struct session *session, const char *name, GError **error);
/* Names, oldest first, so "ready" first; NULL-terminated, g_strfreev(). */
char **session_point_list(struct session *session);
/*
 * The power fails: the guest's memory is lost, its scratch disk is what it was at that instant, where QEMU may lose what
 * it was not asked to flush, as a disk's own cache does. The guest then is as it first was ("ready"), with that disk.
 * Notes: as of a point "ready", with "power_cut": true. VX_ERROR_UNAVAILABLE: not possible here, nothing has been
 * done. Other errors leave the guest lost.
 */
gboolean session_power_cut(struct session *session, GError **error);
/*
 * Writes the guest's memory and its scratch disk to two new files, by libvirt's own save: the guest ends by it, and
 * the session can only be closed. Only before the first point. The files are for a session of the same key.
 */
gboolean session_save(struct session *session, const char *memory, const char *disk, GError **error);
/* Everything that such files and a ready state depend on; makes no guest. Caller frees. NULL and `error`. */
char *session_key(const struct session_config *config, GError **error);
/* Waits until the background work for the latest point is done: before a measurement. TRUE: a standby is there. */
gboolean session_point_settle(struct session *session);

#endif
