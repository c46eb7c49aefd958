// SPDX-License-Identifier: GPL-2.0
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <string.h>

#include "error.h"
#include "symbolize.h"

#define NAME_MAX_LEN	255u
/* The kernel's size of a function reaches to the next one: padding belongs to it. */
#define PADDING_MAX	64u

struct module {
	char *name;
	Dwfl *dwfl;
	Dwfl_Module *mod;
};

struct symbolizer {
	GPtrArray *modules;
};

static void module_free(gpointer data)
{
	struct module *module = data;

	dwfl_end(module->dwfl);
	g_free(module->name);
	g_free(module);
}

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *sym = g_new0(struct symbolizer, 1);

	sym->modules = g_ptr_array_new_with_free_func(module_free);
	return sym;
}

void symbolizer_free(struct symbolizer *sym)
{
	if (!sym)
		return;
	g_ptr_array_unref(sym->modules);
	g_free(sym);
}

/* Looks nowhere: a module's debug link is the word of whoever built it, debuginfod is the network. */
static int no_debuginfo(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
			const char *file_name, const char *debuglink_file, GElf_Word debuglink_crc,
			char **debuginfo_file_name)
{
	return -1;
}

gboolean symbolizer_add(struct symbolizer *sym, const char *name, const char *path, GError **error)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = no_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	struct module *module = g_new0(struct module, 1);

	module->name = g_strdup(name);
	module->dwfl = dwfl_begin(&callbacks);
	if (module->dwfl) {
		dwfl_report_begin(module->dwfl);
		module->mod = dwfl_report_offline(module->dwfl, name, path, -1);
		dwfl_report_end(module->dwfl, NULL, NULL);
	}
	if (!module->mod || dwfl_module_getsymtab(module->mod) <= 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s tells no symbols: %s", path,
			    dwfl_errmsg(-1));
		module_free(module);
		return FALSE;
	}
	g_ptr_array_add(sym->modules, module);
	return TRUE;
}

static const struct module *find_module(const struct symbolizer *sym, const char *name)
{
	guint i;

	for (i = 0; name && i < sym->modules->len; i++) {
		const struct module *module = g_ptr_array_index(sym->modules, i);

		if (!strcmp(module->name, name))
			return module;
	}
	return NULL;
}

struct match {
	GElf_Addr addr;
	guint64 slack;		/* size as printed, less that in the file: padding, if it is the one */
	guint equals;		/* functions that fit as well */
	gboolean found;
};

/*
 * Static functions of one name are told apart by their sizes. The smallest slack wins. A size that
 * does not fit at all is another build's, or text that was damaged: not resolved.
 */
static void find_function(const struct module *module, const struct stack_frame *frame,
			  struct match *ret)
{
	int n = dwfl_module_getsymtab(module->mod), i;

	for (i = 1; i < n; i++) {
		GElf_Sym sym;
		GElf_Addr addr;
		GElf_Word shndx;
		const char *name = dwfl_module_getsym_info(module->mod, i, &sym, &addr, &shndx,
							   NULL, NULL);
		guint64 slack;

		if (!name || GELF_ST_TYPE(sym.st_info) != STT_FUNC || strcmp(name, frame->function) ||
		    sym.st_size > frame->size || frame->offset > sym.st_size)
			continue;
		slack = frame->size - sym.st_size;
		if (slack > PADDING_MAX || (ret->found && slack > ret->slack))
			continue;
		ret->equals = ret->found && slack == ret->slack ? ret->equals + 1 : 0;
		if (!ret->equals)
			ret->addr = addr;
		ret->slack = slack;
		ret->found = TRUE;
	}
}

static void place_free(gpointer data)
{
	struct source_place *place = data;

	g_free(place->function);
	g_free(place->file);
	g_free(place);
}

static void add_place(GPtrArray *places, const char *function, const char *file, int line,
		      gboolean inlined)
{
	struct source_place *place = g_new0(struct source_place, 1);

	place->function = g_strdup(function ? function : "?");
	place->file = g_strdup(file ? file : "?");
	place->line = line;
	place->inlined = inlined;
	g_ptr_array_add(places, place);
}

static int number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_formudata(dwarf_attr(die, name, &attr), &value) || value > G_MAXINT ? 0 :
	       (int)value;
}

static const char *file_of(Dwarf_Die *cu, int index)
{
	Dwarf_Files *files;
	size_t n;

	return dwarf_getsrcfiles(cu, &files, &n) || index <= 0 || (size_t)index >= n ? NULL :
	       dwarf_filesrc(files, (size_t)index, NULL, NULL);
}

