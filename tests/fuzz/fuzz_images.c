// SPDX-License-Identifier: GPL-2.0
/*
 * A format's description and changes of an image, as text: whatever is accepted stays within the image. The input's lines
 * up to an empty one are areas, the rest fields; each line is a change, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image_patch.h"
#include "imageformat.h"

#define SIZE	8192u
#define DEEP	6u		/* areas told by areas told by areas: each may cost eight of the one above */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char image[SIZE];

static gboolean read_it(void *ctx, guint64 at, void *buf, gsize len)
{
	(void)ctx;
	if (at > SIZE || len > SIZE - at)
		abort();
	memcpy(buf, image + at, len);
	return TRUE;
}

static void read_patch(void *ctx, uint64_t at, void *buf, size_t len)
{
	read_it(ctx, at, buf, len);
}

static void write_patch(void *ctx, uint64_t at, const void *buf, size_t len)
{
	(void)ctx;
	if (at > SIZE || len > SIZE - at)
		abort();
	memcpy(image + at, buf, len);
}

static void try_format(char **lines)
{
	const struct image_reader reader = { .read = read_it, .size = SIZE };
	struct image_format *format;
	guint64 at, count;
	guint i, n;

	for (n = 0; lines[n] && *lines[n]; n++)
		;
	if (!lines[n])
		return;
	g_clear_pointer(&lines[n], g_free);
	format = image_format_parse((const char *const *)lines, (const char *const *)lines + n + 1, NULL);
	for (i = 0; format && i < MIN(format->nareas, DEEP); i++)
		if (image_area_find(format, i, &reader, &at, &count) &&
		    at + (count - 1) * format->areas[i].stride + format->areas[i].size > SIZE)
			abort();
	image_format_free(format);
	for (i = n + 1; lines[i]; i++)
		g_free(lines[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vx_image target = { .read = read_patch, .write = write_patch };
	char *text = g_strndup((const char *)data, size);
	char **lines = g_strsplit(text, "\n", -1);
	struct vx_patch patch;
	guint i;

	for (i = 0; lines[i]; i++)
		if (!vx_patch_parse(lines[i], SIZE, &patch))
			vx_patch_apply(&patch, &target);
	try_format(lines);
	g_strfreev(lines);
	g_free(text);
	return 0;
}
