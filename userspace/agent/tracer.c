// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <vexlab/probe_alloc.h>
#include "alloc.skel.h"
#include "cleanup.h"
#include "ksyms.h"
#include "tracer.h"

/*
 * Entries are allocated when they are needed where the kernel can do that in any context, from 6.1 on; before, a table
 * takes its memory at once, 100 bytes an entry.
 */
#define LIVE_MAX	(1u << 20)
#define SITES_MAX	(1u << 14)
#define LIVE_MAX_OLD	(1u << 17)
#define SITES_MAX_OLD	(1u << 13)
#define BATCH		4096u		/* a bucket's entries must fit: there are about two in each */

struct tracer {
	struct alloc_bpf *bpf;
};

/* Functions that changed their names: the first that the kernel has. */
static const struct {
	const char *program;
	const char *functions[4];
} renamed[] = {
	{ "alloc_bulk",		{ "kmem_cache_alloc_bulk_noprof", "kmem_cache_alloc_bulk" } },
	{ "alloc_bulk_old",	{ "kmem_cache_alloc_bulk" } },
	{ "alloc_pages_of",	{ "alloc_pages_noprof", "alloc_pages", "alloc_pages_current" } },
	{ "alloc_pages_node_of",{ "__alloc_pages_noprof", "__alloc_pages", "__alloc_pages_nodemask" } },
	{ "alloc_folio_of",	{ "folio_alloc_noprof", "folio_alloc" } },
	{ "alloc_folio_node_of",{ "__folio_alloc_noprof", "__folio_alloc" } },
	{ "alloc_free_pages_of",{ "get_free_pages_noprof", "__get_free_pages" } },
	{ "alloc_zeroed_of",	{ "get_zeroed_page_noprof", "get_zeroed_page" } },
};

static const char *chosen[sizeof(renamed) / sizeof(renamed[0])];

const char *tracer_target(const char *program)
{
	for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
		if (!strcmp(renamed[i].program, program))
			return chosen[i];
	return NULL;
}

static bool has(const struct btf *btf, const char *name, uint32_t kind)
{
	return btf__find_by_name_kind(btf, name, kind) > 0;
}

static void choose_functions(struct alloc_bpf *bpf, const struct btf *btf)
{
	for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(bpf->obj, renamed[i].program);
		const char *const *name = renamed[i].functions;

		while (*name && !has(btf, *name, BTF_KIND_FUNC))
			name++;
		chosen[i] = *name;
		/* Folios are from 5.16: nobody asks for what is not there. */
		if (*name)
			bpf_program__set_attach_target(prog, 0, *name);
		else
			bpf_program__set_autoload(prog, false);
	}
}

static bool has_bpf_loop(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; type && i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), "BPF_FUNC_loop"))
			return true;
	return false;
}

static void choose_programs(struct alloc_bpf *bpf, const struct btf *btf)
{
	bool vmap_events = has(btf, "btf_trace_alloc_vmap_area", BTF_KIND_TYPEDEF);	/* from 6.4 */
	bool loop = has_bpf_loop(btf);

	bpf_program__set_autoload(loop ? bpf->progs.alloc_bulk_old : bpf->progs.alloc_bulk, false);
	bpf_program__set_autoload(loop ? bpf->progs.alloc_free_bulk_old : bpf->progs.alloc_free_bulk, false);
	bpf_program__set_autoload(vmap_events ? bpf->progs.alloc_vmap_old : bpf->progs.alloc_vmap, false);
	bpf_program__set_autoload(vmap_events ? bpf->progs.alloc_vmap_free_old : bpf->progs.alloc_vmap_free, false);
	/* One event for both from 6.1. */
	if (!has(btf, "btf_trace_kmalloc_node", BTF_KIND_TYPEDEF)) {
		bpf_program__set_autoload(bpf->progs.alloc_kmalloc_node, false);
		bpf_program__set_autoload(bpf->progs.alloc_cache_node, false);
	}
}

static int size_maps(struct alloc_bpf *bpf, const struct btf *btf)
{
	bool lazy = has(btf, "bpf_mem_alloc", BTF_KIND_STRUCT);
	int err = bpf_map__set_max_entries(bpf->maps.live, lazy ? LIVE_MAX : LIVE_MAX_OLD);

	if (!err)
		err = bpf_map__set_max_entries(bpf->maps.sites, lazy ? SITES_MAX : SITES_MAX_OLD);
	if (!err && lazy)
		err = bpf_map__set_map_flags(bpf->maps.live, BPF_F_NO_PREALLOC);
	if (!err && lazy)
		err = bpf_map__set_map_flags(bpf->maps.sites, BPF_F_NO_PREALLOC);
	return err;
}

int tracer_open(struct tracer **ret)
{
	static const char *const names[] = { "page_offset_base", "vmemmap_base" };
	struct btf *btf = btf__load_vmlinux_btf();
	struct tracer *tracer = NULL;
	uint64_t at[2];
	int err;

	if (!btf)
		return -errno;
	tracer = calloc(1, sizeof(*tracer));
	if (tracer)
		tracer->bpf = alloc_bpf__open();
	err = !tracer ? -ENOMEM : !tracer->bpf ? -errno : size_maps(tracer->bpf, btf);
	if (!err) {
		choose_functions(tracer->bpf, btf);
		choose_programs(tracer->bpf, btf);
		ksyms_variables(names, at, 2);
		tracer->bpf->rodata->page_offset_base_at = at[0];
		tracer->bpf->rodata->vmemmap_base_at = at[1];
		tracer->bpf->bss->agent_tgid = (uint32_t)getpid();
		tracer->bpf->bss->agent_tid = (uint32_t)syscall(SYS_gettid);
		*ret = tracer;
	} else {
		tracer_destroy(tracer);
	}
	btf__free(btf);
	return err;
}

