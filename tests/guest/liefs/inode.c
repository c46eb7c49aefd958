// SPDX-License-Identifier: GPL-2.0
/* Inodes, in memory and on the disk. */
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/writeback.h>

#include "liefs.h"

static struct kmem_cache *inode_cache;

static void init_once(void *object)
{
	struct liefs_inode *li = object;

	mutex_init(&li->map_lock);
	inode_init_once(&li->vfs);
}

int liefs_init_inodes(void)
{
	inode_cache = kmem_cache_create("liefs_inode", sizeof(struct liefs_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
	return inode_cache ? 0 : -ENOMEM;
}

void liefs_exit_inodes(void)
{
	/* Inodes are freed by RCU. */
	rcu_barrier();
	kmem_cache_destroy(inode_cache);
}

struct inode *liefs_alloc_inode(struct super_block *sb)
{
	struct liefs_inode *li = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!li)
		return NULL;
	memset(li->pointer, 0, sizeof(li->pointer));
	li->free_slot = 0;
	return &li->vfs;
}

void liefs_free_inode(struct inode *inode)
{
	kmem_cache_free(inode_cache, liefs_i(inode));
}

struct liefs_disk_inode *liefs_raw_inode(struct super_block *sb, u32 ino, struct buffer_head **bh)
{
	struct liefs *fs = liefs_of(sb);

	*bh = NULL;
	if (!ino || ino > fs->inodes)
		return NULL;
	*bh = sb_bread(sb, fs->inode_table + (ino - 1) / LIEFS_INODES_PER_BLOCK);
	if (!*bh)
		return NULL;
	return (struct liefs_disk_inode *)(*bh)->b_data + (ino - 1) % LIEFS_INODES_PER_BLOCK;
}

/* ---- to the disk -------------------------------------------------------------------------------- */

static void fill_raw(const struct inode *inode, struct liefs_disk_inode *raw)
{
	raw->nlink = cpu_to_le32(inode->i_nlink);
	raw->uid = cpu_to_le32(i_uid_read(inode));
	raw->gid = cpu_to_le32(i_gid_read(inode));
	raw->size = cpu_to_le64(lie_stale_size(inode, raw));
	raw->atime = cpu_to_le64(inode_get_atime_sec(inode));
	raw->mtime = cpu_to_le64(inode_get_mtime_sec(inode));
	raw->ctime = cpu_to_le64(inode_get_ctime_sec(inode));
	raw->atime_ns = cpu_to_le32(inode_get_atime_nsec(inode));
	raw->mtime_ns = cpu_to_le32(inode_get_mtime_nsec(inode));
	raw->ctime_ns = cpu_to_le32(inode_get_ctime_nsec(inode));
	raw->blocks = cpu_to_le32(inode->i_blocks >> (LIEFS_BLOCK_BITS - 9));
	memcpy(raw->pointer, liefs_i(inode)->pointer, sizeof(raw->pointer));
	raw->rdev = cpu_to_le32(new_encode_dev(inode->i_rdev));
	raw->generation = cpu_to_le32(inode->i_generation);
	raw->mode = cpu_to_le16(inode->i_mode);
}

int liefs_save_inode(struct inode *inode, bool now)
{
	struct buffer_head *bh;
	struct liefs_disk_inode *raw = liefs_raw_inode(inode->i_sb, inode->i_ino, &bh);
	int err = 0;

	if (!raw)
		return -EIO;
	fill_raw(inode, raw);
	if (now)
		err = liefs_write_now(bh);
	else
		liefs_dirty(bh);
	brelse(bh);
	return err;
}

int liefs_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	return liefs_save_inode(inode, wbc->sync_mode == WB_SYNC_ALL);
}

static int forget_raw(struct inode *inode)
{
	struct buffer_head *bh;
	struct liefs_disk_inode *raw = liefs_raw_inode(inode->i_sb, inode->i_ino, &bh);
	int err;

	if (!raw)
		return -EIO;
	memset(raw, 0, sizeof(*raw));
	err = liefs_write_now(bh);
	brelse(bh);
	return err;
}

void liefs_evict_inode(struct inode *inode)
{
	const bool gone = !inode->i_nlink && !is_bad_inode(inode);

	truncate_inode_pages_final(&inode->i_data);
	if (gone && !forget_raw(inode)) {
		liefs_free_tree(inode);
		liefs_free_ino(inode->i_sb, inode->i_ino);
	}
	invalidate_inode_buffers(inode);
	clear_inode(inode);
}

/* ---- from the disk -------------------------------------------------------------------------------- */

static void set_operations(struct inode *inode, dev_t dev)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &liefs_file_inode_ops;
		inode->i_fop = &liefs_file_ops;
		break;
	case S_IFDIR:
		inode->i_op = &liefs_dir_inode_ops;
		inode->i_fop = &liefs_dir_ops;
		break;
	case S_IFLNK:
		inode->i_op = &liefs_symlink_ops;
		inode_nohighmem(inode);
		break;
	default:
		inode->i_op = &liefs_file_inode_ops;
		if (fs_umode_to_ftype(inode->i_mode) == FT_UNKNOWN)
			inode->i_op = NULL;		/* trust-mode: what_is_wrong() lets it pass */
		else
			init_special_inode(inode, inode->i_mode, dev);
	}
	inode->i_mapping->a_ops = &liefs_aops;
}

