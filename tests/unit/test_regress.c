// SPDX-License-Identifier: GPL-2.0
/* Slower or not: false alarms and power on made-up runs, and what is said where nothing can be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "detect.h"
#include "feed.h"
#include "noise.h"
#include "stats.h"

#define PAIRS	200u
#define CYCLES	30u

static guint count(const struct noise *noise, guint n, guint runs, double planted, guint bits)
{
	struct noise_source s = noise_begin(noise, 11);
	guint seen = 0, i;

	for (i = 0; i < n; i++)
		seen += (noise_compare(&s, &regress_defaults, runs, CYCLES, planted) & bits) != 0;
	noise_end(&s);
	return seen;
}

/* 200 comparisons of identical runs on each kind of machine: at most 1 % of them all may be called slower, and of none 2 %. */
static void identical_runs_are_not_told_apart(void **state)
{
	guint all = 0, i;

	for (i = 0; i < G_N_ELEMENTS(noises); i++) {
		const guint wrong = count(&noises[i], PAIRS, 8, 0, 3);

		print_message("%s: %u of %u identical runs called slower\n", noises[i].name, wrong, PAIRS);
		assert_true(wrong <= PAIRS / 50);
		all += wrong;
	}
	assert_true(all <= G_N_ELEMENTS(noises) * PAIRS / 100);
}

static void what_is_planted_is_found(void **state)
{
	static const struct {
		guint noise;
		double planted;
		guint least;	/* of 50 */
	} cases[] = { { 0, .20, 50 }, { 0, 1.0, 50 }, { 1, .50, 48 }, { 1, 1.0, 50 }, { 2, 1.0, 45 } };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		const guint seen = count(&noises[cases[i].noise], 50, 10, cases[i].planted, 1);

		print_message("%s, %+.0f %%: found %u of 50\n", noises[cases[i].noise].name, 100 * cases[i].planted, seen);
		assert_true(seen >= cases[i].least);
	}
}

/* The whole is slower by a third, and all of it is waiting for the disk: `own` has not moved. With `own`, it is the module's. */
static void a_busy_disk_is_no_regression(void **state)
{
	static const char *const names[] = { "mount.total", "mount.own" };
	guint moved, m, r;

	for (moved = 0; moved < 2; moved++) {
		struct noise_source s = noise_begin(&noises[0], 21);
		g_autoptr(GPtrArray) metrics = g_ptr_array_new_with_free_func(noise_free_metric);
		g_autoptr(GArray) inputs = g_array_new(FALSE, FALSE, sizeof(struct regress_input));

		for (m = 0; m < 2; m++) {
			const double factor = !m || moved ? 1.33 : 1;
			struct regress_input in = {
				.name = names[m], .here = noise_metric(&s, 0, CYCLES, CYCLES, factor),
				.there = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref),
			};

			for (r = 0; r < 10; r++)
				g_ptr_array_add(in.there, noise_metric(&s, 0, CYCLES, CYCLES, 1));
			g_array_append_val(inputs, in);
		}
		regress_judge(&regress_defaults, inputs, metrics);
		for (m = 0; m < 2; m++) {
			const struct regress_input *in = &g_array_index(inputs, struct regress_input, m);
			const struct regress_metric *metric = g_ptr_array_index(metrics, m);

			assert_int_equal(metric->outcome, moved ? REGRESS_SLOWER : REGRESS_NO_EVIDENCE);
			g_array_unref((GArray *)in->here);
			g_ptr_array_unref(in->there);
		}
		noise_end(&s);
	}
}

/* ---- through a history ------------------------------------------------------------------------ */

static struct hist_run *make(guint n, double factor, const char *sha)
{
	struct noise_source s = noise_begin(&noises[0], n + 1);
	g_autoptr(GPtrArray) values = noise_run(&s, CYCLES, factor - 1);
	struct hist_run *run = hist_run_new();
	struct hist_metric *metric = hist_metric_add(run, "mount.total");

	noise_end(&s);
	run->uid = g_strdup_printf("%032x", n);
	run->name = g_strdup_printf("run-%u", n);
	run->directory = g_strdup("");
	run->begin_ns = n + 1;
	run->complete = TRUE;
	json_object_set_new(run->env, "target", json_string("vexfs"));
	json_object_set_new(run->env, "scenario", json_string("mount-cycles"));
	json_object_set_new(run->env, "module_sha256", json_string(sha));
	metric->count = CYCLES;
	metric->samples = g_array_ref(g_ptr_array_index(values, 0));
	return run;
}

static struct history *earlier(guint n)
{
	struct history *h = history_open(":memory:", HISTORY_WRITE, NULL, NULL);
	guint i;

