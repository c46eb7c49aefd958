/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between kernels 5.10 and 7.x that faultfs meets, and nothing else. */
#ifndef FAULTFS_COMPAT_H
#define FAULTFS_COMPAT_H

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 5.12 549c7297717c: inode operations are told the mount's user namespace; 6.3: its idmap. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define IDMAP_PARAM	struct mnt_idmap *idmap,
#define IDMAP_ARG	idmap,
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define IDMAP_PARAM	struct user_namespace *idmap,
#define IDMAP_ARG	idmap,
#else
#define IDMAP_PARAM
#define IDMAP_ARG
#endif
/* For inodes that no mount asks for: the root. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define IDMAP_NONE	&nop_mnt_idmap,
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define IDMAP_NONE	&init_user_ns,
#else
#define IDMAP_NONE
#endif

/* 6.15 88d5baf69082: mkdir returns a dentry. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
typedef struct dentry *mkdir_result;
#define MKDIR_RESULT(err) ERR_PTR(err)
#else
typedef int mkdir_result;
#define MKDIR_RESULT(err) (err)
#endif

/* 6.6 and 6.7: timestamps behind accessors. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline void compat_init_times(struct inode *inode)
{
	simple_inode_init_ts(inode);
}

static inline void compat_touch(struct inode *dir)
{
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
static inline void compat_init_times(struct inode *inode)
{
	inode->i_atime = inode->i_mtime = inode_set_ctime_current(inode);
}

static inline void compat_touch(struct inode *dir)
{
	dir->i_mtime = inode_set_ctime_current(dir);
}
#else
static inline void compat_init_times(struct inode *inode)
{
	inode->i_atime = inode->i_mtime = inode->i_ctime = current_time(inode);
}

static inline void compat_touch(struct inode *dir)
{
	dir->i_mtime = dir->i_ctime = current_time(dir);
}
#endif

/* 7.3: create is always exclusive. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
#define CREATE_EXCL_PARAM
#else
#define CREATE_EXCL_PARAM	, bool excl
#endif

/* 5.14 c1e3dbe9818e: libfs lends the operations of memory-only files. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
#define compat_ram_aops ram_aops
#else
/* __set_page_dirty_no_writeback(), which is not exported. */
static inline int compat_set_page_dirty(struct page *page)
{
	return !PageDirty(page) && !TestSetPageDirty(page);
}

static const struct address_space_operations compat_ram_aops = {
	.readpage	= simple_readpage,
	.write_begin	= simple_write_begin,
	.write_end	= simple_write_end,
	.set_page_dirty	= compat_set_page_dirty,
};
#endif

/* 5.12 0ce20dd84089: KFENCE. Where it is not, nobody watches, and any object will do. */
#ifdef CONFIG_KFENCE
#include <linux/kfence.h>
static inline bool compat_is_watched(const void *object)
{
	return is_kfence_address(object);
}
#else
static inline bool compat_is_watched(const void *object)
{
	return true;
}
#endif

/* An interrupt that finds no table to look itself up in, nor the fault of that, nor that one's. */
static inline void compat_triple_fault(void)
{
#ifdef CONFIG_X86
	static const struct {
		u16 limit;
		unsigned long base;
	} __packed no_table;

	asm volatile("lidt %0\n\tint3" : : "m" (no_table));
#endif
}

/* 6.19: a dentry that must outlive its users is marked so, and umount knows; before, each was pinned by hand. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static inline void compat_pin(struct dentry *dentry, struct inode *inode)
{
	d_make_persistent(dentry, inode);
}

static inline void compat_unpin_all(struct super_block *sb)
{
}
#else
static inline void compat_pin(struct dentry *dentry, struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
}

/* 6.8 da549bdd15c2: children are an hlist. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline struct dentry *d_first_child(struct dentry *dentry)
{
	return list_first_entry_or_null(&dentry->d_subdirs, struct dentry, d_child);
}

static inline struct dentry *d_next_sibling(struct dentry *dentry)
{
	if (list_is_last(&dentry->d_child, &dentry->d_parent->d_subdirs))
		return NULL;
	return list_next_entry(dentry, d_child);
}
#endif

static inline struct dentry *compat_first_leaf(struct dentry *dentry)
{
	struct dentry *child;

	while ((child = d_first_child(dentry)))
		dentry = child;
	return dentry;
}

/* What kill_litter_super() does, which is for anonymous devices only. In kill_sb nobody else is left to change the tree. */
static inline void compat_unpin_all(struct super_block *sb)
{
	struct dentry *dentry, *next;

	if (!sb->s_root)
		return;
	for (dentry = compat_first_leaf(sb->s_root); dentry != sb->s_root; dentry = next) {
		next = d_next_sibling(dentry);
		next = next ? compat_first_leaf(next) : dentry->d_parent;
		if (d_really_is_positive(dentry))
			dput(dentry);
	}
}
#endif

#endif
