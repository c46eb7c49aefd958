// SPDX-License-Identifier: GPL-2.0
/* Programs by seed. A rough model of the tree makes most operations meet something; that they do is not relied upon. */
#include <string.h>

#include "oracle_run.h"

#define NAMES		8u
#define WIDE_NAMES	400u
#define DEPTH_MAX	4u
#define DEEP_MAX	24u
#define NODES_MAX	600u
#define ALIGNED		65536u	/* fits every filesystem's blocks */
#define SEEDS		200u

enum node_type { NODE_FILE, NODE_DIR, NODE_LINK, NODE_FIFO };

struct node {
	char *path;
	enum node_type type;
};

struct gen {
	const struct oracle_wish *wish;
	guint64 state;
	GPtrArray *nodes;		/* struct node */
	GPtrArray *lines;
	gboolean open[ORC_SLOTS];
	guint32 size_max, files_max;
};

/* ---- chance ----------------------------------------------------------------------------------- */

static guint32 draw(struct gen *g, guint32 below)
{
	guint64 x = g->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return below ? (guint32)(x >> 16) % below : 0;
}

static gboolean chance(struct gen *g, guint percent)
{
	return draw(g, 100) < percent;
}

/* Few sizes are odd in an interesting way: those around powers of two are. */
static guint32 some_size(struct gen *g, guint32 max)
{
	guint32 size;

	switch (draw(g, 4)) {
	case 0:
		size = draw(g, 64);
		break;
	case 1:
		size = (1u << draw(g, 18)) + draw(g, 3) - 1;
		break;
	case 2:
		size = 4096 * draw(g, 32) + (chance(g, 50) ? draw(g, 4096) : 0);
		break;
	default:
		size = draw(g, max + 1);
		break;
	}
	return MIN(size, max);
}

/* ---- the model ----------------------------------------------------------------------------------- */

static void node_free(gpointer data)
{
	struct node *node = data;

	g_free(node->path);
	g_free(node);
}

static struct node *find(struct gen *g, const char *path)
{
	guint i;

	for (i = 0; i < g->nodes->len; i++)
		if (!strcmp(((struct node *)g->nodes->pdata[i])->path, path))
			return g->nodes->pdata[i];
	return NULL;
}

