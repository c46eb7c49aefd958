// SPDX-License-Identifier: GPL-2.0
/* Frames to file and line: on an object compiled here, whose labels say where each line lies. */
#include <glib.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "symbolize.h"

/* Two files with a static function of the same name, of different sizes. */
#define SOURCE_A \
	"extern volatile int x;\n"					\
	"static inline __attribute__((always_inline)) void deep(void)\n" \
	"{\n"								\
	"	asm volatile(\"mark_deep: nop\");\n"			\
	"}\n"								\
	"static inline __attribute__((always_inline)) void middle(void)\n" \
	"{\n"								\
	"	x++;\n"							\
	"	deep();\n"						\
	"}\n"								\
	"static __attribute__((noinline, used)) void same(void)\n"	\
	"{\n"								\
	"	x = 1;\n"						\
	"	asm volatile(\"mark_a: nop\");\n"			\
	"}\n"								\
	"void outer(void);\n"						\
	"void outer(void)\n"						\
	"{\n"								\
	"	middle();\n"						\
	"	same();\n"						\
	"}\n"
#define SOURCE_B \
	"volatile int x;\n"						\
	"static __attribute__((noinline, used)) void same(void)\n"	\
	"{\n"								\
	"	x += 12345; x *= 3; x ^= 99; x -= 4;\n"			\
	"	asm volatile(\"mark_b: nop\");\n"			\
	"	x += 12345; x *= 3; x ^= 99; x -= 4;\n"			\
	"}\n"

/* An inlined helper of the kernel's, and one of the module's own in a header. */
#define SOURCE_C \
	"#include \"include/linux/helper.h\"\n"				\
	"#include \"own.h\"\n"						\
	"void caller(void);\n"						\
	"void caller(void)\n"						\
	"{\n"								\
	"	helper();\n"						\
	"	own();\n"						\
	"}\n"
#define HEADER(name) \
	"static inline __attribute__((always_inline)) void " name "(void)\n" \
	"{\n"								\
	"	asm volatile(\"mark_" name ": nop\");\n"			\
	"}\n"

static char *dir, *object;

static void sh(const char *command)
{
	g_autofree char *line = g_strdup_printf("cd %s && %s", dir, command);
	const char *argv[] = { "/bin/sh", "-c", line, NULL };
	g_autofree char *err = NULL;
	int status;

	assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err,
				 &status, NULL));
	if (status)
		fail_msg("%s: %s", command, err);
}

