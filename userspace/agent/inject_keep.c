// SPDX-License-Identifier: GPL-2.0
/* A file that is to outlast an unmount: each call that could tell of lost data is asked. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"

#define BYTES_MAX	(1 << 20)

static void fill(char *buf, uint64_t seed, size_t len)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		buf[i] = (char)(x >> 56 | 1);
	}
}

static int failed(struct op_run *run, const char *call)
{
	int err = errno ? errno : EIO;

	op_say(run, "%s: %s\n", call, strerror(err));
	return -err;
}

static int write_it(struct op_run *run, const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = 0;
	size_t at = 0;

	if (fd < 0)
		return failed(run, "create");
	while (at < len && !err) {
		ssize_t n = write(fd, data + at, len - at);

		if (n <= 0)
			err = failed(run, "write");
		at += n > 0 ? (size_t)n : 0;
	}
	if (!err && fsync(fd))
		err = failed(run, "fsync");
	if (close(fd) && !err)
		err = failed(run, "close");
	return err;
}

/* One that is not there is lost, too. `have`: room for a byte more than `len`. */
static int compare(struct op_run *run, const char *path, const char *data, size_t len, char *have)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;

	run->value = VX_FILE_CORRUPT;
	if (fd < 0)
		return failed(run, "open");
	for (;;) {
		ssize_t n = read(fd, have + at, len + 1 - at);

		if (n < 0)
			return failed(run, "read");
		if (!n || at == len + 1)
			break;
		at += (size_t)n;
	}
	if (at != len || memcmp(have, data, len)) {
		op_say(run, "its content is not what was written\n%zu of %zu bytes\n", at, len);
		return -EBADMSG;
	}
	run->value = VX_FILE_DONE;
	return 0;
}

int op_keep(struct op_run *run)
{
	const struct vx_req_step *req = &run->step.req;
	const size_t len = (size_t)req->num[1];
	_cleanup_free_ char *data = NULL;
	int err;

	if (req->num[1] < 1 || req->num[1] > BYTES_MAX)
		return -EINVAL;
	data = malloc(2 * len + 1);
	if (!data)
		return -ENOMEM;
	fill(data, (uint64_t)req->num[0], len);
	op_begin(run);
	if (req->num[2] == VX_KEEP_COMPARE)
		err = compare(run, run->step.str[0], data, len, data + len);
	else
		err = write_it(run, run->step.str[0], data, len);
	return op_end(run, err);
}