static gboolean is_below(const char *path, const char *dir)
{
	gsize len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

static void forget(struct gen *g, const char *path)
{
	guint i = 0;

	while (i < g->nodes->len) {
		const struct node *node = g->nodes->pdata[i];

		if (!strcmp(node->path, path) || is_below(node->path, path))
			g_ptr_array_remove_index_fast(g->nodes, i);
		else
			i++;
	}
}

static void remember(struct gen *g, const char *path, enum node_type type)
{
	struct node *node;

	if (find(g, path) || g->nodes->len >= NODES_MAX)
		return;
	node = g_new0(struct node, 1);
	node->path = g_strdup(path);
	node->type = type;
	g_ptr_array_add(g->nodes, node);
}

static void move(struct gen *g, const char *from, const char *to)
{
	const struct node *node = find(g, from);
	guint i;

	if (!node || !strcmp(from, to) || is_below(to, from))
		return;
	forget(g, to);
	for (i = 0; i < g->nodes->len; i++) {
		struct node *each = g->nodes->pdata[i];
		char *path;

		if (strcmp(each->path, from) && !is_below(each->path, from))
			continue;
		path = g_strconcat(to, each->path + strlen(from), NULL);
		g_free(each->path);
		each->path = path;
	}
}

/* One of that type, or NULL. */
static const char *any(struct gen *g, enum node_type type)
{
	const guint start = draw(g, g->nodes->len);
	guint i;

	for (i = 0; i < g->nodes->len; i++) {
		const struct node *node = g->nodes->pdata[(start + i) % g->nodes->len];

		if (node->type == type)
			return node->path;
	}
	return NULL;
}

static guint depth(const char *path)
{
	guint n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

static char *leaf(struct gen *g)
{
	static const char *const odd[] = { "a name with\\x20blanks", "\\xc3\\xa4\\xc3\\xb6", "\\xff\\xfe", "-x", "a.b.c" };

	if (chance(g, 3))
		return g_strdup(odd[1 + draw(g, G_N_ELEMENTS(odd) - 1)]);
	if (chance(g, 2))
		return g_strnfill(200 + draw(g, 55), (char)('a' + draw(g, 3)));
	if (g->wish->profile == ORACLE_WIDE)
		return g_strdup_printf("file-%u", draw(g, WIDE_NAMES));
	return g_strdup_printf("%c", (char)('a' + draw(g, NAMES)));
}

/* A name that may or may not be there, in a directory that mostly is. */
static char *some_name(struct gen *g)
{
	const guint depth_max = g->wish->profile == ORACLE_DEEP ? DEEP_MAX : DEPTH_MAX;
	const char *dir = chance(g, g->wish->profile == ORACLE_DEEP ? 92 : 65) ? any(g, NODE_DIR) : NULL;
	g_autofree char *name = leaf(g);

	if (!dir || depth(dir) >= depth_max || strlen(dir) + strlen(name) > 600)
		return g_steal_pointer(&name);
	return g_strdup_printf("%s/%s", dir, name);
}

/* Mostly one that is there. */
static char *some(struct gen *g, enum node_type type)
{
	const char *path = chance(g, 90) ? any(g, type) : NULL;

	return path ? g_strdup(path) : some_name(g);
}

static char *anything(struct gen *g)
{
	static const enum node_type types[] = { NODE_FILE, NODE_FILE, NODE_FILE, NODE_DIR, NODE_DIR, NODE_LINK, NODE_FIFO };

	return some(g, types[draw(g, G_N_ELEMENTS(types))]);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void line(struct gen *g, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void line(struct gen *g, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(g->lines, g_strdup_vprintf(format, args));
	va_end(args);
}

/* A file by its path, or one that is open. */
static char *target(struct gen *g)
{
	guint slot = draw(g, ORC_SLOTS);

	if (chance(g, 30) && g->open[slot])
		return g_strdup_printf("@%u", slot);
	return some(g, NODE_FILE);
}

static void gen_create(struct gen *g)
{
	static const char *const flags[] = { "", "", "", " flags=EXCL", " flags=TRUNC" };
	g_autofree char *path = chance(g, 85) ? some_name(g) : anything(g);

	line(g, "create %s%s mode=%o", path, flags[draw(g, G_N_ELEMENTS(flags))], chance(g, 70) ? 0644 : draw(g, 01000));
	remember(g, path, NODE_FILE);
}

static void gen_mkdir(struct gen *g)
{
	g_autofree char *path = some_name(g);

	line(g, "mkdir %s mode=%o", path, chance(g, 70) ? 0755 : 0700 | draw(g, 0100));
	remember(g, path, NODE_DIR);
}

static void gen_open(struct gen *g)
{
	static const char *const flags[] = { "", " flags=CREAT", " flags=RDONLY", " flags=CREAT,EXCL", " flags=APPEND",
					     " flags=TRUNC", " flags=NOFOLLOW", " flags=DIRECTORY,RDONLY" };
	guint slot = draw(g, ORC_SLOTS), how = draw(g, G_N_ELEMENTS(flags));
	g_autofree char *path = how == 7 ? some(g, NODE_DIR) : some(g, NODE_FILE);

	line(g, "open @%u %s%s", slot, path, flags[how]);
	g->open[slot] = TRUE;
	if (strstr(flags[how], "CREAT"))
		remember(g, path, NODE_FILE);
}

static void gen_close(struct gen *g)
{
	guint slot = draw(g, ORC_SLOTS);

	if (g->open[slot])
		line(g, "close @%u", slot);
	g->open[slot] = FALSE;
}

static void gen_write(struct gen *g)
{
	g_autofree char *path = target(g);
	guint32 off = some_size(g, g->size_max), len = some_size(g, MIN(g->size_max - off, 65536u));

	if (chance(g, 12)) {
		line(g, "write %s off=%u len=%u seed=%u flags=DIRECT", path, off & ~4095u,
		     MIN(4096 * (1 + draw(g, 8)), MAX(g->size_max & ~4095u, 4096)), draw(g, SEEDS));
		return;
	}
	line(g, "write %s off=%u len=%u seed=%u%s", path, off, len, draw(g, SEEDS),
	     chance(g, 4) ? " flags=SYNC" : chance(g, 3) ? " flags=DSYNC" : "");
}

static void gen_append(struct gen *g)
{
	g_autofree char *path = target(g);

	line(g, "append %s len=%u seed=%u", path, some_size(g, MIN(g->size_max / 8, 20000u)), draw(g, SEEDS));
}

static void gen_read(struct gen *g)
{
	g_autofree char *path = target(g);
	guint32 off = some_size(g, g->size_max);

	if (chance(g, 12))
		line(g, "read %s off=%u len=%u flags=DIRECT", path, off & ~4095u, 4096 * (1 + draw(g, 16)));
	else
		line(g, "%s %s off=%u len=%u", chance(g, 25) ? "mapread" : "read", path, off, some_size(g, 131072));
}

static void gen_map(struct gen *g)
{
	g_autofree char *path = some(g, NODE_FILE);

	line(g, "mapwrite %s off=%u len=%u seed=%u", path, some_size(g, g->size_max), some_size(g, 65536), draw(g, SEEDS));
}

static void gen_truncate(struct gen *g)
{
	g_autofree char *path = target(g);

	line(g, "truncate %s len=%u", path, some_size(g, g->size_max));
}

static void gen_fallocate(struct gen *g)
{
	static const char *const modes[] = { "", " flags=KEEP_SIZE", " flags=KEEP_SIZE,PUNCH_HOLE", " flags=ZERO_RANGE",
					     " flags=KEEP_SIZE,ZERO_RANGE", " flags=COLLAPSE_RANGE", " flags=INSERT_RANGE" };
	guint how = draw(g, G_N_ELEMENTS(modes));
	g_autofree char *path = target(g);
	guint32 off = some_size(g, g->size_max), len = 1 + some_size(g, 65536);

	if (how >= 5 && g->size_max < 2 * ALIGNED)
		how = 2;
	/* These move what is behind: only whole blocks, of any size there is. */
	if (how >= 5)
		off = ALIGNED * draw(g, 3), len = ALIGNED;
	line(g, "fallocate %s off=%u len=%u%s", path, off, how < 5 ? MIN(len, MAX(g->size_max - off, 1)) : len, modes[how]);
}

static void gen_copy(struct gen *g)
{
	g_autofree char *from = some(g, NODE_FILE), *to = some(g, NODE_FILE);

	line(g, "copy %s %s off=%u to=%u len=%u", from, to, some_size(g, g->size_max / 2), some_size(g, g->size_max / 2),
	     some_size(g, g->size_max / 2));
}

static void gen_sync(struct gen *g)
{
	g_autofree char *path = chance(g, 65) ? target(g) : NULL;
	const char *dir = path ? NULL : any(g, NODE_DIR);

	if (chance(g, 5))
		line(g, chance(g, 50) ? "sync" : "syncfs");
	else
		line(g, "%s %s", chance(g, 75) ? "fsync" : "fdatasync", path ? path : dir && chance(g, 70) ? dir : ".");
}

static void gen_rename(struct gen *g)
{
	static const char *const flags[] = { "", "", "", " flags=NOREPLACE", " flags=EXCHANGE" };
	guint how = draw(g, G_N_ELEMENTS(flags));
	g_autofree char *from = anything(g), *to = how == 4 || chance(g, 45) ? anything(g) : some_name(g);

	if (chance(g, 5)) {
		g_free(to);
		to = g_strdup_printf("%s/%c", from, (char)('a' + draw(g, NAMES)));
	}
	line(g, "rename %s %s%s", from, to, flags[how]);
	if (how == 4 || (how == 3 && find(g, to)))
		return;
	move(g, from, to);
}

static void gen_link(struct gen *g)
{
	g_autofree char *from = some(g, NODE_FILE), *to = some_name(g);

	line(g, "link %s %s", from, to);
	if (find(g, from))
		remember(g, to, NODE_FILE);
}

static void gen_symlink(struct gen *g)
{
	g_autofree char *to = chance(g, 80) ? leaf(g) : g_strnfill(1 + draw(g, 900), 't'), *path = some_name(g);

	if (chance(g, 70)) {
		line(g, "symlink %s %s", to, path);
		remember(g, path, NODE_LINK);
	} else {
		g_autofree char *link = some(g, NODE_LINK);

		line(g, "readlink %s", link);
	}
}

static void gen_remove(struct gen *g)
{
	g_autofree char *path = chance(g, 70) ? some(g, NODE_FILE) : anything(g);
	const struct node *node = find(g, path);
	gboolean dir = node && node->type == NODE_DIR;

	if (chance(g, 95) ? dir : !dir) {
		line(g, "rmdir %s", path);
		return;
	}
	line(g, "unlink %s", path);
	if (node && !dir)
		forget(g, path);
}

static void gen_tmpfile(struct gen *g)
{
	guint slot = draw(g, ORC_SLOTS);
	g_autofree char *dir = chance(g, 50) ? some(g, NODE_DIR) : g_strdup("."), *name = some_name(g);

	line(g, "tmpfile @%u %s", slot, dir);
	line(g, "write @%u off=0 len=%u seed=%u", slot, some_size(g, g->size_max / 4), draw(g, SEEDS));
	if (chance(g, 60))
		line(g, "linkfd @%u %s", slot, name);
	g->open[slot] = TRUE;
}

static void gen_xattr(struct gen *g)
{
	static const char *const flags[] = { "", "", "", " flags=EXCL", " flags=REPLACE" };
	g_autofree char *path = anything(g);
	const char name = (char)('k' + draw(g, 4));

	switch (draw(g, 5)) {
	case 0:
		line(g, "getxattr %s %c", path, name);
		break;
	case 1:
		line(g, "removexattr %s %c", path, name);
		break;
	case 2:
		line(g, "listxattr %s", path);
		break;
	default:
		line(g, "setxattr %s %c len=%u seed=%u%s", path, name, draw(g, 100), draw(g, SEEDS),
		     flags[draw(g, G_N_ELEMENTS(flags))]);
		break;
	}
}

static void gen_attribute(struct gen *g)
{
	g_autofree char *path = anything(g);

	switch (draw(g, 6)) {
	case 0:
		line(g, "chmod %s mode=%o", path, draw(g, 010000));
		break;
	case 1:
		line(g, "chown %s uid=%u gid=%u", path, draw(g, 3000), draw(g, 3000));
		break;
	case 2:
		line(g, "utimens %s off=%u", path, draw(g, 2000000000));
		break;
	default:
		line(g, "stat %s", path);
		break;
	}
}

static void gen_readdir(struct gen *g)
{
	const char *dir = chance(g, 80) ? any(g, NODE_DIR) : NULL;

	line(g, "readdir %s", dir ? dir : ".");
}

static void gen_fifo(struct gen *g)
{
	g_autofree char *path = some_name(g);

	line(g, "mkfifo %s mode=%o", path, draw(g, 01000));
	remember(g, path, NODE_FIFO);
}

/* ---- programs ------------------------------------------------------------------------------------------ */

/* How often, by profile: mixed, data, names, sync, wide, deep. */
static const struct {
	void (*make)(struct gen *g);
	guint weight[ORACLE_PROFILES];
} makers[] = {
	{ gen_create,	{ 10, 5, 14, 12, 30, 10 } },
	{ gen_mkdir,	{ 5, 1, 10, 5, 2, 30 } },
	{ gen_open,	{ 5, 5, 5, 4, 4, 2 } },
	{ gen_close,	{ 2, 2, 2, 2, 2, 1 } },
	{ gen_write,	{ 12, 24, 2, 14, 4, 4 } },
	{ gen_append,	{ 5, 8, 1, 6, 3, 2 } },
	{ gen_read,	{ 6, 14, 1, 2, 2, 1 } },
	{ gen_map,	{ 4, 9, 0, 3, 1, 1 } },
	{ gen_truncate,	{ 5, 11, 1, 4, 1, 1 } },
	{ gen_fallocate, { 5, 11, 1, 3, 1, 1 } },
	{ gen_copy,	{ 2, 5, 0, 1, 0, 0 } },
	{ gen_sync,	{ 4, 4, 2, 20, 2, 2 } },
	{ gen_rename,	{ 10, 1, 24, 10, 15, 16 } },
	{ gen_link,	{ 4, 1, 9, 5, 5, 4 } },
	{ gen_symlink,	{ 4, 0, 7, 2, 4, 3 } },
	{ gen_remove,	{ 8, 3, 14, 7, 14, 10 } },
	{ gen_tmpfile,	{ 2, 1, 2, 1, 1, 1 } },
	{ gen_xattr,	{ 5, 1, 5, 2, 2, 2 } },
	{ gen_attribute, { 6, 1, 6, 2, 3, 3 } },
	{ gen_readdir,	{ 3, 0, 5, 1, 4, 5 } },
	{ gen_fifo,	{ 1, 0, 2, 1, 1, 1 } },
};

static void one(struct gen *g)
{
	const enum oracle_profile profile = g->wish->profile;
	guint all = 0, i, at;

	for (i = 0; i < G_N_ELEMENTS(makers); i++)
		all += makers[i].weight[profile];
	at = draw(g, all);
	for (i = 0; at >= makers[i].weight[profile]; i++)
		at -= makers[i].weight[profile];
	makers[i].make(g);
}

/* What comes between operations, at places that chance has chosen. */
static void between(struct gen *g, guint i, guint n)
{
	if (i && i == n / 3 && g->wish->caches) {
		line(g, "drop-caches");
		line(g, "compare");
	}
	if (i && i == 2 * n / 3 && g->wish->remount) {
		line(g, "remount");
		memset(g->open, 0, sizeof(g->open));
	}
}

GPtrArray *oracle_generate(const struct oracle_wish *wish)
{
	/* All files together must leave a small device room. */
	const guint64 room = (guint64)wish->device_mib * 1048576 / 4;
	struct gen g = { .wish = wish, .state = wish->seed, .lines = g_ptr_array_new_with_free_func(g_free) };
	guint i;

	g.nodes = g_ptr_array_new_with_free_func(node_free);
	g.size_max = (guint32)CLAMP(room / 64, 16384, 262144);
	for (i = 0; i < wish->operations; i++) {
		between(&g, i, wish->operations);
		one(&g);
	}
	if (wish->remount && !wish->power_cut)
		line(&g, "remount");
	if (wish->power_cut)
		line(&g, "power-cut");
	if (wish->space)
		line(&g, "space");
	g_ptr_array_unref(g.nodes);
	return g.lines;
}

GPtrArray *oracle_lines(const char *text)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) words = g_strsplit(text, "\n", -1);
	guint i;

	for (i = 0; words[i]; i++)
		if (*words[i])
			g_ptr_array_add(lines, g_strdup(words[i]));
	return lines;
}

/* ---- features ------------------------------------------------------------------------------------------- */

#define WRITTEN "create a\nwrite a off=0 len=200000 seed=1\n"

const struct oracle_feature oracle_features[] = {
	{ "symlink", "symlink*,readlink*", "symlink x a" },
	{ "link", "link*", "create a\nlink a b" },
	{ "mknod", "mkfifo*", "mkfifo a" },
	{ "rename-noreplace", "rename NOREPLACE*", "create a\nrename a b flags=NOREPLACE" },
	{ "rename-exchange", "rename EXCHANGE*", "create a\ncreate b\nrename a b flags=EXCHANGE" },
	{ "rename-over", "rename over a file,rename over a symlink or fifo", "create a\ncreate b\nrename a b" },
	{ "rename-directory", "rename of a directory*", "mkdir a\nrename a b" },
	{ "tmpfile", "tmpfile*,linkfd*", "tmpfile @0 ." },
	{ "large-offset", "", "create a\nwrite a off=3000000 len=10 seed=1" },
	{ "direct-write", "write with O_DIRECT*", WRITTEN "write a off=0 len=4096 seed=2 flags=DIRECT" },
	{ "direct-read", "read with O_DIRECT*", WRITTEN "read a off=0 len=4096 flags=DIRECT" },
	{ "mmap-read", "load from a mapping*", WRITTEN "mapread a off=0 len=5000" },
	{ "mmap-shared", "store into a mapping*", WRITTEN "mapwrite a off=0 len=5000 seed=2" },
	{ "truncate-up", "truncate up", "create a\ntruncate a len=9999" },
	{ "fallocate", "fallocate*", "create a\nfallocate a off=0 len=65536" },
	{ "keep-size", "fallocate KEEP_SIZE", "create a\nfallocate a off=0 len=65536 flags=KEEP_SIZE" },
	{ "punch-hole", "fallocate PUNCH_HOLE", WRITTEN "fallocate a off=65536 len=65536 flags=KEEP_SIZE,PUNCH_HOLE" },
	{ "zero-range", "fallocate ZERO_RANGE", WRITTEN "fallocate a off=65536 len=65536 flags=ZERO_RANGE" },
	{ "collapse-range", "fallocate COLLAPSE_RANGE", WRITTEN "fallocate a off=65536 len=65536 flags=COLLAPSE_RANGE" },
	{ "insert-range", "fallocate INSERT_RANGE", WRITTEN "fallocate a off=65536 len=65536 flags=INSERT_RANGE" },
	{ "copy-file-range", "copy*", WRITTEN "create b\ncopy a b off=10 to=20 len=1000" },
	{ "fsync", "fsync*", "create a\nfsync a" },
	{ "fdatasync", "fdatasync*", "create a\nfdatasync a" },
	{ "fsync-directory", "fsync of a directory,fdatasync of a directory", "mkdir a\nfsync a" },
	{ "syncfs", "syncfs", "syncfs" },
	{ "o-sync", "write with O_SYNC*", "create a\nwrite a off=0 len=100 seed=1 flags=SYNC" },
	{ "xattr", "setxattr*,getxattr*,removexattr*,listxattr*", "create a\nsetxattr a k len=10 seed=1" },
	{ "chmod", "chmod*", "create a\nchmod a mode=600" },
	{ "chown", "chown*", "create a\nchown a uid=7 gid=8" },
	{ "utimens", "utimens*", "create a\nutimens a off=1000000000" },
	{ NULL },
};
