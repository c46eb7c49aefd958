// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "error.h"
#include "fsutil.h"

#define PREFIX		"vexprobe_"		/* <vexlab/calls.h> */
#define KSYMTAB		"__ksymtab_" PREFIX	/* EXPORT_SYMBOL's, see include/linux/export.h */
#define CRC		"__crc_" PREFIX

/* What __versions is made of (include/linux/module.h). */
struct version {
	guint64 crc;
	char name[64 - sizeof(guint64)];
};

struct file {
	const char *path;
	int fd;
	Elf *elf;
	Elf_Scn *symbols;
	gsize nsymbols;
	size_t names;		/* index of its string table */
};

static gboolean fail(const struct file *file, const char *what, GError **error)
{
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s: %s", file->path, what);
	return FALSE;
}

static gboolean file_open(struct file *file, const char *path, gboolean write, GError **error)
{
	Elf_Scn *section = NULL;
	GElf_Ehdr head;
	GElf_Shdr sh;

	*file = (struct file){ .path = path };
	elf_version(EV_CURRENT);
	file->fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (file->fd < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "%s: %s", path, g_strerror(errno));
		return FALSE;
	}
	file->elf = elf_begin(file->fd, write ? ELF_C_RDWR : ELF_C_READ, NULL);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || gelf_getclass(file->elf) != ELFCLASS64 ||
	    !gelf_getehdr(file->elf, &head) || head.e_type != ET_REL)
		return fail(file, "not a 64-bit kernel module", error);
	while ((section = elf_nextscn(file->elf, section))) {
		/* As much of it as there is, whatever its header says. */
		const Elf_Data *data = elf_getdata(section, NULL);

		if (!gelf_getshdr(section, &sh) || sh.sh_type != SHT_SYMTAB || !data || !data->d_buf)
			continue;
		file->symbols = section;
		file->nsymbols = data->d_size / sizeof(Elf64_Sym);
		file->names = sh.sh_link;
		return TRUE;
	}
	return fail(file, "it has no symbol table", error);
}

static void file_close(struct file *file)
{
	if (file->elf)
		elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
}

/* NULL: not to be read. */
static const char *symbol_at(const struct file *file, gsize i, GElf_Sym *ret)
{
	Elf_Data *data = elf_getdata(file->symbols, NULL);

	if (!data || i > G_MAXINT || !gelf_getsym(data, (int)i, ret))
		return NULL;
	return elf_strptr(file->elf, file->names, ret->st_name);
}

static guint32 crc_of(const struct file *file, const GElf_Sym *symbol)
{
	Elf_Scn *section = symbol->st_shndx < SHN_LORESERVE ? elf_getscn(file->elf, symbol->st_shndx) : NULL;
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	guint32 crc = 0;

	/* Before 5.19 (7b4537199a4a) it was the symbol's value. */
	if (symbol->st_shndx == SHN_ABS)
		return (guint32)symbol->st_value;
	if (data && data->d_buf && data->d_size >= sizeof(crc) && symbol->st_value <= data->d_size - sizeof(crc))
		memcpy(&crc, (const char *)data->d_buf + symbol->st_value, sizeof(crc));
	return crc;
}

/* Names without the prefix, to their versions. */
static GHashTable *read_wrappers(const char *probe, GError **error)
{
	g_autoptr(GHashTable) crcs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GHashTable) ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTableIter iter;
	struct file file;
	gpointer name;
	gsize i;

	if (!file_open(&file, probe, FALSE, error)) {
		file_close(&file);
		return NULL;
	}
	for (i = 0; i < file.nsymbols; i++) {
		GElf_Sym symbol;
		const char *text = symbol_at(&file, i, &symbol);

		if (text && g_str_has_prefix(text, KSYMTAB))
			g_hash_table_insert(ret, g_strdup(text + strlen(KSYMTAB)), NULL);
		else if (text && g_str_has_prefix(text, CRC))
			g_hash_table_insert(crcs, g_strdup(text + strlen(CRC)), GUINT_TO_POINTER(crc_of(&file, &symbol)));
	}
	file_close(&file);
	g_hash_table_iter_init(&iter, ret);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_hash_table_iter_replace(&iter, g_hash_table_lookup(crcs, name));
	return g_steal_pointer(&ret);
}

