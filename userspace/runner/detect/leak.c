// SPDX-License-Identifier: GPL-2.0
/* Memory that the target does not give back: one finding a site, when the hunt for it is over. */
#include <string.h>

#include "leak.h"

static const char certain[] = "certain", growth[] = "growth", left_behind[] = "left-behind";

#define FINDINGS_MAX	64u
#define MUCH		65536	/* bytes a unit: critical however seldom a user meets it */
#define NOT_LITTLE	4096

struct leak_state {
	struct leaks *leaks;
	char module[VX_NAME_LEN];
	gboolean told;
};

static gpointer leak_create(const struct detect_config *config)
{
	struct leak_state *st = g_new0(struct leak_state, 1);

	st->leaks = leaks_new(config);
	g_strlcpy(st->module, config->module, sizeof(st->module));
	return st;
}

static void leak_destroy(gpointer state)
{
	struct leak_state *st = state;

	leaks_free(st->leaks);
	g_free(st);
}

/* By what it costs who mounts and unmounts; what happens but for failures is met less often. */
static enum severity severity_of(const struct leak_judgement *judged)
{
	if (judged->byte_rate >= MUCH)
		return SEV_CRITICAL;
	if (judged->byte_rate >= NOT_LITTLE || (judged->rate >= 0.5 && !judged->ways))
		return SEV_HIGH;
	return SEV_MEDIUM;
}

static struct finding *leak_finding(const struct leak_site *site, guint64 realtime_ns)
{
	const struct leak_judgement *judged = &site->judged;
	g_autofree char *title = g_strdup_printf("memory leak in %s", site->function);
	g_autofree char *rate = leak_rate_text(judged), *when = leak_when_text(judged);
	struct finding *finding = finding_new(FINDING_LEAK, severity_of(judged), title);
	const struct leak_stack *stack = leak_site_stack(site);
	guint i;

	finding->kind = judged->verdict == LEAK_GROWS ? growth : certain;
	finding->blame = site->own != G_MAXUINT ? BLAME_MODULE : BLAME_KERNEL;
	finding->function = g_strdup(site->function);
	finding->module = g_strdup(site->module);
	finding->step = judged->step;
	finding->cycle = judged->cycle;
	finding->realtime_ns = realtime_ns;
	finding_add_line(finding, "%s", rate);
	finding_add_line(finding,
			 "%s%s%s: %" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " bytes of %" G_GUINT64_FORMAT
			 " %ss%s%s",
			 leak_kind_name(site->kind), site->cache[0] ? " " : "", site->cache, judged->objects,
			 judged->bytes, judged->exposure, judged->unit, when ? ", " : "", when ? when : "");
	if (judged->verdict == LEAK_FOUND)
		finding_add_line(finding, "certain: %s", judged->why);
	else
		finding_add_line(finding, "confidence %.4f: %s", judged->confidence, judged->why);
	for (i = 0; stack->frames[i]; i++)
		finding_add_line(finding, " %s", stack->frames[i]);
	return finding;
}

/* By name and number; of gauges, which others move as well, only the table tells. */
static struct finding *resource_finding(const struct leak_state *st, const struct leak_resource *resource,
					guint64 realtime_ns)
{
	const struct resource_judgement *judged = &resource->judged;
	const gboolean left = judged->verdict == RESOURCE_LEFT_BEHIND;
	g_autofree char *title = left ? g_strdup_printf("left behind: %s", resource->name) :
		g_strdup_printf("grows with each cycle: %s", resource->name);
	struct finding *finding = finding_new(FINDING_LEAK, SEV_HIGH, title);

	finding->kind = left ? left_behind : growth;
	finding->blame = BLAME_MODULE;
	finding->module = st->module[0] ? g_strdup(st->module) : NULL;
	finding->realtime_ns = realtime_ns;
	if (left)
		finding_add_line(finding,
				 "%" G_GINT64_FORMAT " %s before the target was there, %" G_GINT64_FORMAT
				 " after it had gone",
				 judged->first, resource_unit(resource->name), judged->last);
	else
		finding_add_line(finding,
				 "%.3g %s a cycle, from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
				 " in %u snapshots; chance would "
				 "look so once in %.0f",
				 judged->per_cycle, resource_unit(resource->name), judged->first, judged->last,
				 judged->samples, 1 / MAX(judged->p, 1e-12));
	return finding;
}

static void tell_resources(const struct leak_state *st, guint64 realtime_ns, GPtrArray *findings)
{
	GArray *resources = leaks_resources(st->leaks);
	guint i;

	for (i = 0; i < resources->len && i < FINDINGS_MAX; i++) {
		const struct leak_resource *resource = &g_array_index(resources, struct leak_resource, i);

		if (resource->judged.nature == RESOURCE_EXACT)
			g_ptr_array_add(findings, resource_finding(st, resource, realtime_ns));
	}
	g_array_unref(resources);
}

static void tell(struct leak_state *st, guint64 realtime_ns, GPtrArray *findings)
{
	const GPtrArray *sites = leaks_sites(st->leaks);
	guint told = 0, i;

	if (st->told || !leaks_hunted(st->leaks))
		return;
	st->told = TRUE;
	leaks_judge(st->leaks);
	for (i = 0; i < sites->len && told < FINDINGS_MAX; i++) {
		const struct leak_site *site = g_ptr_array_index(sites, i);

		if (!leak_is_leak(site->judged.verdict))
			continue;
		g_ptr_array_add(findings, leak_finding(site, realtime_ns));
		told++;
	}
	tell_resources(st, realtime_ns, findings);
}

static void leak_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	struct leak_state *st = state;

	leaks_feed(st->leaks, entry);
	if (leaks_end(st->leaks))
		tell(st, entry->stamp.realtime_ns, findings);
}

/* Broken off: what is certain by now is so all the same. */
static void leak_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	tell(state, now->realtime_ns, findings);
}

struct leaks *detector_leak_state(gpointer state)
{
	return ((struct leak_state *)state)->leaks;
}

const struct detector detector_leak = {
	.name = "leak",
	.create = leak_create,
	.destroy = leak_destroy,
	.feed = leak_feed,
	.finish = leak_finish,
};
