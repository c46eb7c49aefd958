// SPDX-License-Identifier: GPL-2.0
/* Injected failures: which are planned, what the guest says of them, and what is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "feed.h"
#include "inject.h"
#include "inject_plan.h"
#include "injected.h"
#include "wire.h"

#define HIT	"injected: counts=12,3,0,0 hits=1 took=1 missing=0 kind=1 sector=0 bytes=64 in=__kmalloc site=vexfs_fill+0x12/0x34 [vexfs]\n"
#define VAIN	"injected: counts=12,3,0,0 hits=1 took=0 missing=0 kind=1 sector=0 bytes=64 in=__kmalloc site=vexfs_fill+0x12/0x34 [vexfs]\n"

/* ---- the plan ------------------------------------------------------------------------------- */

static void all_of_few(void **state)
{
	g_autoptr(GArray) plan = inject_plan(5, 24, 1);
	guint i;

	assert_int_equal(plan->len, 5);
	for (i = 0; i < plan->len; i++)
		assert_int_equal(g_array_index(plan, guint64, i), i + 1);
}

/* Ascending, each once, from one end to the other; the same of the same seed, others of another. */
static void some_of_many(void **state)
{
	const guint64 counts[] = { 25, 1000, G_MAXUINT64 };
	guint c, i;

	for (c = 0; c < G_N_ELEMENTS(counts); c++) {
		g_autoptr(GArray) plan = inject_plan(counts[c], 24, 7), same = inject_plan(counts[c], 24, 7);
		g_autoptr(GArray) other = inject_plan(counts[c], 24, 8);

		assert_int_equal(plan->len, 24);
		assert_int_equal(g_array_index(plan, guint64, 0), 1);
		assert_true(g_array_index(plan, guint64, 23) == counts[c]);
		for (i = 1; i < plan->len; i++)
			assert_true(g_array_index(plan, guint64, i) > g_array_index(plan, guint64, i - 1));
		assert_memory_equal(plan->data, same->data, plan->len * sizeof(guint64));
		assert_true(c == 0 || memcmp(plan->data, other->data, plan->len * sizeof(guint64)));
	}
}

static void none_of_none(void **state)
{
	g_autoptr(GArray) none = inject_plan(0, 24, 1), one = inject_plan(100, 1, 1);

	assert_int_equal(none->len, 0);
	assert_int_equal(one->len, 1);
	assert_int_equal(g_array_index(one, guint64, 0), 1);
}

/* ---- what the guest says --------------------------------------------------------------------- */

static void line_is_read(void **state)
{
	struct vx_injected done;
	char line[VX_INJECTED_LINE_MAX];

	assert_true(vx_injected_parse("open: no\n" HIT, &done));
	assert_int_equal(done.counts[0], 12);
	assert_int_equal(done.counts[1], 3);
	assert_true(done.took);
	assert_string_equal(done.function, "__kmalloc");
	assert_string_equal(done.site, "vexfs_fill+0x12/0x34 [vexfs]");
	vx_injected_print(&done, line, sizeof(line));
	assert_memory_equal(line, HIT, strlen(line));
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "injected: ", "injected: counts=1,2,3 hits=1", "x injected: counts=1,2,3,4 hits=1 took=1",
		"injected: counts=1,2,3,4 hits=2 took=1 missing=0 kind=1 sector=0 bytes=0 in=a site=b",
		"injected: counts=-1,2,3,4 hits=1 took=1 missing=0 kind=1 sector=0 bytes=0 in=a site=b",
		"injected: counts=1,2,3,4 hits=1 took=1 missing=0 kind=1 sector=0 bytes=0 in=a\x1b site=b",
	};
	struct vx_injected done;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_false(vx_injected_parse(bad[i], &done));
}

/* ---- what is made of it ----------------------------------------------------------------------- */

static void begin(struct feed *f, int id, const char *kind, const char *name, const char *inner, int what, int nth)
{
	g_autofree char *json = g_strdup_printf(
		"{\"id\": %d, \"cycle\": 3, \"name\": \"%s\", \"kind\": \"%s\", \"target\": true, \"may_fail\": true, "
		"\"way\": \"mount\", \"strings\": [\"%s\"], \"num\": [%d, %d, 0, 0]}", id, name, kind, inner, what, nth);

	say(f, VX_REC_STEP_BEGIN, json);
}

static void ends(struct feed *f, int id, int err, gint64 value, const char *text)
{
	const struct vx_msg_step msg = { .id = (guint64)id, .err = err, .value = value };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	entry(f, VX_MSG_STEP, payload->data, payload->len);
}

/* To fail is right; and when nothing was injected, it is not this detector's matter what follows. */
static void failing_is_right(void **state)
{
	struct feed f = feed_begin("x", "other");

	begin(&f, 8, "inject", "mount, an allocation fails", "mount", VX_INJECT_ALLOC, 3);
	ends(&f, 8, -ENOMEM, 0, HIT);
	begin(&f, 9, "inject-check", "mount again", "mount", 0, 0);
	ends(&f, 9, 0, 0, "");
	begin(&f, 10, "inject", "mount, an allocation fails", "mount", VX_INJECT_ALLOC, 4);
	ends(&f, 10, -ENOMEM, 0, VAIN);
	begin(&f, 11, "inject-check", "mount again", "mount", 0, 0);
	ends(&f, 11, -EIO, 0, "");
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

static void unusable_is_found_once(void **state)
{
	struct feed f = feed_begin("x", "other");
	guint i;

	for (i = 0; i < 2; i++) {
		begin(&f, 8, "inject", "mount, an allocation fails", "mount", VX_INJECT_ALLOC, 3);
		ends(&f, 8, -ENOMEM, 0, HIT);
		begin(&f, 9, "inject-check", "mount again", "mount", 0, 0);
		ends(&f, 9, -EIO, 0, "");
	}
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title,
			    "mount again fails after mount in which an allocation failed: Input/output error");
	assert_string_equal(feed_finding(&f, 0)->lines->pdata[0],
			    "made to fail in mount: an allocation, number 3: __kmalloc for vexfs_fill+0x12/0x34 [vexfs]");
	feed_end(&f);
}

