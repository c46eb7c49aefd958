/* SPDX-License-Identifier: GPL-2.0 */
/* Between session.c (requests, waiting) and session_vm.c, session_ssh.c (how one comes to be). */
#ifndef VEXLAB_SESSION_PRIV_H
#define VEXLAB_SESSION_PRIV_H

#include "link.h"
#include "session.h"

struct waiter {
	guint16 type;		/* frame waited for, 0: none */
	guint64 id;
	gboolean done;
	GByteArray *payload;	/* of the answer */
};

/* Why nobody answers: words of the record (session_watch.c), stable. */
enum session_loss {
	LOSS_RESET,		/* a panic, a triple fault, a reboot */
	LOSS_POWEROFF,
	LOSS_QEMU_DIED,
	LOSS_QEMU_STOPPED,	/* the process is stopped (a signal, a debugger) */
	LOSS_KERNEL,		/* neither agent nor kernel react */
	LOSS_AGENT,		/* the kernel does, the agent does not */
	LOSS_AGENT_ANEW,	/* the agent ended, the guest has started another */
	LOSS_SILENT,		/* no more can be told, as over SSH */
	LOSS_TYPES,
};

#define SESSION_NAME	"vexlab1"	/* the domain's; points use others of that length */
#define SESSION_DISKS	3
#define SCRATCH_DISK	2	/* of them; /dev/vdc in the guest */
#define SCRATCH_MIB	1024	/* at start: a ready state knows it by this size, whatever the target wants */
#define RESUME_MS	8000	/* after a restore */
#define RESERVE		(256 * MIB)	/* the host has free for a disk to grow */
#define MIB		(G_GUINT64_CONSTANT(1) << 20)

struct points;

struct session {
	struct session_config config;
	struct session_sink sink;
	struct link *link;
	struct vm *vm;
	struct vm_config vm_config;	/* borrowed by `vm` */
	struct vm_disk disks[SESSION_DISKS];
	struct points *points;		/* NULL: none was ever made */
	char *ready_key;		/* of the ready state that is kept; NULL: boot anew */
	struct ssh_guest *ssh;
	struct waiter wait;
	gint64 began, last_seen;	/* monotonic, us */
	gint64 stale_seen;		/* the last frame of another epoch than ours, 0: none */
	guint64 stale_frames, console_bytes;
	gboolean ready, slow_told;
	guint32 epoch, put_id;
	guint64 allocs_id;
	int image_fd;
	enum session_loss loss;		/* valid while `lost` */
	GError *failure;		/* the host's, not the guest's: nothing more is asked of it */
	char *lost, *workdir, *greeting;
	char *initrd, *scratch, *cmdline;
	char *probe;			/* kmod-probe's module, NULL: there is none */
	const char *how;
	double ready_ms;
	double clock_off_ms;		/* of the guest's CLOCK_REALTIME at the last greeting; 0: within what it took */
};

gboolean session_open_vm(struct session *s, GError **error);
gboolean session_open_ssh(struct session *s, GError **error);
void session_close_transport(struct session *s);
/* A VM that speaks to this session. `config` stays. */
struct vm *session_new_vm(struct session *s, const struct vm_config *config, GError **error);
/* A scratch disk as this session's guest starts with: empty, or as in its snapshot. */
gboolean session_new_disk(const struct session *s, const char *path, GError **error);
void session_link_vm(struct session *s);
gboolean session_boot(struct session *s, GError **error);
gboolean session_size_scratch(struct session *s, GError **error);
/* Ends what stands by, removes the points' files; the current VM is to be destroyed before. NULL-safe. */
void session_points_free(struct points *points);

/* session_probe.c */
char *session_probe_module(struct session *s);
gboolean session_load_probe(struct session *s, GError **error);
void session_take_box(struct session *s);

void session_lose(struct session *s, enum session_loss loss, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
/* session_watch.c: is it time to give the guest up? If so, session_lose() with the reason. */
void session_watch(struct session *s, gint64 deadline, guint timeout_ms, const char *what);
const char *session_loss_word(enum session_loss loss);
void session_link(struct session *s, const struct link_transport *transport);
gboolean session_await(struct session *s, guint16 type, guint64 id, guint timeout_ms,
		       const char *what, GError **error);
gboolean session_greet(struct session *s, guint timeout_ms, GError **error);
gboolean session_take_greeting(struct session *s, guint64 asked_ns, GError **error);
void session_channel(void *ctx, const void *data, gsize len);
void session_console(void *ctx, const void *data, gsize len);

/* By which every deadline is multiplied: a kernel that checks itself is slow. */
static inline guint session_patience(const struct session *s)
{
	return s->config.image ? s->config.image->patience : 1;
}

#endif
