// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include "error.h"
#include "linefile.h"

struct linefile {
	int fd;
	off_t end;
};

struct linefile *linefile_create(const char *path, GError **error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct linefile *lf;

	if (fd < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot create %s: %s", path, g_strerror(errno));
		return NULL;
	}
	lf = g_new0(struct linefile, 1);
	lf->fd = fd;
	return lf;
}

int linefile_append(struct linefile *lf, const void *data, gsize len)
{
	const char *rest = data;
	off_t at = lf->end;
	gsize left = len;

	while (left) {
		ssize_t n = pwrite(lf->fd, rest, left, at);
		int err = n < 0 ? errno : ENOSPC;

		if (n < 0 && err == EINTR)
			continue;
		if (n <= 0) {
			/* Should even this fail, the half line is the reader's to leave out. */
			(void)!ftruncate(lf->fd, lf->end);
			return -err;
		}
		rest += n;
		at += n;
		left -= (gsize)n;
	}
	lf->end = at;
	return 0;
}

void linefile_close(struct linefile *lf)
{
	if (!lf)
		return;
	close(lf->fd);
	g_free(lf);
}
