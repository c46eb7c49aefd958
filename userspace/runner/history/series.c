// SPDX-License-Identifier: GPL-2.0
/* Runs that may be compared, and one metric over them. */
#include <math.h>
#include <string.h>

#include "database.h"
#include "error.h"
#include "history.h"

static const char *const field_names[] = {
	[FIELD_P50] = "p50", [FIELD_P90] = "p90", [FIELD_P99] = "p99", [FIELD_MIN] = "min", [FIELD_MAX] = "max", [FIELD_MEAN] = "mean",
};
_Static_assert(G_N_ELEMENTS(field_names) == HISTORY_FIELDS, "every field has a name");

const char *history_field_name(enum history_field field)
{
	return field_names[field];
}

/* Classes that are that of `env`, but for `across`. */
static GArray *classes_of(struct history *h, const json_t *env, const char *const *across, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id, key FROM class", error);
	g_autofree char *wanted = hist_class(env, across);
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint64));
	gboolean row;

	while (st && db_step(h, st, &row, error)) {
		json_t *class = row ? json_loads(db_word(st, 1), 0, NULL) : NULL;
		g_autofree char *key = row ? hist_class(class, across) : NULL;
		const gint64 id = row ? sqlite3_column_int64(st, 0) : 0;

		json_decref(class);
		if (!row)
			return ids;
		if (!strcmp(key, wanted))
			g_array_append_val(ids, id);
	}
	g_array_unref(ids);
	return NULL;
}

static int by_begin(gconstpointer a, gconstpointer b)
{
	const struct history_point *x = a, *y = b;

	return x->begin_ns != y->begin_ns ? (x->begin_ns < y->begin_ns ? -1 : 1) : (x->run > y->run) - (x->run < y->run);
}

static gint64 metric_id(struct history *h, const char *name, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id FROM metric WHERE name = ?", error);
	gboolean row;
	gint64 id;

	if (!st)
		return 0;
	db_text(st, 1, name);
	if (!db_step(h, st, &row, error))
		return 0;
	id = row ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	if (!id)
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the history has no metric %s: `vexlab history trend` without one lists them", name);
	return id;
}

static gboolean points_of(struct history *h, gint64 metric, gint64 class, enum history_field field, guint last, GArray *points,
			  GError **error)
{
#define SERIES(column) "SELECT run, begin_ns, " column " FROM value WHERE metric = ? AND class = ? AND complete = 1" \
		       " ORDER BY begin_ns DESC, run DESC LIMIT ?"
	static const char *const texts[] = {
		[FIELD_P50] = SERIES("p50"), [FIELD_P90] = SERIES("p90"), [FIELD_P99] = SERIES("p99"),
		[FIELD_MIN] = SERIES("min"), [FIELD_MAX] = SERIES("max"), [FIELD_MEAN] = SERIES("mean"),
	};
#undef SERIES
	sqlite3_stmt *st = db_statement(h, texts[field], error);
	gboolean row;

	if (!st)
		return FALSE;
	sqlite3_bind_int64(st, 1, metric);
	sqlite3_bind_int64(st, 2, class);
	sqlite3_bind_int64(st, 3, last ? (gint64)last : -1);
	while (db_step(h, st, &row, error)) {
		struct history_point point;

		if (!row)
			return TRUE;
		point.run = sqlite3_column_int64(st, 0);
		point.begin_ns = (guint64)sqlite3_column_int64(st, 1);
		point.value = sqlite3_column_double(st, 2);
		g_array_append_val(points, point);
	}
	return FALSE;
}

static void reverse(GArray *points)
{
	guint i;

	for (i = 0; i < points->len / 2; i++) {
		struct history_point *a = &g_array_index(points, struct history_point, i);
		struct history_point *b = &g_array_index(points, struct history_point, points->len - 1 - i), swap = *a;

		*a = *b;
		*b = swap;
	}
}

GArray *history_series(struct history *h, const struct hist_run *like, const char *const *across, const char *metric,
		       enum history_field field, guint last, GError **error)
{
	const gint64 id = metric_id(h, metric, error);
	g_autoptr(GArray) classes = id ? classes_of(h, like->env, across, error) : NULL;
	g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(struct history_point));
	guint i;

	for (i = 0; classes && i < classes->len; i++)
		if (!points_of(h, id, g_array_index(classes, gint64, i), field, last, points, error))
			return NULL;
	if (!classes)
		return NULL;
	/* Of one class they come latest first. */
	if (classes->len == 1)
		reverse(points);
	else
		g_array_sort(points, by_begin);
	if (last && points->len > last)
		g_array_remove_range(points, 0, points->len - last);
	return g_steal_pointer(&points);
}

char **history_metrics(struct history *h, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT name FROM metric ORDER BY name", error);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	gboolean row = TRUE;

	if (!st)
		return NULL;
	while (row) {
		if (!db_step(h, st, &row, error))
			return NULL;
		if (row)
			g_ptr_array_add(names, g_strdup(db_word(st, 0)));
	}
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_steal(names, NULL);
}

