/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ssh*.c files share. The session never blocks: whoever needs an
 * answer calls libssh, and while that says "again", sg_wait(). Bytes and ends
 * of channels arrive in callbacks, from sg_pump() only.
 */
#ifndef VEXLAB_SSH_PRIV_H
#define VEXLAB_SSH_PRIV_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "error.h"
#include "ssh.h"

#define SG_COMMAND_MAX	(96 * 1024)	/* Linux takes 128 KiB in one argument, and sshd hands it to a shell as one */
#define SG_PATH_MAX	1024
#define SG_KILL_MS	5000

struct ssh_guest {
	struct ssh_config c;		/* defaults filled in, strings in `strings` */
	GStringChunk *strings;
	char *where;			/* "user@host:port", for messages */
	ssh_session session;		/* NULL: never connected, or dropped */
	ssh_event event;		/* pumps the session once it is logged in */
	struct ssh_counter_struct heard; /* in_bytes: anything at all from the guest */
	struct ssh_callbacks_struct callbacks;
	char *lost;			/* why the session is no good, printable; NULL: it is good */
	unsigned int attempts;
	struct ssh_stream *stream;
	GPtrArray *files, *dirs;	/* remote paths to remove at cleanup */
};

/* A command on a channel of its own. Zero it, set data and ctx, open, wait until done, close. */
struct sg_exec {
	struct ssh_guest *guest;
	ssh_channel channel;
	struct ssh_channel_callbacks_struct cb;
	/* Returns how many bytes it took: all or none. */
	gsize (*data)(void *ctx, gboolean is_err, const void *data, gsize len);
	void *ctx;
	GString *head;		/* stderr until the line with the pid has come; NULL afterwards */
	gint64 pid;		/* of the command, in the guest; 0 when unknown */
	gint64 last;		/* monotonic time of its last byte or word */
	gboolean eof, closed, exited;
	int status;
	char signal[16];
};

/* ssh.c */
gint64 sg_deadline(unsigned int timeout_ms);
char *sg_printable(const char *data, gsize len);	/* one short line without control bytes; caller frees */
void sg_lose(struct ssh_guest *g, const char *why);	/* the first reason stays */
gboolean sg_alive(struct ssh_guest *g, GError **error);	/* FALSE and VX_ERROR_UNAVAILABLE if not connected */
gboolean sg_pump(struct ssh_guest *g);			/* TRUE: there may be more */
gboolean sg_wait(struct ssh_guest *g, gint64 deadline, GCancellable *cancellable, GError **error);
void sg_drop(struct ssh_guest *g);

/* ssh_login.c: on failure `final` says that trying again cannot help. */
gboolean sg_connect_once(struct ssh_guest *g, GCancellable *cancellable, gboolean *final, GError **error);

/* ssh_exec.c */
gboolean sg_exec_open(struct sg_exec *x, struct ssh_guest *g, const char *command, gint64 deadline,
		      GCancellable *cancellable, GError **error);
/* With the pid told first on stderr, so that sg_exec_kill() can. */
gboolean sg_exec_open_argv(struct sg_exec *x, struct ssh_guest *g, const char *const *argv, gint64 deadline,
			   GCancellable *cancellable, GError **error);
gboolean sg_exec_done(const struct sg_exec *x);
gboolean sg_exec_wait(struct sg_exec *x, gint64 deadline, GCancellable *cancellable, GError **error);
gboolean sg_exec_kill(struct sg_exec *x);
void sg_exec_close(struct sg_exec *x, gboolean may_wait);
/* A line of shell of ours, output in `ret` as ssh_guest_run() gives it. */
gboolean sg_shell(struct ssh_guest *g, const char *script, unsigned int timeout_ms, GCancellable *cancellable,
		  struct ssh_result *ret, GError **error);

/* ssh_stream.c */
void sg_stream_kick(struct ssh_guest *g);	/* after a call that waited: look at the stream soon */
void sg_stream_drop(struct ssh_guest *g);	/* free it, no word to anyone */
gboolean sg_stream_busy(const struct ssh_guest *g, GError **error); /* inside a callback: VX_ERROR_INTERNAL */

#endif
