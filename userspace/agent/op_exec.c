// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

/* Nothing is inherited: a step does the same whoever started the agent. */
static char *const child_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LC_ALL=C", "TERM=dumb", NULL
};

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	return -(posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					  POSIX_SPAWN_SETSIGMASK) ?:
		 posix_spawnattr_setpgroup(attr, 0) ?:
		 posix_spawnattr_setsigdefault(attr, &all) ?:
		 posix_spawnattr_setsigmask(attr, &none));
}

static int spawn(const char *const *argv, int out, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err;

	err = -posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	err = -posix_spawnattr_init(&attr);
	if (err)
		goto out_actions;
	err = set_attributes(&attr);
	if (!err)
		err = -(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ?:
			posix_spawn_file_actions_adddup2(&actions, out, 1) ?:
			posix_spawn_file_actions_adddup2(&actions, out, 2));
	if (!err)
		err = -posix_spawnp(ret, argv[0], &actions, &attr, (char *const *)argv, child_env);
	posix_spawnattr_destroy(&attr);
out_actions:
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* The agent may be protected from the OOM killer; what it starts must not be. */
static void unprotect(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;		/* it has ended already, or we were not protected */
}

/* Everything there is now; false at the end of the stream. */
static bool take_output(struct op_run *run, int fd)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		op_say_bytes(run, buf, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * Until the child itself has ended: something it left in the background may hold the
 * pipe open for ever.
 */
static int follow(struct op_run *run, int pidfd, int out)
{
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };

	while (!(fds[0].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			fds[0].revents = 0;
			continue;
		}
		if (fds[1].revents && !take_output(run, out))
			fds[1].fd = -1;
	}
	if (fds[1].fd >= 0)
		take_output(run, out);
	return 0;
}

/* It has ended, or is about to: the lock is held for no time. */
static int reap(struct op_run *run, int *status)
{
	siginfo_t info = { 0 };
	int err;

	op_lock(run);
	err = waitid(P_PID, (id_t)run->child, &info, WEXITED) ? -errno : 0;
	run->child = 0;
	op_unlock(run);
	*status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return err;
}

int op_exec_argv(struct op_run *run, const char *const *argv)
{
	_cleanup_close_ int in = -1, out = -1, pidfd = -1;
	int pipefd[2], err, status = 0;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	in = pipefd[0];
	out = pipefd[1];
	if (fcntl(in, F_SETFL, O_NONBLOCK))
		return -errno;
	op_begin(run);
	err = spawn(argv, out, &pid);
	if (err)
		return op_end(run, err);
	op_lock(run);
	run->child = pid;
	op_unlock(run);
	unprotect(pid);
	close(out);
	out = -1;
	pidfd = pidfd_open(pid, 0);
	err = pidfd < 0 ? -errno : 0;
	if (err || atomic_load(&run->cancelled))
		op_kill_child(run);
	if (!err)
		err = follow(run, pidfd, in);
	if (err)
		reap(run, &status);
	else
		err = reap(run, &status);
	run->value = status;
	return op_end(run, err);
}

int op_exec(struct op_run *run)
{
	if (!run->step.str[0][0])
		return -EINVAL;
	return op_exec_argv(run, run->step.str);
}
