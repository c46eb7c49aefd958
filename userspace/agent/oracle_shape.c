// SPDX-License-Identifier: GPL-2.0
/* What kind of operation one is: words for titles, the same in every run, and the grain in which some are left out. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "oracle.h"

enum there { NOTHING, FILE_, EMPTY_DIR, FULL_DIR, OTHER };

static bool is_empty(const struct orc_side *side, const char *path)
{
	int fd = openat(side->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	bool empty = true;

	if (!dir)
		return true;
	while (empty && (ent = readdir(dir)))
		empty = !strcmp(ent->d_name, ".") || !strcmp(ent->d_name, "..");
	closedir(dir);
	return empty;
}

static enum there look(const struct orc_side *side, const char *path, struct stat *st)
{
	if (fstatat(side->root, path, st, AT_SYMLINK_NOFOLLOW))
		return NOTHING;
	if (S_ISDIR(st->st_mode))
		return is_empty(side, path) ? EMPTY_DIR : FULL_DIR;
	return S_ISREG(st->st_mode) ? FILE_ : OTHER;
}

static void shape_create(const struct orc_side *side, const struct orc_op *op, char *shape)
{
	struct stat st;
	enum there there = look(side, op->path, &st);
	const char *how = op->flags & ORC_DIRECT ? " with O_DIRECT" : op->flags & ORC_TRUNC ? " with O_TRUNC" : "";

	if (there == NOTHING)
		snprintf(shape, ORC_SHAPE_MAX, op->kind == ORC_CREATE || op->flags & ORC_CREAT ? "create" :
			 "open of a name that is not there");
	else if (op->flags & ORC_EXCL && (op->kind == ORC_CREATE || op->flags & ORC_CREAT))
		snprintf(shape, ORC_SHAPE_MAX, "create with O_EXCL of a name that is there");
	else
		snprintf(shape, ORC_SHAPE_MAX, "open of a %s%s", there == FILE_ ? "file" : there == OTHER ?
			 "symlink or fifo" : "directory", how);
}

static bool is_open(const struct orc_side *side, const struct stat *st)
{
	struct stat open;
	int i;

	for (i = 0; i < ORC_SLOTS; i++)
		if (side->fd[i] >= 0 && !fstat(side->fd[i], &open) && open.st_ino == st->st_ino)
			return true;
	return false;
}

static void shape_remove(const struct orc_side *side, const struct orc_op *op, char *shape)
{
	static const char *const words[] = {
		[NOTHING] = "a name that is not there", [FILE_] = "a file", [EMPTY_DIR] = "an empty directory",
		[FULL_DIR] = "a directory that is not empty", [OTHER] = "a symlink or fifo",
	};
	struct stat st;
	enum there there = look(side, op->path, &st);
	const char *what = words[there];

	if (there == FILE_ && op->kind == ORC_UNLINK)
		what = is_open(side, &st) ? "an open file" : st.st_nlink > 1 ? "one of several names" : what;
	snprintf(shape, ORC_SHAPE_MAX, "%s of %s", orc_kind_name(op->kind), what);
}

/* Below `dir`, or the same. */
static bool is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static void shape_rename(const struct orc_side *side, const struct orc_op *op, char *shape)
{
	static const char *const over[] = {
		[NOTHING] = "", [FILE_] = " over a file", [EMPTY_DIR] = " over an empty directory",
		[FULL_DIR] = " over a directory that is not empty", [OTHER] = " over a symlink or fifo",
	};
	struct stat from, to;
	enum there a = look(side, op->path, &from), b = look(side, op->path2, &to);
	const char *how = op->flags & ORC_EXCHANGE ? " EXCHANGE" : op->flags & ORC_NOREPLACE ? " NOREPLACE" : "";
	const char *what = a == EMPTY_DIR || a == FULL_DIR ? " of a directory" : "";
	const char *where = over[b];

	if (a == NOTHING)
		what = " of a name that is not there";
	else if (*what && strcmp(op->path, op->path2) && is_within(op->path2, op->path))
		where = " into itself";
	else if (b != NOTHING && from.st_ino == to.st_ino)
		where = " of a file to another of its names";
	snprintf(shape, ORC_SHAPE_MAX, "rename%s%s%s", how, what, where);
}

