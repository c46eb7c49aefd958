// SPDX-License-Identifier: GPL-2.0
/* A metric's values, packed and read back; bytes that are none are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "samples.h"

static GArray *numbers(guint n, guint64 (*number)(guint i))
{
	GArray *array = g_array_new(FALSE, FALSE, sizeof(guint64));
	guint i;

	for (i = 0; i < n; i++) {
		const guint64 value = number(i);

		g_array_append_val(array, value);
	}
	return array;
}

static guint64 plain(guint i)
{
	return i;
}

static guint64 wide(guint i)
{
	return i ? G_MAXUINT64 - 8 + i : 0;
}

static void same(const GArray *a, const GArray *b)
{
	assert_non_null(b);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len * sizeof(guint64));
}

static void packed_and_back(void **state)
{
	guint64 (*const all[])(guint) = { plain, wide };
	guint i, n;

	for (i = 0; i < G_N_ELEMENTS(all); i++)
		for (n = 0; n < 8; n++) {
			g_autoptr(GArray) array = numbers(n, all[i]), back = NULL;
			g_autoptr(GBytes) bytes = samples_pack(array);

			back = samples_unpack(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
			same(array, back);
		}
}

static void thinned_by_rank(void **state)
{
	g_autoptr(GArray) all = numbers(1000, plain), few = samples_thin(all, 10), same_one = samples_thin(all, 2000);
	guint i;

	assert_int_equal(few->len, 10);
	/* The middle of each tenth: the median of them is that of all. */
	for (i = 0; i < 10; i++)
		assert_int_equal(g_array_index(few, guint64, i), 50 + 100 * i);
	same(all, same_one);
}

static void what_is_none_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		gsize len;
	} bad[] = {
		{ "\x80", 1 },							/* goes on, but ends */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },		/* 65 bits */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 11 },		/* the sum is more than 64 bits hold */
		{ "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11 },		/* eleven bytes */
	};
	guint8 many[SAMPLES_MAX + 1] = { 0 };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_null(samples_unpack(bad[i].bytes, bad[i].len));
	assert_null(samples_unpack(many, sizeof(many)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_and_back),
		cmocka_unit_test(thinned_by_rank),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
