/* SPDX-License-Identifier: GPL-2.0 */
/*
 * liefs on disk. Shared by the module and mkfs.liefs; little endian, blocks of 4096 bytes:
 *
 *	0		super block
 *	1..		inode bitmap, one bit an inode, the first is inode 1
 *	..		block bitmap, one bit a block of the device, set too for all blocks up to data_start
 *	..		inode table, 32 a block
 *	data_start..	data, directories, indirect blocks
 *
 * Counts of what is free stand nowhere: they are the bitmaps'.
 */
#ifndef LIEFS_LAYOUT_H
#define LIEFS_LAYOUT_H

#include <linux/types.h>

#define LIEFS_MAGIC		0x5346494cu	/* "LIFS" */
#define LIEFS_VERSION		1u
#define LIEFS_BLOCK_SIZE	4096u
#define LIEFS_BLOCK_BITS	12
#define LIEFS_BITS		(LIEFS_BLOCK_SIZE * 8)
#define LIEFS_ROOT_INO		1u
#define LIEFS_NAME_MAX		255
#define LIEFS_LINK_MAX		65000
#define LIEFS_GROUP		64u		/* blocks; what mkfs makes is counted in such groups */
#define LIEFS_CHAIN_MAX		16u

enum liefs_state {
	LIEFS_CLEAN	= 0,
	LIEFS_MOUNTED	= 1,	/* on disk: mounted, or the machine died while it was */
};

struct liefs_disk_super {
	__le32 magic;
	__le32 version;
	__le32 state;			/* enum liefs_state */
	__le32 mounts;			/* times mounted for writing since mkfs */
	__le32 blocks;			/* of the filesystem */
	__le32 inodes;
	__le32 inode_bitmap;		/* first block */
	__le32 inode_bitmap_blocks;
	__le32 block_bitmap;
	__le32 block_bitmap_blocks;
	__le32 inode_table;
	__le32 inode_table_blocks;
	__le32 data_start;
	__le32 root_ino;
	__le32 group_blocks;		/* LIEFS_GROUP */
	__le32 chain;			/* first of a chain of label blocks, each naming the next in its first word; 0: none */
	__u8 label[32];
	__le32 crc;			/* crc32c of all before it; last */
};

/* Direct, then one indirect, then one double indirect block. */
#define LIEFS_DIRECT		10
#define LIEFS_POINTERS		12
#define LIEFS_PER_BLOCK		(LIEFS_BLOCK_SIZE / 4)
#define LIEFS_BLOCKS_MAX	(LIEFS_DIRECT + LIEFS_PER_BLOCK + (__u64)LIEFS_PER_BLOCK * LIEFS_PER_BLOCK)

struct liefs_disk_inode {
	__le16 mode;			/* 0: free */
	__le16 flags;			/* 0 */
	__le32 nlink;
	__le32 uid, gid;
	__le64 size;
	__le64 atime, mtime, ctime;	/* seconds */
	__le32 atime_ns, mtime_ns, ctime_ns;
	__le32 blocks;			/* indirect ones too */
	__le32 pointer[LIEFS_POINTERS];	/* 0: a hole */
	__le32 rdev;
	__le32 generation;
	__le64 pad;
};

#define LIEFS_INODES_PER_BLOCK	(LIEFS_BLOCK_SIZE / sizeof(struct liefs_disk_inode))

/* "." and ".." are not stored. */
struct liefs_disk_entry {
	__le32 ino;			/* 0: free */
	__le16 len;			/* of the name */
	__u8 type;			/* DT_* */
	__u8 pad;
	__u8 name[256];
};

#define LIEFS_ENTRIES_PER_BLOCK	(LIEFS_BLOCK_SIZE / sizeof(struct liefs_disk_entry))

_Static_assert(sizeof(struct liefs_disk_inode) == 128, "on disk");
_Static_assert(sizeof(struct liefs_disk_entry) == 264, "on disk");

#endif
