// SPDX-License-Identifier: GPL-2.0
/* A guest that works, is sampled, restored, and above thresholds: what is measured is plausible, and who is to know is told. */
#include <gio/gio.h>

#include "harness.h"

static const char plan[] =
	"name: work\ndescription: of a test\nsteps:\n"
	"  - mount\n"
	"  - point: here\n"
	"  - name: write\n"
	"    files: { files: 200, bytes: 262144 }\n"
	"  - name: burn\n"
	"    exec: [/usr/bin/timeout, \"3\", /usr/bin/dd, if=/dev/zero, of=/dev/null, bs=65536]\n"
	"    expect: 124\n"
	"  - name: rest\n"
	"    sleep: 2s\n"
	"  - back: here\n"
	"  - name: rest again\n"
	"    sleep: 2s\n"
	"  - umount\n";

static char *put_file(const char *name, const char *text, int mode)
{
	char *path = g_build_filename(test_dir, name, NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, (mode_t)mode), 0);
	return path;
}

/* ---- series of a run -------------------------------------------------------------------------- */

struct point {
	guint64 ns;
	double value;
};

/* Array of struct point of one series of what `vexlab report --format series` prints. */
static GArray *series(const char *csv, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(csv, "\r\n", -1);
	GArray *points = g_array_new(FALSE, FALSE, sizeof(struct point));
	guint i;

	assert_string_equal(lines[0], "realtime_ns,series,unit,value");
	for (i = 1; lines[i]; i++) {
		g_auto(GStrv) cells = g_strsplit(lines[i], ",", 4);
		struct point point;

		if (g_strv_length(cells) != 4 || strcmp(cells[1], name))
			continue;
		point = (struct point){ g_ascii_strtoull(cells[0], NULL, 10), g_ascii_strtod(cells[3], NULL) };
		g_array_append_val(points, point);
	}
	return points;
}

static double most(const char *csv, const char *name)
{
	g_autoptr(GArray) points = series(csv, name);
	double ret = -1;
	guint i;

	if (!points->len)
		fail_msg("there is no series %s", name);
	for (i = 0; i < points->len; i++)
		ret = MAX(ret, g_array_index(points, struct point, i).value);
	return ret;
}

/* However busy the machine is: half of the gaps are no longer than the interval. */
static void samples_come_at_the_interval(const GArray *points)
{
	guint i, near = 0;

	for (i = 1; i < points->len; i++) {
		const struct point *p = &g_array_index(points, struct point, i);

		assert_true(p->ns >= p[-1].ns);
		near += p->ns - p[-1].ns <= 600000000ull;
	}
	assert_true(points->len >= 10);
	assert_true(near >= points->len / 2);
}

static gboolean has_note(json_t *json, const char *event)
{
	json_t *list = json_object_get(json, "vm"), *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!g_strcmp0(json_string_value(json_object_get(one, "event")), event))
			return TRUE;
	return FALSE;
}

static void a_guest_that_works_is_sampled(void **state)
{
	g_autofree char *path = put_file("work.yaml", plan, 0644);
	RAN r = run_vexlab("run", "-q", "--json", "--scenario", path, "--set", "watch.monitor_interval_ms=200", NULL);
	g_autoptr(GArray) memory = NULL;
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_true(has_note(json, "restored"));
	{
		RAN csv = run_vexlab("report", "--format", "series", word_at(json, "directory"), NULL);

		expect_status(&csv, 0);
		memory = series(csv.out, "mem.used");
		samples_come_at_the_interval(memory);
		/* The burner has one of at most two CPUs... */
		assert_true(most(csv.out, "cpu.user") + most(csv.out, "cpu.system") > 30);
		assert_true(most(csv.out, "cpu.system") <= 100);
		/* ... which is more than nothing of the step's own. */
		assert_true(most(csv.out, "cpu.step") > 30);
		/* 50 MiB and what describes them, to the disk under test and no other. */
		assert_true(most(csv.out, "io.vdc.writes") > 10);
		assert_true(most(csv.out, "io.vdc.written") > 1e5);
		assert_true(most(csv.out, "sched.switches") > 10);
		assert_true(most(csv.out, "mem.slab") > 1000 && most(csv.out, "mem.page_tables") > 10);
		assert_true(most(csv.out, "qemu.rss") > 50000 && most(csv.out, "qemu.cpu") > 10);
		assert_true(most(csv.out, "disk.run_free") > 0);
		assert_true(most(csv.out, "channel.delay") >= 0);
	}
	assert_true(number_at(json, "metrics.usage.samples") >= 10);
	assert_true(number_at(json, "performance_monitoring.summary.average_memory_usage_kb") > 20000);
	assert_true(number_at(json, "performance_monitoring.summary.average_cpu_usage_percent") > 1);
	assert_true(number_at(json, "performance_monitoring.summary.average_cpu_usage_percent") <= 100);
	json_decref(json);
}

