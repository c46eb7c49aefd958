// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "ksyms.h"

#define LAST_SIZE_MAX	4096u	/* of a function that none follows: to the end of its page */
#define PAST_MAX	32	/* readings kept; the second oldest goes */

struct ksyms {
	struct ksym *syms;		/* sorted by address, one for each */
	size_t n, size;
	char *text;			/* names; `syms` point into it */
	size_t text_len, text_size;
};

/* --- variables ----------------------------------------------------------------------- */

/* One pass, as the list is long and slow to read. */
void ksyms_variables(const char *const *names, uint64_t *ret, size_t n)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t missing = n;
	char line[256];

	memset(ret, 0, n * sizeof(*ret));
	while (f && missing && fgets(line, sizeof(line), f)) {
		/* "ffffffff82a01230 D page_offset_base\n"; a module's has more behind it */
		char *symbol = strrchr(line, ' ');

		for (size_t i = 0; symbol && i < n; i++) {
			size_t len = strlen(names[i]);

			if (ret[i] || strncmp(symbol + 1, names[i], len) || symbol[1 + len] != '\n')
				continue;
			ret[i] = strtoull(line, NULL, 16);
			missing--;
		}
	}
	if (f)
		fclose(f);
}

/* --- one reading ------------------------------------------------------------------ */

static int add_text(struct ksyms *ks, const char *word, size_t len, size_t *ret)
{
	if (ks->text_size - ks->text_len < len + 1) {
		size_t size = (ks->text_size + len + 1) * 2;
		char *text = realloc(ks->text, size);

		if (!text)
			return -ENOMEM;
		ks->text = text;
		ks->text_size = size;
	}
	*ret = ks->text_len;
	memcpy(ks->text + ks->text_len, word, len);
	ks->text[ks->text_len + len] = '\0';
	ks->text_len += len + 1;
	return 0;
}

/* Offsets stand in for pointers until the text moves no more. */
static int add_symbol(struct ksyms *ks, uint64_t address, size_t name, size_t module)
{
	if (ks->n == ks->size) {
		size_t size = ks->size ? ks->size * 2 : 4096;
		struct ksym *syms = realloc(ks->syms, size * sizeof(*syms));

		if (!syms)
			return -ENOMEM;
		ks->syms = syms;
		ks->size = size;
	}
	ks->syms[ks->n++] = (struct ksym){
		.address = address, .name = (const char *)name, .module = (const char *)module,
	};
	return 0;
}

/* "ffffffffc0401230 t ext4_fill_super	[ext4]" */
static int parse_line(struct ksyms *ks, char *line, bool modules_only)
{
	size_t name_at, module_at = 0, len;
	char *name, *module, *end;
	uint64_t address;
	int err;

	address = strtoull(line, &end, 16);
	if (!address || end[0] != ' ' || !end[1] || !strchr("tTwW", end[1]) || end[2] != ' ')
		return 0;
	name = end + 3;
	len = strcspn(name, "\t \n");
	module = strchr(name + len, '[');
	if ((!module && modules_only) || !len)
		return 0;
	err = add_text(ks, name, len, &name_at);
	if (!err && module)
		err = add_text(ks, module + 1, strcspn(module + 1, "]\n"), &module_at);
	return err ? err : add_symbol(ks, address, name_at, module_at);
}

static bool is_padding(const char *name)
{
	return !strncmp(name, "__pfx_", 6) || !strncmp(name, "__cfi_", 6);
}

/* Of several names of one address a function's own goes first, then the shortest. */
static int compare(const void *a, const void *b)
{
	const struct ksym *x = a, *y = b;
	size_t lx, ly;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	lx = strlen(x->name);
	ly = strlen(y->name);
	return lx != ly ? (lx < ly ? -1 : 1) : strcmp(x->name, y->name);
}

static void finish(struct ksyms *ks)
{
	size_t n = 0;

	for (size_t i = 0; i < ks->n; i++) {
		ks->syms[i].name = ks->text + (size_t)ks->syms[i].name;
		ks->syms[i].module = ks->text + (size_t)ks->syms[i].module;
	}
	if (ks->n)
		qsort(ks->syms, ks->n, sizeof(*ks->syms), compare);
	for (size_t i = 0; i < ks->n; i++)
		if (!n || ks->syms[i].address != ks->syms[n - 1].address)
			ks->syms[n++] = ks->syms[i];
	ks->n = n;
	for (size_t i = 0; i < n; i++) {
		struct ksym *sym = &ks->syms[i];
		uint64_t page_end = (sym->address & ~(uint64_t)(LAST_SIZE_MAX - 1)) + LAST_SIZE_MAX;

		sym->size = i + 1 < n && !strcmp(sym[1].module, sym->module) ? sym[1].address - sym->address :
			    page_end - sym->address;
	}
}

