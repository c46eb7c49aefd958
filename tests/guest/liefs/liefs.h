/* SPDX-License-Identifier: GPL-2.0 */
/*
 * liefs: a small filesystem on a device, that tells lies when it is told to (lie.h).
 *
 * What is written when. Nothing is journalled; order does it. An inode is on disk before a name points to it, a
 * name is gone before its inode is freed, pointers are cleared before their blocks are free: these three wait
 * for the device. Bitmaps and what a write adds are written when they are; a mount after a power cut
 * walks the tree and counts anew (check.c). fsync waits for the data and for the whole device.
 *
 * Locks, outer first: the VFS's i_rwsem; map_lock, an inode's tree of blocks; alloc_lock, the bitmaps.
 */
#ifndef LIEFS_H
#define LIEFS_H

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/mutex.h>

#include "compat.h"
#include "layout.h"
#include "lie.h"

/* Of the device, pinned while it is mounted. */
struct liefs_bitmap {
	struct buffer_head **bh;
	u32 nbh;
	u32 bits, first;	/* bits in use; the first that may ever be given away */
	u32 free, next;		/* next: where to look first */
};

struct liefs_lost_entry {
	sector_t block;
	u32 slot;
	__le32 ino;
};
#define LIEFS_LOST_MAX	64

/* sb->s_fs_info; lives from get_tree to kill_sb. Fields are the disk super block's, checked. */
struct liefs {
	struct buffer_head *super;
	u32 blocks, inodes, inode_table, inode_table_blocks, data_start, root_ino, groups;
	struct mutex alloc_lock;
	struct liefs_bitmap inode_map, block_map;

	/* For lies only. */
	struct mutex names_lock, count_lock;
	char *last_name;		/* of what was last created */
	u64 creations;
	u32 nlost;
	struct liefs_lost_entry lost[LIEFS_LOST_MAX];
};

struct liefs_inode {
	struct mutex map_lock;
	__le32 pointer[LIEFS_POINTERS];
	u32 free_slot;			/* of a directory: no slot before it is free */
	struct inode vfs;
};

static inline struct liefs *liefs_of(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct liefs_inode *liefs_i(const struct inode *inode)
{
	return container_of(inode, struct liefs_inode, vfs);
}

static inline bool liefs_is_data(const struct super_block *sb, u32 block)
{
	return (block >= liefs_of(sb)->data_start && block < liefs_of(sb)->blocks) || lie_told(LIE_TRUST_POINTER);
}

/* Says that the image is wrong; -EIO (as ext2: what is on the disk is not to be believed). */
int liefs_corrupt(const struct super_block *sb, const char *what, u64 which);
/* Dirty, and on the device when it returns. */
int liefs_write_now(struct buffer_head *bh);

/* super.c */
int liefs_init_context(struct fs_context *fc);
void liefs_kill_sb(struct super_block *sb);

/* check.c: after a power cut: what cannot be reached is freed, counts and bitmaps are made anew. */
int liefs_recover(struct super_block *sb);

/* alloc.c: block or inode number, or 0: none is left. */
int liefs_bitmap_read(struct super_block *sb, struct liefs_bitmap *map, u32 start, u32 nblocks);
void liefs_bitmap_release(struct liefs_bitmap *map);
u32 liefs_alloc_block(struct super_block *sb);
void liefs_free_block(struct super_block *sb, u32 block);
u32 liefs_alloc_ino(struct super_block *sb);
void liefs_free_ino(struct super_block *sb, u32 ino);

/* map.c */
int liefs_get_block(struct inode *inode, sector_t n, struct buffer_head *result, int create);
/* The block that holds file block `n` of a tree, 0: a hole; read only, for check.c. */
int liefs_peek_block(struct super_block *sb, const __le32 *pointers, u64 n, u32 *ret);
/* Frees what lies behind i_size. */
int liefs_truncate(struct inode *inode);
/* All of it, of an inode that is not on the disk any more. */
void liefs_free_tree(struct inode *inode);
/* A block of a directory. NULL with 0 in *err: a hole. */
struct buffer_head *liefs_dir_block(struct inode *dir, u32 n, bool create, int *err);

/* inode.c */
struct inode *liefs_iget(struct super_block *sb, u32 ino);
struct inode *liefs_new_inode(struct inode *dir, umode_t mode, dev_t dev);
struct liefs_disk_inode *liefs_raw_inode(struct super_block *sb, u32 ino, struct buffer_head **bh);
int liefs_save_inode(struct inode *inode, bool now);
int liefs_write_inode(struct inode *inode, struct writeback_control *wbc);
void liefs_evict_inode(struct inode *inode);
int liefs_init_inodes(void);
void liefs_exit_inodes(void);
struct inode *liefs_alloc_inode(struct super_block *sb);
void liefs_free_inode(struct inode *inode);

/* file.c */
extern const struct inode_operations liefs_file_inode_ops;
extern const struct file_operations liefs_file_ops;
extern const struct address_space_operations liefs_aops;
int liefs_fsync(struct file *file, loff_t start, loff_t end, int datasync);
int liefs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat, u32 mask, unsigned int flags);
int liefs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);

/* dir.c: entries. `slot` counts over the whole directory. */
struct liefs_slot {
	struct buffer_head *bh;
	struct liefs_disk_entry *entry;
	u32 slot;
};
extern const struct file_operations liefs_dir_ops;
/* -ENOENT: it is not there. A slot that was given is given back by liefs_put_slot(). */
int liefs_find_entry(struct inode *dir, const struct qstr *name, struct liefs_slot *ret);
void liefs_put_slot(struct liefs_slot *slot);
int liefs_add_entry(struct inode *dir, const struct qstr *name, struct inode *inode);
int liefs_set_entry(struct inode *dir, struct liefs_slot *slot, struct inode *inode);
int liefs_clear_entry(struct inode *dir, struct liefs_slot *slot);
/* 1: nothing is in it; 0; or -errno. */
int liefs_is_empty(struct inode *dir);

/* namei.c */
extern const struct inode_operations liefs_dir_inode_ops, liefs_symlink_ops;

/*
 * A write that failed leaves its buffer not up to date, and dirtying such a one warns. What is in memory is right: it is
 * only the device that has not got it.
 */
static inline void liefs_dirty(struct buffer_head *bh)
{
	if (!buffer_uptodate(bh))
		set_buffer_uptodate(bh);
	mark_buffer_dirty(bh);
}

#endif
