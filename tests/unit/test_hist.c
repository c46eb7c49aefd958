// SPDX-License-Identifier: GPL-2.0
/* The histogram: its slots cover every value once, and its percentiles stay within its promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "histogram.h"

static uint64_t seed = 42;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void test_slots_are_contiguous(void **state)
{
	uint32_t i;

	assert_int_equal(vx_hist_low(0), 0);
	for (i = 1; i < VX_HIST_SLOTS; i++) {
		uint64_t low = vx_hist_low(i);

		assert_true(low > vx_hist_low(i - 1));
		assert_int_equal(vx_hist_index(low), i);
		assert_int_equal(vx_hist_index(low - 1), i - 1);
	}
	assert_int_equal(vx_hist_index(UINT64_MAX), VX_HIST_SLOTS - 1);
	assert_int_equal(vx_hist_index(1ull << VX_HIST_MAX_LOG2), VX_HIST_SLOTS - 1);
}

static void test_log2(void **state)
{
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		assert_int_equal(vx_log2(1ull << bit), bit);
		assert_int_equal(vx_log2((2ull << bit) - 1), bit);
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the exact answer: nearest rank over the sorted values. */
static void test_percentiles_against_sorted_values(void **state)
{
	static const unsigned int percents[] = { 1, 7, 50, 90, 99, 100 };
	enum { N = 1000 };
	static uint64_t values[N];
	struct vx_histogram h;
	size_t i;

	vx_histogram_init(&h);
	for (i = 0; i < N; i++) {
		values[i] = rnd() >> (24 + rnd() % 36);
		vx_histogram_add(&h, values[i]);
	}
	qsort(values, N, sizeof(values[0]), by_value);
	assert_int_equal(vx_histogram_count(&h), N);
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		uint64_t exact = values[(percents[i] * N + 99) / 100 - 1];
		uint64_t got = vx_histogram_percentile(&h, percents[i]);

		assert_int_equal(got, vx_hist_low(vx_hist_index(exact)));
		assert_true(got <= exact && exact - got <= exact / VX_HIST_SUB);
	}
}

static void test_rank_is_exact_on_whole_percents(void **state)
{
	unsigned int percent, i;
	struct vx_histogram h;

	/* 100 values 0..15 and larger, one a slot for the first ones: rank p is value p - 1. */
	vx_histogram_init(&h);
	for (i = 0; i < 100; i++)
		vx_histogram_add_slot(&h, i, 1);
	for (percent = 1; percent <= 100; percent++)
		assert_int_equal(vx_histogram_percentile(&h, percent), vx_hist_low(percent - 1));
}

static void test_empty_and_one(void **state)
{
	struct vx_histogram h;

	vx_histogram_init(&h);
	assert_int_equal(vx_histogram_percentile(&h, 50), 0);
	vx_histogram_add(&h, 5);
	assert_int_equal(vx_histogram_percentile(&h, 0), 5);
	assert_int_equal(vx_histogram_percentile(&h, 50), 5);
	assert_int_equal(vx_histogram_percentile(&h, 100), 5);
}

static void test_merge_is_adding_all(void **state)
{
	struct vx_histogram a, b, all;
	int i;

	vx_histogram_init(&a);
	vx_histogram_init(&b);
	vx_histogram_init(&all);
	for (i = 0; i < 500; i++) {
		uint64_t v = rnd() >> 30;

		vx_histogram_add(i % 3 ? &a : &b, v);
		vx_histogram_add(&all, v);
	}
	vx_histogram_merge(&a, &b);
	assert_memory_equal(&a, &all, sizeof(a));
}

static void test_a_guests_slot_out_of_range(void **state)
{
	struct vx_histogram h;

	vx_histogram_init(&h);
	vx_histogram_add_slot(&h, VX_HIST_SLOTS, 1);
	vx_histogram_add_slot(&h, UINT32_MAX, 1);
	assert_int_equal(vx_histogram_count(&h), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_are_contiguous),
		cmocka_unit_test(test_log2),
		cmocka_unit_test(test_percentiles_against_sorted_values),
		cmocka_unit_test(test_rank_is_exact_on_whole_percents),
		cmocka_unit_test(test_empty_and_one),
		cmocka_unit_test(test_merge_is_adding_all),
		cmocka_unit_test(test_a_guests_slot_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
