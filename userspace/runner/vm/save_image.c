// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "save_image.h"

/*
 * struct _virQEMUSaveHeader of libvirt (src/qemu/qemu_saveimage.h), in the byte order of the machine that wrote it.
 * The domain's XML follows it.
 */
#define MAGIC		"LibvirtQemudSave"	/* "LibvirtQemudPart" while it is being written */
#define MAGIC_LEN	16
#define HEADER		92

static char *value_of(char *xml, const char *tag, gsize *len)
{
	char *begin = strstr(xml, tag), *end;

	if (!begin)
		return NULL;
	begin += strlen(tag);
	end = strchr(begin, '<');
	*len = end ? (gsize)(end - begin) : 0;
	return end ? begin : NULL;
}

/* 1: changed, 0: it was so already, -1: cannot be. */
static int put_value(char *xml, const char *tag, const char *value)
{
	gsize len;
	char *at = value_of(xml, tag, &len);

	if (!at || len != strlen(value))
		return -1;
	if (!memcmp(at, value, len))
		return 0;
	memcpy(at, value, len);
	return 1;
}

static gboolean rename_in(int fd, const char *path, const char *name, const char *uuid, GError **error)
{
	g_autofree char *head = g_malloc0(SAVE_IMAGE_HEAD + 1);
	ssize_t len = pread(fd, head, SAVE_IMAGE_HEAD, 0);
	int a, b;

	if (len <= HEADER || memcmp(head, MAGIC, MAGIC_LEN)) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "%s is not the saved state of a guest", path);
		return FALSE;
	}
	a = put_value(head + HEADER, "<name>", name);
	b = put_value(head + HEADER, "<uuid>", uuid);
	if (a < 0 || b < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the saved state %s is of another kind of guest", path);
		return FALSE;
	}
	if (!(a | b) || pwrite(fd, head, (gsize)len, 0) == len)
		return TRUE;
	vx_error_set_errno(error, errno, "cannot write %s", path);
	return FALSE;
}

gboolean save_image_rename(const char *path, const char *name, const char *uuid, GError **error)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	gboolean ok;

	if (fd < 0) {
		vx_error_set_errno(error, errno, "cannot open %s", path);
		return FALSE;
	}
	ok = rename_in(fd, path, name, uuid, error);
	close(fd);
	return ok;
}
