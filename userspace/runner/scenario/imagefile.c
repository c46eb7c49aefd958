// SPDX-License-Identifier: GPL-2.0
/* A format's file: the YAML around the lines that imageformat.c reads. */
#include "imageformat.h"
#include "yamlfile.h"

struct lists {
	char **areas, **fields;
};

static const struct yaml_field keys[] = {
	{ .key = "areas", .kind = YAML_STRINGS, .offset = offsetof(struct lists, areas), .min = 1, .required = TRUE },
	{ .key = "fields", .kind = YAML_STRINGS, .offset = offsetof(struct lists, fields), .min = 1, .required = TRUE },
	{ 0 },
};

struct image_format *image_format_load(const char *path, GError **error)
{
	VX_GUARD(yamlfile_close) struct yamlfile *yf = yamlfile_open(path, error);
	struct image_format *ret = NULL;
	struct lists lists = { 0 };

	if (!yf)
		return NULL;
	if (yamlfile_read(yf, keys, &lists, error)) {
		ret = image_format_parse((const char *const *)lists.areas, (const char *const *)lists.fields, error);
		if (!ret && error)
			g_prefix_error(error, "%s: ", path);
	}
	yaml_clear(keys, &lists);
	return ret;
}
