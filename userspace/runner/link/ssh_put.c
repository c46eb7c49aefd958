// SPDX-License-Identifier: GPL-2.0
/*
 * Files on the guest, by `cat` on a channel and not by sftp: libssh's sftp
 * (0.10) has no deadline, it spins for ever on a server that stays silent; and
 * what is deployed is to be executed, so there is a shell anyway.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssh_priv.h"

#define CHUNK		32000	/* below the 32 KiB that sshd takes in one packet */
#define CLEAN_BATCH	16	/* paths a command: 16 * SG_PATH_MAX, quoted, stays below SG_COMMAND_MAX */

G_STATIC_ASSERT(CLEAN_BATCH * SG_PATH_MAX * 4 < SG_COMMAND_MAX);

struct put {
	struct ssh_guest *guest;
	const char *local, *remote;
	char *temp;
	int fd, mode;
	gint64 size;
	char digest[65];	/* empty until all was sent */
	GCancellable *cancellable;
};

static gboolean path_ok(const char *remote, GError **error)
{
	gsize len = strlen(remote);

	if (remote[0] == '/' && len > 1 && len < SG_PATH_MAX && remote[len - 1] != '/')
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
		    "'%.64s' is no path for a file on the guest: give an absolute one, shorter than %d bytes",
		    remote, SG_PATH_MAX);
	return FALSE;
}

static char *random_hex(void)
{
	return g_strdup_printf("%08x%08x", g_random_int(), g_random_int());
}

static gboolean is_ours(const GPtrArray *paths, const char *path)
{
	return g_ptr_array_find_with_equal_func((GPtrArray *)paths, path, g_str_equal, NULL);
}

static void forget(GPtrArray *paths, const char *path)
{
	guint i;

	if (g_ptr_array_find_with_equal_func(paths, path, g_str_equal, &i))
		g_ptr_array_remove_index(paths, i);
}

static gboolean guest_failed(struct ssh_guest *g, const char *doing, const char *path, const struct ssh_result *r,
			     GError **error)
{
	g_autofree char *said = sg_printable(r->err->str, r->err->len);
	g_autofree char *how = r->status < 0 ? g_strdup_printf("SIG%s", r->signal) :
					       g_strdup_printf("status %d", r->status);

	g_set_error(error, VX_ERROR, VX_ERROR_IO, "%s failed %s %s (%s): %s", g->where, doing, path, how,
		    said[0] ? said : "it said nothing; see that there is space and the directory exists");
	return FALSE;
}

