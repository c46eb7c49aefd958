// SPDX-License-Identifier: GPL-2.0
/* Names for addresses, from text as /proc/kallsyms has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ksyms.h"

static const char text[] =
	"ffffffff81000000 T _stext\n"
	"ffffffff81000100 T __pfx_vfs_read\n"
	"ffffffff81000110 T vfs_read\n"
	"ffffffff81000200 W vfs_write\n"
	"ffffffff81000200 t __se_a_longer_name\n"
	"ffffffff82000000 D not_a_function\n"
	"0000000000000000 T hidden\n"
	"nonsense\n"
	"ffffffffc0402000 t leaks_exit\t[leaks]\n"
	"ffffffffc0401000 t leak_kmalloc\t[leaks]\n"
	"ffffffffc0401040 t leak_cache\t[leaks]\n"
	"ffffffffc0401800 d data\t[leaks]\n"
	"ffffffffc0500000 t bpf_prog_1\t[bpf]\n";

static struct ksyms *parse(const char *from, bool modules_only)
{
	FILE *f = fmemopen((void *)from, strlen(from), "r");
	struct ksyms *ret = NULL;

	assert_non_null(f);
	assert_int_equal(ksyms_parse(f, modules_only, &ret), 0);
	fclose(f);
	return ret;
}

static void expect(const struct ksyms *ks, uint64_t address, const char *name, const char *module, uint64_t size)
{
	const struct ksym *sym = ksyms_find(ks, address);

	assert_non_null(sym);
	assert_string_equal(sym->name, name);
	assert_string_equal(sym->module, module);
	assert_int_equal(sym->size, size);
}

static void test_find(void **state)
{
	struct ksyms *ks = parse(text, 0);

	expect(ks, 0xffffffff81000000, "_stext", "", 0x100);
	expect(ks, 0xffffffff81000110, "vfs_read", "", 0xf0);
	expect(ks, 0xffffffff810001ff, "vfs_read", "", 0xf0);
	/* Two names: the shorter. The last of its kind: to the end of its page. */
	expect(ks, 0xffffffff81000200, "vfs_write", "", 0xe00);
	expect(ks, 0xffffffffc0401010, "leak_kmalloc", "leaks", 0x40);
	expect(ks, 0xffffffffc0401fff, "leak_cache", "leaks", 0xfc0);
	expect(ks, 0xffffffffc0402001, "leaks_exit", "leaks", 0x1000);
	/* Padding, before the first, behind the last, between two. */
	assert_null(ksyms_find(ks, 0xffffffff81000108));
	assert_null(ksyms_find(ks, 0));
	assert_null(ksyms_find(ks, 0xffffffff80ffffff));
	assert_null(ksyms_find(ks, 0xffffffff81001000));
	assert_null(ksyms_find(ks, 0xffffffffc0403000));
	assert_null(ksyms_find(ks, UINT64_MAX));
	ksyms_free(ks);
}

static void test_modules_only(void **state)
{
	struct ksyms *ks = parse(text, 1);
	uint64_t start = 1, end = 2;

	assert_null(ksyms_find(ks, 0xffffffff81000110));
	expect(ks, 0xffffffffc0401040, "leak_cache", "leaks", 0xfc0);
	assert_int_equal(ksyms_module_range(ks, "leaks", &start, &end), 0);
	assert_true(start == 0xffffffffc0401000 && end == 0xffffffffc0403000);
	start = 1;
	assert_int_equal(ksyms_module_range(ks, "leak", &start, &end), -2);
	assert_int_equal(start, 1);
	ksyms_free(ks);
}

static void test_rubbish(void **state)
{
	static const char *const texts[] = {
		"\n", "ffffffff81000000", "ffffffff81000000 ", "ffffffff81000000 T", "ffffffff81000000 T ",
		"ffffffff81000000 T \n", "ffffffff81000000 t f\t[", "ffffffff81000000 t f\t[]\n", "zz T f\n",
		"ffffffffffffffff T f\nffffffffffffffff T g\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ksyms *ks = parse(texts[i], 0);

		ksyms_find(ks, 0xffffffff81000000);
		ksyms_free(ks);
	}
}

/* This machine's own, whatever it shows: twice costs nothing, and the names of functions are found again. */
static void test_past(void **state)
{
	struct ksyms_past *past = NULL;
	uint64_t start, end;

	assert_int_equal(ksyms_past_create(&past), 0);
	if (!ksyms_past_update(past, 0, true))
		assert_int_equal(ksyms_past_update(past, 0, true), 0);
	assert_null(ksyms_past_find(past, 0, 1));
	assert_int_equal(ksyms_past_range(past, "no such module", &start, &end), -2);
	ksyms_past_destroy(past);
	ksyms_past_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_modules_only),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
