// SPDX-License-Identifier: GPL-2.0
/* Whole trees: read, and compared in all that two filesystems must agree on. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include "cleanup.h"
#include "oracle.h"

#define DEPTH_MAX	200u
#define ENTRIES_MAX	50000u
#define CHUNK		65536u
#define XATTR_MAX	65536u

void orc_differ(struct orc_diff *diff, enum vx_oracle_result kind, const char *title, const char *detail, ...)
{
	va_list args;

	if (diff->kind)
		return;
	diff->kind = kind;
	snprintf(diff->title, sizeof(diff->title), "%s", title);
	va_start(args, detail);
	vsnprintf(diff->detail, sizeof(diff->detail), detail, args);
	va_end(args);
}

/* ---- reading one --------------------------------------------------------------------------- */

struct walk {
	const struct orc_side *side;
	struct orc_tree tree;
	char *at;
	size_t at_size;
};

void orc_tree_free(struct orc_tree *tree)
{
	size_t i;

	for (i = 0; i < tree->n; i++)
		free(tree->entries[i].path);
	free(tree->entries);
	memset(tree, 0, sizeof(*tree));
}

static int stuck(struct walk *w, const char *path, int err)
{
	if (w->at)
		snprintf(w->at, w->at_size, "%s", *path ? path : ".");
	return err;
}

static int add(struct walk *w, const char *parent, const struct dirent *ent)
{
	struct orc_entry *entry;
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "/" : "", ent->d_name);

	if (n < 0 || (size_t)n >= sizeof(path) || w->tree.n == ENTRIES_MAX)
		return stuck(w, parent, -E2BIG);
	if (w->tree.n % 64 == 0) {
		entry = realloc(w->tree.entries, (w->tree.n + 64) * sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		w->tree.entries = entry;
	}
	entry = &w->tree.entries[w->tree.n];
	memset(entry, 0, sizeof(*entry));
	if (fstatat(w->side->root, path, &entry->st, AT_SYMLINK_NOFOLLOW))
		return stuck(w, path, -errno);
	entry->d_type = ent->d_type;
	entry->d_ino = ent->d_ino;
	entry->path = strdup(path);
	w->tree.n += entry->path != NULL;
	return entry->path ? 0 : -ENOMEM;
}

/* A directory with its own entries, not what is below those. */
static int read_directory(struct walk *w, const char *path)
{
	int fd = openat(w->side->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	if (!dir)
		return stuck(w, path, -errno);
	while (!err) {
		errno = 0;
		ent = readdir(dir);
		if (!ent)
			break;
		if (!orc_is_ignored(path, ent->d_name))
			err = add(w, path, ent);
	}
	if (!err && errno)
		err = stuck(w, path, -errno);
	closedir(dir);
	return err;
}

static unsigned int depth_of(const char *path)
{
	unsigned int depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct orc_entry *)a)->path, ((const struct orc_entry *)b)->path);
}

/* Of each thread: one that the kernel holds may be in the middle of it. */
static __thread const struct orc_tree *sorting;

static int by_inode(const void *a, const void *b)
{
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	ino_t x = sorting->entries[i].st.st_ino, y = sorting->entries[j].st.st_ino;

	return x < y ? -1 : x > y ? 1 : i < j ? -1 : i > j;
}

/* For each path, the first of those that share its inode number. */
static int note_first(struct orc_tree *tree)
{
	size_t *order = malloc((tree->n + 1) * sizeof(*order)), i;

	if (!order)
		return -ENOMEM;
	for (i = 0; i < tree->n; i++)
		order[i] = i;
	sorting = tree;
	qsort(order, tree->n, sizeof(*order), by_inode);
	for (i = 0; i < tree->n; i++) {
		struct orc_entry *entry = &tree->entries[order[i]];

		entry->first = order[i];
		if (i && tree->entries[order[i - 1]].st.st_ino == entry->st.st_ino)
			entry->first = tree->entries[order[i - 1]].first;
	}
	free(order);
	return 0;
}

