// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "stuck.h"

#define THREAD_STACK	(128u << 10)
#define OTHERS_MAX	8		/* blocked tasks shown beside the step's own */
#define FRAMES_MAX	32		/* lines of a stack */
#define TASKS_MAX	4096		/* looked at */
#define KMSG_RECORD_MAX	8192		/* bytes, kernel's CONSOLE_EXT_LOG_MAX */
#define KMSG_RECORDS_MAX 400		/* of what sysrq makes the kernel print */

struct stuck {
	pid_t tid;
	bool sysrq;
	int done_fd;
	atomic_bool done;
	atomic_int owners;		/* the thread and the watcher: the last one frees */
	atomic_size_t len;		/* of text that is complete */
	char text[STUCK_TEXT_MAX];
};

static void put(struct stuck *stuck)
{
	if (atomic_fetch_sub(&stuck->owners, 1) == 1)
		free(stuck);
}

__attribute__((format(printf, 2, 3)))
static void say(struct stuck *stuck, const char *format, ...)
{
	size_t at = atomic_load(&stuck->len), room = STUCK_TEXT_MAX - at;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(stuck->text + at, room, format, args);
	va_end(args);
	/* A line that does not fit is left out whole. */
	if (n > 0 && (size_t)n < room)
		atomic_store(&stuck->len, at + (size_t)n);
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n = fd < 0 ? -errno : 1;

	while (fd >= 0 && at < size - 1 && (n = read(fd, buf + at, size - 1 - at)) > 0)
		at += (size_t)n;
	if (n < 0)
		return fd < 0 ? n : -errno;
	buf[at] = '\0';
	return (ssize_t)at;
}

/* State letter and name of a task; '?': it is gone. `stat` is its /proc file. */
static char task_state(const char *stat, char comm[16])
{
	char buf[512], *open, *close;

	comm[0] = '\0';
	if (read_file(stat, buf, sizeof(buf)) <= 0)
		return '?';
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || close[1] != ' ')
		return '?';
	*close = '\0';
	snprintf(comm, 16, "%s", open + 1);
	return close[2];
}

static const char *state_word(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'D':
		return "blocked";
	case 'S':
		return "asleep, can be interrupted";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
	case 'X':
		return "dead";
	default:
		return "unknown";
	}
}

static void say_stack(struct stuck *stuck, const char *dir)
{
	char path[64], buf[8192], *line, *rest;
	unsigned int n = 0;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/stack", dir);
	len = read_file(path, buf, sizeof(buf));
	if (len < 0)
		say(stuck, "  (no stack: %s)\n", strerror((int)-len));
	for (line = len > 0 ? strtok_r(buf, "\n", &rest) : NULL; line && n < FRAMES_MAX;
	     line = strtok_r(NULL, "\n", &rest), n++)
		say(stuck, "  %s\n", strncmp(line, "[<0>] ", 6) ? line : line + 6);
}

static char say_task(struct stuck *stuck, const char *who, const char *dir, pid_t tid)
{
	char path[64], comm[16], state;

	snprintf(path, sizeof(path), "%s/stat", dir);
	state = task_state(path, comm);
	say(stuck, "%s %d (%s) is in state %c, %s; kernel stack:\n", who, tid, comm, state, state_word(state));
	return state;
}

/* Of one process: those of its threads that are blocked, up to `left`. */
static unsigned int say_blocked_threads(struct stuck *stuck, const char *pid, unsigned int left)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	unsigned int said = 0;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	tasks = opendir(path);
	while (tasks && said < left && (entry = readdir(tasks))) {
		char stat[80], dir[64], comm[16];
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || tid == stuck->tid)
			continue;
		snprintf(dir, sizeof(dir), "/proc/%.16s/task/%d", pid, tid);
		snprintf(stat, sizeof(stat), "%s/stat", dir);
		if (task_state(stat, comm) != 'D')
			continue;
		say_task(stuck, "task", dir, tid);
		say_stack(stuck, dir);
		said++;
	}
	return said;
}

static void say_blocked(struct stuck *stuck)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	unsigned int said = 0, seen = 0;
	struct dirent *entry;

	while (proc && said < OTHERS_MAX && seen < TASKS_MAX && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		seen++;
		said += say_blocked_threads(stuck, entry->d_name, OTHERS_MAX - said);
	}
}

