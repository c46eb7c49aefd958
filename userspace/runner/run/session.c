// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <zlib.h>

#include "disk.h"
#include "error.h"
#include "fsutil.h"
#include "link.h"
#include "session_priv.h"
#include "wire.h"
#include <vexlab/metrics.h>

#define GRACE_MS	3500	/* for the agent's answer, beyond the step's own deadline: it looks for 2 s where it is */
#define TRACE_MS	60000	/* attaching everything under TCG takes two seconds */
#define ALLOCS_MS	300000	/* walking a million allocations under TCG takes a minute */
#define PUT_WINDOW	(1u << 20)

G_DEFINE_QUARK(vexlab-session, session_error)

/* ---- waiting ------------------------------------------------------------- */

static gboolean wake(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

void session_lose(struct session *s, enum session_loss loss, const char *format, ...)
{
	va_list args;

	if (s->lost)
		return;
	va_start(args, format);
	s->lost = g_strdup_vprintf(format, args);
	va_end(args);
	s->loss = loss;
	session_take_box(s);
	if (s->sink.note)
		s->sink.note(s->sink.ctx, json_pack("{s:s, s:s, s:s}", "event", "lost", "lost", s->lost,
						    "cause", session_loss_word(loss)));
}

void session_fail(struct session *s, const GError *why)
{
	if (!s->failure)
		s->failure = g_error_copy(why);
}

const GError *session_failure(const struct session *s)
{
	return s->failure;
}

static gboolean told_why(struct session *s, GError **error)
{
	if (g_cancellable_set_error_if_cancelled(s->config.cancellable, error))
		return TRUE;
	if (!s->failure && s->sink.failure && s->sink.failure(s->sink.ctx))
		session_fail(s, s->sink.failure(s->sink.ctx));
	if (s->failure) {
		g_propagate_error(error, g_error_copy(s->failure));
		return TRUE;
	}
	if (s->lost)
		g_set_error(error, SESSION_ERROR, SESSION_LOST, "the guest is lost: %s", s->lost);
	return s->lost != NULL;
}

gboolean session_await(struct session *s, guint16 type, guint64 id, guint timeout_ms,
		       const char *what, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
	guint timer = g_timeout_add(50, wake, NULL);
	gboolean failed = FALSE;

	s->wait = (struct waiter){ .type = type, .id = id, .payload = s->wait.payload };
	while (!s->wait.done && !(failed = told_why(s, error))) {
		session_watch(s, deadline, timeout_ms, what);
		if (!s->lost)
			g_main_context_iteration(NULL, TRUE);
	}
	s->wait.type = 0;
	g_source_remove(timer);
	return !failed;
}

/* Does this frame answer what is waited for? Those with an id carry it first. */
static gboolean answers(const struct waiter *w, const struct vx_frame *frame, const void *payload)
{
	guint64 id64;
	guint32 id32;

	if (frame->type != w->type || w->done)
		return FALSE;
	if (frame->type == VX_MSG_STEP || frame->type == VX_MSG_ALLOCS) {
		const gsize least = frame->type == VX_MSG_STEP ? sizeof(struct vx_msg_step) : sizeof(struct vx_msg_allocs);

		if (frame->length < least)
			return FALSE;
		memcpy(&id64, payload, sizeof(id64));
		return id64 == w->id;
	}
	if (frame->type == VX_MSG_PUT) {
		if (frame->length < sizeof(struct vx_msg_put))
			return FALSE;
		memcpy(&id32, payload, sizeof(id32));
		return id32 == w->id;
	}
	return TRUE;
}

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct session *s = ctx;

	s->last_seen = g_get_monotonic_time();
	s->sink.frame(s->sink.ctx, frame, payload);
	if (!answers(&s->wait, frame, payload))
		return;
	g_byte_array_set_size(s->wait.payload, 0);
	g_byte_array_append(s->wait.payload, payload, frame->length);
	s->wait.done = TRUE;
}

void session_channel(void *ctx, const void *data, gsize len)
{
	struct session *s = ctx;
	struct link_stats stats;

	link_feed(s->link, data, len);
	link_stats(s->link, &stats);
	if (stats.stale_frames > s->stale_frames)
		s->stale_seen = g_get_monotonic_time();
	s->stale_frames = stats.stale_frames;
}

void session_console(void *ctx, const void *data, gsize len)
{
	struct session *s = ctx;

	s->console_bytes += len;
	s->sink.console(s->sink.ctx, data, len);
}

/* ---- opening and closing --------------------------------------------------- */

static void session_note_ready(struct session *s)
{
	s->ready_ms = (double)(g_get_monotonic_time() - s->began) / 1000;
	if (s->sink.note)
		s->sink.note(s->sink.ctx, json_pack("{s:s, s:s, s:f, s:f}", "event", "ready",
						    "how", s->how, "ms", s->ready_ms, "clock_off_ms", s->clock_off_ms));
}

