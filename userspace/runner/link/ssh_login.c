// SPDX-License-Identifier: GPL-2.0
/* From nothing to a session that is logged in: TCP, key exchange, the guest's key, ours. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <libssh/server.h>	/* ssh_set_message_callback */

#include "ssh_priv.h"

/* libssh would begin with chacha20: an emulated guest sends up to twice as fast with AES, a real one is no slower. */
#define CIPHERS	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr"

static int connect_address(GSocketAddress *address, gint64 deadline, GCancellable *cancellable, GError **error)
{
	g_autoptr(GSocket) sock = NULL;
	g_autoptr(GError) failed = NULL;
	gint64 left = deadline - g_get_monotonic_time();

	sock = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
	if (!sock)
		return -1;
	g_socket_set_blocking(sock, FALSE);
	g_socket_set_option(sock, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
	if (!g_socket_connect(sock, address, cancellable, &failed)) {
		if (!g_error_matches(failed, G_IO_ERROR, G_IO_ERROR_PENDING)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return -1;
		}
		if (!g_socket_condition_timed_wait(sock, G_IO_OUT, MAX(left, 0), cancellable, error) ||
		    !g_socket_check_connect_result(sock, error))
			return -1;
	}
	return fcntl(g_socket_get_fd(sock), F_DUPFD_CLOEXEC, 3);
}

/* A connected, non-blocking descriptor, or -1. Each address in turn; the last one's error. */
static int connect_tcp(struct ssh_guest *g, gint64 deadline, GCancellable *cancellable, GError **error)
{
	g_autoptr(GSocketConnectable) name = g_network_address_new(g->c.host, g->c.port);
	g_autoptr(GSocketAddressEnumerator) addresses = g_socket_connectable_enumerate(name);
	g_autoptr(GError) failed = NULL;

	for (;;) {
		g_autoptr(GError) enum_error = NULL;
		g_autoptr(GSocketAddress) address =
			g_socket_address_enumerator_next(addresses, cancellable, &enum_error);
		int fd;

		if (!address) {
			if (!failed)
				failed = g_steal_pointer(&enum_error);
			break;
		}
		g_clear_error(&failed);
		fd = connect_address(address, deadline, cancellable, &failed);
		if (fd >= 0)
			return fd;
		if (g_cancellable_is_cancelled(cancellable))
			break;
	}
	if (failed && failed->domain == G_IO_ERROR &&
	    (failed->code == G_IO_ERROR_CANCELLED || failed->code == G_IO_ERROR_TIMED_OUT)) {
		g_propagate_prefixed_error(error, g_steal_pointer(&failed), "%s: ", g->where);
		return -1;
	}
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "cannot reach %s: %s; see that the guest runs, has an sshd, and that host and port are right",
		    g->where, failed ? failed->message : "no address");
	return -1;
}

/* Whatever the guest asks of us (channels to open, forwards) is refused at once, and so never queued. */
static int refuse(ssh_session session, ssh_message message, void *ctx)
{
	return 1;
}

static gboolean set_options(struct ssh_guest *g, int fd, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(g->c.known_hosts, "%", -1);
	g_autofree char *known_hosts = g_strjoinv("%%", parts);	/* libssh expands % */
	ssh_session s = g->session;
	gboolean no = FALSE;
	bool config = false;

	if (ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &config) ||
	    ssh_options_set(s, SSH_OPTIONS_HOST, g->c.host) ||
	    ssh_options_set(s, SSH_OPTIONS_PORT, &g->c.port) ||
	    ssh_options_set(s, SSH_OPTIONS_USER, g->c.user) ||
	    ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, known_hosts) ||
	    ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_C_S, CIPHERS) ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_S_C, CIPHERS) ||
	    ssh_options_set(s, SSH_OPTIONS_GSSAPI_DELEGATE_CREDENTIALS, &no) ||
	    ssh_options_set(s, SSH_OPTIONS_FD, &fd)) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "libssh refuses an option for %s: %s", g->where, ssh_get_error(s));
		return FALSE;
	}
	ssh_set_blocking(s, 0);
	ssh_set_message_callback(s, refuse, NULL);
	memset(&g->heard, 0, sizeof(g->heard));
	ssh_set_counters(s, &g->heard, NULL);
	return TRUE;
}

/*
 * A port forward accepts for a guest that is still starting, and such a
 * connection may stay silent for long after the guest is up: while there are
 * retries left, no banner within a third of the time is worth a new connection.
 */
static gboolean key_exchange(struct ssh_guest *g, gint64 deadline, GCancellable *cancellable, GError **error)
{
	gint64 banner = g->attempts <= g->c.retries ? sg_deadline(g->c.connect_timeout_ms / 3) : deadline;
	int rc;

	while ((rc = ssh_connect(g->session)) == SSH_AGAIN) {
		gboolean named = ssh_get_serverbanner(g->session) != NULL;

		if (!sg_wait(g, named ? deadline : MIN(banner, deadline), cancellable, error))
			return FALSE;
	}
	if (rc == SSH_OK)
		return TRUE;
	sg_lose(g, ssh_get_error(g->session));
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "no SSH connection to %s: %s", g->where, g->lost);
	return FALSE;
}

