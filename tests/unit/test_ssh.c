// SPDX-License-Identifier: GPL-2.0
/* The SSH path without an sshd: quoting, what is refused before the network, peers that are no SSH servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "error.h"
#include "ssh.h"

static char *dir, *key;

static int setup(void **state)
{
	g_autofree char *command = NULL;

	dir = g_dir_make_tmp("vexlab-ssh-XXXXXX", NULL);
	assert_non_null(dir);
	key = g_build_filename(dir, "key", NULL);
	command = g_strdup_printf("ssh-keygen -q -t ed25519 -N '' -f %s", key);
	return g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
	g_autofree char *command = g_strdup_printf("rm -rf %s", dir);

	g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL);
	g_free(dir);
	g_free(key);
	return 0;
}

/* A word of every byte but NUL, and words that a shell would like to interpret, come back as they were. */
static void test_quote_survives_shell(void **state)
{
	static const char *const shells[] = { "/bin/sh", "/bin/dash", "/bin/bash", NULL };
	char all[256];
	const char *argv[] = { "printf", "%s|", "", "a b", "'", "''", "\\", "a'b\"c$d`e`", "$(id)", "-n", "~", "*",
			       "new\nline", "\\'", "!x", all, NULL };
	g_autofree char *command = NULL;
	g_autoptr(GString) expected = g_string_new(NULL);
	int i;

	for (i = 1; i < 256; i++)
		all[i - 1] = i;
	all[255] = 0;
	command = ssh_guest_quote_argv(argv);
	for (i = 2; argv[i]; i++)
		g_string_append_printf(expected, "%s|", argv[i]);
	for (i = 0; shells[i]; i++) {
		char *const sh[] = { (char *)shells[i], "-c", command, NULL };
		g_autofree char *out = NULL;
		int status = -1;

		if (access(shells[i], X_OK))
			continue;
		assert_true(g_spawn_sync(NULL, (char **)sh, NULL, 0, NULL, NULL, &out, NULL, &status, NULL));
		assert_int_equal(status, 0);
		assert_string_equal(out, expected->str);
	}
}

static void test_quote_exact(void **state)
{
	const char *none[] = { NULL };
	g_autofree char *empty = ssh_guest_quote("");
	g_autofree char *quote = ssh_guest_quote("it's");

	assert_string_equal(empty, "''");
	assert_string_equal(quote, "'it'\\''s'");
	assert_null(ssh_guest_quote_argv(none));
	assert_null(ssh_guest_quote_argv(NULL));
}

static struct ssh_config good(unsigned int port)
{
	return (struct ssh_config){ .host = "127.0.0.1", .port = port, .key = key, .known_hosts = "/dev/null",
				    .connect_timeout_ms = 400, .backoff_ms = 40, .backoff_max_ms = 100 };
}

static void expect_refused(struct ssh_config config, const char *word)
{
	g_autoptr(GError) error = NULL;

	assert_null(ssh_guest_new(&config, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_CONFIG));
	assert_non_null(strstr(error->message, word));
}

static void test_config_refused(void **state)
{
	static const char *const hosts[] = { NULL, "", "-oProxyCommand=x", "a b", "root@h", "h;id", "h\n", NULL };
	struct ssh_config c;
	int i;

	for (i = 0; i == 0 || hosts[i]; i++) {
		c = good(22);
		c.host = hosts[i];
		expect_refused(c, "host");
	}
	c = good(22);
	c.user = "a b";
	expect_refused(c, "user");
	c = good(65536);
	expect_refused(c, "65535");
	c = good(22);
	c.retries = 31;
	expect_refused(c, "30");
	c = good(22);
	c.known_hosts = NULL;
	expect_refused(c, "known_hosts");
	c = good(22);
	c.key = NULL;
	g_unsetenv("SSH_AUTH_SOCK");
	expect_refused(c, "ssh-agent");
}

