// SPDX-License-Identifier: GPL-2.0
/* Memory by who accounts for it: pages, slab caches, vmalloc. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "resources_out.h"

/* ---- pages -------------------------------------------------------------------------------------- */

/*
 * In pages. What the buddy allocator and each CPU's lists have is free; what nobody below accounts for is
 * "pages.other": what alloc_pages() gave to drivers and filesystems.
 */
struct pages {
	long long total, free, on_cpus, anon, file, slab, tables, stacks, vmalloc, percpu;
};

static bool take_meminfo(struct resources_out *out, char *line, void *ctx)
{
	static const char *const told[] = {
		"Slab", "SReclaimable", "SUnreclaim", "VmallocUsed", "Percpu", "PageTables", "KernelStack",
	};
	const long long kb_a_page = sysconf(_SC_PAGESIZE) >> 10;
	struct pages *pages = ctx;
	char name[32];
	long long kb;
	size_t i;

	if (sscanf(line, "%31[^:]: %lld", name, &kb) != 2)
		return true;
	if (!strcmp(name, "MemTotal"))
		pages->total = kb / kb_a_page;
	else if (!strcmp(name, "VmallocUsed"))
		pages->vmalloc = kb / kb_a_page;
	else if (!strcmp(name, "Percpu"))
		pages->percpu = kb / kb_a_page;
	for (i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (!strcmp(name, told[i]))
			resources_say(out, kb, "memory.%s", name);
	return true;
}

static bool take_vmstat(struct resources_out *out, char *line, void *ctx)
{
	struct pages *pages = ctx;
	char name[48];
	long long n;

	if (sscanf(line, "%47s %lld", name, &n) != 2)
		return true;
	if (!strcmp(name, "nr_free_pages"))
		pages->free = n;
	else if (!strcmp(name, "nr_anon_pages"))
		pages->anon = n;
	else if (!strcmp(name, "nr_file_pages"))
		pages->file = n;
	else if (!strcmp(name, "nr_slab_reclaimable") || !strcmp(name, "nr_slab_unreclaimable"))
		pages->slab += n;
	else if (!strcmp(name, "nr_page_table_pages"))
		pages->tables = n;
	else if (!strcmp(name, "nr_kernel_stack"))
		pages->stacks = n / (sysconf(_SC_PAGESIZE) >> 10);	/* kB */
	/* Events follow, which only count. */
	return strncmp(name, "pg", 2) != 0;
}

/* Within "pagesets", for each CPU: "count: 12". */
static bool take_zoneinfo(struct resources_out *out, char *line, void *ctx)
{
	struct pages *pages = ctx;
	const char *at = line + strspn(line, " ");
	long long n;

	if (sscanf(at, "count: %lld", &n) == 1)
		pages->on_cpus += n;
	return true;
}

void resources_memory(struct resources_out *out)
{
	struct pages pages = { 0 };
	long long free;

	/* Folds each CPU's share of the counters in. */
	resources_number("/proc/sys/vm/stat_refresh");
	resources_lines(out, "/proc/meminfo", take_meminfo, &pages);
	resources_lines(out, "/proc/vmstat", take_vmstat, &pages);
	resources_lines(out, "/proc/zoneinfo", take_zoneinfo, &pages);
	free = pages.free + pages.on_cpus;
	resources_say(out, free, "pages.free");
	resources_say(out, pages.slab, "pages.slab");
	resources_say(out, pages.file, "pages.file");
	/* Stacks come from vmalloc (VMAP_STACK), but for kernels that have hardly any. */
	if (pages.vmalloc < pages.stacks)
		pages.vmalloc += pages.stacks;
	resources_say(out, pages.total - free - pages.anon - pages.file - pages.slab - pages.tables - pages.vmalloc -
		      pages.percpu, "pages.other");
}

/* ---- slab caches ------------------------------------------------------------------------------------- */

#define CACHES_MAX	512	/* shrunk; others are told as they are */

/* Files "shrink", held open as slabinfo is: looking them up takes dentries and inodes, whose caches are shrunk with the others. */
struct shrinkers {
	unsigned int n;
	int fd[CACHES_MAX];
};

static int open_in(int dir, const char *cache, const char *file, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", cache, file);
	return openat(dir, path, flags | O_CLOEXEC);
}

static long long number_in(int dir, const char *cache, const char *file)
{
	_cleanup_close_ int fd = open_in(dir, cache, file, O_RDONLY);

	return resources_number_of(fd);
}

/*
 * Links are names of merged caches, and stay when such a cache is destroyed: only the number of
 * users tells, of the cache that has the objects.
 */
static unsigned int say_caches(struct resources_out *out, struct shrinkers *shrinkers)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *entry;
	unsigned int n = 0;
	int fd;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		n++;
		if (entry->d_name[0] == ':')
			resources_say(out, number_in(dirfd(dir), entry->d_name, "aliases"), "aliases.%s", entry->d_name);
		else
			resources_say(out, 1, "caches.%s", entry->d_name);
		fd = shrinkers->n < CACHES_MAX ? open_in(dirfd(dir), entry->d_name, "shrink", O_WRONLY) : -1;
		if (fd >= 0)
			shrinkers->fd[shrinkers->n++] = fd;
	}
	return n;
}

