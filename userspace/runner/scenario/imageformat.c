// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "error.h"
#include "imageformat.h"

#define STRIDE_MAX	(1u << 20)
#define COUNT_MAX	4096u		/* of a field in an element */
#define ELEMENTS_MAX	(1u << 24)
#define PLACE_MAX	(G_GUINT64_CONSTANT(1) << 50)
#define WORDS_MAX	16

/* One line being read. */
struct line {
	const char *text;
	const struct image_format *format;
	GError **error;
};

static gboolean refuse(const struct line *line, const char *what, const char *word)
{
	g_set_error(line->error, VX_ERROR, VX_ERROR_CONFIG, "\"%s\": %s%s%s%s", line->text, what, word ? " \"" : "",
		    word ? word : "", word ? "\"" : "");
	return FALSE;
}

/* ---- words ------------------------------------------------------------------------------------ */

static gboolean parse_number(const struct line *line, const char *word, guint64 min, guint64 max, guint64 *ret)
{
	gboolean hex = g_str_has_prefix(word, "0x");

	if (g_ascii_string_to_unsigned(word + (hex ? 2 : 0), hex ? 16 : 10, min, max, ret, NULL))
		return TRUE;
	g_set_error(line->error, VX_ERROR, VX_ERROR_CONFIG, "\"%s\": %s is no number from %" G_GUINT64_FORMAT " to %"
		    G_GUINT64_FORMAT, line->text, word, min, max);
	return FALSE;
}

static gboolean is_name(const char *word)
{
	const char *p;

	for (p = word; g_ascii_isalnum(*p) || *p == '_' || *p == '-'; p++)
		;
	return p > word && !*p && p - word < (int)IMAGE_NAME_MAX;
}

static gint find_area(const struct image_format *format, const char *name)
{
	guint i;

	for (i = 0; i < format->nareas; i++)
		if (!strcmp(format->areas[i].name, name))
			return (gint)i;
	return -1;
}

static gint find_field(const struct image_format *format, const char *name)
{
	guint i;

	for (i = 0; i < format->nfields; i++)
		if (!strcmp(format->fields[i].name, name))
			return (gint)i;
	return -1;
}

/* "key=" at the word's beginning: what stands behind it. */
static const char *value_of(const char *word, const char *key)
{
	const gsize len = strlen(key);

	return !strncmp(word, key, len) && word[len] == '=' ? word + len + 1 : NULL;
}

/* ---- places ----------------------------------------------------------------------------------- */

/* Areas are parsed after the fields' names and areas' names are known; `below`: only areas above this one. */
static gboolean parse_term(const struct line *line, const char *word, guint below, struct image_place *place)
{
	g_autofree char *name = NULL;
	guint64 number;
	gint field;

	if (word[0] != '[') {
		if (!parse_number(line, word, 0, PLACE_MAX, &number))
			return FALSE;
		place->term[place->n++].number = number;
		return TRUE;
	}
	if (!g_str_has_suffix(word, "]"))
		return refuse(line, "there is no ] behind", word);
	name = g_strndup(word + 1, strlen(word) - 2);
	field = find_field(line->format, name);
	if (field < 0 || line->format->fields[field].is_bytes)
		return refuse(line, "there is no field with a number of this name:", name);
	if (line->format->fields[field].area >= below)
		return refuse(line, "a place is told by fields of areas that stand above:", name);
	place->term[place->n].is_field = TRUE;
	place->term[place->n++].number = (guint64)field;
	return TRUE;
}

static gboolean parse_place(const struct line *line, const char *text, guint below, struct image_place *place)
{
	const char *p = text;
	gboolean times = FALSE;

	do {
		const gsize len = strcspn(p, "*+");
		g_autofree char *word = g_strndup(p, len);

		if (place->n == IMAGE_TERMS_MAX)
			return refuse(line, "too many terms in", text);
		place->term[place->n].times = times;
		if (!parse_term(line, word, below, place))
			return FALSE;
		p += len;
		times = *p == '*';
	} while (*p++);
	return TRUE;
}

