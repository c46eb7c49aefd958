// SPDX-License-Identifier: GPL-2.0
/* mkfs.faultfs [-f] DEVICE: writes the super block that faultfs mounts. */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "layout.h"

static union {
	struct faultfs_disk_super super;
	char bytes[FAULTFS_BLOCK_SIZE];
} block;

int main(int argc, char **argv)
{
	const char *device = argv[argc - 1];
	off_t size;
	int fd;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[1], "-f"))) {
		fprintf(stderr, "usage: mkfs.faultfs [-f] DEVICE\n");
		return EX_USAGE;
	}
	fd = open(device, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(EX_NOINPUT, "%s", device);
	size = lseek(fd, 0, SEEK_END);
	if (size < (off_t)sizeof(block))
		errx(EX_DATAERR, "%s: %lld bytes are too few, %zu are needed", device, (long long)size, sizeof(block));
	block.super.magic = htole32(FAULTFS_MAGIC);
	block.super.version = htole32(FAULTFS_VERSION);
	block.super.state = htole32(FAULTFS_CLEAN);
	block.super.blocks = htole64(size / FAULTFS_BLOCK_SIZE);
	if (pwrite(fd, &block, sizeof(block), 0) != (ssize_t)sizeof(block) || fsync(fd))
		err(EX_IOERR, "%s", device);
	if (close(fd))
		err(EX_IOERR, "%s", device);
	return EX_OK;
}
