// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "put.h"

#define SUFFIX	".vexlab-put"

void put_init(struct put *put)
{
	memset(put, 0, sizeof(*put));
	put->fd = -1;
}

static void drop(struct put *put)
{
	if (put->fd < 0)
		return;
	close(put->fd);
	unlink(put->temp);
	put->fd = -1;
}

void put_deinit(struct put *put)
{
	drop(put);
}

static int begin(struct put *put, const struct vx_req_put *req, const char *path)
{
	int n;

	drop(put);
	n = snprintf(put->temp, sizeof(put->temp), "%s" SUFFIX, path);
	if (path[0] != '/' || n >= (int)sizeof(put->temp))
		return -EINVAL;
	strcpy(put->path, path);
	unlink(put->temp);
	put->fd = open(put->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (put->fd < 0)
		return -errno;
	put->id = req->id;
	put->size = 0;
	return 0;
}

static int write_chunk(struct put *put, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = write(put->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		put->size += (size_t)n;
	}
	return 0;
}

/* What the file holds, not what was meant to be written. */
static int read_back(struct put *put, struct vx_msg_put *ret)
{
	unsigned char buf[32768];
	uLong crc = crc32(0, NULL, 0);
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(put->fd, buf, sizeof(buf), (off_t)at)) > 0) {
		crc = crc32(crc, buf, (uInt)n);
		at += (uint64_t)n;
	}
	ret->size = at;
	ret->crc = (uint32_t)crc;
	if (n < 0)
		return -errno;
	return at == put->size ? 0 : -EIO;
}

static int finish(struct put *put, uint32_t mode, struct vx_msg_put *ret)
{
	int err = read_back(put, ret);

	if (err)
		return err;
	if (fchmod(put->fd, mode & 07777) || rename(put->temp, put->path))
		return -errno;
	close(put->fd);
	put->fd = -1;
	return 0;
}

static int take(struct put *put, const struct vx_req_put *req, const char *payload, size_t len,
		struct vx_msg_put *ret)
{
	const char *path = payload + sizeof(*req);
	size_t head = sizeof(*req) + req->path_len;
	int err = 0;

	if (!req->path_len || req->path_len > sizeof(put->path) || head > len ||
	    memchr(path, '\0', req->path_len) != path + req->path_len - 1 ||
	    len - head > VX_PUT_CHUNK_MAX)
		return -EINVAL;
	if (!req->offset)
		err = begin(put, req, path);
	else if (put->fd < 0 || put->id != req->id || put->size != req->offset ||
		 strcmp(put->path, path))
		err = -ESPIPE;	/* not the chunk that comes next */
	if (!err)
		err = write_chunk(put, (const unsigned char *)payload + head, len - head);
	if (!err && req->last)
		err = finish(put, req->mode, ret);
	return err;
}

bool put_chunk(struct put *put, const void *payload, size_t len, struct vx_msg_put *ret)
{
	struct vx_req_put req;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (len < sizeof(req)) {
		ret->err = -EINVAL;
		return true;
	}
	memcpy(&req, payload, sizeof(req));
	ret->id = req.id;
	if (!req.offset)
		put->any_failed = false;
	else if (put->any_failed && put->failed == req.id)
		return false;
	err = take(put, &req, payload, len, ret);
	ret->err = err;
	if (!err)
		return req.last;
	drop(put);
	put->failed = req.id;
	put->any_failed = true;
	return true;
}