/*
 * A record of /dev/kmsg: "prio,seq,time,flags;text\n", then lines of properties, which begin with
 * a blank. NULL: it has no text.
 */
static const char *record_text(char *record)
{
	char *text = strchr(record, ';'), *end;

	if (!text)
		return NULL;
	end = strchr(++text, '\n');
	if (end)
		*end = '\0';
	return text;
}

/* Of a CPU's report: who runs there and where. Registers, and frames that may be old, are left out. */
static bool is_worth_saying(const char *text)
{
	static const char *const starts[] = { "NMI backtrace", "CPU: ", "RIP: ", "Call Trace", " <", "INFO: " };
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (!strncmp(text, starts[i], strlen(starts[i])))
			return true;
	return text[0] == ' ' && strncmp(text, " ? ", 3);
}

/*
 * A running task's stack is on its CPU: an NMI to each makes them print theirs, as
 * sysrq-l does. The CPU that asks is left out.
 */
static void say_running(struct stuck *stuck)
{
	_cleanup_close_ int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int sysrq = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	_cleanup_free_ char *record = malloc(KMSG_RECORD_MAX + 1);
	size_t began = atomic_load(&stuck->len);
	const char *text;
	unsigned int i;
	bool own = false;
	char self[32];
	ssize_t n;

	if (kmsg < 0 || sysrq < 0 || !record || lseek(kmsg, 0, SEEK_END) < 0 || write(sysrq, "l", 1) != 1) {
		say(stuck, "  (stacks of running tasks cannot be had: %s)\n", strerror(errno));
		return;
	}
	snprintf(self, sizeof(self), " PID: %d ", (pid_t)syscall(SYS_gettid));
	for (i = 0; i < KMSG_RECORDS_MAX; i++) {
		n = read(kmsg, record, KMSG_RECORD_MAX);
		if (n < 0 && errno == EPIPE)
			continue;	/* overwritten meanwhile */
		if (n <= 0)
			break;
		record[n] = '\0';
		text = record_text(record);
		if (!text || !is_worth_saying(text))
			continue;
		if (!strncmp(text, "NMI backtrace", 13)) {
			began = atomic_load(&stuck->len);
			own = false;
		}
		if (!strncmp(text, "CPU: ", 5) && strstr(text, self)) {
			atomic_store(&stuck->len, began);
			own = true;
		}
		if (!own)
			say(stuck, "  %s\n", text);
	}
}

static void *look(void *arg)
{
	struct stuck *stuck = arg;
	uint64_t one = 1;
	char dir[64];
	char state;

	snprintf(dir, sizeof(dir), "/proc/%d/task/%d", stuck->tid, stuck->tid);
	if (access(dir, F_OK))
		snprintf(dir, sizeof(dir), "/proc/self/task/%d", stuck->tid);
	state = say_task(stuck, "task", dir, stuck->tid);
	if (state != 'R')
		say_stack(stuck, dir);
	else if (!stuck->sysrq)
		say(stuck, "  (none: it is running)\n");
	else
		say_running(stuck);
	say_blocked(stuck);
	atomic_store(&stuck->done, true);
	if (write(stuck->done_fd, &one, sizeof(one)) < 0)
		errno = 0;	/* the watcher looks by itself, too */
	put(stuck);
	return NULL;
}

struct stuck *stuck_look(pid_t tid, bool sysrq, int done_fd)
{
	struct stuck *stuck = calloc(1, sizeof(*stuck));
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	if (!stuck)
		return NULL;
	stuck->tid = tid;
	stuck->sysrq = sysrq;
	stuck->done_fd = done_fd;
	atomic_init(&stuck->owners, 2);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, look, stuck);
	pthread_attr_destroy(&attr);
	if (!err)
		return stuck;
	free(stuck);
	return NULL;
}

bool stuck_done(const struct stuck *stuck)
{
	return atomic_load(&stuck->done);
}

const char *stuck_text(const struct stuck *stuck, size_t *len)
{
	*len = atomic_load(&stuck->len);
	return stuck->text;
}

void stuck_free(struct stuck *stuck)
{
	if (stuck)
		put(stuck);
}