static void lost_data_is_found(void **state)
{
	struct feed f = feed_begin("x", "other");

	begin(&f, 8, "inject", "x", "keep", VX_INJECT_WRITE, 1);
	ends(&f, 8, 0, 0, HIT);
	assert_int_equal(f.findings->len, 0);
	begin(&f, 9, "inject-compare", "compare", "", 0, 0);
	ends(&f, 9, -EBADMSG, VX_FILE_CORRUPT, "its content is not what was written\n");
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title,
			    "lost data: mount reports success, and what was written is gone, when a write fails");
	feed_end(&f);
}

/* Where nothing can be compared, fsync's silence is it. */
static void unreported_is_found(void **state)
{
	struct feed f = feed_begin("x", "other");

	say(&f, VX_REC_REQUEST, "{\"do\": \"inject\", \"event\": \"persistent\", \"is\": false}");
	begin(&f, 8, "inject", "x", "keep", VX_INJECT_READ, 1);
	ends(&f, 8, 0, 0, HIT);
	assert_int_equal(f.findings->len, 0);
	begin(&f, 8, "inject", "x", "keep", VX_INJECT_WRITE, 1);
	ends(&f, 8, 0, 0, HIT);
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title, "mount reports success though a write failed");
	feed_end(&f);
}

/* ---- leaks --------------------------------------------------------------------------------------- */

static void look(struct feed *f, const char *phase, int nth, guint64 objects, guint64 given_away)
{
	static const char frame[] = "vexfs_fill+0x12/0x34 [vexfs]\n", other[] = "vexfs_link+0x9/0x20 [vexfs]\n";
	struct vx_msg_alloc_site site = { .site = 0x1000, .objects = objects, .bytes = objects * 64, .frames = 1 };
	const struct vx_msg_allocs all = { .source = VX_ALLOCS_CALLS };
	g_autofree char *json = g_strdup_printf(
		"{\"do\": \"inject\", \"event\": \"watch\", \"phase\": \"%s\", \"operation\": \"mount\", \"what\": 1, "
		"\"nth\": %d, \"times\": 3}", phase, nth);
	g_autoptr(GByteArray) payload = g_byte_array_new();

	say(f, VX_REC_REQUEST, json);
	g_byte_array_append(payload, (const guint8 *)&site, sizeof(site));
	g_byte_array_append(payload, (const guint8 *)frame, sizeof(frame) - 1);
	if (objects)
		entry(f, VX_MSG_ALLOC_SITE, payload->data, payload->len);
	g_byte_array_set_size(payload, 0);
	site.site = 0x2000;
	site.objects = given_away;
	g_byte_array_append(payload, (const guint8 *)&site, sizeof(site));
	g_byte_array_append(payload, (const guint8 *)other, sizeof(other) - 1);
	if (given_away)
		entry(f, VX_MSG_ALLOC_SITE, payload->data, payload->len);
	entry(f, VX_MSG_ALLOCS, &all, sizeof(all));
}

static void what_grows_each_time_leaks(void **state)
{
	struct feed f = feed_begin("x", "other");

	begin(&f, 8, "inject", "x", "mount", VX_INJECT_ALLOC, 3);
	ends(&f, 8, -ENOMEM, 0, HIT);
	look(&f, "before", 3, 1, 0);
	look(&f, "after", 3, 4, 0);
	assert_int_equal(f.findings->len, 1);
	assert_string_equal(feed_finding(&f, 0)->title,
			    "leak on an error path of mount: vexfs_fill when an allocation fails");
	assert_string_equal(feed_finding(&f, 0)->function, "vexfs_fill");
	assert_int_equal(feed_finding(&f, 0)->class, FINDING_LEAK);
	feed_end(&f);
}

static void what_grows_once_does_not(void **state)
{
	struct feed f = feed_begin("x", "other");

	begin(&f, 8, "inject", "x", "mount", VX_INJECT_ALLOC, 3);
	ends(&f, 8, -ENOMEM, 0, HIT);
	look(&f, "before", 3, 1, 0);
	look(&f, "after", 3, 3, 0);
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

/* What others free looks outstanding, without a failure too. */
static void what_is_given_away_does_not(void **state)
{
	struct feed f = feed_begin("x", "other");

	look(&f, "before", 0, 0, 10);
	look(&f, "after", 0, 0, 16);
	begin(&f, 8, "inject", "x", "mount", VX_INJECT_ALLOC, 3);
	ends(&f, 8, -ENOMEM, 0, HIT);
	look(&f, "before", 3, 0, 20);
	look(&f, "after", 3, 0, 26);
	assert_int_equal(f.findings->len, 0);
	feed_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_few),
		cmocka_unit_test(some_of_many),
		cmocka_unit_test(none_of_none),
		cmocka_unit_test(line_is_read),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(failing_is_right),
		cmocka_unit_test(unusable_is_found_once),
		cmocka_unit_test(lost_data_is_found),
		cmocka_unit_test(unreported_is_found),
		cmocka_unit_test(what_grows_each_time_leaks),
		cmocka_unit_test(what_grows_once_does_not),
		cmocka_unit_test(what_is_given_away_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
