// SPDX-License-Identifier: GPL-2.0
/* Modules bound to wrappers: objects compiled here, read back and linked by the machine's own tools. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "bind.h"
#include "error.h"
#include "fsutil.h"

/* Calls two that are wrapped, one by its address, and one that is not. Its versions are of a kernel of ours. */
#define MODULE \
	"extern void kfree(const void *p), vfree(const void *p), printk(const char *s);\n"	\
	"void (*by_address)(const void *p) = kfree;\n"						\
	"void work(void *p);\n"									\
	"void work(void *p) { kfree(p); vfree(p); printk(p); }\n"				\
	"struct version { unsigned long crc; char name[56]; };\n"				\
	"__attribute__((section(\"__versions\"), used)) static const struct version versions[] = {\n" \
	"	{ 0x11111111, \"kfree\" }, { 0x22222222, \"printk\" }, { 0x33333333, \"vfree\" } };\n"

/* What EXPORT_SYMBOL leaves: a version in a section, and one as a value, as it was before 5.19. */
#define PROBE \
	"asm(\".pushsection __ksymtab,\\\"a\\\"; __ksymtab_vexprobe_kfree: .long 0; __ksymtab_vexprobe_vfree: .long 0;"	\
	"__ksymtab_other: .long 0; .popsection\");\n"							\
	"asm(\".pushsection __kcrctab,\\\"a\\\"; .long 7; __crc_vexprobe_kfree: .long 0xabcd1234; .popsection\");\n"	\
	"asm(\".globl __crc_vexprobe_vfree; __crc_vexprobe_vfree = 0x5678\");\n"

struct fixture {
	char *dir, *module, *probe, *out;
};

static char *output_of(const char *command)
{
	g_autoptr(GError) error = NULL;
	char *out = NULL;
	int status = 0;

	if (!g_spawn_command_line_sync(command, &out, NULL, &status, &error))
		fail_msg("%s: %s", command, error->message);
	assert_int_equal(status, 0);
	return out;
}

static char *compile(struct fixture *f, const char *name, const char *source)
{
	g_autofree char *c = g_strdup_printf("%s/%s.c", f->dir, name);
	char *o = g_strdup_printf("%s/%s.ko", f->dir, name);
	g_autofree char *command = g_strdup_printf("cc -c -g -fno-pic -o %s %s", o, c);

	assert_true(g_file_set_contents(c, source, -1, NULL));
	g_free(output_of(command));
	return o;
}

