// SPDX-License-Identifier: GPL-2.0
/* Programs by seed, and how they are made small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ddmin.h"
#include "oracle_run.h"

static char *text_of(const struct oracle_wish *wish)
{
	g_autoptr(GPtrArray) lines = oracle_generate(wish);

	g_ptr_array_add(lines, NULL);
	return g_strjoinv("\n", (char **)lines->pdata);
}

static void parses(const char *text)
{
	struct orc_list list;
	char why[256];

	if (orc_list_parse(text, strlen(text), &list, why, sizeof(why)))
		fail_msg("%s", why);
	assert_true(list.n > 0);
	orc_list_free(&list);
}

static void same_seed_same_program(void **state)
{
	enum oracle_profile profile;

	for (profile = 0; profile < ORACLE_PROFILES; profile++) {
		struct oracle_wish wish = { .seed = 5, .profile = profile, .operations = 400, .device_mib = 64,
					    .remount = TRUE, .caches = TRUE };
		g_autofree char *one = text_of(&wish), *two = text_of(&wish), *three = NULL;

		assert_string_equal(one, two);
		wish.seed = 6;
		three = text_of(&wish);
		assert_string_not_equal(one, three);
		parses(one);
		assert_non_null(strstr(one, "\nremount\n"));
		assert_non_null(strstr(one, "\ndrop-caches\ncompare\n"));
	}
}

static void directives_are_asked_for(void **state)
{
	struct oracle_wish wish = { .seed = 5, .operations = 50, .device_mib = 1, .power_cut = TRUE };
	g_autofree char *cut = text_of(&wish), *space = NULL;

	assert_true(g_str_has_suffix(cut, "\npower-cut"));
	assert_null(strstr(cut, "remount"));
	assert_null(strstr(cut, "drop-caches"));
	wish.power_cut = FALSE;
	wish.space = TRUE;
	space = text_of(&wish);
	assert_true(g_str_has_suffix(space, "\nspace"));
}

static void features_are_lists(void **state)
{
	const struct oracle_feature *f;

	for (f = oracle_features; f->name; f++)
		parses(f->program);
}

/* ---- ddmin ------------------------------------------------------------------------------------- */

struct bug {
	const char *needs;		/* letters, all of them, in this order */
	guint tests, fail_at;
};

static gboolean has_it(void *ctx, const GPtrArray *subset, gboolean *shows, GError **error)
{
	struct bug *bug = ctx;
	const char *at = bug->needs;
	guint i;

	if (++bug->tests == bug->fail_at) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no more");
		return FALSE;
	}
	for (i = 0; i < subset->len && *at; i++)
		at += *(const char *)subset->pdata[i] == *at;
	*shows = !*at;
	return TRUE;
}

static GPtrArray *letters(const char *text)
{
	GPtrArray *all = g_ptr_array_new();

	for (; *text; text++)
		g_ptr_array_add(all, (gpointer)text);
	return all;
}

static char *reduced(const char *text, struct bug *bug, guint tries, gboolean *ok)
{
	g_autoptr(GPtrArray) all = letters(text), small = NULL;
	GString *out = g_string_new(NULL);
	guint i;

	*ok = ddmin(all, has_it, bug, tries, 0, &small, NULL);
	for (i = 0; i < small->len; i++)
		g_string_append_c(out, *(const char *)small->pdata[i]);
	return g_string_free(out, FALSE);
}

static void smallest_is_found(void **state)
{
	static const char text[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
	static const char *const needs[] = { "a", "z", "ma", "cx", "zaz", "bdfhjlnp" };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(needs); i++) {
		struct bug bug = { .needs = needs[i] };
		gboolean ok;
		g_autofree char *small = reduced(text, &bug, 10000, &ok);

		assert_true(ok);
		assert_string_equal(small, needs[i]);
	}
}

static void tries_are_bounded(void **state)
{
	struct bug bug = { .needs = "bdf" };
	gboolean ok;
	g_autofree char *small = reduced("abcdefghijklmnopqrstuvwxyz", &bug, 5, &ok);

	assert_true(ok);
	assert_int_equal(bug.tests, 5);
	assert_true(strlen(small) < 26 && strpbrk(small, "b") && strpbrk(small, "d") && strpbrk(small, "f"));
}

static void what_was_found_survives_an_error(void **state)
{
	struct bug bug = { .needs = "bdf", .fail_at = 3 };
	gboolean ok;
	g_autofree char *small = reduced("abcdefghijklmnopqrstuvwxyz", &bug, 100, &ok);

	assert_false(ok);
	assert_true(strlen(small) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_program),
		cmocka_unit_test(directives_are_asked_for),
		cmocka_unit_test(features_are_lists),
		cmocka_unit_test(smallest_is_found),
		cmocka_unit_test(tries_are_bounded),
		cmocka_unit_test(what_was_found_survives_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
