// SPDX-License-Identifier: GPL-2.0
/* The kernel's other resources over a hunt: compared without the target, and followed from cycle to cycle. */
#include <string.h>

#include "leak_priv.h"

#define START	"resources at the start"
#define UNMOUNT	"resources after the unmount"
#define OURS	"refs.vexprobe"
#define UNLOAD	"resources after the unload"

gboolean leak_is_snapshot(const char *name)
{
	return !strcmp(name, START) || !strcmp(name, UNMOUNT) || !strcmp(name, UNLOAD);
}

/* Of a module of the kernel's, what comes with its first load (other modules) stays: the first unload is the start. */
static void without_target(struct leaks *leaks, struct resources *snapshot)
{
	if (!leaks->before) {
		leaks->before = snapshot;
		return;
	}
	resources_free(leaks->after);
	leaks->after = snapshot;
}

void leak_forget_series(struct leaks *leaks)
{
	resource_series_free(leaks->unmounted);
	resource_series_free(leaks->unloaded);
	leaks->unmounted = resource_series_new();
	leaks->unloaded = resource_series_new();
}

void leak_note_snapshot(struct leaks *leaks, const char *text, gsize len)
{
	struct resources *snapshot = resources_parse(text, len);

	if (!strcmp(leaks->snapshot, UNMOUNT)) {
		resource_series_add(leaks->unmounted, leaks->cycle, snapshot);
		resources_free(snapshot);
		return;
	}
	if (!strcmp(leaks->snapshot, UNLOAD))
		resource_series_add(leaks->unloaded, leaks->cycle, snapshot);
	without_target(leaks, snapshot);
}

/* "procfs.left_1f733f485" is "procfs.left_N": a hundred of them are one finding, by one name in every run. */
static void plain_name(char *ret, gsize size, const char *name)
{
	gsize end = strlen(name);
	gboolean digit = FALSE;

	while (end && g_ascii_isxdigit(name[end - 1]))
		digit = g_ascii_isdigit(name[--end]) || digit;
	g_strlcpy(ret, name, size);
	if (digit && end && strchr("_-.:", name[end - 1]))
		g_snprintf(ret, size, "%.*sN", (int)end, name);
}

static void keep(const struct resource_judgement *judgement, gpointer user)
{
	struct leak_resource kept = { .judged = *judgement };
	GArray *list = user;
	guint i;

	if (judgement->verdict != RESOURCE_GROWS && judgement->verdict != RESOURCE_LEFT_BEHIND)
		return;
	/* Who looks holds it. */
	if (!strcmp(judgement->name, OURS))
		return;
	plain_name(kept.name, sizeof(kept.name), judgement->name);
	kept.judged.name = NULL;
	for (i = 0; i < list->len; i++) {
		struct leak_resource *other = &g_array_index(list, struct leak_resource, i);

		if (strcmp(other->name, kept.name))
			continue;
		if (judgement->verdict == RESOURCE_LEFT_BEHIND && other->judged.verdict == RESOURCE_LEFT_BEHIND) {
			other->judged.first += judgement->first;
			other->judged.last += judgement->last;
		}
		return;
	}
	g_array_append_val(list, kept);
}

guint leaks_snapshots(const struct leaks *leaks)
{
	return resource_series_samples(leaks->unmounted);
}

gboolean leaks_cleanup_known(const struct leaks *leaks)
{
	return leaks->before && leaks->after;
}

GArray *leaks_resources(const struct leaks *leaks)
{
	GArray *list = g_array_new(FALSE, TRUE, sizeof(struct leak_resource));

	/* What was left behind says more than that it grows. */
	if (leaks_cleanup_known(leaks))
		resources_compare(leaks->before, leaks->after, keep, list);
	resource_series_judge(leaks->unloaded, keep, list);
	resource_series_judge(leaks->unmounted, keep, list);
	return list;
}