struct session *session_open(const struct session_config *config, const struct session_sink *sink,
			     GError **error)
{
	struct session *s = g_new0(struct session, 1);
	gboolean ok;

	s->config = *config;
	s->sink = *sink;
	s->began = g_get_monotonic_time();
	s->wait.payload = g_byte_array_new();
	ok = config->ssh ? session_open_ssh(s, error) : session_open_vm(s, error);
	if (!ok) {
		/* What followed from it says less. */
		if (s->failure) {
			g_clear_error(error);
			g_propagate_error(error, g_error_copy(s->failure));
		}
		session_close(s);
		return NULL;
	}
	s->ready = TRUE;
	session_note_ready(s);
	return s;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	session_close_transport(s);
	link_free(s->link);
	g_byte_array_unref(s->wait.payload);
	g_clear_error(&s->failure);
	g_free(s->lost);
	g_free(s->workdir);
	g_free(s->greeting);
	g_free(s->initrd);
	g_free(s->scratch);
	g_free(s->cmdline);
	g_free(s->probe);
	g_free(s->ready_key);
	g_free(s);
}

void session_link(struct session *s, const struct link_transport *transport)
{
	link_free(s->link);
	s->link = link_new(transport, on_frame, s);
	/* A new conversation: its silence begins now. */
	s->last_seen = g_get_monotonic_time();
	s->stale_seen = 0;
	s->stale_frames = 0;
}

/* A new epoch: what was under way before is no news any more. */
gboolean session_greet(struct session *s, guint timeout_ms, GError **error)
{
	guint64 now = (guint64)g_get_real_time() * 1000;

	link_hello(s->link, ++s->epoch, s->config.ssh ? 0 : now);
	if (!session_await(s, VX_MSG_HELLO, 0, timeout_ms, "the greeting", error))
		return FALSE;
	return session_take_greeting(s, now, error);
}

/* Between question and answer the guest cannot be told to be wrong. */
static double off_ms(guint64 asked_ns, guint64 guest_ns)
{
	const double now = (double)g_get_real_time() * 1000;

	if ((double)guest_ns < (double)asked_ns)
		return ((double)guest_ns - (double)asked_ns) / 1e6;
	return (double)guest_ns > now ? ((double)guest_ns - now) / 1e6 : 0;
}

/* Each guest anew, whatever a state that it woke up from was asked to do. */
static void ask_for_metrics(struct session *s)
{
	const struct vx_req_metrics req = { .interval_ms = s->config.config->performance_interval_ms };

	link_send(s->link, VX_REQ_METRICS, &req, sizeof(req), NULL, 0);
}

gboolean session_take_greeting(struct session *s, guint64 asked_ns, GError **error)
{
	const GByteArray *got = s->wait.payload;
	struct vx_msg_hello msg;

	if (got->len < sizeof(msg)) {
		g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL, "the agent's greeting is too short");
		return FALSE;
	}
	memcpy(&msg, got->data, sizeof(msg));
	if (msg.protocol != VX_PROTOCOL_VERSION) {
		g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL,
			    "the agent speaks protocol %u, this vexlab speaks %u: build both anew",
			    msg.protocol, VX_PROTOCOL_VERSION);
		return FALSE;
	}
	s->clock_off_ms = off_ms(asked_ns, msg.realtime_ns);
	g_free(s->greeting);
	s->greeting = g_strndup((const char *)got->data + sizeof(msg), got->len - sizeof(msg));
	ask_for_metrics(s);
	return TRUE;
}

const char *session_lost(const struct session *s)
{
	return s->lost;
}

const char *session_workdir(const struct session *s)
{
	return s->workdir;
}

const char *session_device(const struct session *s)
{
	return s->config.ssh ? NULL : "/dev/vdc";
}

const char *session_how(const struct session *s)
{
	return s->how;
}

double session_ready_ms(const struct session *s)
{
	return s->ready_ms;
}

double session_clock_off_ms(const struct session *s)
{
	return s->clock_off_ms;
}

const char *session_greeting(const struct session *s)
{
	return s->greeting ? s->greeting : "";
}

char *session_kernel(const struct session *s)
{
	const char *line = g_strstr_len(session_greeting(s), -1, "kernel=");

	return line ? g_strndup(line + strlen("kernel="), strcspn(line + strlen("kernel="), "\n")) : g_strdup("");
}

const char *session_probe(const struct session *s)
{
	return s->probe;
}

struct vm *session_vm(struct session *s)
{
	return s->vm;
}

/* ---- requests ---------------------------------------------------------------- */

void step_result_clear(struct step_result *result)
{
	g_clear_pointer(&result->output, g_free);
}

