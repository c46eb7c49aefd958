// SPDX-License-Identifier: GPL-2.0
/* Names: made, looked up, removed, renamed. */
#include <linux/fs.h>
#include <linux/pagemap.h>

#include "liefs.h"

/* An image can have more names than the count says; the kernel warns of a count below zero. */
static void unlink_once(struct inode *inode)
{
	if (inode->i_nlink || lie_told(LIE_TRUST_NLINK))
		drop_nlink(inode);
	else
		liefs_corrupt(inode->i_sb, "more names than links, inode", inode->i_ino);
	inode_set_ctime_current(inode);
	mark_inode_dirty(inode);
}

static void link_once(struct inode *inode)
{
	if (inode->i_nlink)
		inc_nlink(inode);
	inode_set_ctime_current(inode);
	mark_inode_dirty(inode);
}

static struct dentry *liefs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = NULL;
	struct liefs_slot slot;
	int err;

	if (dentry->d_name.len > LIEFS_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	err = liefs_find_entry(dir, &dentry->d_name, &slot);
	if (!err) {
		inode = liefs_iget(dir->i_sb, le32_to_cpu(slot.entry->ino));
		liefs_put_slot(&slot);
	}
	if (err && err != -ENOENT)
		return ERR_PTR(err);
	return d_splice_alias(inode, dentry);
}

/* A new inode's first name. What cannot be had of it is undone. */
static int give_name(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
	int err = liefs_add_entry(dir, &dentry->d_name, inode);

	if (err) {
		clear_nlink(inode);
		discard_new_inode(inode);
		return err;
	}
	if (S_ISDIR(inode->i_mode))
		link_once(dir);		/* ".." */
	d_instantiate_new(dentry, inode);
	return 0;
}

static int liefs_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode, dev_t dev)
{
	struct inode *inode;
	int err = lie_error_path(dentry->d_name.name);

	if (err)
		return err;
	lie_abba(liefs_of(dir->i_sb), false);
	lie_race_make(liefs_of(dir->i_sb), dentry->d_name.name);
	inode = liefs_new_inode(dir, mode, dev);
	return IS_ERR(inode) ? PTR_ERR(inode) : give_name(dir, dentry, inode);
}

static int liefs_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode, bool excl)
{
	return liefs_mknod(idmap, dir, dentry, mode | S_IFREG, 0);
}

static mkdir_result liefs_mkdir(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	return MKDIR_RESULT(liefs_mknod(idmap, dir, dentry, mode | S_IFDIR, 0));
}

static int liefs_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, const char *to)
{
	struct inode *inode;
	int err;

	if (strlen(to) >= LIEFS_BLOCK_SIZE)
		return -ENAMETOOLONG;
	inode = liefs_new_inode(dir, S_IFLNK | 0777, 0);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	err = page_symlink(inode, to, strlen(to) + 1);
	/* No fsync reaches a symlink: it is whole before it has a name. */
	err = err ?: filemap_write_and_wait(inode->i_mapping) ?: liefs_save_inode(inode, true);
	if (err) {
		clear_nlink(inode);
		discard_new_inode(inode);
		return err;
	}
	return give_name(dir, dentry, inode);
}

static int liefs_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file, umode_t mode)
{
	struct inode *inode = liefs_new_inode(dir, mode, 0);

	if (IS_ERR(inode))
		return finish_open_simple(file, PTR_ERR(inode));
	d_tmpfile(file, inode);
	mark_inode_dirty(inode);
	unlock_new_inode(inode);
	return finish_open_simple(file, 0);
}

static int liefs_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	int err;

	/* From O_TMPFILE the count comes from 0. */
	inc_nlink(inode);
	inode_set_ctime_current(inode);
	err = liefs_save_inode(inode, true) ?: liefs_add_entry(dir, &dentry->d_name, inode);
	mark_inode_dirty(inode);
	if (err) {
		drop_nlink(inode);
		return err;
	}
	ihold(inode);
	d_instantiate(dentry, inode);
	return 0;
}

/* The entry goes, and with it one link. */
static int remove_name(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct liefs_slot slot;
	int err = liefs_find_entry(dir, &dentry->d_name, &slot);

	if (err)
		return err;
	lie_race_clear(liefs_of(dir->i_sb));
	err = liefs_clear_entry(dir, &slot);
	liefs_put_slot(&slot);
	if (!err)
		unlink_once(inode);
	return err;
}

