// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "thresholds.h"

#define OPERATION_MS	30000

const double limit_shares[LIMIT_PERCENTILES] = { [LIMIT_P50] = .50, [LIMIT_P90] = .90, [LIMIT_P99] = .99 };
const char *const limit_names[LIMIT_PERCENTILES] = { [LIMIT_P50] = "p50", [LIMIT_P90] = "p90", [LIMIT_P99] = "p99" };

static double number(const json_t *json, const char *key)
{
	return json_number_value(json_object_get(json, key));
}

static void take_op(struct thresholds *thresholds, const char *name, const json_t *json)
{
	struct threshold_op *op = &thresholds->ops[thresholds->nops];
	guint i;

	if (thresholds->nops == THRESHOLD_OPS_MAX || !json_is_object(json))
		return;
	thresholds->nops++;
	g_strlcpy(op->name, name, sizeof(op->name));
	op->max_ms = number(json, "max_ms");
	for (i = 0; i < LIMIT_PERCENTILES; i++) {
		g_autofree char *key = g_strdup_printf("%s_ms", limit_names[i]);

		op->percentile_ms[i] = number(json, key);
	}
}

struct thresholds thresholds_from(const json_t *run)
{
	json_t *json = json_object_get(run, "thresholds"), *op;
	struct thresholds thresholds = {
		.operation_ms = number(json, "operation_ms"), .memory_kb = number(json, "memory_kb"),
		.cpu_percent = number(json, "cpu_percent"), .io_per_second = number(json, "io_per_second"),
		.lasting_s = number(json, "lasting_s"),
	};
	const char *name;

	if (thresholds.operation_ms <= 0)
		thresholds.operation_ms = OPERATION_MS;
	json_object_foreach(json_object_get(json, "operations"), name, op)
		take_op(&thresholds, name, op);
	return thresholds;
}

const struct threshold_op *thresholds_op(const struct thresholds *thresholds, const char *name)
{
	guint i;

	for (i = 0; i < thresholds->nops; i++)
		if (!strcmp(thresholds->ops[i].name, name))
			return &thresholds->ops[i];
	return NULL;
}

double thresholds_operation_ms(const struct thresholds *thresholds, const char *name)
{
	const struct threshold_op *op = thresholds_op(thresholds, name);

	return op && op->max_ms > 0 ? op->max_ms : thresholds->operation_ms;
}
