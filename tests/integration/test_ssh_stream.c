// SPDX-License-Identifier: GPL-2.0
/* Streams over SSH, against a real sshd (sshd.h): whole, in order, beside other commands, and told when they end. */
#include "sshd.h"

struct stream_test {
	struct ssh_guest *guest;
	GMainLoop *loop;
	guint64 sent, got, total, frame;	/* bytes; byte number n is pattern(n) */
	gsize max_pending;
	gboolean bad, stop_when_data;
	GString *console;
	int gone, status;
	enum ssh_gone why;
	char *text;
};

static guint8 pattern(guint64 n)
{
	return (n * 0x9E3779B97F4A7C15ull) >> 56;
}

static void feed(struct stream_test *t)
{
	while (t->sent < t->total && ssh_guest_stream_pending(t->guest) < MIB) {
		gsize any = g_random_int_range(1, 200000);
		gsize len = MIN(t->frame ?: any, t->total - t->sent), i;
		guint8 *data = g_malloc(len);
		g_autoptr(GBytes) bytes = NULL;

		for (i = 0; i < len; i++)
			data[i] = pattern(t->sent + i);
		bytes = g_bytes_new_take(data, len);
		t->sent += len;
		ssh_guest_stream_write(t->guest, bytes);
	}
	t->max_pending = MAX(t->max_pending, ssh_guest_stream_pending(t->guest));
}

static void on_channel(void *ctx, const void *data, gsize len)
{
	struct stream_test *t = ctx;
	const guint8 *p = data;
	gsize i;

	for (i = 0; i < len; i++)
		t->bad |= p[i] != pattern(t->got + i);
	t->got += len;
	feed(t);
	if (t->stop_when_data)
		ssh_guest_stop_stream(t->guest);
	if (t->stop_when_data || t->got >= t->total)
		g_main_loop_quit(t->loop);
}

static void on_console(void *ctx, const void *data, gsize len)
{
	struct stream_test *t = ctx;

	g_string_append_len(t->console, data, len);
}

static void on_gone(void *ctx, enum ssh_gone why, int status, const char *text)
{
	struct stream_test *t = ctx;

	t->gone++;
	t->why = why;
	t->status = status;
	g_free(t->text);
	t->text = g_strdup(text);
	g_main_loop_quit(t->loop);
}

static gboolean too_long(gpointer unused)
{
	fail_msg("nothing happened for a minute");
	return G_SOURCE_REMOVE;
}

static void loop_run(struct stream_test *t)
{
	guint id = g_timeout_add_seconds(60, too_long, NULL);

	g_main_loop_run(t->loop);
	g_source_remove(id);
}

static void start(struct stream_test *t, struct ssh_guest *g, const char *script, struct ssh_sink *sink)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	g_autoptr(GError) error = NULL;

	*sink = (struct ssh_sink){ on_console, on_channel, on_gone, t };
	t->guest = g;
	if (!t->loop)
		t->loop = g_main_loop_new(NULL, FALSE);
	if (!t->console)
		t->console = g_string_new(NULL);
	if (!ssh_guest_start_stream(g, argv, sink, &error))
		fail_msg("%s", error->message);
}

static void finish(struct stream_test *t)
{
	g_main_loop_unref(t->loop);
	g_string_free(t->console, TRUE);
	g_free(t->text);
}

static void echo_through(struct ssh_guest *g, guint64 total, guint64 frame)
{
	struct stream_test t = { .total = total, .frame = frame };
	struct ssh_sink sink;
	gint64 begin = g_get_monotonic_time();
	double s;

	start(&t, g, "exec cat", &sink);
	feed(&t);
	loop_run(&t);
	s = since(begin) / 1e6;
	print_message("  %" G_GUINT64_FORMAT " MiB both ways in %s: %.2f s, %.1f MiB/s each way\n", total / MIB,
		      frame ? "64 byte frames" : "pieces of any size", s, total / s / MIB);
	assert_false(t.bad);
	assert_int_equal(t.got, total);
	assert_int_equal(t.gone, 0);
	assert_in_range(t.max_pending, 1, MIB + 200000);
	ssh_guest_stop_stream(g);
	assert_int_equal(t.gone, 0);
	finish(&t);
}

static void test_stream_100_mb(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();

	echo_through(g, 100 * MIB, 0);		/* with new keys every 16 MiB, see the sshd's configuration */
	echo_through(g, 8 * MIB, 64);
	assert_true(ssh_guest_connected(g));
}

