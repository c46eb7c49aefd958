// SPDX-License-Identifier: GPL-2.0
/*
 * The console detector against a corpus of real console logs with known verdicts,
 * which is not part of this project. Where: $VEXLAB_CORPUS, else ../shared/corpus
 * beside the repository; below it console/N. Format: lines "KEY: value", an empty
 * line, the log, maybe a line "REPORT:" and what is not ours. Each log's first
 * crash event counts.
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "oops.h"

#define RATE_MIN	95.0	/* percent of titles and classes */
#define CHUNK		61	/* odd, so that nothing is aligned */

struct expected {
	char *title;
	GPtrArray *alt;
	char *type, *start;
	char *function;
	gboolean corrupted, panicked;
};

struct seen {
	guint events;
	enum oops_class class;
	char *title;
	char *function;
	gboolean corrupted, panicked;
	guint64 start;
};

struct tally {
	guint logs, crashes, missed, false_alarms, titled, title_ok, typed, type_ok, placed, place_ok;
	guint corrupted_ok, panicked_ok, blamed, blame_ok;
};

/* Which of our classes agree with a type of the corpus. */
static const struct {
	const char *type;
	guint64 classes;
} types[] = {
#define C(class) ((guint64)1 << OOPS_##class)
	{ "HANG", C(HUNG_TASK) | C(SOFT_LOCKUP) | C(HARD_LOCKUP) | C(RCU_STALL) },
	{ "WARNING", C(WARNING) | C(LIST) | C(SLAB_LEFT) },
	{ "LOCKDEP", C(LOCKDEP) },
	{ "DoS", C(PANIC) | C(DIE) | C(PROTECTION) | C(DOUBLE_FAULT) | C(STACK) | C(REFCOUNT) |
		 C(MEMORY) | C(BUSY_INODES) | C(HARD_LOCKUP) | C(PROGRAM) | C(BUG) },
	{ "KASAN", C(KASAN) },
	{ "KMSAN", C(KMSAN) },
	{ "KCSAN", C(KCSAN) },
	{ "KFENCE", C(KFENCE) },
	{ "UBSAN", C(UBSAN) },
	{ "MEMORY_SAFETY_UBSAN", C(UBSAN) },
	{ "MEMORY_SAFETY_BUG", C(PAGING) | C(LIST) },
	{ "NULL-POINTER-DEREFERENCE", C(NULL) },
	{ "REFCOUNT_WARNING", C(REFCOUNT) },
	{ "BUG", C(BUG) },
	{ "ATOMIC_SLEEP", C(ATOMIC_SLEEP) },
	{ "LEAK", C(LEAK) },
	{ "SYZ_FAILURE", C(PROGRAM) },
	{ "REBOOT", C(REBOOT) },
#undef C
};

static gboolean class_agrees(enum oops_class class, const char *type)
{
	guint i;

	/* KASAN-USE-AFTER-FREE-READ and its like are told apart by the title. */
	for (i = 0; i < G_N_ELEMENTS(types); i++) {
		gsize len = strlen(types[i].type);

		if (!strncmp(type, types[i].type, len) && (!type[len] || type[0] == 'K') &&
		    (types[i].classes >> class & 1))
			return TRUE;
	}
	return FALSE;
}

static void on_event(void *ctx, const struct oops_event *event)
{
	struct seen *seen = ctx;

	if (g_getenv("VEXLAB_CORPUS_EVENTS"))
		printf("    %s%s%s%s \"%s\" at %" G_GUINT64_FORMAT ", %u folded\n",
		       oops_class_name(event->class), event->crash ? "" : " (incident)",
		       event->panicked ? " panicked" : "", event->follows ? " follows" : "",
		       event->title, event->start, event->folded);
	if (!event->crash || event->noise || seen->events++)
		return;
	seen->class = event->class;
	seen->title = g_strdup(event->title);
	seen->function = g_strdup(event->function);
	seen->corrupted = event->corrupted;
	seen->panicked = event->panicked;
	seen->start = event->start;
}

static void expected_clear(struct expected *exp)
{
	g_free(exp->title);
	g_free(exp->type);
	g_free(exp->start);
	g_free(exp->function);
	g_clear_pointer(&exp->alt, g_ptr_array_unref);
}

static void one_header(struct expected *exp, const char *line)
{
	const char *value = strstr(line, ": ");

	if (!value)
		return;
	value += 2;
	if (g_str_has_prefix(line, "TITLE: "))
		exp->title = g_strdup(value);
	else if (g_str_has_prefix(line, "ALT: "))
		g_ptr_array_add(exp->alt, g_strdup(value));
	else if (g_str_has_prefix(line, "TYPE: "))
		exp->type = g_strdup(value);
	else if (g_str_has_prefix(line, "START: "))
		exp->start = g_strdup(value);
	else if (g_str_has_prefix(line, "FRAME: "))
		exp->function = g_strdup(value);
	else if (g_str_has_prefix(line, "CORRUPTED: "))
		exp->corrupted = *value == 'Y';
	else if (g_str_has_prefix(line, "PANICKED: "))
		exp->panicked = *value == 'Y';
}

