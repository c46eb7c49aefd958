// SPDX-License-Identifier: GPL-2.0
/* A format's description, where its fields are in an image, and the damage that follows from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "error.h"
#include "image_patch.h"
#include "imagemutate.h"

#define SIZE	(64u << 10)

static guchar image[SIZE];

static gboolean read_it(void *ctx, guint64 at, void *buf, gsize len)
{
	assert_true(at <= SIZE && len <= SIZE - at);
	memcpy(buf, image + at, len);
	return TRUE;
}

static void read_patch(void *ctx, uint64_t at, void *buf, size_t len)
{
	read_it(NULL, at, buf, len);
}

static void write_patch(void *ctx, uint64_t at, const void *buf, size_t len)
{
	assert_true(at <= SIZE && len <= SIZE - at);
	memcpy(image + at, buf, len);
}

static const struct image_reader reader = { .read = read_it, .size = SIZE };

static guint64 lcg(void *ctx, guint64 below)
{
	guint64 *x = ctx;

	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return (*x >> 33) % below;
}

static const char *const areas[] = {
	"super at=0 size=64 crc32c=60:60", "table at=[super.table]*4096 size=32 count=[super.count]",
	"tail at=[super.table]*4096+64 size=16", NULL,
};
static const char *const fields[] = {
	"super.table  4 le32", "super.count 8 be16 values=7,0x10", "super.label 16 bytes8", "super.sum 60 le32",
	"table.mode 0 le16", "table.pointer 8 le32 count=4", "tail.x 0 u8", NULL,
};

static int fill(void **state)
{
	memset(image, 0, sizeof(image));
	image_put_number(image + 4, 4, FALSE, 2);
	image_put_number(image + 8, 2, TRUE, 5);
	image_put_number(image + 8192 + 3 * 32, 2, FALSE, 0x41ed);	/* only the fourth is in use */
	return 0;
}

static void places_follow_the_image(void **state)
{
	VX_GUARD(image_format_free) struct image_format *format = image_format_parse(areas, fields, NULL);
	guint64 at, count;

	assert_non_null(format);
	assert_int_equal(format->nareas, 3);
	assert_int_equal(format->nfields, 7);
	assert_true(image_area_find(format, 1, &reader, &at, &count));
	assert_int_equal(at, 8192);
	assert_int_equal(count, 5);
	assert_true(image_area_find(format, 2, &reader, &at, &count));
	assert_int_equal(at, 8192 + 64);
	/* Cut to what lies in the image; or none of it does. */
	image_put_number(image + 4, 4, FALSE, 15);
	image_put_number(image + 8, 2, TRUE, 0xffff);
	assert_true(image_area_find(format, 1, &reader, &at, &count));
	assert_int_equal(count, 4096 / 32);
	image_put_number(image + 4, 4, FALSE, 16);
	assert_false(image_area_find(format, 1, &reader, &at, &count));
	image_put_number(image + 4, 4, FALSE, 0xffffffff);
	assert_false(image_area_find(format, 1, &reader, &at, &count));
}

static void expect_refused(const char *area, const char *field, const char *why)
{
	const char *const a[] = { "super at=0 size=64", area, NULL }, *const f[] = { "super.n 0 le32", field, NULL };
	g_autoptr(GError) error = NULL;

	assert_null(image_format_parse(a, f, &error));
	assert_int_equal(error->code, VX_ERROR_CONFIG);
	if (!strstr(error->message, why))
		fail_msg("\"%s\" does not say \"%s\"", error->message, why);
}

static void what_is_wrong_is_quoted(void **state)
{
	expect_refused("super at=0 size=4", NULL, "there are two areas \"super\"");
	expect_refused("a at=0", NULL, "needs at= and size=");
	expect_refused("a at=0 size=0", NULL, "0 is no number from 1");
	expect_refused("a at=[b.n] size=4", NULL, "there is no field with a number of this name: \"b.n\"");
	expect_refused("a at=[a.n] size=4", "a.n 0 le32", "stand above");
	expect_refused("a at=1*2*3*4*5*6*7*8*9 size=4", NULL, "too many terms");
	expect_refused("a at=1** size=4", NULL, "is no number");
	expect_refused("a at=0 size=8 crc32c=6:4", NULL, "checksum lies outside");
	expect_refused("a at=0 size=8 stride=4", NULL, "stride is smaller");
	expect_refused("a at=0 size=8 width=4", NULL, "not \"width=4\"");
	expect_refused(NULL, "super.m 0 le24", "not \"le24\"");
	expect_refused(NULL, "super.m 62 le32", "reaches out of its area \"super\"");
	expect_refused(NULL, "super.m 0 u8 count=65", "reaches out of its area");
	expect_refused(NULL, "super.n 4 u8", "there are two fields \"super.n\"");
	expect_refused(NULL, "other.n 4 u8", "there is no area \"other\"");
	expect_refused(NULL, "super.m 4", "AREA.NAME OFFSET TYPE");
	expect_refused(NULL, "super.m 4 u8 values=1,x", "x is no number");
	expect_refused(NULL, "super.m 4 bytes65", "65 is no number from 1 to 64");
}

