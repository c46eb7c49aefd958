// SPDX-License-Identifier: GPL-2.0
/* Thresholds: what lasts is told once, what is short, elsewhere or meant is not; operations and their percentiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "feed.h"
#include "metrics.h"

struct guest {
	struct feed f;
	guint32 epoch;
	struct vx_msg_metrics head;
	struct vx_metrics_disk disk;
};

#define LIMITS	"\"memory_kb\": 500000, \"cpu_percent\": 90, \"io_per_second\": 1000, \"lasting_s\": 3"

static void begin_step(struct guest *g, guint id, const char *name, const char *kind, const char *more)
{
	g_autofree char *json = g_strdup_printf("{\"id\": %u, \"cycle\": 1, \"name\": \"%s\", \"kind\": \"%s\", \"target\": true%s}", id,
						name, kind, more);

	say(&g->f, VX_REC_STEP_BEGIN, json);
	g->head.step = id;
}

static struct guest begin(const char *thresholds)
{
	g_autofree char *run = g_strdup_printf("{\"module\": \"vexfs\", \"target\": \"vexfs\", \"thresholds\": {%s}}", thresholds);
	struct guest g = {
		.f = {
			.detect = detect_new(), .now = 100 * S,
			.findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free),
		},
		.epoch = 1,
		.head = {
			.monotonic_ns = 50 * S, .ndisks = 1,
			.have = VX_METRICS_STAT | VX_METRICS_MEM | VX_METRICS_DISKS, .mem = { .total = 1000000, .available = 700000 },
		},
		.disk = { .name = "vdc", .reads = 1 },
	};

	say(&g.f, VX_REC_RUN, run);
	return g;
}

/* Half a second later, of which the CPUs were busy for `percent`, and the disk had `ops` requests. */
static void sample(struct guest *g, guint percent, guint ops)
{
	struct {
		struct vx_msg_metrics head;
		struct vx_metrics_disk disk;
	} w;
	struct rec_entry e = {
		.frame = { .type = VX_MSG_METRICS, .epoch = g->epoch, .length = sizeof(w) }, .payload = &w,
	};

	g->f.now += S / 2;
	g->head.monotonic_ns += S / 2;
	g->head.samples++;
	g->head.cpu.system += percent;
	g->head.cpu.idle += 100 - percent;
	g->disk.reads += ops;
	w.head = g->head;
	w.disk = g->disk;
	e.stamp = (struct rec_stamp){ g->f.now, g->f.now };
	take(&g->f, detect_feed(g->f.detect, &e));
}

static void samples(struct guest *g, guint n, guint percent, guint ops)
{
	while (n--)
		sample(g, percent, ops);
}

static void expect(struct guest *g, guint n, enum finding_class class, const char *title)
{
	assert_int_equal(g->f.findings->len, n);
	if (!n)
		return;
	assert_int_equal(feed_finding(&g->f, n - 1)->class, class);
	assert_string_equal(feed_finding(&g->f, n - 1)->title, title);
	assert_int_equal(feed_finding(&g->f, n - 1)->blame, BLAME_MODULE);
}

static void test_cpu_that_lasts(void **state)
{
	struct guest g = begin(LIMITS);
	json_t *line;

	begin_step(&g, 5, "umount", "umount", "");
	samples(&g, 6, 100, 0);
	/* The first has no rate; five of them are 2.5 s. */
	expect(&g, 0, 0, NULL);
	sample(&g, 100, 0);
	expect(&g, 1, FINDING_HIGH_CPU, "CPU above its threshold in umount");
	line = feed_finding(&g.f, 0)->violation;
	assert_string_equal(json_string_value(json_object_get(line, "violation_type")), "HighCpuUsage");
	assert_string_equal(json_string_value(json_object_get(line, "operation")), "umount");
	assert_float_equal(json_number_value(json_object_get(line, "duration_ms")), 3000, 1e-6);
	assert_float_equal(json_number_value(json_object_get(line, "cpu_usage_percent")), 100, 1e-6);
	/* Once, as long as it goes on; again when it comes back. */
	samples(&g, 20, 100, 0);
	expect(&g, 1, FINDING_HIGH_CPU, "CPU above its threshold in umount");
	sample(&g, 10, 0);
	samples(&g, 6, 100, 0);
	expect(&g, 2, FINDING_HIGH_CPU, "CPU above its threshold in umount");
	feed_end(&g.f);
}

