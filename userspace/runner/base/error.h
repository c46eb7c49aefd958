/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What went wrong, in the terms of sysexits(3): the code of a VX_ERROR is the
 * process's exit code. Messages are whole sentences without a final stop that
 * say what to do; library code never prints them, commands do.
 */
#ifndef VEXLAB_ERROR_H
#define VEXLAB_ERROR_H

#include <glib.h>
#include <sysexits.h>

#define VX_ERROR vx_error_quark()
GQuark vx_error_quark(void);

enum vx_error {
	VX_ERROR_USAGE		= EX_USAGE,		/* 64: wrong flags */
	VX_ERROR_UNAVAILABLE	= EX_UNAVAILABLE,	/* 69: something needed is not there, or a build failed */
	VX_ERROR_INTERNAL	= EX_SOFTWARE,		/* 70 */
	VX_ERROR_OS		= EX_OSERR,		/* 71 */
	VX_ERROR_IO		= EX_IOERR,		/* 74: disk full and the like */
	VX_ERROR_PROTOCOL	= EX_PROTOCOL,		/* 76: the guest spoke nonsense */
	VX_ERROR_PERM		= EX_NOPERM,		/* 77 */
	VX_ERROR_CONFIG		= EX_CONFIG,		/* 78 */
};

/* sysexits code of `error`; foreign domains (GIOError...) map to the nearest. */
int vx_error_exit_code(const GError *error);

/* The enum vx_error that fits a positive errno: EACCES 77, ENOSPC 74, ENOENT 69, else 71. */
int vx_error_code_from_errno(int err);

/* Sets "<format...>: <strerror(err)>" with that code. */
void vx_error_set_errno(GError **error, int err, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* A file of a run that cannot be written any more, of errno `err`: path, reason, and what to do. */
void vx_error_set_write(GError **error, int err, const char *path);

#endif
