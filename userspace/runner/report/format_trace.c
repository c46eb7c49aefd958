// SPDX-License-Identifier: GPL-2.0
/*
 * Trace Event JSON, which Perfetto and chrome://tracing open. Slices of one track lie within each other or apart, never
 * across, whatever a guest claims: what would not fit its step is told as an asynchronous slice of its own. Phases are
 * as long as they were; in which order the record does not say, so they stand in the usual one.
 */
#include <string.h>

#include "event.h"
#include "format.h"
#include "text.h"
#include "wire.h"

#define SLICES_MAX	200000u
#define COUNTERS_MAX	200u	/* tracks */

enum track { TRACK_NONE, TRACK_STEPS, TRACK_GUEST, TRACK_RECOVERY, TRACK_FINDINGS };

struct slice {
	guint64 at, ns;			/* since the run's begin */
	guint depth, order;
	char *json;			/* without its time */
	gboolean lasts;			/* it has a duration */
};

struct trace {
	const struct report_view *view;
	GArray *slices;
	guint64 left_out;
	guint async;			/* ids */
	struct span { guint64 at, end; } *steps; /* as they are drawn: a host's clock may be set back */
};

static void slice_clear(gpointer data)
{
	g_free(((struct slice *)data)->json);
}

static guint64 since(const struct trace *t, guint64 ns)
{
	return ns > t->view->chron->begin_ns ? ns - t->view->chron->begin_ns : 0;
}

/* Takes over `json`, the event's members behind its time. */
static void add(struct trace *t, guint64 at, guint64 ns, gboolean lasts, guint depth, GString *json)
{
	struct slice slice = { at, ns, depth, t->slices->len, g_string_free(json, FALSE), lasts };

	if (t->slices->len < SLICES_MAX) {
		g_array_append_val(t->slices, slice);
		return;
	}
	t->left_out++;
	g_free(slice.json);
}

static GString *event(const char *phase, const char *category, const char *name, enum track track)
{
	GString *out = g_string_new(NULL);

	g_string_append_printf(out, "\"ph\":\"%s\",\"pid\":1,\"tid\":%d,\"cat\":\"%s\",\"name\":", phase, track, category);
	text_json(out, name);
	return out;
}

/* ---- operations within a step ----------------------------------------------------------------- */

static void add_phases(struct trace *t, const struct chron_op *op, guint64 at, guint64 room)
{
	guint k;

	for (k = 1; k <= VX_PHASE_TYPES; k++) {
		const guint phase = k == VX_PHASE_TYPES ? VX_PHASE_OTHER : k;	/* the rest stands last */
		const guint64 ns = MIN(op->phase_ns[phase], room);

		if (phase == VX_PHASE_DEFERRED || !ns)
			continue;
		add(t, at, ns, TRUE, 3, event("X", "phase", vx_phase_name(phase), TRACK_STEPS));
		at += ns;
		room -= ns;
	}
}

static void append_args(GString *json, const struct chron_op *op)
{
	g_string_append_printf(json, ",\"args\":{\"errno\":%d,\"cycle\":%" G_GUINT64_FORMAT ",\"step\":%" G_GUINT64_FORMAT
			       ",\"off_cpu_ns\":%" G_GUINT64_FORMAT ",\"task\":", -op->err, op->cycle, op->step_id,
			       op->offcpu_ns);
	text_json(json, op->comm);
	g_string_append_c(json, '}');
}

/* Both ends at once, so that neither is without the other; nothing outlasts the run, whatever a guest says. */
static void add_async(struct trace *t, const char *name, guint64 at, guint64 ns, const struct chron_op *op)
{
	const guint64 run_end = since(t, t->view->chron->end_ns);
	GString *begin = event("b", "work", name, TRACK_STEPS), *end = event("e", "work", name, TRACK_STEPS);

	g_string_append_printf(begin, ",\"id\":\"%u\"", t->async);
	g_string_append_printf(end, ",\"id\":\"%u\"", t->async++);
	append_args(begin, op);
	if (t->slices->len + 2 > SLICES_MAX) {
		t->left_out += 2;
		g_string_free(begin, TRUE);
		g_string_free(end, TRUE);
		return;
	}
	at = MIN(at, run_end);
	add(t, at, 0, FALSE, 2, begin);
	add(t, at + MIN(ns, run_end - at), 0, FALSE, 2, end);
}

