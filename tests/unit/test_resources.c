// SPDX-License-Identifier: GPL-2.0
/* Snapshots of resources, hostile ones too; growth told from noise and from warming up, over seeded series. */
#include <glib.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "resources.h"

#define SEEDS	1000

static struct resources *parse(const char *text)
{
	return resources_parse(text, strlen(text));
}

/* ---- parsing ---------------------------------------------------------------------------------------- */

static void lines_become_names_and_values(void **state)
{
	VX_GUARD(resources_free) struct resources *r = parse("slab.b 3\nslab.a 9007199254740992\n\nno_value\n"
							     "slab.c -1\nslab.d 9007199254740993\nslab.e 1 2\n"
							     "slab.b 4\n 7\nslab.last 5");

	assert_int_equal(r->n, 3);
	assert_string_equal(r->items[0].name, "slab.a");
	assert_true(resources_value(r, "slab.a") == G_GINT64_CONSTANT(1) << 53);
	assert_int_equal(resources_value(r, "slab.b"), 3);
	assert_int_equal(resources_value(r, "slab.last"), 5);
	assert_false(resources_has(r, "slab.c"));
	assert_int_equal(resources_value(r, "slab.c"), 0);
	assert_int_equal(r->bad_lines, 7);
}

static void hostile_text_is_bounded(void **state)
{
	g_autoptr(GString) many = g_string_new(NULL), longest = g_string_new(NULL);
	VX_GUARD(resources_free) struct resources *a = NULL, *b = NULL, *c = NULL, *d = resources_parse(NULL, 0);
	static const char bytes[] = "slab.a\0b 1\nslab.\x1b[31m 2\nslab.\xff 3\nslab.\t 4\nslab.ok 5\n";
	guint i;

	for (i = 0; i < 2 * RESOURCES_MAX; i++)
		g_string_append_printf(many, "slab.cache_%u %u\n", i, i);
	a = resources_parse(many->str, many->len);
	assert_int_equal(a->n, RESOURCES_MAX);
	assert_int_equal(a->left_out, RESOURCES_MAX);
	for (i = 0; i < RESOURCE_NAME_MAX; i++)
		g_string_append_c(longest, 'x');
	g_string_append(longest, " 1\n");
	g_string_append(longest, longest->str + 1);	/* one byte less: it fits */
	b = resources_parse(longest->str, longest->len);
	assert_int_equal(b->n, 1);
	assert_int_equal(b->bad_lines, 1);
	assert_false(resources_has(b, longest->str));
	c = resources_parse(bytes, sizeof(bytes) - 1);
	assert_int_equal(c->n, 1);
	assert_int_equal(c->bad_lines, 4);
	assert_int_equal(d->n, 0);
}

static void rubbish_is_survived(void **state)
{
	static const char alphabet[] = "ab.. 0019\n\n \xff";
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	guint round, i;

	for (round = 0; round < 2000; round++) {
		const guint len = (guint)g_rand_int_range(rand, 0, 200);
		g_autofree char *text = g_malloc(len + 1);	/* exactly: the sanitizer sees a byte too many */
		VX_GUARD(resources_free) struct resources *r = NULL;

		for (i = 0; i < len; i++)
			text[i] = alphabet[g_rand_int_range(rand, 0, sizeof(alphabet) - 1)];
		r = resources_parse(text, len);
		for (i = 1; i < r->n; i++)
			assert_true(strcmp(r->items[i - 1].name, r->items[i].name) < 0);
		for (i = 0; i < r->n; i++)
			assert_true(resources_value(r, r->items[i].name) == r->items[i].value);
	}
}

static void families_have_their_nature(void **state)
{
	assert_int_equal(resource_nature("refs.faultfs"), RESOURCE_EXACT);
	assert_int_equal(resource_nature("slab.kmalloc-64"), RESOURCE_GAUGE);
	assert_int_equal(resource_nature("slabs.kmalloc-64"), RESOURCE_IGNORED);
	assert_int_equal(resource_nature("pages.other"), RESOURCE_GAUGE);
	assert_int_equal(resource_nature("pages.free"), RESOURCE_IGNORED);
	assert_int_equal(resource_nature("totals.threads"), RESOURCE_GAUGE);
	assert_int_equal(resource_nature("totals.workers"), RESOURCE_IGNORED);
	assert_int_equal(resource_nature("vmalloc.load_module"), RESOURCE_GAUGE);
	assert_int_equal(resource_nature("vmalloc.unknown"), RESOURCE_EXACT);
	assert_int_equal(resource_nature(""), RESOURCE_IGNORED);
	assert_string_equal(resource_unit("memory.Percpu"), "kB");
	assert_string_equal(resource_verdict_name(RESOURCE_LEFT_BEHIND), "left-behind");
	assert_string_equal(resource_verdict_name(RESOURCE_VERDICTS), "?");
}

