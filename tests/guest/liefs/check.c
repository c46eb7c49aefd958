// SPDX-License-Identifier: GPL-2.0
/*
 * After a power cut: names that lead nowhere go, inodes that no name leads to are freed, link counts and bitmaps
 * are what the tree says. Runs alone, before anything of the filesystem is in memory.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include "liefs.h"

struct check {
	struct super_block *sb;
	u32 *names, *subdirs;		/* by inode: entries that name it; directories in it */
	u32 *queue, head, tail;		/* directories, each once */
	unsigned long *blocks;		/* in use */
	u32 dropped, freed;
};

static void check_free(struct check *c)
{
	kvfree(c->names);
	kvfree(c->subdirs);
	kvfree(c->queue);
	bitmap_free(c->blocks);
}

static int check_init(struct check *c, struct super_block *sb)
{
	const u32 n = liefs_of(sb)->inodes + 1;

	c->sb = sb;
	c->names = kvcalloc(n, sizeof(u32), GFP_KERNEL);
	c->subdirs = kvcalloc(n, sizeof(u32), GFP_KERNEL);
	c->queue = kvcalloc(n, sizeof(u32), GFP_KERNEL);
	c->blocks = bitmap_zalloc(liefs_of(sb)->blocks, GFP_KERNEL);
	return c->names && c->subdirs && c->queue && c->blocks ? 0 : -ENOMEM;
}

/* ---- names -------------------------------------------------------------------------------------------- */

static u16 mode_of(struct super_block *sb, u32 ino)
{
	struct buffer_head *bh;
	const struct liefs_disk_inode *raw = liefs_raw_inode(sb, ino, &bh);
	u16 mode = raw ? le16_to_cpu(raw->mode) : 0;

	brelse(bh);
	return fs_umode_to_ftype(mode) == FT_UNKNOWN ? 0 : mode;
}

/* FALSE: the entry names nothing that it may. */
static bool note_entry(struct check *c, u32 dir, u32 ino)
{
	u16 mode = mode_of(c->sb, ino);

	if (!mode || (S_ISDIR(mode) && (c->names[ino] || ino == liefs_of(c->sb)->root_ino)))
		return false;
	c->names[ino]++;
	if (S_ISDIR(mode)) {
		c->subdirs[dir]++;
		c->queue[c->tail++] = ino;
	}
	return true;
}

static int check_dir_block(struct check *c, u32 dir, u32 block)
{
	struct buffer_head *bh = sb_bread(c->sb, block);
	struct liefs_disk_entry *entry;
	unsigned int i;

	if (!bh)
		return -EIO;
	entry = (struct liefs_disk_entry *)bh->b_data;
	for (i = 0; i < LIEFS_ENTRIES_PER_BLOCK; i++, entry++) {
		if (!entry->ino || note_entry(c, dir, le32_to_cpu(entry->ino)))
			continue;
		memset(entry, 0, sizeof(*entry));
		liefs_dirty(bh);
		c->dropped++;
	}
	brelse(bh);
	return 0;
}

static int check_dir(struct check *c, u32 dir)
{
	struct buffer_head *bh;
	const struct liefs_disk_inode *raw = liefs_raw_inode(c->sb, dir, &bh);
	__le32 pointer[LIEFS_POINTERS];
	u32 n, block, blocks;
	int err = 0;

	if (!raw)
		return -EIO;
	memcpy(pointer, raw->pointer, sizeof(pointer));
	blocks = min_t(u64, le64_to_cpu(raw->size) >> LIEFS_BLOCK_BITS, liefs_of(c->sb)->blocks);
	brelse(bh);
	for (n = 0; n < blocks && !err; n++) {
		err = liefs_peek_block(c->sb, pointer, n, &block);
		if (!err && block)
			err = check_dir_block(c, dir, block);
	}
	return err;
}

/* ---- blocks ------------------------------------------------------------------------------------------- */

