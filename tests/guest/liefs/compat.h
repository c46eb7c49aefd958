/* SPDX-License-Identifier: GPL-2.0 */
/* What liefs asks of a kernel that has differed or will: written for 6.12, and nothing else is promised. */
#ifndef LIEFS_COMPAT_H
#define LIEFS_COMPAT_H

#include <linux/crc32.h>
#include <linux/fs.h>
#include <linux/version.h>

/* 6.3: operations are told the mount's idmap; of before that we know nothing here. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#error "liefs is written for 6.12; put what this kernel does otherwise into compat.h"
#endif

/* 6.15 88d5baf69082: mkdir returns a dentry. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
typedef struct dentry *mkdir_result;
#define MKDIR_RESULT(err) ERR_PTR(err)
#else
typedef int mkdir_result;
#define MKDIR_RESULT(err) (err)
#endif

/* crc32c() is a module's on many kernels, and would have to be loaded first; this is built in. */
static inline u32 compat_crc32c(const void *data, size_t len)
{
	return ~__crc32c_le(~0u, data, len);
}

#endif
