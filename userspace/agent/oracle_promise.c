// SPDX-License-Identifier: GPL-2.0
/*
 * What must outlive a power cut, by the rules that ext4, xfs and btrfs keep (docs/ORACLE.md):
 *
 *	fsync or fdatasync of a file	its content and size, under one of the names that it had then
 *	fsync of a directory		the names in it, and its own
 *	sync, syncfs			both, of everything
 *
 * Whatever is done to it afterwards takes back as much of the promise as it may undo: a write the content, a removal
 * the name; after a rename the file may be under either name.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "oracle.h"

#define PROMISES_MAX	2000u
#define NAMES_MAX	16u
#define WHEN		" after a power cut"

struct name {
	char *path;
	unsigned int link;		/* alternatives of one link: of them one must be there */
	bool current;			/* where it is by now */
};

struct promise {
	bool file;			/* content under one of the names; else: this one name, of this type */
	bool touched;			/* its content may be another by now */
	char type;
	ino_t ino;			/* of the reference; held open, so that no other file can get it */
	int fd;
	uint64_t size;
	uint32_t sum;
	struct name names[NAMES_MAX];
	unsigned int nnames;		/* 0: nothing is promised any more */
};

struct orc_promises {
	struct promise *all;
	size_t n;
};

struct orc_promises *orc_promises_new(void)
{
	struct orc_promises *p = calloc(1, sizeof(*p));

	if (p)
		p->all = calloc(PROMISES_MAX, sizeof(*p->all));
	if (p && p->all)
		return p;
	free(p);
	return NULL;
}

static void drop_name(struct promise *promise, unsigned int i)
{
	free(promise->names[i].path);
	promise->names[i] = promise->names[--promise->nnames];
}

static void drop(struct promise *promise)
{
	while (promise->nnames)
		drop_name(promise, promise->nnames - 1);
	if (promise->fd > 0)
		close(promise->fd);
	promise->fd = -1;
}

static void drop_all(struct orc_promises *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		drop(&p->all[i]);
	p->n = 0;
}

void orc_promises_free(struct orc_promises *p)
{
	if (!p)
		return;
	drop_all(p);
	free(p->all);
	free(p);
}

/* ---- making promises ------------------------------------------------------------------------ */

static void add_name(struct promise *promise, const char *path, unsigned int link)
{
	char *copy = promise->nnames < NAMES_MAX ? strdup(path) : NULL;

	if (copy)
		promise->names[promise->nnames++] = (struct name){ copy, link, true };
}

static struct promise *new_promise(struct orc_promises *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!p->all[i].nnames)
			break;
	if (i == PROMISES_MAX)
		return NULL;
	p->n += i == p->n;
	p->all[i] = (struct promise){ .fd = -1 };
	return &p->all[i];
}

static void promise_file(struct orc_promises *p, const struct orc_side *side, const struct orc_tree *tree, size_t at)
{
	const struct orc_entry *entry = &tree->entries[at];
	struct promise *promise;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->all[i].nnames && p->all[i].file && p->all[i].ino == entry->st.st_ino)
			drop(&p->all[i]);
	promise = new_promise(p);
	if (!promise)
		return;
	promise->file = true;
	promise->type = 'f';
	promise->ino = entry->st.st_ino;
	promise->fd = openat(side->root, entry->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (promise->fd < 0 || orc_sum(side, entry->path, &promise->sum, &promise->size)) {
		drop(promise);
		return;
	}
	for (i = 0; i < tree->n; i++)
		if (tree->entries[i].st.st_ino == entry->st.st_ino)
			add_name(promise, tree->entries[i].path, promise->nnames);
}

static char type_of(mode_t mode)
{
	return S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISREG(mode) ? 'f' : 'o';
}

static void promise_name(struct orc_promises *p, const struct orc_entry *entry)
{
	struct promise *promise;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!p->all[i].file && p->all[i].nnames && !strcmp(p->all[i].names[0].path, entry->path))
			return;
	promise = new_promise(p);
	if (!promise)
		return;
	promise->type = type_of(entry->st.st_mode);
	add_name(promise, entry->path, 0);
}