gboolean session_step(struct session *s, const struct vx_req_step *req,
		      const char *const *strings, struct step_result *ret, GError **error)
{
	guint ms = (guint)(req->deadline_ns / 1000000) + GRACE_MS;
	const GByteArray *got = s->wait.payload;
	void *payload = NULL;
	gint64 len = vx_step_pack(req, strings, &payload);

	if (len < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "step %s does not fit a frame",
			    vx_step_op_name(req->op));
		return FALSE;
	}
	if (told_why(s, error)) {
		free(payload);
		return FALSE;
	}
	link_send(s->link, VX_REQ_STEP, payload, (gsize)len, NULL, 0);
	free(payload);
	if (!session_await(s, VX_MSG_STEP, req->id, ms, vx_step_op_name(req->op), error))
		return FALSE;
	memcpy(&ret->msg, got->data, sizeof(ret->msg));
	ret->output_len = got->len - sizeof(ret->msg);
	ret->output = g_malloc(ret->output_len + 1);
	memcpy(ret->output, got->data + sizeof(ret->msg), ret->output_len);
	ret->output[ret->output_len] = '\0';
	return TRUE;
}

static gboolean put_chunks(struct session *s, const char *data, gsize size, const char *remote,
			   int mode, guint32 id, GError **error)
{
	const gsize path_len = strlen(remote) + 1;
	g_autofree char *tail = g_malloc(path_len + VX_PUT_CHUNK_MAX);
	gsize at = 0;

	memcpy(tail, remote, path_len);
	do {
		gsize n = MIN(size - at, VX_PUT_CHUNK_MAX);
		struct vx_req_put req = {
			.offset = at, .id = id, .mode = (guint32)mode,
			.last = at + n == size, .path_len = (guint32)path_len,
		};

		while (link_pending(s->link) > PUT_WINDOW) {
			if (told_why(s, error))
				return FALSE;
			g_main_context_iteration(NULL, TRUE);
		}
		memcpy(tail + path_len, data + at, n);
		link_send(s->link, VX_REQ_PUT, &req, sizeof(req), tail, path_len + n);
		at += n;
	} while (at < size);
	return TRUE;
}

static gboolean put_over_link(struct session *s, const char *local, const char *remote, int mode,
			      GError **error)
{
	guint32 id = ++s->put_id, crc;
	g_autofree char *data = NULL;
	struct vx_msg_put msg;
	gsize size;

	if (!g_file_get_contents(local, &data, &size, error))
		return FALSE;
	crc = (guint32)crc32(0, (const Bytef *)data, (uInt)size);
	if (!put_chunks(s, data, size, remote, mode, id, error) ||
	    !session_await(s, VX_MSG_PUT, id, GRACE_MS + (guint)(size / 1024), "a file transfer", error))
		return FALSE;
	memcpy(&msg, s->wait.payload->data, sizeof(msg));
	if (!msg.err && msg.size == size && msg.crc == crc)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "%s did not arrive in the guest as %s: %s", local,
		    remote, msg.err ? g_strerror(-msg.err) : "size or checksum differ");
	return FALSE;
}

gboolean session_put(struct session *s, const char *local, const char *remote, int mode,
		     GError **error)
{
	if (told_why(s, error))
		return FALSE;
	if (s->ssh)
		return ssh_guest_put(s->ssh, local, remote, mode, s->config.cancellable, error);
	return put_over_link(s, local, remote, mode, error);
}

gboolean session_trace(struct session *s, const struct vx_req_trace *req,
		       struct vx_msg_trace *ret, GError **error)
{
	if (told_why(s, error))
		return FALSE;
	link_send(s->link, VX_REQ_TRACE, req, sizeof(*req), NULL, 0);
	if (!session_await(s, VX_MSG_TRACE, 0, TRACE_MS, "attaching the probes", error))
		return FALSE;
	if (s->wait.payload->len < sizeof(*ret)) {
		g_set_error(error, VX_ERROR, VX_ERROR_PROTOCOL, "the agent's answer is too short");
		return FALSE;
	}
	memcpy(ret, s->wait.payload->data, sizeof(*ret));
	return TRUE;
}

gboolean session_allocs(struct session *s, enum vx_alloc_source source, struct vx_msg_allocs *ret, GError **error)
{
	const struct vx_req_allocs req = { .id = ++s->allocs_id, .source = source };

	if (told_why(s, error))
		return FALSE;
	link_send(s->link, VX_REQ_ALLOCS, &req, sizeof(req), NULL, 0);
	if (!session_await(s, VX_MSG_ALLOCS, req.id, ALLOCS_MS, "what is outstanding", error))
		return FALSE;
	memcpy(ret, s->wait.payload->data, sizeof(*ret));
	return TRUE;
}

gboolean session_flush(struct session *s, GError **error)
{
	if (told_why(s, error))
		return FALSE;
	link_send(s->link, VX_REQ_FLUSH, NULL, 0, NULL, 0);
	return session_await(s, VX_MSG_FLUSHED, 0, TRACE_MS, "the last events", error);
}

gboolean session_marks(struct session *s, const struct vx_req_marks *req, GError **error)
{
	if (told_why(s, error))
		return FALSE;
	link_send(s->link, VX_REQ_MARKS, req, sizeof(*req), NULL, 0);
	return session_flush(s, error);
}