static gboolean fits(const struct trace *t, const struct chron_op *op, guint64 at, guint64 free_from)
{
	const struct span *step = op->step == CHRONICLE_NO_STEP ? NULL : &t->steps[op->step];

	return step && at >= step->at && at >= free_from && at <= step->end && op->total_ns <= step->end - at;
}

static void add_op(struct trace *t, const struct chron_op *op, guint64 *free_from)
{
	const guint64 at = since(t, op->at_ns);

	if (fits(t, op, at, *free_from)) {
		GString *json = event("X", "operation", vx_op_name(op->op), TRACK_STEPS);

		append_args(json, op);
		add(t, at, op->total_ns, TRUE, 2, json);
		add_phases(t, op, at, op->total_ns);
		*free_from = at + op->total_ns;
	} else {
		add_async(t, vx_op_name(op->op), at, op->total_ns, op);
	}
	if (op->phase_ns[VX_PHASE_DEFERRED])
		add_async(t, "deferred", at + MIN(op->total_ns, G_MAXUINT64 - at), op->phase_ns[VX_PHASE_DEFERRED], op);
}

static int by_time(gconstpointer a, gconstpointer b)
{
	const struct chron_op *x = *(const struct chron_op *const *)a, *y = *(const struct chron_op *const *)b;

	return x->at_ns != y->at_ns ? (x->at_ns < y->at_ns ? -1 : 1) : x < y ? -1 : x > y;
}

static void add_ops(struct trace *t)
{
	const struct chronicle *chron = t->view->chron;
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	guint64 free_from = 0;
	guint i;

	for (i = 0; i < chron->ops->len; i++)
		g_ptr_array_add(sorted, &g_array_index(chron->ops, struct chron_op, i));
	g_ptr_array_sort(sorted, by_time);
	for (i = 0; i < sorted->len; i++)
		add_op(t, g_ptr_array_index(sorted, i), &free_from);
}

/* ---- steps, turns, findings, counters ---------------------------------------------------------- */

static void add_steps(struct trace *t)
{
	const GArray *steps = t->view->chron->steps;
	guint64 free_from = 0;
	guint i;

	for (i = 0; i < steps->len; i++) {
		const struct chron_step *step = &g_array_index(steps, struct chron_step, i);
		const guint64 at = MAX(since(t, step->begin_ns), free_from), end = MAX(since(t, step->end_ns), at);
		GString *json = event("X", "step", step->name, TRACK_STEPS);

		g_string_append_printf(json, ",\"args\":{\"id\":%" G_GUINT64_FORMAT ",\"cycle\":%" G_GUINT64_FORMAT
				       ",\"phase\":", step->id, step->cycle);
		text_json(json, step->phase);
		g_string_append(json, ",\"result\":");
		text_json(json, !step->answered ? "no answer" : step->err ? vx_step_err_text(step->err) : "ok");
		g_string_append_c(json, '}');
		add(t, at, end - at, TRUE, 1, json);
		t->steps[i] = (struct span){ at, end };
		free_from = end;
	}
}

static void add_marks(struct trace *t)
{
	const GArray *marks = t->view->chron->marks;
	guint64 free_from = 0;
	guint i;

	for (i = 0; i < marks->len; i++) {
		const struct chron_mark *mark = &g_array_index(marks, struct chron_mark, i);
		const guint64 at = since(t, mark->ns), took = (guint64)(CLAMP(mark->ms, 0, 1e9) * 1e6);
		GString *json = event("i", "guest", mark->event, TRACK_GUEST);

		g_string_append(json, ",\"s\":\"p\",\"args\":{\"why\":");
		text_json(json, mark->why ? mark->why : "");
		g_string_append_c(json, '}');
		add(t, at, 0, FALSE, 0, json);
		if (strcmp(mark->event, "recovered") && strcmp(mark->event, "recovery failed"))
			continue;
		free_from = MAX(free_from, at > took ? at - took : 0);
		add(t, free_from, at - MIN(free_from, at), TRUE, 0, event("X", "recovery", mark->event, TRACK_RECOVERY));
		free_from = at;
	}
}