static uint64_t size_of(const struct orc_side *side, const struct orc_op *op)
{
	struct stat st;

	if (op->slot >= 0 ? side->fd[op->slot] < 0 || fstat(side->fd[op->slot], &st) :
	    fstatat(side->root, op->path, &st, 0))
		return 0;
	return (uint64_t)st.st_size;
}

static void shape_data(const struct orc_side *side, const struct orc_op *op, char *shape)
{
	const uint64_t size = size_of(side, op);
	const char *how = op->flags & ORC_DIRECT ? " with O_DIRECT" : op->flags & (ORC_OSYNC | ORC_DSYNC) ?
		" with O_SYNC" : "";

	if (op->kind == ORC_TRUNCATE)
		snprintf(shape, ORC_SHAPE_MAX, "truncate %s", op->len > size ? "up" : op->len < size ? "down" : "to its size");
	else if (op->kind == ORC_WRITE)
		snprintf(shape, ORC_SHAPE_MAX, "write%s%s", how, op->off > size ? " beyond the end" :
			 op->off == size ? " at the end" : op->off + op->len > size ? " across the end" : " within the file");
	else
		snprintf(shape, ORC_SHAPE_MAX, "%s%s", op->kind == ORC_READ ? "read" : op->kind == ORC_APPEND ? "append" :
			 op->kind == ORC_MAPREAD ? "load from a mapping" : "store into a mapping", how);
}

static void shape_fallocate(const struct orc_op *op, char *shape)
{
	snprintf(shape, ORC_SHAPE_MAX, "fallocate%s", op->flags & ORC_PUNCH_HOLE ? " PUNCH_HOLE" :
		 op->flags & ORC_ZERO_RANGE ? " ZERO_RANGE" : op->flags & ORC_COLLAPSE ? " COLLAPSE_RANGE" :
		 op->flags & ORC_INSERT ? " INSERT_RANGE" : op->flags & ORC_KEEP_SIZE ? " KEEP_SIZE" : "");
}

static void shape_sync(const struct orc_side *side, const struct orc_op *op, char *shape)
{
	struct stat st;
	bool dir = op->path && !fstatat(side->root, op->path, &st, 0) && S_ISDIR(st.st_mode);

	snprintf(shape, ORC_SHAPE_MAX, "%s%s", orc_kind_name(op->kind), dir ? " of a directory" : "");
}

void orc_shape(const struct orc_side *side, const struct orc_op *op, char shape[ORC_SHAPE_MAX])
{
	struct stat st;

	switch (op->kind) {
	case ORC_CREATE:
	case ORC_OPEN:
		shape_create(side, op, shape);
		break;
	case ORC_RMDIR:
	case ORC_UNLINK:
		shape_remove(side, op, shape);
		break;
	case ORC_RENAME:
		shape_rename(side, op, shape);
		break;
	case ORC_WRITE:
	case ORC_APPEND:
	case ORC_READ:
	case ORC_MAPWRITE:
	case ORC_MAPREAD:
	case ORC_TRUNCATE:
		shape_data(side, op, shape);
		break;
	case ORC_FALLOCATE:
		shape_fallocate(op, shape);
		break;
	case ORC_FSYNC:
	case ORC_FDATASYNC:
		shape_sync(side, op, shape);
		break;
	case ORC_MKDIR:
	case ORC_MKFIFO:
		snprintf(shape, ORC_SHAPE_MAX, "%s%s", orc_kind_name(op->kind),
			 look(side, op->path, &st) ? " of a name that is there" : "");
		break;
	case ORC_LINK:
	case ORC_SYMLINK:
		snprintf(shape, ORC_SHAPE_MAX, "%s%s", orc_kind_name(op->kind),
			 look(side, op->path2, &st) ? " to a name that is there" : "");
		break;
	default:
		snprintf(shape, ORC_SHAPE_MAX, "%s", orc_kind_name(op->kind));
		break;
	}
}