/* ---- before and after ------------------------------------------------------------------------------- */

static void say_left(const struct resource_judgement *j, gpointer user)
{
	assert_int_equal(j->verdict, RESOURCE_LEFT_BEHIND);
	g_string_append_printf(user, "%s %d>%d ", j->name, (int)j->first, (int)j->last);
}

static void what_is_more_than_before_was_left_behind(void **state)
{
	VX_GUARD(resources_free) struct resources *before = parse(
		"caches.inode_cache 1\nthreads.kswapd0 1\nrefs.loop 1\nslab.dentry 10\nmounts.tmpfs 2\n");
	VX_GUARD(resources_free) struct resources *after = parse(
		"caches.inode_cache 1\ncaches.left 1\nrefs.loop 3\nslab.dentry 5000\nmounts.tmpfs 1\nunknown.x 4\n");
	g_autoptr(GString) said = g_string_new(NULL);

	assert_int_equal(resources_compare(before, after, say_left, said), 2);
	assert_string_equal(said->str, "caches.left 0>1 refs.loop 1>3 ");
	assert_int_equal(resources_compare(after, after, NULL, NULL), 0);
}

/* ---- series by themselves --------------------------------------------------------------------------- */

static double gauss(GRand *rand)
{
	double sum = 0;
	int i;

	for (i = 0; i < 12; i++)
		sum += g_rand_double(rand);
	return sum - 6;
}

/* Noise as gauges have it: none of it grows. `at` is in 0..1, `memory` from one call to the next. */
static double white(GRand *rand, double at, double *memory)
{
	return 5 * gauss(rand);
}

/* Objects in slabs that are counted whole, as they are where nobody shrinks the cache. */
static double slabs(GRand *rand, double at, double *memory)
{
	return 21 * g_rand_int_range(rand, 0, 4) + (g_rand_double(rand) < .1 ? 1 : 0);
}

static double spikes(GRand *rand, double at, double *memory)
{
	return g_rand_double(rand) < .05 ? 500 * g_rand_double(rand) : 0;
}

static double remembering(GRand *rand, double at, double *memory)
{
	return *memory = .9 * *memory + 3 * gauss(rand);
}

static double wandering(GRand *rand, double at, double *memory)
{
	return *memory += gauss(rand);
}

static double rare_shifts(GRand *rand, double at, double *memory)
{
	if (g_rand_double(rand) < .03)
		*memory += 20 * (g_rand_double(rand) - .5);
	return *memory;
}

/* One shift upwards, somewhere, in noise. */
static double one_shift(GRand *rand, double at, double *memory)
{
	if (*memory == 0)
		*memory = .2 + .6 * g_rand_double(rand);
	return (at > *memory ? 20 : 0) + 4 * gauss(rand);
}

static double warming(GRand *rand, double at, double *memory)
{
	return 100 * (1 - exp(-at * 12)) + gauss(rand);
}

static double filling_a_pool(GRand *rand, double at, double *memory)
{
	return floor(MIN(at * 8, 1) * 64);
}

typedef double (*noise)(GRand *rand, double at, double *memory);

static struct resource_judgement judge(guint32 seed, noise noise, guint n, guint every, double per_cycle)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	guint64 cycles[RESOURCE_SAMPLES_MAX];
	gint64 values[RESOURCE_SAMPLES_MAX];
	double memory = 0;
	guint i;

	for (i = 0; i < n; i++) {
		cycles[i] = (guint64)(i + 1) * every;
		values[i] = 10000 + (gint64)floor((noise ? noise(rand, (double)i / n, &memory) : 0) +
						  floor(per_cycle * (double)cycles[i]));
	}
	return resource_judge(RESOURCE_GAUGE, cycles, values, n);
}

/* How many of the seeds are said to grow, over series of many lengths. */
static guint claims(noise noise)
{
	static const guint lengths[] = { 12, 20, 50, 120 };
	guint32 seed;
	guint n = 0;

	for (seed = 0; seed < SEEDS; seed++)
		n += judge(seed, noise, lengths[seed % G_N_ELEMENTS(lengths)], 1, 0).verdict == RESOURCE_GROWS;
	return n;
}

