// SPDX-License-Identifier: GPL-2.0
/*
 * What kmemleak knows, on the console, as its readers there expect it: a kernel that has it tells only that there
 * is something to be read. An object counts as lost when two scans have found nothing that points to it and it is
 * MSECS_MIN_AGE (5 s) old: so two scans, and a wait before them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define DEBUGFS		"/sys/kernel/debug"
#define KMEMLEAK	DEBUGFS "/kmemleak"
#define AGE_S		6		/* more than MSECS_MIN_AGE of mm/kmemleak.c */
#define REPORTS_MAX	64
#define LINE_MAX_	512

static int command(const char *word)
{
	_cleanup_close_ int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, word, strlen(word)) < 0 ? -errno : 0;
}

/* One line as a message of the kernel's, level error, so that a quiet console shows it too. */
static void say(int kmsg, const char *line)
{
	char text[LINE_MAX_ + 8];
	int n = snprintf(text, sizeof(text), "<3>%.*s\n", LINE_MAX_, line);

	if (write(kmsg, text, (size_t)n) < 0)
		errno = 0;	/* lost: the reports that follow are not */
}

static int64_t tell(FILE *from, int kmsg)
{
	char line[LINE_MAX_];
	int64_t reports = 0;

	while (fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "unreferenced object", 19) && reports++ < REPORTS_MAX)
			say(kmsg, "BUG: memory leak");
		if (reports && reports <= REPORTS_MAX)
			say(kmsg, line);
	}
	return reports;
}

/* value: objects that nothing points to. -EOPNOTSUPP: this kernel has no kmemleak. */
int op_kmemleak(struct op_run *run)
{
	_cleanup_close_ int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	FILE *from;
	int err;

	if (access(KMEMLEAK, F_OK) && mount("debugfs", DEBUGFS, "debugfs", 0, NULL) && errno != EBUSY)
		return -errno;
	if (access(KMEMLEAK, F_OK))
		return -EOPNOTSUPP;
	if (kmsg < 0)
		return -errno;
	op_begin(run);
	sleep(AGE_S);
	err = command("scan");
	if (!err)
		err = command("scan");
	from = err ? NULL : fopen(KMEMLEAK, "re");
	if (!err && !from)
		err = -errno;
	if (from) {
		run->value = tell(from, kmsg);
		fclose(from);
	}
	/* What has been told is not told again. */
	if (!err)
		err = command("clear");
	return op_end(run, err);
}