/* Gives each symbol that has a wrapper its new name, which is to stand in `names` behind the `end` that there are. */
static gboolean rename_symbols(struct file *file, GHashTable *wrappers, gsize end, GString *names, guint *bound,
			       GError **error)
{
	Elf_Data *data = elf_getdata(file->symbols, NULL);
	gsize i;

	for (i = 0; i < file->nsymbols; i++) {
		GElf_Sym symbol;
		const char *name = symbol_at(file, i, &symbol);

		if (!name)
			return fail(file, "its symbol table cannot be read", error);
		if (symbol.st_shndx != SHN_UNDEF || !*name || !g_hash_table_contains(wrappers, name))
			continue;
		symbol.st_name = (GElf_Word)(end + names->len);
		/* With its NUL. */
		g_string_append(names, PREFIX);
		g_string_append_len(names, name, (gssize)strlen(name) + 1);
		if (!gelf_update_sym(data, (int)i, &symbol))
			return fail(file, elf_errmsg(-1), error);
		++*bound;
	}
	return TRUE;
}

static void rename_versions(struct file *file, GHashTable *wrappers)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names))
		return;
	while ((section = elf_nextscn(file->elf, section))) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(section, &sh) ? elf_strptr(file->elf, names, sh.sh_name) : NULL;
		Elf_Data *data = !g_strcmp0(name, "__versions") ? elf_getdata(section, NULL) : NULL;
		struct version *version = data ? data->d_buf : NULL;
		gsize i;

		for (i = 0; version && i < data->d_size / sizeof(*version); i++, version++) {
			g_autofree char *was = g_strndup(version->name, sizeof(version->name));
			gpointer crc;

			if (!g_hash_table_lookup_extended(wrappers, was, NULL, &crc) ||
			    (gsize)g_snprintf(version->name, sizeof(version->name), PREFIX "%s", was) >=
			    sizeof(version->name))
				continue;
			version->crc = GPOINTER_TO_UINT(crc);
			elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
		}
	}
}

static gboolean rename_all(struct file *file, GHashTable *wrappers, guint *bound, GError **error)
{
	Elf_Scn *section = elf_getscn(file->elf, file->names);
	g_autoptr(GString) names = g_string_new(NULL);
	GElf_Shdr sh;
	Elf_Data *data;

	if (!section || !gelf_getshdr(section, &sh))
		return fail(file, "its symbols have no names", error);
	if (!rename_symbols(file, wrappers, sh.sh_size, names, bound, error))
		return FALSE;
	if (!*bound)
		return TRUE;
	rename_versions(file, wrappers);
	data = elf_newdata(section);
	if (!data)
		return fail(file, elf_errmsg(-1), error);
	*data = (Elf_Data){
		.d_buf = names->str, .d_size = names->len, .d_off = (gint64)sh.sh_size,
		.d_type = ELF_T_BYTE, .d_align = 1, .d_version = EV_CURRENT,
	};
	if (elf_update(file->elf, ELF_C_WRITE) < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "%s: %s", file->path, elf_errmsg(-1));
		return FALSE;
	}
	return TRUE;
}

gboolean bind_calls(const char *module, const char *probe, const char *out, guint *bound, GError **error)
{
	g_autoptr(GHashTable) wrappers = read_wrappers(probe, error);
	struct file file = { .fd = -1 };
	gboolean ok;

	*bound = 0;
	if (!wrappers || !fs_copy_sparse(module, out, error))
		return FALSE;
	ok = file_open(&file, out, TRUE, error) && rename_all(&file, wrappers, bound, error);
	file_close(&file);
	return ok;
}
