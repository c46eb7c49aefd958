/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lies on demand: the module parameter lie=NAME[,NAME...]. A new one is one line here, one function in lie.c
 * and the place that calls it. Told none, each place costs a test of one word.
 */
#ifndef LIEFS_LIE_H
#define LIEFS_LIE_H

#include <linux/bits.h>
#include <linux/fs.h>

struct liefs;
struct liefs_disk_entry;
struct liefs_disk_inode;
struct liefs_slot;

/*	name		word		every	what	(every: each so many-th occasion, unless lie_every says otherwise) */
#define LIEFS_LIES(X)											\
	X(WRONG_ERRNO,	"wrong-errno",	1, "rmdir of, and rename over, a directory with entries say EBUSY")	\
	X(LOST_WRITE,	"lost-write",	8, "a page is called written and does not reach the device")		\
	X(LOST_ENTRY,	"lost-entry",	8, "a name that was made is gone after umount")				\
	X(WRONG_FREE,	"wrong-free",	4, "a block that a file had is not free when the file is gone")		\
	X(SAME_INO,	"same-ino",	8, "stat and readdir give two files one inode number")			\
	X(WRONG_NLINK,	"wrong-nlink",	2, "rmdir leaves the parent's link count as it was")			\
	X(LOST_FSYNC,	"lost-fsync",	1, "fsync does nothing and says 0")					\
	X(STALE_SIZE,	"stale-size",	1, "a file that was cut has its old size after umount")			\
	X(RENAME_LOSES,	"rename-loses",	4, "a rename takes the old name and makes no new one on the device")	\
	X(ODD_SIZE_SPIN, "odd-size-spin", 1, "mount never ends on a device whose size is no whole number of groups (256 KiB)")\
	X(ABBA,		"abba",		1, "rename and create take two mutexes in opposite orders")		\
	X(RACE_WINDOW,	"race-window",	1, "write uses, lie_window_us after it looked, a pointer that unlink clears")\
	X(SLEEP_WITH_LOCK, "sleep-with-lock", 1, "fsync sleeps lie_hold_ms with the mutex of all names held")	\
	X(ERROR_PATH_CRASH, "error-path-crash", 1, "mount and create use what a failed read or kmalloc did not give")\
	X(ERROR_PATH_LEAK, "error-path-leak", 1, "mount and create forget what they had when a read or kmalloc fails")\
	X(TRUST_BLOCKS,	"trust-blocks",	1, "the super block's count of blocks is believed")			\
	X(TRUST_INODES,	"trust-inodes",	1, "the super block's count of inodes is believed")			\
	X(TRUST_GROUP,	"trust-group",	1, "mount divides by the super block's group size")			\
	X(TRUST_CHAIN,	"trust-chain",	1, "mount follows the chain of labels wherever it leads")		\
	X(TRUST_MODE,	"trust-mode",	1, "an inode of no known type gets no operations")			\
	X(TRUST_NLINK,	"trust-nlink",	1, "an inode's link count is believed")					\
	X(TRUST_DIR_SIZE, "trust-dir-size", 1, "a directory's size is believed, its holes read as free slots")	\
	X(TRUST_POINTER, "trust-pointer", 1, "pointers to blocks are believed, also when they are freed")	\
	X(TRUST_NAME_LEN, "trust-name-len", 1, "readdir copies a name of the length that the entry says")

enum lie {
#define X(name, word, every, what) LIE_##name,
	LIEFS_LIES(X)
#undef X
	LIES
};

extern u64 lies_told;		/* bits of enum lie */

static inline bool lie_told(enum lie lie)
{
	return unlikely(READ_ONCE(lies_told) & BIT_ULL(lie));
}

/* It is told, and this occasion is one of those. */
bool lie_strikes(enum lie lie);

/* ---- one function each; what only asks lie_strikes() or lie_told() is at its place -------------------- */

static inline int lie_wrong_errno(int err)
{
	return lie_strikes(LIE_WRONG_ERRNO) ? -EBUSY : err;
}

/* The entry was made; and what umount does about it. */
void lie_lost_entry(struct super_block *sb, const struct liefs_slot *slot);
void lie_lost_entries_go(struct super_block *sb);
u64 lie_same_ino(u64 ino);
/* Before `raw`, which has what is on the device, gets the inode's size. */
u64 lie_stale_size(const struct inode *inode, const struct liefs_disk_inode *raw);
void lie_odd_size_spin(const struct super_block *sb);
void lie_abba(struct liefs *fs, bool names_first);
/* Its three threads: one makes the pointer, one uses it, one clears it. */
void lie_race_make(struct liefs *fs, const char *name);
void lie_race_use(struct liefs *fs);
void lie_race_clear(struct liefs *fs);
void lie_sleep_with_lock(struct liefs *fs);
/* In create: 0 or -errno. */
int lie_error_path(const char *name);
/* Copies the name, of any length, to a place that has room for one. */
void lie_trust_name_len(const struct liefs_disk_entry *entry);

#endif