static void test_cpu_that_does_not_last(void **state)
{
	struct guest g = begin(LIMITS);
	guint i;

	begin_step(&g, 5, "umount", "umount", "");
	for (i = 0; i < 20; i++) {
		samples(&g, 5, 100, 0);
		sample(&g, 90, 0);	/* at it is not above it */
	}
	/* Busy from end to end, but in short steps. */
	for (i = 6; i < 40; i++) {
		begin_step(&g, i, "mount", "mount", "");
		samples(&g, 3, 100, 0);
	}
	expect(&g, 0, 0, NULL);
	feed_end(&g.f);
}

static void test_what_is_there_to_load_it(void **state)
{
	struct guest g = begin(LIMITS);

	samples(&g, 20, 100, 5000);	/* before the first step */
	begin_step(&g, 5, "stress mounts", "stress", "");
	samples(&g, 20, 100, 5000);
	begin_step(&g, 6, "fill the memory", "other", ", \"provokes\": true");
	g.head.mem.available = 1;
	samples(&g, 20, 100, 5000);
	expect(&g, 0, 0, NULL);
	feed_end(&g.f);
}

static void test_io(void **state)
{
	struct guest g = begin(LIMITS);

	begin_step(&g, 5, "file work", "files", "");
	samples(&g, 20, 0, 500);	/* 1000 a second: at it */
	expect(&g, 0, 0, NULL);
	samples(&g, 6, 0, 501);
	expect(&g, 1, FINDING_EXCESSIVE_IO, "I/O above its threshold in file work");
	assert_string_equal(feed_finding(&g.f, 0)->lines->pdata[1], "device: vdc");
	feed_end(&g.f);
}

/* A level goes on from step to step. */
static void test_memory(void **state)
{
	struct guest g = begin(LIMITS);
	guint i;

	g.head.mem.available = 400000;
	for (i = 5; i < 12; i++) {
		begin_step(&g, i, "mount", "mount", "");
		expect(&g, 0, 0, NULL);
		sample(&g, 0, 0);
	}
	expect(&g, 1, FINDING_HIGH_MEMORY, "memory in use above its threshold");
	feed_end(&g.f);
}

static void test_a_restore_begins_anew(void **state)
{
	struct guest g = begin(LIMITS);

	begin_step(&g, 5, "umount", "umount", "");
	g.head.mem.available = 400000;
	samples(&g, 6, 100, 5000);
	g.epoch++;
	g.head.samples = 0;
	g.head.monotonic_ns -= 2 * S;
	samples(&g, 6, 100, 5000);
	expect(&g, 0, 0, NULL);
	sample(&g, 100, 5000);
	assert_int_equal(g.f.findings->len, 3);
	feed_end(&g.f);
}

static void test_one_sample_is_enough(void **state)
{
	struct guest g = begin("\"cpu_percent\": 1, \"lasting_s\": 0");

	begin_step(&g, 5, "mount", "mount", "");
	sample(&g, 100, 0);
	begin_step(&g, 6, "umount", "umount", "");
	sample(&g, 2, 0);
	expect(&g, 1, FINDING_HIGH_CPU, "CPU above its threshold in umount");
	feed_end(&g.f);
}

/* Records of before there were samples, or thresholds of them. */
static void test_none_are_known(void **state)
{
	struct guest g = begin("\"operation_ms\": 30000");

	begin_step(&g, 5, "umount", "umount", "");
	g.head.mem.available = 0;
	samples(&g, 100, 100, 100000);
	expect(&g, 0, 0, NULL);
	feed_end(&g.f);
}

/* ---- operations --------------------------------------------------------------------------------- */

