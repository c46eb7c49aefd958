// SPDX-License-Identifier: GPL-2.0
/* Lock order: classes, circles; a guest's report; what the detector makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vexlab/locks.h>

#include "feed.h"
#include "locks.h"

/* ---- classes ---------------------------------------------------------------------------------- */

static void locks_of_a_site_are_of_a_class(void **state)
{
	const struct lockorder_pair pairs[] = {
		{ 0x10, 0x900 }, { 0x20, 0x900 }, { 0x20, 0x910 }, { 0x30, 0x910 }, { 0x40, 0x920 },
	};
	struct lockorder_classes *classes = lockorder_classes_create(pairs, 5);

	assert_int_equal(lockorder_class(classes, 0x10), lockorder_class(classes, 0x20));
	assert_int_equal(lockorder_class(classes, 0x10), lockorder_class(classes, 0x30));
	assert_int_not_equal(lockorder_class(classes, 0x10), lockorder_class(classes, 0x40));
	assert_int_equal(lockorder_class(classes, 0x50), 0);
	assert_int_not_equal(lockorder_class(classes, 0x40), 0);
	lockorder_classes_destroy(classes);
}

static void no_pairs_no_classes(void **state)
{
	struct lockorder_classes *classes = lockorder_classes_create(NULL, 0);

	assert_int_equal(lockorder_class(classes, 0x10), 0);
	lockorder_classes_destroy(classes);
	lockorder_classes_destroy(NULL);
}

/* ---- circles ------------------------------------------------------------------------------------ */

#define EDGE(a, b)	{ .outer = (a), .inner = (b), .outer_class = (uint32_t)(a), .inner_class = (uint32_t)(b), \
			  .writes_outer = true, .writes_inner = true }

struct told {
	unsigned int circles;
	size_t n;
	uint64_t first;
};

static void on_circle(void *ctx, const struct lockorder_edge *const *edges, size_t n)
{
	struct told *told = ctx;

	told->circles++;
	told->n = n;
	told->first = edges[0]->outer;
}

static struct told circles(const struct lockorder_edge *edges, size_t n)
{
	struct told told = { 0 };

	assert_true(lockorder_circles(edges, n, on_circle, &told));
	return told;
}

static void two_orders_are_one_circle(void **state)
{
	const struct lockorder_edge edges[] = { EDGE(2, 1), EDGE(1, 2), EDGE(1, 3) };
	const struct told told = circles(edges, 3);

	assert_int_equal(told.circles, 1);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.first, 1);
}

static void three_locks_make_a_circle(void **state)
{
	const struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 3), EDGE(3, 1) };
	const struct told told = circles(edges, 3);

	assert_int_equal(told.circles, 1);
	assert_int_equal(told.n, 3);
}

static void one_order_is_none(void **state)
{
	const struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 3), EDGE(1, 3) };

	assert_int_equal(circles(edges, 3).circles, 0);
}

/* Two directories, parent and child now this way and now that way round. */
static void locks_of_a_class_are_not_judged(void **state)
{
	struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 1) };

	edges[0].outer_class = edges[0].inner_class = edges[1].outer_class = edges[1].inner_class = 7;
	assert_int_equal(circles(edges, 2).circles, 0);
	assert_int_equal(lockorder_prune(edges, 2), 0);
}

/* 1 before 2, and 2 before another of 1's class before 1: never told of classes, only of locks. */
static void circle_with_a_class_twice_is_none(void **state)
{
	struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 3), EDGE(3, 1) };

	edges[1].inner_class = edges[2].outer_class = 1;
	assert_int_equal(circles(edges, 3).circles, 0);
}

static void other_locks_of_the_classes_are_none(void **state)
{
	struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(4, 3) };

	edges[1].outer_class = 2;
	edges[1].inner_class = 1;
	assert_int_equal(circles(edges, 2).circles, 0);
}

static void readers_do_not_wait_for_each_other(void **state)
{
	struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 1) };

	/* Lock 2 is only ever read. */
	edges[0].writes_inner = edges[1].writes_outer = false;
	assert_int_equal(circles(edges, 2).circles, 0);
	edges[1].writes_outer = true;
	assert_int_equal(circles(edges, 2).circles, 1);
}

static void below_one_lock_they_never_meet(void **state)
{
	struct lockorder_edge edges[] = { EDGE(1, 2), EDGE(2, 1) };

	edges[0].gate = edges[1].gate = 9;
	assert_int_equal(circles(edges, 2).circles, 0);
	edges[1].gate = 8;
	assert_int_equal(circles(edges, 2).circles, 1);
	edges[1].gate = 0;
	assert_int_equal(circles(edges, 2).circles, 1);
}