static void promise_everything(struct orc_promises *p, const struct orc_side *side, const struct orc_tree *tree)
{
	size_t i;

	for (i = 0; i < tree->n; i++) {
		promise_name(p, &tree->entries[i]);
		if (S_ISREG(tree->entries[i].st.st_mode) && tree->entries[i].first == i)
			promise_file(p, side, tree, i);
	}
}

/* Directly in it. */
static bool is_child(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (!len)
		return !strchr(path, '/');
	return !strncmp(path, dir, len) && path[len] == '/' && !strchr(path + len + 1, '/');
}

static void promise_one(struct orc_promises *p, const struct orc_side *side, const struct orc_tree *tree,
			const struct stat *st, bool is_root)
{
	const char *dir = is_root ? "" : NULL;
	size_t i;

	for (i = 0; i < tree->n; i++) {
		if (tree->entries[i].st.st_ino != st->st_ino)
			continue;
		if (S_ISREG(st->st_mode)) {
			promise_file(p, side, tree, i);
			return;
		}
		promise_name(p, &tree->entries[i]);
		dir = tree->entries[i].path;
	}
	for (i = 0; S_ISDIR(st->st_mode) && dir && i < tree->n; i++)
		if (is_child(tree->entries[i].path, dir))
			promise_name(p, &tree->entries[i]);
}

static int stat_of(const struct orc_side *side, const struct orc_op *op, struct stat *st)
{
	return op->slot >= 0 ? fstat(side->fd[op->slot], st) : fstatat(side->root, op->path, st, 0);
}

static void on_sync(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op)
{
	struct orc_tree tree = { 0 };
	struct stat st, root;

	if (fstat(side->root, &root) || orc_tree_read(side, &tree, NULL, 0))
		return;
	if (op->kind == ORC_SYNC || op->kind == ORC_SYNCFS)
		promise_everything(p, side, &tree);
	else if (!stat_of(side, op, &st))
		promise_one(p, side, &tree, &st, st.st_ino == root.st_ino);
	orc_tree_free(&tree);
}

/* ---- taking them back --------------------------------------------------------------------------- */

/* Without symlinks on the way, relative to the root; the last part as it is. */
static bool canonical(const struct orc_side *side, const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');
	char proc[64], where[4096], parent[ORC_PATH_MAX + 2] = ".";
	size_t skip = strlen(side->dir);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	fd = openat(side->root, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, where, sizeof(where) - 1);
	if (n < 0 || (size_t)n < skip || strncmp(where, side->dir, skip))
		return false;
	where[n] = '\0';
	n = snprintf(buf, size, "%s%s%s", where[skip] ? where + skip + 1 : "", where[skip] ? "/" : "",
		     slash ? slash + 1 : path);
	return n > 0 && (size_t)n < size;
}

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static void drop_link(struct promise *promise, unsigned int link)
{
	unsigned int i = 0;

	while (i < promise->nnames) {
		if (promise->names[i].link == link)
			drop_name(promise, i);
		else
			i++;
	}
	if (!promise->nnames)
		drop(promise);
}

/* What is there now is gone, or may be: all that is at `path` or below it. */
static void gone(struct orc_promises *p, const char *path)
{
	unsigned int i;
	size_t k;

	for (k = 0; k < p->n; k++) {
		struct promise *promise = &p->all[k];

		for (i = 0; i < promise->nnames; i++) {
			if (!promise->names[i].current || !is_at_or_below(promise->names[i].path, path))
				continue;
			drop_link(promise, promise->names[i].link);
			i = (unsigned int)-1;
		}
	}
}

static void moved(struct orc_promises *p, const char *from, const char *to)
{
	unsigned int i;
	size_t k;

	for (k = 0; k < p->n; k++) {
		struct promise *promise = &p->all[k];

		for (i = 0; i < promise->nnames; i++) {
			if (!promise->names[i].current || strcmp(promise->names[i].path, from))
				continue;
			if (!promise->file || promise->nnames == NAMES_MAX) {
				drop_link(promise, promise->names[i].link);
			} else {
				promise->names[i].current = false;
				add_name(promise, to, promise->names[i].link);
			}
			break;
		}
	}
}

