/* SPDX-License-Identifier: GPL-2.0 */
/*
 * faultfs on disk: one super block in the first block of the device. Files live
 * in memory until unmount. Shared by the module and mkfs.faultfs; little endian.
 */
#ifndef FAULTFS_LAYOUT_H
#define FAULTFS_LAYOUT_H

#include <linux/types.h>

#define FAULTFS_MAGIC		0x46414c54u	/* "FALT" */
#define FAULTFS_VERSION		1u
#define FAULTFS_BLOCK_SIZE	4096u

enum faultfs_state {
	FAULTFS_CLEAN	= 0,
	FAULTFS_MOUNTED	= 1,	/* on disk: mounted, or the machine died while it was */
};

struct faultfs_disk_super {
	__le32 magic;
	__le32 version;
	__le32 state;		/* enum faultfs_state */
	__le32 mounts;		/* times mounted for writing since mkfs */
	__le64 blocks;		/* of the device, when it was made */
};

#endif
