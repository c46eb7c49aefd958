// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <gio/gio.h>

#include "error.h"

G_DEFINE_QUARK(vx-error-quark, vx_error)

static int io_error_exit_code(int code)
{
	switch (code) {
	case G_IO_ERROR_NOT_FOUND:
	case G_IO_ERROR_NOT_SUPPORTED:
	case G_IO_ERROR_TIMED_OUT:
	case G_IO_ERROR_CONNECTION_REFUSED:
	case G_IO_ERROR_HOST_UNREACHABLE:
	case G_IO_ERROR_NETWORK_UNREACHABLE:
		return EX_UNAVAILABLE;
	case G_IO_ERROR_PERMISSION_DENIED:
		return EX_NOPERM;
	case G_IO_ERROR_NO_SPACE:
	case G_IO_ERROR_FAILED:
	case G_IO_ERROR_BROKEN_PIPE:
	case G_IO_ERROR_CLOSED:
		return EX_IOERR;
	default:
		return EX_SOFTWARE;
	}
}

static int file_error_exit_code(int code)
{
	switch (code) {
	case G_FILE_ERROR_NOENT:
	case G_FILE_ERROR_NOTDIR:
		return EX_UNAVAILABLE;
	case G_FILE_ERROR_ACCES:
	case G_FILE_ERROR_PERM:
	case G_FILE_ERROR_ROFS:
		return EX_NOPERM;
	case G_FILE_ERROR_NOSPC:
	case G_FILE_ERROR_IO:
		return EX_IOERR;
	case G_FILE_ERROR_NOMEM:
	case G_FILE_ERROR_MFILE:
	case G_FILE_ERROR_NFILE:
	case G_FILE_ERROR_AGAIN:
		return EX_OSERR;
	default:
		return EX_SOFTWARE;
	}
}

int vx_error_exit_code(const GError *error)
{
	if (!error)
		return EX_SOFTWARE;
	if (error->domain == VX_ERROR)
		return error->code;
	if (error->domain == G_IO_ERROR)
		return io_error_exit_code(error->code);
	if (error->domain == G_FILE_ERROR)
		return file_error_exit_code(error->code);
	if (error->domain == G_SPAWN_ERROR)
		return EX_UNAVAILABLE;
	if (error->domain == G_OPTION_ERROR)
		return EX_USAGE;
	return EX_SOFTWARE;
}

int vx_error_code_from_errno(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
	case EROFS:
		return VX_ERROR_PERM;
	case ENOSPC:
	case EDQUOT:
	case EIO:
		return VX_ERROR_IO;
	case ENOENT:
	case ENOTDIR:
		return VX_ERROR_UNAVAILABLE;
	default:
		return VX_ERROR_OS;
	}
}

void vx_error_set_errno(GError **error, int err, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, VX_ERROR, vx_error_code_from_errno(err), "%s: %s", what, g_strerror(err));
}

void vx_error_set_write(GError **error, int err, const char *path)
{
	const gboolean full = err == ENOSPC || err == EDQUOT || err == EFBIG;

	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s; what came before is kept%s", path,
		    g_strerror(err), full ? ": free some space there, or let runs go elsewhere (--output)" : "");
}
