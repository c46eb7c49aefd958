/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The oracle's half in the guest: the same operations (common/oracle_list.h) on the target and on a reference
 * filesystem, one after the other, each compared at once. Nothing here knows which filesystems they are.
 */
#ifndef VEXLAB_AGENT_ORACLE_H
#define VEXLAB_AGENT_ORACLE_H

#include <stdbool.h>
#include <sys/stat.h>
#include "oracle_list.h"
#include "ops.h"

#define ORC_TITLE_MAX	160u
#define ORC_SHAPE_MAX	80u
#define ORC_DETAIL_MAX	2000u

/* ext4's own, of its mkfs: no filesystem but it has one. */
#define ORC_IGNORED	"lost+found"

/* One of the two filesystems. */
struct orc_side {
	const char *dir;		/* absolute */
	int root;
	int fd[ORC_SLOTS];		/* -1: not open */
};

struct orc_result {
	long ret;			/* of success */
	int err;			/* 0 or an errno, positive */
	size_t len;			/* bytes in `data` that are to be the same */
	char *data;			/* of ORC_IO_MAX bytes, page-aligned */
};

/* What was found first. */
struct orc_diff {
	enum vx_oracle_result kind;	/* VX_ORACLE_SAME: nothing */
	int errs[2];			/* of the target, of the reference */
	char title[ORC_TITLE_MAX], shape[ORC_SHAPE_MAX], detail[ORC_DETAIL_MAX];
};

/* oracle_do.c: `op` on one side; `from` has ORC_IO_MAX bytes, page-aligned, for what is written. */
void orc_do(struct orc_side *side, const struct orc_op *op, char *from, struct orc_result *res);
void orc_fill(char *buf, uint32_t seed, size_t len);
/* Everything below the root. 0 or -errno. */
int orc_clear(const struct orc_side *side);
/* A name that is none of the filesystem's users'. */
bool orc_is_ignored(const char *parent, const char *name);

/* oracle_shape.c: what kind of operation this is, as the side has its files before it; stable words. */
void orc_shape(const struct orc_side *side, const struct orc_op *op, char shape[ORC_SHAPE_MAX]);

/* oracle_tree.c: all that is below the two roots; `when`: words for titles, "" or " after a remount". */
void orc_compare_trees(const struct orc_side side[2], const char *when, struct orc_diff *diff);
/* What stat says of one thing on both sides; `root`: it is the root itself. */
void orc_compare_stat(const struct stat *target, const struct stat *reference, bool root, const char *when,
		      struct orc_diff *diff);
/* First finder wins. */
void orc_differ(struct orc_diff *diff, enum vx_oracle_result kind, const char *title, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));

/* A tree as it was read: names below a root, sorted, "lost+found" left out. */
struct orc_entry {
	char *path;
	struct stat st;
	unsigned char d_type;
	ino_t d_ino;
	size_t first;			/* index of the first path with this inode number */
};
struct orc_tree {
	struct orc_entry *entries;
	size_t n;
};
/* 0, or -errno with the path in `at` (may be NULL) that could not be read. */
int orc_tree_read(const struct orc_side *side, struct orc_tree *ret, char *at, size_t at_size);
void orc_tree_free(struct orc_tree *tree);
/* zlib's crc32 of all bytes; -errno. */
int orc_sum(const struct orc_side *side, const char *path, uint32_t *ret, uint64_t *size);

/*
 * oracle_promise.c: what must outlive a power cut. note: after `op` has been done on `side`, the reference, with
 * success. say: the "keep" lines. check: what they say, and that all there is can be read.
 */
struct orc_promises;
struct orc_promises *orc_promises_new(void);
void orc_promises_free(struct orc_promises *p);
void orc_promises_note(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op);
/* Text, at most `max` bytes, whole lines. Caller frees; NULL: no memory. */
char *orc_promises_say(const struct orc_promises *p, size_t max);
void orc_check_promises(const struct orc_side *side, const char *keep, struct orc_diff *diff);

#endif
