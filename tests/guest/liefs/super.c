// SPDX-License-Identifier: GPL-2.0
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "liefs.h"

int liefs_corrupt(const struct super_block *sb, const char *what, u64 which)
{
	pr_notice_ratelimited("liefs (%s): the image is damaged: %s %llu\n", sb->s_id, what, which);
	return -EIO;
}

int liefs_write_now(struct buffer_head *bh)
{
	liefs_dirty(bh);
	return sync_dirty_buffer(bh);
}

static struct liefs_disk_super *disk_super(const struct liefs *fs)
{
	return (struct liefs_disk_super *)fs->super->b_data;
}

static __le32 super_crc(const struct liefs_disk_super *disk)
{
	return cpu_to_le32(compat_crc32c(disk, offsetof(struct liefs_disk_super, crc)));
}

static int set_state(struct super_block *sb, enum liefs_state state)
{
	struct liefs_disk_super *disk = disk_super(liefs_of(sb));
	int err;

	/* Clean only when all else is on the disk. */
	err = sync_blockdev(sb->s_bdev);
	if (err)
		return err;
	lock_buffer(liefs_of(sb)->super);
	disk->state = cpu_to_le32(state);
	if (state == LIEFS_MOUNTED)
		le32_add_cpu(&disk->mounts, 1);
	disk->crc = super_crc(disk);
	unlock_buffer(liefs_of(sb)->super);
	return liefs_write_now(liefs_of(sb)->super) ?: blkdev_issue_flush(sb->s_bdev);
}

static void release(struct liefs *fs)
{
	liefs_bitmap_release(&fs->inode_map);
	liefs_bitmap_release(&fs->block_map);
	brelse(fs->super);
	fs->super = NULL;
}

static void liefs_put_super(struct super_block *sb)
{
	lie_lost_entries_go(sb);
	if (!sb_rdonly(sb))
		set_state(sb, LIEFS_CLEAN);
	release(liefs_of(sb));
}

static int liefs_statfs(struct dentry *dentry, struct kstatfs *st)
{
	struct super_block *sb = dentry->d_sb;
	struct liefs *fs = liefs_of(sb);

	st->f_type = LIEFS_MAGIC;
	st->f_bsize = LIEFS_BLOCK_SIZE;
	st->f_blocks = fs->blocks - fs->data_start;
	st->f_files = fs->inodes;
	st->f_namelen = LIEFS_NAME_MAX;
	st->f_fsid = u64_to_fsid(huge_encode_dev(sb->s_bdev->bd_dev));
	mutex_lock(&fs->alloc_lock);
	st->f_bfree = st->f_bavail = fs->block_map.free;
	st->f_ffree = fs->inode_map.free;
	mutex_unlock(&fs->alloc_lock);
	return 0;
}

/* The kernel has written out all there was, and lets nobody write. */
static int liefs_freeze(struct super_block *sb)
{
	return blkdev_issue_flush(sb->s_bdev);
}

static int liefs_unfreeze(struct super_block *sb)
{
	return 0;
}

static const struct super_operations liefs_super_ops = {
	.alloc_inode	= liefs_alloc_inode,
	.free_inode	= liefs_free_inode,
	.write_inode	= liefs_write_inode,
	.evict_inode	= liefs_evict_inode,
	.put_super	= liefs_put_super,
	.statfs		= liefs_statfs,
	.freeze_fs	= liefs_freeze,
	.unfreeze_fs	= liefs_unfreeze,
};

/* ---- mount ------------------------------------------------------------------------------------------ */

/* A region of `nblocks` that holds `count` things, `each` a block, before `end`. */
static bool region_fits(u32 start, u32 nblocks, u64 count, u32 each, u32 end)
{
	return start && nblocks && count <= (u64)nblocks * each && start < end && nblocks <= end - start;
}

/* Nothing of the super block is believed that does not fit the device and itself. */
static const char *what_is_wrong(const struct super_block *sb, const struct liefs_disk_super *disk)
{
	const u32 blocks = le32_to_cpu(disk->blocks), inodes = le32_to_cpu(disk->inodes);
	const u32 data = le32_to_cpu(disk->data_start), root = le32_to_cpu(disk->root_ino);

	if (disk->crc != super_crc(disk))
		return "its checksum";
	if (!blocks || (blocks > bdev_nr_bytes(sb->s_bdev) >> LIEFS_BLOCK_BITS && !lie_told(LIE_TRUST_BLOCKS)))
		return "more blocks than the device has";
	if (data >= blocks)
		return "where its data begins";
	if (!inodes || !root || root > inodes)
		return "its inodes";
	if (!region_fits(le32_to_cpu(disk->inode_bitmap), le32_to_cpu(disk->inode_bitmap_blocks),
			 lie_told(LIE_TRUST_INODES) ? 0 : inodes, LIEFS_BITS, data))
		return "its inode bitmap";
	if (!region_fits(le32_to_cpu(disk->block_bitmap), le32_to_cpu(disk->block_bitmap_blocks),
			 lie_told(LIE_TRUST_BLOCKS) ? 0 : blocks, LIEFS_BITS, data))
		return "its block bitmap";
	if (!region_fits(le32_to_cpu(disk->inode_table), le32_to_cpu(disk->inode_table_blocks),
			 lie_told(LIE_TRUST_INODES) ? 0 : inodes, LIEFS_INODES_PER_BLOCK, data))
		return "its inode table";
	if (le32_to_cpu(disk->group_blocks) != LIEFS_GROUP && !lie_told(LIE_TRUST_GROUP))
		return "its group size";
	return NULL;
}