/*
 * Gives each CPU's slabs back: only then are all free objects counted as such, and a cache's count is exact to
 * the object. 0.1 ms each, most of what a snapshot takes.
 */
static void shrink_all(const struct shrinkers *shrinkers)
{
	unsigned int i;

	for (i = 0; i < shrinkers->n; i++)
		if (write(shrinkers->fd[i], "1", 1) < 0)
			continue;
}

#define LOOKS	2

/* What slabinfo said, the least of all looks. */
struct slabs {
	unsigned int n;
	struct slab {
		char name[64];
		long long objects;
	} slab[2 * CACHES_MAX];
};

/* In the order of slabinfo, which stays the same but for caches that come and go. */
static struct slab *slab_of(struct slabs *slabs, const char *name, unsigned int line)
{
	unsigned int i;

	if (line < slabs->n && !strcmp(slabs->slab[line].name, name))
		return &slabs->slab[line];
	for (i = 0; i < slabs->n; i++)
		if (!strcmp(slabs->slab[i].name, name))
			return &slabs->slab[i];
	if (slabs->n == sizeof(slabs->slab) / sizeof(slabs->slab[0]))
		return NULL;
	snprintf(slabs->slab[slabs->n].name, sizeof(slabs->slab[0].name), "%s", name);
	slabs->slab[slabs->n].objects = LLONG_MAX;
	return &slabs->slab[slabs->n++];
}

struct look {
	struct slabs *slabs;
	unsigned int line;
};

static bool take_slabinfo(struct resources_out *out, char *line, void *ctx)
{
	struct look *look = ctx;
	struct slab *slab;
	long long objects;
	char name[64];

	if (line[0] == '#' || sscanf(line, "%63s %lld", name, &objects) != 2)
		return true;
	slab = slab_of(look->slabs, name, look->line++);
	if (slab && objects < slab->objects)
		slab->objects = objects;
	return true;
}

/*
 * Whoever allocates between the shrinking and the reading takes a slab to his CPU, all of which then counts as used:
 * sixty objects of kmalloc-64 that nobody has. It is never too little, so the least of two looks is taken.
 */
void resources_slab(struct resources_out *out)
{
	_cleanup_close_ int slabinfo = open("/proc/slabinfo", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ struct slabs *slabs = calloc(1, sizeof(*slabs));
	struct shrinkers shrinkers = { 0 };
	unsigned int i;

	resources_say(out, say_caches(out, &shrinkers), "totals.caches");
	for (i = 0; slabs && i < LOOKS; i++) {
		struct look look = { slabs, 0 };

		if (slabinfo >= 0)
			lseek(slabinfo, 0, SEEK_SET);
		shrink_all(&shrinkers);
		resources_lines_of(out, slabinfo, take_slabinfo, &look);
	}
	for (i = 0; slabs && i < slabs->n; i++)
		resources_say(out, slabs->slab[i].objects, "slab.%s", slabs->slab[i].name);
	while (shrinkers.n)
		close(shrinkers.fd[--shrinkers.n]);
}

/* ---- vmalloc -------------------------------------------------------------------------------------------- */

/* "0xADDRESS-0xADDRESS BYTES caller+0x12/0x34 [module] pages=1 vmalloc"; a caller that is gone is an address. */
static bool take_vmalloc(struct resources_out *out, char *line, void *ctx)
{
	char caller[64];

	/* "unpurged": freed, and given back when there are many. */
	if (sscanf(line, "%*s %*s %63s", caller) != 1 || !strcmp(caller, "unpurged"))
		return true;
	caller[strcspn(caller, "+")] = '\0';
	resources_count(ctx, strncmp(caller, "0x", 2) ? caller : "unknown", 1);
	return true;
}

void resources_vmalloc(struct resources_out *out)
{
	_cleanup_free_ struct resources_tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return;
	resources_lines(out, "/proc/vmallocinfo", take_vmalloc, tally);
	resources_say_tally(out, "vmalloc", tally);
}
