// SPDX-License-Identifier: GPL-2.0
/* mkfs.liefs [-f] DEVICE: makes the empty filesystem that liefs mounts. */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"

#define BLOCKS_MIN	16u
#define BLOCKS_PER_INODE 4u

struct plan {
	uint32_t blocks, inodes, inode_map, block_map, table, data;	/* map, table, data: first blocks */
};

static unsigned char block[LIEFS_BLOCK_SIZE];

static uint32_t crc32c(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t crc = ~0u;
	int bit;

	while (len--)
		for (crc ^= *p++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	return ~crc;
}

static uint32_t ceil_div(uint32_t n, uint32_t by)
{
	return (n + by - 1) / by;
}

static struct plan plan_for(off_t bytes)
{
	struct plan p = { .blocks = (uint32_t)(bytes / LIEFS_BLOCK_SIZE) };

	p.inodes = ceil_div(p.blocks / BLOCKS_PER_INODE, LIEFS_INODES_PER_BLOCK) * LIEFS_INODES_PER_BLOCK;
	p.inode_map = 1;
	p.block_map = p.inode_map + ceil_div(p.inodes, LIEFS_BITS);
	p.table = p.block_map + ceil_div(p.blocks, LIEFS_BITS);
	p.data = p.table + p.inodes / LIEFS_INODES_PER_BLOCK;
	return p;
}

static void put(int fd, uint32_t number, const char *device)
{
	if (pwrite(fd, block, sizeof(block), (off_t)number * LIEFS_BLOCK_SIZE) != (ssize_t)sizeof(block))
		err(EX_IOERR, "%s", device);
	memset(block, 0, sizeof(block));
}

/* The first `used` bits of a bitmap set, and those behind its end. */
static void put_bitmap(int fd, uint32_t first, uint32_t end, uint32_t used, uint32_t bits, const char *device)
{
	uint32_t number, i, bit;

	for (number = first; number < end; number++) {
		for (i = 0; i < LIEFS_BITS; i++) {
			bit = (number - first) * LIEFS_BITS + i;
			if (bit < used || bit >= bits)
				block[i / 8] |= (unsigned char)(1 << i % 8);
		}
		put(fd, number, device);
	}
}

static void put_inodes(int fd, const struct plan *p, const char *device)
{
	struct liefs_disk_inode *root = (struct liefs_disk_inode *)block;
	uint64_t now = (uint64_t)time(NULL);
	uint32_t number;

	root->mode = htole16(S_IFDIR | 0755);
	root->nlink = htole32(2);
	root->atime = root->mtime = root->ctime = htole64(now);
	for (number = p->table; number < p->data; number++)
		put(fd, number, device);
}

static void put_super(int fd, const struct plan *p, const char *device)
{
	struct liefs_disk_super *super = (struct liefs_disk_super *)block;

	super->magic = htole32(LIEFS_MAGIC);
	super->version = htole32(LIEFS_VERSION);
	super->state = htole32(LIEFS_CLEAN);
	super->blocks = htole32(p->blocks);
	super->inodes = htole32(p->inodes);
	super->inode_bitmap = htole32(p->inode_map);
	super->inode_bitmap_blocks = htole32(p->block_map - p->inode_map);
	super->block_bitmap = htole32(p->block_map);
	super->block_bitmap_blocks = htole32(p->table - p->block_map);
	super->inode_table = htole32(p->table);
	super->inode_table_blocks = htole32(p->data - p->table);
	super->data_start = htole32(p->data);
	super->root_ino = htole32(LIEFS_ROOT_INO);
	super->group_blocks = htole32(LIEFS_GROUP);
	super->crc = htole32(crc32c(super, offsetof(struct liefs_disk_super, crc)));
	put(fd, 0, device);
}

int main(int argc, char **argv)
{
	const char *device = argv[argc - 1];
	struct plan p;
	off_t size;
	int fd;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[1], "-f"))) {
		fprintf(stderr, "usage: mkfs.liefs [-f] DEVICE\n");
		return EX_USAGE;
	}
	fd = open(device, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(EX_NOINPUT, "%s", device);
	size = lseek(fd, 0, SEEK_END);
	if (size < (off_t)BLOCKS_MIN * LIEFS_BLOCK_SIZE)
		errx(EX_DATAERR, "%s: %lld bytes are too few, %u are needed", device, (long long)size,
		     BLOCKS_MIN * LIEFS_BLOCK_SIZE);
	if (size / LIEFS_BLOCK_SIZE > INT32_MAX)
		size = (off_t)INT32_MAX * LIEFS_BLOCK_SIZE;
	p = plan_for(size);
	put_bitmap(fd, p.inode_map, p.block_map, 1, p.inodes, device);
	put_bitmap(fd, p.block_map, p.table, p.data, p.blocks, device);
	put_inodes(fd, &p, device);
	put_super(fd, &p, device);
	if (fsync(fd) || close(fd))
		err(EX_IOERR, "%s", device);
	return EX_OK;
}
