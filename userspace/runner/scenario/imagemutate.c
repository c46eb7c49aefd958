// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "imagemutate.h"

#define TRIES		24u	/* to find an element that is in use, a value that is another */
#define SECTOR		512u
#define BLOCK		4096u
#define SECTORS_GROUP	"sectors that are read"

/* Of a field, in the order of turns; those of its own come between. */
enum how { ZERO, MAX, UP, SIGN, ONE, DOWN, OWN, BIT, DEVICE, TWICE, SWAP, MAX_1, POWER, SIGN_1, ANY, ELEMENT, HOWS };

static guint64 draw(const struct image_chance *chance, guint64 below)
{
	return below ? chance->draw(chance->ctx, below) : 0;
}

static struct image_damage *damage_new(const char *group, char *label)
{
	struct image_damage *damage = g_new0(struct image_damage, 1);

	damage->group = g_strdup(group);
	damage->label = label;
	damage->patches = g_ptr_array_new_with_free_func(g_free);
	return damage;
}

void image_damage_free(struct image_damage *damage)
{
	if (!damage)
		return;
	g_free(damage->group);
	g_free(damage->label);
	g_ptr_array_unref(damage->patches);
	g_free(damage);
}

static void add(struct image_damage *damage, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void add(struct image_damage *damage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(damage->patches, g_strdup_vprintf(format, args));
	va_end(args);
}

static void add_set(struct image_damage *damage, guint64 at, const guchar *bytes, guint len)
{
	g_autoptr(GString) hex = g_string_new(NULL);
	guint i;

	for (i = 0; i < len; i++)
		g_string_append_printf(hex, "%02x", bytes[i]);
	add(damage, "set %" G_GUINT64_FORMAT " %s", at, hex->str);
}

/* ---- a field ------------------------------------------------------------------------------------ */

/* Where one field of one element is. */
struct spot {
	const struct image_format *format;
	const struct image_area *area;
	const struct image_field *field;
	guint64 first, elements;		/* of the area */
	guint64 element, item;			/* this one; of the field's own count */
	guint64 at;				/* the field */
	guchar bytes[IMAGE_WIDTH_MAX];
};

static guint64 element_at(const struct spot *s, guint64 element)
{
	return s->first + element * s->area->stride;
}

static gboolean is_all_zero(const guchar *bytes, gsize len)
{
	gsize i;

	for (i = 0; i < len && !bytes[i]; i++)
		;
	return i == len;
}

/* An inode that is free is not looked at: one that is in use is worth more. */
static guint64 choose_element(const struct spot *s, const struct image_reader *reader, const struct image_chance *chance)
{
	const gsize len = MIN(s->area->size, BLOCK);
	guchar bytes[BLOCK];
	guint64 element = 0;
	guint i;

	for (i = 0; i < TRIES; i++) {
		/* The first ones are the likelier in use. */
		element = draw(chance, i % 2 ? s->elements : MIN(s->elements, 16));
		if (!reader->read(reader->ctx, element_at(s, element), bytes, len) || !is_all_zero(bytes, len))
			break;
	}
	return element;
}

static gboolean find_spot(struct spot *s, guint field, const struct image_reader *reader, const struct image_chance *chance)
{
	s->field = &s->format->fields[field];
	s->area = &s->format->areas[s->field->area];
	if (!image_area_find(s->format, s->field->area, reader, &s->first, &s->elements))
		return FALSE;
	s->element = choose_element(s, reader, chance);
	/* Likewise: of ten pointers the first is the one in use. */
	s->item = draw(chance, 2) ? 0 : draw(chance, s->field->count);
	s->at = element_at(s, s->element) + s->field->offset + s->item * s->field->stride;
	return s->at + s->field->width <= reader->size && reader->read(reader->ctx, s->at, s->bytes, s->field->width);
}

static guint64 new_value(enum how how, guint64 old, guint bits, const struct image_field *field, guint64 size,
			 const struct image_chance *chance)
{
	const guint64 max = bits == 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << bits) - 1;
	const guint64 sign = G_GUINT64_CONSTANT(1) << (bits - 1);

	switch (how) {
	case ZERO:	return 0;
	case ONE:	return 1;
	case MAX:	return max;
	case MAX_1:	return max - 1;
	case SIGN:	return sign;
	case SIGN_1:	return sign - 1;
	case UP:	return (old + 1) & max;
	case DOWN:	return (old - 1) & max;
	case TWICE:	return (old * 2) & max;
	case BIT:	return old ^ G_GUINT64_CONSTANT(1) << draw(chance, bits);
	case POWER:	return G_GUINT64_CONSTANT(1) << draw(chance, bits);
	case DEVICE:	return (size / BLOCK + draw(chance, 3) - 1) & max;
	case OWN:	return field->nvalues ? field->values[draw(chance, field->nvalues)] & max : old;
	default:	return draw(chance, G_MAXUINT64) & max;
	}
}

