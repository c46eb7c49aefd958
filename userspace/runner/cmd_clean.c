// SPDX-License-Identifier: GPL-2.0
/*
 * clean: what a vexlab that was killed has left. Each command that starts guests does the same first. And
 * each has a guard, another process, that does it at once: libvirt has QEMU daemonise, so no signal of the
 * kernel's tells it that we died. A pipe does tell the guard.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "fsutil.h"
#include "tidy.h"

#define TRIES		20	/* for what a killed build still writes */
#define TRY_AGAIN_US	250000

static gboolean clean(const char *cachedir, struct rundir_reaped *ret, GError **error)
{
	struct rundir_reaped did = { 0 };
	gboolean again = TRUE;
	int i;

	for (i = 0; again && i < TRIES; i++) {
		if (i)
			g_usleep(TRY_AGAIN_US);
		if (!tidy_all(cachedir, &did, &again, error))
			return FALSE;
		ret->dirs += did.dirs;
		ret->killed += did.killed;
		ret->files += did.files;
	}
	return TRUE;
}

/* Until nobody holds the pipe's other end. Whoever ends a session or a group means the parent. */
static void wait_for_parent(void)
{
	char byte;

	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
		;
}

int cmd_clean(int argc, char **argv)
{
	g_autofree char *cache = NULL;
	gboolean as_guard = FALSE;
	const GOptionEntry entries[] = {
		{ "cache", 0, 0, G_OPTION_ARG_STRING, &cache, "Where guest images and builds are kept", "DIR" },
		{ "guard", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &as_guard, NULL, NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	struct rundir_reaped did = { 0 };
	g_autoptr(GError) error = NULL;

	g_option_context_set_summary(context, "Removes what a vexlab that was killed has left: its guest, disks, sockets, and\n"
				     "what it had half made in the cache. Whoever still runs is left alone.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fprintf(stderr, "vexlab clean: %s\n", error ? error->message : "it takes options only");
		return EX_USAGE;
	}
	if (!cache)
		cache = fs_default_cachedir();
	if (as_guard)
		wait_for_parent();
	if (!clean(cache, &did, &error))
		return cmd_fail("clean", error);
	if (did.dirs)
		printf("removed %u run directories, %u processes of QEMU and %u disks and states\n", did.dirs, did.killed,
		       did.files);
	else
		printf("nothing was left behind\n");
	return 0;
}

void cmd_guard(const char *cachedir)
{
	const char *argv[] = { "/proc/self/exe", "clean", "--guard", "--cache", cachedir, NULL };
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	static int held = -1;	/* until we die */
	int ends[2], null;

	if (held >= 0 || !self || pipe2(ends, O_CLOEXEC))
		return;
	argv[0] = self;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	/* What was inherited would keep somebody waiting for its end: nothing is. */
	if (null >= 0 && g_spawn_async_with_fds("/", (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL,
						ends[0], null, null, NULL))
		held = ends[1];
	else
		close(ends[1]);
	close(ends[0]);
	if (null >= 0)
		close(null);
}