void tracer_destroy(struct tracer *tracer)
{
	if (!tracer)
		return;
	alloc_bpf__destroy(tracer->bpf);
	free(tracer);
}

struct bpf_object *tracer_object(struct tracer *tracer)
{
	return tracer->bpf->obj;
}

int tracer_load(struct tracer *tracer)
{
	return alloc_bpf__load(tracer->bpf);
}

void tracer_set_step(struct tracer *tracer, uint64_t step)
{
	__atomic_store_n(&tracer->bpf->bss->alloc_step, step, __ATOMIC_SEQ_CST);
}

void tracer_watch(struct tracer *tracer, bool on)
{
	__atomic_store_n(&tracer->bpf->bss->on_target, on, __ATOMIC_SEQ_CST);
}

void tracer_set_module(struct tracer *tracer, const char *name, uint64_t start, uint64_t bytes)
{
	struct alloc_bpf__bss *bss = tracer->bpf->bss;

	bss->text.bytes = bss->init_text.bytes = 0;
	memset(bss->module_name, 0, sizeof(bss->module_name));
	/* Files are called with either, modules with one. */
	for (size_t i = 0; i < sizeof(bss->module_name) - 1 && name[i]; i++)
		bss->module_name[i] = name[i] == '-' ? '_' : name[i];
	bss->text.start = start;
	bss->text.bytes = bytes;
}

uint32_t tracer_generation(const struct tracer *tracer)
{
	return tracer->bpf->bss->generation;
}

uint64_t tracer_overflows(const struct tracer *tracer)
{
	return tracer->bpf->bss->overflows;
}

/* --- reading ------------------------------------------------------------------------ */

struct table {
	uint64_t *keys;
	char *values;
	size_t n, size, value_size;
};

static int table_grow(struct table *table)
{
	size_t size = table->size ? table->size * 2 : 2 * BATCH;
	uint64_t *keys;
	char *values;

	keys = realloc(table->keys, size * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	table->keys = keys;
	values = realloc(table->values, size * table->value_size);
	if (!values)
		return -ENOMEM;
	table->values = values;
	table->size = size;
	return 0;
}

typedef int (*batch_fn)(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
			const struct bpf_map_batch_opts *opts);

/* Everything in the map, which others may change meanwhile; with `batch` one that deletes, it is emptied. */
static int table_read(const struct bpf_map *map, batch_fn batch, struct table *table)
{
	uint32_t position = 0, count;
	bool first = true;
	int err;

	table->value_size = bpf_map__value_size(map);
	do {
		if (table->size - table->n < BATCH && table_grow(table))
			return -ENOMEM;
		count = (uint32_t)(table->size - table->n);
		err = batch(bpf_map__fd(map), first ? NULL : &position, &position, table->keys + table->n,
			    table->values + table->n * table->value_size, &count, NULL);
		if (err && err != -ENOENT)
			return err;
		table->n += count;
		first = false;
	} while (!err);
	return 0;
}

static void table_free(struct table *table)
{
	free(table->keys);
	free(table->values);
}

int tracer_live(const struct tracer *tracer, struct vx_probe_live **ret, size_t *nret)
{
	struct table table = { 0 };
	int err = table_read(tracer->bpf->maps.live, bpf_map_lookup_batch, &table);

	if (err) {
		table_free(&table);
		return err;
	}
	free(table.keys);
	*ret = (struct vx_probe_live *)table.values;
	*nret = table.n;
	return 0;
}

int tracer_sites(const struct tracer *tracer, uint64_t **keys, struct vx_probe_site **ret, size_t *nret)
{
	struct table table = { 0 };
	int err = table_read(tracer->bpf->maps.sites, bpf_map_lookup_batch, &table);

	if (err) {
		table_free(&table);
		return err;
	}
	*keys = table.keys;
	*ret = (struct vx_probe_site *)table.values;
	*nret = table.n;
	return 0;
}

/* As filter_of() in bpf/alloc.bpf.h: what is removed here is counted down there. */
static uint32_t *filter_of(struct tracer *tracer, uint64_t address)
{
	uint32_t *filter = tracer->bpf->bss->filter;
	size_t n = sizeof(tracer->bpf->bss->filter) / sizeof(filter[0]);

	return &filter[address * 0x9e3779b97f4a7c15ull / (UINT64_MAX / n + 1)];
}

int tracer_reset(struct tracer *tracer)
{
	struct table live = { 0 }, sites = { 0 };
	int err = table_read(tracer->bpf->maps.live, bpf_map_lookup_and_delete_batch, &live);

	/* Also of what was read before an error. */
	for (size_t i = 0; i < live.n; i++)
		__atomic_sub_fetch(filter_of(tracer, live.keys[i]), 1, __ATOMIC_RELAXED);
	if (!err)
		err = table_read(tracer->bpf->maps.sites, bpf_map_lookup_and_delete_batch, &sites);
	tracer->bpf->bss->overflows = 0;
	table_free(&live);
	table_free(&sites);
	return err;
}
