// SPDX-License-Identifier: GPL-2.0
/*
 * Locks of the target: taken in two orders, held too long asleep, still held when the operation is over, let go by
 * another task. Each is told once a run. What the kernel does among its own locks is not the target's: a finding needs a
 * function of its module, or one that bears its name, where the lock is taken.
 */
#include <string.h>
#include <vexlab/locks.h>

#include "detect.h"
#include "locks.h"

/* A few long holds among many may be the machine's, which is slow now and then. */
#define LONG_HOLDS_MIN	2u
#define LONG_SHARE	4u	/* one in so many must be long */

struct locks_state {
	char module[VX_NAME_LEN], prefix[VX_NAME_LEN + 1];
	GHashTable *told;		/* titles */
	gboolean wrapped;		/* the latest report is of a module's own calls */
	struct lock_totals totals;
};

static void row_free(gpointer data)
{
	struct lock_row *row = data;

	g_free(row->function);
	g_free(row->module);
	g_free(row);
}

static gpointer locks_create(const struct detect_config *config)
{
	struct locks_state *st = g_new0(struct locks_state, 1);

	g_strlcpy(st->module, config->module, sizeof(st->module));
	g_snprintf(st->prefix, sizeof(st->prefix), "%s_", config->target);
	st->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	st->totals.rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, row_free);
	return st;
}

static void locks_destroy(gpointer state)
{
	struct locks_state *st = state;

	g_hash_table_destroy(st->told);
	g_hash_table_destroy(st->totals.rows);
	g_free(st);
}

const struct lock_totals *detector_locks_totals(gpointer state)
{
	return &((struct locks_state *)state)->totals;
}

/* ---- whose ---------------------------------------------------------------------------------- */

/* Of a module only its own functions are the target's; of what is built in, those that are named after it. */
static gboolean is_target(const struct locks_state *st, const char *frame)
{
	g_autofree char *module = lock_frame_module(frame);

	if (module)
		return st->module[0] && !strcmp(module, st->module);
	return st->prefix[1] && g_str_has_prefix(frame, st->prefix);
}

static char *function_of(const struct lock_site *site)
{
	return site && site->at.n ? lock_frame_function(site->at.text[0]) : g_strdup("an unknown function");
}

static gboolean taken_by_target(const struct locks_state *st, const struct lock_site *site)
{
	return site && site->at.n && is_target(st, site->at.text[0]);
}

/* ---- findings -------------------------------------------------------------------------------- */

/* NULL: it was told before. */
static struct finding *new_finding(struct locks_state *st, const struct detect_now *now, const char *kind,
				   enum severity severity, const struct lock_site *site, const char *title)
{
	struct finding *finding;

	if (!g_hash_table_add(st->told, g_strdup(title)))
		return NULL;
	finding = detect_finding(now, FINDING_LOCKING, severity, title);
	finding->kind = kind;
	finding->function = function_of(site);
	if (site && site->at.n)
		finding->module = lock_frame_module(site->at.text[0]);
	return finding;
}

static void add_stack(struct finding *finding, const struct lock_frames *frames)
{
	guint i;

	for (i = 0; i < frames->n; i++)
		finding_add_line(finding, " %s", frames->text[i]);
}

struct circle_ctx {
	struct locks_state *st;
	const struct detect_now *now;
	const struct lock_report *report;
	GPtrArray *findings;
};

/* "f", or "f under g" where the two locks are taken by different functions. */
static char *order_words(const struct lock_report *report, const struct lock_order *order)
{
	g_autofree char *inner = function_of(lock_report_site(report, order->inner_site));
	g_autofree char *outer = function_of(lock_report_site(report, order->outer_site));

	return strcmp(inner, outer) ? g_strdup_printf("%s under %s", inner, outer) : g_steal_pointer(&inner);
}

static void add_order(struct finding *finding, const struct lock_report *report, const struct lock_order *order)
{
	const struct lock_site *outer = lock_report_site(report, order->outer_site);
	const struct lock_site *inner = lock_report_site(report, order->inner_site);

	finding_add_line(finding, "lock %u (%s) was taken while lock %u (%s) was held, %" G_GUINT64_FORMAT
			 " times, first by task %u:", (guint)order->edge.inner, lock_kind_name(inner->kind),
			 (guint)order->edge.outer, lock_kind_name(outer->kind), order->count, order->tid);
	add_stack(finding, &order->stack);
	finding_add_line(finding, "lock %u had been taken by then at:", (guint)order->edge.outer);
	add_stack(finding, &outer->at);
}