static gboolean is_function(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

/* Where the innermost function was inlined, and where that one was, out to the real function. */
static void add_chain(GPtrArray *places, Dwarf_Die *cu, Dwarf_Die *scopes, int n, const char *file,
		      int line)
{
	int i;

	for (i = 0; i < n && places->len < SYMBOLIZE_DEPTH_MAX; i++) {
		gboolean inlined = dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine;

		if (!is_function(&scopes[i]))
			continue;
		add_place(places, dwarf_diename(&scopes[i]), file, line, inlined);
		if (!inlined)
			return;
		file = file_of(cu, number_of(&scopes[i], DW_AT_call_file));
		line = number_of(&scopes[i], DW_AT_call_line);
	}
}

static void add_places(GPtrArray *places, const struct module *module, Dwarf_Addr addr,
		       const char *file, int line)
{
	Dwarf_Addr bias;
	Dwarf_Die *cu = dwfl_module_addrdie(module->mod, addr, &bias);
	Dwarf_Die *scopes = NULL, *outer = NULL;
	int n = cu ? dwarf_getscopes(cu, addr - bias, &scopes) : 0, i, m;

	/* The scopes of an inlined function are those it was written in: ask again, from its DIE. */
	for (i = 0; i < n && !is_function(&scopes[i]); i++)
		;
	m = i < n ? dwarf_getscopes_die(&scopes[i], &outer) : 0;
	if (m > 0)
		add_chain(places, cu, outer, m, file, line);
	free(outer);
	free(scopes);
}

enum symbolized symbolizer_resolve(const struct symbolizer *sym, const struct stack_frame *frame,
				   GPtrArray **ret)
{
	const struct module *module = find_module(sym, frame->module);
	struct match match = { 0 };
	Dwarf_Addr addr;
	const char *file;
	Dwfl_Line *found;
	int line = 0;

	*ret = g_ptr_array_new_with_free_func(place_free);
	if (!module)
		return SYMBOLIZED_NO_MODULE;
	find_function(module, frame, &match);
	if (!match.found)
		return SYMBOLIZED_NO_FUNCTION;
	/* A return address is behind the call, perhaps in the next line or the next function. */
	addr = match.addr + frame->offset - (!frame->exact && frame->offset ? 1 : 0);
	found = dwfl_module_getsrc(module->mod, addr);
	file = found ? dwfl_lineinfo(found, NULL, &line, NULL, NULL, NULL) : NULL;
	if (!file)
		return SYMBOLIZED_NO_LINES;
	add_places(*ret, module, addr, file, line);
	if (!(*ret)->len)
		add_place(*ret, frame->function, file, line, FALSE);
	return match.equals ? SYMBOLIZED_AMBIGUOUS : SYMBOLIZED;
}

/* As in ".../headers/common/include/linux/slab.h": a module's own headers lie elsewhere. */
static gboolean is_kernel_header(const char *file)
{
	static const char *const dirs[] = {
		"include/linux/", "include/uapi/", "include/asm/", "include/asm-generic/", "include/generated/",
		"include/net/", "include/trace/", "include/vdso/",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(dirs); i++)
		if (strstr(file, dirs[i]))
			return g_str_has_suffix(file, ".h");
	return FALSE;
}

const struct source_place *source_place_own(const GPtrArray *places)
{
	guint i;

	for (i = 0; i < places->len; i++) {
		const struct source_place *place = g_ptr_array_index(places, i);

		if (!place->inlined || !is_kernel_header(place->file))
			return place;
	}
	return places->len ? g_ptr_array_index(places, 0) : NULL;
}

/* ---- frames as printed --------------------------------------------------------- */

void stack_frame_free(struct stack_frame *frame)
{
	if (!frame)
		return;
	g_free(frame->function);
	g_free(frame->module);
	g_free(frame);
}

static gboolean name_char(char c)
{
	return g_ascii_isalnum(c) || c == '_' || c == '.';
}

/* "0x1f" at `p`; NULL when it is none, else what follows. */
static const char *hex_at(const char *p, guint64 *ret)
{
	const char *start = p + 2;

	if (p[0] != '0' || p[1] != 'x')
		return NULL;
	for (*ret = 0, p = start; g_ascii_isxdigit(*p); p++)
		*ret = *ret << 4 | (guint64)g_ascii_xdigit_value(*p);
	return p == start || p - start > 8 ? NULL : p;
}

/* " [faultfs]", " [faultfs(OE)]" or nothing. */
static char *module_at(const char *p)
{
	gsize len = 0;

	if (p[0] != ' ' || p[1] != '[')
		return NULL;
	for (p += 2; name_char(p[len]) || p[len] == '-'; len++)
		;
	return !len || len > NAME_MAX_LEN || !strchr("]( ", p[len]) || !p[len] ? NULL :
	       g_strndup(p, len);
}

/* A frame whose '+' is at `plus`. */
static struct stack_frame *frame_at(const char *line, const char *plus)
{
	const char *name = plus, *end;
	struct stack_frame *frame;
	guint64 offset, size;

	while (name > line && name_char(name[-1]))
		name--;
	end = hex_at(plus + 1, &offset);
	if (!end || *end != '/' || !(end = hex_at(end + 1, &size)) || name == plus ||
	    plus - name > NAME_MAX_LEN || g_ascii_isdigit(*name) || offset > size)
		return NULL;
	frame = g_new0(struct stack_frame, 1);
	frame->function = g_strndup(name, (gsize)(plus - name));
	frame->module = module_at(end);
	frame->offset = offset;
	frame->size = size;
	frame->exact = strstr(line, "RIP:") && strstr(line, "RIP:") < plus;
	frame->unsure = name - line >= 2 && !strncmp(name - 2, "? ", 2);
	return frame;
}

struct stack_frame *stack_frame_parse(const char *line)
{
	const char *plus;

	for (plus = strchr(line, '+'); plus; plus = strchr(plus + 1, '+')) {
		struct stack_frame *frame = frame_at(line, plus);

		if (frame)
			return frame;
	}
	return NULL;
}
