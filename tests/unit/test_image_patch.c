// SPDX-License-Identifier: GPL-2.0
/* Changes of an image as text: parsed, bounded, done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "image_patch.h"

static unsigned char bytes[256];

static void read_it(void *ctx, uint64_t at, void *buf, size_t len)
{
	assert_true(at + len <= sizeof(bytes));
	memcpy(buf, bytes + at, len);
}

static void write_it(void *ctx, uint64_t at, const void *buf, size_t len)
{
	assert_true(at + len <= sizeof(bytes));
	memcpy(bytes + at, buf, len);
}

static const struct vx_image image = { .read = read_it, .write = write_it };

static int do_patch(const char *text)
{
	struct vx_patch patch;
	int err = vx_patch_parse(text, sizeof(bytes), &patch);

	return err ? err : vx_patch_apply(&patch, &image);
}

static int fill(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	return 0;
}

static void bytes_are_set_and_turned(void **state)
{
	assert_int_equal(do_patch("set 4 ff00a5"), 0);
	assert_memory_equal(bytes + 3, "\x03\xff\x00\xa5\x07", 5);
	assert_int_equal(do_patch("xor 4 0f0f"), 0);
	assert_memory_equal(bytes + 3, "\x03\xf0\x0f\xa5\x07", 5);
}

static void ranges_are_copied_and_swapped(void **state)
{
	assert_int_equal(do_patch("copy 0 16 4"), 0);
	assert_memory_equal(bytes, "\x10\x11\x12\x13\x04", 5);
	assert_int_equal(do_patch("swap 32 64 2"), 0);
	assert_memory_equal(bytes + 32, "\x40\x41\x22", 3);
	assert_memory_equal(bytes + 64, "\x20\x21\x42", 3);
	/* Overlapping: as if there were two copies. */
	assert_int_equal(do_patch("copy 101 100 4"), 0);
	assert_memory_equal(bytes + 100, "\x64\x64\x65\x66\x67\x69", 6);
}

/* The check value of the polynomial: "123456789". */
static void checksums_are_castagnoli_s(void **state)
{
	assert_int_equal(~vx_crc32c(~0u, "123456789", 9), 0xe3069283u);
	memcpy(bytes, "123456789", 9);
	assert_int_equal(do_patch("crc32c 16 0 9"), 0);
	assert_memory_equal(bytes + 16, "\x83\x92\x06\xe3", 4);
	assert_int_equal(do_patch("crc32c-raw 16 0 9"), 0);
	assert_memory_equal(bytes + 16, "\x7c\x6d\xf9\x1c", 4);
}

/* Whatever stands where the sum goes, the sum is the same, and to do it again changes nothing. */
static void a_sum_within_its_range_counts_as_zeros(void **state)
{
	unsigned char first[4];

	assert_int_equal(do_patch("crc32c 8 0 64"), 0);
	memcpy(first, bytes + 8, 4);
	assert_int_equal(do_patch("crc32c 8 0 64"), 0);
	assert_memory_equal(bytes + 8, first, 4);
	assert_int_equal(do_patch("xor 8 ffffffff"), 0);
	assert_int_equal(do_patch("crc32c 8 0 64"), 0);
	assert_memory_equal(bytes + 8, first, 4);
	assert_int_equal(do_patch("xor 9 01"), 0);
	assert_int_equal(do_patch("xor 20 01"), 0);
	assert_int_equal(do_patch("crc32c 8 0 64"), 0);
	assert_memory_not_equal(bytes + 8, first, 4);
}

static void what_reaches_out_is_refused(void **state)
{
	struct vx_patch patch;

	assert_int_equal(vx_patch_parse("set 255 00", 256, &patch), 0);
	assert_int_equal(vx_patch_parse("set 255 0000", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("set 257 00", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("set 18446744073709551615 00", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("set 99999999999999999999999 00", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("copy 0 250 7", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("copy 0 0 0", 256, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("copy 0 0 65537", 1 << 20, &patch), -ERANGE);
	assert_int_equal(vx_patch_parse("crc32c 253 0 4", 256, &patch), -ERANGE);
}

static void what_is_no_patch_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "set", "set ", "set 1", "set 1 ", "set 1 0", "set 1 00 ", "set 1 0g", "set -1 00", "set 0x1 00", "sett 1 00",
		"set  1 00", "copy 1 2", "copy 1 2 3 4", "crc32c 1", "xor 1 2 3", "SET 1 00",
	};
	struct vx_patch patch;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(vx_patch_parse(texts[i], 256, &patch), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bytes_are_set_and_turned, fill),
		cmocka_unit_test_setup(ranges_are_copied_and_swapped, fill),
		cmocka_unit_test_setup(checksums_are_castagnoli_s, fill),
		cmocka_unit_test_setup(a_sum_within_its_range_counts_as_zeros, fill),
		cmocka_unit_test(what_reaches_out_is_refused),
		cmocka_unit_test(what_is_no_patch_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
