// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler_tasks.h"

void sampler_tasks_init(struct sampler_tasks *tasks)
{
	memset(tasks, 0, sizeof(*tasks));
	tasks->dir = -1;
}

static void forget(struct sampler_task *slot)
{
	int i;

	for (i = 0; slot->tid && i < TASK_FILES; i++)
		if (slot->fd[i] >= 0)
			close(slot->fd[i]);
	slot->tid = 0;
}

void sampler_tasks_deinit(struct sampler_tasks *tasks)
{
	unsigned int i;

	for (i = 0; i < VX_METRICS_TASKS_MAX; i++)
		forget(&tasks->slot[i]);
	if (tasks->dir >= 0)
		close(tasks->dir);
	tasks->dir = -1;
}

static bool remember(struct sampler_task *slot, const char *dir, pid_t tid)
{
	static const char *const names[TASK_FILES] = {
		[TASK_STAT] = "stat", [TASK_SCHED] = "schedstat", [TASK_IO] = "io",
	};
	char path[64];
	int i;

	for (i = 0; i < TASK_FILES; i++) {
		snprintf(path, sizeof(path), "%s/%d/%s", dir, tid, names[i]);
		slot->fd[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	slot->tid = tid;
	return slot->fd[TASK_STAT] >= 0;
}

/* 0: there is nothing to read. */
static ssize_t read_text(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? n : 0;
}

/* "pid (name) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime": the name may hold anything. */
static bool parse_stat(char *text, struct vx_metrics_task *row)
{
	char *name = strchr(text, '('), *end = strrchr(text, ')');
	unsigned long long user, system;

	if (!name || !end || end < name ||
	    sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return false;
	*end = '\0';
	strncpy(row->comm, name + 1, sizeof(row->comm) - 1);
	row->user = user;
	row->system = system;
	return true;
}

static __u64 number_behind(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

static bool sample_one(const struct sampler_task *slot, struct vx_metrics_task *row)
{
	char text[512], *end;

	memset(row, 0, sizeof(*row));
	row->tid = (__u32)slot->tid;
	if (!read_text(slot->fd[TASK_STAT], text, sizeof(text)) || !parse_stat(text, row))
		return false;
	if (read_text(slot->fd[TASK_SCHED], text, sizeof(text))) {
		row->run_ns = strtoull(text, &end, 10);
		row->wait_ns = strtoull(end, NULL, 10);
	}
	if (read_text(slot->fd[TASK_IO], text, sizeof(text))) {
		row->read_bytes = number_behind(text, "\nread_bytes: ");
		row->write_bytes = number_behind(text, "\nwrite_bytes: ");
	}
	return true;
}

struct sampling {
	struct sampler_tasks *tasks;
	struct vx_metrics_task *rows;
	unsigned int n;
	__u32 cut;
};

static void take(struct sampling *s, const char *dir, pid_t tid)
{
	struct sampler_task *slot, *free_one = NULL;
	unsigned int i;

	for (i = 0; i < VX_METRICS_TASKS_MAX; i++) {
		slot = &s->tasks->slot[i];
		if (slot->tid == tid)
			break;
		if (!slot->tid && !free_one)
			free_one = slot;
	}
	if (i == VX_METRICS_TASKS_MAX) {
		slot = free_one;
		if (!slot) {
			s->cut++;
			return;
		}
		remember(slot, dir, tid);
	}
	slot->seen = sample_one(slot, &s->rows[s->n]);
	s->n += (unsigned int)slot->seen;
}

/* getdents64(2) by itself: readdir(3) would allocate. */
static void take_threads(struct sampling *s)
{
	char buf[2048] __attribute__((aligned(8)));
	const struct dirent64 *entry;
	long n, at;

	if (s->tasks->dir < 0)
		s->tasks->dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->tasks->dir < 0 || lseek(s->tasks->dir, 0, SEEK_SET))
		return;
	while ((n = syscall(SYS_getdents64, s->tasks->dir, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += entry->d_reclen) {
			pid_t tid;

			entry = (const struct dirent64 *)(buf + at);
			tid = atoi(entry->d_name);
			if (tid > 0 && tid != getpid())
				take(s, "/proc/self/task", tid);
		}
}

unsigned int sampler_tasks_sample(struct sampler_tasks *tasks, pid_t child,
				  struct vx_metrics_task ret[VX_METRICS_TASKS_MAX], __u32 *cut)
{
	struct sampling s = { .tasks = tasks, .rows = ret };
	unsigned int i;

	for (i = 0; i < VX_METRICS_TASKS_MAX; i++)
		tasks->slot[i].seen = 0;
	take_threads(&s);
	if (child)
		take(&s, "/proc", child);
	for (i = 0; i < VX_METRICS_TASKS_MAX; i++)
		if (!tasks->slot[i].seen)
			forget(&tasks->slot[i]);
	*cut = s.cut;
	return s.n;
}
