// SPDX-License-Identifier: GPL-2.0
#include <linux/buffer_head.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "error_path.h"

#define BLOCK	2	/* of the device; nobody else's */
#define BYTES	96

enum kind { NONE, CRASH, READ_LEAK, KEPT_LOCK, LOST_WRITE };

static const char *const words[] = {
	[NONE] = "none", [CRASH] = "crash", [READ_LEAK] = "read-leak", [KEPT_LOCK] = "kept-lock",
	[LOST_WRITE] = "lost-write",
};

static int kind;
static DEFINE_MUTEX(lock);

static int kind_set(const char *value, const struct kernel_param *param)
{
	int i = __sysfs_match_string(words, ARRAY_SIZE(words), value);

	if (i < 0) {
		pr_err("faultfs: there is no error path %s\n", value);
		return -EINVAL;
	}
	WRITE_ONCE(kind, i);
	return 0;
}

static int kind_get(char *buf, const struct kernel_param *param)
{
	return sprintf(buf, "%s\n", words[READ_ONCE(kind)]);
}

static const struct kernel_param_ops kind_ops = { .set = kind_set, .get = kind_get };
module_param_cb(error_path, &kind_ops, NULL, 0644);
MODULE_PARM_DESC(error_path, "none, crash, read-leak, kept-lock, lost-write: an error path that is wrong");

/* What the compiler knows to be freed unused it would not allocate. */
static void *object(void)
{
	void *ret = kmalloc(BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

/* It makes sure of the first, but not of the second, into which it looks. */
static noinline int use_two_objects(void)
{
	unsigned long *first = object(), *second;

	if (!first)
		return -ENOMEM;
	second = object();
	WRITE_ONCE(*second, 0);
	kfree(second);
	kfree(first);
	return 0;
}

static noinline int read_with_object(struct super_block *sb)
{
	void *mine = object();
	struct buffer_head *bh;

	if (!mine)
		return -ENOMEM;
	bh = sb_bread(sb, BLOCK);
	if (!bh)
		return -EIO;
	brelse(bh);
	kfree(mine);
	return 0;
}

int error_path_fill(struct super_block *sb)
{
	switch (READ_ONCE(kind)) {
	case CRASH:
		return use_two_objects();
	case READ_LEAK:
		return read_with_object(sb);
	default:
		return 0;
	}
}

int error_path_create(void)
{
	void *mine;

	if (READ_ONCE(kind) != KEPT_LOCK)
		return 0;
	mutex_lock(&lock);
	mine = object();
	if (!mine)
		return -ENOMEM;
	kfree(mine);
	mutex_unlock(&lock);
	return 0;
}

int error_path_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct buffer_head *bh;

	if (READ_ONCE(kind) != LOST_WRITE)
		return 0;
	bh = sb_bread(file_inode(file)->i_sb, BLOCK);
	if (!bh)
		return -EIO;
	lock_buffer(bh);
	bh->b_data[0]++;
	unlock_buffer(bh);
	mark_buffer_dirty(bh);
	sync_dirty_buffer(bh);
	brelse(bh);
	return 0;
}
