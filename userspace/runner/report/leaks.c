// SPDX-License-Identifier: GPL-2.0
/* What a leak hunt has shown: as JSON, as a table, as folded stacks for a flame graph. */
#include <string.h>

#include "evidence_priv.h"
#include "leak.h"
#include "report.h"

#define TOLD_MAX	200u		/* sites in a table */
#define STACK_TOLD	12u		/* frames under a row */

static const struct leak_site *site_at(const struct analysis *an, guint i)
{
	return g_ptr_array_index(leaks_sites(an->leaks), i);
}

/* The site's own place in the stack that has most. */
static const char *frame_of(const struct leak_site *site)
{
	const struct leak_stack *stack = leak_site_stack(site);
	guint i;

	for (i = 0; stack->frames[i]; i++)
		if (g_str_has_prefix(stack->frames[i], site->function) &&
		    stack->frames[i][strlen(site->function)] == '+')
			return stack->frames[i];
	return stack->frames[0];
}

/* "file:line", NULL. Caller frees. */
static char *place_of(const struct symbolizer *sym, const struct leak_site *site)
{
	VX_GUARD(stack_frame_free) struct stack_frame *frame = stack_frame_parse(frame_of(site));

	return frame && frame->module ? evidence_place(sym, frame) : NULL;
}

static int by_weight(gconstpointer a, gconstpointer b)
{
	const struct leak_site *x = *(const struct leak_site *const *)a, *y = *(const struct leak_site *const *)b;

	if (x->judged.verdict != y->judged.verdict)
		return x->judged.verdict < y->judged.verdict ? 1 : -1;
	if (x->judged.bytes != y->judged.bytes)
		return x->judged.bytes < y->judged.bytes ? 1 : -1;
	return strcmp(x->key, y->key);
}

/* Gravest first. Of borrowed sites; caller frees. */
static GPtrArray *sorted(const struct analysis *an)
{
	GPtrArray *list = g_ptr_array_new();
	guint i;

	for (i = 0; i < leaks_sites(an->leaks)->len; i++)
		g_ptr_array_add(list, (gpointer)site_at(an, i));
	g_ptr_array_sort(list, by_weight);
	return list;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *stacks_json(const struct leak_site *site)
{
	json_t *list = json_array();
	guint i, k;

	for (i = 0; i < site->stacks->len; i++) {
		const struct leak_stack *stack = g_ptr_array_index(site->stacks, i);
		json_t *frames = json_array();

		for (k = 0; stack->frames[k]; k++)
			json_array_append_new(frames, json_string(stack->frames[k]));
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:o}", "source",
						      stack->source == VX_ALLOCS_CALLS ? "calls" : "traced",
						      "objects", (json_int_t)stack->objects,
						      "bytes", (json_int_t)stack->bytes, "frames", frames));
	}
	return list;
}

static json_t *site_json(const struct leak_site *site, const struct symbolizer *sym)
{
	const struct leak_judgement *judged = &site->judged;
	g_autofree char *place = place_of(sym, site), *when = leak_when_text(judged);
	json_t *json = json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:s, s:b, s:s, s:s, s:f, s:I, s:I, s:I, s:I}",
		"site", frame_of(site), "function", site->function, "module", site->module, "location", place,
		"kind", leak_kind_name(site->kind), "cache", site->cache, "target_code", site->own != G_MAXUINT,
		"verdict", leak_verdict_name(judged->verdict), "why", judged->why, "confidence", judged->confidence,
		"objects", (json_int_t)judged->objects, "bytes", (json_int_t)judged->bytes,
		"events", (json_int_t)judged->events, "exposure", (json_int_t)judged->exposure);

	json_object_update_new(json, json_pack("{s:s, s:f, s:f, s:f, s:f, s:s?, s:I, s:I, s:I, s:o}",
		"unit", judged->unit, "objects_per_unit", judged->rate, "low_95", judged->low, "high_95", judged->high,
		"bytes_per_unit", judged->byte_rate, "when", when, "step", (json_int_t)judged->step,
		"cycle", (json_int_t)judged->cycle, "certain_from", (json_int_t)judged->certain_from, "stacks", stacks_json(site)));
	return json;
}

static json_t *points_json(const struct analysis *an)
{
	const GArray *points = leaks_points(an->leaks);
	json_t *list = json_array();
	guint i;

	for (i = 0; i < points->len; i++) {
		const struct leak_point *point = &g_array_index(points, struct leak_point, i);
		const struct vx_msg_allocs *told = &point->told;

		json_array_append_new(list, json_pack(
			"{s:i, s:I, s:s, s:s, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I}",
			"round", (int)point->round, "cycle", (json_int_t)point->cycle,
			"after", point->unloaded ? "unload" : "unmount",
			"source", point->source == VX_ALLOCS_CALLS ? "calls" : "traced",
			"answered", (int)point->answered, "errno", -told->err,
			"objects", (json_int_t)told->objects, "bytes", (json_int_t)told->bytes,
			"allocs", (json_int_t)told->allocs, "frees", (json_int_t)told->frees,
			"overflows", (json_int_t)told->overflows, "unknown_frees", (json_int_t)told->unknown_frees,
			"sites_cut", (int)told->sites_cut, "ns", (json_int_t)told->ns));
	}
	return list;
}

