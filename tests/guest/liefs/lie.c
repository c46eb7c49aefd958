// SPDX-License-Identifier: GPL-2.0
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "lie.h"
#include "liefs.h"

static const struct {
	const char *word;
	unsigned int every;
} lies[LIES] = {
#define X(name, word, every, what) [LIE_##name] = { word, every },
	LIEFS_LIES(X)
#undef X
};

u64 lies_told;
static atomic_t occasions[LIES];

static unsigned int lie_every;
module_param(lie_every, uint, 0644);
MODULE_PARM_DESC(lie_every, "each so many-th occasion is a lie; 0: as each lie has it");

static unsigned int lie_window_us = 2;
module_param(lie_window_us, uint, 0644);
MODULE_PARM_DESC(lie_window_us, "race-window: between the look and the use");

static unsigned int lie_hold_ms = 50;
module_param(lie_hold_ms, uint, 0644);
MODULE_PARM_DESC(lie_hold_ms, "sleep-with-lock: how long");

/* ---- the parameter ------------------------------------------------------------------------------------ */

static int find_lie(const char *word)
{
	unsigned int i;

	for (i = 0; i < LIES; i++)
		if (!strcmp(word, lies[i].word))
			return i;
	pr_err("liefs: there is no lie \"%s\"\n", word);
	return -EINVAL;
}

static int set_lies(const char *text, const struct kernel_param *param)
{
	char *copy = kstrdup(text, GFP_KERNEL), *rest, *word;
	u64 told = 0;
	int lie = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	while (lie >= 0 && (word = strsep(&rest, ","))) {
		lie = *word ? find_lie(word) : 0;
		if (*word && lie >= 0)
			told |= BIT_ULL(lie);
	}
	kfree(copy);
	if (lie < 0)
		return lie;
	WRITE_ONCE(lies_told, told);
	return 0;
}