/* Returns the log, within `text`; `len` becomes its length. */
static const char *split(struct expected *exp, const char *text, gsize *len)
{
	const char *end = text + *len, *p = text, *report;

	exp->alt = g_ptr_array_new_with_free_func(g_free);
	while (p < end && *p != '\n') {
		const char *nl = memchr(p, '\n', (gsize)(end - p)) ?: end;
		g_autofree char *line = g_strndup(p, (gsize)(nl - p));

		one_header(exp, line);
		p = MIN(nl + 1, end);
	}
	if (p < end)
		p++;
	report = p < end ? memmem(p, (gsize)(end - p), "\nREPORT:", 8) : NULL;
	if (!strncmp(p, "REPORT:", 7))
		report = p;
	*len = (gsize)((report ? report + 1 : end) - p);
	return p;
}

static gboolean title_agrees(const struct expected *exp, const char *title)
{
	guint i;

	if (!strcmp(exp->title, title))
		return TRUE;
	for (i = 0; i < exp->alt->len; i++)
		if (!strcmp(g_ptr_array_index(exp->alt, i), title))
			return TRUE;
	return FALSE;
}

static void complain(const char *name, const char *what, const char *want, const char *got)
{
	printf("  %-6s %s: wanted \"%s\", got \"%s\"\n", name, what, want ?: "", got ?: "");
}

static void judge_crash(struct tally *t, const char *name, const struct expected *exp,
			const struct seen *seen, const char *log, gsize len)
{
	t->titled++;
	if (title_agrees(exp, seen->title))
		t->title_ok++;
	else
		complain(name, "title", exp->title, seen->title);
	if (exp->type) {
		t->typed++;
		if (class_agrees(seen->class, exp->type))
			t->type_ok++;
		else
			complain(name, "class", exp->type, oops_class_name(seen->class));
	}
	if (exp->start) {
		gsize n = strlen(exp->start);

		t->placed++;
		t->place_ok += seen->start + n <= len && !memcmp(log + seen->start, exp->start, n);
	}
	if (exp->function) {
		t->blamed++;
		t->blame_ok += !strcmp(exp->function, seen->function);
	}
	t->corrupted_ok += seen->corrupted == exp->corrupted;
	t->panicked_ok += seen->panicked == exp->panicked;
	if (g_getenv("VEXLAB_CORPUS_VERBOSE") && seen->corrupted != exp->corrupted)
		complain(name, "corrupted", exp->corrupted ? "yes" : "no", exp->title);
	if (g_getenv("VEXLAB_CORPUS_VERBOSE") && seen->panicked != exp->panicked)
		complain(name, "panicked", exp->panicked ? "yes" : "no", exp->title);
}

static void one_log(struct tally *t, const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	struct seen seen = { 0 };
	const struct oops_options options = { .emit = on_event, .ctx = &seen };
	struct oops_stream *stream = oops_new(&options);
	g_autofree char *text = NULL;
	struct expected exp = { 0 };
	const char *log;
	gsize len, at;

	assert_true(g_file_get_contents(path, &text, &len, NULL));
	log = split(&exp, text, &len);
	if (g_getenv("VEXLAB_CORPUS_EVENTS"))
		printf("  %s: %s\n", name, exp.title ?: "no crash");
	for (at = 0; at < len; at += CHUNK)
		oops_feed(stream, log + at, MIN(CHUNK, len - at));
	oops_finish(stream);
	oops_free(stream);

	t->logs++;
	if (exp.title && exp.title[0]) {
		t->crashes++;
		if (!seen.events) {
			t->missed++;
			complain(name, "missed", exp.title, "");
		} else {
			judge_crash(t, name, &exp, &seen, log, len);
		}
	} else if (seen.events) {
		t->false_alarms++;
		complain(name, "false alarm", "", seen.title);
	}
	g_free(seen.title);
	g_free(seen.function);
	expected_clear(&exp);
}

static double percent(guint good, guint all)
{
	return all ? 100.0 * good / all : 100.0;
}

static void print_tally(const struct tally *t)
{
	printf("corpus: %u logs, %u with a crash: %u missed; %u false alarms\n", t->logs, t->crashes,
	       t->missed, t->false_alarms);
	printf("corpus: titles %.2f %% (%u of %u), classes %.2f %% (%u of %u), first line %u of %u\n",
	       percent(t->title_ok, t->titled), t->title_ok, t->titled,
	       percent(t->type_ok, t->typed), t->type_ok, t->typed, t->place_ok, t->placed);
	printf("corpus: corrupted told %.2f %%, panic told %.2f %%, function %u of %u\n",
	       percent(t->corrupted_ok, t->titled), percent(t->panicked_ok, t->titled),
	       t->blame_ok, t->blamed);
}

static char *corpus_dir(void)
{
	const char *given = g_getenv("VEXLAB_CORPUS");
	g_autofree char *beside = g_build_filename(VX_TREE, "..", "shared", "corpus", NULL);

	return g_build_filename(given ?: beside, "console", NULL);
}

static void test_corpus(void **state)
{
	g_autofree char *path = corpus_dir();
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	struct tally t = { 0 };
	const char *name;

	if (!dir) {
		printf("SKIPPED: NO CORPUS OF CONSOLE LOGS at %s (VEXLAB_CORPUS names another place)\n",
		       path);
		g_free(g_steal_pointer(&path));		/* skip() jumps out */
		skip();
	}
	while ((name = g_dir_read_name(dir)))
		one_log(&t, path, name);
	print_tally(&t);
	assert_int_not_equal(t.logs, 0);
	assert_int_equal(t.missed, 0);
	assert_int_equal(t.false_alarms, 0);
	assert_int_equal(t.place_ok, t.placed);
	assert_true(percent(t.title_ok, t.titled) >= RATE_MIN);
	assert_true(percent(t.type_ok, t.typed) >= RATE_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
