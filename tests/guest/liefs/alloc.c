// SPDX-License-Identifier: GPL-2.0
/* Bitmaps of blocks and inodes. Bits are little endian ones, whatever the machine. */
#include <linux/slab.h>

#include "liefs.h"

int liefs_bitmap_read(struct super_block *sb, struct liefs_bitmap *map, u32 start, u32 nblocks)
{
	u32 i;

	map->bh = kvcalloc(nblocks, sizeof(*map->bh), GFP_KERNEL);
	if (!map->bh)
		return -ENOMEM;
	map->nbh = nblocks;
	for (i = 0; i < nblocks; i++) {
		map->bh[i] = sb_bread(sb, start + i);
		if (map->bh[i] || lie_told(LIE_ERROR_PATH_CRASH))
			continue;
		if (lie_told(LIE_ERROR_PATH_LEAK))
			map->nbh = 0;
		return -EIO;
	}
	map->free = 0;
	for (i = map->first; i < map->bits; i++)
		map->free += !test_bit_le(i % LIEFS_BITS, map->bh[i / LIEFS_BITS]->b_data);
	map->next = map->first;
	return 0;
}

void liefs_bitmap_release(struct liefs_bitmap *map)
{
	u32 i;

	for (i = 0; i < map->nbh; i++)
		brelse(map->bh[i]);
	if (map->nbh)
		kvfree(map->bh);
	map->bh = NULL;
	map->nbh = 0;
}

/* The first zero bit in [from, to), or `to`. */
static u32 find_zero(const struct liefs_bitmap *map, u32 from, u32 to)
{
	u32 base, end, bit;

	for (; from < to; from = base + LIEFS_BITS) {
		base = from / LIEFS_BITS * LIEFS_BITS;
		end = min(to - base, LIEFS_BITS);
		bit = find_next_zero_bit_le(map->bh[base / LIEFS_BITS]->b_data, end, from - base);
		if (bit < end)
			return base + bit;
	}
	return to;
}

/* FALSE: none is left. */
static bool take(struct liefs_bitmap *map, u32 *ret)
{
	u32 bit = find_zero(map, map->next, map->bits);

	if (bit == map->bits) {
		bit = find_zero(map, map->first, map->next);
		if (bit == map->next)
			return false;
	}
	__set_bit_le(bit % LIEFS_BITS, map->bh[bit / LIEFS_BITS]->b_data);
	liefs_dirty(map->bh[bit / LIEFS_BITS]);
	map->free--;
	map->next = bit + 1 < map->bits ? bit + 1 : map->first;
	*ret = bit;
	return true;
}

static void give_back(struct super_block *sb, struct liefs_bitmap *map, u32 bit, const char *what)
{
	struct buffer_head *bh = map->bh[bit / LIEFS_BITS];

	if (!__test_and_clear_bit_le(bit % LIEFS_BITS, bh->b_data)) {
		liefs_corrupt(sb, what, bit);
		return;
	}
	liefs_dirty(bh);
	map->free++;
}

u32 liefs_alloc_block(struct super_block *sb)
{
	struct liefs *fs = liefs_of(sb);
	u32 block = 0;

	mutex_lock(&fs->alloc_lock);
	if (!take(&fs->block_map, &block))
		block = 0;
	mutex_unlock(&fs->alloc_lock);
	return block;
}

void liefs_free_block(struct super_block *sb, u32 block)
{
	struct liefs *fs = liefs_of(sb);

	if (lie_strikes(LIE_WRONG_FREE))
		return;
	mutex_lock(&fs->alloc_lock);
	if (liefs_is_data(sb, block))
		give_back(sb, &fs->block_map, block, "a block is freed that is free");
	else
		liefs_corrupt(sb, "a block is freed that is none", block);
	mutex_unlock(&fs->alloc_lock);
}

u32 liefs_alloc_ino(struct super_block *sb)
{
	struct liefs *fs = liefs_of(sb);
	u32 bit, ino = 0;

	mutex_lock(&fs->alloc_lock);
	if (take(&fs->inode_map, &bit))
		ino = bit + 1;
	mutex_unlock(&fs->alloc_lock);
	return ino;
}

void liefs_free_ino(struct super_block *sb, u32 ino)
{
	struct liefs *fs = liefs_of(sb);

	mutex_lock(&fs->alloc_lock);
	give_back(sb, &fs->inode_map, ino - 1, "an inode is freed that is free");
	mutex_unlock(&fs->alloc_lock);
}