static char *fingerprint(ssh_session session)
{
	ssh_key key = NULL;
	unsigned char *hash = NULL;
	char *text, *ret;
	gsize len;

	if (ssh_get_server_publickey(session, &key))
		return g_strdup("(no key)");
	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len))
		hash = NULL;
	ssh_key_free(key);
	text = hash ? ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len) : NULL;
	ret = g_strdup(text ? text : "(no fingerprint)");
	ssh_clean_pubkey_hash(&hash);
	ssh_string_free_char(text);
	return ret;
}

static gboolean check_host_key(struct ssh_guest *g, GError **error)
{
	enum ssh_known_hosts_e known = ssh_session_is_known_server(g->session);
	g_autofree char *print = NULL;
	g_autofree char *shown = NULL;
	char *line = NULL;

	if (known == SSH_KNOWN_HOSTS_OK)
		return TRUE;
	print = fingerprint(g->session);
	if (ssh_session_export_known_hosts_entry(g->session, &line) == SSH_OK && line)
		shown = g_strchomp(g_strdup(line));
	ssh_string_free_char(line);
	if (known == SSH_KNOWN_HOSTS_CHANGED || known == SSH_KNOWN_HOSTS_OTHER) {
		g_set_error(error, VX_ERROR, VX_ERROR_PERM, "%s shows the host key %s, which is not the one pinned in %s: "
			    "either the guest was made anew, or something answers in its place. "
			    "Compare with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the guest's own console; only if they agree, "
			    "replace its line there by: %s", g->where, print, g->c.known_hosts, shown ? shown : "(none)");
		return FALSE;
	}
	if (known == SSH_KNOWN_HOSTS_ERROR) {
		g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL,
			    "%s: the host key cannot be checked: %s", g->where, ssh_get_error(g->session));
		return FALSE;
	}
	g_set_error(error, VX_ERROR, VX_ERROR_PERM, "%s shows the host key %s, and %s pins none for it. "
		    "Compare with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the guest's own console; if they agree, add the line: %s",
		    g->where, print, g->c.known_hosts, shown ? shown : "(none)");
	return FALSE;
}

static gboolean load_key(struct ssh_guest *g, ssh_key *ret, GError **error)
{
	int rc = ssh_pki_import_privkey_file(g->c.key, NULL, NULL, NULL, ret);

	if (rc == SSH_OK)
		return TRUE;
	if (rc == SSH_EOF)
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "cannot read the private key %s: see that the path is right and readable", g->c.key);
	else
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s is not a private key that can be used without a passphrase: "
			    "make one with `ssh-keygen -t ed25519 -N ''`, or give it to an ssh-agent and name no key", g->c.key);
	return FALSE;
}

static gboolean login_answer(struct ssh_guest *g, int rc, gboolean *final, GError **error)
{
	if (rc == SSH_AUTH_SUCCESS)
		return TRUE;
	if (!sg_alive(g, error))
		return FALSE;
	*final = TRUE;
	if (rc == SSH_AUTH_DENIED)
		g_set_error(error, VX_ERROR, VX_ERROR_PERM,
			    "%s refuses %s%s: add its public half to that user's ~/.ssh/authorized_keys", g->where,
			    g->c.key ? "the key " : "every key of the ssh-agent", g->c.key ? g->c.key : "");
	else if (rc == SSH_AUTH_PARTIAL)
		g_set_error(error, VX_ERROR, VX_ERROR_PERM,
			    "%s wants more than a key: allow this user to log in with the key alone", g->where);
	else
		g_set_error(error, VX_ERROR, VX_ERROR_PERM, "cannot log in to %s: %s", g->where, ssh_get_error(g->session));
	return FALSE;
}

static gboolean login(struct ssh_guest *g, ssh_key key, gint64 deadline, GCancellable *cancellable, gboolean *final,
		      GError **error)
{
	int rc;

	for (;;) {
		rc = key ? ssh_userauth_publickey(g->session, NULL, key) : ssh_userauth_agent(g->session, NULL);
		if (rc != SSH_AUTH_AGAIN)
			return login_answer(g, rc, final, error);
		if (!sg_wait(g, deadline, cancellable, error))
			return FALSE;
	}
}

static gboolean open_session(struct ssh_guest *g, ssh_key key, GCancellable *cancellable, gboolean *final,
			     GError **error)
{
	gint64 deadline = sg_deadline(g->c.connect_timeout_ms);
	int fd = connect_tcp(g, deadline, cancellable, error);

	if (fd < 0)
		return FALSE;
	g->session = ssh_new();
	if (!g->session || !set_options(g, fd, error)) {
		*final = TRUE;
		close(fd);
		return FALSE;
	}
	if (!key_exchange(g, deadline, cancellable, error))
		return FALSE;
	if (!check_host_key(g, error)) {
		*final = TRUE;
		return FALSE;
	}
	if (!login(g, key, deadline, cancellable, final, error))
		return FALSE;
	g->event = ssh_event_new();
	if (!g->event || ssh_event_add_session(g->event, g->session)) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "libssh cannot watch the session to %s", g->where);
		*final = TRUE;
		return FALSE;
	}
	return TRUE;
}

/* Until the guest has shown its key, anything may be a guest that is still starting: worth another try. */
gboolean sg_connect_once(struct ssh_guest *g, GCancellable *cancellable, gboolean *final, GError **error)
{
	ssh_key key = NULL;
	gboolean ok;

	*final = TRUE;
	if (g->c.key && !load_key(g, &key, error))
		return FALSE;
	*final = FALSE;
	ok = open_session(g, key, cancellable, final, error);
	*final |= g_cancellable_is_cancelled(cancellable);
	ssh_key_free(key);
	return ok;
}
