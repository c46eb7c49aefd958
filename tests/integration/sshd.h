/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A real sshd of our own on 127.0.0.1: own port, keys and configuration in a
 * temporary folder, dead with us, nothing of the machine's touched.
 */
#ifndef VEXLAB_TEST_SSHD_H
#define VEXLAB_TEST_SSHD_H

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

static inline char *at(const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static inline void sh(const char *format, ...) G_GNUC_PRINTF(1, 2);
static inline void sh(const char *format, ...)
{
	g_autofree char *command = NULL;
	va_list args;

	va_start(args, format);
	command = g_strdup_vprintf(format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static inline void write_file(const char *name, const char *text)
{
	g_autofree char *path = at(name);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static inline const char *me(void)
{
	return getpwuid(getuid())->pw_name;
}

/* Without PAM sshd refuses a user whose password is locked, and root's often is. */
static inline gboolean locked(void)
{
	struct spwd *sp = geteuid() ? NULL : getspnam(me());

	return sp && sp->sp_pwdp && sp->sp_pwdp[0] == '!';
}

static inline void write_config(const char *more)
{
	g_autofree char *text = g_strdup_printf(
		"ListenAddress 127.0.0.1\nPort %u\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPidFile none\n"
		"StrictModes no\nUsePAM %s\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
		"PrintMotd no\nRekeyLimit 16M\nLogLevel ERROR\nSetEnv HOME=%s %s\n",	/* HOME: no start-up files of this user's */
		port, dir, dir, locked() ? "yes" : "no", dir, more ? more : "");

	write_file("sshd_config", text);
}

static inline void start_sshd(const char *env, const char *delay)
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
static inline void signal_tree(pid_t pid, int sig)
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

static inline void kill_sshd(void)
{
	if (sshd <= 0)
		return;
	signal_tree(sshd, SIGKILL);
	waitpid(sshd, NULL, 0);
	sshd = 0;
}

static inline unsigned int free_port(void)
{
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
	g_autoptr(GSocket) s = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
	g_autoptr(GSocketAddress) got = NULL;

	assert_true(g_socket_bind(s, any, FALSE, NULL));
	got = g_socket_get_local_address(s, NULL);
	return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got));
}

static inline int group_setup(void **state)
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

static inline int group_teardown(void **state)
{
	kill_sshd();
	if (made_run_dir)
		g_rmdir("/run/sshd");
	sh("rm -rf %s", dir);
	g_free(dir);
	return 0;
}

static inline int up(void **state)
{
	start_sshd(NULL, "0");
	return 0;
}

static inline int down(void **state)
{
	kill_sshd();
	return 0;
}

/* Strings leak on purpose into the test's life: kept here, freed at the next call. */
static inline struct ssh_config config(const char *key, const char *known)
{
	static char *k, *h;

	g_free(k);
	g_free(h);
	k = at(key);
	h = at(known);
	return (struct ssh_config){ .host = "127.0.0.1", .port = port, .user = me(), .key = k, .known_hosts = h,
				    .retries = 12, .backoff_ms = 20, .backoff_max_ms = 200, .connect_timeout_ms = 20000 };
}

static inline struct ssh_guest *connected(const struct ssh_config *c)
{
	g_autoptr(GError) error = NULL;
	struct ssh_guest *g = ssh_guest_new(c, &error);

	if (!g || !ssh_guest_connect(g, NULL, &error))
		fail_msg("%s", error->message);
	assert_true(ssh_guest_connected(g));
	return g;
}

static inline struct ssh_guest *standard(void)
{
	struct ssh_config c = config("user", "known");

	return connected(&c);
}

static inline void run_sh(struct ssh_guest *g, const char *script, struct ssh_result *r)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	g_autoptr(GError) error = NULL;

	if (!ssh_guest_run(g, argv, 20000, NULL, r, &error))
		fail_msg("%s", error->message);
}

static inline gint64 since(gint64 start)
{
	return g_get_monotonic_time() - start;
}

/* Gone, or a zombie nobody has reaped yet. */
static inline gboolean process_gone(pid_t pid)
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

static inline pid_t pid_in(const char *name)
{
	g_autofree char *path = at(name);
	g_autofree char *text = NULL;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return atoi(text);
}

static inline void random_file(const char *name, gsize size)
{
	sh("head -c %zu /dev/urandom >%s/%s", size, dir, name);
}

static inline gboolean put(struct ssh_guest *g, const char *local, const char *remote, int mode, GError **error)
{
	g_autofree char *from = at(local);
	g_autofree char *to = at(remote);

	return ssh_guest_put(g, from, to, mode, NULL, error);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

#endif