static json_t *resources_json(const GArray *resources)
{
	json_t *list = json_array();
	guint i;

	for (i = 0; i < resources->len; i++) {
		const struct leak_resource *resource = &g_array_index(resources, struct leak_resource, i);
		const struct resource_judgement *judged = &resource->judged;

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:f, s:f, s:I, s:I, s:i}",
			"name", resource->name, "unit", resource_unit(resource->name),
			"verdict", resource_verdict_name(judged->verdict), "exact", judged->nature == RESOURCE_EXACT,
			"per_cycle", judged->per_cycle, "p", judged->p, "first", (json_int_t)judged->first,
			"last", (json_int_t)judged->last, "samples", (int)judged->samples));
	}
	return list;
}

/* Of EXACT ones, which are counted and cannot be by chance. */
static guint left_behind(const GArray *resources)
{
	guint n = 0, i;

	for (i = 0; i < resources->len; i++)
		n += g_array_index(resources, struct leak_resource, i).judged.nature == RESOURCE_EXACT;
	return n;
}

json_t *report_leaks(const char *dir, const struct analysis *an)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = NULL;
	g_autoptr(GPtrArray) sites = NULL;
	g_autoptr(GArray) resources = NULL;
	struct leaks_status status;
	json_t *list = json_array();
	guint i;

	if (!an->leaks) {
		json_decref(list);
		return NULL;
	}
	sym = evidence_symbolizer(dir, an);
	sites = sorted(an);
	resources = leaks_resources(an->leaks);
	status = leaks_status(an->leaks);
	for (i = 0; i < sites->len; i++)
		json_array_append_new(list, site_json(g_ptr_array_index(sites, i), sym));
	return json_pack("{s:s?, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:{s:b, s:b}}",
			 "end", leaks_end(an->leaks), "leaks", (int)(status.found + status.grows),
			 "certain", (int)status.found, "suspected", (int)status.suspected,
			 "acquitted", (int)status.acquitted, "not_judged", (int)status.not_judged,
			 "left_out", (int)leaks_left_out(an->leaks), "sites", list, "checkpoints", points_json(an),
			 "resources", resources_json(resources), "cleanup", "known", leaks_cleanup_known(an->leaks),
			 "verified", leaks_cleanup_known(an->leaks) && !left_behind(resources) && !status.found);
}

/* ---- a table --------------------------------------------------------------------------------------- */

static void append_stack(GString *out, const struct leak_stack *stack)
{
	guint i;

	for (i = 0; i < STACK_TOLD && stack->frames[i]; i++)
		g_string_append_printf(out, "               %s\n", stack->frames[i]);
	if (stack->frames[i])
		g_string_append(out, "               ...\n");
}

static void append_site(GString *out, const struct leak_site *site, const struct symbolizer *sym, gboolean all)
{
	const struct leak_judgement *judged = &site->judged;
	g_autofree char *place = place_of(sym, site), *when = leak_when_text(judged), *rate = leak_rate_text(judged);
	g_autofree char *safe = place ? report_printable(place) : NULL;
	char sure[32] = "";

	if (judged->verdict == LEAK_GROWS || (judged->verdict == LEAK_SUSPECTED && judged->confidence > 0))
		g_snprintf(sure, sizeof(sure), ", confidence %.4f", judged->confidence);
	g_string_append_printf(out, "    %-13s %-40s %-8s %s\n", leak_verdict_name(judged->verdict), frame_of(site),
			       leak_kind_name(site->kind), rate);
	if (safe || when)
		g_string_append_printf(out, "             %s%s%s%s%s\n", safe ? "at " : "", safe ? safe : "",
				       safe && when ? ", " : "", when ? when : "", sure);
	if (all || judged->verdict == LEAK_SUSPECTED)
		g_string_append_printf(out, "             %s\n", judged->why);
	if (all && judged->verdict >= LEAK_SUSPECTED)
		append_stack(out, leak_site_stack(site));
}