/* ---- areas ------------------------------------------------------------------------------------ */

static gboolean parse_sum(const struct line *line, const char *text, enum image_sum sum, struct image_area *area)
{
	g_auto(GStrv) words = g_strsplit(text, ":", 3);

	if (g_strv_length(words) != 2)
		return refuse(line, "a checksum is AT:LEN, not", text);
	area->sum = sum;
	return parse_number(line, words[0], 0, STRIDE_MAX, &area->sum_at) &&
	       parse_number(line, words[1], 1, 64 << 10, &area->sum_len);
}

static gboolean parse_area_word(const struct line *line, const char *word, guint index, struct image_area *area)
{
	const char *v;

	if ((v = value_of(word, "at")))
		return !area->at.n ? parse_place(line, v, index, &area->at) : refuse(line, "it is said twice:", word);
	if ((v = value_of(word, "count")))
		return !area->count.n ? parse_place(line, v, index, &area->count) : refuse(line, "it is said twice:", word);
	if ((v = value_of(word, "size")))
		return parse_number(line, v, 1, STRIDE_MAX, &area->size);
	if ((v = value_of(word, "stride")))
		return parse_number(line, v, 1, STRIDE_MAX, &area->stride);
	if ((v = value_of(word, "crc32c")))
		return parse_sum(line, v, IMAGE_CRC32C, area);
	if ((v = value_of(word, "crc32c-raw")))
		return parse_sum(line, v, IMAGE_CRC32C_RAW, area);
	return refuse(line, "an area has at, size, count, stride, crc32c and crc32c-raw, not", word);
}

static gboolean parse_area(const struct line *line, guint index, struct image_area *area)
{
	g_auto(GStrv) words = g_strsplit_set(line->text, " \t", WORDS_MAX);
	guint i;

	for (i = 1; words[i]; i++)
		if (*words[i] && !parse_area_word(line, words[i], index, area))
			return FALSE;
	if (!area->at.n || !area->size)
		return refuse(line, "an area needs at= and size=", NULL);
	area->stride = area->stride ? area->stride : area->size;
	if (area->stride < area->size)
		return refuse(line, "its stride is smaller than its size", NULL);
	if (area->sum && area->sum_at + 4 > area->size)
		return refuse(line, "its checksum lies outside of it", NULL);
	return TRUE;
}

static gboolean name_area(const struct line *line, struct image_area *area)
{
	g_autofree char *name = g_strndup(line->text, strcspn(line->text, " \t"));

	if (!is_name(name))
		return refuse(line, "an area begins with its name, of letters, digits, '_' and '-', not", name);
	if (find_area(line->format, name) >= 0)
		return refuse(line, "there are two areas", name);
	g_strlcpy(area->name, name, sizeof(area->name));
	return TRUE;
}

/* ---- fields ----------------------------------------------------------------------------------- */

static gboolean parse_type(const struct line *line, const char *word, struct image_field *field)
{
	static const struct { const char *word; guint width; gboolean big; } types[] = {
		{ "u8", 1, FALSE }, { "le16", 2, FALSE }, { "le32", 4, FALSE }, { "le64", 8, FALSE },
		{ "be16", 2, TRUE }, { "be32", 4, TRUE }, { "be64", 8, TRUE },
	};
	guint64 width;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(types[i].word, word))
			continue;
		field->width = types[i].width;
		field->big = types[i].big;
		return TRUE;
	}
	if (!g_str_has_prefix(word, "bytes"))
		return refuse(line, "a type is u8, le16, le32, le64, be16, be32, be64 or bytesN, not", word);
	if (!parse_number(line, word + 5, 1, IMAGE_WIDTH_MAX, &width))
		return FALSE;
	field->width = (guint)width;
	field->is_bytes = TRUE;
	return TRUE;
}

