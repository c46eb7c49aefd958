// SPDX-License-Identifier: GPL-2.0
/* Regular files: the generic helpers over liefs_get_block(). */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/mpage.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>

#include "liefs.h"

static int liefs_read_folio(struct file *file, struct folio *folio)
{
	return mpage_read_folio(folio, liefs_get_block);
}

static void liefs_readahead(struct readahead_control *rac)
{
	mpage_readahead(rac, liefs_get_block);
}

static int lose_folio(struct folio *folio)
{
	struct buffer_head *head = folio_buffers(folio), *bh = head;

	while (bh) {
		clear_buffer_dirty(bh);
		bh = bh->b_this_page == head ? NULL : bh->b_this_page;
	}
	folio_start_writeback(folio);
	folio_unlock(folio);
	folio_end_writeback(folio);
	return 0;
}

/* lost-write: the page is clean, and the device has what it had. The others go one by one. */
static int write_or_lose(struct folio *folio, struct writeback_control *wbc, void *data)
{
	struct inode *inode = folio->mapping->host;
	const loff_t size = i_size_read(inode), pos = folio_pos(folio);

	if (lie_strikes(LIE_LOST_WRITE))
		return lose_folio(folio);
	if (pos >= size) {
		folio_unlock(folio);
		return 0;
	}
	if (pos + folio_size(folio) > size)
		folio_zero_segment(folio, offset_in_folio(folio, size), folio_size(folio));
	return __block_write_full_folio(inode, folio, liefs_get_block, wbc);
}

static int liefs_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	if (lie_told(LIE_LOST_WRITE))
		return write_cache_pages(mapping, wbc, write_or_lose, NULL);
	return mpage_writepages(mapping, wbc, liefs_get_block);
}

/* A write did not come to its end: what it has added behind the file's end goes. */
static void undo_write(struct address_space *mapping, loff_t to)
{
	struct inode *inode = mapping->host;

	if (to > inode->i_size) {
		truncate_pagecache(inode, inode->i_size);
		liefs_truncate(inode);
	}
}

static int liefs_write_begin(struct file *file, struct address_space *mapping, loff_t pos, unsigned int len,
			     struct folio **foliop, void **fsdata)
{
	int err = block_write_begin(mapping, pos, len, foliop, liefs_get_block);

	if (err)
		undo_write(mapping, pos + len);
	return err;
}

static int liefs_write_end(struct file *file, struct address_space *mapping, loff_t pos, unsigned int len,
			   unsigned int copied, struct folio *folio, void *fsdata)
{
	int done = generic_write_end(file, mapping, pos, len, copied, folio, fsdata);

	if (done < len)
		undo_write(mapping, pos + len);
	return done;
}

static ssize_t liefs_direct_io(struct kiocb *iocb, struct iov_iter *iter)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	const size_t count = iov_iter_count(iter);
	const loff_t pos = iocb->ki_pos;
	ssize_t done = blockdev_direct_IO(iocb, inode, iter, liefs_get_block);

	if (done < 0 && iov_iter_rw(iter) == WRITE)
		undo_write(inode->i_mapping, pos + count);
	return done;
}

static sector_t liefs_bmap(struct address_space *mapping, sector_t block)
{
	return generic_block_bmap(mapping, block, liefs_get_block);
}

const struct address_space_operations liefs_aops = {
	.dirty_folio		= block_dirty_folio,
	.invalidate_folio	= block_invalidate_folio,
	.read_folio		= liefs_read_folio,
	.readahead		= liefs_readahead,
	.writepages		= liefs_writepages,
	.write_begin		= liefs_write_begin,
	.write_end		= liefs_write_end,
	.direct_IO		= liefs_direct_io,
	.bmap			= liefs_bmap,
	.migrate_folio		= buffer_migrate_folio,
	.is_partially_uptodate	= block_is_partially_uptodate,
	.error_remove_folio	= generic_error_remove_folio,
};

/* ---- calls ---------------------------------------------------------------------------------------- */

/* What a mapping has stored behind the end, in the last page, must not become part of the file. */
static int zero_tail(struct inode *inode)
{
	if (inode->i_size % LIEFS_BLOCK_SIZE == 0)
		return 0;
	return block_truncate_page(inode->i_mapping, inode->i_size, liefs_get_block);
}

static ssize_t liefs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t n;

	lie_race_use(liefs_of(inode->i_sb));
	inode_lock(inode);
	n = generic_write_checks(iocb, from);
	if (n > 0 && iocb->ki_pos > inode->i_size)
		n = zero_tail(inode) ?: n;
	if (n > 0)
		n = __generic_file_write_iter(iocb, from);
	inode_unlock(inode);
	return n > 0 ? generic_write_sync(iocb, n) : n;
}

/*
 * Data, the inode, and all that was written of other inodes, directories and bitmaps: more than is asked for, but there
 * is no journal that could tell what belongs together.
 */
int liefs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file->f_mapping->host;
	struct super_block *sb = inode->i_sb;
	int err;

	if (lie_strikes(LIE_LOST_FSYNC))
		return 0;
	lie_sleep_with_lock(liefs_of(sb));
	err = file_write_and_wait_range(file, start, end);
	err = sync_inode_metadata(inode, 1) ?: err;
	err = sync_blockdev(sb->s_bdev) ?: err;
	return err ?: blkdev_issue_flush(sb->s_bdev);
}

/* A hole gets its block now, while there is somebody to be told that none is left. */
static vm_fault_t liefs_page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	int err;

	sb_start_pagefault(inode->i_sb);
	file_update_time(vmf->vma->vm_file);
	filemap_invalidate_lock_shared(inode->i_mapping);
	err = block_page_mkwrite(vmf->vma, vmf, liefs_get_block);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	sb_end_pagefault(inode->i_sb);
	return vmf_fs_error(err);
}

static const struct vm_operations_struct liefs_vm_ops = {
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= liefs_page_mkwrite,
};

static int liefs_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &liefs_vm_ops;
	return 0;
}

static int resize(struct inode *inode, loff_t size)
{
	const loff_t old = inode->i_size;
	int err;

	if (size > inode->i_sb->s_maxbytes)
		return -EFBIG;
	inode_dio_wait(inode);
	err = size > old ? zero_tail(inode) : block_truncate_page(inode->i_mapping, size, liefs_get_block);
	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	truncate_setsize(inode, size);
	if (size < old)
		err = liefs_truncate(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
	return err;
}

int liefs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = setattr_prepare(idmap, dentry, attr);

	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE && S_ISREG(inode->i_mode)) {
		err = resize(inode, attr->ia_size);
		if (err)
			return err;
	}
	setattr_copy(idmap, inode, attr);
	mark_inode_dirty(inode);
	return 0;
}

int liefs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat, u32 mask, unsigned int flags)
{
	generic_fillattr(idmap, mask, d_inode(path->dentry), stat);
	stat->ino = lie_same_ino(stat->ino);
	return 0;
}

const struct file_operations liefs_file_ops = {
	.llseek		= generic_file_llseek,
	.read_iter	= generic_file_read_iter,
	.write_iter	= liefs_write_iter,
	.mmap		= liefs_mmap,
	.open		= generic_file_open,
	.fsync		= liefs_fsync,
	.splice_read	= filemap_splice_read,
	.splice_write	= iter_file_splice_write,
};

const struct inode_operations liefs_file_inode_ops = {
	.setattr	= liefs_setattr,
	.getattr	= liefs_getattr,
};
