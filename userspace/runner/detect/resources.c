// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "resources.h"

#define VALUE_MAX	(G_GINT64_CONSTANT(1) << 53)	/* what a double, and JSON, hold exactly */

/* ---- families ------------------------------------------------------------------------------------ */

/*
 * Of the kernel's totals only those stand here as gauges that nobody else moves: free pages are what the page cache
 * has left, and "all" inodes are mostly cached ones. Modules by themselves: what a target needs stays
 * loaded, and it itself is held by references.
 */
static const struct family {
	const char *name;
	enum resource_nature nature;
	const char *unit;
} families[] = {
	{ "refs",	RESOURCE_EXACT,	"references" },
	{ "fstypes",	RESOURCE_EXACT,	"types" },
	{ "mounts",	RESOURCE_EXACT,	"mounts" },
	{ "caches",	RESOURCE_EXACT,	"caches" },
	{ "aliases",	RESOURCE_EXACT,	"caches" },
	{ "loops",	RESOURCE_EXACT,	"devices" },
	{ "holders",	RESOURCE_EXACT,	"holders" },
	{ "claimed",	RESOURCE_EXACT,	"devices" },
	{ "threads",	RESOURCE_EXACT,	"threads" },
	{ "workqueues",	RESOURCE_EXACT,	"queues" },
	{ "sysfs",	RESOURCE_EXACT,	"entries" },
	{ "procfs",	RESOURCE_EXACT,	"entries" },
	{ "memory",	RESOURCE_GAUGE,	"kB" },
	{ "pages.other", RESOURCE_GAUGE, "pages" },
	{ "pages.slab",	RESOURCE_GAUGE,	"pages" },
	{ "slab",	RESOURCE_GAUGE,	"objects" },
	{ "inodes.used", RESOURCE_GAUGE, "inodes" },
	{ "dentries.used", RESOURCE_GAUGE, "dentries" },
	{ "files",	RESOURCE_GAUGE,	"files" },
	{ "fds",	RESOURCE_GAUGE,	"files" },
	{ "vmalloc.unknown", RESOURCE_EXACT, "areas" },	/* whose caller has been unloaded */
	{ "vmalloc",	RESOURCE_GAUGE,	"areas" },
	{ "sockets",	RESOURCE_GAUGE,	"sockets" },
	{ "totals",	RESOURCE_GAUGE,	"" },
};

/* What is told of everything, and comes and goes with what others do. */
static const char *const ignored[] = { "totals.workers" };

static const struct family *find_family(const char *name)
{
	guint i;
	gsize len;

	for (i = 0; i < G_N_ELEMENTS(ignored); i++)
		if (!strcmp(name, ignored[i]))
			return NULL;
	for (i = 0; i < G_N_ELEMENTS(families); i++) {
		len = strlen(families[i].name);
		if (!strncmp(name, families[i].name, len) && (name[len] == '.' || !name[len]))
			return &families[i];
	}
	return NULL;
}

enum resource_nature resource_nature(const char *name)
{
	const struct family *family = find_family(name);

	return family ? family->nature : RESOURCE_IGNORED;
}

const char *resource_unit(const char *name)
{
	const struct family *family = find_family(name);

	return family ? family->unit : "";
}

const char *resource_verdict_name(enum resource_verdict verdict)
{
	static const char *const names[RESOURCE_VERDICTS] = {
		[RESOURCE_UNCHANGED] = "unchanged", [RESOURCE_NOISE] = "noise", [RESOURCE_WARM_UP] = "warm-up",
		[RESOURCE_GROWS] = "grows", [RESOURCE_LEFT_BEHIND] = "left-behind",
	};

	return verdict < RESOURCE_VERDICTS ? names[verdict] : "?";
}

/* ---- snapshots -------------------------------------------------------------------------------------- */

static gboolean parse_value(const char *text, gsize len, gint64 *ret)
{
	gint64 value = 0;
	gsize i;

	/* 2^53 has 16 digits. */
	if (!len || len > 16)
		return FALSE;
	for (i = 0; i < len; i++) {
		if (!g_ascii_isdigit(text[i]))
			return FALSE;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return value <= VALUE_MAX;
}

/* "NAME VALUE". */
static gboolean parse_line(const char *line, gsize len, struct resource *ret)
{
	const char *blank = memchr(line, ' ', len);
	gsize name = blank ? (gsize)(blank - line) : 0, i;

	if (!name || name >= RESOURCE_NAME_MAX)
		return FALSE;
	for (i = 0; i < name; i++)
		if (!g_ascii_isgraph(line[i]))
			return FALSE;
	memcpy(ret->name, line, name);
	ret->name[name] = '\0';
	return parse_value(blank + 1, len - name - 1, &ret->value);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct resource *)a)->name, ((const struct resource *)b)->name);
}

static void sort_out_twins(struct resources *resources)
{
	struct resource *items = resources->items;
	guint i, n = 0;

	qsort(items, resources->n, sizeof(*items), compare_names);
	for (i = 0; i < resources->n; i++) {
		if (n && !strcmp(items[n - 1].name, items[i].name))
			resources->bad_lines++;
		else
			items[n++] = items[i];
	}
	resources->n = n;
}

struct resources *resources_parse(const char *text, gsize len)
{
	struct resources *resources = g_new0(struct resources, 1);
	const char *end = text + len, *nl;
	struct resource item = { 0 };