static gboolean parse_values(const struct line *line, const char *text, struct image_field *field)
{
	g_auto(GStrv) words = g_strsplit(text, ",", IMAGE_VALUES_MAX + 1);
	guint i;

	if (g_strv_length(words) > IMAGE_VALUES_MAX)
		return refuse(line, "too many values", NULL);
	for (i = 0; words[i]; i++)
		if (!parse_number(line, words[i], 0, G_MAXUINT64, &field->values[i]))
			return FALSE;
	field->nvalues = i;
	return TRUE;
}

static gboolean parse_field_word(const struct line *line, const char *word, struct image_field *field)
{
	guint64 number;
	const char *v;

	if ((v = value_of(word, "values")))
		return field->is_bytes ? refuse(line, "bytes have no values", NULL) : parse_values(line, v, field);
	if ((v = value_of(word, "count"))) {
		if (!parse_number(line, v, 1, COUNT_MAX, &number))
			return FALSE;
		field->count = (guint)number;
		return TRUE;
	}
	if ((v = value_of(word, "stride"))) {
		if (!parse_number(line, v, 1, STRIDE_MAX, &number))
			return FALSE;
		field->stride = (guint)number;
		return TRUE;
	}
	return refuse(line, "a field has count, stride and values, not", word);
}

/* Its name, and which area that is of. */
static gboolean name_field(const struct line *line, const char *word, struct image_field *field)
{
	g_auto(GStrv) parts = g_strsplit(word, ".", 3);
	gint area;

	if (g_strv_length(parts) != 2 || !is_name(parts[0]) || !is_name(parts[1]))
		return refuse(line, "a field begins with AREA.NAME, not", word);
	area = find_area(line->format, parts[0]);
	if (area < 0)
		return refuse(line, "there is no area", parts[0]);
	if (find_field(line->format, word) >= 0)
		return refuse(line, "there are two fields", word);
	field->area = (guint)area;
	g_strlcpy(field->name, word, sizeof(field->name));
	return TRUE;
}

static gboolean parse_field(const struct line *line, struct image_field *field)
{
	g_auto(GStrv) words = g_strsplit_set(line->text, " \t", WORDS_MAX);
	guint64 offset;
	guint i, n;

	/* Blanks to line columns up are no words. */
	for (i = n = 0; words[i]; i++)
		if (*words[i])
			words[n++] = words[i];
		else
			g_free(words[i]);
	for (; n < i; i--)
		words[i - 1] = NULL;
	if (n < 3)
		return refuse(line, "a field is AREA.NAME OFFSET TYPE, and what else there is", NULL);
	field->count = 1;
	if (!name_field(line, words[0], field) || !parse_number(line, words[1], 0, STRIDE_MAX, &offset) ||
	    !parse_type(line, words[2], field))
		return FALSE;
	field->offset = (guint)offset;
	for (i = 3; i < n; i++)
		if (!parse_field_word(line, words[i], field))
			return FALSE;
	field->stride = field->stride ? field->stride : field->width;
	return TRUE;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static gboolean check_fits(const struct line *line, const struct image_field *field)
{
	const struct image_area *area = &line->format->areas[field->area];
	const guint64 end = (guint64)field->offset + (guint64)(field->count - 1) * field->stride + field->width;

	return end <= area->size || refuse(line, "the field reaches out of its area", area->name);
}

/* Names of areas first, then fields, then the areas' places, which are told by fields. */
static gboolean parse_all(struct image_format *format, const char *const *areas, const char *const *fields, GError **error)
{
	struct line line = { .format = format, .error = error };
	guint i;

	for (i = 0; areas[i]; i++, format->nareas++) {
		line.text = areas[i];
		if (!name_area(&line, &format->areas[i]))
			return FALSE;
	}
	for (i = 0; fields[i]; i++, format->nfields++) {
		line.text = fields[i];
		if (!parse_field(&line, &format->fields[i]))
			return FALSE;
	}
	for (i = 0; areas[i]; i++) {
		line.text = areas[i];
		if (!parse_area(&line, i, &format->areas[i]))
			return FALSE;
	}
	for (i = 0; fields[i]; i++) {
		line.text = fields[i];
		if (!check_fits(&line, &format->fields[i]))
			return FALSE;
	}
	return TRUE;
}

static guint length_of(const char *const *list)
{
	return list ? g_strv_length((char **)list) : 0;
}

struct image_format *image_format_parse(const char *const *areas, const char *const *fields, GError **error)
{
	VX_GUARD(image_format_free) struct image_format *format = NULL;
	const guint nareas = length_of(areas), nfields = length_of(fields);
	struct image_format *ret;

	if (!nareas || nareas > IMAGE_AREAS_MAX || !nfields || nfields > IMAGE_FIELDS_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "a format has 1 to %u areas and 1 to %u fields, not %u and %u",
			    IMAGE_AREAS_MAX, IMAGE_FIELDS_MAX, nareas, nfields);
		return NULL;
	}
	format = g_new0(struct image_format, 1);
	format->areas = g_new0(struct image_area, nareas);
	format->fields = g_new0(struct image_field, nfields);
	if (!parse_all(format, areas, fields, error))
		return NULL;
	ret = format;
	format = NULL;
	return ret;
}