int orc_tree_read(const struct orc_side *side, struct orc_tree *ret, char *at, size_t at_size)
{
	struct walk w = { .side = side, .at = at, .at_size = at_size };
	size_t i;
	int err = read_directory(&w, "");

	/* Those that are added on the way are come to later. */
	for (i = 0; i < w.tree.n && !err; i++) {
		_cleanup_free_ char *path = NULL;

		if (!S_ISDIR(w.tree.entries[i].st.st_mode))
			continue;
		path = strdup(w.tree.entries[i].path);
		err = !path ? -ENOMEM : depth_of(path) > DEPTH_MAX ? stuck(&w, path, -ELOOP) : read_directory(&w, path);
	}
	if (!err && w.tree.n)
		qsort(w.tree.entries, w.tree.n, sizeof(*w.tree.entries), by_path);
	if (!err)
		err = note_first(&w.tree);
	if (err)
		orc_tree_free(&w.tree);
	else
		*ret = w.tree;
	return err;
}

int orc_sum(const struct orc_side *side, const char *path, uint32_t *ret, uint64_t *size)
{
	_cleanup_close_ int fd = openat(side->root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	uLong sum = crc32(0, NULL, 0);
	ssize_t n;

	if (fd < 0)
		return -errno;
	buf = malloc(CHUNK);
	if (!buf)
		return -ENOMEM;
	*size = 0;
	while ((n = read(fd, buf, CHUNK)) > 0) {
		sum = crc32(sum, (const Bytef *)buf, (uInt)n);
		*size += (uint64_t)n;
	}
	*ret = (uint32_t)sum;
	return n < 0 ? -errno : 0;
}

/* ---- comparing two ------------------------------------------------------------------------------- */

struct comparison {
	const struct orc_side *side;
	const char *when;
	struct orc_diff *diff;
	char *buf[2];			/* CHUNK or XATTR_MAX bytes, whichever is more */
};

static void tell(struct comparison *c, bool data, const char *what, const char *path, const char *detail, ...)
	__attribute__((format(printf, 5, 6)));
static void tell(struct comparison *c, bool data, const char *what, const char *path, const char *detail, ...)
{
	char title[ORC_TITLE_MAX], text[ORC_DETAIL_MAX / 2], name[256];
	va_list args;

	orc_escape(path, name, sizeof(name));
	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	snprintf(title, sizeof(title), "%s%s", what, c->when);
	orc_differ(c->diff, !data ? VX_ORACLE_WRONG : *c->when ? VX_ORACLE_LOST : VX_ORACLE_CORRUPT, title, "%s: %s", name,
		   text);
}

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" :
	       S_ISFIFO(mode) ? "fifo" : "special file";
}

/* Words for the first of two stats' differences, `data`: it is content; NULL: none. */
static const char *stat_differs(const struct stat *a, const struct stat *b, bool root, bool *data, char *detail, size_t size)
{
	*data = (a->st_mode & S_IFMT) != (b->st_mode & S_IFMT);
	if (*data) {
		snprintf(detail, size, "a %s, the reference: a %s", type_name(a->st_mode), type_name(b->st_mode));
		return "the type of a name differs";
	}
	/* Of a directory, the size is each filesystem's own; the root's mode and links are mkfs's. */
	if ((S_ISREG(a->st_mode) || S_ISLNK(a->st_mode)) && a->st_size != b->st_size) {
		*data = true;
		snprintf(detail, size, "%lld bytes, the reference: %lld", (long long)a->st_size, (long long)b->st_size);
		return S_ISREG(a->st_mode) ? "the size of a file differs" : "the size of a symlink differs";
	}
	if (root)
		return NULL;
	/* Symlinks have no mode of their own. */
	if (a->st_mode != b->st_mode && !S_ISLNK(a->st_mode)) {
		snprintf(detail, size, "%o, the reference: %o", a->st_mode, b->st_mode);
		return S_ISDIR(a->st_mode) ? "the mode of a directory differs" : "the mode of a file differs";
	}
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid) {
		snprintf(detail, size, "%u:%u, the reference: %u:%u", a->st_uid, a->st_gid, b->st_uid, b->st_gid);
		return "the owner of a file differs";
	}
	/* A directory's links are 1 where a filesystem does not count them. */
	if (a->st_nlink != b->st_nlink && !(S_ISDIR(a->st_mode) && (a->st_nlink == 1 || b->st_nlink == 1))) {
		snprintf(detail, size, "%lu, the reference: %lu", (unsigned long)a->st_nlink, (unsigned long)b->st_nlink);
		return S_ISDIR(a->st_mode) ? "the link count of a directory differs" : "the link count of a file differs";
	}
	return NULL;
}