static void put(const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

struct symbol {
	guint64 addr, size;
	char name[32];
};
static struct symbol table[32];
static guint ntable;

/* nm -S: "address [size] type name". */
static void read_symbols(void)
{
	g_autofree char *path = g_build_filename(dir, "nm.txt", NULL), *text = NULL;
	g_auto(GStrv) lines = NULL;
	guint i;

	sh("nm -S all.o >nm.txt");
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	lines = g_strsplit(text, "\n", 64);
	for (i = 0; lines[i] && lines[i][0]; i++) {
		g_auto(GStrv) words = g_strsplit(lines[i], " ", 5);
		guint n = g_strv_length(words);

		if (n < 3 || !words[0][0] || ntable == G_N_ELEMENTS(table))
			continue;
		table[ntable].addr = g_ascii_strtoull(words[0], NULL, 16);
		table[ntable].size = n == 4 ? g_ascii_strtoull(words[1], NULL, 16) : 0;
		g_strlcpy(table[ntable++].name, words[n - 1], sizeof(table[0].name));
	}
}

static const struct symbol *symbol(const char *name)
{
	guint i;

	for (i = 0; i < ntable; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	fail_msg("no symbol %s", name);
	return NULL;
}

/* The function `name` that `mark` lies in. */
static struct stack_frame frame_of(const char *name, const char *mark)
{
	struct stack_frame frame = { .function = (char *)name, .module = (char *)"mod", .exact = TRUE };
	guint64 at = symbol(mark)->addr;
	guint i;

	for (i = 0; i < ntable; i++)
		if (!strcmp(table[i].name, name) && at >= table[i].addr &&
		    at < table[i].addr + table[i].size) {
			frame.offset = at - table[i].addr;
			frame.size = table[i].size;
			return frame;
		}
	fail_msg("%s is not in %s", mark, name);
	return frame;
}

static int compile(void **state)
{
	dir = g_dir_make_tmp("vexlab-symbolize-XXXXXX", NULL);
	object = g_build_filename(dir, "all.o", NULL);
	put("a.c", SOURCE_A);
	put("b.c", SOURCE_B);
	put("c.c", SOURCE_C);
	put("own.h", HEADER("own"));
	sh("mkdir -p include/linux");
	put("include/linux/helper.h", HEADER("helper"));
	sh("gcc -g -O2 -fno-pic -c a.c b.c c.c && ld -r -o all.o a.o b.o c.o && gcc -O2 -fno-pic -c a.c -o nodebug.o");
	read_symbols();
	return 0;
}

static int cleanup(void **state)
{
	sh("rm -rf ./*");
	g_rmdir(dir);
	g_free(dir);
	g_free(object);
	return 0;
}

static struct symbolizer *open_all(void)
{
	struct symbolizer *sym = symbolizer_new();

	assert_true(symbolizer_add(sym, "mod", object, NULL));
	return sym;
}

static void expect(const GPtrArray *places, guint i, const char *function, const char *file, int line,
		   gboolean inlined)
{
	const struct source_place *place = g_ptr_array_index(places, i);

	assert_string_equal(place->function, function);
	assert_true(g_str_has_suffix(place->file, file));
	assert_int_equal(place->line, line);
	assert_int_equal(place->inlined, inlined);
}

static void test_same_name_by_size(void **state)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = open_all();
	struct stack_frame a = frame_of("same", "mark_a"), b = frame_of("same", "mark_b");
	GPtrArray *places;

	assert_true(a.size != b.size);
	assert_int_equal(symbolizer_resolve(sym, &a, &places), SYMBOLIZED);
	assert_int_equal(places->len, 1);
	expect(places, 0, "same", "a.c", 14, FALSE);
	g_ptr_array_unref(places);
	/* With the padding that the kernel counts to the function. */
	b.size += 9;
	assert_int_equal(symbolizer_resolve(sym, &b, &places), SYMBOLIZED);
	expect(places, 0, "same", "b.c", 5, FALSE);
	g_ptr_array_unref(places);
}

static void test_inlined(void **state)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = open_all();
	struct stack_frame frame = frame_of("outer", "mark_deep");
	GPtrArray *places;

	assert_int_equal(symbolizer_resolve(sym, &frame, &places), SYMBOLIZED);
	assert_int_equal(places->len, 3);
	expect(places, 0, "deep", "a.c", 4, TRUE);
	expect(places, 1, "middle", "a.c", 9, TRUE);
	expect(places, 2, "outer", "a.c", 19, FALSE);
	g_ptr_array_unref(places);
}

/* Not the line of a helper that everybody uses, but the one that uses it. */
static void test_own_place(void **state)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = open_all();
	struct stack_frame helper = frame_of("caller", "mark_helper"), own = frame_of("caller", "mark_own");
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	GPtrArray *places;

	assert_int_equal(symbolizer_resolve(sym, &helper, &places), SYMBOLIZED);
	expect(places, 0, "helper", "helper.h", 3, TRUE);
	assert_ptr_equal(source_place_own(places), g_ptr_array_index(places, 1));
	expect(places, 1, "caller", "c.c", 6, FALSE);
	g_ptr_array_unref(places);
	assert_int_equal(symbolizer_resolve(sym, &own, &places), SYMBOLIZED);
	assert_ptr_equal(source_place_own(places), g_ptr_array_index(places, 0));
	expect(places, 0, "own", "own.h", 3, TRUE);
	g_ptr_array_unref(places);
	assert_null(source_place_own(none));
}

static void test_return_address(void **state)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = open_all();
	struct stack_frame frame = frame_of("same", "mark_a");
	GPtrArray *places;

	/* Just behind the nop of line 14 is line 15: the call was the instruction before. */
	frame.offset++;
	assert_int_equal(symbolizer_resolve(sym, &frame, &places), SYMBOLIZED);
	expect(places, 0, "same", "a.c", 15, FALSE);
	g_ptr_array_unref(places);
	frame.exact = FALSE;
	assert_int_equal(symbolizer_resolve(sym, &frame, &places), SYMBOLIZED);
	expect(places, 0, "same", "a.c", 14, FALSE);
	g_ptr_array_unref(places);
}