	resources->items = g_new(struct resource, RESOURCES_MAX);
	for (; text < end; text = nl + 1) {
		nl = memchr(text, '\n', (gsize)(end - text)) ?: end;
		if (!parse_line(text, (gsize)(nl - text), &item))
			resources->bad_lines++;
		else if (resources->n == RESOURCES_MAX)
			resources->left_out++;
		else
			resources->items[resources->n++] = item;
	}
	sort_out_twins(resources);
	return resources;
}

void resources_free(struct resources *resources)
{
	if (!resources)
		return;
	g_free(resources->items);
	g_free(resources);
}

static const struct resource *find(const struct resources *resources, const char *name)
{
	struct resource key = { 0 };

	if (g_strlcpy(key.name, name, sizeof(key.name)) >= sizeof(key.name))
		return NULL;
	return resources->n ? bsearch(&key, resources->items, resources->n, sizeof(key), compare_names) : NULL;
}

gint64 resources_value(const struct resources *resources, const char *name)
{
	const struct resource *item = find(resources, name);

	return item ? item->value : 0;
}

gboolean resources_has(const struct resources *resources, const char *name)
{
	return find(resources, name) != NULL;
}

guint resources_compare(const struct resources *before, const struct resources *after, resource_judged cb,
			gpointer user)
{
	guint i, n = 0;

	for (i = 0; i < after->n; i++) {
		const struct resource *item = &after->items[i];
		const struct resource_judgement judgement = {
			.name = item->name, .nature = RESOURCE_EXACT, .verdict = RESOURCE_LEFT_BEHIND, .p = 1,
			.first = resources_value(before, item->name), .last = item->value, .samples = 2,
		};

		if (resource_nature(item->name) != RESOURCE_EXACT || judgement.last <= judgement.first)
			continue;
		n++;
		if (cb)
			cb(&judgement, user);
	}
	return n;
}

/* ---- series ------------------------------------------------------------------------------------------ */

struct line {
	char name[RESOURCE_NAME_MAX];
	gint64 values[RESOURCE_SAMPLES_MAX];	/* 0 where it was not told */
};

struct resource_series {
	guint64 cycles[RESOURCE_SAMPLES_MAX];
	guint n;			/* samples */
	guint stride, skip;		/* one sample in `stride` is taken; so many are to be left out now */
	guint64 latest;			/* cycle, of those left out too */
	gboolean any;
	GHashTable *lines;		/* name, within the line, to struct line */
};

struct resource_series *resource_series_new(void)
{
	struct resource_series *series = g_new0(struct resource_series, 1);

	series->stride = 1;
	series->lines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	return series;
}

void resource_series_free(struct resource_series *series)
{
	if (!series)
		return;
	g_hash_table_destroy(series->lines);
	g_free(series);
}

guint resource_series_samples(const struct resource_series *series)
{
	return series->n;
}

/* The first stays, the second goes, and so on. */
static void thin_out(struct resource_series *series)
{
	struct line *line;
	GHashTableIter iter;
	guint i, n = (series->n + 1) / 2;

	for (i = 0; i < n; i++)
		series->cycles[i] = series->cycles[2 * i];
	g_hash_table_iter_init(&iter, series->lines);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&line)) {
		for (i = 0; i < n; i++)
			line->values[i] = line->values[2 * i];
		memset(line->values + n, 0, (RESOURCE_SAMPLES_MAX - n) * sizeof(line->values[0]));
	}
	series->n = n;
	series->stride *= 2;
}

static struct line *line_of(struct resource_series *series, const char *name)
{
	struct line *line = g_hash_table_lookup(series->lines, name);

	if (line || g_hash_table_size(series->lines) == RESOURCES_MAX)
		return line;
	line = g_new0(struct line, 1);
	g_strlcpy(line->name, name, sizeof(line->name));
	g_hash_table_insert(series->lines, line->name, line);
	return line;
}

gboolean resource_series_add(struct resource_series *series, guint64 cycle, const struct resources *snapshot)
{
	struct line *line;
	guint i;

	if (series->any && cycle <= series->latest)
		return FALSE;
	series->any = TRUE;
	series->latest = cycle;
	if (series->skip) {
		series->skip--;
		return TRUE;
	}
	if (series->n == RESOURCE_SAMPLES_MAX)
		thin_out(series);
	for (i = 0; i < snapshot->n; i++) {
		if (resource_nature(snapshot->items[i].name) == RESOURCE_IGNORED)
			continue;
		line = line_of(series, snapshot->items[i].name);
		if (line)
			line->values[series->n] = snapshot->items[i].value;
	}
	series->cycles[series->n++] = cycle;
	series->skip = series->stride - 1;
	return TRUE;
}

static int by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

guint resource_series_judge(const struct resource_series *series, resource_judged cb, gpointer user)
{
	g_autoptr(GList) lines = g_list_sort(g_hash_table_get_values(series->lines), by_name);
	guint n = 0;
	GList *l;

	for (l = lines; l; l = l->next) {
		const struct line *line = l->data;
		struct resource_judgement judgement = resource_judge(resource_nature(line->name), series->cycles,
								      line->values, series->n);

		judgement.name = line->name;
		n += judgement.verdict == RESOURCE_GROWS;
		if (cb)
			cb(&judgement, user);
	}
	return n;
}