/* Each change is one that the agent can do; returns how many bytes differ afterwards. */
static guint apply(const struct image_damage *damage)
{
	const struct vx_image target = { .read = read_patch, .write = write_patch };
	g_autofree guchar *before = g_memdup2(image, SIZE);
	struct vx_patch patch;
	guint i, n = 0;

	for (i = 0; i < damage->patches->len; i++) {
		assert_int_equal(vx_patch_parse(g_ptr_array_index(damage->patches, i), SIZE, &patch), 0);
		assert_int_equal(vx_patch_apply(&patch, &target), 0);
	}
	for (i = 0; i < SIZE; i++)
		n += image[i] != before[i];
	return n;
}

static void every_turn_damages_its_field_and_mends_the_sum(void **state)
{
	VX_GUARD(image_format_free) struct image_format *format = image_format_parse(areas, fields, NULL);
	guint64 x = 1;
	const struct image_chance chance = { .draw = lcg, .ctx = &x };
	guint field, turn;

	for (field = 0; field < format->nfields; field++) {
		for (turn = 0; turn < 32; turn++) {
			VX_GUARD(image_damage_free) struct image_damage *damage = NULL;
			guint32 sum;

			fill(NULL);
			damage = image_damage_field(format, field, turn, &reader, &chance);
			assert_non_null(damage);
			assert_string_equal(damage->group, format->fields[field].name);
			apply(damage);
			if (format->fields[field].area || !strcmp(format->fields[field].name, "super.sum"))
				continue;
			sum = ~vx_crc32c(~0u, image, 60);
			assert_int_equal(image_number(image + 60, 4, FALSE), sum);
		}
	}
}

static void an_element_in_use_is_preferred(void **state)
{
	VX_GUARD(image_format_free) struct image_format *format = image_format_parse(areas, fields, NULL);
	guint64 x = 7;
	const struct image_chance chance = { .draw = lcg, .ctx = &x };
	guint turn, hits = 0;

	for (turn = 0; turn < 40; turn++) {
		VX_GUARD(image_damage_free) struct image_damage *damage = image_damage_field(format, 4, 0, &reader, &chance);

		hits += g_str_has_prefix(damage->label, "table[3].mode: 0x41ed -> 0x0");
	}
	assert_true(hits > 30);
}

static void the_same_draws_make_the_same_damage(void **state)
{
	VX_GUARD(image_format_free) struct image_format *format = image_format_parse(areas, fields, NULL);
	const struct image_extent reads[] = { { 0, 4096 }, { 8192, 4096 }, { 60 << 10, 4096 } };
	guint i;

	for (i = 0; i < 200; i++) {
		guint64 x = i, y = i;
		const struct image_chance one = { .draw = lcg, .ctx = &x }, two = { .draw = lcg, .ctx = &y };
		VX_GUARD(image_damage_free) struct image_damage *a = i % 2 ?
			image_damage_field(format, i % format->nfields, i, &reader, &one) :
			image_damage_sector(reads, G_N_ELEMENTS(reads), &reader, &one);
		VX_GUARD(image_damage_free) struct image_damage *b = i % 2 ?
			image_damage_field(format, i % format->nfields, i, &reader, &two) :
			image_damage_sector(reads, G_N_ELEMENTS(reads), &reader, &two);

		assert_non_null(a);
		assert_string_equal(a->label, b->label);
		assert_int_equal(a->patches->len, b->patches->len);
		assert_string_equal(g_ptr_array_index(a->patches, 0), g_ptr_array_index(b->patches, 0));
		apply(a);
		fill(NULL);
	}
}

static void devices_are_cut_to_whole_sectors(void **state)
{
	guint n;

	for (n = 0;; n++) {
		VX_GUARD(image_damage_free) struct image_damage *damage = image_damage_size(n, 64 << 20);

		if (!damage)
			break;
		assert_true(damage->size && damage->size % 512 == 0 && damage->size != 64 << 20);
		assert_int_equal(damage->patches->len, 0);
	}
	assert_true(n > 5);
}

static void the_tree_s_own_formats_are_sound(void **state)
{
	static const char *const names[] = { "liefs", "vexfs" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_strdup_printf("%s/targets/images/%s.yaml", VX_TREE, names[i]);
		g_autoptr(GError) error = NULL;
		VX_GUARD(image_format_free) struct image_format *format = image_format_load(path, &error);

		if (!format)
			fail_msg("%s", error->message);
		assert_true(format->nfields > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(places_follow_the_image, fill),
		cmocka_unit_test(what_is_wrong_is_quoted),
		cmocka_unit_test_setup(every_turn_damages_its_field_and_mends_the_sum, fill),
		cmocka_unit_test_setup(an_element_in_use_is_preferred, fill),
		cmocka_unit_test_setup(the_same_draws_make_the_same_damage, fill),
		cmocka_unit_test(devices_are_cut_to_whole_sectors),
		cmocka_unit_test(the_tree_s_own_formats_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