static enum symbolized outcome(struct symbolizer *sym, const char *function, const char *module,
			       guint64 offset, guint64 size)
{
	const struct stack_frame frame = {
		.function = (char *)function, .module = (char *)module, .offset = offset, .size = size,
	};
	GPtrArray *places;
	enum symbolized how = symbolizer_resolve(sym, &frame, &places);

	assert_int_equal(places->len, 0);
	g_ptr_array_unref(places);
	return how;
}

static void test_what_cannot_be_resolved(void **state)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = open_all();
	g_autofree char *bare = g_build_filename(dir, "nodebug.o", NULL);
	g_autofree char *text = g_build_filename(dir, "a.c", NULL);
	guint64 size = symbol("outer")->size;
	g_autoptr(GError) error = NULL;

	assert_int_equal(outcome(sym, "outer", NULL, 1, size), SYMBOLIZED_NO_MODULE);
	assert_int_equal(outcome(sym, "outer", "other", 1, size), SYMBOLIZED_NO_MODULE);
	assert_int_equal(outcome(sym, "nowhere", "mod", 1, size), SYMBOLIZED_NO_FUNCTION);
	/* Another build of it: no guess. */
	assert_int_equal(outcome(sym, "outer", "mod", 1, size + 1000), SYMBOLIZED_NO_FUNCTION);
	assert_int_equal(outcome(sym, "outer", "mod", G_MAXUINT64, G_MAXUINT64), SYMBOLIZED_NO_FUNCTION);
	assert_int_equal(outcome(sym, "%n%s\033[2J../../x", "mod", 1, size), SYMBOLIZED_NO_FUNCTION);
	assert_true(symbolizer_add(sym, "bare", bare, NULL));
	assert_int_equal(outcome(sym, "outer", "bare", 1, size), SYMBOLIZED_NO_LINES);
	assert_false(symbolizer_add(sym, "text", text, &error));
	assert_non_null(error);
}

static void test_frames_as_printed(void **state)
{
	static const struct {
		const char *line, *function, *module;
		guint64 offset, size;
		gboolean exact, unsure;
	} good[] = {
		{ "RIP: 0010:fill_super+0x1f/0x340 [faultfs]", "fill_super", "faultfs", 0x1f, 0x340, TRUE, FALSE },
		{ " ? a.constprop.0+0x1/0x2 [m(OE)]", "a.constprop.0", "m", 1, 2, FALSE, TRUE },
		{ "[<0>] __x64_sys_mount+0x10a/0x150", "__x64_sys_mount", NULL, 0x10a, 0x150, FALSE, FALSE },
		{ "WARNING: CPU: 0 PID: 1 at fs/a.c:88 f+0x4/0x9", "f", NULL, 4, 9, FALSE, FALSE },
		{ "a+b+c+0x1/0x2 RIP:", "c", NULL, 1, 2, FALSE, FALSE },
		{ "f+0x1/0x2 [unterminated", "f", NULL, 1, 2, FALSE, FALSE },
	};
	static const char *const bad[] = {
		"", "+", "+0x1/0x2", "f+0x/0x2", "f+0x1/", "f+0x3/0x2", "0x1+0x1/0x2", "f+1/2",
		"f+0xffffffffffffffffff/0xffffffffffffffffff", "f +0x1/0x2",
	};
	g_autofree char *name = g_strnfill(300, 'a');
	g_autofree char *long_name = g_strconcat(name, "+0x1/0x2", NULL);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(good); i++) {
		VX_GUARD(stack_frame_free) struct stack_frame *frame = stack_frame_parse(good[i].line);

		assert_non_null(frame);
		assert_string_equal(frame->function, good[i].function);
		assert_int_equal(g_strcmp0(frame->module, good[i].module), 0);
		assert_int_equal(frame->offset, good[i].offset);
		assert_int_equal(frame->size, good[i].size);
		assert_int_equal(frame->exact, good[i].exact);
		assert_int_equal(frame->unsure, good[i].unsure);
	}
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_null(stack_frame_parse(bad[i]));
	assert_null(stack_frame_parse(long_name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_name_by_size),
		cmocka_unit_test(test_inlined),
		cmocka_unit_test(test_own_place),
		cmocka_unit_test(test_return_address),
		cmocka_unit_test(test_what_cannot_be_resolved),
		cmocka_unit_test(test_frames_as_printed),
	};

	return cmocka_run_group_tests(tests, compile, cleanup);
}
