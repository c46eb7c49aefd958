// SPDX-License-Identifier: GPL-2.0
/* A directory is blocks of slots of one size; it grows, and never shrinks. */
#include <linux/blkdev.h>
#include <linux/fs.h>

#include "liefs.h"

static u32 slots_of(const struct inode *dir)
{
	return (dir->i_size >> LIEFS_BLOCK_BITS) * LIEFS_ENTRIES_PER_BLOCK;
}

void liefs_put_slot(struct liefs_slot *slot)
{
	brelse(slot->bh);
	slot->bh = NULL;
	slot->entry = NULL;
}

/* trust-dir-size: what a hole is made of. */
static struct liefs_disk_entry no_entry;

/* Slot `n`, reading its block if `s` does not hold it yet. A hole, which no honest directory has, is an error. */
static int slot_at(struct inode *dir, struct liefs_slot *s, u32 n)
{
	int err;

	if (!s->bh || s->slot / LIEFS_ENTRIES_PER_BLOCK != n / LIEFS_ENTRIES_PER_BLOCK) {
		brelse(s->bh);
		s->bh = liefs_dir_block(dir, n / LIEFS_ENTRIES_PER_BLOCK, false, &err);
		if (!s->bh && lie_told(LIE_TRUST_DIR_SIZE)) {
			s->slot = n;
			s->entry = &no_entry;
			return 0;
		}
		if (!s->bh)
			return err ?: liefs_corrupt(dir->i_sb, "a directory with a hole, inode", dir->i_ino);
	}
	s->slot = n;
	s->entry = (struct liefs_disk_entry *)s->bh->b_data + n % LIEFS_ENTRIES_PER_BLOCK;
	return 0;
}

static u32 name_len(const struct liefs_disk_entry *entry)
{
	return le16_to_cpu(READ_ONCE(entry->len));
}

int liefs_find_entry(struct inode *dir, const struct qstr *name, struct liefs_slot *ret)
{
	const u32 slots = slots_of(dir);
	struct liefs_slot s = { 0 };
	int err;
	u32 n;

	for (n = 0; n < slots; n++) {
		err = slot_at(dir, &s, n);
		if (err)
			goto out;
		if (!s.entry->ino || name_len(s.entry) != name->len || memcmp(s.entry->name, name->name, name->len))
			continue;
		*ret = s;
		return 0;
	}
	err = -ENOENT;
out:
	liefs_put_slot(&s);
	return err;
}

/* ---- changes, each on the disk when it returns ------------------------------------------------------ */

static int changed(struct inode *dir, struct liefs_slot *slot)
{
	int err = liefs_write_now(slot->bh);

	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	mark_inode_dirty(dir);
	return err;
}

int liefs_set_entry(struct inode *dir, struct liefs_slot *slot, struct inode *inode)
{
	slot->entry->ino = cpu_to_le32(inode->i_ino);
	slot->entry->type = fs_umode_to_dtype(inode->i_mode);
	return changed(dir, slot);
}

int liefs_clear_entry(struct inode *dir, struct liefs_slot *slot)
{
	memset(slot->entry, 0, sizeof(*slot->entry));
	liefs_i(dir)->free_slot = min(liefs_i(dir)->free_slot, slot->slot);
	return changed(dir, slot);
}

/* One block more at the end; the inode that says so is on the disk before anything is put there. */
static int grow(struct inode *dir, struct liefs_slot *s)
{
	const u32 n = dir->i_size >> LIEFS_BLOCK_BITS;
	int err;

	brelse(s->bh);
	s->bh = liefs_dir_block(dir, n, true, &err);
	if (!s->bh)
		return err ?: -EIO;
	s->slot = n * LIEFS_ENTRIES_PER_BLOCK;
	s->entry = (struct liefs_disk_entry *)s->bh->b_data;
	err = liefs_write_now(s->bh);
	if (!err) {
		i_size_write(dir, dir->i_size + LIEFS_BLOCK_SIZE);
		/* Blocks of pointers, too, before the inode: a directory must have no holes. */
		err = sync_blockdev(dir->i_sb->s_bdev) ?: liefs_save_inode(dir, true);
	}
	return err;
}

static int find_room(struct inode *dir, struct liefs_slot *s)
{
	const u32 slots = slots_of(dir);
	u32 n;
	int err;

	for (n = liefs_i(dir)->free_slot; n < slots; n++) {
		err = slot_at(dir, s, n);
		if (err || !s->entry->ino)
			return err;
	}
	return grow(dir, s);
}

int liefs_add_entry(struct inode *dir, const struct qstr *name, struct inode *inode)
{
	struct liefs_slot s = { 0 };
	int err;

	if (name->len > LIEFS_NAME_MAX)
		return -ENAMETOOLONG;
	err = find_room(dir, &s);
	if (!err) {
		s.entry->len = cpu_to_le16(name->len);
		memset(s.entry->name, 0, sizeof(s.entry->name));
		memcpy(s.entry->name, name->name, name->len);
		liefs_i(dir)->free_slot = s.slot + 1;
		err = liefs_set_entry(dir, &s, inode);
		lie_lost_entry(dir->i_sb, &s);
	}
	liefs_put_slot(&s);
	return err;
}

/* ---- reading --------------------------------------------------------------------------------------- */

int liefs_is_empty(struct inode *dir)
{
	const u32 slots = slots_of(dir);
	struct liefs_slot s = { 0 };
	int ret = 1;
	u32 n;

	for (n = 0; n < slots && ret == 1; n++)
		ret = slot_at(dir, &s, n) ?: !s.entry->ino;
	liefs_put_slot(&s);
	return ret;
}

/* FALSE: the reader's buffer is full. */
static bool emit(struct dir_context *ctx, const struct liefs_disk_entry *entry)
{
	const u32 ino = lie_same_ino(le32_to_cpu(READ_ONCE(entry->ino))), len = name_len(entry);

	if (ino)
		lie_trust_name_len(entry);
	/* What no name can be is left out: its neighbours are still of use. */
	if (!ino || !len || len > LIEFS_NAME_MAX || memchr(entry->name, '/', len) || memchr(entry->name, 0, len))
		return true;
	return dir_emit(ctx, entry->name, len, ino, entry->type & 15);
}

static int liefs_readdir(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	const u32 slots = slots_of(dir);
	struct liefs_slot s = { 0 };
	int err = 0;

	if (!dir_emit_dots(file, ctx))
		return 0;
	while (ctx->pos - 2 < slots && !err) {
		err = slot_at(dir, &s, ctx->pos - 2);
		if (!err && !emit(ctx, s.entry))
			break;
		ctx->pos++;
	}
	liefs_put_slot(&s);
	return err;
}

const struct file_operations liefs_dir_ops = {
	.llseek		= generic_file_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= liefs_readdir,
	.fsync		= liefs_fsync,
};