static void test_free_null(void **state)
{
	struct ssh_result r = { 0 };

	ssh_guest_free(NULL);
	ssh_result_clear(&r);
	ssh_result_clear(&r);
}

static void test_not_connected(void **state)
{
	struct ssh_config c = good(22);
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = ssh_guest_new(&c, NULL);
	const char *argv[] = { "true", NULL };
	struct ssh_sink sink = { 0 };
	struct ssh_result r = { 0 };
	g_autoptr(GError) a = NULL, b = NULL, d = NULL;
	g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);

	assert_false(ssh_guest_connected(g));
	assert_false(ssh_guest_run(g, argv, 100, NULL, &r, &a));
	assert_true(g_error_matches(a, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_false(ssh_guest_put(g, key, "/tmp/x", 0600, NULL, &b));
	assert_true(g_error_matches(b, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_false(ssh_guest_start_stream(g, argv, &sink, &d));
	assert_true(g_error_matches(d, VX_ERROR, VX_ERROR_UNAVAILABLE));
	ssh_guest_stream_write(g, bytes);
	assert_int_equal(ssh_guest_stream_pending(g), 0);
	ssh_guest_stop_stream(g);
	assert_true(ssh_guest_cleanup(g, NULL, NULL));
}

static void test_bad_key_before_network(void **state)
{
	struct ssh_config c = good(1);
	VX_GUARD(ssh_guest_free) struct ssh_guest *missing = NULL;
	VX_GUARD(ssh_guest_free) struct ssh_guest *nokey = NULL;
	g_autoptr(GError) a = NULL, b = NULL;

	c.retries = 5;
	c.key = "/nonexistent/key";
	missing = ssh_guest_new(&c, NULL);
	assert_false(ssh_guest_connect(missing, NULL, &a));
	assert_true(g_error_matches(a, VX_ERROR, VX_ERROR_CONFIG));
	assert_int_equal(ssh_guest_attempts(missing), 1);
	c.key = "/etc/passwd";
	nokey = ssh_guest_new(&c, NULL);
	assert_false(ssh_guest_connect(nokey, NULL, &b));
	assert_true(g_error_matches(b, VX_ERROR, VX_ERROR_CONFIG));
}

/* Nobody is there to type a passphrase: said at once, not asked for. */
static void test_locked_key(void **state)
{
	g_autofree char *path = g_build_filename(dir, "locked", NULL);
	g_autofree char *command = g_strdup_printf("ssh-keygen -q -t ed25519 -N secret -f %s", path);
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;
	struct ssh_config c = good(1);

	assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
	c.key = path;
	g = ssh_guest_new(&c, NULL);
	assert_false(ssh_guest_connect(g, NULL, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_CONFIG));
	assert_non_null(strstr(error->message, "passphrase"));
}

/* A listener on a free port of 127.0.0.1; closed when unreferenced. */
static GSocket *listener(unsigned int *port)
{
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
	g_autoptr(GSocketAddress) at = NULL;
	GSocket *s = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);

	assert_true(g_socket_bind(s, any, FALSE, NULL) && g_socket_listen(s, NULL));
	at = g_socket_get_local_address(s, NULL);
	*port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(at));
	return s;
}

static void test_closed_port_backs_off(void **state)
{
	g_autoptr(GSocket) s = NULL;
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;
	struct ssh_config c = good(0);
	gint64 start;

	s = listener(&c.port);
	g_clear_object(&s);
	c.retries = 4;
	g = ssh_guest_new(&c, NULL);
	start = g_get_monotonic_time();
	assert_false(ssh_guest_connect(g, NULL, &error));
	/* 40 + 80 + 100 + 100 ms, each +-25 %; nothing else takes time. */
	assert_in_range(g_get_monotonic_time() - start, 240 * 1000, 400 * 1000 + 600 * 1000);
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_non_null(strstr(error->message, "5 attempts"));
	assert_int_equal(ssh_guest_attempts(g), 5);
}

static void test_silent_peer_times_out(void **state)
{
	g_autoptr(GSocket) s = NULL;
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;
	struct ssh_config c = good(0);
	gint64 start = g_get_monotonic_time();

	s = listener(&c.port);
	c.retries = 1;
	g = ssh_guest_new(&c, NULL);
	assert_false(ssh_guest_connect(g, NULL, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
	assert_int_equal(vx_error_exit_code(error), EX_UNAVAILABLE);
	assert_int_equal(ssh_guest_attempts(g), 2);
	/* A third of 400 ms, a pause of 30 ms at least, and the last attempt in full. */
	assert_in_range(g_get_monotonic_time() - start, (133 + 30 + 400) * 1000, 3000 * 1000);
}

static gpointer cancel_soon(gpointer cancellable)
{
	g_usleep(100 * 1000);
	g_cancellable_cancel(cancellable);
	return NULL;
}

static void cancelled(unsigned int port)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;
	struct ssh_config c = good(port);
	gint64 start = g_get_monotonic_time();
	GThread *thread;

	c.connect_timeout_ms = c.backoff_ms = c.backoff_max_ms = 20000;
	c.retries = 3;
	g = ssh_guest_new(&c, NULL);
	thread = g_thread_new("cancel", cancel_soon, cancellable);
	assert_false(ssh_guest_connect(g, cancellable, &error));
	g_thread_join(thread);
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_int_equal(ssh_guest_attempts(g), 1);
	assert_in_range(g_get_monotonic_time() - start, 0, 2000 * 1000);
}

static void test_cancel_connect_and_backoff(void **state)
{
	unsigned int port;
	g_autoptr(GSocket) s = listener(&port);

	cancelled(port);
	g_clear_object(&s);
	cancelled(port);
}

struct peer {
	GSocket *listener;
	const char *say;
	gsize repeat;
};

static gpointer speak(gpointer data)
{
	struct peer *p = data;
	g_autoptr(GSocket) s = g_socket_accept(p->listener, NULL, NULL);
	gsize i;

	for (i = 0; s && i < p->repeat; i++)
		if (g_socket_send(s, p->say, strlen(p->say), NULL, NULL) < 0)
			break;
	return NULL;
}

/* Peers that say anything but SSH: an error, soon, and no memory touched that is not ours (ASan). */
static void test_nonsense(void **state)
{
	static const struct { const char *say; gsize repeat; } cases[] = {
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", 1 },
		{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 40000 },
		{ "SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 100 },
		{ "SSH-1.5-old\r\n", 1 },
		{ "\r\n\033[2Jlook\r\n", 2000 },
		{ "", 0 },
	};
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ssh_config c = good(0);
		g_autoptr(GSocket) s = listener(&c.port);
		struct peer p = { s, cases[i].say, cases[i].repeat };
		VX_GUARD(ssh_guest_free) struct ssh_guest *g = ssh_guest_new(&c, NULL);
		GThread *thread = g_thread_new("peer", speak, &p);
		g_autoptr(GError) error = NULL;
		const char *at;

		assert_false(ssh_guest_connect(g, NULL, &error));
		assert_int_equal(vx_error_exit_code(error), EX_UNAVAILABLE);
		for (at = error->message; *at; at++)
			assert_true(g_ascii_isprint(*at));
		assert_false(ssh_guest_connected(g));
		g_thread_join(thread);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quote_exact),
		cmocka_unit_test(test_quote_survives_shell),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_free_null),
		cmocka_unit_test(test_not_connected),
		cmocka_unit_test(test_bad_key_before_network),
		cmocka_unit_test(test_locked_key),
		cmocka_unit_test(test_closed_port_backs_off),
		cmocka_unit_test(test_silent_peer_times_out),
		cmocka_unit_test(test_cancel_connect_and_backoff),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("ssh", tests, setup, teardown);
}
