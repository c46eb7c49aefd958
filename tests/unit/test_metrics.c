// SPDX-License-Identifier: GPL-2.0
/* Samples of the guest: from the texts of /proc to a frame, from frames to rates, whatever the guest makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "chronicle.h"
#include "metrics.h"
#include "reports_bed.h"
#include "sampler.h"

/* ---- texts of /proc ---------------------------------------------------------------------- */

static const char stat_text[] =
	"cpu  100 2 30 4000 5 6 7 8 0 0\n" "cpu0 50 1 15 2000 2 3 3 4 0 0\n" "intr 987654 0 9 0 0\n" "ctxt 4242\n" "btime 1\n"
	"processes 77\n" "procs_running 3\n" "procs_blocked 1\n" "softirq 1 2 3\n";

static void test_stat(void **state)
{
	struct vx_msg_metrics m = { 0 }, before = { .forks = 1 }, after = before;
	char cut[sizeof(stat_text)];
	size_t n;

	assert_int_equal(sampler_parse_stat(stat_text, &m), 0);
	assert_int_equal(m.cpu.user, 100);
	assert_int_equal(m.cpu.steal, 8);
	assert_int_equal(m.interrupts, 987654);
	assert_int_equal(m.switches, 4242);
	assert_int_equal(m.forks, 77);
	assert_int_equal(m.running, 3);
	assert_int_equal(m.blocked, 1);
	/* Cut anywhere before its last line that counts, it is none, and nothing of it is kept. */
	for (n = 0; n < strlen(stat_text) - strlen(" 1\nsoftirq 1 2 3\n"); n++) {
		g_strlcpy(cut, stat_text, n + 1);
		assert_int_equal(sampler_parse_stat(cut, &after), -EINVAL);
		assert_memory_equal(&after, &before, sizeof(after));
	}
}

static void test_meminfo(void **state)
{
	/* Another order of a line or two, and lines that no kernel has yet. */
	static const char text[] =
		"MemTotal:        1000 kB\nMemFree:          400 kB\nMemAvailable:     600 kB\nBuffers:            1 kB\n"
		"Cached:           200 kB\nSwapCached:        99 kB\nNew:               98 kB\nDirty:              3 kB\n"
		"AnonPages:         50 kB\nSlab:              40 kB\nSReclaimable:      30 kB\nSUnreclaim:        10 kB\n"
		"PageTables:         4 kB\nVmallocTotal: 34359738367 kB\nVmallocUsed:       20 kB\n";
	struct vx_metrics_mem mem;

	assert_int_equal(sampler_parse_mem(text, &mem), 0);
	assert_int_equal(mem.total, 1000);
	assert_int_equal(mem.cached, 200);
	assert_int_equal(mem.slab, 40);
	assert_int_equal(mem.slab_held, 10);
	assert_int_equal(mem.vmalloc, 20);
	assert_int_equal(mem.writeback, 0);
	assert_int_equal(mem.percpu, 0);
	assert_int_equal(sampler_parse_mem("", &mem), -EINVAL);
	assert_int_equal(sampler_parse_mem("MemTotal: x\n", &mem), -EINVAL);
}

static void test_pressure(void **state)
{
	struct vx_metrics_psi psi;

	assert_int_equal(sampler_parse_psi("some avg10=1.00 avg60=0.00 avg300=0.00 total=123\n", &psi), 0);
	assert_int_equal(psi.some_us, 123);
	assert_int_equal(psi.full_us, 0);
	assert_int_equal(sampler_parse_psi("some avg10=0.00 total=5\nfull avg10=0.00 total=4\n", &psi), 0);
	assert_int_equal(psi.full_us, 4);
	assert_int_equal(sampler_parse_psi("full total=4\n", &psi), -EINVAL);
	assert_int_equal(sampler_parse_psi("some\n", &psi), -EINVAL);
}

