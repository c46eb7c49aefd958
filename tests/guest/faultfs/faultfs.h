/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FAULTFS_H
#define FAULTFS_H

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/fs_context.h>

#include "fault.h"
#include "layout.h"

/* sb->s_fs_info; lives from init_fs_context to kill_sb. */
struct faultfs {
	struct faults faults;
	struct buffer_head *super;	/* from fill_super to put_super */
	atomic_long_t pages;		/* in files */
};

/* super.c */
int faultfs_init_context(struct fs_context *fc);
void faultfs_kill_sb(struct super_block *sb);

/* inode.c: NULL when out of memory. */
struct inode *faultfs_new_inode(struct super_block *sb, const struct inode *dir, umode_t mode, dev_t dev);
void faultfs_evict_inode(struct inode *inode);
int faultfs_statfs(struct dentry *dentry, struct kstatfs *st);

#endif
