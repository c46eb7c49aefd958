// SPDX-License-Identifier: GPL-2.0
#include "changes.h"
#include "error.h"
#include "trend.h"

static const struct {
	const char *metric;
	enum history_field field;
	const char *label;
	double scale;
} figures[] = {
	{ "mount.total", FIELD_P50, "mount p50, ms", 1e-6 },
	{ "mount.total", FIELD_P99, "mount p99, ms", 1e-6 },
	{ "umount.total", FIELD_P50, "umount p50, ms", 1e-6 },
	{ "umount.total", FIELD_P99, "umount p99, ms", 1e-6 },
	{ "cycles_per_second", FIELD_P50, "cycles a second", 1 },
	{ "memory_peak_kb", FIELD_P50, "memory at most, MiB", 1.0 / 1024 },
	{ "slab_peak_kb", FIELD_P50, "slab at most, MiB", 1.0 / 1024 },
};

struct column {
	gint64 run;
	guint64 begin_ns;
	json_t *values;
};

static int by_time(gconstpointer a, gconstpointer b)
{
	const struct column *x = a, *y = b;

	return x->begin_ns < y->begin_ns ? -1 : x->begin_ns > y->begin_ns;
}

static json_t *values_of(GArray *columns, const struct history_point *point)
{
	struct column column = { point->run, point->begin_ns, NULL };
	guint i;

	for (i = 0; i < columns->len; i++)
		if (g_array_index(columns, struct column, i).run == point->run)
			return g_array_index(columns, struct column, i).values;
	column.values = json_object();
	g_array_append_val(columns, column);
	return column.values;
}

static gboolean add_figure(struct history *h, const struct hist_run *run, const char *const *across, guint figure, GArray *columns,
			   GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GArray) points = history_series(h, run, across, figures[figure].metric, figures[figure].field, TREND_RUNS_MAX, &local);
	guint i;

	for (i = 0; points && i < points->len; i++) {
		const struct history_point *point = &g_array_index(points, struct history_point, i);

		json_object_set_new(values_of(columns, point), figures[figure].label, json_real(point->value * figures[figure].scale));
	}
	/* No run has ever had it. */
	if (points || g_error_matches(local, VX_ERROR, VX_ERROR_USAGE))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* Of those runs that have the figure; as places among all. */
static json_t *changes_of(const GArray *columns, const char *label)
{
	g_autofree double *values = g_new(double, columns->len);
	g_autofree guint *places = g_new(guint, columns->len);
	g_autoptr(GArray) changes = NULL;
	json_t *list = json_array();
	guint n = 0, i;

	for (i = 0; i < columns->len; i++) {
		const json_t *value = json_object_get(g_array_index(columns, struct column, i).values, label);

		if (!value)
			continue;
		values[n] = json_number_value(value);
		places[n++] = i;
	}
	changes = changes_find(values, n, &changes_defaults);
	for (i = 0; i < changes->len; i++)
		json_array_append_new(list, json_integer(places[g_array_index(changes, struct change, i).at]));
	return list;
}

static json_t *runs_of(struct history *h, const GArray *columns)
{
	json_t *runs = json_array();
	guint i;

	for (i = 0; i < columns->len; i++) {
		const struct column *column = &g_array_index(columns, struct column, i);
		VX_GUARD(hist_run_free) struct hist_run *run = history_load(h, column->run, TRUE, NULL);

		json_array_append_new(runs, json_pack("{s:s, s:O}", "stamp", run ? run->name : "", "values", column->values));
	}
	return runs;
}

static void columns_free(GArray *columns)
{
	guint i;

	for (i = 0; i < columns->len; i++)
		json_decref(g_array_index(columns, struct column, i).values);
	g_array_unref(columns);
}
VX_DEFINE_GUARD(GArray, columns_free);

json_t *trend_of(struct history *h, const struct hist_run *run, const char *const *across, GError **error)
{
	VX_GUARD(columns_free) GArray *columns = g_array_new(FALSE, FALSE, sizeof(struct column));
	json_t *changes;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(figures); i++)
		if (!add_figure(h, run, across, i, columns, error))
			return NULL;
	g_array_sort(columns, by_time);
	changes = json_object();
	for (i = 0; i < G_N_ELEMENTS(figures); i++)
		json_object_set_new(changes, figures[i].label, changes_of(columns, figures[i].label));
	return json_pack("{s:o, s:o}", "runs", runs_of(h, columns), "changes", changes);
}
