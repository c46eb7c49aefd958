// SPDX-License-Identifier: GPL-2.0
#include <curl/curl.h>
#include <gio/gio.h>

#include "alert_send.h"
#include "process.h"

#define CONNECT_MS	3000L
#define ANSWER_MAX	(64u << 10)	/* of a webhook's answer, which nobody reads */

struct message {
	char **env;		/* NULL: the end */
	char *body;
};

enum way { WAY_COMMAND, WAY_WEBHOOK, WAYS };

struct alert_send {
	char *command, *webhook;
	GAsyncQueue *queue;	/* struct message * */
	GMainContext *context;	/* the thread's own: process_run() runs it, not the run's */
	GCancellable *cancel;
	gint cut_off;		/* the same for what runs no context; atomic */
	GThread *thread;
	GMutex lock;		/* for what follows */
	gboolean done;
	GCond is_done;
	gboolean failed[WAYS];
	GString *failures;	/* not told yet */
};

static void message_free(gpointer data)
{
	struct message *message = data;

	g_strfreev(message->env);
	g_free(message->body);
	g_free(message);
}

/* Once each: a service that is down is down for every alert. */
static void fail(struct alert_send *send, enum way way, const char *why)
{
	g_mutex_lock(&send->lock);
	if (!send->failed[way])
		g_string_append_printf(send->failures, "%salerts do not reach the %s (told once): %s", send->failures->len ? "; " : "",
				       way == WAY_COMMAND ? "command" : "webhook", why);
	send->failed[way] = TRUE;
	g_mutex_unlock(&send->lock);
}

static void run_command(struct alert_send *send, const struct message *message)
{
	const char *argv[] = { send->command, NULL };
	const struct process process = {
		.argv = argv, .env = (const char *const *)message->env, .log_fd = -1,
		.deadline_us = g_get_monotonic_time() + ALERT_COMMAND_S * G_USEC_PER_SEC,
	};
	g_autoptr(GError) error = NULL;

	if (!process_run(&process, send->cancel, &error))
		fail(send, WAY_COMMAND, error->message);
}

static size_t drop(char *data, size_t size, size_t n, void *ctx)
{
	size_t *have = ctx;

	*have += size * n;
	return *have > ANSWER_MAX ? 0 : size * n;
}

static int is_cancelled(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct alert_send *send = ctx;

	return g_atomic_int_get(&send->cut_off);
}

static void post(struct alert_send *send, const struct message *message)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char why[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	size_t have = 0;
	CURLcode code;

	if (curl) {
		curl_easy_setopt(curl, CURLOPT_URL, send->webhook);
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message->body);
		curl_easy_setopt(curl, CURLOPT_USERAGENT, "vexlab");
		curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ALERT_WEBHOOK_MS);
		curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &have);
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_cancelled);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, send);
		code = curl_easy_perform(curl);
		if (code != CURLE_OK)
			fail(send, WAY_WEBHOOK, *why ? why : curl_easy_strerror(code));
		curl_easy_cleanup(curl);
	}
	curl_slist_free_all(headers);
}

static gpointer send_all(gpointer data)
{
	struct alert_send *send = data;
	struct message *message;

	g_main_context_push_thread_default(send->context);
	while ((message = g_async_queue_pop(send->queue))->env) {
		if (send->command && !g_atomic_int_get(&send->cut_off))
			run_command(send, message);
		if (send->webhook && !g_atomic_int_get(&send->cut_off))
			post(send, message);
		message_free(message);
	}
	message_free(message);
	g_main_context_pop_thread_default(send->context);
	g_mutex_lock(&send->lock);
	send->done = TRUE;
	g_cond_signal(&send->is_done);
	g_mutex_unlock(&send->lock);
	return NULL;
}

struct alert_send *alert_send_new(const char *command, const char *webhook)
{
	struct alert_send *send = g_new0(struct alert_send, 1);
	static gsize begun;

	if (g_once_init_enter(&begun)) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		g_once_init_leave(&begun, 1);
	}
	send->command = g_strdup(command);
	send->webhook = g_strdup(webhook);
	send->queue = g_async_queue_new_full(message_free);
	send->context = g_main_context_new();
	send->cancel = g_cancellable_new();
	send->failures = g_string_new(NULL);
	g_mutex_init(&send->lock);
	g_cond_init(&send->is_done);
	send->thread = g_thread_new("alerts", send_all, send);
	return send;
}

void alert_send(struct alert_send *send, const char *const *env, const char *body)
{
	struct message *message;

	if (!send->thread || g_async_queue_length(send->queue) >= ALERTS_WAITING) {
		fail(send, send->command ? WAY_COMMAND : WAY_WEBHOOK, "too many wait");
		return;
	}
	message = g_new0(struct message, 1);
	message->env = g_strdupv((char **)env);
	message->body = g_strdup(body);
	g_async_queue_push(send->queue, message);
}

static gboolean cancel(gpointer data)
{
	g_cancellable_cancel(data);
	return G_SOURCE_REMOVE;
}

void alert_send_finish(struct alert_send *send, guint end_ms)
{
	const gint64 until = g_get_monotonic_time() + end_ms * G_TIME_SPAN_MILLISECOND;

	if (!send || !send->thread)
		return;
	g_async_queue_push(send->queue, g_new0(struct message, 1));
	g_mutex_lock(&send->lock);
	while (!send->done && g_cond_wait_until(&send->is_done, &send->lock, until))
		;
	g_mutex_unlock(&send->lock);
	g_atomic_int_set(&send->cut_off, 1);
	/* In the thread itself: GLib loses a source that is cancelled from another one. */
	g_main_context_invoke(send->context, cancel, send->cancel);
	g_thread_join(g_steal_pointer(&send->thread));
}

void alert_send_free(struct alert_send *send)
{
	if (!send)
		return;
	alert_send_finish(send, 0);
	g_async_queue_unref(send->queue);
	g_object_unref(send->cancel);
	g_main_context_unref(send->context);
	g_string_free(send->failures, TRUE);
	g_mutex_clear(&send->lock);
	g_cond_clear(&send->is_done);
	g_free(send->command);
	g_free(send->webhook);
	g_free(send);
}

char *alert_send_failure(struct alert_send *send)
{
	char *text = NULL;

	g_mutex_lock(&send->lock);
	if (send->failures->len)
		text = g_strdup(send->failures->str);
	g_string_truncate(send->failures, 0);
	g_mutex_unlock(&send->lock);
	return text;
}