static int get_lies(char *buffer, const struct kernel_param *param)
{
	unsigned int i;
	int len = 0;

	for (i = 0; i < LIES; i++)
		if (lie_told(i))
			len += sysfs_emit_at(buffer, len, "%s%s", len ? "," : "", lies[i].word);
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops lie_ops = { .set = set_lies, .get = get_lies };
module_param_cb(lie, &lie_ops, NULL, 0644);
MODULE_PARM_DESC(lie, "NAME[,NAME...]: lie.h has them");

bool lie_strikes(enum lie lie)
{
	unsigned int every;

	if (!lie_told(lie))
		return false;
	every = READ_ONCE(lie_every) ?: lies[lie].every;
	return (unsigned int)atomic_inc_return(&occasions[lie]) % every == 0;
}

/* ---- what is on the device ---------------------------------------------------------------------------- */

void lie_lost_entry(struct super_block *sb, const struct liefs_slot *slot)
{
	struct liefs *fs = liefs_of(sb);

	if (!lie_strikes(LIE_LOST_ENTRY))
		return;
	mutex_lock(&fs->alloc_lock);
	if (fs->nlost < LIEFS_LOST_MAX)
		fs->lost[fs->nlost++] = (struct liefs_lost_entry){
			.block = slot->bh->b_blocknr, .slot = slot->slot % LIEFS_ENTRIES_PER_BLOCK, .ino = slot->entry->ino,
		};
	mutex_unlock(&fs->alloc_lock);
}

void lie_lost_entries_go(struct super_block *sb)
{
	struct liefs *fs = liefs_of(sb);
	u32 i;

	for (i = 0; i < fs->nlost; i++) {
		struct buffer_head *bh = sb_bread(sb, fs->lost[i].block);
		struct liefs_disk_entry *entry = bh ? (struct liefs_disk_entry *)bh->b_data + fs->lost[i].slot : NULL;

		/* Unless it has gone, or its block is another's, honestly. */
		if (entry && entry->ino == fs->lost[i].ino) {
			memset(entry, 0, sizeof(*entry));
			liefs_dirty(bh);
		}
		brelse(bh);
	}
	fs->nlost = 0;
}

u64 lie_same_ino(u64 ino)
{
	unsigned int every = READ_ONCE(lie_every) ?: lies[LIE_SAME_INO].every;

	/* By the number, not by the occasion: it is the same each time. */
	return lie_told(LIE_SAME_INO) && ino > 1 && ino % every == 0 ? ino - 1 : ino;
}

u64 lie_stale_size(const struct inode *inode, const struct liefs_disk_inode *raw)
{
	const u64 old = le64_to_cpu(raw->size), size = i_size_read(inode);

	return S_ISREG(inode->i_mode) && le16_to_cpu(raw->mode) == inode->i_mode && size < old &&
	       le32_to_cpu(raw->generation) == inode->i_generation && lie_strikes(LIE_STALE_SIZE) ? old : size;
}

/* ---- time and locks --------------------------------------------------------------------------------- */

void lie_odd_size_spin(const struct super_block *sb)
{
	const u64 group = LIEFS_GROUP * LIEFS_BLOCK_SIZE;
	u64 left;

	if (!lie_strikes(LIE_ODD_SIZE_SPIN))
		return;
	/* Never 0 when something is left over. */
	for (left = bdev_nr_bytes(sb->s_bdev); left; left -= group)
		OPTIMIZER_HIDE_VAR(left);
}

/* Deadly only when the two meet. */
static noinline void names_then_count(struct liefs *fs)
{
	mutex_lock(&fs->names_lock);
	mutex_lock(&fs->count_lock);
	fs->creations++;
	mutex_unlock(&fs->count_lock);
	mutex_unlock(&fs->names_lock);
}

static noinline void count_then_names(struct liefs *fs)
{
	mutex_lock(&fs->count_lock);
	mutex_lock(&fs->names_lock);
	fs->creations++;
	mutex_unlock(&fs->names_lock);
	mutex_unlock(&fs->count_lock);
}

void lie_abba(struct liefs *fs, bool names_first)
{
	if (!lie_strikes(LIE_ABBA))
		return;
	if (names_first)
		names_then_count(fs);
	else
		count_then_names(fs);
}

void lie_race_make(struct liefs *fs, const char *name)
{
	if (lie_strikes(LIE_RACE_WINDOW))
		kfree(xchg(&fs->last_name, kstrdup(name, GFP_KERNEL)));
}

/* A function of its own, so that it can be slowed down from outside. */
static noinline void lie_race_pause(void)
{
	udelay(min(READ_ONCE(lie_window_us), 1000u));
}

void lie_race_use(struct liefs *fs)
{
	if (!lie_strikes(LIE_RACE_WINDOW) || !READ_ONCE(fs->last_name))
		return;
	lie_race_pause();
	if (READ_ONCE(fs->last_name)[0] == '\0')
		pr_info("liefs: a name of no length\n");
}

void lie_race_clear(struct liefs *fs)
{
	if (lie_strikes(LIE_RACE_WINDOW))
		kfree(xchg(&fs->last_name, NULL));
}

void lie_sleep_with_lock(struct liefs *fs)
{
	if (!lie_strikes(LIE_SLEEP_WITH_LOCK))
		return;
	mutex_lock(&fs->names_lock);
	msleep(READ_ONCE(lie_hold_ms));
	mutex_unlock(&fs->names_lock);
}

/* ---- when something fails ----------------------------------------------------------------------------- */

struct created {
	u64 when;
	char name[56];
};

int lie_error_path(const char *name)
{
	struct created *first, *second;

	if (!lie_told(LIE_ERROR_PATH_CRASH) && !lie_told(LIE_ERROR_PATH_LEAK))
		return 0;
	first = kmalloc(sizeof(*first), GFP_KERNEL);
	if (!first && !lie_told(LIE_ERROR_PATH_CRASH))
		return -ENOMEM;
	WRITE_ONCE(first->when, 1);
	second = kmalloc(sizeof(*second), GFP_KERNEL);
	if (!second) {
		if (!lie_told(LIE_ERROR_PATH_LEAK))
			kfree(first);
		return -ENOMEM;
	}
	strscpy(second->name, name, sizeof(second->name));
	kfree(second);
	kfree(first);
	return 0;
}

/* ---- what an image says ----------------------------------------------------------------------------- */

void lie_trust_name_len(const struct liefs_disk_entry *entry)
{
	const u8 *from = entry->name;
	unsigned int i, len = le16_to_cpu(entry->len);
	volatile u8 name[LIEFS_NAME_MAX + 1];

	if (!lie_told(LIE_TRUST_NAME_LEN))
		return;
	for (i = 0; i < len; i++)
		name[i] = from[i];
	if (len && name[0] == '/')
		pr_info("liefs: a name that is a path\n");
}
