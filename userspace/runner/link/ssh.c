// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "ssh_priv.h"

#define SG_RETRIES_MAX	30
#define SG_PUMP_MAX	64	/* reads of 4 KiB before somebody else gets a turn */

gint64 sg_deadline(unsigned int timeout_ms)
{
	return g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;
}

char *sg_printable(const char *data, gsize len)
{
	GString *out = g_string_new(NULL);
	gsize i;

	while (len && g_ascii_isspace(data[len - 1]))
		len--;
	for (i = 0; i < len && out->len < 200; i++) {
		if (data[i] == '\n')
			g_string_append(out, "; ");
		else
			g_string_append_c(out, g_ascii_isprint(data[i]) ? data[i] : '?');
	}
	if (i < len)
		g_string_append(out, "...");
	return g_string_free(out, FALSE);
}

void sg_lose(struct ssh_guest *g, const char *why)
{
	if (!g->lost)
		g->lost = sg_printable(why, strlen(why));
}

gboolean sg_alive(struct ssh_guest *g, GError **error)
{
	if (!g->session) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s is not connected: connect first", g->where);
		return FALSE;
	}
	if (!g->lost && (ssh_get_status(g->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)))
		sg_lose(g, ssh_get_error(g->session));
	if (!g->lost)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "lost the SSH session to %s (%s): see that the guest still runs, then connect again",
		    g->where, g->lost);
	return FALSE;
}

gboolean sg_pump(struct ssh_guest *g)
{
	unsigned int i;

	if (!g->event)
		return FALSE;
	for (i = 0; i < SG_PUMP_MAX; i++) {
		int rc = ssh_event_dopoll(g->event, 0);

		if (rc == SSH_ERROR)
			sg_lose(g, ssh_get_error(g->session));
		if (rc < 0)
			return FALSE;
	}
	return TRUE;
}

gboolean sg_wait(struct ssh_guest *g, gint64 deadline, GCancellable *cancellable, GError **error)
{
	GPollFD fds[2] = { { .fd = ssh_get_fd(g->session), .events = G_IO_IN } };
	gint64 left = deadline - g_get_monotonic_time();
	gboolean can_cancel;

	if (g_cancellable_set_error_if_cancelled(cancellable, error))
		return FALSE;
	if (left <= 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s did not answer in time", g->where);
		return FALSE;
	}
	if (!sg_alive(g, error))
		return FALSE;
	if (ssh_get_poll_flags(g->session) & SSH_WRITE_PENDING)
		fds[0].events |= G_IO_OUT;
	can_cancel = g_cancellable_make_pollfd(cancellable, &fds[1]);
	g_poll(fds, can_cancel ? 2 : 1, left / 1000 + 1);
	if (can_cancel)
		g_cancellable_release_fd(cancellable);
	sg_pump(g);
	return sg_alive(g, error);
}

static const char *keep(struct ssh_guest *g, const char *text, const char *otherwise)
{
	if (!text)
		text = otherwise;
	return text ? g_string_chunk_insert(g->strings, text) : NULL;
}

/* libssh reads user@ and URIs out of a host name: take only what can be nothing else. */
static gboolean is_name(const char *text, const char *extra)
{
	const char *p;

	if (!text || !*text || *text == '-' || strlen(text) > 255)
		return FALSE;
	for (p = text; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr(extra, *p))
			return FALSE;
	return TRUE;
}

static gboolean config_check(const struct ssh_config *c, GError **error)
{
	if (!is_name(c->host, ".-_:%")) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "SSH host '%s' is neither a name nor an address (user and port are options of their own)",
			    c->host ? c->host : "");
		return FALSE;
	}
	if (c->user && !is_name(c->user, ".-_$@")) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "SSH user '%s' has characters that no user name has", c->user);
		return FALSE;
	}
	if (c->port > 65535) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "SSH port %u: allowed are 1 to 65535", c->port);
		return FALSE;
	}
	if (c->retries > SG_RETRIES_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "SSH retries %u: allowed are 0 to %d", c->retries, SG_RETRIES_MAX);
		return FALSE;
	}
	if (!c->known_hosts || !*c->known_hosts) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "no known_hosts file for %s: name one that holds the guest's host key", c->host);
		return FALSE;
	}
	if (!c->key && !g_getenv("SSH_AUTH_SOCK")) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "no key for %s: name a private key file, or start an ssh-agent and ssh-add one", c->host);
		return FALSE;
	}
	return TRUE;
}

