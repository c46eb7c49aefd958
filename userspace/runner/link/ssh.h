/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that is not ours, reached over SSH: one session, many channels.
 *
 * The guest is somebody else's and hostile: its host key must be pinned, what
 * it sends is bounded, and no call here waits for it without a deadline.
 *
 * All calls come from the thread of one main context (the thread-default one
 * at ssh_guest_start_stream). connect, run, put, cleanup and free wait, by
 * poll(2) and not by running the main loop; sink callbacks come from the main
 * loop only, never from inside a call, so a stream that is open meanwhile is
 * delivered afterwards.
 *
 * Errors are VX_ERROR (error.h) and say what to do, except that
 *	G_IO_ERROR_TIMED_OUT	the guest did not answer or finish in time, and
 *	G_IO_ERROR_CANCELLED	the caller's GCancellable was triggered
 * are told apart from everything else by g_error_matches().
 * VX_ERROR_UNAVAILABLE: not reached, or lost on the way. _PERM: key refused, or
 * the guest's key is not the pinned one. _CONFIG: what the user gave cannot be used.
 * _PROTOCOL: the guest answered nonsense. _IO: the guest could not do it (disk full...).
 */
#ifndef VEXLAB_SSH_H
#define VEXLAB_SSH_H

#include <gio/gio.h>

#include "guard.h"

/* 0 and NULL mean the default in parentheses. Copied by ssh_guest_new(). */
struct ssh_config {
	const char *host;		/* name or address; required */
	unsigned int port;		/* (22) */
	const char *user;		/* (root) */
	const char *key;		/* private key file without passphrase (NULL: the ssh-agent's keys) */
	const char *known_hosts;	/* file with the pinned key, format of sshd(8); required */
	unsigned int connect_timeout_ms; /* one attempt, login included; a third of it
					  * for the first word, if there are retries left (10000) */
	unsigned int retries;		/* further attempts if the guest cannot be reached, at most 30 (0) */
	unsigned int backoff_ms;	/* before the first retry, then doubled, each +-25 % (200) */
	unsigned int backoff_max_ms;	/* what doubling stops at (5000) */
	unsigned int stall_timeout_ms;	/* no byte of a transfer moved, or no answer to a request (30000) */
	unsigned int keepalive_ms;	/* stream: asks after this silence; two unanswered: lost (10000) */
	gsize output_limit;		/* bytes kept of stdout and of stderr each (1 MiB) */
	gboolean cleanup;		/* ssh_guest_free() removes what was deployed */
};

/* How a command ended. Fields are valid after ssh_guest_run() returned TRUE, until ssh_result_clear(). */
struct ssh_result {
	int status;		/* exit status 0..255, or -1: `signal` ended it */
	char signal[16];	/* name without SIG: "KILL"; "" if it exited */
	GString *out, *err;	/* raw bytes of the guest: may hold NUL and escape sequences */
	gboolean truncated;	/* more was said than output_limit */
	gint64 duration_us;	/* on the host, channel open and close included */
};
void ssh_result_clear(struct ssh_result *result);	/* safe on a zeroed one, and twice */
#define SSH_RESULT_CLEAR __attribute__((cleanup(ssh_result_clear)))

enum ssh_gone {
	SSH_GONE_EXITED,	/* the command exited; `status` */
	SSH_GONE_SIGNALED,	/* a signal ended it */
	SSH_GONE_LOST,		/* the session died or went silent: ssh_guest_connect() again */
};

/*
 * Called from the main context; `data` is only valid during the call. channel
 * and console have the shape of vm_sink's: frames of the agent's stdout, words of its
 * stderr (NULL: dropped). gone comes once, last, unless ssh_guest_stop_stream() or
 * ssh_guest_free() came before it; `text` is one printable line for people. console and channel may call
 * ssh_guest_stream_write, _pending, _stop_stream, nothing else; gone may call anything.
 */
