// SPDX-License-Identifier: GPL-2.0
/* Runs into the database and out of it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "database.h"
#include "error.h"
#include "history.h"

#define UID_MIN 4	/* characters of a uid that name a run */

/* The id of a word in a table of words: put there if it is not. 0: error. */
static gint64 intern(struct history *h, const char *insert, const char *select, const char *word, GError **error)
{
	sqlite3_stmt *st = db_statement(h, insert, error);
	gboolean row;
	gint64 id = 0;

	if (!st)
		return 0;
	db_text(st, 1, word);
	if (!db_step(h, st, NULL, error) || !(st = db_statement(h, select, error)))
		return 0;
	db_text(st, 1, word);
	if (!db_step(h, st, &row, error))
		return 0;
	id = row ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return id;
}

static gboolean add_metric(struct history *h, const struct hist_run *run, gint64 class, const struct hist_metric *metric,
			   GError **error)
{
	const double figures[] = { metric->p50, metric->p90, metric->p99, metric->min, metric->max, metric->mean };
	const gint64 id = intern(h, "INSERT OR IGNORE INTO metric (name) VALUES (?)", "SELECT id FROM metric WHERE name = ?",
				 metric->name, error);
	g_autoptr(GBytes) bytes = NULL;
	sqlite3_stmt *st;
	gsize len;
	guint i;

	if (!id || !(st = db_statement(h, "INSERT INTO value (metric, class, begin_ns, run, complete, count, p50, p90, p99, min, max, mean)"
				       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", error)))
		return FALSE;
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, class);
	sqlite3_bind_int64(st, 3, (gint64)run->begin_ns);
	sqlite3_bind_int64(st, 4, run->id);
	sqlite3_bind_int(st, 5, run->complete);
	sqlite3_bind_int64(st, 6, (gint64)metric->count);
	for (i = 0; i < G_N_ELEMENTS(figures); i++)
		sqlite3_bind_double(st, 7 + (int)i, figures[i]);
	if (!db_step(h, st, NULL, error))
		return FALSE;
	if (!metric->samples)
		return TRUE;
	st = db_statement(h, "INSERT INTO sample (run, metric, bytes) VALUES (?, ?, ?)", error);
	if (!st)
		return FALSE;
	bytes = samples_pack(metric->samples);
	sqlite3_bind_int64(st, 1, run->id);
	sqlite3_bind_int64(st, 2, id);
	sqlite3_bind_blob(st, 3, g_bytes_get_data(bytes, &len), (int)g_bytes_get_size(bytes), SQLITE_TRANSIENT);
	return db_step(h, st, NULL, error);
}

static gboolean add_finding(struct history *h, const struct hist_run *run, const struct hist_finding *finding, GError **error)
{
	const gint64 id = intern(h, "INSERT OR IGNORE INTO title (key) VALUES (?)", "SELECT id FROM title WHERE key = ?",
				 finding->key, error);
	sqlite3_stmt *st;

	/* Two of an import may have one key. */
	if (!id || !(st = db_statement(h, "INSERT OR IGNORE INTO finding (run, title, class, words, severity, blame, noise, times, cycle,"
				       " attempts, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", error)))
		return FALSE;
	sqlite3_bind_int64(st, 1, run->id);
	sqlite3_bind_int64(st, 2, id);
	db_text(st, 3, finding->class);
	db_text(st, 4, finding->title);
	sqlite3_bind_int(st, 5, finding->severity);
	sqlite3_bind_int(st, 6, finding->blame);
	sqlite3_bind_int(st, 7, finding->noise);
	sqlite3_bind_int64(st, 8, (gint64)finding->times);
	sqlite3_bind_int64(st, 9, (gint64)finding->cycle);
	sqlite3_bind_int(st, 10, (int)finding->attempts);
	sqlite3_bind_int(st, 11, (int)finding->seen);
	return db_step(h, st, NULL, error);
}

static gboolean has_regressed(const struct hist_run *run)
{
	guint i;

	for (i = 0; i < run->findings->len; i++) {
		const struct hist_finding *finding = g_ptr_array_index(run->findings, i);

		if (!strcmp(finding->class, finding_class_name(FINDING_REGRESSION)) && !finding->noise &&
		    finding->blame != BLAME_ENVIRONMENT)
			return TRUE;
	}
	return FALSE;
}

static gboolean add_row(struct history *h, struct hist_run *run, gint64 class, GError **error)
{
	const double scores[] = { run->overall, run->stability, run->tests, run->performance };
	sqlite3_stmt *st = db_statement(h, "INSERT INTO run (uid, name, directory, begin_ns, end_ns, target, scenario, class, complete,"
		" accepted, regressed, judged, verdict, overall, stability, tests, performance, cycles, environment)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", error);
	char *env = json_dumps(run->env, JSON_COMPACT | JSON_SORT_KEYS);
	guint i;

	if (!st) {
		free(env);
		return FALSE;
	}
	db_text(st, 1, run->uid);
	db_text(st, 2, run->name);
	db_text(st, 3, run->directory);
	sqlite3_bind_int64(st, 4, (gint64)run->begin_ns);
	sqlite3_bind_int64(st, 5, (gint64)run->end_ns);
	db_text(st, 6, hist_word(run->env, "target"));
	db_text(st, 7, hist_word(run->env, "scenario"));
	sqlite3_bind_int64(st, 8, class);
	sqlite3_bind_int(st, 9, run->complete);
	sqlite3_bind_int(st, 10, run->accepted);
	sqlite3_bind_int(st, 11, has_regressed(run));
	sqlite3_bind_int(st, 12, run->judged);
	sqlite3_bind_int(st, 13, run->verdict);
	for (i = 0; i < G_N_ELEMENTS(scores); i++)
		sqlite3_bind_double(st, 14 + (int)i, scores[i]);
	sqlite3_bind_int64(st, 18, (gint64)run->cycles);
	db_text(st, 19, env ? env : "{}");
	free(env);
	if (!db_step(h, st, NULL, error))
		return FALSE;
	run->id = sqlite3_last_insert_rowid(h->db);
	return TRUE;
}

static gboolean add_whole(struct history *h, struct hist_run *run, GError **error)
{
	g_autofree char *key = hist_class(run->env, NULL);
	const gint64 class = intern(h, "INSERT OR IGNORE INTO class (key) VALUES (?)", "SELECT id FROM class WHERE key = ?",
				    key, error);
	guint i;

	if (!class || !add_row(h, run, class, error))
		return FALSE;
	for (i = 0; i < run->metrics->len; i++)
		if (!add_metric(h, run, class, g_ptr_array_index(run->metrics, i), error))
			return FALSE;
	for (i = 0; i < run->findings->len; i++)
		if (!add_finding(h, run, g_ptr_array_index(run->findings, i), error))
			return FALSE;
	return TRUE;
}

static gboolean remove_run(struct history *h, gint64 id, GError **error)
{
	static const char *const from[] = {
		"DELETE FROM value WHERE run = ?1 AND class = (SELECT class FROM run WHERE id = ?1)"
		" AND begin_ns = (SELECT begin_ns FROM run WHERE id = ?1) AND metric IN (SELECT id FROM metric)",
		"DELETE FROM sample WHERE run = ?", "DELETE FROM finding WHERE run = ?", "DELETE FROM run WHERE id = ?",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(from); i++) {
		sqlite3_stmt *st = db_statement(h, from[i], error);

		if (!st)
			return FALSE;
		sqlite3_bind_int64(st, 1, id);
		if (!db_step(h, st, NULL, error))
			return FALSE;
	}
	return TRUE;
}

/* Which run has this uid, 0: none; and did it come to its end? */
static gboolean look_up(struct history *h, const char *uid, gint64 *id, gboolean *complete, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id, complete FROM run WHERE uid = ?", error);
	gboolean row;

	*id = 0;
	if (!st)
		return FALSE;
	db_text(st, 1, uid);
	if (!db_step(h, st, &row, error))
		return FALSE;
	if (row) {
		*id = sqlite3_column_int64(st, 0);
		*complete = sqlite3_column_int(st, 1);
	}
	sqlite3_reset(st);
	return TRUE;
}

static gboolean add_or_keep(struct history *h, struct hist_run *run, gboolean *added, GError **error)
{
	gboolean complete = FALSE;
	gint64 there;

	if (!look_up(h, run->uid, &there, &complete, error))
		return FALSE;
	if (there && (complete || !run->complete)) {
		run->id = there;
		*added = FALSE;
		return TRUE;
	}
	if (there && !remove_run(h, there, error))
		return FALSE;
	*added = TRUE;
	return add_whole(h, run, error);
}

gboolean history_begin(struct history *h, GError **error)
{
	return db_begin(h, error);
}

gboolean history_end(struct history *h, gboolean ok, GError **error)
{
	return db_end(h, ok, error);
}

gboolean history_add(struct history *h, struct hist_run *run, gboolean *added, GError **error)
{
	/* Within history_begin() the caller ends it. */
	if (!sqlite3_get_autocommit(h->db))
		return add_or_keep(h, run, added, error);
	return db_begin(h, error) && db_end(h, add_or_keep(h, run, added, error), error);
}

/* ---- out of it ------------------------------------------------------------------------ */

static gboolean load_metrics(struct history *h, struct hist_run *run, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT m.name, v.count, v.p50, v.p90, v.p99, v.min, v.max, v.mean, s.bytes FROM run r"
		" CROSS JOIN metric m JOIN value v ON v.metric = m.id AND v.class = r.class AND v.begin_ns = r.begin_ns"
		" AND v.run = r.id LEFT JOIN sample s ON s.run = r.id AND s.metric = m.id WHERE r.id = ? ORDER BY m.id", error);
	gboolean row;

	if (!st)
		return FALSE;
	sqlite3_bind_int64(st, 1, run->id);
	while (db_step(h, st, &row, error)) {
		struct hist_metric *metric;

		if (!row)
			return TRUE;
		metric = hist_metric_add(run, db_word(st, 0));
		metric->count = (guint64)sqlite3_column_int64(st, 1);
		metric->p50 = sqlite3_column_double(st, 2);
		metric->p90 = sqlite3_column_double(st, 3);
		metric->p99 = sqlite3_column_double(st, 4);
		metric->min = sqlite3_column_double(st, 5);
		metric->max = sqlite3_column_double(st, 6);
		metric->mean = sqlite3_column_double(st, 7);
		if (sqlite3_column_type(st, 8) == SQLITE_BLOB)
			metric->samples = samples_unpack(sqlite3_column_blob(st, 8), (gsize)sqlite3_column_bytes(st, 8));
	}
	return FALSE;
}

static gboolean load_findings(struct history *h, struct hist_run *run, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT class, words, severity, blame, noise, times, cycle, attempts, seen FROM finding"
					" WHERE run = ? ORDER BY severity DESC, title", error);
	gboolean row;

	if (!st)
		return FALSE;
	sqlite3_bind_int64(st, 1, run->id);
	while (db_step(h, st, &row, error)) {
		struct hist_finding *finding;

		if (!row)
			return TRUE;
		finding = hist_finding_add(run, db_word(st, 0), db_word(st, 1));
		finding->severity = CLAMP(sqlite3_column_int(st, 2), SEV_LOW, SEV_CRITICAL);
		finding->blame = CLAMP(sqlite3_column_int(st, 3), BLAME_MODULE, BLAME_ENVIRONMENT);
		finding->noise = sqlite3_column_int(st, 4) != 0;
		finding->times = (guint64)sqlite3_column_int64(st, 5);
		finding->cycle = (guint64)sqlite3_column_int64(st, 6);
		finding->attempts = (guint)MAX(sqlite3_column_int(st, 7), 0);
		finding->seen = (guint)MAX(sqlite3_column_int(st, 8), 0);
	}
	return FALSE;
}

