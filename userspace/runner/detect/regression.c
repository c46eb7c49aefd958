// SPDX-License-Identifier: GPL-2.0
/*
 * What the comparison with earlier runs said, as the record has it ("compared"): one finding an operation, however many of its
 * phases are slower.
 */
#include <string.h>

#include "detect.h"

#define HIGH_FROM	1.0	/* share: twice as slow */
#define MEDIUM_FROM	.3

static gpointer regression_create(const struct detect_config *config)
{
	return g_new0(char, 1);
}

static double number(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static gboolean is_slower(const json_t *metric)
{
	return !strcmp(word(metric, "outcome"), "slower");
}

static gboolean same_operation(const json_t *a, const json_t *b)
{
	const char *x = word(a, "metric"), *y = word(b, "metric");
	const gsize len = strcspn(x, ".");

	return strcspn(y, ".") == len && !strncmp(x, y, len);
}

/* Does one before it speak for the same operation? */
static gboolean told(const json_t *metrics, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++)
		if (is_slower(json_array_get(metrics, i)) && same_operation(json_array_get(metrics, i), json_array_get(metrics, at)))
			return TRUE;
	return FALSE;
}

static void add_line(struct finding *finding, const json_t *metric)
{
	const json_t *level = json_object_get(metric, "level");

	finding_add_line(finding, "%s: %+.0f %% (95 %%: %+.0f to %+.0f), median %.3f ms, before %.3f ms; Cliff's delta %.2f, p %.2g",
			 word(metric, "metric"), 100 * json_number_value(json_array_get(level, 0)),
			 100 * json_number_value(json_array_get(level, 1)), 100 * json_number_value(json_array_get(level, 2)),
			 number(metric, "p50_ns") / 1e6, number(metric, "p50_before_ns") / 1e6, number(metric, "cliffs_delta"),
			 number(metric, "p_slower"));
}

static struct finding *make(const json_t *json, const json_t *metrics, size_t at)
{
	const json_t *first = json_array_get(metrics, at), *one;
	const double level = json_number_value(json_array_get(json_object_get(first, "level"), 0));
	const size_t runs = json_array_size(json_object_get(json, "baseline"));
	const enum severity severity = level >= HIGH_FROM ? SEV_HIGH : level >= MEDIUM_FROM ? SEV_MEDIUM : SEV_LOW;
	/* A phase alone has its name; a whole operation that of the operation. */
	const char *metric = word(first, "metric");
	const gboolean whole = g_str_has_suffix(metric, ".total") || g_str_has_suffix(metric, ".on_cpu") || g_str_has_suffix(metric, ".own");
	g_autofree char *name = g_strndup(metric, whole ? strcspn(metric, ".") : strlen(metric));
	g_autofree char *title = g_strdup_printf("%s is slower than in earlier runs", name);
	struct finding *finding = finding_new(FINDING_REGRESSION, severity, title);
	size_t i;

	/* The very code that was faster before: something else has changed. */
	finding->blame = json_is_true(json_object_get(json, "same_code")) ? BLAME_ENVIRONMENT : BLAME_MODULE;
	finding_add_line(finding, "compared with %zu comparable runs, %s to %s", runs,
			 runs ? json_string_value(json_array_get(json_object_get(json, "baseline"), 0)) : "",
			 runs ? json_string_value(json_array_get(json_object_get(json, "baseline"), runs - 1)) : "");
	json_array_foreach(metrics, i, one)
		if (is_slower(one) && same_operation(first, one))
			add_line(finding, one);
	return finding;
}

static void regression_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	const json_t *metrics;
	json_t *json;
	size_t i;

	if (entry->frame.type != VX_REC_VM)
		return;
	json = rec_entry_json(entry);
	metrics = json_object_get(json, "metrics");
	if (!strcmp(word(json, "event"), "compared"))
		for (i = 0; i < json_array_size(metrics); i++) {
			struct finding *finding;

			if (!is_slower(json_array_get(metrics, i)) || told(metrics, i))
				continue;
			finding = make(json, metrics, i);
			finding->realtime_ns = now->realtime_ns;
			g_ptr_array_add(findings, finding);
		}
	json_decref(json);
}

const struct detector detector_regression = {
	.name = "regression",
	.create = regression_create,
	.destroy = g_free,
	.feed = regression_feed,
};
