// SPDX-License-Identifier: GPL-2.0
/* Logging in, commands and files over SSH, against a real sshd (sshd.h); streams are in test_ssh_stream.c. */
#include "sshd.h"

static void test_status_and_signal(void **state)
{
	static const struct { const char *script; int status; const char *signal; } cases[] = {
		{ "exit 0", 0, "" },		{ "exit 3", 3, "" },		{ "exit 255", 255, "" },
		{ "nosuchcommand", 127, "" },	{ "kill -TERM $$", -1, "TERM" }, { "kill -SEGV $$", -1, "SEGV" },
	};
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		SSH_RESULT_CLEAR struct ssh_result r = { 0 };

		run_sh(g, cases[i].script, &r);
		assert_int_equal(r.status, cases[i].status);
		assert_string_equal(r.signal, cases[i].signal);
		assert_true(r.duration_us > 0);
	}
}

static void test_output_and_words(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	SSH_RESULT_CLEAR struct ssh_result words = { 0 };
	SSH_RESULT_CLEAR struct ssh_result in = { 0 };
	const char *argv[] = { "printf", "%s|", "a'b", "$HOME `id`", "x\ny", "", "\\", "-", NULL };

	run_sh(g, "echo out; echo err >&2; echo more", &r);
	assert_string_equal(r.out->str, "out\nmore\n");
	assert_string_equal(r.err->str, "err\n");	/* and not our own line with the pid */
	assert_false(r.truncated);
	assert_true(ssh_guest_run(g, argv, 20000, NULL, &words, NULL));
	assert_string_equal(words.out->str, "a'b|$HOME `id`|x\ny||\\|-|");
	run_sh(g, "cat; echo end", &in);		/* stdin is empty, not the terminal */
	assert_string_equal(in.out->str, "end\n");
}

static void test_output_is_bounded(void **state)
{
	struct ssh_config c = config("user", "known");
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };

	c.output_limit = 1000;
	g = connected(&c);
	run_sh(g, "head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 5", &r);
	assert_int_equal(r.out->len, 1000);
	assert_int_equal(r.err->len, 1000);
	assert_true(r.truncated);
	assert_int_equal(r.status, 5);
}

