// SPDX-License-Identifier: GPL-2.0
#include <linux/backing-dev.h>
#include <linux/slab.h>

#include "compat.h"
#include "error_path.h"
#include "faultfs.h"
#include "leak.h"

static struct faultfs *faultfs_of(const struct super_block *sb)
{
	return sb->s_fs_info;
}

/* Writes `state` into the super block and waits for the device to have it. */
static int set_state(struct super_block *sb, enum faultfs_state state)
{
	struct buffer_head *bh = faultfs_of(sb)->super;
	struct faultfs_disk_super *disk = (struct faultfs_disk_super *)bh->b_data;

	lock_buffer(bh);
	disk->state = cpu_to_le32(state);
	if (state == FAULTFS_MOUNTED)
		le32_add_cpu(&disk->mounts, 1);
	unlock_buffer(bh);
	mark_buffer_dirty(bh);
	return sync_dirty_buffer(bh);
}

static void faultfs_put_super(struct super_block *sb)
{
	struct faultfs *fs = faultfs_of(sb);

	faults_strike(&fs->faults, FAULT_AT_PUT_SUPER);
	leaks_strike(LEAK_AT_PUT, sb);
	if (!sb_rdonly(sb))
		set_state(sb, FAULTFS_CLEAN);
	brelse(fs->super);
	fs->super = NULL;
}

static int faultfs_show_options(struct seq_file *m, struct dentry *root)
{
	faults_show(&faultfs_of(root->d_sb)->faults, m);
	return 0;
}

static const struct super_operations faultfs_super_ops = {
	.put_super	= faultfs_put_super,
	.evict_inode	= faultfs_evict_inode,
	.statfs		= faultfs_statfs,
	.show_options	= faultfs_show_options,
};

static int check_disk_super(struct fs_context *fc, const struct buffer_head *bh)
{
	const struct faultfs_disk_super *disk = (const struct faultfs_disk_super *)bh->b_data;

	if (le32_to_cpu(disk->magic) != FAULTFS_MAGIC)
		return invalf(fc, "faultfs: no faultfs on this device (mkfs.faultfs makes one)");
	if (le32_to_cpu(disk->version) != FAULTFS_VERSION)
		return invalf(fc, "faultfs: version %u is not known", le32_to_cpu(disk->version));
	return 0;
}

/*
 * Files are memory: their pages never go to the device, so they must not be counted
 * as if they were to. With the device's bdi the kernel would uncount pages that it
 * never counted, and oops.
 */
static void leave_writeback(struct super_block *sb)
{
	bdi_put(sb->s_bdi);
	sb->s_bdi = &noop_backing_dev_info;
}

static int faultfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct faultfs *fs = faultfs_of(sb);
	int err;

	if (!sb_set_blocksize(sb, FAULTFS_BLOCK_SIZE))
		return invalf(fc, "faultfs: the device cannot do blocks of %u bytes", FAULTFS_BLOCK_SIZE);
	fs->super = sb_bread(sb, 0);
	if (!fs->super)
		return -EIO;
	err = check_disk_super(fc, fs->super);
	if (err)
		goto err_super;
	sb->s_magic = FAULTFS_MAGIC;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_op = &faultfs_super_ops;
	sb->s_time_gran = 1;
	leave_writeback(sb);
	err = faults_strike(&fs->faults, FAULT_AT_FILL_SUPER);
	if (!err)
		err = error_path_fill(sb);
	if (err)
		goto err_super;
	if (!sb_rdonly(sb))
		err = set_state(sb, FAULTFS_MOUNTED);
	if (err)
		goto err_super;
	/* Frees the inode when it fails. */
	sb->s_root = d_make_root(faultfs_new_inode(sb, NULL, S_IFDIR | 0755, 0));
	if (sb->s_root) {
		leaks_strike(LEAK_AT_FILL, sb);
		return 0;
	}
	err = -ENOMEM;
err_super:
	leaks_strike(LEAK_AT_FILL_ERROR, sb);
	brelse(fs->super);
	fs->super = NULL;
	return err;
}

static int faultfs_get_tree(struct fs_context *fc)
{
	return get_tree_bdev(fc, faultfs_fill_super);
}

static int faultfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct faultfs *fs = fc->s_fs_info;
	struct fs_parse_result result;
	int id = fs_parse(fc, fault_parameters, param, &result);

	/* The device comes by here too, and is not ours to take. */
	if (id < 0 && strcmp(param->key, "source"))
		leaks_strike(LEAK_AT_FILL_ERROR, NULL);
	if (id < 0)
		return id;
	fs->faults.value[id] = result.uint_32;
	return 0;
}

/* Only ro and rw; what else a remount asks for was parsed into a context that is dropped. */
static int faultfs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	bool now = sb_rdonly(sb), then = fc->sb_flags & SB_RDONLY;

	sync_filesystem(sb);
	if (!(fc->sb_flags_mask & SB_RDONLY) || now == then)
		return 0;
	return set_state(sb, then ? FAULTFS_CLEAN : FAULTFS_MOUNTED);
}

static void faultfs_free_context(struct fs_context *fc)
{
	/* NULL once a super block has it. */
	kfree(fc->s_fs_info);
}

static const struct fs_context_operations faultfs_context_ops = {
	.free		= faultfs_free_context,
	.parse_param	= faultfs_parse_param,
	.get_tree	= faultfs_get_tree,
	.reconfigure	= faultfs_reconfigure,
};

int faultfs_init_context(struct fs_context *fc)
{
	struct faultfs *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return -ENOMEM;
	faults_init(&fs->faults);
	if (fc->purpose == FS_CONTEXT_FOR_MOUNT)
		leaks_cycle();
	fc->s_fs_info = fs;
	fc->ops = &faultfs_context_ops;
	return 0;
}

void faultfs_kill_sb(struct super_block *sb)
{
	struct faultfs *fs = faultfs_of(sb);

	faults_strike(&fs->faults, FAULT_AT_KILL_SB);
	compat_unpin_all(sb);
	kill_block_super(sb);
	kfree(fs);
}