static void on_rename(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op)
{
	char from[4096], to[4096];
	struct stat st;

	if (!canonical(side, op->path, from, sizeof(from)) || !canonical(side, op->path2, to, sizeof(to)) ||
	    fstatat(side->root, op->path2, &st, AT_SYMLINK_NOFOLLOW)) {
		drop_all(p);
		return;
	}
	if (op->flags & ORC_EXCHANGE) {
		gone(p, from);
		gone(p, to);
		return;
	}
	/* To another name of the same file: nothing was done. */
	if (!fstatat(side->root, op->path, &st, AT_SYMLINK_NOFOLLOW))
		return;
	gone(p, to);
	if (fstatat(side->root, op->path2, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode))
		gone(p, from);
	else
		moved(p, from, to);
}

static void touched(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op)
{
	struct orc_op at = *op;
	struct stat st;
	size_t i;

	if (op->kind == ORC_COPY)
		at.path = op->path2;
	if (stat_of(side, &at, &st))
		return;
	for (i = 0; i < p->n; i++)
		p->all[i].touched = p->all[i].touched || (p->all[i].file && p->all[i].ino == st.st_ino);
}

static void on_removal(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op)
{
	char path[4096];

	if (canonical(side, op->path, path, sizeof(path)))
		gone(p, path);
	else
		drop_all(p);
}

void orc_promises_note(struct orc_promises *p, const struct orc_side *side, const struct orc_op *op)
{
	switch (op->kind) {
	case ORC_FSYNC:
	case ORC_FDATASYNC:
	case ORC_SYNC:
	case ORC_SYNCFS:
		on_sync(p, side, op);
		break;
	case ORC_WRITE:
	case ORC_APPEND:
	case ORC_MAPWRITE:
	case ORC_TRUNCATE:
	case ORC_FALLOCATE:
	case ORC_COPY:
		touched(p, side, op);
		break;
	case ORC_CREATE:
	case ORC_OPEN:
		if (op->flags & ORC_TRUNC)
			touched(p, side, &(struct orc_op){ .kind = op->kind, .slot = -1, .path = op->path });
		break;
	case ORC_UNLINK:
	case ORC_RMDIR:
		on_removal(p, side, op);
		break;
	case ORC_RENAME:
		on_rename(p, side, op);
		break;
	case ORC_CLEAR:
		drop_all(p);
		break;
	default:
		break;
	}
}

/* ---- telling them --------------------------------------------------------------------------------- */

static void say_one(FILE *out, const struct promise *promise)
{
	char word[4 * 4096];
	unsigned int i;

	if (!promise->file)
		fprintf(out, "keep name %c", promise->type);
	else if (promise->touched)
		fprintf(out, "keep some");
	else
		fprintf(out, "keep file %llu %08x", (unsigned long long)promise->size, promise->sum);
	for (i = 0; i < promise->nnames; i++) {
		orc_escape(promise->names[i].path, word, sizeof(word));
		fprintf(out, " %s", word);
	}
	fputc('\n', out);
}

char *orc_promises_say(const struct orc_promises *p, size_t max)
{
	char *text = NULL;
	size_t len, fits, i;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (fits = 0, i = 0; i < p->n; i++) {
		if (p->all[i].nnames)
			say_one(out, &p->all[i]);
		fflush(out);
		if (len <= max)
			fits = len;
	}
	if (fclose(out))
		fits = 0;
	if (text)
		text[fits] = '\0';
	return text;
}

/* ---- and holding the filesystem to them ---------------------------------------------------------------- */

struct check {
	const struct orc_side *side;
	struct orc_diff *diff;
};

static void lost(struct check *c, const char *what, const char *path, const char *detail)
{
	char title[ORC_TITLE_MAX], name[256];

	orc_escape(path, name, sizeof(name));
	snprintf(title, sizeof(title), "%s" WHEN, what);
	orc_differ(c->diff, VX_ORACLE_LOST, title, "%s: %s", name, detail);
}

