// SPDX-License-Identifier: GPL-2.0
/*
 * The SSH path against a real sshd of our own on 127.0.0.1: own port, keys and
 * configuration in a temporary folder, dead with us, nothing of the machine's touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <shadow.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "error.h"
#include "ssh.h"

#define MIB (1024 * 1024)

static char *dir;
static unsigned int port;
static pid_t sshd;		/* the listener: its sessions are its children */
static gboolean made_run_dir;

static char *at(const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static void sh(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void sh(const char *format, ...)
{
	g_autofree char *command = NULL;
	va_list args;

	va_start(args, format);
	command = g_strdup_vprintf(format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static void write_file(const char *name, const char *text)
{
	g_autofree char *path = at(name);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static const char *me(void)
{
	return getpwuid(getuid())->pw_name;
}

/* Without PAM sshd refuses a user whose password is locked, and root's often is. */
static gboolean locked(void)
{
	struct spwd *sp = geteuid() ? NULL : getspnam(me());

	return sp && sp->sp_pwdp && sp->sp_pwdp[0] == '!';
}

static void write_config(const char *more)
{
	g_autofree char *text = g_strdup_printf(
		"ListenAddress 127.0.0.1\nPort %u\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPidFile none\n"
		"StrictModes no\nUsePAM %s\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
		"PrintMotd no\nRekeyLimit 16M\nLogLevel ERROR\nSetEnv HOME=%s %s\n",	/* HOME: no start-up files of this user's */
		port, dir, dir, locked() ? "yes" : "no", dir, more ? more : "");

	write_file("sshd_config", text);
}

static void start_sshd(const char *env, const char *delay)
{
	g_autofree char *config = at("sshd_config");
	g_autofree char *log = at("sshd.log");
	g_autofree char *command = g_strdup_printf("sleep %s; exec /usr/sbin/sshd -D -E %s -f %s", delay, log, config);

	write_config(env);
	sshd = fork();
	if (!sshd) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	assert_true(sshd > 0);
}

/* sshd's sessions lead process groups of their own, so each process by its id, children first found. */
static void signal_tree(pid_t pid, int sig)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) children = NULL;
	char **c;

	if (g_file_get_contents(path, &text, NULL, NULL))
		children = g_strsplit(text, " ", -1);
	kill(pid, sig);
	for (c = children; c && *c && atoi(*c) > 1; c++)
		signal_tree(atoi(*c), sig);
}

static void kill_sshd(void)
{
	if (sshd <= 0)
		return;
	signal_tree(sshd, SIGKILL);
	waitpid(sshd, NULL, 0);
	sshd = 0;
}

static unsigned int free_port(void)
{
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
	g_autoptr(GSocket) s = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
	g_autoptr(GSocketAddress) got = NULL;

	assert_true(g_socket_bind(s, any, FALSE, NULL));
	got = g_socket_get_local_address(s, NULL);
	return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got));
}

static int group_setup(void **state)
{
	if (access("/usr/sbin/sshd", X_OK)) {
		print_message("no /usr/sbin/sshd: run scripts/setup.sh\n");
		return -1;
	}
	dir = g_dir_make_tmp("vexlab-sshd-XXXXXX", NULL);
	sh("cd %s && for k in host other user stranger; do ssh-keygen -q -t ed25519 -N '' -C '' -f $k; done", dir);
	/* sshd as root wants this to exist; systemd would make it. */
	made_run_dir = !geteuid() && !g_mkdir("/run/sshd", 0755);
	port = free_port();
	sh("cd %s && printf '[127.0.0.1]:%u %%s\\n' \"$(cat host.pub)\" >known && printf '[127.0.0.1]:%u %%s\\n' \"$(cat other.pub)\" >wrong && : >none",
	   dir, port, port);
	return 0;
}

static int group_teardown(void **state)
{
	kill_sshd();
	if (made_run_dir)
		g_rmdir("/run/sshd");
	sh("rm -rf %s", dir);
	g_free(dir);
	return 0;
}

static int up(void **state)
{
	start_sshd(NULL, "0");
	return 0;
}

static int down(void **state)
{
	kill_sshd();
	return 0;
}

/* Strings leak on purpose into the test's life: kept here, freed at the next call. */
static struct ssh_config config(const char *key, const char *known)
{
	static char *k, *h;

	g_free(k);
	g_free(h);
	k = at(key);
	h = at(known);
	return (struct ssh_config){ .host = "127.0.0.1", .port = port, .user = me(), .key = k, .known_hosts = h,
				    .retries = 12, .backoff_ms = 20, .backoff_max_ms = 200, .connect_timeout_ms = 20000 };
}

static struct ssh_guest *connected(const struct ssh_config *c)
{
	g_autoptr(GError) error = NULL;
	struct ssh_guest *g = ssh_guest_new(c, &error);

	if (!g || !ssh_guest_connect(g, NULL, &error))
		fail_msg("%s", error->message);
	assert_true(ssh_guest_connected(g));
	return g;
}

static struct ssh_guest *standard(void)
{
	struct ssh_config c = config("user", "known");

	return connected(&c);
}

static void run_sh(struct ssh_guest *g, const char *script, struct ssh_result *r)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	g_autoptr(GError) error = NULL;

	if (!ssh_guest_run(g, argv, 20000, NULL, r, &error))
		fail_msg("%s", error->message);
}

static gint64 since(gint64 start)
{
	return g_get_monotonic_time() - start;
}

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

/* Gone, or a zombie nobody has reaped yet. */
static gboolean process_gone(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
	int i;

	for (i = 0; i < 100; i++) {
		g_autofree char *text = NULL;

		if (!g_file_get_contents(path, &text, NULL, NULL) || strstr(text, ") Z "))
			return TRUE;
		g_usleep(20000);
	}
	return FALSE;
}

static pid_t pid_in(const char *name)
{
	g_autofree char *path = at(name);
	g_autofree char *text = NULL;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return atoi(text);
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

static void random_file(const char *name, gsize size)
{
	sh("head -c %zu /dev/urandom >%s/%s", size, dir, name);
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

static gboolean put(struct ssh_guest *g, const char *local, const char *remote, int mode, GError **error)
{
	g_autofree char *from = at(local);
	g_autofree char *to = at(remote);

	return ssh_guest_put(g, from, to, mode, NULL, error);
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

/* ---- streams ---- */

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

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_status_and_signal), T(test_output_and_words), T(test_output_is_bounded),
		T(test_timeout_kills), T(test_cancel_run), T(test_background_child),
		T(test_unknown_host_key), T(test_missing_known_hosts), T(test_changed_host_key), T(test_refused_user_key),
		T(test_key_from_agent), T(test_retries_until_up),
		T(test_put), T(test_cleanup), T(test_put_is_checked), T(test_server_dies_in_transfer),
		T(test_stream_100_mb), T(test_run_beside_stream), T(test_stream_end), T(test_stream_stop),
		T(test_stream_lost_and_back), T(test_heartbeat),
		T(test_measure),
	};

	return cmocka_run_group_tests_name("ssh against sshd", tests, group_setup, group_teardown);
}