/* Hands `len` bytes to the command, as fast as it takes them. FALSE without an error: it ended first. */
static gboolean send_all(struct put *p, struct sg_exec *x, const char *data, gsize len, GError **error)
{
	struct ssh_guest *g = p->guest;
	gint64 deadline = sg_deadline(g->c.stall_timeout_ms);

	while (len) {
		int n = 0;

		if (x->eof || x->closed || x->exited)
			return FALSE;
		if (!(ssh_get_poll_flags(g->session) & SSH_WRITE_PENDING))
			n = ssh_channel_write(x->channel, data, len);
		if (n < 0)
			return sg_alive(g, error) && FALSE;
		data += n;
		len -= n;
		if (n)
			deadline = sg_deadline(g->c.stall_timeout_ms);
		if (len && !sg_wait(g, deadline, p->cancellable, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean send_file(struct put *p, struct sg_exec *x, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree char *buf = g_malloc(CHUNK);
	gint64 sent = 0;
	ssize_t n;

	while ((n = read(p->fd, buf, CHUNK)) > 0) {
		g_autoptr(GError) failed = NULL;

		g_checksum_update(sum, (guchar *)buf, n);
		sent += n;
		if (g_cancellable_set_error_if_cancelled(p->cancellable, error))
			return FALSE;
		if (!send_all(p, x, buf, n, &failed)) {
			if (!failed)
				return TRUE;	/* its exit status tells */
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
	}
	if (n < 0) {
		vx_error_set_errno(error, errno, "cannot read %s", p->local);
		return FALSE;
	}
	p->size = sent;
	g_strlcpy(p->digest, g_checksum_get_string(sum), sizeof(p->digest));
	ssh_channel_send_eof(x->channel);
	return TRUE;
}

struct said {
	GString *text[2];
};

static gsize said_data(void *ctx, gboolean is_err, const void *data, gsize len)
{
	struct said *s = ctx;
	GString *to = s->text[is_err != 0];

	g_string_append_len(to, data, MIN(len, 4096 - MIN(to->len, 4096)));
	return len;
}

/* Sends the file into `temp` and returns what the guest made of it: its SHA-256, or "none". */
static gboolean transfer(struct put *p, struct ssh_result *ret, GError **error)
{
	struct ssh_guest *g = p->guest;
	struct said said = { { g_string_new(NULL), g_string_new(NULL) } };
	struct sg_exec x = { .data = said_data, .ctx = &said };
	g_autofree char *temp = ssh_guest_quote(p->temp);
	g_autofree char *script = g_strdup_printf(
		"umask 077; cat >%s && chmod %o %s && if command -v sha256sum >/dev/null; then sha256sum <%s; else echo none; fi",
		temp, p->mode & 07777, temp, temp);
	gint64 deadline = sg_deadline(g->c.stall_timeout_ms);
	gboolean ok;

	ok = sg_exec_open(&x, g, script, deadline, p->cancellable, error) && send_file(p, &x, error);
	/* Hashing is silent: one second for each MiB more. */
	if (ok)
		ok = sg_exec_wait(&x, sg_deadline(g->c.stall_timeout_ms) + (p->size >> 20) * G_USEC_PER_SEC,
				  p->cancellable, error);
	sg_exec_close(&x, TRUE);
	ret->status = x.status;
	memcpy(ret->signal, x.signal, sizeof(ret->signal));
	ret->out = said.text[0];
	ret->err = said.text[1];
	return ok;
}

struct readback {
	GChecksum *sum;
	gint64 left;
};

static gsize readback_data(void *ctx, gboolean is_err, const void *data, gsize len)
{
	struct readback *r = ctx;

	if (is_err)
		return len;
	r->left -= len;
	if (r->left >= 0)
		g_checksum_update(r->sum, data, len);
	return len;
}

static gboolean read_back(struct put *p, char digest[65], GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	struct readback back = { sum, p->size };
	struct sg_exec x = { .data = readback_data, .ctx = &back };
	g_autofree char *temp = ssh_guest_quote(p->temp);
	g_autofree char *script = g_strdup_printf("cat <%s", temp);
	gint64 deadline = sg_deadline(p->guest->c.stall_timeout_ms) + (p->size >> 20) * G_USEC_PER_SEC;
	gboolean ok;

	ok = sg_exec_open(&x, p->guest, script, deadline, p->cancellable, error);
	if (ok)
		ssh_channel_send_eof(x.channel);
	while (ok && !sg_exec_done(&x) && back.left >= 0)
		ok = sg_wait(p->guest, deadline, p->cancellable, error) || sg_exec_done(&x);
	sg_exec_close(&x, TRUE);
	g_strlcpy(digest, back.left == 0 ? g_checksum_get_string(sum) : "", 65);
	return ok;
}

static gboolean check(struct put *p, const struct ssh_result *r, GError **error)
{
	char digest[65] = "";

	if (r->status != 0)
		return guest_failed(p->guest, "writing", p->temp, r, error);
	if (!p->digest[0]) {
		g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL,
			    "%s stopped taking %s before its end, without saying why: see that `cat` works there",
			    p->guest->where, p->local);
		return FALSE;
	}
	if (g_str_equal(r->out->str, "none\n")) {
		if (!read_back(p, digest, error))
			return FALSE;
	} else {
		g_strlcpy(digest, r->out->str, sizeof(digest));
	}
	if (g_str_equal(digest, p->digest))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL,
		    "%s arrived damaged on %s (SHA-256 here %s, there %.64s): try again, and if it stays so "
		    "distrust that guest's disk or memory",
		    p->local, p->guest->where, p->digest, digest[0] ? "another" : "unknown");
	return FALSE;
}

static gboolean rename_into_place(struct put *p, GError **error)
{
	struct ssh_guest *g = p->guest;
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	g_autofree char *temp = ssh_guest_quote(p->temp);
	g_autofree char *remote = ssh_guest_quote(p->remote);
	gboolean keep = g->c.cleanup && !is_ours(g->files, p->remote);
	g_autofree char *script = g_strdup_printf(
		"if [ -d %s ]; then echo is a directory >&2; exit 73; fi; "
		"if %s && { [ -e %s ] || [ -L %s ]; }; then echo is there already and not ours to replace >&2; exit 73; fi; mv -f %s %s",
		remote, keep ? "true" : "false", remote, remote, temp, remote);

	if (!sg_shell(g, script, g->c.stall_timeout_ms, p->cancellable, &r, error))
		return FALSE;
	if (r.status != 0)
		return guest_failed(g, "making", p->remote, &r, error);
	forget(g->files, p->temp);
	if (!is_ours(g->files, p->remote))
		g_ptr_array_add(g->files, g_strdup(p->remote));
	return TRUE;
}

static void remove_temp(struct put *p)
{
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	g_autofree char *temp = ssh_guest_quote(p->temp);
	g_autofree char *script = g_strdup_printf("rm -f %s", temp);

	/* Not in time, or the session lost: it stays on the list for cleanup. */
	if (sg_shell(p->guest, script, SG_KILL_MS, NULL, &r, NULL) && r.status == 0)
		forget(p->guest->files, p->temp);
}

static int open_regular(const char *path, GError **error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		vx_error_set_errno(error, errno, "cannot read %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s is not a regular file", path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

gboolean ssh_guest_put(struct ssh_guest *g, const char *local, const char *remote, int mode,
		       GCancellable *cancellable, GError **error)
{
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	struct put p = { .guest = g, .local = local, .remote = remote, .mode = mode, .cancellable = cancellable };
	g_autofree char *hex = random_hex();
	g_autofree char *temp = NULL;
	gboolean ok;

	if (sg_stream_busy(g, error) || !sg_alive(g, error) || !path_ok(remote, error))
		return FALSE;
	p.fd = open_regular(local, error);
	if (p.fd < 0)
		return FALSE;
	p.temp = temp = g_strdup_printf("%s.%s", remote, hex);
	g_ptr_array_add(g->files, g_strdup(temp));
	ok = transfer(&p, &r, error) && check(&p, &r, error) && rename_into_place(&p, error);
	if (!ok)
		remove_temp(&p);
	close(p.fd);
	sg_stream_kick(g);
	return ok;
}

char *ssh_guest_mkdtemp(struct ssh_guest *g, GCancellable *cancellable, GError **error)
{
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	g_autofree char *hex = random_hex();
	g_autofree char *dir = g_strdup_printf("/tmp/vexlab-%s", hex);
	g_autofree char *script = g_strdup_printf("umask 077; mkdir %s", dir);

	if (sg_stream_busy(g, error))
		return NULL;
	if (!sg_shell(g, script, g->c.stall_timeout_ms, cancellable, &r, error))
		return NULL;
	if (r.status != 0) {
		guest_failed(g, "making", dir, &r, error);
		return NULL;
	}
	g_ptr_array_add(g->dirs, g_strdup(dir));
	return g_steal_pointer(&dir);
}

static gboolean remove_all(struct ssh_guest *g, const char *verb, GPtrArray *paths, GCancellable *cancellable,
			   GError **error)
{
	while (paths->len) {
		guint i, n = MIN(paths->len, CLEAN_BATCH);
		g_autoptr(GString) script = g_string_new(verb);
		SSH_RESULT_CLEAR struct ssh_result r = { 0 };

		for (i = 0; i < n; i++) {
			g_autofree char *word = ssh_guest_quote(paths->pdata[i]);

			g_string_append_printf(script, " %s", word);
		}
		if (!sg_shell(g, script->str, g->c.stall_timeout_ms, cancellable, &r, error))
			return FALSE;
		if (r.status != 0)
			return guest_failed(g, "removing", paths->pdata[0], &r, error);
		g_ptr_array_remove_range(paths, 0, n);
	}
	return TRUE;
}

static gboolean clean_once(struct ssh_guest *g, GCancellable *cancellable, GError **error)
{
	gboolean final;

	sg_pump(g);	/* see a session that has died meanwhile */
	if (!ssh_guest_connected(g)) {
		sg_drop(g);
		if (!sg_connect_once(g, cancellable, &final, error)) {
			sg_drop(g);
			return FALSE;
		}
	}
	return remove_all(g, "rm -f --", g->files, cancellable, error) &&
	       remove_all(g, "rmdir --", g->dirs, cancellable, error);
}

gboolean ssh_guest_cleanup(struct ssh_guest *g, GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) failed = NULL;
	gboolean ok;

	if (sg_stream_busy(g, error))
		return FALSE;
	if (!g->files->len && !g->dirs->len)
		return TRUE;
	ok = clean_once(g, cancellable, &failed);
	if (!ok && g->lost) {	/* it died under the first try */
		g_clear_error(&failed);
		ok = clean_once(g, cancellable, &failed);
	}
	if (!ok)
		g_propagate_prefixed_error(error, g_steal_pointer(&failed), "%s and %u more may remain on %s: ",
					   (char *)(g->files->len ? g->files : g->dirs)->pdata[0],
					   g->files->len + g->dirs->len - 1, g->where);
	sg_stream_kick(g);
	return ok;
}