static struct hist_run *read_row(sqlite3_stmt *st)
{
	struct hist_run *run = hist_run_new();
	json_t *env = json_loads(db_word(st, 14), 0, NULL);

	run->id = sqlite3_column_int64(st, 0);
	run->uid = g_strdup(db_word(st, 1));
	run->name = g_strdup(db_word(st, 2));
	run->directory = g_strdup(db_word(st, 3));
	run->begin_ns = (guint64)sqlite3_column_int64(st, 4);
	run->end_ns = (guint64)sqlite3_column_int64(st, 5);
	run->complete = sqlite3_column_int(st, 6) != 0;
	run->accepted = sqlite3_column_int(st, 7) != 0;
	run->judged = sqlite3_column_int(st, 8) != 0;
	run->verdict = CLAMP(sqlite3_column_int(st, 9), VERDICT_PASSED, VERDICT_CRITICAL);
	run->overall = sqlite3_column_double(st, 10);
	run->stability = sqlite3_column_double(st, 11);
	run->tests = sqlite3_column_double(st, 12);
	run->performance = sqlite3_column_double(st, 13);
	run->cycles = (guint64)sqlite3_column_int64(st, 15);
	if (json_is_object(env))
		json_object_update(run->env, env);
	json_decref(env);
	return run;
}