static void nothing_is_claimed_of_noise(void **state)
{
	static const struct { noise noise; const char *name; } kinds[] = {
		{ white, "white" }, { slabs, "slabs" }, { spikes, "spikes" }, { remembering, "remembering" },
		{ rare_shifts, "rare shifts" }, { one_shift, "one shift" }, { warming, "warming" },
		{ filling_a_pool, "filling a pool" },
	};
	guint k, n;

	for (k = 0; k < G_N_ELEMENTS(kinds); k++) {
		n = claims(kinds[k].noise);
		if (n)
			fail_msg("%s: %u of %u are said to grow", kinds[k].name, n, SEEDS);
	}
}

/* A sum of chances is the one noise that rises like a leak over any stretch of it: rarely, and then it is only suspected. */
static void what_wanders_is_seldom_claimed(void **state)
{
	assert_in_range(claims(wandering), 0, SEEDS / 200);
}

static void warm_up_has_its_name(void **state)
{
	guint32 seed;

	for (seed = 0; seed < 100; seed++) {
		assert_int_equal(judge(seed, warming, 60, 1, 0).verdict, RESOURCE_WARM_UP);
		assert_int_equal(judge(seed, filling_a_pool, 60, 1, 0).verdict, RESOURCE_WARM_UP);
	}
}

/* How many of `of` seeds are found, with a slope that is right. */
static guint found(noise noise, guint n, guint every, double per_cycle, guint of)
{
	guint32 seed;
	guint ret = 0;

	for (seed = 0; seed < of; seed++) {
		struct resource_judgement j = judge(seed, noise, n, every, per_cycle);

		if (j.verdict != RESOURCE_GROWS)
			continue;
		ret++;
		assert_true(j.p < RESOURCE_P);
		assert_true(j.per_cycle > .6 * per_cycle && j.per_cycle < 1.6 * per_cycle);
	}
	return ret;
}

static void planted_leaks_are_found(void **state)
{
	/* One object a cycle: alone, in noise, while something else warms up. */
	assert_int_equal(found(NULL, 18, 1, 1, 1), 1);
	assert_int_equal(found(white, 120, 1, 1, 100), 100);
	assert_int_equal(found(warming, 120, 1, 1, 100), 100);
	/* One in 100: each cycle looked at, each tenth, each fiftieth. */
	assert_int_equal(found(NULL, 512, 2, .01, 1), 1);
	assert_int_equal(found(NULL, 100, 10, .01, 1), 1);
	assert_int_equal(found(NULL, 26, 50, .01, 1), 1);
	assert_int_equal(found(white, 100, 100, .01, 20), 20);
	/* And large ones. */
	assert_int_equal(found(slabs, 60, 1, 256, 100), 100);
}

/* References to a module, as a hunt saw them: errors between the cycles bend the line. */
static void exact_counts_need_no_line(void **state)
{
	static const gint64 values[] = {
		1, 2, 3, 5, 9, 11, 14, 18, 20, 23, 28, 33, 38, 43, 44, 45, 46, 48, 52, 54, 58, 62, 64, 67, 72, 77
	};
	static const guint64 cycles[G_N_ELEMENTS(values)] = {
		1, 2, 3, 5, 11, 15, 19, 23, 25, 28, 33, 38, 43, 48, 49, 50, 51, 53, 59, 63, 67, 71, 73, 76, 81, 86
	};
	gint64 other[G_N_ELEMENTS(values)];
	guint i;

	assert_int_equal(resource_judge(RESOURCE_EXACT, cycles, values, G_N_ELEMENTS(values)).verdict, RESOURCE_GROWS);
	/* What rises at each of 25 looks does so as a gauge, too; once down, it needs to be a line; a pool comes to rest. */
	assert_int_equal(resource_judge(RESOURCE_GAUGE, cycles, values, G_N_ELEMENTS(values)).verdict, RESOURCE_GROWS);
	assert_int_equal(resource_judge(RESOURCE_GAUGE, cycles, values, 20).verdict, RESOURCE_WARM_UP);
	for (i = 0; i < G_N_ELEMENTS(values); i++)
		other[i] = values[i] - 6 * (i == 17);
	assert_int_not_equal(resource_judge(RESOURCE_EXACT, cycles, other, G_N_ELEMENTS(values)).verdict, RESOURCE_GROWS);
	for (i = 0; i < G_N_ELEMENTS(values); i++)
		other[i] = MIN(values[i], 48);
	assert_int_equal(resource_judge(RESOURCE_EXACT, cycles, other, G_N_ELEMENTS(values)).verdict, RESOURCE_WARM_UP);
}

