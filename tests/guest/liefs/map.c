// SPDX-License-Identifier: GPL-2.0
/* An inode's tree of blocks: ten pointers, one to a block of pointers, one to a block of such blocks. */
#include <linux/slab.h>

#include "liefs.h"

/* Indices from the inode's pointers down to file block `n`; how many, 0: it is too far. */
static unsigned int path_to(u64 n, u32 path[3])
{
	if (n < LIEFS_DIRECT) {
		path[0] = n;
		return 1;
	}
	n -= LIEFS_DIRECT;
	if (n < LIEFS_PER_BLOCK) {
		path[0] = LIEFS_DIRECT;
		path[1] = n;
		return 2;
	}
	n -= LIEFS_PER_BLOCK;
	if (n >= (u64)LIEFS_PER_BLOCK * LIEFS_PER_BLOCK)
		return 0;
	path[0] = LIEFS_DIRECT + 1;
	path[1] = n / LIEFS_PER_BLOCK;
	path[2] = n % LIEFS_PER_BLOCK;
	return 3;
}

int liefs_peek_block(struct super_block *sb, const __le32 *pointers, u64 n, u32 *ret)
{
	u32 path[3], block;
	unsigned int depth = path_to(n, path), i;
	struct buffer_head *bh;

	*ret = 0;
	block = depth ? le32_to_cpu(pointers[path[0]]) : 0;
	for (i = 1; i < depth && block; i++) {
		bh = liefs_is_data(sb, block) ? sb_bread(sb, block) : NULL;
		if (!bh)
			return -EIO;
		block = le32_to_cpu(((__le32 *)bh->b_data)[path[i]]);
		brelse(bh);
	}
	if (block && !liefs_is_data(sb, block))
		return -EIO;
	*ret = block;
	return 0;
}

/* A block of zeros, in memory only. */
static struct buffer_head *fresh_block(struct super_block *sb, u32 block)
{
	struct buffer_head *bh = sb_getblk(sb, block);

	if (!bh)
		return NULL;
	lock_buffer(bh);
	memset(bh->b_data, 0, bh->b_size);
	set_buffer_uptodate(bh);
	unlock_buffer(bh);
	liefs_dirty(bh);
	return bh;
}

/* For `*slot`, which lies in `holder` or, NULL, in the inode. A block that only the file's pages know is not touched. */
static int add_block(struct inode *inode, struct buffer_head *holder, __le32 *slot, bool fresh)
{
	struct super_block *sb = inode->i_sb;
	u32 block = liefs_alloc_block(sb);
	struct buffer_head *bh;

	if (!block)
		return -ENOSPC;
	if (fresh) {
		bh = fresh_block(sb, block);
		if (!bh) {
			liefs_free_block(sb, block);
			return -ENOMEM;
		}
		brelse(bh);
	}
	*slot = cpu_to_le32(block);
	inode_add_bytes(inode, LIEFS_BLOCK_SIZE);
	if (holder)
		liefs_dirty(holder);
	mark_inode_dirty(inode);
	return 0;
}

/* Below map_lock. *block 0: a hole. */
static int find_block(struct inode *inode, u64 n, bool create, bool fresh, u32 *block, bool *made)
{
	struct super_block *sb = inode->i_sb;
	struct buffer_head *bh = NULL;
	u32 path[3];
	unsigned int depth = path_to(n, path), i;
	__le32 *slot;
	int err = depth ? 0 : -EFBIG;

	*block = 0;
	*made = false;
	for (i = 0; i < depth; i++) {
		slot = bh ? (__le32 *)bh->b_data + path[i] : &liefs_i(inode)->pointer[path[0]];
		*made = !*slot && create;
		if (*made)
			err = add_block(inode, bh, slot, fresh || i + 1 < depth);
		*block = err ? 0 : le32_to_cpu(*slot);
		if (*block && !liefs_is_data(sb, *block))
			err = liefs_corrupt(sb, "a pointer leads out of the data, in inode", inode->i_ino);
		brelse(bh);
		bh = NULL;
		if (err || !*block || i + 1 == depth)
			break;
		bh = sb_bread(sb, *block);
		if (!bh) {
			err = -EIO;
			break;
		}
	}
	return err;
}

int liefs_get_block(struct inode *inode, sector_t n, struct buffer_head *result, int create)
{
	bool made;
	u32 block;
	int err;

	mutex_lock(&liefs_i(inode)->map_lock);
	err = find_block(inode, n, create, false, &block, &made);
	mutex_unlock(&liefs_i(inode)->map_lock);
	if (err)
		return err;
	if (block)
		map_bh(result, inode->i_sb, block);
	if (made)
		set_buffer_new(result);
	return 0;
}

struct buffer_head *liefs_dir_block(struct inode *dir, u32 n, bool create, int *err)
{
	struct buffer_head *bh = NULL;
	bool made;
	u32 block;