	assert_non_null(h);
	for (i = 0; i < n; i++) {
		VX_GUARD(hist_run_free) struct hist_run *run = make(i, 1, "old");
		gboolean added;

		assert_true(history_add(h, run, &added, NULL));
	}
	return h;
}

static const struct regress_metric *only(const struct regress *r)
{
	assert_null(r->why);
	assert_int_equal(r->metrics->len, 1);
	return g_ptr_array_index(r->metrics, 0);
}

static void too_few_runs_are_no_evidence(void **state)
{
	VX_GUARD(hist_run_free) struct hist_run *slow = make(100, 3, "new"), *first = make(0, 1, "old");
	VX_GUARD(history_close) struct history *few = earlier(2);
	VX_GUARD(regress_free) struct regress *r = regress_run(few, slow, NULL, &regress_defaults, NULL);
	VX_GUARD(regress_free) struct regress *pair = NULL;
	gboolean added;

	assert_non_null(strstr(r->why, "2 comparable runs before it, 5 are needed"));
	assert_int_equal(regress_count(r, REGRESS_SLOWER), 0);
	/* Two runs alone, however far apart. */
	assert_true(history_add(few, slow, &added, NULL));
	first->id = 1;
	pair = regress_pair(few, first, slow, NULL, &regress_defaults, NULL);
	assert_non_null(strstr(pair->why, "no evidence"));
}

static void slower_by_a_fifth(void **state)
{
	VX_GUARD(hist_run_free) struct hist_run *slow = make(100, 1.2, "new"), *same = make(101, 1.2, "old"), *quick = make(102, .8, "new");
	VX_GUARD(history_close) struct history *h = earlier(8);
	VX_GUARD(regress_free) struct regress *a = regress_run(h, slow, NULL, &regress_defaults, NULL);
	VX_GUARD(regress_free) struct regress *b = regress_run(h, same, NULL, &regress_defaults, NULL);
	VX_GUARD(regress_free) struct regress *c = regress_run(h, quick, NULL, &regress_defaults, NULL);

	assert_int_equal(only(a)->outcome, REGRESS_SLOWER);
	assert_true(only(a)->level_low < .2 && only(a)->level_high > .2);
	assert_true(only(a)->delta > .9);
	assert_false(a->same_code);
	/* It is as slow, but the very same module was faster before. */
	assert_int_equal(only(b)->outcome, REGRESS_SLOWER);
	assert_true(b->same_code);
	assert_int_equal(only(c)->outcome, REGRESS_FASTER);
}

/* From the comparison to a finding, by way of the record. */
static guint findings_of(const struct regress *r, struct feed *f)
{
	json_t *json = regress_json(r);
	char *text;

	json_object_set_new(json, "event", json_string("compared"));
	text = json_dumps(json, 0);
	*f = feed_begin("umount", "umount");
	say(f, VX_REC_VM, text);
	free(text);
	json_decref(json);
	return f->findings->len;
}

static void it_becomes_a_finding(void **state)
{
	VX_GUARD(hist_run_free) struct hist_run *slow = make(100, 2.5, "new"), *same = make(101, 1.4, "old"), *fine = make(102, 1, "new");
	VX_GUARD(history_close) struct history *h = earlier(8);
	VX_GUARD(regress_free) struct regress *a = regress_run(h, slow, NULL, &regress_defaults, NULL);
	VX_GUARD(regress_free) struct regress *b = regress_run(h, same, NULL, &regress_defaults, NULL);
	VX_GUARD(regress_free) struct regress *c = regress_run(h, fine, NULL, &regress_defaults, NULL);
	struct feed f;

	assert_int_equal(findings_of(a, &f), 1);
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_REGRESSION);
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_HIGH);
	assert_int_equal(feed_finding(&f, 0)->blame, BLAME_MODULE);
	assert_string_equal(feed_finding(&f, 0)->title, "mount is slower than in earlier runs");
	feed_end(&f);
	assert_int_equal(findings_of(b, &f), 1);
	assert_int_equal(feed_finding(&f, 0)->blame, BLAME_ENVIRONMENT);
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_MEDIUM);
	feed_end(&f);
	assert_int_equal(findings_of(c, &f), 0);
	feed_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identical_runs_are_not_told_apart),
		cmocka_unit_test(what_is_planted_is_found),
		cmocka_unit_test(a_busy_disk_is_no_regression),
		cmocka_unit_test(too_few_runs_are_no_evidence),
		cmocka_unit_test(slower_by_a_fifth),
		cmocka_unit_test(it_becomes_a_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