struct hist_run *history_load(struct history *h, gint64 id, gboolean light, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id, uid, name, directory, begin_ns, end_ns, complete, accepted, judged, verdict,"
					" overall, stability, tests, performance, environment, cycles FROM run WHERE id = ?", error);
	VX_GUARD(hist_run_free) struct hist_run *run = NULL;
	gboolean row;

	if (!st)
		return NULL;
	sqlite3_bind_int64(st, 1, id);
	if (!db_step(h, st, &row, error))
		return NULL;
	if (!row) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the history has no run %" G_GINT64_FORMAT, id);
		return NULL;
	}
	run = read_row(st);
	sqlite3_reset(st);
	if (light || (load_metrics(h, run, error) && load_findings(h, run, error)))
		return g_steal_pointer(&run);
	return NULL;
}

struct hist_run *history_load_findings(struct history *h, gint64 id, GError **error)
{
	VX_GUARD(hist_run_free) struct hist_run *run = history_load(h, id, TRUE, error);

	return run && load_findings(h, run, error) ? g_steal_pointer(&run) : NULL;
}

/* ---- which one ------------------------------------------------------------------------ */

/* Ids that a statement gives, at most `most`. */
static GArray *ids_of(struct history *h, sqlite3_stmt *st, guint most, GError **error)
{
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(gint64));
	gboolean row;

	while (db_step(h, st, &row, error)) {
		const gint64 id = row ? sqlite3_column_int64(st, 0) : 0;

		if (!row)
			return ids;
		g_array_append_val(ids, id);
		if (most && ids->len >= most) {
			sqlite3_reset(st);
			return ids;
		}
	}
	g_array_unref(ids);
	return NULL;
}

