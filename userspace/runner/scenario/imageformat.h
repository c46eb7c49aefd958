/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A filesystem's format on disk, as far as damaging it wisely needs: areas (a super block, an inode table) and the fields in
 * them. Two lists of lines, which docs/IMAGES.md explains:
 *
 *	areas:  NAME at=PLACE size=BYTES [count=PLACE] [stride=BYTES] [crc32c=AT:LEN | crc32c-raw=AT:LEN]
 *	fields: AREA.NAME OFFSET TYPE [count=N] [stride=BYTES] [values=N,N...]
 *
 * A PLACE is numbers and [area.field] with + and * between, read from left to right; a field's value is the one in the
 * area's first element, and the area is one that stands above. Pure, but for the reader that a place is worked out with.
 */
#ifndef VEXLAB_IMAGEFORMAT_H
#define VEXLAB_IMAGEFORMAT_H

#include <glib.h>
#include "guard.h"

#define IMAGE_TERMS_MAX		8u
#define IMAGE_VALUES_MAX	32u
#define IMAGE_AREAS_MAX		64u
#define IMAGE_FIELDS_MAX	512u
#define IMAGE_NAME_MAX		32u
#define IMAGE_WIDTH_MAX		64u	/* of a field, bytes */

struct image_place {
	struct {
		gboolean is_field, times;	/* `number` is a field's index; it is multiplied, not added */
		guint64 number;
	} term[IMAGE_TERMS_MAX];
	guint n;
};

enum image_sum { IMAGE_NO_SUM, IMAGE_CRC32C, IMAGE_CRC32C_RAW };

struct image_area {
	char name[IMAGE_NAME_MAX];
	struct image_place at, count;		/* of elements; count.n 0: one */
	guint64 size, stride;
	enum image_sum sum;			/* over sum_len bytes from each element's beginning, at sum_at of it */
	guint64 sum_at, sum_len;
};

struct image_field {
	char name[2 * IMAGE_NAME_MAX];		/* "super.blocks" */
	guint area, offset, width;
	gboolean big, is_bytes;			/* big: big endian; is_bytes: no number */
	guint count, stride;			/* of the field, within an element */
	guint64 values[IMAGE_VALUES_MAX];	/* worth trying, beside the usual */
	guint nvalues;
};

struct image_format {
	struct image_area *areas;
	struct image_field *fields;
	guint nareas, nfields;
};

/* The lines of both lists, NULL-terminated. VX_ERROR_CONFIG, which quotes the line. */
struct image_format *image_format_parse(const char *const *areas, const char *const *fields, GError **error);
/* A YAML file with `areas` and `fields`. VX_ERROR_UNAVAILABLE, VX_ERROR_CONFIG. */
struct image_format *image_format_load(const char *path, GError **error);
/* NULL-safe. */
void image_format_free(struct image_format *format);
VX_DEFINE_GUARD(struct image_format, image_format_free);

/* The image's bytes; FALSE: they cannot be had. */
struct image_reader {
	gboolean (*read)(void *ctx, guint64 at, void *buf, gsize len);
	void *ctx;
	guint64 size;
};

/* FALSE: it lies outside of the image, or cannot be read. */
gboolean image_place_eval(const struct image_format *format, const struct image_place *place,
			  const struct image_reader *reader, guint64 *ret);
/* Elements of an area that lie within the image, and where the first does. */
gboolean image_area_find(const struct image_format *format, guint area, const struct image_reader *reader, guint64 *at,
			 guint64 *count);
guint64 image_number(const guchar *bytes, guint width, gboolean big);
void image_put_number(guchar *bytes, guint width, gboolean big, guint64 value);

#endif