/* After it was put back, too, and no figure is below zero for it. */
static void a_restored_guest_is_sampled(void **state)
{
	g_autofree char *path = put_file("work.yaml", plan, 0644);
	RAN r = run_vexlab("run", "-q", "--json", "--scenario", path, "--steps", "mount,point,rest,back,rest again,umount", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_true(has_note(json, "restored"));
	/* Four seconds of rest, of which two are after it. */
	assert_true(number_at(json, "metrics.usage.samples") >= 6);
	assert_true(number_at(json, "metrics.usage.seconds") >= 3);
	assert_true(number_at(json, "metrics.usage.cpu_mean_percent") >= 0);
	assert_true(number_at(json, "metrics.usage.io_mean_per_second") >= 0);
	json_decref(json);
}

/* ---- thresholds and alerts ---------------------------------------------------------------------- */

struct listener {
	GSocket *socket;
	guint port;
	gboolean mute;			/* it takes the connection and never answers */
	GThread *thread;
	GString *got;
};

static gpointer listen_to(gpointer data)
{
	static const char reply[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	struct listener *l = data;
	GSocket *peer;
	char buf[4096];
	gssize n;

	while ((peer = g_socket_accept(l->socket, NULL, NULL))) {
		g_socket_set_timeout(peer, 1);
		while ((n = g_socket_receive(peer, buf, sizeof(buf), NULL, NULL)) > 0) {
			g_string_append_len(l->got, buf, n);
			if (strstr(l->got->str, "}}"))
				break;
		}
		g_socket_send(peer, reply, sizeof(reply) - 1, NULL, NULL);
		g_object_unref(peer);
	}
	return NULL;
}

static void listener_begin(struct listener *l)
{
	g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0), at = NULL;

	l->got = g_string_new(NULL);
	l->socket = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
	assert_true(g_socket_bind(l->socket, any, TRUE, NULL) && g_socket_listen(l->socket, NULL));
	at = g_socket_get_local_address(l->socket, NULL);
	l->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(at));
	if (!l->mute)
		l->thread = g_thread_new("listener", listen_to, l);
}

static void listener_end(struct listener *l)
{
	g_socket_shutdown(l->socket, TRUE, TRUE, NULL);
	g_socket_close(l->socket, NULL);
	if (l->thread)
		g_thread_join(l->thread);
	g_object_unref(l->socket);
	g_string_free(l->got, TRUE);
}

static void a_threshold_is_told(void **state)
{
	g_autofree char *path = put_file("work.yaml", plan, 0644), *out = g_build_filename(test_dir, "alerts", NULL);
	g_autofree char *words = g_strdup_printf("#!/bin/sh\nprintf '%%s|%%s|%%s|%%s\\n' \"$VEXLAB_FINDING\" \"$VEXLAB_TITLE\" \"$VEXLAB_TARGET\" "
						 "\"$VEXLAB_RUN\" >>%s\n", out);
	g_autofree char *command = put_file("command", words, 0755), *setting = g_strdup_printf("alerts.command=%s", command);
	struct listener l = { 0 };
	g_autofree char *hook = NULL, *told = NULL, *events = NULL;
	json_t *json;

	listener_begin(&l);
	hook = g_strdup_printf("alerts.webhook=http://127.0.0.1:%u/", l.port);
	{
		RAN r = run_vexlab("run", "--json", "--scenario", path, "--steps", "mount,write,umount", "--set", "thresholds.io_per_second=1",
				   "--set", "thresholds.lasting_s=0", "--set", setting, "--set", hook, NULL);

		expect_status(&r, 3);
		expect_says(&r, "alert: Medium ExcessiveIO: I/O above its threshold in");
		json = expect_json(&r);
	}
	events = read_file(word_at(json, "directory"), "performance_events.jsonl");
	assert_non_null(strstr(events, "\"violation_type\":\"ExcessiveIO\""));
	assert_non_null(strstr(events, "\"threshold\":1.0"));
	assert_true(g_file_get_contents(out, &told, NULL, NULL));
	assert_true(g_str_has_prefix(told, "ExcessiveIO|I/O above its threshold in "));
	assert_non_null(strstr(told, "|ext4|/"));
	assert_true(g_str_has_prefix(l.got->str, "POST / HTTP/1.1\r\n"));
	assert_non_null(strstr(l.got->str, "\"event_type\":\"ExcessiveIO\""));
	assert_non_null(strstr(l.got->str, "\"text\":\"alert: Medium ExcessiveIO"));
	json_decref(json);
	listener_end(&l);
}

/* It answers nobody: the run goes to its end, says so once, and waits for it no longer than it may. */
static void a_dead_webhook_holds_nothing_up(void **state)
{
	struct listener l = { .mute = TRUE };
	g_autofree char *hook = NULL;
	const gint64 began = g_get_monotonic_time();
	const char *at;

	listener_begin(&l);
	hook = g_strdup_printf("alerts.webhook=http://127.0.0.1:%u/", l.port);
	{
		RAN r = run_vexlab("run", "--cycles", "5", "--set", "thresholds.operation_ms=1", "--set", hook, NULL);

		expect_status(&r, 3);
		expect_says(&r, "alerts do not reach the webhook (told once)");
		at = strstr(r.err, "alerts do not reach");
		assert_null(strstr(at + 1, "alerts do not reach"));
		expect_says(&r, "5 cycles");
	}
	assert_true(g_get_monotonic_time() - began < 120 * G_USEC_PER_SEC);
	listener_end(&l);
}

static void a_program_that_is_none_is_refused(void **state)
{
	RAN r = run_vexlab("run", "-q", "--set", "alerts.command=/nowhere/at-all", NULL);

	expect_status(&r, 78);
	expect_says(&r, "alerts.command: /nowhere/at-all is no program that can be run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_is_none_is_refused),
		cmocka_unit_test(a_guest_that_works_is_sampled),
		cmocka_unit_test(a_restored_guest_is_sampled),
		cmocka_unit_test(a_threshold_is_told),
		cmocka_unit_test(a_dead_webhook_holds_nothing_up),
	};

	return cmocka_run_group_tests_name("metrics", tests, make_test_dir, drop_test_dir);
}
