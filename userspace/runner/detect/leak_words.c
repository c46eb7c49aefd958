// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "leak.h"

const char *leak_way_name(enum leak_way way)
{
	static const char *const names[] = {
		[LEAK_WAY_ORDINARY] = "ordinary",     [LEAK_WAY_BAD_IMAGE] = "bad-image",
		[LEAK_WAY_BAD_OPTION] = "bad-option", [LEAK_WAY_INTERRUPTED] = "interrupted",
		[LEAK_WAY_NO_SPACE] = "no-space",
	};
	_Static_assert(G_N_ELEMENTS(names) == LEAK_WAYS, "every way has a name");

	return way < LEAK_WAYS ? names[way] : "";
}

const char *leak_way_words(enum leak_way way)
{
	static const char *const words[] = {
		[LEAK_WAY_ORDINARY] = "an ordinary cycle", [LEAK_WAY_BAD_IMAGE] = "a mount of a damaged image",
		[LEAK_WAY_BAD_OPTION] = "a mount with a bad option", [LEAK_WAY_INTERRUPTED] = "a mount that is killed",
		[LEAK_WAY_NO_SPACE] = "work until no space is left",
	};
	_Static_assert(G_N_ELEMENTS(words) == LEAK_WAYS, "every way has words");

	return way < LEAK_WAYS ? words[way] : "";
}

const char *leak_step_name(enum leak_step step)
{
	static const char *const names[] = {
		[LEAK_STEP_LOAD] = "load", [LEAK_STEP_MOUNT] = "mount", [LEAK_STEP_FILES] = "file work",
		[LEAK_STEP_UMOUNT] = "unmount", [LEAK_STEP_UNLOAD] = "unload", [LEAK_STEP_OTHER] = "other work",
	};
	_Static_assert(G_N_ELEMENTS(names) == LEAK_STEPS, "every step has a name");

	return step < LEAK_STEPS ? names[step] : "";
}

const char *leak_verdict_name(enum leak_verdict verdict)
{
	static const char *const names[] = {
		[LEAK_NOT_JUDGED] = "not judged", [LEAK_ACQUITTED] = "acquitted", [LEAK_SUSPECTED] = "suspected",
		[LEAK_GROWS] = "leak (growth)", [LEAK_FOUND] = "leak",
	};
	_Static_assert(G_N_ELEMENTS(names) == LEAK_VERDICTS, "every verdict has a name");

	return names[verdict];
}

const char *leak_kind_name(enum vx_alloc_kind kind)
{
	static const char *const names[] = {
		[VX_ALLOC_NONE] = "",	      [VX_ALLOC_KMALLOC] = "kmalloc", [VX_ALLOC_CACHE] = "slab",
		[VX_ALLOC_PERCPU] = "percpu", [VX_ALLOC_VMALLOC] = "vmalloc", [VX_ALLOC_PAGES] = "pages",
	};
	_Static_assert(G_N_ELEMENTS(names) == VX_ALLOC_KINDS, "every kind has a name");

	return kind < VX_ALLOC_KINDS ? names[kind] : "";
}

gboolean leak_is_leak(enum leak_verdict verdict)
{
	return verdict == LEAK_FOUND || verdict == LEAK_GROWS;
}

char *leak_rate_text(const struct leak_judgement *judged)
{
	g_autofree char *bytes = NULL;

	if (!judged->exposure)
		return g_strdup_printf("%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " bytes", judged->objects,
				       judged->bytes);
	if (!judged->objects)
		return g_strdup_printf("none in %" G_GUINT64_FORMAT " %ss: less than %.3g a %s at 95 %%",
				       judged->exposure, judged->unit, judged->high, judged->unit);
	if (judged->verdict == LEAK_ACQUITTED || judged->verdict == LEAK_NOT_JUDGED)
		return g_strdup_printf("%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " bytes are outstanding",
				       judged->objects, judged->bytes);
	bytes = g_format_size_full((guint64)(judged->byte_rate + 0.5), G_FORMAT_SIZE_IEC_UNITS);
	return g_strdup_printf("%.3g objects a %s (95 %%: %.2g to %.2g), %s a %s", judged->rate, judged->unit,
			       judged->low, judged->high, bytes, judged->unit);
}

char *leak_when_text(const struct leak_judgement *judged)
{
	GString *out = g_string_new(NULL);
	guint i, n = 0;

	for (i = 0; judged->ways && i < LEAK_WAYS; i++)
		if (judged->ways & 1u << i)
			g_string_append_printf(out, "%s%s", n++ ? ", " : "only after ", leak_way_words(i));
	for (i = 0; !judged->ways && i < LEAK_STEPS; i++)
		if (judged->kinds & 1u << i)
			g_string_append_printf(out, "%s%s", n++ ? ", " : "during ", leak_step_name(i));
	return g_string_free(out, !n);
}
