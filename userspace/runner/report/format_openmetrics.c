// SPDX-License-Identifier: GPL-2.0
/*
 * OpenMetrics text that Prometheus' own, older format reads as well: of a run that is over, counts are gauges (the two
 * formats name counters differently), and latencies are histograms in seconds.
 */
#include <string.h>

#include "event.h"
#include "format.h"
#include "text.h"

/* Upper bounds, ns; canonical numbers of OpenMetrics beside them. */
static const struct {
	guint64 ns;
	const char *text;
} buckets[] = {
	{ 1000, "1e-06" }, { 2500, "2.5e-06" }, { 5000, "5e-06" },
	{ 10000, "1e-05" }, { 25000, "2.5e-05" }, { 50000, "5e-05" },
	{ 100000, "0.0001" }, { 250000, "0.00025" }, { 500000, "0.0005" },
	{ 1000000, "0.001" }, { 2500000, "0.0025" }, { 5000000, "0.005" },
	{ 10000000, "0.01" }, { 25000000, "0.025" }, { 50000000, "0.05" },
	{ 100000000, "0.1" }, { 250000000, "0.25" }, { 500000000, "0.5" },
	{ 1000000000, "1.0" }, { 2500000000, "2.5" }, { 5000000000, "5.0" }, { 10000000000, "10.0" },
	{ 30000000000, "30.0" }, { 60000000000, "60.0" },
};

struct tally {
	guint64 count, below[G_N_ELEMENTS(buckets)];
	double sum_ns;
};

static void family(GString *out, const char *name, const char *type, const char *unit, const char *help)
{
	g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	if (unit)
		g_string_append_printf(out, "# UNIT %s %s\n", name, unit);
}

static void label(GString *out, const char *name, const char *value)
{
	g_string_append_printf(out, "%s%s=\"", out->str[out->len - 1] == '{' ? "" : ",", name);
	text_label(out, value);
	g_string_append_c(out, '"');
}

static void open_labels(GString *out, const struct report_view *view)
{
	g_string_append_c(out, '{');
	label(out, "target", analysis_run_word(view->an, "target", "unknown"));
	label(out, "scenario", analysis_run_word(view->an, "scenario", "unknown"));
}

static void number(GString *out, double value)
{
	char buf[G_ASCII_DTOSTR_BUF_SIZE];

	g_string_append_printf(out, "} %s\n", g_ascii_formatd(buf, sizeof(buf), "%.15g", value));
}

static void gauge(GString *out, const struct report_view *view, const char *name, const char *unit, const char *help,
		  double value)
{
	family(out, name, "gauge", unit, help);
	g_string_append(out, name);
	open_labels(out, view);
	number(out, value);
}

/* ---- of the run --------------------------------------------------------------------------- */

static void info(GString *out, const struct report_view *view)
{
	static const char *const words[] = { "stamp", "module", "kernel", "accel", "mount_api" };
	guint i;

	family(out, "vexlab_run_info", "gauge", NULL, "What was run.");
	g_string_append(out, "vexlab_run_info");
	open_labels(out, view);
	for (i = 0; i < G_N_ELEMENTS(words); i++)
		label(out, words[i], analysis_run_word(view->an, words[i], ""));
	label(out, "verdict", verdict_result(view->v));
	label(out, "readiness", verdict_readiness(view->v));
	number(out, 1);
}

/* A run that is not judged has no score, not a score of 0. */
static void scores(GString *out, const struct report_view *view)
{
	const struct { const char *name; gboolean has; double value; } parts[] = {
		{ "overall", TRUE, view->v->overall }, { "stability", view->v->has_stability, view->v->stability },
		{ "tests", view->v->has_tests, view->v->tests }, { "performance", view->v->has_performance, view->v->performance },
	};
	guint i;

	if (!view->v->judged)
		return;
	gauge(out, view, "vexlab_run_exit_code", NULL, "Exit code of the run.", view->v->code);
	family(out, "vexlab_score", "gauge", NULL, "Score of the run, from 0 to 100.");
	for (i = 0; i < G_N_ELEMENTS(parts); i++) {
		if (!parts[i].has)
			continue;
		g_string_append(out, "vexlab_score");
		open_labels(out, view);
		label(out, "part", parts[i].name);
		number(out, parts[i].value);
	}
}

static void findings(GString *out, const struct report_view *view)
{
	guint count[4][3] = { { 0 } }, severity, blame, i;

	for (i = 0; i < view->an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(view->an->findings, i);

		count[finding->severity][finding->blame] += !finding->noise;
	}
	family(out, "vexlab_findings", "gauge", NULL, "Findings, by severity and by who is blamed.");
	for (severity = 0; severity < G_N_ELEMENTS(count); severity++)
		for (blame = 0; blame < G_N_ELEMENTS(count[0]); blame++) {
			g_string_append(out, "vexlab_findings");
			open_labels(out, view);
			label(out, "severity", severity_name(severity));
			label(out, "blame", blame_name(blame));
			number(out, count[severity][blame]);
		}
}

