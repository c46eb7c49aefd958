// SPDX-License-Identifier: GPL-2.0
#include "detect.h"
#include "error.h"
#include "oops_regex.h"

char **noise_load(const char *path, GError **error)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_auto(GStrv) lines = NULL;
	g_autofree char *text = NULL;
	g_autoptr(GError) local = NULL;
	guint i;

	if (!g_file_get_contents(path, &text, NULL, &local)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s", local->message);
		return NULL;
	}
	lines = g_strsplit(text, "\n", -1);
	for (i = 0; lines[i]; i++) {
		const char *pattern = g_strstrip(lines[i]);

		if (!*pattern || *pattern == '#')
			continue;
		if (!g_utf8_validate(pattern, -1, NULL) || !regex_valid(pattern)) {
			g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
				    "%s:%u: this is no regular expression (PCRE2)", path, i + 1);
			return NULL;
		}
		g_strv_builder_add(builder, pattern);
	}
	return g_strv_builder_end(builder);
}