static void test_diskstats(void **state)
{
	/* A kernel of before 4.18 has 14 columns, one of today 20. The loop device has done nothing. */
	static const char text[] =
		" 254       0 vda 10 1 80 5 20 2 160 9 0 33 14\n"
		"   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
		" 254      32 vdc 1 0 8 5 2 0 16 9 0 3 14 4 0 0 0 5 6\n"
		"rubbish\n   8 0 sda 1 2\n"
		" 254      48 a-name-that-is-far-too-long-for-a-device 1 0 8 5 2 0 16 9 0 3 14 4 0 0 0 5 6\n";
	struct vx_metrics_disk disks[2];
	uint32_t cut = 0;

	assert_int_equal(sampler_parse_disks(text, disks, 2, &cut), 2);
	assert_string_equal(disks[0].name, "vda");
	assert_int_equal(disks[0].reads, 10);
	assert_int_equal(disks[0].read_sectors, 80);
	assert_int_equal(disks[0].writes, 20);
	assert_int_equal(disks[0].busy_ms, 33);
	assert_int_equal(disks[0].other, 0);
	assert_string_equal(disks[1].name, "vdc");
	assert_int_equal(disks[1].other, 9);
	assert_int_equal(cut, 0);
	assert_int_equal(sampler_parse_disks(text, disks, 1, &cut), 1);
	assert_int_equal(cut, 1);
}

/* ---- frames -------------------------------------------------------------------------------- */

struct wire {
	struct vx_msg_metrics head;
	struct vx_metrics_disk disks[2];
	struct vx_metrics_task tasks[1];
};

static struct wire a_sample(void)
{
	struct wire w = {
		.head = {
			.monotonic_ns = 10 * S, .took_ns = 500000, .spent_ns = 500000, .samples = 1, .step = 7,
			.have = VX_METRICS_STAT | VX_METRICS_MEM | VX_METRICS_DISKS | VX_METRICS_PSI * 7, .ndisks = 2, .ntasks = 1,
			.cpu = { .user = 100, .system = 50, .idle = 1000 }, .switches = 1000, .interrupts = 500,
			.mem = { .total = 1000000, .available = 700000, .slab = 5000 }, .psi = { { 1000, 0 }, { 0, 0 }, { 5000, 0 } },
		},
		.disks = { { .name = "vda", .reads = 5 }, { .name = "vdc", .writes = 10, .write_sectors = 80 } },
		.tasks = { { .tid = 42, .comm = "agent", .run_ns = 1000000 } },
	};

	return w;
}

static void test_frame_is_bounded(void **state)
{
	struct wire w = a_sample();
	struct vx_metrics out = { .head.step = 99 };
	size_t n;

	for (n = 0; n < sizeof(w); n++)
		assert_int_equal(vx_metrics_read(&w, n, &out), -EINVAL);
	w.head.ndisks = VX_METRICS_DISKS_MAX + 1;
	assert_int_equal(vx_metrics_read(&w, sizeof(w), &out), -EINVAL);
	w.head.ndisks = ~0u;
	assert_int_equal(vx_metrics_read(&w, sizeof(w), &out), -EINVAL);
	w.head.ndisks = 2;
	w.head.ntasks = ~0u;
	assert_int_equal(vx_metrics_read(&w, sizeof(w), &out), -EINVAL);
	assert_int_equal(out.head.step, 99);
	w = a_sample();
	memset(w.disks[0].name, 0xff, sizeof(w.disks[0].name));
	memcpy(w.disks[1].name, "v\033[2J<b>", 8);
	memset(w.tasks[0].comm, '%', sizeof(w.tasks[0].comm));
	assert_int_equal(vx_metrics_read(&w, sizeof(w), &out), 0);
	assert_int_equal(strlen(out.disks[0].name), sizeof(out.disks[0].name) - 1);
	assert_int_equal(strspn(out.disks[0].name, "?"), sizeof(out.disks[0].name) - 1);
	assert_string_equal(out.disks[1].name, "v??2J?b?");
	assert_int_equal(strspn(out.tasks[0].comm, "?"), sizeof(out.tasks[0].comm) - 1);
}

/* ---- rates ----------------------------------------------------------------------------------- */

static gboolean feed(struct metrics_flow *flow, guint32 epoch, const struct wire *w)
{
	const struct rec_entry entry = {
		.frame = { .type = VX_MSG_METRICS, .epoch = epoch, .length = sizeof(*w) }, .payload = w,
	};

	return metrics_feed(flow, &entry);
}

