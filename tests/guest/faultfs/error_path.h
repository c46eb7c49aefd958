/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Error paths that are wrong, by the module parameter error_path=KIND: nothing happens until something fails that they are the
 * path of. For vexlab's injected failures.
 */
#ifndef FAULTFS_ERROR_PATH_H
#define FAULTFS_ERROR_PATH_H

#include <linux/fs.h>

/* In fill_super; crash: fails badly when its second allocation does; read-leak: forgets an object when a block cannot be read. */
int error_path_fill(struct super_block *sb);
/* In create; kept-lock: keeps a lock when it has no memory. */
int error_path_create(void);
/* As fsync; lost-write: does not look whether its write has worked. */
int error_path_fsync(struct file *file, loff_t start, loff_t end, int datasync);

#endif