static void few_samples_say_nothing(void **state)
{
	struct resource_judgement j = judge(1, NULL, RESOURCE_SAMPLES_MIN - 1, 1, 1);

	assert_int_equal(j.verdict, RESOURCE_NOISE);
	assert_true(j.p == 1);
	j = judge(1, NULL, 1, 1, 1);
	assert_int_equal(j.verdict, RESOURCE_UNCHANGED);
	j = resource_judge(RESOURCE_GAUGE, NULL, NULL, 0);
	assert_int_equal(j.samples, 0);
}

/* ---- series of snapshots ------------------------------------------------------------------------------ */

static void say_judged(const struct resource_judgement *j, gpointer user)
{
	g_string_append_printf(user, "%s=%s ", j->name, resource_verdict_name(j->verdict));
}

static void fill_series(struct resource_series *series, guint n)
{
	guint i;

	for (i = 1; i <= n; i++) {
		g_autofree char *text = g_strdup_printf("slab.leaks %u\nslab.same 7\nslab.pool %u\npages.free %u\n"
							"%s", i, MIN(i, 5), 99999 - i, i > 3 ? "caches.own 1\n" : "");
		VX_GUARD(resources_free) struct resources *r = parse(text);

		assert_true(resource_series_add(series, i, r));
		assert_false(resource_series_add(series, i, r));
	}
}

static void series_are_judged_by_name(void **state)
{
	VX_GUARD(resource_series_free) struct resource_series *series = resource_series_new();
	g_autoptr(GString) said = g_string_new(NULL);

	assert_int_equal(resource_series_judge(series, NULL, NULL), 0);
	fill_series(series, 30);
	assert_int_equal(resource_series_samples(series), 30);
	assert_int_equal(resource_series_judge(series, say_judged, said), 1);
	assert_string_equal(said->str, "caches.own=warm-up slab.leaks=grows slab.pool=warm-up slab.same=unchanged ");
}

static void expect_whole_span(const struct resource_judgement *j, gpointer user)
{
	if (strcmp(j->name, "slab.leaks"))
		return;
	assert_true(j->first == 1);
	assert_true(j->last > 2900);
	assert_true(fabs(j->per_cycle - 1) < 1e-9);
}

static void long_series_are_thinned_out(void **state)
{
	VX_GUARD(resource_series_free) struct resource_series *series = resource_series_new();

	fill_series(series, 3000);
	assert_in_range(resource_series_samples(series), RESOURCE_SAMPLES_MAX / 2, RESOURCE_SAMPLES_MAX);
	assert_int_equal(resource_series_judge(series, expect_whole_span, NULL), 1);
}

/* A guest that makes up names: memory is bounded, and nothing is said of those beyond. */
static void made_up_names_are_bounded(void **state)
{
	VX_GUARD(resource_series_free) struct resource_series *series = resource_series_new();
	guint i, k;

	for (i = 0; i < 4; i++) {
		g_autoptr(GString) text = g_string_new(NULL);
		VX_GUARD(resources_free) struct resources *r = NULL;

		for (k = 0; k < 1000; k++)
			g_string_append_printf(text, "slab.c%u_%u 1\n", i, k);
		r = resources_parse(text->str, text->len);
		assert_true(resource_series_add(series, i, r));
	}
	assert_int_equal(resource_series_judge(series, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_names_and_values),
		cmocka_unit_test(hostile_text_is_bounded),
		cmocka_unit_test(rubbish_is_survived),
		cmocka_unit_test(families_have_their_nature),
		cmocka_unit_test(what_is_more_than_before_was_left_behind),
		cmocka_unit_test(nothing_is_claimed_of_noise),
		cmocka_unit_test(what_wanders_is_seldom_claimed),
		cmocka_unit_test(warm_up_has_its_name),
		cmocka_unit_test(planted_leaks_are_found),
		cmocka_unit_test(exact_counts_need_no_line),
		cmocka_unit_test(few_samples_say_nothing),
		cmocka_unit_test(series_are_judged_by_name),
		cmocka_unit_test(long_series_are_thinned_out),
		cmocka_unit_test(made_up_names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
