// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "metrics.h"

guint64 metrics_memory_kb(const struct vx_metrics *sample)
{
	const struct vx_metrics_mem *mem = &sample->head.mem;

	return sample->head.have & VX_METRICS_MEM ? mem->total - MIN(mem->available, mem->total) : 0;
}

guint64 metrics_memory_of(const struct rec_entry *entry, guint64 fallback)
{
	struct vx_metrics sample;

	if (entry->frame.type != VX_MSG_METRICS || vx_metrics_read(entry->payload, entry->frame.length, &sample))
		return fallback;
	return metrics_memory_kb(&sample) ?: fallback;
}

static double gained(guint64 before, guint64 now)
{
	return now > before ? (double)(now - before) : 0;
}

static void rate_cpu(const struct vx_msg_metrics *a, const struct vx_msg_metrics *b, struct metrics_rates *ret)
{
	const double user = gained(a->cpu.user, b->cpu.user) + gained(a->cpu.nice, b->cpu.nice);
	const double system = gained(a->cpu.system, b->cpu.system) + gained(a->cpu.irq, b->cpu.irq) +
			      gained(a->cpu.softirq, b->cpu.softirq);
	const double iowait = gained(a->cpu.iowait, b->cpu.iowait), steal = gained(a->cpu.steal, b->cpu.steal);
	const double all = user + system + iowait + steal + gained(a->cpu.idle, b->cpu.idle);

	if (!(a->have & b->have & VX_METRICS_STAT))
		return;
	ret->switches = gained(a->switches, b->switches) / ret->seconds;
	ret->interrupts = gained(a->interrupts, b->interrupts) / ret->seconds;
	ret->forks = gained(a->forks, b->forks) / ret->seconds;
	/* Less than a tick: nothing can be said of shares. */
	if (all < 1)
		return;
	ret->user = 100 * user / all;
	ret->system = 100 * system / all;
	ret->iowait = 100 * iowait / all;
	ret->steal = 100 * steal / all;
	ret->busy = ret->user + ret->system;
}

static const struct vx_metrics_disk *disk_before(const struct vx_metrics *before, guint near, const char *name)
{
	guint i;

	/* As a rule they keep their places. */
	if (near < before->head.ndisks && !strcmp(before->disks[near].name, name))
		return &before->disks[near];
	for (i = 0; i < before->head.ndisks; i++)
		if (!strcmp(before->disks[i].name, name))
			return &before->disks[i];
	return NULL;
}

static void rate_disks(const struct vx_metrics *before, const struct vx_metrics *now, struct metrics_rates *ret)
{
	/* Not seen before: it had done nothing yet. */
	static const struct vx_metrics_disk none;
	guint i;

	if (!(before->head.have & now->head.have & VX_METRICS_DISKS))
		return;
	ret->ops = 0;
	for (i = 0; i < now->head.ndisks; i++) {
		const struct vx_metrics_disk *b = &now->disks[i], *a = disk_before(before, i, b->name) ?: &none;
		struct metrics_disk_rate *rate = &ret->disks[i];

		rate->reads = gained(a->reads, b->reads) / ret->seconds;
		rate->writes = gained(a->writes, b->writes) / ret->seconds;
		rate->read_bytes = gained(a->read_sectors, b->read_sectors) * VX_METRICS_SECTOR / ret->seconds;
		rate->write_bytes = gained(a->write_sectors, b->write_sectors) * VX_METRICS_SECTOR / ret->seconds;
		rate->busy = MIN(gained(a->busy_ms, b->busy_ms) / 10 / ret->seconds, 100);
		if (rate->reads + rate->writes <= ret->ops)
			continue;
		ret->ops = rate->reads + rate->writes;
		ret->busiest = b->name;
	}
}

/* Those of whom there is a sample before: who is new in this one has no beginning. */
static void rate_tasks(const struct vx_metrics *before, const struct vx_metrics *now, struct metrics_rates *ret)
{
	guint i, k;

	if (now->head.ntasks)
		ret->tasks = 0;
	for (i = 0; i < now->head.ntasks; i++)
		for (k = 0; k < before->head.ntasks; k++)
			if (before->tasks[k].tid == now->tasks[i].tid)
				ret->tasks += gained(before->tasks[k].run_ns, now->tasks[i].run_ns) / 1e7 / ret->seconds;
}

static void rates(const struct vx_metrics *before, const struct vx_metrics *now, struct metrics_rates *ret)
{
	guint i;

	ret->user = ret->system = ret->iowait = ret->steal = ret->busy = ret->switches = ret->interrupts = ret->forks =
		ret->tasks = ret->ops = -1;
	for (i = 0; i < VX_PSI_TYPES; i++)
		ret->pressure[i] = -1;
	ret->seconds = gained(before->head.monotonic_ns, now->head.monotonic_ns) / 1e9;
	if (ret->seconds <= 0)
		return;
	rate_cpu(&before->head, &now->head, ret);
	rate_disks(before, now, ret);
	rate_tasks(before, now, ret);
	for (i = 0; i < VX_PSI_TYPES; i++)
		if (before->head.have & now->head.have & (VX_METRICS_PSI << i))
			ret->pressure[i] = MIN(gained(before->head.psi[i].some_us, now->head.psi[i].some_us) / 1e4 / ret->seconds, 100);
}

gboolean metrics_feed(struct metrics_flow *flow, const struct rec_entry *entry)
{
	struct vx_metrics sample;

	if (entry->frame.type != VX_MSG_METRICS)
		return FALSE;
	if (vx_metrics_read(entry->payload, entry->frame.length, &sample)) {
		flow->bad++;
		return FALSE;
	}
	flow->before = flow->now;
	flow->now = sample;
	memset(&flow->rates, 0, sizeof(flow->rates));
	/* Asked for anew, the agent counts its samples from one: the guest may be another one. */
	if (flow->any && flow->epoch == entry->frame.epoch && flow->before.head.samples < sample.head.samples)
		rates(&flow->before, &flow->now, &flow->rates);
	else
		rates(&flow->now, &flow->now, &flow->rates);
	flow->any = TRUE;
	flow->epoch = entry->frame.epoch;
	return TRUE;
}