struct ssh_sink {
	void (*console)(void *ctx, const void *data, gsize len);
	void (*channel)(void *ctx, const void *data, gsize len);
	void (*gone)(void *ctx, enum ssh_gone why, int status, const char *text);
	void *ctx;
};

struct ssh_guest;

/* Checks the configuration and touches no network. NULL and VX_ERROR_CONFIG if it cannot work. */
struct ssh_guest *ssh_guest_new(const struct ssh_config *config, GError **error);
/* Ends the stream, removes what was deployed if asked to (best effort: ssh_guest_cleanup() tells), closes. NULL-safe. */
void ssh_guest_free(struct ssh_guest *guest);
VX_DEFINE_GUARD(struct ssh_guest, ssh_guest_free);

/*
 * Connects, checks the host key, logs in. Only what may pass (refused, reset,
 * unreachable, silent) is retried. An old session is dropped first, its stream
 * without a word to the sink.
 */
gboolean ssh_guest_connect(struct ssh_guest *guest, GCancellable *cancellable, GError **error);
gboolean ssh_guest_connected(const struct ssh_guest *guest);
/* Attempts that the last ssh_guest_connect() made. */
unsigned int ssh_guest_attempts(const struct ssh_guest *guest);

/*
 * One shell word that stands for `arg`, byte for byte, in a POSIX sh (and every
 * shell with its single quotes). Never empty; whole commands are joined by
 * ssh_guest_quote_argv(). NULL if argv is empty. Caller frees.
 */
char *ssh_guest_quote(const char *arg);
char *ssh_guest_quote_argv(const char *const *argv);

/*
 * Runs argv (NULL-terminated; no shell of its own sees it, the login shell only
 * unquotes) with stdin empty. TRUE: it ended by itself, see `ret` (which must be zeroed or
 * cleared; untouched on failure). After timeout_ms it is killed with its process
 * group and the error is G_IO_ERROR_TIMED_OUT; the session stays usable if the guest still answers.
 */
gboolean ssh_guest_run(struct ssh_guest *guest, const char *const *argv, unsigned int timeout_ms,
		       GCancellable *cancellable, struct ssh_result *ret, GError **error);

/*
 * Copies `local` to absolute path `remote` with `mode`: into a temporary name beside it,
 * its SHA-256 computed by the guest compared with ours, then renamed. On failure
 * the old file is as it was. Needs sh, cat, chmod, mv, rm; without sha256sum the file is
 * read back. Remembered for cleanup; with config.cleanup a file that was there before is
 * never replaced.
 */
gboolean ssh_guest_put(struct ssh_guest *guest, const char *local, const char *remote, int mode,
		       GCancellable *cancellable, GError **error);

/* Makes a new private directory under /tmp of the guest, remembered for cleanup. Caller frees the path. */
char *ssh_guest_mkdtemp(struct ssh_guest *guest, GCancellable *cancellable, GError **error);

/* Removes what put and mkdtemp left, connecting again (once) if the session is lost. The error names what remains. */
gboolean ssh_guest_cleanup(struct ssh_guest *guest, GCancellable *cancellable, GError **error);

/*
 * Starts argv (the agent with --stdio) and carries bytes both ways from the thread-default
 * main context. `sink` is borrowed. One stream a guest at a time.
 */
gboolean ssh_guest_start_stream(struct ssh_guest *guest, const char *const *argv,
				const struct ssh_sink *sink, GError **error);
/* Queue bytes to the command's stdin; never blocks, keeps order, dropped if there is no stream. */
void ssh_guest_stream_write(struct ssh_guest *guest, GBytes *bytes);
/* Bytes queued and not yet handed to the network: what back-pressure looks at. */
gsize ssh_guest_stream_pending(const struct ssh_guest *guest);
/* Ends the stream without a word to the sink: end of file, ten seconds' grace, kill. In a callback: end of file only. */
void ssh_guest_stop_stream(struct ssh_guest *guest);

#endif