void orc_compare_stat(const struct stat *target, const struct stat *reference, bool root, const char *when,
		      struct orc_diff *diff)
{
	char detail[128], title[ORC_TITLE_MAX];
	bool data;
	const char *what = stat_differs(target, reference, root, &data, detail, sizeof(detail));

	if (!what)
		return;
	snprintf(title, sizeof(title), "%s%s", what, when);
	orc_differ(diff, data ? VX_ORACLE_CORRUPT : VX_ORACLE_WRONG, title, "%s", detail);
}

static void compare_bytes(struct comparison *c, const char *path, int a, int b)
{
	uint64_t at = 0;

	for (;;) {
		ssize_t n = read(a, c->buf[0], CHUNK), m = read(b, c->buf[1], CHUNK), i;

		if (n < 0 || m < 0) {
			tell(c, true, "a file cannot be read", path, "byte %llu: %s", (unsigned long long)at,
			     strerrorname_np(errno));
			return;
		}
		for (i = 0; i < n && i < m && c->buf[0][i] == c->buf[1][i]; i++)
			;
		if (i < n || i < m) {
			tell(c, true, "the content of a file differs", path, "first at byte %llu",
			     (unsigned long long)at + (unsigned long long)i);
			return;
		}
		if (!n)
			return;
		at += (uint64_t)n;
	}
}

static void compare_content(struct comparison *c, const char *path)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int a = openat(c->side[0].root, path, flags);
	_cleanup_close_ int b = a < 0 ? -1 : openat(c->side[1].root, path, flags);

	if (a < 0)
		tell(c, true, "a file cannot be opened", path, "%s", strerrorname_np(errno));
	else if (b >= 0)
		compare_bytes(c, path, a, b);
}

static void compare_link(struct comparison *c, const char *path)
{
	ssize_t n = readlinkat(c->side[0].root, path, c->buf[0], CHUNK), m = readlinkat(c->side[1].root, path, c->buf[1], CHUNK);

	if (n != m || (n > 0 && memcmp(c->buf[0], c->buf[1], (size_t)n)))
		tell(c, true, "the target of a symlink differs", path, "%zd bytes, the reference: %zd", n, m);
}

/* Attributes of users, sorted, through the oracle's own operations. */
static void compare_xattrs(struct comparison *c, struct orc_entry *entry)
{
	struct orc_op list = { .kind = ORC_LISTXATTR, .slot = -1, .path = entry->path };
	struct orc_result a = { .data = c->buf[0] }, b = { .data = c->buf[1] };
	struct orc_side side[2] = { c->side[0], c->side[1] };
	_cleanup_free_ char *names = NULL;
	size_t at, len;

	orc_do(&side[0], &list, NULL, &a);
	orc_do(&side[1], &list, NULL, &b);
	if (a.err || b.err)
		return;		/* whether it has attributes at all is asked by operations */
	if (a.len != b.len || memcmp(a.data, b.data, a.len)) {
		tell(c, true, "the extended attributes of a file differ", entry->path, "%ld, the reference: %ld", a.ret, b.ret);
		return;
	}
	len = a.len;
	names = malloc(len + 1);
	for (at = 0; names && at < len; at += strlen(names + at) + 1) {
		struct orc_op get = { .kind = ORC_GETXATTR, .slot = -1, .path = entry->path };

		if (!at)
			memcpy(names, a.data, len);
		get.path2 = names + at + strlen("user.");
		orc_do(&side[0], &get, NULL, &a);
		orc_do(&side[1], &get, NULL, &b);
		if (a.err != b.err || a.len != b.len || memcmp(a.data, b.data, a.len))
			tell(c, true, "an extended attribute differs", entry->path, "%s", names + at);
	}
}

/* Those of the target's entries that it has said in two ways. */
static void compare_self(struct comparison *c, const struct orc_entry *entry)
{
	static const unsigned char shift = 12;	/* d_type is st_mode's type, S_IFMT >> 12 */

	if (entry->d_ino != entry->st.st_ino)
		tell(c, false, "readdir tells another inode number than stat", entry->path, "%llu and %llu",
		     (unsigned long long)entry->d_ino, (unsigned long long)entry->st.st_ino);
	if (entry->d_type != DT_UNKNOWN && entry->d_type != (entry->st.st_mode & S_IFMT) >> shift)
		tell(c, false, "readdir tells another type than stat", entry->path, "%u and %s", entry->d_type,
		     type_name(entry->st.st_mode));
}