static void prune_leaves_circles_only(void **state)
{
	struct lockorder_edge edges[] = { EDGE(5, 1), EDGE(1, 2), EDGE(2, 3), EDGE(3, 2), EDGE(3, 4), EDGE(4, 6) };

	assert_int_equal(lockorder_prune(edges, 6), 2);
	assert_int_equal(edges[0].outer, 2);
	assert_int_equal(edges[1].outer, 3);
}

/* All orders of 20 locks: a great many circles, and an end all the same. */
static void search_is_bounded(void **state)
{
	struct lockorder_edge *edges = g_new0(struct lockorder_edge, 400);
	struct told told = { 0 };
	size_t n = 0;
	guint a, b;

	for (a = 1; a <= 20; a++)
		for (b = 1; b <= 20; b++)
			if (a != b)
				edges[n++] = (struct lockorder_edge)EDGE(a, b);
	assert_false(lockorder_circles(edges, n, on_circle, &told));
	assert_int_equal(told.circles, LOCKORDER_CIRCLES_MAX);
	g_free(edges);
}

/* ---- the report --------------------------------------------------------------------------------- */

#define COUNTS	"C 64 60 1 0 0 0 0 2\n"
#define SITE(id, function, module)	"S " #id " 1 16 2 300 200 96000 9000 0 0 0 0\nF " function "+0x11/0x40 [" module "]\n"
#define INVERSION(module)								\
	COUNTS SITE(3, "do_create", module) SITE(7, "do_create", module)		\
	SITE(9, "do_rename", module) SITE(12, "do_rename", module)			\
	"E 1 1 3 2 2 7 0 3 16 115\nG do_create+0x1d/0x40 [" module "]\nG vfs_create+0x1/0x2\n" \
	"E 2 2 9 1 1 12 0 3 4 116\nG do_rename+0x1d/0x40 [" module "]\n"

static void report_is_read(void **state)
{
	static const char text[] = INVERSION("vexfs") "H 3 115 2000000\nU 9 115 116\nX 5\n";
	VX_GUARD(lock_report_free) struct lock_report *report = lock_report_parse(text, strlen(text));
	const struct lock_order *order;

	assert_int_equal(report->bad_lines, 0);
	assert_int_equal(report->sites->len, 4);
	assert_int_equal(report->orders->len, 2);
	assert_int_equal(report->held->len, 2);
	assert_int_equal(report->left_out, 5);
	assert_int_equal(report->counts.missed, 2);
	order = g_ptr_array_index(report->orders, 0);
	assert_int_equal(order->stack.n, 2);
	assert_int_equal(order->count, 16);
	assert_true(order->edge.writes_inner);
	assert_string_equal(lock_kind_name(lock_report_site(report, 9)->kind), "mutex");
}

static void what_is_wrong_is_counted(void **state)
{
	static const char *const lines[] = {
		"S 1 1 1 1 1 1 1 1 1 1 1\n", "S 1 9 1 1 1 1 1 1 1 1 1 1\n", "S 99999 1 1 1 1 1 1 1 1 1 1 1\n",
		"F no_site+0x1/0x2\n", "G no_order+0x1/0x2\n", "E 1 1 3 2 2 7 0 3 16 115\n", "H 1 2 3\n", "U 1 2 0\n",
		"C 1 2 3\n", "C 1 2 3 4 5 6 7 -8\n", "Q 1\n", "X 99999999999999999999999\n", "\n",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		VX_GUARD(lock_report_free) struct lock_report *report = lock_report_parse(lines[i], strlen(lines[i]));

		if (report->bad_lines != 1)
			fail_msg("%s is taken", lines[i]);
	}
}

/* ---- the detector --------------------------------------------------------------------------------- */

