// SPDX-License-Identifier: GPL-2.0
/* One entry, each sink in its own notation: what a guest may say breaks no line, and journald gets its fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define HOSTILE	"an oops\nin \x1b[31m \xff\xfe \"x\""

static void write_some(struct log *log)
{
	log_write(log, LOG_LEVEL_NOTICE, "message", NULL, "%s", "before it had a folder");
	log_set_run(log, "runs/one");
	log_write(log, LOG_LEVEL_ERROR, "finding", json_pack("{s:s, s:i}", "severity", "High", "cycle", 3), "%s", HOSTILE);
	log_write(log, LOG_LEVEL_DEBUG, "progress", json_pack("{s:i}", "done", 1), "cycle %d", 1);
}

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void test_json_lines(void **state)
{
	VX_GUARD(log_free) struct log *log = log_new();
	g_auto(GStrv) lines = NULL;
	char *text = NULL;
	json_t *json[3];
	FILE *file;
	size_t len;
	guint i;

	file = open_memstream(&text, &len);
	log_add_json(log, file);
	write_some(log);
	fclose(file);
	lines = g_strsplit(text, "\n", -1);
	assert_int_equal(g_strv_length(lines), 4);
	assert_string_equal(lines[3], "");
	for (i = 0; i < 3; i++) {
		json[i] = json_loads(lines[i], 0, NULL);
		assert_non_null(json[i]);
		/* RFC 3339, UTC. */
		assert_true(g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$", word(json[i], "timestamp"), 0, 0));
	}
	assert_string_equal(word(json[0], "level"), "notice");
	assert_true(json_is_null(json_object_get(json[0], "run")) && json_is_null(json_object_get(json[0], "fields")));
	assert_string_equal(word(json[1], "event"), "finding");
	assert_string_equal(word(json[1], "level"), "error");
	assert_string_equal(word(json[1], "run"), "runs/one");
	assert_string_equal(word(json_object_get(json[1], "fields"), "severity"), "High");
	assert_non_null(strstr(word(json[1], "message"), "an oops\nin"));
	assert_null(strchr(lines[1], '\x1b'));
	assert_string_equal(word(json[2], "message"), "cycle 1");
	for (i = 0; i < 3; i++)
		json_decref(json[i]);
	free(text);
}

static void test_nobody_listens(void **state)
{
	log_write(NULL, LOG_LEVEL_ERROR, "finding", json_object(), "%s", "lost");
	log_set_run(NULL, "runs/one");
	log_free(NULL);
}

/* ---- journald: its place in a mount namespace of our own --------------------------------------------------- */

#define SKIPPED	77

static int listen_as_journald(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/run", "tmpfs", 0, NULL) ||
	    mkdir("/run/systemd", 0755) || mkdir("/run/systemd/journal", 0755) || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return fd;
}

static void expect_datagram(int fd, const char *const *fields)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	guint i;

	if (n < 0)
		_exit(10);
	for (i = 0; fields[i]; i++)
		if (!memmem(buf, (size_t)n, fields[i], strlen(fields[i])))
			_exit(11 + (int)i);
}

static void as_journald(void)
{
	static const char *const first[] = { "MESSAGE=before it had a folder\n", "PRIORITY=5\n", "VEXLAB_EVENT=message\n", NULL };
	/* A value with a line break is sent with its length: its name stands alone. */
	static const char *const second[] = {
		"MESSAGE\n", "PRIORITY=3\n", "SYSLOG_IDENTIFIER=vexlab\n", "VEXLAB_EVENT=finding\n", "VEXLAB_RUN=runs/one\n",
		"VEXLAB_FIELDS={\"severity\":\"High\",\"cycle\":3}\n", NULL
	};
	struct log *log = log_new();
	int fd = listen_as_journald();
	char byte;

	if (fd < 0)
		_exit(SKIPPED);
	if (!log_add_journald(log, NULL))
		_exit(1);
	write_some(log);
	expect_datagram(fd, first);
	expect_datagram(fd, second);
	/* No progress. */
	_exit(recv(fd, &byte, 1, 0) >= 0 ? 9 : 0);
}

static void test_journald_gets_its_fields(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		as_journald();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		print_message("skipped: no mount namespace of our own may be made here\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_no_journald_is_said(void **state)
{
	VX_GUARD(log_free) struct log *log = log_new();
	g_autoptr(GError) error = NULL;

	if (!access("/run/systemd/journal/socket", F_OK))
		skip();
	assert_false(log_add_journald(log, &error));
	assert_int_equal(error->code, 69);
	assert_non_null(strstr(error->message, "journald"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_journald_gets_its_fields),
		cmocka_unit_test(test_no_journald_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