static void counts(GString *out, const struct report_view *view)
{
	const struct analysis *an = view->an;

	gauge(out, view, "vexlab_run_duration_seconds", "seconds", "From the first to the last entry of the record.",
	      (double)(view->chron->end_ns - view->chron->begin_ns) / 1e9);
	gauge(out, view, "vexlab_run_complete", NULL, "1: the run came to its end.", an->end != NULL);
	gauge(out, view, "vexlab_steps", NULL, "Steps of the target.", (double)an->steps);
	gauge(out, view, "vexlab_steps_failed", NULL, "Steps of the target that failed.", (double)an->steps_failed);
	gauge(out, view, "vexlab_cycles", NULL, "Measured cycles.", (double)an->cycles);
	gauge(out, view, "vexlab_threshold_violations", NULL, "Operations above their threshold.", (double)an->violations);
	gauge(out, view, "vexlab_recovery_attempts", NULL, "Times that the guest had to be brought back.", an->recoveries);
	gauge(out, view, "vexlab_recoveries", NULL, "Times that the guest was brought back.", an->recovered);
	gauge(out, view, "vexlab_records_lost", NULL, "Records that found no room.", (double)an->lost);
}

/* ---- latencies ------------------------------------------------------------------------------- */

static void tally_add(struct tally *tally, guint64 ns)
{
	guint i;

	tally->count++;
	tally->sum_ns += (double)ns;
	for (i = 0; i < G_N_ELEMENTS(buckets); i++)
		tally->below[i] += ns <= buckets[i].ns;
}

static void bucket_line(GString *out, const struct report_view *view, const char *name, const char *op,
			const char *phase, const char *le, guint64 value)
{
	g_string_append_printf(out, "%s_bucket", name);
	open_labels(out, view);
	label(out, "operation", op);
	if (phase)
		label(out, "phase", phase);
	label(out, "le", le);
	number(out, (double)value);
}

static void histogram(GString *out, const struct report_view *view, const char *name, const char *op,
		      const char *phase, const struct tally *tally)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(buckets); i++)
		bucket_line(out, view, name, op, phase, buckets[i].text, tally->below[i]);
	bucket_line(out, view, name, op, phase, "+Inf", tally->count);
	for (i = 0; i < 2; i++) {
		g_string_append_printf(out, "%s_%s", name, i ? "count" : "sum");
		open_labels(out, view);
		label(out, "operation", op);
		if (phase)
			label(out, "phase", phase);
		number(out, i ? (double)tally->count : tally->sum_ns / 1e9);
	}
}

/* As the terminal's table counts: operations of the measured cycles that succeeded. */
static gboolean measured(const struct chronicle *chron, const struct chron_op *op)
{
	return !op->err && chronicle_is_measured(chron, op);
}

static void latencies(GString *out, const struct report_view *view)
{
	static const char whole[] = "vexlab_operation_duration_seconds", part[] = "vexlab_phase_duration_seconds";
	g_autofree struct tally *tallies = g_new0(struct tally, VX_OP_TYPES * (VX_PHASE_TYPES + 1));
	const struct chronicle *chron = view->chron;
	guint op, phase, i;

	for (i = 0; i < chron->ops->len; i++) {
		const struct chron_op *one = &g_array_index(chron->ops, struct chron_op, i);
		struct tally *of = tallies + one->op * (VX_PHASE_TYPES + 1);

		if (!measured(chron, one))
			continue;
		tally_add(&of[VX_PHASE_TYPES], one->total_ns);
		for (phase = 0; phase < VX_PHASE_TYPES; phase++)
			if (one->phase_ns[phase])
				tally_add(&of[phase], one->phase_ns[phase]);
	}
	family(out, whole, "histogram", "seconds", "Time that the caller of an operation waited.");
	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++)
		histogram(out, view, whole, vx_op_name(op), NULL, &tallies[op * (VX_PHASE_TYPES + 1) + VX_PHASE_TYPES]);
	family(out, part, "histogram", "seconds", "Time within one phase of an operation.");
	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++)
		for (phase = 0; phase < VX_PHASE_TYPES; phase++)
			if (tallies[op * (VX_PHASE_TYPES + 1) + phase].count)
				histogram(out, view, part, vx_op_name(op), vx_phase_name(phase),
					  &tallies[op * (VX_PHASE_TYPES + 1) + phase]);
}

/* ---- what was sampled --------------------------------------------------------------------------- */

static void sampled_line(GString *out, const struct report_view *view, const struct chron_series *series, const char *value,
			 double number_)
{
	g_string_append(out, "vexlab_sampled");
	open_labels(out, view);
	label(out, "series", series->name);
	label(out, "unit", series->unit);
	label(out, "value", value);
	number(out, number_);
}

static void sampled(GString *out, const struct report_view *view)
{
	const GPtrArray *list = view->chron->series;
	guint i;

	if (!list->len)
		return;
	family(out, "vexlab_sampled", "gauge", NULL, "Everything that was measured over the run's time, each in its own unit.");
	for (i = 0; i < list->len; i++) {
		const struct chron_series *series = g_ptr_array_index(list, i);

		sampled_line(out, view, series, "least", series->least);
		sampled_line(out, view, series, "mean", series->sum / (double)MAX(series->count, 1));
		sampled_line(out, view, series, "most", series->most);
	}
}

void format_openmetrics(GString *out, const struct report_view *view)
{
	info(out, view);
	scores(out, view);
	counts(out, view);
	findings(out, view);
	latencies(out, view);
	sampled(out, view);
	g_string_append(out, "# EOF\n");
}
