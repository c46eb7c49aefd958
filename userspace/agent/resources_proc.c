// SPDX-License-Identifier: GPL-2.0
/* Tasks: kernel threads by name, and how many files each process has open. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "resources_out.h"

#define PF_KTHREAD	0x00200000

struct tasks {
	struct resources_tally threads, files;
	long long workers;
};

/* 6.2 f1f1f2569901: the size of the folder is the number of files; before, it is 0 and they are to be counted. */
static long long open_files(int proc, const char *pid)
{
	char path[300];
	struct stat st;
	DIR *dir;
	long long n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	if (!fstatat(proc, path, &st, 0) && st.st_size)
		return st.st_size;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir && fd >= 0)
		close(fd);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 2 ? n - 2 : 0;	/* "." and ".." */
}

/* Workers come and go as there is work; a rescuer ("kworker/R-NAME") is of one queue, and lives as long. */
static bool is_pool_worker(const char *name)
{
	return !strncmp(name, "kworker/", 8) && strncmp(name, "kworker/R-", 10);
}

/* "pid (name) state ppid pgrp session tty tpgid flags": the name may hold anything. */
static void take_task(struct tasks *tasks, int proc, const char *pid)
{
	_cleanup_close_ int fd = -1;
	char path[300], text[512], *name, *end;
	unsigned int flags;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0)
		return;
	text[n] = '\0';
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		return;
	*end = '\0';
	name++;
	if (!(flags & PF_KTHREAD))
		resources_count(&tasks->files, atoi(pid) == getpid() ? "agent" : name, open_files(proc, pid));
	else if (is_pool_worker(name))
		tasks->workers++;
	else
		resources_count(&tasks->threads, name, 1);
}

void resources_tasks(struct resources_out *out)
{
	_cleanup_free_ struct tasks *tasks = calloc(1, sizeof(*tasks));
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned int i;
	long long n = 0;

	while (tasks && dir && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			take_task(tasks, dirfd(dir), entry->d_name);
	if (!tasks || !dir)
		return;
	resources_say_tally(out, "fds", &tasks->files);
	resources_say_tally(out, "threads", &tasks->threads);
	for (i = 0; i < tasks->threads.n; i++)
		n += tasks->threads.item[i].count;
	resources_say(out, n, "totals.threads");
	resources_say(out, tasks->workers, "totals.workers");
}