/* Commands on the same session while a stream is full: neither waits for nor disturbs the other. */
static void test_run_beside_stream(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	struct stream_test t = { .total = 12 * MIB };
	struct ssh_sink sink;
	int i;

	start(&t, g, "exec cat", &sink);
	while (t.sent < t.total) {
		guint8 data[4096];
		g_autoptr(GBytes) bytes = NULL;

		for (i = 0; i < 4096; i++)
			data[i] = pattern(t.sent + i);
		bytes = g_bytes_new(data, sizeof(data));
		ssh_guest_stream_write(g, bytes);
		t.sent += sizeof(data);
	}
	for (i = 0; i < 20; i++) {
		SSH_RESULT_CLEAR struct ssh_result r = { 0 };
		guint64 before = t.got;

		run_sh(g, "head -c 300000 /dev/zero; sleep 0.05", &r);
		assert_int_equal(r.out->len, 300000);
		assert_int_equal(t.got, before);	/* never from inside a call */
		g_main_context_iteration(NULL, FALSE);
	}
	random_file("big", 5 * MIB);
	assert_true(put(g, "big", "copy", 0600, NULL));
	sh("cmp %s/big %s/copy", dir, dir);
	if (t.got < t.total)
		loop_run(&t);
	assert_false(t.bad);
	assert_int_equal(t.got, t.total);
	finish(&t);
}

static void ends(const char *script, enum ssh_gone why, int status, const char *word)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	struct stream_test t = { .total = 5 };
	struct ssh_sink sink;

	start(&t, g, script, &sink);
	while (!t.gone)
		loop_run(&t);
	assert_int_equal(t.why, why);
	assert_int_equal(t.status, status);
	assert_non_null(strstr(t.text, word));
	assert_string_equal(t.console->str, "words\n");
	assert_int_equal(t.got, 5);		/* what was said before the end is not lost */
	assert_int_equal(ssh_guest_stream_pending(g), 0);
	assert_true(ssh_guest_connected(g));
	finish(&t);
}

static void test_stream_end(void **state)
{
	ends("printf hello; echo words >&2; exit 7", SSH_GONE_EXITED, 7, "7");
	ends("printf hello; echo words >&2; kill -KILL $$", SSH_GONE_SIGNALED, -1, "KILL");
}

static void test_stream_stop(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	g_autofree char *deaf = g_strdup_printf("echo $$ >%s/pid4; exec sleep 1000", dir);
	struct stream_test t = { .total = MIB }, quick = { .total = MIB, .stop_when_data = TRUE };
	struct ssh_sink sink;
	gint64 begin;

	start(&t, g, deaf, &sink);
	g_usleep(300 * 1000);
	begin = g_get_monotonic_time();
	ssh_guest_stop_stream(g);
	assert_in_range(since(begin), 9900 * 1000, 14000 * 1000);	/* the grace, then killed */
	assert_true(process_gone(pid_in("pid4")));
	start(&quick, g, "exec cat", &sink);
	feed(&quick);
	loop_run(&quick);			/* stopped from inside a callback */
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(t.gone + quick.gone, 0);
	assert_true(ssh_guest_connected(g));
	finish(&t);
	finish(&quick);
}

static void test_stream_lost_and_back(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	struct stream_test t = { .total = 1000 * MIB };
	struct ssh_sink sink;
	gint64 begin;

	start(&t, g, "exec cat", &sink);
	feed(&t);
	while (t.got < MIB)
		g_main_context_iteration(NULL, TRUE);
	signal_tree(sshd, SIGKILL);
	begin = g_get_monotonic_time();
	while (!t.gone)
		loop_run(&t);
	assert_in_range(since(begin), 0, 2000 * 1000);
	assert_int_equal(t.gone, 1);
	assert_int_equal(t.why, SSH_GONE_LOST);
	assert_false(t.bad);
	assert_false(ssh_guest_connected(g));
	kill_sshd();
	start_sshd(NULL, "0");
	assert_true(ssh_guest_connect(g, NULL, NULL));
	finish(&t);
	echo_through(g, 3 * MIB, 0);
}

/* A guest that hangs with its connection open: only the heartbeat can tell. */
static void test_heartbeat(void **state)
{
	struct ssh_config c = config("user", "known");
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	struct stream_test t = { .total = 1 };
	struct ssh_sink sink;
	gint64 begin = g_get_monotonic_time();

	c.keepalive_ms = 150;
	g = connected(&c);
	start(&t, g, "exec cat", &sink);
	while (since(begin) < 2000 * 1000) {	/* silent, but answers: lives */
		g_main_context_iteration(NULL, FALSE);
		g_usleep(5000);
	}
	assert_int_equal(t.gone, 0);
	signal_tree(sshd, SIGSTOP);
	begin = g_get_monotonic_time();
	while (!t.gone)
		loop_run(&t);
	assert_in_range(since(begin), 150 * 1000, 1500 * 1000);
	assert_int_equal(t.why, SSH_GONE_LOST);
	assert_non_null(strstr(t.text, "unanswered"));
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_stream_100_mb), T(test_run_beside_stream), T(test_stream_end), T(test_stream_stop),
		T(test_stream_lost_and_back), T(test_heartbeat),
	};

	return cmocka_run_group_tests_name("ssh streams against sshd", tests, group_setup, group_teardown);
}
