// SPDX-License-Identifier: GPL-2.0
/* What guest and host spend, as series: docs/METRICS.md has the names. */
#include <string.h>

#include "chronicle.h"

#define DELAY_WINDOW_NS	(60 * G_GUINT64_CONSTANT(1000000000))

/* What is negative could not be read. */
static void put(struct chronicle *chron, const char *name, const char *unit, guint64 ns, double value)
{
	if (value >= 0)
		chronicle_sample(chron, name, unit, ns, value);
}

static void put_of(struct chronicle *chron, const char *family, const char *of, const char *what, const char *unit, guint64 ns,
		   double value)
{
	g_autofree char *name = g_strdup_printf("%s.%s.%s", family, of, what);

	put(chron, name, unit, ns, value);
}

/* ---- the guest, by the agent ---------------------------------------------------------------- */

static void feed_memory(struct chronicle *chron, guint64 ns, const struct vx_metrics *sample)
{
	const struct vx_metrics_mem *mem = &sample->head.mem;
	const struct {
		const char *name;
		guint64 kb;
	} values[] = {
		{ "mem.used", metrics_memory_kb(sample) }, { "mem.cached", mem->buffers + mem->cached }, { "mem.anon", mem->anon },
		{ "mem.dirty", mem->dirty }, { "mem.writeback", mem->writeback }, { "mem.slab", mem->slab },
		{ "mem.slab_held", mem->slab_held }, { "mem.vmalloc", mem->vmalloc }, { "mem.page_tables", mem->page_tables },
		{ "mem.kernel_stack", mem->kernel_stack }, { "mem.percpu", mem->percpu },
	};
	guint i;

	for (i = 0; sample->head.have & VX_METRICS_MEM && i < G_N_ELEMENTS(values); i++)
		put(chron, values[i].name, "kB", ns, (double)values[i].kb);
}

static void feed_disks(struct chronicle *chron, guint64 ns, const struct vx_metrics *sample, const struct metrics_rates *rates)
{
	guint i;

	for (i = 0; rates->ops >= 0 && i < sample->head.ndisks; i++) {
		const struct metrics_disk_rate *rate = &rates->disks[i];
		const char *name = sample->disks[i].name;

		put_of(chron, "io", name, "reads", "a second", ns, rate->reads);
		put_of(chron, "io", name, "writes", "a second", ns, rate->writes);
		put_of(chron, "io", name, "read", "bytes/s", ns, rate->read_bytes);
		put_of(chron, "io", name, "written", "bytes/s", ns, rate->write_bytes);
		put_of(chron, "io", name, "busy", "%", ns, rate->busy);
	}
}

static void feed_rates(struct chronicle *chron, guint64 ns, const struct metrics_rates *rates)
{
	static const char *const pressures[VX_PSI_TYPES] = {
		[VX_PSI_CPU] = "pressure.cpu", [VX_PSI_MEMORY] = "pressure.memory", [VX_PSI_IO] = "pressure.io",
	};
	guint i;

	put(chron, "cpu.user", "%", ns, rates->user);
	put(chron, "cpu.system", "%", ns, rates->system);
	put(chron, "cpu.iowait", "%", ns, rates->iowait);
	put(chron, "cpu.steal", "%", ns, rates->steal);
	put(chron, "cpu.step", "%", ns, rates->tasks);
	put(chron, "sched.switches", "a second", ns, rates->switches);
	put(chron, "sched.interrupts", "a second", ns, rates->interrupts);
	put(chron, "sched.forks", "a second", ns, rates->forks);
	for (i = 0; i < VX_PSI_TYPES; i++)
		put(chron, pressures[i], "%", ns, rates->pressure[i]);
}

void chronicle_feed_usage(struct chronicle *chron, const struct rec_entry *entry)
{
	const guint64 ns = entry->stamp.realtime_ns;

	if (!metrics_feed(chron->flow, entry))
		return;
	feed_memory(chron, ns, &chron->flow->now);
	if (chron->flow->rates.seconds <= 0)
		return;
	feed_rates(chron, ns, &chron->flow->rates);
	feed_disks(chron, ns, &chron->flow->now, &chron->flow->rates);
}

/* ---- the host ------------------------------------------------------------------------------------ */

static guint64 whole(const json_t *json, const char *key)
{
	const json_int_t n = json_integer_value(json_object_get(json, key));

	return n > 0 ? (guint64)n : 0;
}

static double rate(const json_t *json, const char *key, guint64 *last, double seconds)
{
	const guint64 now = whole(json, key), before = *last;

	*last = now;
	return seconds > 0 ? (double)(now - MIN(before, now)) / seconds : -1;
}

/* QEMU's counters; of another process they are not compared. */
static void feed_qemu(struct chronicle *chron, guint64 ns, guint64 at, const json_t *json)
{
	struct host_flow *host = chron->host;
	const guint64 pid = whole(json, "pid");
	const double seconds = pid == host->pid && at > host->at_ns ? (double)(at - host->at_ns) / 1e9 : 0;
	const double cpu = rate(json, "cpu_ms", &host->cpu_ms, seconds), read = rate(json, "read_bytes", &host->read_bytes, seconds);
	const double written = rate(json, "write_bytes", &host->write_bytes, seconds);

	host->pid = pid;
	host->at_ns = at;
	put(chron, "qemu.cpu", "%", ns, cpu < 0 ? -1 : cpu / 10);
	put(chron, "qemu.rss", "kB", ns, (double)whole(json, "rss_kb"));
	if (!json_is_integer(json_object_get(json, "read_bytes")))
		return;
	put(chron, "qemu.read", "bytes/s", ns, read);
	put(chron, "qemu.written", "bytes/s", ns, written);
}

/*
 * How long a sample was on its way, beyond the fastest of the last minute: the two clocks have no common zero, and one of
 * them may run a little faster.
 */
static void feed_delay(struct chronicle *chron, const struct rec_entry *entry)
{
	struct host_flow *host = chron->host;
	struct vx_msg_metrics msg;
	gint64 way;

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	way = (gint64)(entry->stamp.monotonic_ns - msg.monotonic_ns);
	if (entry->frame.epoch != host->epoch || !host->fastest_ns || way < host->fastest ||
	    entry->stamp.monotonic_ns - host->fastest_ns > DELAY_WINDOW_NS) {
		host->fastest = way;
		host->fastest_ns = entry->stamp.monotonic_ns;
	}
	host->epoch = entry->frame.epoch;
	put(chron, "channel.delay", "ms", entry->stamp.realtime_ns, (double)way / 1e6 - (double)host->fastest / 1e6);
}

void chronicle_feed_host(struct chronicle *chron, const struct rec_entry *entry)
{
	static const struct {
		const char *key, *name;
	} disks[] = { { "run_free_kb", "disk.run_free" }, { "cache_free_kb", "disk.cache_free" } };
	const guint64 ns = entry->stamp.realtime_ns;
	json_t *json;
	guint i;

	if (entry->frame.type == VX_MSG_METRICS)
		feed_delay(chron, entry);
	if (entry->frame.type != VX_REC_METRICS)
		return;
	json = rec_entry_json(entry);
	if (json_object_get(json, "pid"))
		feed_qemu(chron, ns, entry->stamp.monotonic_ns, json);
	for (i = 0; i < G_N_ELEMENTS(disks); i++)
		if (json_object_get(json, disks[i].key))
			put(chron, disks[i].name, "kB", ns, (double)whole(json, disks[i].key));
	if (json_object_get(json, "waiting_bytes"))
		put(chron, "channel.waiting", "bytes", ns, (double)whole(json, "waiting_bytes"));
	json_decref(json);
}