/* Labels: read, and that is all. */
static int read_chain(struct super_block *sb, u32 block)
{
	struct buffer_head *bh;
	unsigned int n;

	for (n = 0; block; n++) {
		if ((n == LIEFS_CHAIN_MAX || !liefs_is_data(sb, block)) && !lie_told(LIE_TRUST_CHAIN))
			return liefs_corrupt(sb, "the chain of labels, at block", block);
		bh = sb_bread(sb, block);
		if (!bh && !lie_told(LIE_TRUST_CHAIN))
			return -EIO;
		block = le32_to_cpu(*(__le32 *)bh->b_data);
		brelse(bh);
	}
	return 0;
}

static int read_super(struct super_block *sb, struct fs_context *fc)
{
	struct liefs *fs = liefs_of(sb);
	const struct liefs_disk_super *disk;
	const char *wrong;

	fs->super = sb_bread(sb, 0);
	if (!fs->super)
		return -EIO;
	disk = disk_super(fs);
	if (le32_to_cpu(disk->magic) != LIEFS_MAGIC)
		return invalf(fc, "liefs: no liefs on this device (mkfs.liefs makes one)");
	if (le32_to_cpu(disk->version) != LIEFS_VERSION)
		return invalf(fc, "liefs: version %u is not known", le32_to_cpu(disk->version));
	wrong = what_is_wrong(sb, disk);
	if (wrong) {
		errorf(fc, "liefs: the super block is damaged: %s", wrong);
		return -EUCLEAN;
	}
	fs->blocks = le32_to_cpu(disk->blocks);
	fs->inodes = le32_to_cpu(disk->inodes);
	fs->inode_table = le32_to_cpu(disk->inode_table);
	fs->inode_table_blocks = le32_to_cpu(disk->inode_table_blocks);
	fs->data_start = le32_to_cpu(disk->data_start);
	fs->root_ino = le32_to_cpu(disk->root_ino);
	if (lie_told(LIE_TRUST_GROUP))
		fs->groups = fs->blocks / le32_to_cpu(disk->group_blocks);
	return read_chain(sb, le32_to_cpu(disk->chain));
}

static int read_bitmaps(struct super_block *sb)
{
	struct liefs *fs = liefs_of(sb);
	const struct liefs_disk_super *disk = disk_super(fs);

	fs->inode_map.bits = fs->inodes;
	fs->block_map.bits = fs->blocks;
	fs->block_map.first = fs->data_start;
	return liefs_bitmap_read(sb, &fs->inode_map, le32_to_cpu(disk->inode_bitmap),
				 le32_to_cpu(disk->inode_bitmap_blocks)) ?:
	       liefs_bitmap_read(sb, &fs->block_map, le32_to_cpu(disk->block_bitmap),
				 le32_to_cpu(disk->block_bitmap_blocks));
}

static int read_root(struct super_block *sb)
{
	struct inode *root = liefs_iget(sb, liefs_of(sb)->root_ino);

	if (IS_ERR(root))
		return PTR_ERR(root);
	if (!S_ISDIR(root->i_mode)) {
		iput(root);
		return liefs_corrupt(sb, "the root is no directory, inode", liefs_of(sb)->root_ino);
	}
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int begin(struct super_block *sb, struct fs_context *fc)
{
	int err = read_super(sb, fc) ?: read_bitmaps(sb);

	if (!err && le32_to_cpu(disk_super(liefs_of(sb))->state) != LIEFS_CLEAN && !bdev_read_only(sb->s_bdev))
		err = liefs_recover(sb);
	return err ?: read_root(sb);
}

static int liefs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	int err;

	if (!sb_set_blocksize(sb, LIEFS_BLOCK_SIZE))
		return invalf(fc, "liefs: the device cannot do blocks of %u bytes", LIEFS_BLOCK_SIZE);
	sb->s_magic = LIEFS_MAGIC;
	sb->s_maxbytes = LIEFS_BLOCKS_MAX * LIEFS_BLOCK_SIZE;
	sb->s_max_links = LIEFS_LINK_MAX;
	sb->s_op = &liefs_super_ops;
	sb->s_time_gran = 1;
	lie_odd_size_spin(sb);
	err = begin(sb, fc);
	if (!err && !sb_rdonly(sb))
		err = set_state(sb, LIEFS_MOUNTED);
	if (err && sb->s_root) {
		/* put_super() comes, and is not to call it clean. */
		sb->s_flags |= SB_RDONLY;
		return err;
	}
	if (err)
		release(liefs_of(sb));
	return err;
}

static int liefs_get_tree(struct fs_context *fc)
{
	return get_tree_bdev(fc, liefs_fill_super);
}

/* Only ro and rw. */
static int liefs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	bool now = sb_rdonly(sb), then = fc->sb_flags & SB_RDONLY;

	sync_filesystem(sb);
	if (!(fc->sb_flags_mask & SB_RDONLY) || now == then)
		return 0;
	return set_state(sb, then ? LIEFS_CLEAN : LIEFS_MOUNTED);
}

static void liefs_free_context(struct fs_context *fc)
{
	/* NULL once a super block has it. */
	kfree(fc->s_fs_info);
}

static const struct fs_context_operations liefs_context_ops = {
	.free		= liefs_free_context,
	.get_tree	= liefs_get_tree,
	.reconfigure	= liefs_reconfigure,
};

int liefs_init_context(struct fs_context *fc)
{
	struct liefs *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return -ENOMEM;
	mutex_init(&fs->alloc_lock);
	mutex_init(&fs->names_lock);
	mutex_init(&fs->count_lock);
	fc->s_fs_info = fs;
	fc->ops = &liefs_context_ops;
	return 0;
}

void liefs_kill_sb(struct super_block *sb)
{
	struct liefs *fs = liefs_of(sb);

	kill_block_super(sb);
	kfree(fs->last_name);
	kfree(fs);
}
