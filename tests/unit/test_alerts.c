// SPDX-License-Identifier: GPL-2.0
/* Alerts: the first of a kind at once, then a count now and then; a program and a webhook that hold nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <gio/gio.h>

#include "alert_send.h"
#include "alerts.h"

#define SEC	G_USEC_PER_SEC

static GString *told;

static void tell(void *ctx, const struct finding *finding, guint times, gboolean more)
{
	g_string_append_printf(told, "%s%s x%u;", more ? "+" : "", finding->title, times);
}

static void find(GPtrArray *list, enum finding_class class, enum severity severity, const char *title)
{
	g_ptr_array_add(list, finding_new(class, severity, title));
}

static void expect_told(const char *text)
{
	assert_string_equal(told->str, text);
	g_string_truncate(told, 0);
}

static void test_a_count_now_and_then(void **state)
{
	const struct alerts_sink sink = { tell, NULL };
	VX_GUARD(alerts_free) struct alerts *alerts = alerts_new(&sink);
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	guint i;

	told = g_string_new(NULL);
	find(list, FINDING_OOPS, SEV_HIGH, "a");
	alerts_look(alerts, list, 100 * SEC);
	expect_told("a x1;");
	for (i = 0; i < 50; i++)
		find(list, FINDING_OOPS, SEV_HIGH, "a");
	find(list, FINDING_HANG, SEV_CRITICAL, "a");	/* the same words for something else */
	alerts_look(alerts, list, 101 * SEC);
	expect_told("a x1;");
	alerts_look(alerts, list, 110 * SEC - 1);
	expect_told("");
	alerts_look(alerts, list, 110 * SEC);
	expect_told("+a x50;");
	find(list, FINDING_OOPS, SEV_HIGH, "a");
	alerts_look(alerts, list, 115 * SEC);
	expect_told("");
	alerts_flush(alerts);
	expect_told("+a x1;");
	alerts_flush(alerts);
	expect_told("");
	g_string_free(told, TRUE);
}

static void test_which_are_alerts(void **state)
{
	const struct alerts_sink sink = { tell, NULL };
	VX_GUARD(alerts_free) struct alerts *alerts = alerts_new(&sink);
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);

	told = g_string_new(NULL);
	find(list, FINDING_WARNING, SEV_MEDIUM, "a warning");
	find(list, FINDING_HIGH_CPU, SEV_MEDIUM, "cpu");
	find(list, FINDING_SLOW_OPERATION, SEV_MEDIUM, "slow");
	find(list, FINDING_STEP_FAILED, SEV_HIGH, "step");
	find(list, FINDING_OOPS, SEV_CRITICAL, "noise");
	((struct finding *)list->pdata[4])->noise = TRUE;
	alerts_look(alerts, list, SEC);
	expect_told("cpu x1;slow x1;step x1;");
	g_string_free(told, TRUE);
}

/* Every finding another title: the table does not grow for ever, and nothing is lost. */
static void test_no_end_of_kinds(void **state)
{
	const struct alerts_sink sink = { tell, NULL };
	VX_GUARD(alerts_free) struct alerts *alerts = alerts_new(&sink);
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	guint i;

	told = g_string_new(NULL);
	for (i = 0; i < ALERT_KINDS_MAX + 100; i++) {
		g_autofree char *title = g_strdup_printf("%u", i);

		find(list, FINDING_OOPS, SEV_HIGH, title);
	}
	alerts_look(alerts, list, SEC);
	g_string_truncate(told, 0);
	alerts_flush(alerts);
	expect_told("+355 x99;");
	g_string_free(told, TRUE);
}

/* ---- sending -------------------------------------------------------------------------------- */

static char *dir;