static void compare_entry(struct comparison *c, struct orc_entry *a, const struct orc_entry *b)
{
	char detail[128];
	bool data;
	const char *what = stat_differs(&a->st, &b->st, false, &data, detail, sizeof(detail));

	if (what)
		tell(c, data, what, a->path, "%s", detail);
	else if (S_ISREG(a->st.st_mode))
		compare_content(c, a->path);
	else if (S_ISLNK(a->st.st_mode))
		compare_link(c, a->path);
	if (!S_ISLNK(a->st.st_mode) && !c->diff->kind)
		compare_xattrs(c, a);
	compare_self(c, a);
}

static void compare_inodes(struct comparison *c, const struct orc_tree *a, const struct orc_tree *b)
{
	size_t i;

	for (i = 0; i < a->n && !c->diff->kind; i++) {
		if (a->entries[i].first == b->entries[i].first)
			continue;
		if (a->entries[i].first != i && a->entries[i].first < b->entries[i].first)
			tell(c, false, "two files have one inode number", a->entries[i].path, "%llu, as %.200s",
			     (unsigned long long)a->entries[i].st.st_ino, a->entries[a->entries[i].first].path);
		else
			tell(c, false, "two names of one file have different inode numbers", a->entries[i].path, "%llu",
			     (unsigned long long)a->entries[i].st.st_ino);
	}
}

static void compare(struct comparison *c, const struct orc_tree *a, const struct orc_tree *b)
{
	size_t i;

	for (i = 0; !c->diff->kind && (i < a->n || i < b->n); i++) {
		int order = i == a->n ? 1 : i == b->n ? -1 : strcmp(a->entries[i].path, b->entries[i].path);

		if (order > 0)
			tell(c, true, "a name is missing", b->entries[i].path, "a %s of the reference",
			     type_name(b->entries[i].st.st_mode));
		else if (order < 0 && i && !strcmp(a->entries[i].path, a->entries[i - 1].path))
			tell(c, true, "a name is listed twice", a->entries[i].path, "as a %s", type_name(a->entries[i].st.st_mode));
		else if (order < 0)
			tell(c, true, "a name is there that must not be", a->entries[i].path, "a %s",
			     type_name(a->entries[i].st.st_mode));
		else
			compare_entry(c, &a->entries[i], &b->entries[i]);
	}
	compare_inodes(c, a, b);
}

/* Two and one for each directory in it, or 1 where they are not counted. */
static bool counts_its_links(const struct orc_side *side, const struct orc_tree *tree, struct stat *st)
{
	struct stat own;
	nlink_t links = 2;
	size_t i;

	if (fstat(side->root, st))
		return true;
	if (!fstatat(side->root, ORC_IGNORED, &own, AT_SYMLINK_NOFOLLOW) && S_ISDIR(own.st_mode))
		links++;
	for (i = 0; i < tree->n; i++)
		links += S_ISDIR(tree->entries[i].st.st_mode) && !strchr(tree->entries[i].path, '/');
	return st->st_nlink == 1 || st->st_nlink == links;
}

static void compare_roots(struct comparison *c, const struct orc_tree *a, const struct orc_tree *b)
{
	struct stat st, other;

	if (!counts_its_links(&c->side[0], a, &st) && counts_its_links(&c->side[1], b, &other))
		tell(c, false, "the link count of the root directory differs", ".", "%lu", (unsigned long)st.st_nlink);
}

void orc_compare_trees(const struct orc_side side[2], const char *when, struct orc_diff *diff)
{
	_cleanup_free_ char *one = malloc(ORC_IO_MAX + 1), *other = malloc(ORC_IO_MAX + 1);
	struct comparison c = { .side = side, .when = when, .diff = diff, .buf = { one, other } };
	struct orc_tree a = { 0 }, b = { 0 };
	char at[1024] = "";
	int err;

	if (!one || !other)
		return;
	err = orc_tree_read(&side[0], &a, at, sizeof(at));
	if (err)
		tell(&c, true, "the tree cannot be read", at, "%s", strerrorname_np(-err));
	else if (!orc_tree_read(&side[1], &b, NULL, 0))
		compare(&c, &a, &b), compare_roots(&c, &a, &b);
	orc_tree_free(&a);
	orc_tree_free(&b);
}
