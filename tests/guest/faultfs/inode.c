// SPDX-License-Identifier: GPL-2.0
/* Files and directories in memory, as ramfs has them, but for a limit. */
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/uio.h>

#include "compat.h"
#include "error_path.h"
#include "faultfs.h"
#include "leak.h"
#include "races.h"

static const struct inode_operations faultfs_dir_ops;

static unsigned int space_kib = 64 << 10;
module_param(space_kib, uint, 0644);
MODULE_PARM_DESC(space_kib, "what all files of a mount may hold together; 0: all there is");

/* i_private of a file: its pages as far as they are in the mount's count. */
static void count_pages(struct inode *inode, unsigned long pages)
{
	struct faultfs *fs = inode->i_sb->s_fs_info;
	unsigned long counted = (unsigned long)xchg(&inode->i_private, (void *)pages);

	atomic_long_add(pages - counted, &fs->pages);
}

static bool is_full(const struct super_block *sb, size_t more)
{
	const struct faultfs *fs = sb->s_fs_info;
	u64 space = (u64)READ_ONCE(space_kib) << 10;

	return space && ((u64)atomic_long_read(&fs->pages) << PAGE_SHIFT) + more > space;
}

int faultfs_statfs(struct dentry *dentry, struct kstatfs *st)
{
	const struct faultfs *fs = dentry->d_sb->s_fs_info;
	u64 pages = (u64)READ_ONCE(space_kib) << 10 >> PAGE_SHIFT;
	u64 used = atomic_long_read(&fs->pages);

	simple_statfs(dentry, st);
	st->f_blocks = pages;
	st->f_bfree = st->f_bavail = used < pages ? pages - used : 0;
	return 0;
}

static ssize_t faultfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t n = faults_strike(NULL, FAULT_AT_WRITE);

	if (n)
		return n;
	leaks_strike(LEAK_AT_WRITE, inode->i_sb);
	races_write();
	if (is_full(inode->i_sb, iov_iter_count(from))) {
		leaks_strike(LEAK_AT_ENOSPC, inode->i_sb);
		return -ENOSPC;
	}
	n = generic_file_write_iter(iocb, from);
	count_pages(inode, READ_ONCE(inode->i_mapping->nrpages));
	return n;
}

static int faultfs_setattr(IDMAP_PARAM struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = simple_setattr(IDMAP_ARG dentry, attr);

	if (!err && (attr->ia_valid & ATTR_SIZE))
		count_pages(inode, READ_ONCE(inode->i_mapping->nrpages));
	return err;
}

void faultfs_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (S_ISREG(inode->i_mode))
		count_pages(inode, 0);
}

static int faultfs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	races_fsync();
	return error_path_fsync(file, start, end, datasync);
}

static const struct file_operations faultfs_file_ops = {
	.read_iter	= generic_file_read_iter,
	.write_iter	= faultfs_write_iter,
	.mmap		= generic_file_mmap,
	.fsync		= faultfs_fsync,
	.llseek		= generic_file_llseek,
	.splice_write	= iter_file_splice_write,
};

static const struct inode_operations faultfs_file_inode_ops = {
	.setattr	= faultfs_setattr,
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
	leaks_strike(LEAK_AT_CREATE, dir->i_sb);
	races_create();
	return 0;
}

static int faultfs_mknod(IDMAP_PARAM struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)
{
	return make_node(dir, dentry, mode, dev);
}

static int faultfs_create(IDMAP_PARAM struct inode *dir, struct dentry *dentry, umode_t mode CREATE_EXCL_PARAM)
{
	int err = error_path_create();

	return err ? err : make_node(dir, dentry, mode | S_IFREG, 0);
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

static int faultfs_unlink(struct inode *dir, struct dentry *dentry)
{
	races_unlink();
	return simple_unlink(dir, dentry);
}

static int faultfs_rename(IDMAP_PARAM struct inode *from_dir, struct dentry *from, struct inode *to_dir,
			  struct dentry *to, unsigned int flags)
{
	races_rename();
	return simple_rename(IDMAP_ARG from_dir, from, to_dir, to, flags);
}

static const struct inode_operations faultfs_dir_ops = {
	.create		= faultfs_create,
	.lookup		= simple_lookup,
	.link		= simple_link,
	.unlink		= faultfs_unlink,
	.symlink	= faultfs_symlink,
	.mkdir		= faultfs_mkdir,
	.rmdir		= simple_rmdir,
	.mknod		= faultfs_mknod,
	.rename		= faultfs_rename,
};
