/* SPDX-License-Identifier: GPL-2.0 */
/* Subcommands: argv[0] is the command's own name; the return value is the process's exit code. */
#ifndef VEXLAB_CMD_H
#define VEXLAB_CMD_H

#include <gio/gio.h>

#include "log.h"

int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_guest(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_scenario(int argc, char **argv);
int cmd_clean(int argc, char **argv);

/* Shared by the commands (cmd.c). They alone print. */

/* "vexlab run: message" on stderr; returns the exit code for it. */
int cmd_fail(const char *command, const GError *error);
/* A file of the installation: beside the binary, in $VEXLAB_LIBDIR, or in the source tree. Caller frees. */
char *cmd_lib_path(const char *name);
/* Cancelled by the first Ctrl-C or SIGTERM; the second ends the process at once. */
GCancellable *cmd_cancellable(void);
/* That it stops is told there, not in words on stderr; NULL: in words. Borrowed. */
void cmd_log_interrupt(struct log *log);
gboolean cmd_stdout_colour(void);
/* VX_ERROR_USAGE: one of them is no key that runs are told apart by. NULL-safe. */
gboolean cmd_check_across(char **across, GError **error);
/*
 * Starts a process that outlives this one by a moment, however it dies, and clears what it leaves (QEMU, disks,
 * sockets). For commands that start guests; at most once a process. That it cannot be started is no error: the next
 * command clears up then.
 */
void cmd_guard(const char *cachedir);

#endif
