// SPDX-License-Identifier: GPL-2.0
/* Locks of the target and what waits for them, and the rounds of concurrent work: as JSON and as a table. */
#include <string.h>

#include "detect.h"
#include "locks.h"
#include "report.h"

#define ROWS_TOLD	10u

static const struct lock_totals *totals_of(const struct analysis *an)
{
	const struct lock_totals *totals = an->detect ? detect_locks(an->detect) : NULL;

	return totals && totals->reports ? totals : NULL;
}

static gboolean is_race(const json_t *note)
{
	return !g_strcmp0(json_string_value(json_object_get(note, "event")), "race");
}

/* Who was waited for most goes first, then who was held longest. */
static gint by_wait(gconstpointer a, gconstpointer b)
{
	const struct lock_row *x = a, *y = b;

	if (x->wait_ns != y->wait_ns)
		return x->wait_ns < y->wait_ns ? 1 : -1;
	if (x->hold_ns != y->hold_ns)
		return x->hold_ns < y->hold_ns ? 1 : -1;
	return strcmp(x->function, y->function) ?: (gint)x->kind - (gint)y->kind;
}

/* Of borrowed rows; caller frees the list. */
static GList *sorted(const struct lock_totals *totals)
{
	return g_list_sort(g_hash_table_get_values(totals->rows), by_wait);
}

static json_t *row_json(const struct lock_row *row)
{
	return json_pack("{s:s, s:s?, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "function", row->function,
			 "module", row->module, "kind", lock_kind_name(row->kind), "sites", (int)row->sites,
			 "taken", (json_int_t)row->taken, "contended", (json_int_t)row->contended,
			 "wait_ns", (json_int_t)row->wait_ns, "wait_max_ns", (json_int_t)row->wait_max_ns,
			 "hold_ns", (json_int_t)row->hold_ns, "hold_max_ns", (json_int_t)row->hold_max_ns,
			 "hold_max_off_cpu_ns", (json_int_t)row->hold_max_off_ns,
			 "long_holds", (json_int_t)row->long_holds);
}

static json_t *counts_json(const struct lock_totals *totals)
{
	const struct lock_counts *c = &totals->counts;

	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "reports", (int)totals->reports,
			 "taken", (json_int_t)c->taken, "released", (json_int_t)c->released,
			 "unknown", (json_int_t)c->unknown, "sites_lost", (json_int_t)c->sites_lost,
			 "pairs_lost", (json_int_t)c->pairs_lost, "orders_lost", (json_int_t)c->edges_lost,
			 "holders_lost", (json_int_t)c->holders_lost, "missed", (json_int_t)c->missed,
			 "left_out", (json_int_t)totals->left_out, "bad_lines", (json_int_t)totals->bad_lines,
			 "circles_of_others", (int)totals->circles_of_others);
}

json_t *report_locks(const struct analysis *an)
{
	const struct lock_totals *totals = totals_of(an);
	json_t *locks = json_array(), *rounds = json_array();
	GList *list = totals ? sorted(totals) : NULL, *l;
	json_t *note;
	size_t i;

	for (l = list; l; l = l->next)
		json_array_append_new(locks, row_json(l->data));
	g_list_free(list);
	json_array_foreach(an->vm, i, note)
		if (is_race(note))
			json_array_append(rounds, note);
	if (!totals && !json_array_size(rounds)) {
		json_decref(locks);
		json_decref(rounds);
		return NULL;
	}
	return json_pack("{s:o, s:o, s:o}", "counts", totals ? counts_json(totals) : json_null(), "locks", locks,
			 "rounds", rounds);
}

/* ---- for a terminal --------------------------------------------------------------------------- */

static void append_row(GString *out, const struct lock_row *row)
{
	g_autofree char *function = report_printable(row->function);
	char wait[16], worst[16], hold[16];

	g_string_append_printf(out, "    %-28.28s %-13s %9" G_GUINT64_FORMAT " %9" G_GUINT64_FORMAT " %9s %9s %9s\n",
			       function, lock_kind_name(row->kind), row->taken, row->contended,
			       report_ns(wait, sizeof(wait), (double)row->wait_ns),
			       report_ns(worst, sizeof(worst), (double)row->wait_max_ns),
			       report_ns(hold, sizeof(hold), (double)row->hold_max_ns));
}

static void append_losses(GString *out, const struct lock_totals *totals)
{
	const struct lock_counts *c = &totals->counts;
	const guint64 lost = c->sites_lost + c->pairs_lost + c->edges_lost + c->holders_lost + c->missed;

	if (lost)
		g_string_append_printf(out, "    %" G_GUINT64_FORMAT " of them are not followed: the tables were full, or the "
				       "probes busy\n", lost);
	if (totals->left_out || totals->bad_lines)
		g_string_append_printf(out, "    %" G_GUINT64_FORMAT " lines of the reports are missing\n",
				       totals->left_out + totals->bad_lines);
}

static void append_table(GString *out, const struct lock_totals *totals)
{
	GList *list = sorted(totals), *l;
	guint n = 0;

	g_string_append_printf(out, "  locks    %" G_GUINT64_FORMAT " taken by %u functions; most waited for:\n",
			       totals->counts.taken, g_hash_table_size(totals->rows));
	g_string_append_printf(out, "    %-28s %-13s %9s %9s %9s %9s %9s\n", "taken in", "kind", "times", "waited",
			       "wait", "longest", "held max");
	for (l = list; l && n < ROWS_TOLD; l = l->next, n++)
		append_row(out, l->data);
	g_list_free(list);
	append_losses(out, totals);
}

static void append_race(GString *out, const json_t *note)
{
	const char *title = json_string_value(json_object_get(note, "title"));
	g_autofree char *safe = report_printable(title ? title : "");

	if (title)
		g_string_append_printf(out, "  race     %s: seed %" JSON_INTEGER_FORMAT "%s, again in %" JSON_INTEGER_FORMAT
				       " of %" JSON_INTEGER_FORMAT "\n", safe,
				       json_integer_value(json_object_get(note, "seed")),
				       json_is_true(json_object_get(note, "delayed")) ? " with delays" : "",
				       json_integer_value(json_object_get(note, "seen")),
				       json_integer_value(json_object_get(note, "tries")));
}

char *report_locks_text(const struct analysis *an)
{
	const struct lock_totals *totals = totals_of(an);
	GString *out = g_string_new(NULL);
	guint rounds = 0, shown = 0;
	const json_t *note;
	size_t i;

	if (totals)
		append_table(out, totals);
	json_array_foreach(an->vm, i, note) {
		if (!is_race(note))
			continue;
		rounds++;
		shown += json_is_string(json_object_get(note, "title"));
		append_race(out, note);
	}
	if (rounds)
		g_string_append_printf(out, "  races    something else came of %u of %u rounds of concurrent work\n", shown,
				       rounds);
	return g_string_free(out, !out->len);
}