static void test_rates(void **state)
{
	struct metrics_flow *flow = g_new0(struct metrics_flow, 1);
	struct wire w = a_sample();

	assert_true(feed(flow, 1, &w));
	assert_true(flow->rates.seconds == 0);
	assert_true(flow->rates.busy < 0);
	assert_int_equal(metrics_memory_kb(&flow->now), 300000);
	w.head.monotonic_ns += 2 * S;
	w.head.samples = 3;	/* one was lost: nothing is */
	w.head.cpu.user += 100;
	w.head.cpu.system += 40;
	w.head.cpu.irq += 10;
	w.head.cpu.iowait += 50;
	w.head.cpu.idle += 200;
	w.head.switches += 300;
	w.head.psi[VX_PSI_IO].some_us += 500000;
	w.disks[1].writes += 20;
	w.disks[1].write_sectors += 40;
	w.disks[1].busy_ms += 1000;
	w.tasks[0].run_ns += S;
	assert_true(feed(flow, 1, &w));
	assert_float_equal(flow->rates.seconds, 2, 1e-9);
	assert_float_equal(flow->rates.user, 25, 1e-9);
	assert_float_equal(flow->rates.system, 12.5, 1e-9);
	assert_float_equal(flow->rates.iowait, 12.5, 1e-9);
	assert_float_equal(flow->rates.busy, 37.5, 1e-9);
	assert_float_equal(flow->rates.switches, 150, 1e-9);
	assert_float_equal(flow->rates.pressure[VX_PSI_IO], 25, 1e-9);
	assert_float_equal(flow->rates.pressure[VX_PSI_MEMORY], 0, 1e-9);
	assert_float_equal(flow->rates.disks[1].writes, 10, 1e-9);
	assert_float_equal(flow->rates.disks[1].write_bytes, 10240, 1e-9);
	assert_float_equal(flow->rates.disks[1].busy, 50, 1e-9);
	assert_float_equal(flow->rates.ops, 10, 1e-9);
	assert_string_equal(flow->rates.busiest, "vdc");
	assert_float_equal(flow->rates.tasks, 50, 1e-9);
	g_free(flow);
}

/* A device that comes has begun at zero; who goes is no device; places may change. */
static void test_devices_come_and_go(void **state)
{
	struct metrics_flow *flow = g_new0(struct metrics_flow, 1);
	struct wire w = a_sample();

	feed(flow, 1, &w);
	w.head.monotonic_ns += S;
	w.head.samples++;
	w.disks[0] = w.disks[1];
	w.disks[0].writes += 3;
	w.disks[1] = (struct vx_metrics_disk){ .name = "loop0", .reads = 50 };
	feed(flow, 1, &w);
	assert_float_equal(flow->rates.disks[0].writes, 3, 1e-9);
	assert_float_equal(flow->rates.disks[1].reads, 50, 1e-9);
	assert_string_equal(flow->rates.busiest, "loop0");
	g_free(flow);
}

static void nothing_is_compared(const struct metrics_flow *flow)
{
	assert_true(flow->rates.seconds == 0);
	assert_true(flow->rates.busy < 0 && flow->rates.ops < 0 && flow->rates.switches < 0 && flow->rates.tasks < 0);
	assert_null(flow->rates.busiest);
}

/* It counts from where it was: never across, never negative. */
static void test_a_restored_guest(void **state)
{
	struct metrics_flow *flow = g_new0(struct metrics_flow, 1);
	struct wire w = a_sample(), early = w;

	w.head.monotonic_ns += 100 * S;
	w.head.samples = 200;
	w.head.cpu.user += 5000;
	w.disks[1].writes += 5000;
	feed(flow, 1, &w);
	feed(flow, 2, &early);
	nothing_is_compared(flow);
	/* The same, had it the epoch of before: asked anew, it counts its samples anew. */
	feed(flow, 2, &w);
	feed(flow, 2, &early);
	nothing_is_compared(flow);
	early.head.samples++;
	early.head.monotonic_ns += S;
	early.head.cpu.idle += 100;
	feed(flow, 2, &early);
	assert_float_equal(flow->rates.seconds, 1, 1e-9);
	assert_float_equal(flow->rates.busy, 0, 1e-9);
	g_free(flow);
}

/* Counters that run backwards, stand at the end of their range, or time that does not go on. */
static void test_a_guest_that_lies(void **state)
{
	struct metrics_flow *flow = g_new0(struct metrics_flow, 1);
	struct wire w = a_sample(), bad;

	feed(flow, 1, &w);
	bad = w;
	memset(&bad.head.cpu, 0, sizeof(bad.head.cpu));
	bad.head.switches = 0;
	bad.disks[1].writes = 0;
	bad.head.samples++;
	bad.head.monotonic_ns++;
	feed(flow, 1, &bad);
	assert_true(flow->rates.switches == 0 && flow->rates.ops == 0 && flow->rates.busy < 0);
	memset(&bad, 0xff, sizeof(bad));
	bad.head.ndisks = 2;
	bad.head.ntasks = 1;
	feed(flow, 1, &bad);
	assert_true(flow->rates.busy >= 0 && flow->rates.busy <= 100 && flow->rates.pressure[0] <= 100);
	assert_true(flow->rates.disks[0].busy <= 100);
	bad.head.monotonic_ns = 5;
	feed(flow, 1, &bad);
	nothing_is_compared(flow);
	bad.head.ndisks = 1u << 31;
	assert_false(feed(flow, 1, &bad));
	assert_int_equal(flow->bad, 1);
	g_free(flow);
}

