// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "undo.h"

struct change {
	struct change *older;
	enum undo_kind kind;
	char what[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct change *newest;

void undo_note(enum undo_kind kind, const char *what)
{
	struct change *change = malloc(sizeof(*change) + strlen(what) + 1);

	if (!change)
		return;
	change->kind = kind;
	strcpy(change->what, what);
	pthread_mutex_lock(&lock);
	change->older = newest;
	newest = change;
	pthread_mutex_unlock(&lock);
}

void undo_forget(enum undo_kind kind, const char *what)
{
	struct change **at, *found = NULL;

	pthread_mutex_lock(&lock);
	for (at = &newest; *at; at = &(*at)->older)
		if ((*at)->kind == kind && !strcmp((*at)->what, what))
			break;
	found = *at;
	if (found)
		*at = found->older;
	pthread_mutex_unlock(&lock);
	free(found);
}

static void take_back(const struct change *change)
{
	switch (change->kind) {
	case UNDO_MOUNT:
		if (umount2(change->what, 0))
			umount2(change->what, MNT_DETACH);
		break;
	case UNDO_MODULE:
		syscall(SYS_delete_module, change->what, O_NONBLOCK);
		break;
	case UNDO_DIRECTORY:
		rmdir(change->what);
		break;
	}
}

void undo_all(void)
{
	struct change *change;

	pthread_mutex_lock(&lock);
	while ((change = newest)) {
		newest = change->older;
		take_back(change);
		free(change);
	}
	pthread_mutex_unlock(&lock);
}
