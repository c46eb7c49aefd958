// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vexlab/blackbox.h>

#include "blackbox.h"

/* QEMU may be running: what lies beyond these is not the guest's doing. */
#define BYTES_MAX	(VX_BOX_SHMEM_BYTES + sizeof(struct vx_box))

static gsize read_all(int fd, guint8 *to, gsize at, gsize len)
{
	while (at < len) {
		ssize_t n = pread(fd, to + at, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (gsize)n;
	}
	return at;
}

/* How much of the file to read: what the head says, as far as that can be. */
static gsize wanted(const struct vx_box *head, gsize size)
{
	return head->content_bytes > BYTES_MAX ? size : MIN(size, sizeof(*head) + head->content_bytes);
}

static GBytes *take(int fd, gsize size)
{
	const struct vx_box zero = { 0 };
	g_autofree guint8 *data = NULL;
	struct vx_box head;
	gsize len, have;

	if (read_all(fd, (guint8 *)&head, 0, sizeof(head)) != sizeof(head) || head.magic != VX_BOX_MAGIC)
		return NULL;
	len = wanted(&head, size);
	data = g_malloc(len);
	/* The head that was judged, not what stands there by now. */
	memcpy(data, &head, MIN(len, sizeof(head)));
	have = read_all(fd, data, sizeof(head), len);
	if (pwrite(fd, &zero, sizeof(zero), 0) != sizeof(zero))
		g_debug("the black box cannot be cleared: %s", g_strerror(errno));
	return g_bytes_new_take(g_steal_pointer(&data), have);
}

GBytes *blackbox_take(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	GBytes *ret = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof(struct vx_box))
		ret = take(fd, MIN((gsize)st.st_size, BYTES_MAX));
	close(fd);
	return ret;
}