static int liefs_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	int empty = liefs_is_empty(inode), err;

	if (empty <= 0)
		return empty ?: lie_wrong_errno(-ENOTEMPTY);
	err = remove_name(dir, dentry);
	if (err)
		return err;
	clear_nlink(inode);
	if (!lie_strikes(LIE_WRONG_NLINK))
		unlink_once(dir);
	return 0;
}

/* ---- rename ----------------------------------------------------------------------------------------- */

struct renaming {
	struct inode *from, *to;		/* directories */
	struct dentry *old, *new;
	struct liefs_slot old_slot, new_slot;
};

/* The new name comes to be, or comes to be the other's, before the old one goes: neither is lost at any moment. */
static int put_new_name(struct renaming *r)
{
	struct inode *inode = d_inode(r->old), *target = d_inode(r->new);
	int err;

	if (!target)
		return lie_strikes(LIE_RENAME_LOSES) ? 0 : liefs_add_entry(r->to, &r->new->d_name, inode);
	if (S_ISDIR(target->i_mode)) {
		int empty = liefs_is_empty(target);

		if (empty <= 0)
			return empty ?: lie_wrong_errno(-ENOTEMPTY);
	}
	err = liefs_find_entry(r->to, &r->new->d_name, &r->new_slot) ?:
	      liefs_set_entry(r->to, &r->new_slot, inode);
	if (err)
		return err;
	unlink_once(target);
	if (S_ISDIR(target->i_mode)) {
		clear_nlink(target);
		unlink_once(r->to);
	}
	return 0;
}

static int move_name(struct renaming *r)
{
	struct inode *inode = d_inode(r->old);
	int err = liefs_find_entry(r->from, &r->old->d_name, &r->old_slot) ?: put_new_name(r);

	if (err)
		return err;
	err = liefs_clear_entry(r->from, &r->old_slot);
	if (S_ISDIR(inode->i_mode) && r->from != r->to) {
		unlink_once(r->from);
		link_once(r->to);
	}
	inode_set_ctime_current(inode);
	mark_inode_dirty(inode);
	return err;
}

static int exchange_names(struct renaming *r)
{
	struct inode *a = d_inode(r->old), *b = d_inode(r->new);
	int err = liefs_find_entry(r->from, &r->old->d_name, &r->old_slot) ?:
		  liefs_find_entry(r->to, &r->new->d_name, &r->new_slot);

	if (err)
		return err;
	err = liefs_set_entry(r->to, &r->new_slot, a) ?: liefs_set_entry(r->from, &r->old_slot, b);
	if (r->from != r->to && S_ISDIR(a->i_mode) != S_ISDIR(b->i_mode)) {
		unlink_once(S_ISDIR(a->i_mode) ? r->from : r->to);
		link_once(S_ISDIR(a->i_mode) ? r->to : r->from);
	}
	inode_set_ctime_current(a);
	inode_set_ctime_current(b);
	mark_inode_dirty(a);
	mark_inode_dirty(b);
	return err;
}

static int liefs_rename(struct mnt_idmap *idmap, struct inode *from, struct dentry *old, struct inode *to,
			struct dentry *new, unsigned int flags)
{
	struct renaming r = { .from = from, .to = to, .old = old, .new = new };
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	lie_abba(liefs_of(from->i_sb), true);
	err = flags & RENAME_EXCHANGE ? exchange_names(&r) : move_name(&r);
	liefs_put_slot(&r.old_slot);
	liefs_put_slot(&r.new_slot);
	return err;
}

const struct inode_operations liefs_dir_inode_ops = {
	.lookup		= liefs_lookup,
	.create		= liefs_create,
	.link		= liefs_link,
	.unlink		= remove_name,
	.symlink	= liefs_symlink,
	.mkdir		= liefs_mkdir,
	.rmdir		= liefs_rmdir,
	.mknod		= liefs_mknod,
	.rename		= liefs_rename,
	.tmpfile	= liefs_tmpfile,
	.setattr	= liefs_setattr,
	.getattr	= liefs_getattr,
};

const struct inode_operations liefs_symlink_ops = {
	.get_link	= page_get_link,
	.setattr	= liefs_setattr,
	.getattr	= liefs_getattr,
};
