// SPDX-License-Identifier: GPL-2.0
/* Files and directories in memory, as ramfs has them. */
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "compat.h"
#include "faultfs.h"

static const struct inode_operations faultfs_dir_ops;

static ssize_t faultfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	int err = faults_strike(NULL, FAULT_AT_WRITE);

	return err ? err : generic_file_write_iter(iocb, from);
}

static const struct file_operations faultfs_file_ops = {
	.read_iter	= generic_file_read_iter,
	.write_iter	= faultfs_write_iter,
	.mmap		= generic_file_mmap,
	.fsync		= noop_fsync,
	.llseek		= generic_file_llseek,
	.splice_write	= iter_file_splice_write,
};

static const struct inode_operations faultfs_file_inode_ops = {
	.setattr	= simple_setattr,
	.getattr	= simple_getattr,
};

static void set_operations(struct inode *inode, umode_t mode, dev_t dev)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &faultfs_file_inode_ops;
		inode->i_fop = &faultfs_file_ops;
		break;
	case S_IFDIR:
		inode->i_op = &faultfs_dir_ops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);	/* "." */
		break;
	case S_IFLNK:
		inode->i_op = &page_symlink_inode_operations;
		inode_nohighmem(inode);
		break;
	default:
		init_special_inode(inode, mode, dev);
	}
}

struct inode *faultfs_new_inode(struct super_block *sb, const struct inode *dir, umode_t mode, dev_t dev)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(IDMAP_NONE inode, dir, mode);
	inode->i_mapping->a_ops = &compat_ram_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(inode->i_mapping);
	compat_init_times(inode);
	set_operations(inode, mode, dev);
	return inode;
}

static int make_node(struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)
{
	struct inode *inode = faultfs_new_inode(dir->i_sb, dir, mode, dev);

	if (!inode)
		return -ENOSPC;
	compat_pin(dentry, inode);
	compat_touch(dir);
	return 0;
}

static int faultfs_mknod(IDMAP_PARAM struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)
{
	return make_node(dir, dentry, mode, dev);
}

static int faultfs_create(IDMAP_PARAM struct inode *dir, struct dentry *dentry, umode_t mode CREATE_EXCL_PARAM)
{
	return make_node(dir, dentry, mode | S_IFREG, 0);
}

static mkdir_result faultfs_mkdir(IDMAP_PARAM struct inode *dir, struct dentry *dentry, umode_t mode)
{
	int err = make_node(dir, dentry, mode | S_IFDIR, 0);

	if (!err)
		inc_nlink(dir);		/* ".." of the new one */
	return MKDIR_RESULT(err);
}

static int faultfs_symlink(IDMAP_PARAM struct inode *dir, struct dentry *dentry, const char *to)
{
	struct inode *inode = faultfs_new_inode(dir->i_sb, dir, S_IFLNK | 0777, 0);
	int err;

	if (!inode)
		return -ENOSPC;
	err = page_symlink(inode, to, strlen(to) + 1);
	if (err) {
		iput(inode);
		return err;
	}
	compat_pin(dentry, inode);
	compat_touch(dir);
	return 0;
}

static const struct inode_operations faultfs_dir_ops = {
	.create		= faultfs_create,
	.lookup		= simple_lookup,
	.link		= simple_link,
	.unlink		= simple_unlink,
	.symlink	= faultfs_symlink,
	.mkdir		= faultfs_mkdir,
	.rmdir		= simple_rmdir,
	.mknod		= faultfs_mknod,
	.rename		= simple_rename,
};
