// SPDX-License-Identifier: GPL-2.0
#include <elf.h>
#include <string.h>

#include "error.h"
#include "koinfo.h"

#define MODULE_MAX (512u << 20)	/* bytes */

/* A slice of the mapped file. */
struct slice {
	const char *data;
	gsize len;
};

struct elf {
	struct slice file;
	const Elf64_Ehdr *head;
	const Elf64_Shdr *sections;
	struct slice names;
};

static gboolean slice_of(const struct slice *file, guint64 offset, guint64 len, struct slice *ret)
{
	if (offset > file->len || len > file->len - offset)
		return FALSE;
	*ret = (struct slice){ file->data + offset, len };
	return TRUE;
}

static gboolean elf_open(struct elf *elf, const char *data, gsize len)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)data;
	struct slice table;

	elf->file = (struct slice){ data, len };
	if (len < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_type != ET_REL || head->e_shentsize != sizeof(Elf64_Shdr))
		return FALSE;
	/* Alignment: the map is page aligned, so an aligned offset is an aligned pointer. */
	if (head->e_shoff % _Alignof(Elf64_Shdr) || head->e_shstrndx >= head->e_shnum ||
	    !slice_of(&elf->file, head->e_shoff, (guint64)head->e_shnum * sizeof(Elf64_Shdr), &table))
		return FALSE;
	elf->head = head;
	elf->sections = (const Elf64_Shdr *)table.data;
	return slice_of(&elf->file, elf->sections[head->e_shstrndx].sh_offset,
			elf->sections[head->e_shstrndx].sh_size, &elf->names);
}

static gboolean elf_section(const struct elf *elf, const char *name, struct slice *ret)
{
	const Elf64_Shdr *section = elf->sections, *end = section + elf->head->e_shnum;
	gsize size = strlen(name) + 1;
	struct slice found;

	for (; section < end; section++) {
		if (section->sh_type == SHT_NOBITS || !slice_of(&elf->names, section->sh_name, size, &found) ||
		    memcmp(found.data, name, size))
			continue;
		return slice_of(&elf->file, section->sh_offset, section->sh_size, ret);
	}
	return FALSE;
}

static void take_string(char **slot, const char *value)
{
	if (!*slot)
		*slot = g_strdup(value);
}

static void read_modinfo(struct koinfo *info, const struct slice *modinfo, GPtrArray *fstypes)
{
	const char *p = modinfo->data, *end = p + modinfo->len, *nul;

	for (; p < end; p = nul + 1) {
		nul = memchr(p, '\0', end - p);
		if (!nul)
			return;
		if (g_str_has_prefix(p, "name="))
			take_string(&info->name, p + 5);
		else if (g_str_has_prefix(p, "vermagic="))
			take_string(&info->vermagic, p + 9);
		else if (g_str_has_prefix(p, "depends=") && !info->depends)
			info->depends = p[8] ? g_strsplit(p + 8, ",", 64) : NULL;
		else if (g_str_has_prefix(p, "alias=fs-") && fstypes->len < 16)
			g_ptr_array_add(fstypes, g_strdup(p + 9));
	}
}

static struct koinfo *parse(const char *data, gsize len)
{
	g_autoptr(GPtrArray) fstypes = g_ptr_array_new_with_free_func(g_free);
	VX_GUARD(koinfo_free) struct koinfo *info = g_new0(struct koinfo, 1);
	struct slice modinfo, btf;
	struct koinfo *ret;
	struct elf elf;

	if (!elf_open(&elf, data, len) || !elf_section(&elf, ".modinfo", &modinfo))
		return NULL;
	read_modinfo(info, &modinfo, fstypes);
	if (!info->name || !info->vermagic)
		return NULL;
	if (!info->depends)
		info->depends = g_new0(char *, 1);
	g_ptr_array_add(fstypes, NULL);
	info->fstypes = (char **)g_ptr_array_free(g_steal_pointer(&fstypes), FALSE);
	info->has_btf = elf_section(&elf, ".BTF", &btf) && btf.len;
	ret = info;
	info = NULL;
	return ret;
}

struct koinfo *koinfo_read(const char *path, GError **error)
{
	g_autoptr(GError) io = NULL;
	g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, &io);
	struct koinfo *info = NULL;

	if (!map) {
		g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
		return NULL;
	}
	if (g_mapped_file_get_length(map) && g_mapped_file_get_length(map) <= MODULE_MAX)
		info = parse(g_mapped_file_get_contents(map), g_mapped_file_get_length(map));
	if (!info)
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "%s is not a 64-bit kernel module, or it is cut short", path);
	return info;
}

void koinfo_free(struct koinfo *info)
{
	if (!info)
		return;
	g_free(info->name);
	g_free(info->vermagic);
	g_strfreev(info->depends);
	g_strfreev(info->fstypes);
	g_free(info);
}
