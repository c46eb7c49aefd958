// SPDX-License-Identifier: GPL-2.0
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "report.h"

int cmd_fail(const char *command, const GError *error)
{
	g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
	guint i;

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		fprintf(stderr, "vexlab %s: interrupted\n", command);
		return 128 + SIGINT;
	}
	for (i = 0; lines[i]; i++) {
		g_autofree char *safe = report_printable(lines[i]);

		if (i)
			fprintf(stderr, "    %s\n", safe);
		else
			fprintf(stderr, "vexlab %s: %s\n", command, safe);
	}
	return vx_error_exit_code(error);
}

char *cmd_lib_path(const char *name)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *here = self ? g_path_get_dirname(self) : g_strdup(".");
	g_autofree char *tree = g_path_get_dirname(here);
	const char *dirs[] = { g_getenv("VEXLAB_LIBDIR"), here, tree };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
		char *path = dirs[i] ? g_build_filename(dirs[i], name, NULL) : NULL;

		if (path && g_file_test(path, G_FILE_TEST_EXISTS))
			return path;
		g_free(path);
	}
	return g_build_filename(here, name, NULL);
}

static struct log *told;

void cmd_log_interrupt(struct log *log)
{
	told = log;
}

static gboolean interrupted(gpointer data)
{
	static int times;

	if (times++)
		_exit(128 + SIGINT);	/* the next run clears what this one leaves */
	if (told)
		log_write(told, LOG_LEVEL_WARNING, "interrupt", NULL, "stopping in order; once more to stop at once");
	else
		fprintf(stderr, "\nvexlab: stopping in order; once more to stop at once\n");
	g_cancellable_cancel(data);
	return G_SOURCE_CONTINUE;
}

GCancellable *cmd_cancellable(void)
{
	static GCancellable *cancellable;

	if (!cancellable) {
		cancellable = g_cancellable_new();
		g_unix_signal_add(SIGINT, interrupted, cancellable);
		g_unix_signal_add(SIGTERM, interrupted, cancellable);
		g_unix_signal_add(SIGHUP, interrupted, cancellable);
	}
	return cancellable;
}

gboolean cmd_stdout_colour(void)
{
	return isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR");
}