/* Marks what hangs on `*slot`; clears it when it leads nowhere, or to what another has. TRUE: it was cleared. */
static bool claim(struct check *c, __le32 *slot, unsigned int level, u32 *count)
{
	const u32 block = le32_to_cpu(*slot);
	struct buffer_head *bh;
	bool dirty = false;
	unsigned int i;

	if (!block)
		return false;
	if (!liefs_is_data(c->sb, block) || __test_and_set_bit(block, c->blocks)) {
		*slot = 0;
		return true;
	}
	++*count;
	bh = level ? sb_bread(c->sb, block) : NULL;
	for (i = 0; bh && i < LIEFS_PER_BLOCK; i++)
		dirty |= claim(c, (__le32 *)bh->b_data + i, level - 1, count);
	if (dirty)
		liefs_dirty(bh);
	brelse(bh);
	return false;
}

static void settle_inode(struct check *c, u32 ino, struct liefs_disk_inode *raw)
{
	u32 count = 0, i;

	if (!c->names[ino]) {
		memset(raw, 0, sizeof(*raw));
		c->freed++;
		return;
	}
	for (i = 0; i < LIEFS_POINTERS; i++)
		claim(c, &raw->pointer[i], i < LIEFS_DIRECT ? 0 : i - LIEFS_DIRECT + 1, &count);
	raw->blocks = cpu_to_le32(count);
	raw->nlink = cpu_to_le32(S_ISDIR(le16_to_cpu(raw->mode)) ? 2 + c->subdirs[ino] : c->names[ino]);
}

static int settle_inodes(struct check *c)
{
	struct liefs *fs = liefs_of(c->sb);
	struct liefs_disk_inode *raw;
	struct buffer_head *bh;
	u32 ino;

	for (ino = 1; ino <= fs->inodes; ino++) {
		raw = liefs_raw_inode(c->sb, ino, &bh);
		if (!raw)
			return -EIO;
		if (raw->mode) {
			settle_inode(c, ino, raw);
			liefs_dirty(bh);
		}
		brelse(bh);
	}
	return 0;
}

/* ---- bitmaps ------------------------------------------------------------------------------------------ */

static void put_bit(struct liefs_bitmap *map, u32 bit, bool used)
{
	void *bits = map->bh[bit / LIEFS_BITS]->b_data;

	if (used)
		__set_bit_le(bit % LIEFS_BITS, bits);
	else
		__clear_bit_le(bit % LIEFS_BITS, bits);
	map->free += !used;
}

static void settle_bitmaps(struct check *c)
{
	struct liefs *fs = liefs_of(c->sb);
	u32 i;

	fs->inode_map.free = fs->block_map.free = 0;
	for (i = 0; i < fs->inodes; i++)
		put_bit(&fs->inode_map, i, c->names[i + 1]);
	for (i = fs->data_start; i < fs->blocks; i++)
		put_bit(&fs->block_map, i, test_bit(i, c->blocks));
	for (i = 0; i < fs->inode_map.nbh; i++)
		liefs_dirty(fs->inode_map.bh[i]);
	for (i = 0; i < fs->block_map.nbh; i++)
		liefs_dirty(fs->block_map.bh[i]);
}

/* Blocks of the chain of labels belong to no inode. */
static int claim_chain(struct check *c)
{
	u32 block = le32_to_cpu(((struct liefs_disk_super *)liefs_of(c->sb)->super->b_data)->chain);
	struct buffer_head *bh;

	while (block && liefs_is_data(c->sb, block) && !__test_and_set_bit(block, c->blocks)) {
		bh = sb_bread(c->sb, block);
		if (!bh)
			return -EIO;
		block = le32_to_cpu(*(__le32 *)bh->b_data);
		brelse(bh);
	}
	return 0;
}

static int check_all(struct check *c)
{
	const u32 root = liefs_of(c->sb)->root_ino;
	int err = 0;

	if (!S_ISDIR(mode_of(c->sb, root)))
		return liefs_corrupt(c->sb, "the root is no directory, inode", root);
	c->names[root] = 1;
	c->queue[c->tail++] = root;
	while (c->head < c->tail && !err)
		err = check_dir(c, c->queue[c->head++]);
	err = err ?: claim_chain(c) ?: settle_inodes(c);
	if (err)
		return err;
	settle_bitmaps(c);
	return sync_blockdev(c->sb->s_bdev);
}

int liefs_recover(struct super_block *sb)
{
	struct check c = { 0 };
	int err = check_init(&c, sb) ?: check_all(&c);

	check_free(&c);
	pr_info("liefs (%s): was not unmounted: %u names and %u inodes dropped\n", sb->s_id, c.dropped, c.freed);
	return err;
}