	mutex_lock(&liefs_i(dir)->map_lock);
	*err = find_block(dir, n, create, true, &block, &made);
	mutex_unlock(&liefs_i(dir)->map_lock);
	if (!*err && block) {
		bh = sb_bread(dir->i_sb, block);
		if (!bh)
			*err = -EIO;
	}
	return bh;
}

/* ---- less ------------------------------------------------------------------------------------ */

static void free_leaf(struct inode *inode, u32 block)
{
	liefs_free_block(inode->i_sb, block);
	inode_sub_bytes(inode, min_t(loff_t, LIEFS_BLOCK_SIZE, inode_get_bytes(inode)));
}

/* Nothing points to it any more. `level`: 0 is data. */
static void free_tree(struct inode *inode, u32 block, unsigned int level)
{
	struct super_block *sb = inode->i_sb;
	struct buffer_head *bh = NULL;
	const __le32 *child;
	unsigned int i;

	if (!block)
		return;
	if (!liefs_is_data(sb, block)) {
		liefs_corrupt(sb, "a pointer leads out of the data, in inode", inode->i_ino);
		return;
	}
	if (level)
		bh = sb_bread(sb, block);
	else if (S_ISDIR(inode->i_mode))
		bh = sb_find_get_block(sb, block);
	if (bh && level) {
		child = (const __le32 *)bh->b_data;
		for (i = 0; i < LIEFS_PER_BLOCK; i++)
			free_tree(inode, le32_to_cpu(child[i]), level - 1);
	}
	/* What of it is dirty must not be written over what the block becomes. */
	bforget(bh);
	free_leaf(inode, block);
}

/*
 * Cuts off what lies at `first` and behind, counted from the beginning of what `block` holds, of which
 * something stays. The pointers are cleared on the disk first.
 */
static int cut_tree(struct inode *inode, u32 block, unsigned int level, u64 first)
{
	const u64 span = level == 1 ? 1 : LIEFS_PER_BLOCK;
	struct buffer_head *bh;
	__le32 *child, *old;
	u64 i, from = DIV_ROUND_UP(first, span);
	int err = 0;

	if (!liefs_is_data(inode->i_sb, block))
		return liefs_corrupt(inode->i_sb, "a pointer leads out of the data, in inode", inode->i_ino);
	bh = sb_bread(inode->i_sb, block);
	if (!bh)
		return -EIO;
	child = (__le32 *)bh->b_data;
	if (first % span && child[first / span])
		err = cut_tree(inode, le32_to_cpu(child[first / span]), level - 1, first % span);
	old = kmemdup(child, LIEFS_BLOCK_SIZE, GFP_NOFS | __GFP_NOFAIL);
	memset(child + from, 0, (LIEFS_PER_BLOCK - from) * sizeof(*child));
	err = liefs_write_now(bh) ?: err;
	for (i = from; i < LIEFS_PER_BLOCK; i++)
		free_tree(inode, le32_to_cpu(old[i]), level - 1);
	kfree(old);
	brelse(bh);
	return err;
}

int liefs_truncate(struct inode *inode)
{
	struct liefs_inode *li = liefs_i(inode);
	const u64 first = DIV_ROUND_UP_ULL(inode->i_size, LIEFS_BLOCK_SIZE);
	const u64 base[3] = { LIEFS_DIRECT, LIEFS_DIRECT + LIEFS_PER_BLOCK, LIEFS_BLOCKS_MAX };
	__le32 old[LIEFS_POINTERS];
	unsigned int i;
	int err = 0;

	mutex_lock(&li->map_lock);
	memcpy(old, li->pointer, sizeof(old));
	for (i = min_t(u64, first, LIEFS_DIRECT); i < LIEFS_DIRECT; i++)
		li->pointer[i] = 0;
	for (i = 0; i < 2; i++)
		if (first <= base[i])
			li->pointer[LIEFS_DIRECT + i] = 0;
	/* On the disk before anybody else can have the blocks. */
	if (memcmp(old, li->pointer, sizeof(old)))
		err = liefs_save_inode(inode, true);
	for (i = 0; i < LIEFS_DIRECT; i++)
		if (!li->pointer[i])
			free_tree(inode, le32_to_cpu(old[i]), 0);
	for (i = 0; i < 2; i++) {
		u32 block = le32_to_cpu(old[LIEFS_DIRECT + i]);

		if (!li->pointer[LIEFS_DIRECT + i])
			free_tree(inode, block, i + 1);
		else if (first < base[i + 1])
			err = cut_tree(inode, block, i + 1, first - base[i]) ?: err;
	}
	mutex_unlock(&li->map_lock);
	mark_inode_dirty(inode);
	return err;
}

/* Of an inode that is not on the disk any more. */
void liefs_free_tree(struct inode *inode)
{
	struct liefs_inode *li = liefs_i(inode);
	unsigned int i;

	mutex_lock(&li->map_lock);
	for (i = 0; i < LIEFS_POINTERS; i++)
		free_tree(inode, le32_to_cpu(li->pointer[i]), i < LIEFS_DIRECT ? 0 : i - LIEFS_DIRECT + 1);
	mutex_unlock(&li->map_lock);
}