static char *spot_name(const struct spot *s)
{
	const char *dot = strchr(s->field->name, '.');
	g_autofree char *element = s->elements > 1 ? g_strdup_printf("[%" G_GUINT64_FORMAT "]", s->element) : g_strdup("");
	g_autofree char *item = s->field->count > 1 ? g_strdup_printf("[%" G_GUINT64_FORMAT "]", s->item) : g_strdup("");

	return g_strdup_printf("%s%s%s%s", s->area->name, element, dot, item);
}

static void add_sum(struct image_damage *damage, const struct spot *s)
{
	const guint64 at = element_at(s, s->element);

	/* The checksum itself is damaged by itself. */
	if (!s->area->sum || (s->at <= at + s->area->sum_at && at + s->area->sum_at < s->at + s->field->width))
		return;
	add(damage, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
	    s->area->sum == IMAGE_CRC32C ? "crc32c" : "crc32c-raw", at + s->area->sum_at, at, s->area->sum_len);
}

/* Another field of the same width in the same element; the same one when there is none. */
static guint64 swap_with(const struct spot *s, const struct image_chance *chance)
{
	const struct image_field *other;
	guint i;

	for (i = 0; i < TRIES; i++) {
		other = &s->format->fields[draw(chance, s->format->nfields)];
		if (other->area == s->field->area && other != s->field && other->width == s->field->width)
			return element_at(s, s->element) + other->offset;
	}
	return s->at;
}

static struct image_damage *damage_swap(const struct spot *s, const struct image_chance *chance)
{
	const guint64 with = swap_with(s, chance);
	g_autofree char *name = spot_name(s);
	struct image_damage *damage;

	if (with == s->at)
		return NULL;
	damage = damage_new(s->field->name, g_strdup_printf("%s: swapped with what stands at %" G_GUINT64_FORMAT, name, with));
	add(damage, "swap %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %u", s->at, with, s->field->width);
	add_sum(damage, s);
	return damage;
}

static struct image_damage *damage_element(const struct spot *s, const struct image_chance *chance)
{
	const guint64 other = draw(chance, MIN(s->elements, 32));
	struct image_damage *damage;

	if (other == s->element)
		return NULL;
	damage = damage_new(s->field->name,
			    g_strdup_printf("%s[%" G_GUINT64_FORMAT "]: a copy of %s[%" G_GUINT64_FORMAT "]", s->area->name,
					    s->element, s->area->name, other));
	add(damage, "copy %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, element_at(s, s->element),
	    element_at(s, other), MIN(s->area->size, 64u << 10));
	add_sum(damage, s);
	return damage;
}

static struct image_damage *damage_bytes(const struct spot *s, const struct image_chance *chance)
{
	g_autofree char *name = spot_name(s);
	const guint n = (guint)draw(chance, s->field->width);
	const guchar byte = (guchar)(s->bytes[n] ^ 1 << draw(chance, 8));
	struct image_damage *damage =
		damage_new(s->field->name, g_strdup_printf("%s: byte %u: 0x%02x -> 0x%02x", name, n, s->bytes[n], byte));

	add_set(damage, s->at + n, &byte, 1);
	add_sum(damage, s);
	return damage;
}

static struct image_damage *damage_value(const struct spot *s, enum how how, guint64 size, const struct image_chance *chance)
{
	const guint64 old = image_number(s->bytes, s->field->width, s->field->big);
	const guint64 value = new_value(how, old, s->field->width * 8, s->field, size, chance);
	g_autofree char *name = NULL;
	struct image_damage *damage;
	guchar bytes[8];

	if (value == old)
		return NULL;
	name = spot_name(s);
	damage = damage_new(s->field->name, g_strdup_printf("%s: 0x%" G_GINT64_MODIFIER "x -> 0x%" G_GINT64_MODIFIER "x", name,
							    old, value));
	image_put_number(bytes, s->field->width, s->field->big, value);
	add_set(damage, s->at, bytes, s->field->width);
	add_sum(damage, s);
	return damage;
}

struct image_damage *image_damage_field(const struct image_format *format, guint field, guint turn,
					const struct image_reader *reader, const struct image_chance *chance)
{
	struct spot s = { .format = format };
	struct image_damage *damage = NULL;
	guint i;

	for (i = 0; i < HOWS && !damage; i++) {
		const enum how how = (enum how)((turn + i) % HOWS);

		if (!find_spot(&s, field, reader, chance))
			return NULL;
		if (how == SWAP)
			damage = damage_swap(&s, chance);
		else if (how == ELEMENT)
			damage = damage_element(&s, chance);
		else if (s.field->is_bytes)
			damage = damage_bytes(&s, chance);
		else
			damage = damage_value(&s, how, reader->size, chance);
	}
	return damage;
}