static void a_step(struct guest *g, guint id, const char *name, const char *kind, const char *phase, guint ms)
{
	g_autofree char *more = g_strdup_printf(", \"phase\": \"%s\"", phase);
	const struct vx_msg_step msg = { .id = id, .start_ns = 10 * S, .end_ns = 10 * S + ms * 1000000ull };

	begin_step(g, id, name, kind, more);
	entry(&g->f, VX_MSG_STEP, &msg, sizeof(msg));
}

static void a_mount(struct guest *g, guint id, const char *phase, guint ms)
{
	g_autofree char *more = g_strdup_printf(", \"phase\": \"%s\"", phase);
	const struct vx_event_fsop ev = {
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(ev), .step = id }, .op = VX_OP_MOUNT, .api = VX_API_MOUNT,
		.total_ns = ms * 1000000ull,
	};
	const struct vx_msg_step msg = { .id = id, .start_ns = 10 * S, .end_ns = 90 * S };

	begin_step(g, id, "mount", "mount", more);
	entry(&g->f, VX_MSG_EVENTS, &ev, sizeof(ev));
	entry(&g->f, VX_MSG_STEP, &msg, sizeof(msg));	/* the agent's clock is not asked a second time */
}

static void test_an_operations_own(void **state)
{
	struct guest g = begin("\"operation_ms\": 30000, \"operations\": {\"mount\": {\"max_ms\": 200}, \"write\": {\"max_ms\": 50}, "
			       "\"files\": {\"max_ms\": 70}}");

	a_mount(&g, 1, "measure", 200);
	a_step(&g, 2, "write", "fileop", "", 50);
	a_step(&g, 3, "file work", "files", "", 70);
	a_step(&g, 4, "read", "fileop", "", 500);
	expect(&g, 0, 0, NULL);
	a_mount(&g, 5, "measure", 201);
	expect(&g, 1, FINDING_SLOW_OPERATION, "mount above its threshold");
	assert_null(feed_finding(&g.f, 0)->violation);	/* its own line tells it */
	a_step(&g, 6, "write", "fileop", "", 51);
	expect(&g, 2, FINDING_SLOW_OPERATION, "write above its threshold");
	assert_string_equal(json_string_value(json_object_get(feed_finding(&g.f, 1)->violation, "operation")), "write");
	a_step(&g, 7, "file work", "files", "", 71);
	expect(&g, 3, FINDING_SLOW_OPERATION, "file work above its threshold");
	feed_end(&g.f);
}

static void test_percentiles(void **state)
{
	struct guest g = begin("\"operations\": {\"mount\": {\"p50_ms\": 10, \"p99_ms\": 20, \"max_ms\": 0}}");
	guint i;

	a_mount(&g, 1, "warmup", 5000);	/* is not asked */
	for (i = 0; i < 100; i++)
		a_mount(&g, 2 + i, "measure", i < 2 ? 21 : 10);
	expect(&g, 0, 0, NULL);		/* only at the end */
	take(&g.f, detect_finish(g.f.detect));
	expect(&g, 1, FINDING_SLOW_OPERATION, "p99 of mount above its threshold");
	assert_string_equal(feed_finding(&g.f, 0)->lines->pdata[0], "21.000 ms of 100, threshold 20.000 ms");
	feed_end(&g.f);
}

static void test_percentiles_kept(void **state)
{
	struct guest g = begin("\"operations\": {\"mount\": {\"p50_ms\": 10, \"p99_ms\": 20}}");
	guint i;

	for (i = 0; i < 100; i++)
		a_mount(&g, 2 + i, "measure", i < 1 ? 21 : i < 49 ? 20 : 10);
	take(&g.f, detect_finish(g.f.detect));
	expect(&g, 0, 0, NULL);
	feed_end(&g.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_that_lasts),
		cmocka_unit_test(test_cpu_that_does_not_last),
		cmocka_unit_test(test_what_is_there_to_load_it),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_a_restore_begins_anew),
		cmocka_unit_test(test_one_sample_is_enough),
		cmocka_unit_test(test_none_are_known),
		cmocka_unit_test(test_an_operations_own),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_percentiles_kept),
	};

	return cmocka_run_group_tests_name("excess", tests, NULL, NULL);
}