static void answer(struct feed *f, const char *text)
{
	const struct vx_msg_step msg = { .id = 7 };
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	g_byte_array_append(bytes, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
	entry(f, VX_MSG_STEP, bytes->data, bytes->len);
}

static void inversion_is_told_once_with_both_stacks(void **state)
{
	struct feed f = feed_begin("locks", "locks");
	const struct finding *finding;
	gboolean create = FALSE, rename = FALSE;
	guint i;

	answer(&f, INVERSION("vexfs"));
	answer(&f, INVERSION("vexfs"));
	assert_int_equal(f.findings->len, 1);
	finding = feed_finding(&f, 0);
	assert_string_equal(finding->title, "lock order inversion: do_create against do_rename");
	assert_string_equal(finding->kind, "inversion");
	assert_int_equal(finding->class, FINDING_LOCKING);
	assert_int_equal(finding->blame, BLAME_MODULE);
	for (i = 0; i < finding->lines->len; i++) {
		create = create || strstr(g_ptr_array_index(finding->lines, i), "do_create+0x1d");
		rename = rename || strstr(g_ptr_array_index(finding->lines, i), "do_rename+0x1d");
	}
	assert_true(create && rename);
	assert_int_equal(detect_locks(f.detect)->reports, 2);
	feed_end(&f);
}

static void of_others_nothing_is_told(void **state)
{
	struct feed f = feed_begin("locks", "locks");

	answer(&f, INVERSION("ext9"));
	assert_int_equal(f.findings->len, 0);
	assert_int_equal(detect_locks(f.detect)->circles_of_others, 1);
	feed_end(&f);
}

static void another_step_is_no_report(void **state)
{
	struct feed f = feed_begin("read", "other");

	answer(&f, INVERSION("vexfs"));
	assert_int_equal(f.findings->len, 0);
	assert_int_equal(detect_locks(f.detect)->reports, 0);
	feed_end(&f);
}

static void begin(struct feed *f, enum vx_locks_source source)
{
	g_autofree char *step = g_strdup_printf("{\"id\": 7, \"cycle\": 3, \"name\": \"locks\", \"kind\": \"locks\", "
						"\"target\": true, \"num\": [%d, %d, 0, 0]}", VX_LOCKS_READ, source);

	say(f, VX_REC_STEP_BEGIN, step);
}

#define LONG(times)	COUNTS "S 5 1 16 0 0 0 96000 9000 0 " times " 51000000 1\nF do_fsync+0x11/0x40 [vexfs]\n" \
			"L do_fsync+0x31/0x40 [vexfs]\n"

static void long_holds_are_told_if_they_are_the_rule(void **state)
{
	struct feed f = feed_begin("locks", "locks");

	begin(&f, VX_LOCKS_WRAPPED);
	answer(&f, LONG("1"));
	answer(&f, LONG("3"));
	assert_int_equal(f.findings->len, 0);
	begin(&f, VX_LOCKS_PROBED);
	answer(&f, LONG("16"));
	assert_int_equal(f.findings->len, 0);
	begin(&f, VX_LOCKS_WRAPPED);
	answer(&f, LONG("4"));
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title, "do_fsync sleeps long with a lock held");
	assert_int_equal(feed_finding(&f, 0)->severity, SEV_MEDIUM);
	feed_end(&f);
}

static void kept_and_passed_on(void **state)
{
	struct feed f = feed_begin("locks", "locks");

	answer(&f, COUNTS SITE(3, "do_fsync", "vexfs") "H 3 115 2000000\nU 3 115 116\n");
	assert_int_equal(f.findings->len, 2);
	assert_string_equal(feed_finding(&f, 0)->title, "a lock that do_fsync takes is still held when the operation is over");
	assert_string_equal(feed_finding(&f, 1)->title, "a mutex that do_fsync takes is unlocked by another task");
	feed_end(&f);
}

static void figures_are_summed_by_function(void **state)
{
	struct feed f = feed_begin("locks", "locks");
	const struct lock_row *row;

	answer(&f, INVERSION("vexfs"));
	assert_int_equal(g_hash_table_size(detect_locks(f.detect)->rows), 2);
	row = g_hash_table_lookup(detect_locks(f.detect)->rows, "do_create 1");
	assert_non_null(row);
	assert_int_equal(row->taken, 32);
	assert_int_equal(row->sites, 2);
	assert_int_equal(row->wait_max_ns, 200);
	feed_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_of_a_site_are_of_a_class),
		cmocka_unit_test(no_pairs_no_classes),
		cmocka_unit_test(two_orders_are_one_circle),
		cmocka_unit_test(three_locks_make_a_circle),
		cmocka_unit_test(one_order_is_none),
		cmocka_unit_test(locks_of_a_class_are_not_judged),
		cmocka_unit_test(circle_with_a_class_twice_is_none),
		cmocka_unit_test(other_locks_of_the_classes_are_none),
		cmocka_unit_test(readers_do_not_wait_for_each_other),
		cmocka_unit_test(below_one_lock_they_never_meet),
		cmocka_unit_test(prune_leaves_circles_only),
		cmocka_unit_test(search_is_bounded),
		cmocka_unit_test(report_is_read),
		cmocka_unit_test(what_is_wrong_is_counted),
		cmocka_unit_test(inversion_is_told_once_with_both_stacks),
		cmocka_unit_test(of_others_nothing_is_told),
		cmocka_unit_test(another_step_is_no_report),
		cmocka_unit_test(long_holds_are_told_if_they_are_the_rule),
		cmocka_unit_test(kept_and_passed_on),
		cmocka_unit_test(figures_are_summed_by_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