static int set_up(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->dir = g_dir_make_tmp("vexlab-bind.XXXXXX", NULL);
	assert_non_null(f->dir);
	f->module = compile(f, "module", MODULE);
	f->probe = compile(f, "probe", PROBE);
	f->out = g_build_filename(f->dir, "out.ko", NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	fs_remove_at(AT_FDCWD, f->dir);
	g_free(f->dir);
	g_free(f->module);
	g_free(f->probe);
	g_free(f->out);
	g_free(f);
	return 0;
}

static void calls_are_bound(void **state)
{
	struct fixture *f = *state;
	g_autofree char *nm = g_strdup_printf("nm -u %s", f->out), *said = NULL;
	guint bound = 0;

	assert_true(bind_calls(f->module, f->probe, f->out, &bound, NULL));
	assert_int_equal(bound, 2);
	said = output_of(nm);
	assert_non_null(strstr(said, " vexprobe_kfree\n"));
	assert_non_null(strstr(said, " vexprobe_vfree\n"));
	assert_non_null(strstr(said, " printk\n"));
	assert_null(strstr(said, " kfree\n"));
	assert_null(strstr(said, " vfree\n"));
}

/* What a linker makes of it tells whether the relocations still mean the same. */
static void relocations_follow(void **state)
{
	struct fixture *f = *state;
	g_autofree char *wrappers = compile(f, "wrappers",
		"int freed; void vexprobe_kfree(const void *p); void vexprobe_vfree(const void *p); void printk(const char *s);\n"
		"void vexprobe_kfree(const void *p) { freed += 1; } void vexprobe_vfree(const void *p) { freed += 100; }\n"
		"void printk(const char *s) { freed += 10000; }\n"
		"extern void work(void *p); extern void (*by_address)(const void *p);\n"
		"int main(void) { work(0); by_address(0); return freed == 10102 ? 0 : 1; }\n");
	g_autofree char *link = g_strdup_printf("cc -no-pie -o %s/prog %s %s", f->dir, wrappers, f->out);
	g_autofree char *run = g_strdup_printf("%s/prog", f->dir);
	guint bound;

	assert_true(bind_calls(f->module, f->probe, f->out, &bound, NULL));
	g_free(output_of(link));
	g_free(output_of(run));
}

static void versions_are_the_wrappers(void **state)
{
	static const struct { guint64 crc; const char *name; } expected[] = {
		{ 0xabcd1234, "vexprobe_kfree" }, { 0x22222222, "printk" }, { 0x5678, "vexprobe_vfree" },
	};
	struct fixture *f = *state;
	g_autofree char *raw = g_strdup_printf("%s/versions", f->dir), *data = NULL;
	g_autofree char *dump = g_strdup_printf("objcopy -O binary -j __versions --set-section-flags __versions=alloc %s %s",
						f->out, raw);
	gsize len, i;
	guint bound;

	assert_true(bind_calls(f->module, f->probe, f->out, &bound, NULL));
	g_free(output_of(dump));
	assert_true(g_file_get_contents(raw, &data, &len, NULL));
	assert_int_equal(len, 64 * G_N_ELEMENTS(expected));
	for (i = 0; i < G_N_ELEMENTS(expected); i++) {
		assert_memory_equal(data + 64 * i, &expected[i].crc, 8);
		assert_string_equal(data + 64 * i + 8, expected[i].name);
	}
}

static void nothing_to_bind(void **state)
{
	struct fixture *f = *state;
	g_autofree char *plain = compile(f, "plain", "void work(void); void work(void) { }\n");
	g_autofree char *was = NULL, *is = NULL;
	gsize was_len, is_len;
	guint bound = 1;

	assert_true(bind_calls(plain, f->probe, f->out, &bound, NULL));
	assert_int_equal(bound, 0);
	assert_true(g_file_get_contents(plain, &was, &was_len, NULL) && g_file_get_contents(f->out, &is, &is_len, NULL));
	assert_int_equal(was_len, is_len);
	assert_memory_equal(was, is, is_len);
}

/* Cut anywhere, overwritten anywhere: an error or a file, never a crash. The sanitizers look on. */
static void damaged_files(void **state)
{
	struct fixture *f = *state;
	g_autofree char *data = NULL, *bad = g_build_filename(f->dir, "bad.ko", NULL);
	GRand *dice = g_rand_new_with_seed(4);
	gsize len, i;

	assert_true(g_file_get_contents(f->module, &data, &len, NULL));
	for (i = 0; i < 300; i++) {
		g_autofree char *copy = g_memdup2(data, len);
		g_autoptr(GError) error = NULL;
		gsize keep = i % 3 ? len : (gsize)g_rand_int_range(dice, 0, (gint32)len);
		guint k, bound;

		for (k = 0; i % 3 && k < 1 + i % 7; k++)
			copy[g_rand_int_range(dice, 0, i % 3 == 1 ? 64 : (gint32)len)] = (char)g_rand_int(dice);
		assert_true(g_file_set_contents(bad, copy, (gssize)keep, NULL));
		g_unlink(f->out);
		if (!bind_calls(bad, f->probe, f->out, &bound, &error))
			assert_non_null(error);
		g_clear_error(&error);
		g_unlink(f->out);
		if (!bind_calls(f->module, bad, f->out, &bound, &error))
			assert_non_null(error);
	}
	g_rand_free(dice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_are_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(relocations_follow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(versions_are_the_wrappers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_to_bind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_files, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
