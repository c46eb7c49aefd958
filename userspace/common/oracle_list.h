/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operation lists of the oracle: text, one operation a line, as people read and write them (docs/ORACLE.md):
 *
 *	# a comment
 *	create a/b mode=640
 *	write a/b off=17 len=300 seed=5
 *	rename a/b c flags=EXCHANGE
 *
 * Paths are relative to the filesystem's root, without "..". A byte that is not printable, a blank, '\', '@' or '#' is
 * written \xNN. @0 to @7 are open files. The host makes and reduces lists, the agent does them.
 */
#ifndef VEXLAB_ORACLE_LIST_H
#define VEXLAB_ORACLE_LIST_H

#include <stddef.h>
#include <stdint.h>

#define ORC_SLOTS	8
#define ORC_PATH_MAX	1000u
#define ORC_LINE_MAX	(8u * ORC_PATH_MAX + 512u)	/* of a printed operation, all escaped */
#define ORC_OPS_MAX	20000u
#define ORC_TEXT_MAX	(96u << 10)	/* of a list for one step */
#define ORC_IO_MAX	(1u << 20)	/* bytes that one operation moves */
#define ORC_OFFSET_MAX	(1ull << 40)

enum orc_kind {
	ORC_CREATE, ORC_OPEN, ORC_CLOSE, ORC_MKDIR, ORC_RMDIR, ORC_UNLINK, ORC_WRITE, ORC_APPEND, ORC_READ,
	ORC_MAPWRITE, ORC_MAPREAD, ORC_TRUNCATE, ORC_FALLOCATE, ORC_COPY, ORC_FSYNC, ORC_FDATASYNC, ORC_SYNCFS,
	ORC_SYNC, ORC_RENAME, ORC_LINK, ORC_SYMLINK, ORC_READLINK, ORC_MKFIFO, ORC_TMPFILE, ORC_LINKFD,
	ORC_SETXATTR, ORC_GETXATTR, ORC_REMOVEXATTR, ORC_LISTXATTR, ORC_CHMOD, ORC_CHOWN, ORC_UTIMENS, ORC_STAT,
	ORC_READDIR, ORC_STATFS, ORC_CLEAR, ORC_DROP_CACHES, ORC_COMPARE,
	/* What only the host can do. */
	ORC_REMOUNT, ORC_POWER_CUT, ORC_SPACE,
	ORC_KINDS,
};

enum orc_flag {
	ORC_RDONLY	= 1 << 0,
	ORC_WRONLY	= 1 << 1,
	ORC_CREAT	= 1 << 2,
	ORC_EXCL	= 1 << 3,
	ORC_TRUNC	= 1 << 4,
	ORC_APPENDING	= 1 << 5,
	ORC_DIRECT	= 1 << 6,
	ORC_OSYNC	= 1 << 7,
	ORC_DSYNC	= 1 << 8,
	ORC_NOFOLLOW	= 1 << 9,
	ORC_DIRECTORY	= 1 << 10,
	ORC_NOREPLACE	= 1 << 11,	/* of a rename */
	ORC_EXCHANGE	= 1 << 12,
	ORC_KEEP_SIZE	= 1 << 13,	/* of fallocate */
	ORC_PUNCH_HOLE	= 1 << 14,
	ORC_ZERO_RANGE	= 1 << 15,
	ORC_COLLAPSE	= 1 << 16,
	ORC_INSERT	= 1 << 17,
	ORC_REPLACE	= 1 << 18,	/* of an attribute; its CREATE is ORC_EXCL's word, too */
	ORC_FLAGS	= (1 << 19) - 1,
};

struct orc_op {
	enum orc_kind kind;
	int slot;			/* -1: none */
	char *path, *path2;		/* NULL: none; a symlink's target is `path`, an attribute's name `path2` */
	uint64_t off, to, len;
	uint32_t seed, flags, mode, uid, gid;
	uint32_t line;			/* in the text, from 1; 0: made otherwise */
};

struct orc_list {
	struct orc_op *ops;
	size_t n;
};

/* 0; -EINVAL with one sentence in `why`, which names the line; -ENOMEM. */
int orc_list_parse(const char *text, size_t len, struct orc_list *ret, char *why, size_t why_size);
void orc_list_free(struct orc_list *list);
void orc_op_clear(struct orc_op *op);
/* One line without its end; `buf` of ORC_LINE_MAX bytes takes any. Its length. */
size_t orc_op_print(const struct orc_op *op, char *buf, size_t size);
/* `text` as a word of a list; `buf` of 4 * strlen + 1 bytes. Its length. */
size_t orc_escape(const char *text, char *buf, size_t size);
/* The other way, in place. -EINVAL. */
int orc_unescape(char *word);

const char *orc_kind_name(enum orc_kind kind);
/* The host does it between two steps. */
static inline int orc_is_directive(enum orc_kind kind)
{
	return kind >= ORC_REMOUNT;
}

#endif