int ksyms_parse(FILE *file, bool modules_only, struct ksyms **ret)
{
	struct ksyms *ks = calloc(1, sizeof(*ks));
	size_t empty;
	char line[1024];
	int err;

	if (!ks)
		return -ENOMEM;
	err = add_text(ks, "", 0, &empty);	/* offset 0: the kernel's own */
	while (!err && fgets(line, sizeof(line), file))
		err = parse_line(ks, line, modules_only);
	if (err) {
		ksyms_free(ks);
		return err;
	}
	finish(ks);
	*ret = ks;
	return 0;
}

void ksyms_free(struct ksyms *ks)
{
	if (!ks)
		return;
	free(ks->syms);
	free(ks->text);
	free(ks);
}

const struct ksym *ksyms_find(const struct ksyms *ks, uint64_t address)
{
	size_t low = 0, high = ks->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ks->syms[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || address - ks->syms[low - 1].address >= ks->syms[low - 1].size ||
	    is_padding(ks->syms[low - 1].name))
		return NULL;
	return &ks->syms[low - 1];
}

int ksyms_module_range(const struct ksyms *ks, const char *module, uint64_t *start, uint64_t *end)
{
	uint64_t from = 0, to = 0;

	for (size_t i = 0; i < ks->n; i++) {
		if (strcmp(ks->syms[i].module, module))
			continue;
		if (!from)
			from = ks->syms[i].address;
		to = ks->syms[i].address + ks->syms[i].size;
	}
	if (!from)
		return -ENOENT;
	*start = from;
	*end = to;
	return 0;
}

/* --- all readings --------------------------------------------------------------------- */

struct reading {
	struct ksyms *syms;
	uint32_t generation;
};

struct ksyms_past {
	struct reading readings[PAST_MAX];	/* oldest first; the first has the kernel's own, the others modules only */
	size_t n;
	char *modules;				/* "name address\n" of the latest */
};

int ksyms_past_create(struct ksyms_past **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void ksyms_past_destroy(struct ksyms_past *past)
{
	if (!past)
		return;
	for (size_t i = 0; i < past->n; i++)
		ksyms_free(past->readings[i].syms);
	free(past->modules);
	free(past);
}

/* Modules and where they are; not how often they are used. Caller frees. */
static int list_modules(char **ret)
{
	FILE *f = fopen("/proc/modules", "re");
	char line[1024], name[64], at[32];
	size_t len = 0;
	FILE *out;

	if (!f)
		return -errno;
	out = open_memstream(ret, &len);
	if (!out) {
		fclose(f);
		return -ENOMEM;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %*s %*s %*s %*s %31s", name, at) == 2)
			fprintf(out, "%s %s\n", name, at);
	fclose(f);
	return fclose(out) ? -ENOMEM : 0;
}

/* Is there one in `now` that `before` has not? */
static bool any_new(const char *now, const char *before)
{
	while (*now) {
		size_t len = strcspn(now, "\n") + 1;
		const char *at = before;

		while (*at && strncmp(at, now, len))
			at += strcspn(at, "\n") + 1;
		if (!*at)
			return true;
		now += len;
	}
	return false;
}

static int read_symbols(bool modules_only, struct ksyms **ret)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	int err;

	if (!f)
		return -errno;
	err = ksyms_parse(f, modules_only, ret);
	fclose(f);
	return err;
}

static void add_reading(struct ksyms_past *past, struct ksyms *syms, uint32_t generation)
{
	if (past->n == PAST_MAX) {
		ksyms_free(past->readings[1].syms);
		memmove(past->readings + 1, past->readings + 2, (PAST_MAX - 2) * sizeof(past->readings[0]));
		past->n--;
	}
	past->readings[past->n++] = (struct reading){ syms, generation };
}

int ksyms_past_update(struct ksyms_past *past, uint32_t generation, bool anew)
{
	_cleanup_free_ char *modules = NULL;
	struct ksyms *syms = NULL;
	int err = list_modules(&modules);

	if (err)
		return err;
	if (anew || !past->n || past->readings[past->n - 1].generation != generation || any_new(modules, past->modules)) {
		err = read_symbols(past->n > 0, &syms);
		if (err)
			return err;
		add_reading(past, syms, generation);
	}
	/* Without those that are gone: each is new when it comes again. */
	free(past->modules);
	past->modules = modules;
	modules = NULL;
	return 0;
}

const struct ksym *ksyms_past_find(const struct ksyms_past *past, uint32_t generation, uint64_t address)
{
	const struct ksym *sym;

	/* The call may be the last instruction of its function. */
	address--;
	for (int others = 0; others < 2; others++) {
		for (size_t i = past->n; i; i--) {
			if ((past->readings[i - 1].generation == generation) == others)
				continue;
			sym = ksyms_find(past->readings[i - 1].syms, address);
			if (sym)
				return sym;
		}
	}
	return NULL;
}

int ksyms_past_range(const struct ksyms_past *past, const char *module, uint64_t *start, uint64_t *end)
{
	return past->n ? ksyms_module_range(past->readings[past->n - 1].syms, module, start, end) : -ENOENT;
}