static void append_resources(GString *out, const struct analysis *an)
{
	g_autoptr(GArray) resources = leaks_resources(an->leaks);
	const guint left = left_behind(resources);
	guint i;

	if (!leaks_cleanup_known(an->leaks))
		g_string_append_printf(out, "  cleanup  not verified by an unload; of %u snapshots after mounts, %s\n",
				       leaks_snapshots(an->leaks), leaks_snapshots(an->leaks) < RESOURCE_SAMPLES_MIN ?
				       "too few to tell growth" : resources->len ? "something grows" : "nothing grows");
	else if (!left && !leaks_status(an->leaks).found)
		g_string_append(out, "  cleanup  verified: after the unload there is what was before, and no more\n");
	else if (!left)
		g_string_append(out, "  cleanup  memory is left behind, and nothing else\n");
	for (i = 0; i < resources->len; i++) {
		const struct leak_resource *resource = &g_array_index(resources, struct leak_resource, i);
		const struct resource_judgement *judged = &resource->judged;
		const gboolean behind = judged->verdict == RESOURCE_LEFT_BEHIND;

		g_string_append_printf(out, "  %-8s %s: %" G_GINT64_FORMAT " %s, now %" G_GINT64_FORMAT,
				       behind ? "left" : "grows", resource->name, judged->first,
				       resource_unit(resource->name), judged->last);
		if (!behind)
			g_string_append_printf(out, "; %.3g a cycle (p %.1g)", judged->per_cycle, judged->p);
		g_string_append_c(out, '\n');
	}
}

/* What was not seen is said: an overflow hides a leak. */
static void append_losses(GString *out, const struct analysis *an)
{
	const GArray *points = leaks_points(an->leaks);
	guint64 overflows = 0;
	guint cut = 0, i;

	for (i = 0; i < points->len; i++) {
		overflows = MAX(overflows, g_array_index(points, struct leak_point, i).told.overflows);
		cut = MAX(cut, g_array_index(points, struct leak_point, i).told.sites_cut);
	}
	if (overflows)
		g_string_append_printf(out, "  leaks    %" G_GUINT64_FORMAT " allocations not followed: the table was full\n",
				       overflows);
	if (cut || leaks_left_out(an->leaks))
		g_string_append_printf(out, "  leaks    %u sites not told, %u not understood or beyond the bounds\n",
				       cut, leaks_left_out(an->leaks));
}

char *report_leaks_text(const char *dir, const struct analysis *an, gboolean all)
{
	VX_GUARD(symbolizer_free) struct symbolizer *sym = NULL;
	g_autoptr(GPtrArray) sites = NULL;
	g_autofree char *end = NULL;
	struct leaks_status status;
	guint i, told = 0;
	GString *out;

	if (!an->leaks)
		return NULL;
	sym = evidence_symbolizer(dir, an);
	sites = sorted(an);
	status = leaks_status(an->leaks);
	end = report_printable(leaks_end(an->leaks) ? leaks_end(an->leaks) : "the hunt was broken off");
	out = g_string_new(NULL);
	g_string_append_printf(out, "  leaks    %u, and %u suspected; %u sites acquitted, %u not judged: %s\n",
			       status.found + status.grows, status.suspected, status.acquitted, status.not_judged, end);
	for (i = 0; i < sites->len && told < TOLD_MAX; i++) {
		const struct leak_site *site = g_ptr_array_index(sites, i);

		if (!all && site->judged.verdict < LEAK_SUSPECTED)
			break;
		append_site(out, site, sym, all);
		told++;
	}
	if (all && told < sites->len)
		g_string_append_printf(out, "    ... %u sites more (--json has them)\n", sites->len - told);
	append_losses(out, an);
	append_resources(out, an);
	return g_string_free(out, FALSE);
}

/* ---- folded stacks ----------------------------------------------------------------------------------- */

/* "function_[module]": what flame graphs colour by; a semicolon would be a frame. */
static void append_folded(GString *out, const char *line)
{
	VX_GUARD(stack_frame_free) struct stack_frame *frame = stack_frame_parse(line);

	if (!frame)
		g_string_append(out, "[unknown]");
	else if (frame->module)
		g_string_append_printf(out, "%s_[%s]", frame->function, frame->module);
	else
		g_string_append(out, frame->function);
	g_string_append_c(out, ';');
}

char *report_leaks_folded(const struct analysis *an)
{
	g_autoptr(GPtrArray) sites = NULL;
	GString *out;
	guint i, k, n;

	if (!an->leaks)
		return NULL;
	sites = sorted(an);
	out = g_string_new(NULL);
	for (i = 0; i < sites->len; i++) {
		const struct leak_site *site = g_ptr_array_index(sites, i);
		const enum vx_alloc_source source = leak_site_stack(site)->source;

		for (k = 0; site->judged.verdict >= LEAK_SUSPECTED && k < site->stacks->len; k++) {
			const struct leak_stack *stack = g_ptr_array_index(site->stacks, k);

			/* What both sources have seen is one object. */
			if (stack->source != source || !stack->bytes)
				continue;
			for (n = g_strv_length(stack->frames); n; n--)
				append_folded(out, stack->frames[n - 1]);
			g_string_append_printf(out, "%s %" G_GUINT64_FORMAT "\n", leak_kind_name(site->kind),
					       stack->bytes);
		}
	}
	return g_string_free(out, FALSE);
}