static gboolean is_of_target(const struct circle_ctx *ctx, const struct lock_order *order)
{
	return taken_by_target(ctx->st, lock_report_site(ctx->report, order->inner_site)) ||
	       taken_by_target(ctx->st, lock_report_site(ctx->report, order->outer_site));
}

static int compare_words(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *circle_title(GPtrArray *words)
{
	GString *title = g_string_new(words->len == 2 ? "lock order inversion: " : "lock order circle: ");
	guint i;

	g_ptr_array_sort(words, compare_words);
	for (i = 0; i < words->len; i++)
		g_string_append_printf(title, "%s%s", i ? " against " : "", (char *)g_ptr_array_index(words, i));
	return g_string_free(title, FALSE);
}

static void on_circle(void *data, const struct lockorder_edge *const *edges, size_t n)
{
	struct circle_ctx *ctx = data;
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	const struct lock_order *order = NULL;
	g_autofree char *title = NULL;
	struct finding *finding;
	gboolean ours = FALSE;
	size_t i;

	for (i = 0; i < n; i++) {
		order = g_ptr_array_index(ctx->report->orders, edges[i]->user);
		ours = ours || is_of_target(ctx, order);
		g_ptr_array_add(words, order_words(ctx->report, order));
	}
	ctx->st->totals.circles_of_others += !ours;
	if (!ours)
		return;
	title = circle_title(words);
	finding = new_finding(ctx->st, ctx->now, "inversion", SEV_HIGH, lock_report_site(ctx->report, order->inner_site),
			      title);
	if (!finding)
		return;
	finding_add_line(finding, "no deadlock happened: it does when the tasks meet");
	for (i = 0; i < n; i++)
		add_order(finding, ctx->report, g_ptr_array_index(ctx->report->orders, edges[i]->user));
	g_ptr_array_add(ctx->findings, finding);
}

static void find_circles(struct locks_state *st, const struct detect_now *now, const struct lock_report *report,
			 GPtrArray *findings)
{
	struct circle_ctx ctx = { st, now, report, findings };
	g_autofree struct lockorder_edge *edges = g_new(struct lockorder_edge, report->orders->len + 1);
	guint i;

	for (i = 0; i < report->orders->len; i++)
		edges[i] = ((struct lock_order *)g_ptr_array_index(report->orders, i))->edge;
	lockorder_circles(edges, report->orders->len, on_circle, &ctx);
}

static gboolean is_long(const struct locks_state *st, const struct lock_site *site)
{
	return site->long_holds >= LONG_HOLDS_MIN && site->long_holds >= site->taken / LONG_SHARE &&
	       taken_by_target(st, site) && site->let_go.n && is_target(st, site->let_go.text[0]);
}

/* Only of a module that is being worked on: what others do while they wait for a device is well considered. */
static void find_long(struct locks_state *st, const struct detect_now *now, const struct lock_report *report,
		      GPtrArray *findings)
{
	guint i;

	for (i = 0; st->wrapped && i < report->sites->len; i++) {
		const struct lock_site *site = g_ptr_array_index(report->sites, i);
		g_autofree char *function = function_of(site), *title = NULL;
		struct finding *finding;

		if (!is_long(st, site))
			continue;
		title = g_strdup_printf("%s sleeps long with a lock held", function);
		finding = new_finding(st, now, "held-long", SEV_MEDIUM, site, title);
		if (!finding)
			continue;
		finding_add_line(finding, "%s, %" G_GUINT64_FORMAT " times; the longest: %.1f ms, asleep %" G_GUINT64_FORMAT
				 " times meanwhile; taken at:", lock_kind_name(site->kind), site->long_holds,
				 (double)site->long_max_ns / 1e6, site->long_slept);
		add_stack(finding, &site->at);
		finding_add_line(finding, "let go at:");
		add_stack(finding, &site->let_go);
		g_ptr_array_add(findings, finding);
	}
}

static void find_held(struct locks_state *st, const struct detect_now *now, const struct lock_report *report,
		      GPtrArray *findings)
{
	guint i;

	for (i = 0; i < report->held->len; i++) {
		const struct lock_held *held = &g_array_index(report->held, struct lock_held, i);
		const struct lock_site *site = lock_report_site(report, held->site);
		g_autofree char *function = function_of(site), *title = NULL;
		struct finding *finding;

		if (!taken_by_target(st, site))
			continue;
		title = g_strdup_printf(held->by ? "a mutex that %s takes is unlocked by another task" :
					"a lock that %s takes is still held when the operation is over", function);
		finding = new_finding(st, now, held->by ? "unlocked-by-another" : "kept", SEV_HIGH, site, title);
		if (!finding)
			continue;
		if (held->by)
			finding_add_line(finding, "%s of task %u, unlocked by task %u; taken at:",
					 lock_kind_name(site->kind), held->tid, held->by);
		else
			finding_add_line(finding, "%s of task %u, which is back in user space or gone, held for %.1f ms; taken at:",
					 lock_kind_name(site->kind), held->tid, (double)held->ns / 1e6);
		add_stack(finding, &site->at);
		g_ptr_array_add(findings, finding);
	}
}

/* ---- figures ---------------------------------------------------------------------------------- */

static struct lock_row *row_of(struct locks_state *st, const struct lock_site *site)
{
	char *function = function_of(site);
	g_autofree char *key = g_strdup_printf("%s %u", function, site->kind);
	struct lock_row *row = g_hash_table_lookup(st->totals.rows, key);

	if (row) {
		g_free(function);
		return row;
	}
	row = g_new0(struct lock_row, 1);
	row->function = function;
	row->module = site->at.n ? lock_frame_module(site->at.text[0]) : NULL;
	row->kind = site->kind;
	g_hash_table_insert(st->totals.rows, g_steal_pointer(&key), row);
	return row;
}

static void add_site(struct locks_state *st, const struct lock_site *site)
{
	struct lock_row *row = row_of(st, site);

	if (site->hold_max_ns > row->hold_max_ns)
		row->hold_max_off_ns = site->hold_max_off_ns;
	row->sites++;
	row->taken += site->taken;
	row->contended += site->contended;
	row->wait_ns += site->wait_ns;
	row->wait_max_ns = MAX(row->wait_max_ns, site->wait_max_ns);
	row->hold_ns += site->hold_ns;
	row->hold_max_ns = MAX(row->hold_max_ns, site->hold_max_ns);
	row->long_holds += site->long_holds;
}

static void add_report(struct locks_state *st, const struct lock_report *report)
{
	const guint64 *from = (const guint64 *)&report->counts;
	guint64 *to = (guint64 *)&st->totals.counts;
	guint i;

	st->totals.reports++;
	st->totals.left_out += report->left_out;
	st->totals.bad_lines += report->bad_lines;
	for (i = 0; i < sizeof(report->counts) / sizeof(*from); i++)
		to[i] += from[i];
	for (i = 0; i < report->sites->len; i++)
		add_site(st, g_ptr_array_index(report->sites, i));
}

/* {"kind": "locks", "num": [what, source, ...]}: run/locks.c's step. */
static void note_source(struct locks_state *st, const struct detect_now *now, const struct rec_entry *entry)
{
	json_t *json;

	if (strcmp(now->step_kind, "locks"))
		return;
	json = rec_entry_json(entry);
	st->wrapped = json_integer_value(json_array_get(json_object_get(json, "num"), 1)) == VX_LOCKS_WRAPPED;
	json_decref(json);
}

static void locks_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	VX_GUARD(lock_report_free) struct lock_report *report = NULL;
	struct locks_state *st = state;
	struct vx_msg_step msg;

	if (entry->frame.type == VX_REC_STEP_BEGIN)
		note_source(st, now, entry);
	if (entry->frame.type != VX_MSG_STEP || strcmp(now->step_kind, "locks") || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (msg.err || msg.id != now->step)
		return;
	report = lock_report_parse((const char *)entry->payload + sizeof(msg), entry->frame.length - sizeof(msg));
	add_report(st, report);
	find_circles(st, now, report, findings);
	find_long(st, now, report, findings);
	find_held(st, now, report, findings);
}

const struct detector detector_locks = {
	.name = "locks",
	.create = locks_create,
	.destroy = locks_destroy,
	.feed = locks_feed,
};