GArray *history_samples(struct history *h, gint64 run, const char *metric, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT bytes FROM sample WHERE run = ? AND metric = (SELECT id FROM metric WHERE name = ?)",
					error);
	GArray *samples = NULL;
	gboolean row;

	if (!st)
		return NULL;
	sqlite3_bind_int64(st, 1, run);
	db_text(st, 2, metric);
	if (!db_step(h, st, &row, error))
		return NULL;
	if (row)
		samples = samples_unpack(sqlite3_column_blob(st, 0), (gsize)sqlite3_column_bytes(st, 0));
	sqlite3_reset(st);
	return samples;
}

/* ---- the baseline --------------------------------------------------------------------- */

struct candidate {
	gint64 run;
	guint64 begin_ns;
	gboolean accepted;
};

static gboolean candidates_of(struct history *h, gint64 class, const struct hist_run *run, gboolean sound, guint most, GArray *list,
			      GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id, begin_ns, accepted FROM run WHERE class = ? AND begin_ns < ? AND complete = 1"
					" AND (regressed = 0 OR accepted = 1 OR ?) ORDER BY begin_ns DESC, id DESC LIMIT ?", error);
	gboolean row;

	if (!st)
		return FALSE;
	sqlite3_bind_int64(st, 1, class);
	sqlite3_bind_int64(st, 2, (gint64)run->begin_ns);
	sqlite3_bind_int(st, 3, !sound);
	sqlite3_bind_int64(st, 4, most);
	while (db_step(h, st, &row, error)) {
		struct candidate one;

		if (!row)
			return TRUE;
		one.run = sqlite3_column_int64(st, 0);
		one.begin_ns = (guint64)sqlite3_column_int64(st, 1);
		one.accepted = sqlite3_column_int(st, 2) != 0;
		g_array_append_val(list, one);
	}
	return FALSE;
}

static int latest_first(gconstpointer a, gconstpointer b)
{
	const struct candidate *x = a, *y = b;

	return x->begin_ns != y->begin_ns ? (x->begin_ns > y->begin_ns ? -1 : 1) : (x->run < y->run) - (x->run > y->run);
}

/* Why there is nothing to compare with, in words. */
static char *why_none(struct history *h, const struct hist_run *run, const char *const *across)
{
	const struct history_filter filter = {
		.target = hist_word(run->env, "target"), .scenario = hist_word(run->env, "scenario"),
		.before_ns = run->begin_ns, .last = 1, .complete = TRUE,
	};
	g_autoptr(GArray) ids = history_list(h, &filter, NULL);
	VX_GUARD(hist_run_free) struct hist_run *other = ids && ids->len ?
		history_load(h, g_array_index(ids, gint64, 0), TRUE, NULL) : NULL;
	g_autofree char *difference = other ? hist_difference(other->env, run->env, across) : NULL;

	if (!other)
		return g_strdup_printf("the history has no earlier run of %s on %s", filter.scenario, filter.target);
	if (difference)
		return g_strdup_printf("the latest run of it, %s, cannot be compared: %s", other->name, difference);
	return g_strdup("a regression was told of all runs that are comparable: `vexlab history accept RUN` makes one the measure");
}

static GArray *candidates(struct history *h, const struct hist_run *run, const char *const *across, gboolean sound, guint most,
			  GError **error)
{
	g_autoptr(GArray) classes = classes_of(h, run->env, across, error);
	g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	guint i;

	for (i = 0; classes && i < classes->len; i++)
		if (!candidates_of(h, g_array_index(classes, gint64, i), run, sound, most, list, error))
			return NULL;
	if (!classes)
		return NULL;
	g_array_sort(list, latest_first);
	return g_steal_pointer(&list);
}

GArray *history_comparable(struct history *h, const struct hist_run *run, const char *const *across, guint most, GError **error)
{
	g_autoptr(GArray) list = candidates(h, run, across, FALSE, most, error);
	GArray *ids = list ? g_array_new(FALSE, FALSE, sizeof(gint64)) : NULL;
	guint i;

	for (i = 0; list && i < MIN(list->len, most); i++)
		g_array_append_val(ids, g_array_index(list, struct candidate, i).run);
	return ids;
}

GArray *history_baseline(struct history *h, const struct hist_run *run, const char *const *across, guint most, char **why,
			 GError **error)
{
	g_autoptr(GArray) list = candidates(h, run, across, TRUE, most, error);
	GArray *ids;
	guint i;

	if (!list)
		return NULL;
	ids = g_array_new(FALSE, FALSE, sizeof(gint64));
	for (i = 0; i < list->len && ids->len < most; i++) {
		const struct candidate *one = &g_array_index(list, struct candidate, i);

		g_array_prepend_val(ids, one->run);
		if (one->accepted)
			break;
	}
	if (why)
		*why = ids->len ? NULL : why_none(h, run, across);
	return ids;
}