static void add_findings(struct trace *t)
{
	const GPtrArray *findings = t->view->an->findings;
	guint i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);
		GString *json = event("i", "finding", finding->title, TRACK_FINDINGS);

		g_string_append_printf(json, ",\"s\":\"g\",\"args\":{\"severity\":\"%s\",\"class\":\"%s\",\"blame\":\"%s\"}",
				       severity_name(finding->severity), finding_class_name(finding->class),
				       blame_name(finding->blame));
		add(t, since(t, finding->realtime_ns), 0, FALSE, 0, json);
	}
}

static void add_counter(struct trace *t, const struct chron_series *series)
{
	char buf[G_ASCII_DTOSTR_BUF_SIZE];
	guint i;

	for (i = 0; i < series->points->len; i++) {
		const struct chron_point *point = &g_array_index(series->points, struct chron_point, i);
		g_autofree char *name = g_strdup_printf("%s, %s", series->name, series->unit);
		GString *json = event("C", "metric", name, TRACK_NONE);

		g_string_append_printf(json, ",\"args\":{\"value\":%s}",
				       g_ascii_formatd(buf, sizeof(buf), "%.15g", point->value));
		add(t, since(t, point->ns), 0, FALSE, 0, json);
	}
}

static void add_counters(struct trace *t)
{
	const GPtrArray *list = t->view->chron->series;
	guint told = 0, i;

	for (i = 0; i < list->len && told < COUNTERS_MAX; i++) {
		const struct chron_series *series = g_ptr_array_index(list, i);

		if (!chron_series_varies(series))
			continue;
		add_counter(t, series);
		told++;
	}
}

/* ---- the file --------------------------------------------------------------------------------------- */

/* Whoever encloses comes first. */
static int by_slice(gconstpointer a, gconstpointer b)
{
	const struct slice *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void append_us(GString *out, const char *key, guint64 ns)
{
	g_string_append_printf(out, "\"%s\":%" G_GUINT64_FORMAT ".%03u,", key, ns / 1000, (guint)(ns % 1000));
}

static void head(GString *out, const struct trace *t)
{
	static const char *const tracks[] = {
		[TRACK_STEPS] = "steps", [TRACK_GUEST] = "guest", [TRACK_RECOVERY] = "recoveries", [TRACK_FINDINGS] = "findings",
	};
	char begin[32];
	guint i;

	g_string_append(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"target\":");
	text_json(out, analysis_run_word(t->view->an, "target", "?"));
	g_string_append(out, ",\"scenario\":");
	text_json(out, analysis_run_word(t->view->an, "scenario", "?"));
	g_string_append_printf(out, ",\"begin\":\"%s\",\"verdict\":\"%s\",\"left_out\":\"%" G_GUINT64_FORMAT "\"},\n"
			       "\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"ts\":0,\"name\":\"process_name\","
			       "\"args\":{\"name\":\"vexlab run\"}}",
			       text_time(begin, sizeof(begin), t->view->chron->begin_ns), verdict_result(t->view->v), t->left_out);
	for (i = TRACK_STEPS; i < G_N_ELEMENTS(tracks); i++)
		g_string_append_printf(out, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"ts\":0,\"name\":\"thread_name\",\"args\":"
				       "{\"name\":\"%s\"}}", i, tracks[i]);
}

void format_trace(GString *out, const struct report_view *view)
{
	struct trace t = { .view = view, .slices = g_array_new(FALSE, FALSE, sizeof(struct slice)) };
	guint i;

	t.steps = g_new0(struct span, view->chron->steps->len + 1);
	g_array_set_clear_func(t.slices, slice_clear);
	add_steps(&t);
	add_marks(&t);
	add_findings(&t);
	add_ops(&t);
	add_counters(&t);
	g_array_sort(t.slices, by_slice);
	head(out, &t);
	for (i = 0; i < t.slices->len; i++) {
		const struct slice *slice = &g_array_index(t.slices, struct slice, i);

		g_string_append(out, ",\n{");
		append_us(out, "ts", slice->at);
		if (slice->lasts)
			append_us(out, "dur", slice->ns);
		g_string_append_printf(out, "%s}", slice->json);
	}
	g_string_append(out, "\n]}\n");
	g_array_unref(t.slices);
	g_free(t.steps);
}