/* ---- series -------------------------------------------------------------------------------------- */

static const struct chron_series *series_of(const struct chronicle *chron, const char *name)
{
	guint i;

	for (i = 0; i < chron->series->len; i++)
		if (!strcmp(((const struct chron_series *)chron->series->pdata[i])->name, name))
			return chron->series->pdata[i];
	fail_msg("no series %s", name);
	return NULL;
}

static void bed_sample(struct bed *bed, struct wire *w, guint ms)
{
	assert_true(record_bytes(bed->record, VX_MSG_METRICS, w, sizeof(*w), NULL, NULL));
	w->head.samples++;
	w->head.monotonic_ns += ms * MS;
	w->head.cpu.user += 10;
	w->head.cpu.idle += 90;
	w->disks[1].writes += 7;
}

static void test_series_of_a_record(void **state)
{
	VX_GUARD(chronicle_free) struct chronicle *chron = NULL;
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	struct wire w = a_sample();
	struct bed bed;
	guint i;

	bed_open(&bed);
	bed_run(&bed, "ext4");
	for (i = 0; i < 4; i++)
		bed_sample(&bed, &w, 1000);
	bed_say(&bed, VX_REC_METRICS, "{\"pid\": 5, \"cpu_ms\": 100, \"rss_kb\": 7, \"run_free_kb\": 1000}");
	bed_say(&bed, VX_REC_METRICS, "{\"pid\": 5, \"cpu_ms\": 90, \"rss_kb\": 8, \"run_free_kb\": \"none\"}");
	bed_say(&bed, VX_REC_METRICS, "{\"pid\": -1, \"cpu_ms\": 1e300}");
	bed_say(&bed, VX_REC_METRICS, "no JSON");
	bed_end(&bed);
	chron = chronicle_read(bed.dir, NULL);
	assert_int_equal(series_of(chron, "mem.used")->count, 4);
	assert_float_equal(series_of(chron, "mem.used")->most, 300000, 1e-9);
	assert_int_equal(series_of(chron, "cpu.user")->count, 3);
	assert_float_equal(series_of(chron, "cpu.user")->least, 10, 1e-9);
	assert_float_equal(series_of(chron, "io.vdc.writes")->most, 7, 1e-9);
	assert_true(series_of(chron, "channel.delay")->least == 0);
	assert_true(series_of(chron, "qemu.cpu")->least == 0);
	assert_int_equal(series_of(chron, "disk.run_free")->count, 2);
	an = analysis_read(bed.dir, NULL);
	assert_int_equal(an->usage.samples, 4);
	assert_float_equal(an->usage.cpu_mean, 10, 1e-6);
	assert_float_equal(an->usage.ops_mean, 7, 1e-6);
	assert_int_equal(an->usage.memory_peak_kb, 300000);
	assert_float_equal(an->usage.sampling_percent, .05, 1e-6);
	bed_close(&bed);
}

/* A device a sample, each of another name: no more series than there may be. */
static void test_no_end_of_devices(void **state)
{
	VX_GUARD(chronicle_free) struct chronicle *chron = NULL;
	struct wire w = a_sample();
	struct bed bed;
	guint i;

	bed_open(&bed);
	bed_run(&bed, "ext4");
	for (i = 0; i < CHRONICLE_SERIES_MAX; i++) {
		g_snprintf(w.disks[0].name, sizeof(w.disks[0].name), "d%u<\033", i);
		bed_sample(&bed, &w, 1000);
	}
	bed_end(&bed);
	chron = chronicle_read(bed.dir, NULL);
	assert_int_equal(chron->series->len, CHRONICLE_SERIES_MAX);
	assert_true(chron->left_out > 0);
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_meminfo),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_diskstats),
		cmocka_unit_test(test_frame_is_bounded),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_devices_come_and_go),
		cmocka_unit_test(test_a_restored_guest),
		cmocka_unit_test(test_a_guest_that_lies),
		cmocka_unit_test(test_series_of_a_record),
		cmocka_unit_test(test_no_end_of_devices),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