void image_format_free(struct image_format *format)
{
	if (!format)
		return;
	g_free(format->areas);
	g_free(format->fields);
	g_free(format);
}

/* ---- places in an image ------------------------------------------------------------------------- */

guint64 image_number(const guchar *bytes, guint width, gboolean big)
{
	guint64 value = 0;
	guint i;

	for (i = 0; i < width; i++)
		value |= (guint64)bytes[big ? width - 1 - i : i] << 8 * i;
	return value;
}

void image_put_number(guchar *bytes, guint width, gboolean big, guint64 value)
{
	guint i;

	for (i = 0; i < width; i++)
		bytes[big ? width - 1 - i : i] = (guchar)(value >> 8 * i);
}

static gboolean term_value(const struct image_format *format, const struct image_place *place, guint i,
			   const struct image_reader *reader, guint64 *ret)
{
	const struct image_field *field;
	guchar bytes[8];
	guint64 at;

	*ret = place->term[i].number;
	if (!place->term[i].is_field)
		return TRUE;
	field = &format->fields[*ret];
	/* Its area stands above: this ends. */
	if (!image_place_eval(format, &format->areas[field->area].at, reader, &at) || at + field->offset > reader->size ||
	    field->width > reader->size - at - field->offset ||
	    !reader->read(reader->ctx, at + field->offset, bytes, field->width))
		return FALSE;
	*ret = image_number(bytes, field->width, field->big);
	return TRUE;
}

gboolean image_place_eval(const struct image_format *format, const struct image_place *place,
			  const struct image_reader *reader, guint64 *ret)
{
	guint64 sum = 0, value;
	guint i;

	for (i = 0; i < place->n; i++) {
		if (!term_value(format, place, i, reader, &value))
			return FALSE;
		if (value > PLACE_MAX || (place->term[i].times && value && sum > PLACE_MAX / value))
			return FALSE;
		sum = place->term[i].times ? sum * value : sum + value;
		if (sum > PLACE_MAX)
			return FALSE;
	}
	*ret = sum;
	return TRUE;
}

gboolean image_area_find(const struct image_format *format, guint index, const struct image_reader *reader, guint64 *at,
			 guint64 *count)
{
	const struct image_area *area = &format->areas[index];

	*count = 1;
	if (!image_place_eval(format, &area->at, reader, at) ||
	    (area->count.n && !image_place_eval(format, &area->count, reader, count)))
		return FALSE;
	if (*at > reader->size || area->size > reader->size - *at)
		return FALSE;
	*count = MIN(*count, (reader->size - *at - area->size) / area->stride + 1);
	*count = MIN(*count, ELEMENTS_MAX);
	return *count > 0;
}