/* ---- without a format ----------------------------------------------------------------------------- */

/* A sector that was read, the earlier ones more often: they are what all else hangs on. */
static guint64 choose_sector(const struct image_extent *reads, guint nreads, const struct image_chance *chance)
{
	const guint64 a = draw(chance, nreads), b = draw(chance, nreads);
	const struct image_extent *read = &reads[MIN(a, b)];

	return read->at + draw(chance, MAX(read->len / SECTOR, 1)) * SECTOR;
}

/* Of four bytes within the sector, rather some that are not zero. */
static guint choose_word(const guchar *bytes, const struct image_chance *chance)
{
	guint i, at = 0;

	for (i = 0; i < TRIES; i++) {
		at = (guint)draw(chance, SECTOR / 4) * 4;
		if (!is_all_zero(bytes + at, 4))
			break;
	}
	return at;
}

static struct image_damage *damage_word(guint64 sector, const guchar *bytes, const struct image_reader *reader,
					const struct image_chance *chance)
{
	static const struct image_field none = { 0 };
	static const enum how hows[] = { ZERO, MAX, UP, SIGN, ONE, DOWN, BIT, BIT, BIT, DEVICE, TWICE, POWER, SIGN_1, ANY };
	const guint width = 1u << draw(chance, 4), at = choose_word(bytes, chance) & ~(width - 1);
	const guint64 old = image_number(bytes + at, width, FALSE);
	const enum how how = hows[draw(chance, G_N_ELEMENTS(hows))];
	const guint64 drawn = new_value(how, old, width * 8, &none, reader->size, chance), value = drawn == old ? old ^ 1 : drawn;
	struct image_damage *damage;
	guchar new[8];

	damage = damage_new(SECTORS_GROUP, g_strdup_printf("at %" G_GUINT64_FORMAT ": 0x%" G_GINT64_MODIFIER "x -> 0x%"
							   G_GINT64_MODIFIER "x", sector + at, old, value));
	image_put_number(new, width, FALSE, value);
	add_set(damage, sector + at, new, width);
	return damage;
}

static struct image_damage *damage_move(guint64 sector, guint64 other, const char *word, guint len)
{
	struct image_damage *damage =
		damage_new(SECTORS_GROUP, g_strdup_printf("%s %u bytes at %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT, word, len,
							  sector, other));

	add(damage, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %u", word, sector, other, len);
	return damage;
}

struct image_damage *image_damage_sector(const struct image_extent *reads, guint nreads, const struct image_reader *reader,
					 const struct image_chance *chance)
{
	guint64 sector, other;
	guchar bytes[SECTOR];
	guint way, len;

	if (!nreads)
		return NULL;
	sector = choose_sector(reads, nreads, chance);
	other = choose_sector(reads, nreads, chance);
	way = (guint)draw(chance, 8);
	len = draw(chance, 2) ? SECTOR : BLOCK;
	if (sector + SECTOR > reader->size || !reader->read(reader->ctx, sector, bytes, SECTOR))
		return NULL;
	if (way < 2 && sector / len != other / len && MAX(sector, other) / len * len + len <= reader->size)
		return damage_move(sector / len * len, other / len * len, way ? "swap" : "copy", len);
	return damage_word(sector, bytes, reader, chance);
}

/* ---- the device ----------------------------------------------------------------------------------- */

struct image_damage *image_damage_size(guint n, guint64 size)
{
	const guint64 sizes[] = {
		size + SECTOR, size - SECTOR, size - BLOCK, size + BLOCK + 3 * SECTOR, size / 2 + SECTOR, size / 2, size / 8,
		64 << 10, BLOCK, SECTOR, 3 * SECTOR,
	};
	struct image_damage *damage;

	if (n >= G_N_ELEMENTS(sizes))
		return NULL;
	damage = damage_new("device size", g_strdup_printf("device of %" G_GUINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT,
							   sizes[n] / SECTOR * SECTOR, size));
	damage->size = sizes[n] / SECTOR * SECTOR;
	return damage;
}

struct image_damage *image_damage_both(const struct image_damage *a, const struct image_damage *b)
{
	struct image_damage *damage =
		damage_new("two at once", g_strdup_printf("%s; %s", a->label, b->label));
	guint i;

	for (i = 0; i < a->patches->len; i++)
		g_ptr_array_add(damage->patches, g_strdup(g_ptr_array_index(a->patches, i)));
	for (i = 0; i < b->patches->len; i++)
		g_ptr_array_add(damage->patches, g_strdup(g_ptr_array_index(b->patches, i)));
	damage->size = a->size ? a->size : b->size;
	return damage;
}