struct ssh_guest *ssh_guest_new(const struct ssh_config *config, GError **error)
{
	struct ssh_guest *g;
	struct ssh_config *c;

	if (!config_check(config, error))
		return NULL;
	g = g_new0(struct ssh_guest, 1);
	c = &g->c;
	*c = *config;
	g->strings = g_string_chunk_new(256);
	c->host = keep(g, config->host, NULL);
	c->user = keep(g, config->user, "root");
	c->key = keep(g, config->key, NULL);
	c->known_hosts = keep(g, config->known_hosts, NULL);
	c->port = c->port ?: 22;
	c->connect_timeout_ms = c->connect_timeout_ms ?: 10000;
	c->backoff_ms = c->backoff_ms ?: 200;
	c->backoff_max_ms = c->backoff_max_ms ?: 5000;
	c->stall_timeout_ms = c->stall_timeout_ms ?: 30000;
	c->keepalive_ms = c->keepalive_ms ?: 10000;
	c->output_limit = c->output_limit ?: 1024 * 1024;
	g->where = g_strdup_printf("%s@%s:%u", c->user, c->host, c->port);
	g->files = g_ptr_array_new_with_free_func(g_free);
	g->dirs = g_ptr_array_new_with_free_func(g_free);
	return g;
}

void ssh_guest_free(struct ssh_guest *g)
{
	if (!g)
		return;
	g_return_if_fail(!sg_stream_busy(g, NULL));
	ssh_guest_stop_stream(g);
	if (g->c.cleanup)
		ssh_guest_cleanup(g, NULL, NULL);
	sg_drop(g);
	g_ptr_array_unref(g->files);
	g_ptr_array_unref(g->dirs);
	g_string_chunk_free(g->strings);
	g_free(g->where);
	g_free(g);
}

/* Channels must be closed before: the session frees them. */
void sg_drop(struct ssh_guest *g)
{
	sg_stream_drop(g);
	if (g->event)
		ssh_event_free(g->event);
	g->event = NULL;
	if (g->session) {
		/* Not the polite one: that leaves a descriptor it was given open, or not, depending on the error. */
		ssh_silent_disconnect(g->session);
		ssh_free(g->session);
	}
	g->session = NULL;
	g_clear_pointer(&g->lost, g_free);
}

/* Doubling, at most backoff_max_ms, and 25 % of chance, so that many runners do not knock in step. */
static gboolean backoff(struct ssh_guest *g, unsigned int retry, GCancellable *cancellable, GError **error)
{
	gint64 ms = MIN((gint64)g->c.backoff_ms << MIN(retry, 20), g->c.backoff_max_ms);
	gint64 end = g_get_monotonic_time() + ms * g_random_int_range(750, 1251);
	GPollFD fd;

	if (!g_cancellable_make_pollfd(cancellable, &fd)) {
		g_usleep(MAX(end - g_get_monotonic_time(), 0));
		return TRUE;
	}
	g_poll(&fd, 1, MAX(end - g_get_monotonic_time(), 0) / 1000);
	g_cancellable_release_fd(cancellable);
	return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

gboolean ssh_guest_connect(struct ssh_guest *g, GCancellable *cancellable, GError **error)
{
	gboolean final = FALSE;

	if (sg_stream_busy(g, error))
		return FALSE;
	g->attempts = 0;
	for (;;) {
		g_autoptr(GError) failed = NULL;

		sg_drop(g);
		g->attempts++;
		if (sg_connect_once(g, cancellable, &final, &failed))
			return TRUE;
		sg_drop(g);
		if (final || g->attempts > g->c.retries) {
			g_propagate_error(error, g_steal_pointer(&failed));
			if (g->attempts > 1)
				g_prefix_error(error, "%u attempts: ", g->attempts);
			return FALSE;
		}
		if (!backoff(g, g->attempts - 1, cancellable, error))
			return FALSE;
	}
}

gboolean ssh_guest_connected(const struct ssh_guest *g)
{
	return g->session && g->event && !g->lost &&
	       !(ssh_get_status(g->session) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

unsigned int ssh_guest_attempts(const struct ssh_guest *g)
{
	return g->attempts;
}