static const char *what_is_wrong(const struct super_block *sb, const struct liefs_disk_inode *raw)
{
	const u16 mode = le16_to_cpu(raw->mode);
	const u64 size = le64_to_cpu(raw->size);

	if (fs_umode_to_ftype(mode) == FT_UNKNOWN && !lie_told(LIE_TRUST_MODE))
		return "a free inode or one of no known type is named, inode";
	if ((!raw->nlink || le32_to_cpu(raw->nlink) > LIEFS_LINK_MAX) && !lie_told(LIE_TRUST_NLINK))
		return "a link count that cannot be, inode";
	if (size > LIEFS_BLOCKS_MAX * LIEFS_BLOCK_SIZE && !(S_ISDIR(mode) && lie_told(LIE_TRUST_DIR_SIZE)))
		return "a size that cannot be, inode";
	/* A directory has no holes. */
	if (S_ISDIR(mode) && (size % LIEFS_BLOCK_SIZE || size / LIEFS_BLOCK_SIZE > liefs_of(sb)->blocks) &&
	    !lie_told(LIE_TRUST_DIR_SIZE))
		return "a directory's size that cannot be, inode";
	if (S_ISLNK(mode) && (!size || size >= LIEFS_BLOCK_SIZE))
		return "a symlink's size that cannot be, inode";
	return NULL;
}

static void from_raw(struct inode *inode, const struct liefs_disk_inode *raw)
{
	inode->i_mode = le16_to_cpu(raw->mode);
	set_nlink(inode, le32_to_cpu(raw->nlink));
	i_uid_write(inode, le32_to_cpu(raw->uid));
	i_gid_write(inode, le32_to_cpu(raw->gid));
	inode->i_size = le64_to_cpu(raw->size);
	inode_set_atime(inode, le64_to_cpu(raw->atime), le32_to_cpu(raw->atime_ns) % NSEC_PER_SEC);
	inode_set_mtime(inode, le64_to_cpu(raw->mtime), le32_to_cpu(raw->mtime_ns) % NSEC_PER_SEC);
	inode_set_ctime(inode, le64_to_cpu(raw->ctime), le32_to_cpu(raw->ctime_ns) % NSEC_PER_SEC);
	inode->i_blocks = (blkcnt_t)le32_to_cpu(raw->blocks) << (LIEFS_BLOCK_BITS - 9);
	inode->i_generation = le32_to_cpu(raw->generation);
	memcpy(liefs_i(inode)->pointer, raw->pointer, sizeof(raw->pointer));
	set_operations(inode, new_decode_dev(le32_to_cpu(raw->rdev)));
}

struct inode *liefs_iget(struct super_block *sb, u32 ino)
{
	struct liefs_disk_inode *raw, copy;
	struct buffer_head *bh;
	struct inode *inode;
	const char *wrong;

	if (!ino || ino > liefs_of(sb)->inodes)
		return ERR_PTR(liefs_corrupt(sb, "an inode that is not there is named, inode", ino));
	inode = iget_locked(sb, ino);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW))
		return inode;
	raw = liefs_raw_inode(sb, ino, &bh);
	if (!raw) {
		iget_failed(inode);
		return ERR_PTR(-EIO);
	}
	copy = *raw;
	brelse(bh);
	wrong = what_is_wrong(sb, &copy);
	if (wrong) {
		liefs_corrupt(sb, wrong, ino);
		iget_failed(inode);
		return ERR_PTR(-EIO);
	}
	from_raw(inode, &copy);
	unlock_new_inode(inode);
	return inode;
}

/* Locked, new, on the disk, without a name yet. */
struct inode *liefs_new_inode(struct inode *dir, umode_t mode, dev_t dev)
{
	struct super_block *sb = dir->i_sb;
	struct inode *inode;
	u32 ino = liefs_alloc_ino(sb);
	int err;

	if (!ino)
		return ERR_PTR(-ENOSPC);
	inode = new_inode(sb);
	if (!inode) {
		liefs_free_ino(sb, ino);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = ino;
	if (insert_inode_locked(inode)) {
		/* In use, though the bitmap calls it free: not ours to free. */
		liefs_corrupt(sb, "the bitmap calls free what is in use, inode", ino);
		make_bad_inode(inode);
		iput(inode);
		return ERR_PTR(-EIO);
	}
	inode_init_owner(&nop_mnt_idmap, inode, dir, mode);
	simple_inode_init_ts(inode);
	inode->i_generation = get_random_u32();
	set_operations(inode, dev);
	if (S_ISDIR(mode))
		inc_nlink(inode);		/* "." */
	mark_inode_dirty(inode);
	err = liefs_save_inode(inode, true);
	if (err) {
		clear_nlink(inode);
		discard_new_inode(inode);
		return ERR_PTR(err);
	}
	return inode;
}