/* The words are changed. `sum` NULL: its content may be any. */
static void check_file(struct check *c, char **words, unsigned int n, const uint64_t *size, const uint32_t *sum)
{
	bool there = false;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct stat st;
		uint64_t have_size;
		uint32_t have;

		if (orc_unescape(words[i]) || fstatat(c->side->root, words[i], &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		there = true;
		if (!sum || (!orc_sum(c->side, words[i], &have, &have_size) && have == *sum && have_size == *size))
			return;
	}
	if (there)
		lost(c, "the content of a file that was fsynced is lost", words[0], "under none of its names as it was");
	else
		lost(c, "a file that was fsynced is gone", words[0], "no name of it is there");
}

static void check_name(struct check *c, char type, char *word)
{
	struct stat st;

	if (orc_unescape(word))
		return;
	if (fstatat(c->side->root, word, &st, AT_SYMLINK_NOFOLLOW))
		lost(c, "a name that was synced is gone", word, strerrorname_np(errno));
	else if (type_of(st.st_mode) != type)
		lost(c, "a name that was synced is of another type", word, "");
}

#define WORDS_MAX (NAMES_MAX + 4)

static void check_line(struct check *c, char *line)
{
	char *words[WORDS_MAX], *save = NULL, *word;
	unsigned int n = 0;

	for (word = strtok_r(line, " ", &save); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	if (n < 3 || strcmp(words[0], "keep"))
		return;
	if (!strcmp(words[1], "name") && n == 4) {
		check_name(c, words[2][0], words[3]);
	} else if (!strcmp(words[1], "some")) {
		check_file(c, words + 2, n - 2, NULL, NULL);
	} else if (!strcmp(words[1], "file") && n > 4) {
		uint64_t size = strtoull(words[2], NULL, 10);
		uint32_t sum = (uint32_t)strtoul(words[3], NULL, 16);

		check_file(c, words + 4, n - 4, &size, &sum);
	}
}

static void check_readable(struct check *c)
{
	struct orc_tree tree = { 0 };
	char at[1024] = "", to[4096];
	size_t i;
	int err = orc_tree_read(c->side, &tree, at, sizeof(at));

	if (err)
		lost(c, "the tree cannot be read", at, strerrorname_np(-err));
	for (i = 0; !err && i < tree.n; i++) {
		const struct orc_entry *entry = &tree.entries[i];
		uint64_t size;
		uint32_t sum;

		if (S_ISREG(entry->st.st_mode) && (err = orc_sum(c->side, entry->path, &sum, &size)))
			lost(c, "a file cannot be read", entry->path, strerrorname_np(-err));
		else if (S_ISREG(entry->st.st_mode) && size != (uint64_t)entry->st.st_size)
			lost(c, "a file ends before its size", entry->path, "");
		else if (S_ISLNK(entry->st.st_mode) && readlinkat(c->side->root, entry->path, to, sizeof(to)) < 0)
			lost(c, "a symlink cannot be read", entry->path, strerrorname_np(errno));
		err = 0;
	}
	orc_tree_free(&tree);
}

/* A directory, a file in it, and away with both. */
static void check_usable(struct check *c)
{
	static const char dir[] = "-usable-", file[] = "-usable-/f";
	const char *call = "mkdir";
	int fd = -1;

	errno = 0;
	if (!mkdirat(c->side->root, dir, 0755)) {
		call = "create";
		fd = openat(c->side->root, file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	}
	if (fd >= 0) {
		call = pwrite(fd, dir, sizeof(dir), 5000) != (ssize_t)sizeof(dir) ? "write" : fsync(fd) ? "fsync" :
		       unlinkat(c->side->root, file, 0) ? "unlink" :
		       unlinkat(c->side->root, dir, AT_REMOVEDIR) ? "rmdir" : NULL;
		if (call && errno == ENOSPC)
			call = NULL;
	}
	if (call)
		lost(c, "the filesystem is of no use", call, strerrorname_np(errno));
	if (fd >= 0)
		close(fd);
}

void orc_check_promises(const struct orc_side *side, const char *keep, struct orc_diff *diff)
{
	struct check c = { side, diff };
	_cleanup_free_ char *copy = strdup(keep);
	char *save = NULL, *line;

	check_readable(&c);
	for (line = copy ? strtok_r(copy, "\n", &save) : NULL; line && !diff->kind; line = strtok_r(NULL, "\n", &save))
		check_line(&c, line);
	if (!diff->kind)
		check_usable(&c);
}