static void test_timeout_kills(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	g_autofree char *script = g_strdup_printf("echo $$ >%s/pid1; sleep 1000 & echo $! >%s/pid2; wait; true", dir, dir);
	const char *const slow[] = { "sh", "-c", script, NULL };
	const char *const flood[] = { "yes", NULL };
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	g_autoptr(GError) a = NULL, b = NULL;
	gint64 start = g_get_monotonic_time();

	assert_false(ssh_guest_run(g, slow, 500, NULL, &r, &a));
	assert_true(g_error_matches(a, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
	assert_non_null(strstr(a->message, "it was killed"));
	assert_in_range(since(start), 500 * 1000, 3000 * 1000);
	assert_true(process_gone(pid_in("pid1")));
	assert_true(process_gone(pid_in("pid2")));
	start = g_get_monotonic_time();
	assert_false(ssh_guest_run(g, flood, 500, NULL, &r, &b));
	assert_true(g_error_matches(b, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
	assert_in_range(since(start), 500 * 1000, 4000 * 1000);
	assert_null(r.out);
	run_sh(g, "echo still here", &r);
	assert_string_equal(r.out->str, "still here\n");
}

static gpointer cancel_soon(gpointer cancellable)
{
	g_usleep(300 * 1000);
	g_cancellable_cancel(cancellable);
	return NULL;
}

static void test_cancel_run(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autofree char *script = g_strdup_printf("echo $$ >%s/pid3; exec sleep 1000", dir);
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct ssh_result r = { 0 };
	g_autoptr(GError) error = NULL;
	GThread *thread = g_thread_new("cancel", cancel_soon, cancellable);

	assert_false(ssh_guest_run(g, argv, 20000, cancellable, &r, &error));
	g_thread_join(thread);
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_true(process_gone(pid_in("pid3")));
	assert_true(ssh_guest_connected(g));
}

/* The command has exited: a child that keeps its output open does not hold us up. */
static void test_background_child(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	SSH_RESULT_CLEAR struct ssh_result r = { 0 };
	g_autofree char *script = g_strdup_printf("sleep 60 & echo $! >%s/pid5; echo hi; exit 4", dir);
	gint64 start = g_get_monotonic_time();

	run_sh(g, script, &r);
	assert_in_range(since(start), 0, 5000 * 1000);
	assert_int_equal(r.status, 4);
	assert_string_equal(r.out->str, "hi\n");
	kill(pid_in("pid5"), SIGKILL);
}

static void connect_fails(const char *key, const char *known, int code, const char *word, char **message)
{
	struct ssh_config c = config(key, known);
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = ssh_guest_new(&c, NULL);
	VX_GUARD(ssh_guest_free) struct ssh_guest *ready = standard();	/* sshd listens: what follows is no retry */
	g_autoptr(GError) error = NULL;

	assert_false(ssh_guest_connect(g, NULL, &error));
	assert_true(g_error_matches(error, VX_ERROR, code));
	assert_non_null(strstr(error->message, word));
	assert_int_equal(ssh_guest_attempts(g), 1);
	assert_false(ssh_guest_connected(g));
	if (message)
		*message = g_strdup(error->message);
}

/* What the message tells to do is right: the line it shows, added, lets us in. */
static void test_unknown_host_key(void **state)
{
	g_autofree char *message = NULL;
	g_autofree char *line = NULL;
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	struct ssh_config c;

	connect_fails("user", "none", VX_ERROR_PERM, "SHA256:", &message);
	assert_non_null(strstr(message, "add the line: "));
	line = g_strdup_printf("%s\n", strstr(message, "add the line: ") + strlen("add the line: "));
	write_file("pinned", line);
	c = config("user", "pinned");
	g = connected(&c);
}

static void test_missing_known_hosts(void **state)
{
	connect_fails("user", "nonexistent", VX_ERROR_PERM, "pins none", NULL);
}

static void test_changed_host_key(void **state)
{
	connect_fails("user", "wrong", VX_ERROR_PERM, "not the one pinned", NULL);
}

static void test_refused_user_key(void **state)
{
	connect_fails("stranger", "known", VX_ERROR_PERM, "authorized_keys", NULL);
}

/* The key comes from an agent, and from an agent that has only another one. */
static void test_key_from_agent(void **state)
{
	g_autofree char *sock = at("agent.sock");
	const char *const argv[] = { "ssh-agent", "-D", "-a", sock, NULL };
	g_autoptr(GSubprocess) agent = NULL;
	struct ssh_config c = config("user", "known");
	VX_GUARD(ssh_guest_free) struct ssh_guest *stranger = NULL;
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;
	int i;

	agent = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL);
	assert_non_null(agent);
	g_setenv("SSH_AUTH_SOCK", sock, TRUE);
	for (i = 0; i < 500 && access(sock, F_OK); i++)
		g_usleep(10000);
	sh("ssh-add -q %s/stranger", dir);
	c.key = NULL;
	stranger = ssh_guest_new(&c, NULL);
	assert_false(ssh_guest_connect(stranger, NULL, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_PERM));
	assert_non_null(strstr(error->message, "every key of the ssh-agent"));
	sh("ssh-add -q %s/user", dir);
	g = connected(&c);
	g_unsetenv("SSH_AUTH_SOCK");
	g_subprocess_force_exit(agent);
	g_subprocess_wait(agent, NULL, NULL);
}

static void test_retries_until_up(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;

	kill_sshd();
	start_sshd(NULL, "0.6");
	g = standard();
	assert_in_range(ssh_guest_attempts(g), 2, 13);
}

static unsigned int entries(const char *path)
{
	g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
	unsigned int n = 0;

	assert_non_null(d);
	while (g_dir_read_name(d))
		n++;
	return n;
}

static void test_put(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	g_autofree char *target = at("put/it's a \"module\" $x.ko");
	g_autofree char *folder = at("put");
	g_autoptr(GError) missing = NULL, isdir = NULL, relative = NULL, local = NULL;
	struct stat st;

	random_file("big", 7 * MIB + 13);
	random_file("small", 0);
	sh("mkdir -p %s/put %s/put/d", dir, dir);
	assert_true(put(g, "big", "put/it's a \"module\" $x.ko", 0751, NULL));
	sh("cmp %s/big %s/put/*x.ko", dir, dir);
	assert_int_equal(g_stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_true(put(g, "small", "put/it's a \"module\" $x.ko", 0600, NULL));	/* replaces */
	assert_int_equal(g_stat(target, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_false(put(g, "big", "nodir/x", 0600, &missing));
	assert_true(g_error_matches(missing, VX_ERROR, VX_ERROR_IO));
	assert_false(put(g, "big", "put/d", 0600, &isdir));
	assert_non_null(strstr(isdir->message, "is a directory"));
	assert_false(ssh_guest_put(g, target, "relative", 0600, NULL, &relative));
	assert_true(g_error_matches(relative, VX_ERROR, VX_ERROR_CONFIG));
	assert_false(put(g, "put", "put/y", 0600, &local));
	assert_true(g_error_matches(local, VX_ERROR, VX_ERROR_CONFIG));
	assert_int_equal(entries(folder), 2);		/* no temporary file left by any of them */
}

/* A foreign guest is left as it was found. */
static void test_cleanup(void **state)
{
	struct ssh_config c = config("user", "known");
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autofree char *tmp = NULL;
	g_autofree char *inside = NULL;
	g_autofree char *local = at("big");
	g_autoptr(GError) theirs = NULL;
	int i;

	c.cleanup = TRUE;
	g = connected(&c);
	random_file("big", 100000);
	sh("mkdir -p %s/clean && echo theirs >%s/clean/theirs", dir, dir);
	tmp = ssh_guest_mkdtemp(g, NULL, NULL);
	assert_non_null(tmp);
	for (i = 0; i < 20; i++) {
		g_autofree char *name = g_strdup_printf("%s/f%d", tmp, i);

		assert_true(ssh_guest_put(g, local, name, 0600, NULL, NULL));
		if (i == 3)
			assert_true(ssh_guest_put(g, local, name, 0600, NULL, NULL));	/* ours: may be replaced */
	}
	assert_false(put(g, "big", "clean/theirs", 0600, &theirs));
	assert_non_null(strstr(theirs->message, "not ours"));
	sh("grep -qx theirs %s/clean/theirs", dir);
	assert_true(put(g, "big", "clean/ours", 0600, NULL));
	/* The session is gone when it is time to clean: it connects again. */
	kill_sshd();
	start_sshd(NULL, "0");
	ssh_guest_free(standard());
	assert_true(ssh_guest_cleanup(g, NULL, NULL));
	assert_false(g_file_test(tmp, G_FILE_TEST_EXISTS));
	sh("test ! -e %s/clean/ours && grep -qx theirs %s/clean/theirs", dir, dir);
	/* And by free. */
	inside = g_strdup_printf("%s/clean/again", dir);
	assert_true(put(g, "big", "clean/again", 0600, NULL));
	ssh_guest_free(g);
	g = NULL;
	assert_false(g_file_test(inside, G_FILE_TEST_EXISTS));
}

/* Guests whose tools are missing, or lie. */
static void tools(const char *name, const char *sum, const char *cat)
{
	sh("mkdir -p %s/%s && cd %s/%s && for t in chmod mv rm; do ln -sf $(command -v $t) .; done", dir, name, dir, name);
	if (sum)
		sh("cd %s/%s && printf '#!/bin/sh\\n%s\\n' >sha256sum && chmod 755 sha256sum", dir, name, sum);
	sh("cd %s/%s && printf '#!/bin/sh\\n%s\\n' >cat && chmod 755 cat", dir, name, cat);
}

static void put_with_tools(const char *name, gboolean good)
{
	g_autofree char *set = g_strdup_printf("PATH=%s/%s", dir, name);
	g_autofree char *target = at("tools/x");
	g_autofree char *folder = at("tools");
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autoptr(GError) error = NULL;

	kill_sshd();
	start_sshd(set, "0");
	g = standard();
	sh("rm -rf %s/tools; mkdir %s/tools", dir, dir);
	if (put(g, "big", "tools/x", 0644, &error) != good)
		fail_msg("%s: %s", name, error ? error->message : "was believed");
	if (!good)
		assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_PROTOCOL));
	assert_int_equal(entries(folder), good ? 1 : 0);
	if (good)
		sh("cmp %s/big %s/tools/x", dir, dir);
}

static void test_put_is_checked(void **state)
{
	random_file("big", 3 * MIB + 1);
	tools("nosum", NULL, "exec /bin/cat");
	tools("liar", "echo 0000000000000000000000000000000000000000000000000000000000000000", "exec /bin/cat");
	tools("rambler", "echo $(head -c 3000 /dev/zero | tr \\\\0 x)", "exec /bin/cat");
	tools("truncates", NULL, "head -c 1000000");
	tools("adds", NULL, "/bin/cat; echo more");
	sh("cd %s && for d in liar rambler truncates adds; do for t in head tr; do ln -sf $(command -v $t) $d/; done; done", dir);
	put_with_tools("nosum", TRUE);
	put_with_tools("liar", FALSE);
	put_with_tools("rambler", FALSE);
	put_with_tools("truncates", FALSE);
	put_with_tools("adds", FALSE);
}

static gpointer kill_when_busy(gpointer unused)
{
	g_autofree char *folder = at("dead");
	int i;

	for (i = 0; i < 1000; i++) {
		g_autoptr(GDir) d = g_dir_open(folder, 0, NULL);
		const char *name = g_dir_read_name(d);
		g_autofree char *path = name ? g_build_filename(folder, name, NULL) : NULL;
		struct stat st;

		if (path && !g_stat(path, &st) && st.st_size > MIB)
			break;
		g_usleep(2000);
	}
	signal_tree(sshd, SIGKILL);
	return NULL;
}

static void test_server_dies_in_transfer(void **state)
{
	struct ssh_config c = config("user", "known");
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = NULL;
	g_autofree char *folder = at("dead");
	g_autoptr(GError) error = NULL;
	GThread *thread;
	gint64 start;

	c.cleanup = TRUE;
	g = connected(&c);
	sh("mkdir -p %s/dead && truncate -s 2G %s/huge", dir, dir);
	thread = g_thread_new("kill", kill_when_busy, NULL);
	start = g_get_monotonic_time();
	assert_false(put(g, "huge", "dead/x", 0600, &error));
	g_thread_join(thread);
	assert_in_range(since(start), 0, 15000 * 1000);
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_UNAVAILABLE));
	assert_false(ssh_guest_connected(g));
	assert_int_equal(entries(folder), 1);		/* the half of it, which cleanup must find */
	kill_sshd();
	start_sshd(NULL, "0");
	ssh_guest_free(standard());
	assert_true(ssh_guest_cleanup(g, NULL, NULL));
	assert_int_equal(entries(folder), 0);
	sh("rm %s/huge", dir);
}

static gint64 median(gint64 *v, int n)
{
	int i, j;

	for (i = 1; i < n; i++)
		for (j = i; j && v[j] < v[j - 1]; j--) {
			gint64 x = v[j];

			v[j] = v[j - 1];
			v[j - 1] = x;
		}
	return v[n / 2];
}

static void test_measure(void **state)
{
	VX_GUARD(ssh_guest_free) struct ssh_guest *g = standard();
	gint64 fresh[9], open[9];
	int i;

	for (i = 0; i < 9; i++) {
		VX_GUARD(ssh_guest_free) struct ssh_guest *other = NULL;
		SSH_RESULT_CLEAR struct ssh_result a = { 0 };
		SSH_RESULT_CLEAR struct ssh_result b = { 0 };
		gint64 begin = g_get_monotonic_time();

		other = standard();
		run_sh(other, "true", &a);
		fresh[i] = since(begin);
		begin = g_get_monotonic_time();
		run_sh(g, "true", &b);
		open[i] = since(begin);
	}
	print_message("  connect and run: %.1f ms; run on an open session: %.1f ms (medians of 9)\n",
		      median(fresh, 9) / 1e3, median(open, 9) / 1e3);
	assert_true(median(open, 9) < median(fresh, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_status_and_signal), T(test_output_and_words), T(test_output_is_bounded),
		T(test_timeout_kills), T(test_cancel_run), T(test_background_child),
		T(test_unknown_host_key), T(test_missing_known_hosts), T(test_changed_host_key), T(test_refused_user_key),
		T(test_key_from_agent), T(test_retries_until_up),
		T(test_put), T(test_cleanup), T(test_put_is_checked), T(test_server_dies_in_transfer),
		T(test_measure),
	};

	return cmocka_run_group_tests_name("ssh against sshd", tests, group_setup, group_teardown);
}