static GArray *by_word(struct history *h, const char *sql, const char *word, GError **error)
{
	sqlite3_stmt *st = db_statement(h, sql, error);

	if (!st)
		return NULL;
	if (word)
		db_text(st, 1, word);
	return ids_of(h, st, 2, error);
}

gint64 history_find(struct history *h, const char *name, GError **error)
{
	g_autofree char *real = realpath(name, NULL), *base = g_path_get_basename(real ? real : name);
	const gboolean number = *name && strspn(name, "0123456789") == strlen(name) && strlen(name) < 16;
	const char *const tries[][2] = {
		{ strcmp(name, "latest") ? NULL : "SELECT id FROM run ORDER BY begin_ns DESC, id DESC LIMIT 1", NULL },
		{ number ? "SELECT id FROM run WHERE id = CAST(? AS INTEGER)" : NULL, name },
		{ real ? "SELECT id FROM run WHERE directory = ?" : NULL, real },
		{ "SELECT id FROM run WHERE name = ?", base },
		{ strlen(name) >= UID_MIN && strspn(name, "0123456789abcdef") == strlen(name) ?
		  "SELECT id FROM run WHERE uid >= ?1 AND uid < ?1 || 'g'" : NULL, name },
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(tries); i++) {
		g_autoptr(GArray) ids = NULL;

		if (!tries[i][0])
			continue;
		ids = by_word(h, tries[i][0], tries[i][1], error);
		if (!ids)
			return 0;
		if (ids->len == 1)
			return g_array_index(ids, gint64, 0);
		if (ids->len) {
			g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "more than one run is called %s: give its number, of `vexlab history list`",
				    name);
			return 0;
		}
	}
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the history has no run %s: `vexlab history list` has those it has, and "
		    "`vexlab history import RUN` adds one whose folder is there", name);
	return 0;
}

GArray *history_list(struct history *h, const struct history_filter *filter, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT id FROM (SELECT id, begin_ns FROM run WHERE (?1 IS NULL OR target = ?1) AND"
		" (?2 IS NULL OR scenario = ?2) AND begin_ns < ?3 AND complete >= ?5 ORDER BY begin_ns DESC, id DESC LIMIT ?4)"
		" ORDER BY begin_ns, id", error);

	if (!st)
		return NULL;
	if (filter->target)
		db_text(st, 1, filter->target);
	if (filter->scenario)
		db_text(st, 2, filter->scenario);
	sqlite3_bind_int64(st, 3, filter->before_ns ? (gint64)filter->before_ns : G_MAXINT64);
	sqlite3_bind_int64(st, 4, filter->last ? (gint64)filter->last : -1);
	sqlite3_bind_int(st, 5, filter->complete);
	return ids_of(h, st, 0, error);
}

gint64 history_count(struct history *h, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "SELECT count(*) FROM run", error);
	gboolean row;
	gint64 n;

	if (!st || !db_step(h, st, &row, error))
		return -1;
	n = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return n;
}

gboolean history_accept(struct history *h, gint64 id, gboolean accepted, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "UPDATE run SET accepted = ? WHERE id = ?", error);

	if (!st)
		return FALSE;
	sqlite3_bind_int(st, 1, accepted);
	sqlite3_bind_int64(st, 2, id);
	return db_step(h, st, NULL, error);
}

gboolean history_retried(struct history *h, gint64 run, const char *key, guint attempts, guint seen, GError **error)
{
	sqlite3_stmt *st = db_statement(h, "UPDATE finding SET attempts = attempts + ?, seen = seen + ? WHERE run = ? AND"
					" title = (SELECT id FROM title WHERE key = ?)", error);

	if (!st)
		return FALSE;
	sqlite3_bind_int(st, 1, (int)attempts);
	sqlite3_bind_int(st, 2, (int)seen);
	sqlite3_bind_int64(st, 3, run);
	db_text(st, 4, key);
	return db_step(h, st, NULL, error);
}