static char *script(const char *text)
{
	char *path = g_build_filename(dir, "command", NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static int make_dir(void **state)
{
	dir = g_dir_make_tmp("vexlab-alerts-XXXXXX", NULL);
	return 0;
}

static int drop_dir(void **state)
{
	static const char *const names[] = { "command", "out" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);

		remove(path);
	}
	assert_int_equal(remove(dir), 0);
	g_free(dir);
	return 0;
}

static void test_a_program_has_its_environment(void **state)
{
	g_autofree char *out = g_build_filename(dir, "out", NULL), *text = NULL;
	g_autofree char *words = g_strdup_printf("#!/bin/sh\necho \"$A|$B\" >>%s\n", out), *path = script(words);
	VX_GUARD(alert_send_free) struct alert_send *send = alert_send_new(path, NULL);
	const char *const first[] = { "A=1 $(2)", "B=x=y", NULL }, *const second[] = { "A=2", NULL };

	alert_send(send, first, "{}");
	alert_send(send, second, "{}");
	alert_send_finish(send, 20000);
	assert_true(g_file_get_contents(out, &text, NULL, NULL));
	assert_string_equal(text, "1 $(2)|x=y\n2|\n");
	assert_null(alert_send_failure(send));
}

static void test_failures_are_told_once(void **state)
{
	g_autofree char *path = script("#!/bin/sh\nexit 3\n"), *said = NULL;
	VX_GUARD(alert_send_free) struct alert_send *send = alert_send_new(path, "http://127.0.0.1:1/");
	const char *const env[] = { "A=1", NULL };

	alert_send(send, env, "{}");
	alert_send(send, env, "{}");
	alert_send_finish(send, 20000);
	said = alert_send_failure(send);
	assert_non_null(strstr(said, "exit status 3"));
	assert_non_null(strstr(said, "webhook"));
	assert_null(strstr(strstr(said, "exit status 3") + 1, "exit status 3"));
	assert_null(alert_send_failure(send));
}

/* Whoever sends goes on, however slow the program is; at the end it is cut off. */
static void test_nobody_is_held_up(void **state)
{
	g_autofree char *path = script("#!/bin/sh\nsleep 300\n"), *said = NULL;
	VX_GUARD(alert_send_free) struct alert_send *send = alert_send_new(path, NULL);
	const char *const env[] = { "A=1", NULL };
	const gint64 began = g_get_monotonic_time();
	guint i;

	for (i = 0; i < 10 * ALERTS_WAITING; i++)
		alert_send(send, env, "{}");
	alert_send_finish(send, 100);
	assert_true(g_get_monotonic_time() - began < 20 * SEC);
	said = alert_send_failure(send);
	assert_non_null(strstr(said, "too many wait"));
}

/* ---- a webhook -------------------------------------------------------------------------------- */

struct listener {
	GSocket *socket;
	guint port;
	GThread *thread;
	GString *got;
};

static gpointer answer_one(gpointer data)
{
	struct listener *l = data;
	g_autoptr(GSocket) peer = g_socket_accept(l->socket, NULL, NULL);
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	char buf[4096];
	gssize n;

	while (peer && !strstr(l->got->str, "\"end\"}") && (n = g_socket_receive(peer, buf, sizeof(buf), NULL, NULL)) > 0)
		g_string_append_len(l->got, buf, n);
	if (peer)
		g_socket_send(peer, reply, sizeof(reply) - 1, NULL, NULL);
	return NULL;
}

static void test_a_webhook_is_posted(void **state)
{
	struct listener l = { .got = g_string_new(NULL) };
	g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0), at = NULL;
	g_autofree char *url = NULL;
	struct alert_send *send;
	const char *const some[] = { "A=1", NULL };

	l.socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
	assert_true(g_socket_bind(l.socket, any, TRUE, NULL) && g_socket_listen(l.socket, NULL));
	g_socket_set_timeout(l.socket, 20);
	at = g_socket_get_local_address(l.socket, NULL);
	url = g_strdup_printf("http://127.0.0.1:%u/hook", g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(at)));
	l.thread = g_thread_new("listener", answer_one, &l);
	send = alert_send_new(NULL, url);
	alert_send(send, some, "{\"text\": \"end\"}");
	g_thread_join(l.thread);
	alert_send_finish(send, 20000);
	assert_null(alert_send_failure(send));
	alert_send_free(send);
	assert_true(g_str_has_prefix(l.got->str, "POST /hook HTTP/1.1\r\n"));
	assert_non_null(strstr(l.got->str, "Content-Type: application/json\r\n"));
	assert_true(g_str_has_suffix(l.got->str, "\r\n\r\n{\"text\": \"end\"}"));
	g_object_unref(l.socket);
	g_string_free(l.got, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_count_now_and_then),
		cmocka_unit_test(test_which_are_alerts),
		cmocka_unit_test(test_no_end_of_kinds),
		cmocka_unit_test_setup_teardown(test_a_program_has_its_environment, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_failures_are_told_once, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_nobody_is_held_up, make_dir, drop_dir),
		cmocka_unit_test(test_a_webhook_is_posted),
	};

	return cmocka_run_group_tests_name("alerts", tests, NULL, NULL);
}
