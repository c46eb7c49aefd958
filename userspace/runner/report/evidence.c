// SPDX-License-Identifier: GPL-2.0
/* Which findings get a folder, and where in the source they point to. evidence_files.c fills it. */
#include <stdlib.h>
#include <string.h>

#include "evidence_priv.h"

#define SLUG_MAX	60u
#define FILE_MAX	(256u << 20)	/* a module larger than that is none */

gboolean evidence_deserved(const struct finding *finding)
{
	return finding_counts(finding) && finding_concern(finding->class) != CONCERN_PERFORMANCE &&
	       (finding->severity >= SEV_HIGH || finding->class == FINDING_HANG);
}

/* Titles are made of what a guest printed: nothing of it but letters and digits becomes a path. */
static char *slug(const char *title)
{
	GString *out = g_string_new(NULL);

	for (; *title && out->len < SLUG_MAX; title++) {
		if (g_ascii_isalnum(*title))
			g_string_append_c(out, g_ascii_tolower(*title));
		else if (out->len && out->str[out->len - 1] != '-')
			g_string_append_c(out, '-');
	}
	while (out->len && out->str[out->len - 1] == '-')
		g_string_truncate(out, out->len - 1);
	if (!out->len)
		g_string_append(out, "finding");
	return g_string_free(out, FALSE);
}

/* ---- files of the module ------------------------------------------------------------ */

static gboolean has_digest(const char *path, const char *digest)
{
	g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, NULL);
	g_autofree char *sum = NULL;

	if (!map || g_mapped_file_get_length(map) > FILE_MAX)
		return FALSE;
	sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256,
					  (const guchar *)(g_mapped_file_get_contents(map) ?: ""),
					  g_mapped_file_get_length(map));
	return !strcmp(sum, digest);
}

char *evidence_kept_file(const char *dir, const json_t *file)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *digest = json_string_value(json_object_get(file, "sha256"));
	g_autofree char *base = path ? g_path_get_basename(path) : NULL;
	g_autofree char *kept = base ? g_build_filename(dir, EVIDENCE_DIR, "modules", base, NULL) : NULL;

	if (!digest || !path)
		return NULL;
	if (has_digest(path, digest))
		return g_strdup(path);
	return has_digest(kept, digest) ? g_steal_pointer(&kept) : NULL;
}

struct symbolizer *evidence_symbolizer(const char *dir, const struct analysis *an)
{
	struct symbolizer *sym = symbolizer_new();
	const json_t *modules = json_object_get(an->run, "modules");
	size_t i;

	for (i = 0; i < json_array_size(modules); i++) {
		const json_t *module = json_array_get(modules, i);
		const char *name = json_string_value(json_object_get(module, "name"));
		g_autofree char *path = evidence_kept_file(dir, module);

		/* What cannot be read has no lines, as stack.txt will say. */
		if (name && path)
			(void)symbolizer_add(sym, name, path, NULL);
	}
	return sym;
}

/* ---- the guilty line -------------------------------------------------------------------- */

char *evidence_place(const struct symbolizer *sym, const struct stack_frame *frame)
{
	GPtrArray *places;
	char *text = NULL;

	if (symbolizer_resolve(sym, frame, &places) == SYMBOLIZED) {
		const struct source_place *place = source_place_own(places);
		g_autofree char *raw = g_strdup_printf("%.400s:%d", place->file, place->line);

		text = g_utf8_make_valid(raw, -1);
	}
	g_ptr_array_unref(places);
	return text;
}

/* Of the guilty function's own frame, else of the topmost that resolves. */
static char *find_location(const struct symbolizer *sym, const struct finding *finding)
{
	g_autofree char *topmost = NULL;
	guint i;

	for (i = 0; i < finding->lines->len; i++) {
		VX_GUARD(stack_frame_free) struct stack_frame *frame =
			stack_frame_parse(g_ptr_array_index(finding->lines, i));
		g_autofree char *place = NULL;

		if (!frame || !frame->module || frame->unsure || !(place = evidence_place(sym, frame)))
			continue;
		if (!g_strcmp0(frame->function, finding->function))
			return g_steal_pointer(&place);
		if (!topmost)
			topmost = g_steal_pointer(&place);
	}
	return g_steal_pointer(&topmost);
}

/* ---- folders ------------------------------------------------------------------------------- */

/*
 * The first of each title comes before any repetition, so that a run of two hundred
 * crashes keeps the one that is different.
 */
static void choose(const struct analysis *an, gboolean *chosen)
{
	guint round, used = 0, i;

	for (round = 0; round < EVIDENCE_REPEATS_MAX; round++) {
		g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

		for (i = 0; i < an->findings->len && used < EVIDENCE_FOLDERS_MAX; i++) {
			const struct finding *finding = g_ptr_array_index(an->findings, i);

			if (chosen[i] || !evidence_deserved(finding) ||
			    !g_hash_table_add(seen, finding->title))
				continue;
			chosen[i] = TRUE;
			used++;
		}
	}
}

void evidence_assign(const char *dir, struct analysis *an)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = NULL;
	g_autofree gboolean *chosen = g_new0(gboolean, an->findings->len + 1);
	guint number = 0, i;

	choose(an, chosen);
	for (i = 0; i < an->findings->len; i++) {
		struct finding *finding = g_ptr_array_index(an->findings, i);
		g_autofree char *name = NULL;

		g_clear_pointer(&finding->folder, g_free);
		g_clear_pointer(&finding->location, g_free);
		if (!chosen[i])
			continue;
		if (!sym)
			sym = evidence_symbolizer(dir, an);
		name = slug(finding->title);
		finding->folder = g_strdup_printf(EVIDENCE_DIR "/%02u-%s", ++number, name);
		finding->location = find_location(sym, finding);
	}
}

void evidence_count(const struct analysis *an, guint *folders, guint *left_out)
{
	guint i;

	*folders = *left_out = 0;
	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		*folders += finding->folder != NULL;
		*left_out += !finding->folder && evidence_deserved(finding);
	}
}

guint evidence_number(const struct finding *finding)
{
	return finding->folder ? (guint)strtoul(finding->folder + strlen(EVIDENCE_DIR "/"), NULL, 10) : 0;
}

const struct finding *evidence_finding(const struct analysis *an, guint n)
{
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (n && evidence_number(finding) == n)
			return finding;
	}
	return NULL;
}
