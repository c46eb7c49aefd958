// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd_history.h"
#include "report.h"

#define SPARK_WIDTH	64u
#define FINDINGS_TOLD	30u

static const char *verdict_word(const struct hist_run *run)
{
	const struct verdict v = { .judged = run->judged, .code = run->verdict };

	return verdict_result(&v);
}

static char *when(guint64 ns)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(ns / 1000000000));

	return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
}

static const char *median(const struct hist_run *run, const char *name, char *buf, gsize size)
{
	const struct hist_metric *metric = hist_run_metric(run, name);

	return metric ? report_ns(buf, size, metric->p50) : "-";
}

static guint count_findings(const struct hist_run *run)
{
	guint n = 0, i;

	for (i = 0; i < run->findings->len; i++) {
		const struct hist_finding *finding = g_ptr_array_index(run->findings, i);

		n += !finding->noise && finding->blame != BLAME_ENVIRONMENT;
	}
	return n;
}

void show_list(const GPtrArray *runs)
{
	char mount[32], umount[32], score[16];
	guint i;

	printf("%6s  %-19s  %-10s %-16s %-18s %5s %8s %10s %10s  %s\n", "No", "Begun", "Target", "Scenario", "Verdict", "Score",
	       "Findings", "mount p50", "umount p50", "Run");
	for (i = 0; i < runs->len; i++) {
		const struct hist_run *run = g_ptr_array_index(runs, i);
		g_autofree char *begun = when(run->begin_ns), *name = report_printable(run->name);
		g_autofree char *target = report_printable(hist_word(run->env, "target"));
		g_autofree char *scenario = report_printable(hist_word(run->env, "scenario"));

		g_snprintf(score, sizeof(score), "%.0f", run->overall);
		printf("%6" G_GINT64_FORMAT "  %-19s  %-10s %-16s %-18s %5s %8u %10s %10s  %s%s\n", run->id, begun, target, scenario,
		       run->complete ? verdict_word(run) : "broken off", run->judged ? score : "-", count_findings(run),
		       median(run, "mount.total", mount, sizeof(mount)), median(run, "umount.total", umount, sizeof(umount)), name,
		       run->accepted ? " (accepted)" : "");
	}
}

static void show_environment(const struct hist_run *run)
{
	const char *key;
	json_t *value;

	json_object_foreach(run->env, key, value) {
		g_autofree char *word = report_printable(json_string_value(value));

		printf("    %-14s %.100s\n", key, word);
	}
}

static void show_metrics(const struct hist_run *run)
{
	char buf[4][32];
	guint i;

	printf("\n  %-24s %8s %10s %10s %10s %10s\n", "metric", "count", "p50", "p90", "p99", "max");
	for (i = 0; i < run->metrics->len; i++) {
		const struct hist_metric *m = g_ptr_array_index(run->metrics, i);
		g_autofree char *name = report_printable(m->name);

		if (m->samples)
			printf("  %-24s %8" G_GUINT64_FORMAT " %10s %10s %10s %10s\n", name, m->count, report_ns(buf[0], 32, m->p50),
			       report_ns(buf[1], 32, m->p90), report_ns(buf[2], 32, m->p99), report_ns(buf[3], 32, m->max));
		else
			printf("  %-24s %8s %10.6g\n", name, "", m->p50);
	}
}

static void show_life(const struct hist_life *life)
{
	g_autofree char *title = report_printable(life->title), *class = report_printable(life->class);
	g_autofree char *first = report_printable(life->first ? life->first : "");
	const char *again = life_again(life->attempts, life->seen);

	printf("  %-8s %-8s %s (%s", life_name(life->life), severity_name(life->severity), title, class);
	if (life->with)
		printf("; in %u of %u runs since %s", life->with, life->runs, first);
	if (life->with && life->since)
		printf(", not in the last %u", life->since);
	if (again)
		printf("; %s: %u of %u tries", again, life->seen, life->attempts);
	printf(")\n");
}

void show_run(const struct hist_run *run, const GPtrArray *lives, guint looked)
{
	g_autofree char *begun = when(run->begin_ns), *name = report_printable(run->name), *dir = report_printable(run->directory);
	guint i;

	printf("%s, number %" G_GINT64_FORMAT "%s\n  begun    %s, %.1f s, %" G_GUINT64_FORMAT " cycles\n  files    %s\n", name, run->id,
	       run->accepted ? ", accepted: baselines begin here" : "", begun, (double)(run->end_ns - run->begin_ns) / 1e9,
	       run->cycles, dir);
	if (run->judged)
		printf("  verdict  %s, score %.0f (stability %.0f, tests %.0f, performance %.0f)\n", verdict_word(run), run->overall,
		       run->stability, run->tests, run->performance);
	else
		printf("  verdict  not judged%s\n", run->complete ? "" : ": it did not come to its end");
	printf("  environment\n");
	show_environment(run);
	if (run->metrics->len)
		show_metrics(run);
	printf("\n  findings, against %u runs before it%s\n", looked, lives->len ? "" : ": none");
	for (i = 0; i < lives->len && i < FINDINGS_TOLD; i++)
		show_life(g_ptr_array_index(lives, i));
	if (i < lives->len)
		printf("  ... %u more: --json has all\n", lives->len - i);
}

/* ---- comparison ----------------------------------------------------------------------- */

static void show_compared(const struct regress_metric *m)
{
	char here[32], there[32], level[64], outcome[64];
	g_autofree char *name = report_printable(m->name);

	g_snprintf(level, sizeof(level), "%+.1f %% (%+.0f..%+.0f)", 100 * m->level, 100 * m->level_low, 100 * m->level_high);
	if (m->outcome == REGRESS_NO_EVIDENCE)
		g_snprintf(outcome, sizeof(outcome), "no evidence (from %.0f %% up seen)", 100 * m->seen_from);
	else
		g_snprintf(outcome, sizeof(outcome), "%s (p %.1g)", regress_outcome_name(m->outcome),
			   m->outcome == REGRESS_SLOWER ? m->p_slower : m->p_faster);
	printf("  %-20s %10s %10s  %-22s %6.2f %7.1f %%  %s\n", name, report_ns(there, sizeof(there), m->p50_there),
	       report_ns(here, sizeof(here), m->p50_here), level, m->delta, 100 * m->spread, outcome);
}

void show_regress(const struct regress *r, const char *here)
{
	g_autofree char *name = report_printable(here), *why = report_printable(r->why ? r->why : "");
	guint slower = regress_count(r, REGRESS_SLOWER), faster = regress_count(r, REGRESS_FASTER), i;

	if (r->why) {
		printf("%s: not compared: %s\n", name, why);
		return;
	}
	printf("%s against %u runs, %s to %s\n\n", name, r->baseline->len, (char *)g_ptr_array_index(r->baseline, 0),
	       (char *)g_ptr_array_index(r->baseline, r->baseline->len - 1));
	printf("  %-20s %10s %10s  %-22s %6s %9s  %s\n", "metric", "before", "here", "level (95 %)", "Cliff", "spread", "verdict");
	for (i = 0; i < r->metrics->len; i++)
		show_compared(g_ptr_array_index(r->metrics, i));
	if (slower || faster)
		printf("\n  %u slower, %u faster%s\n", slower, faster, !r->same_code || !slower ? "" :
		       "; the same module ran before: what has changed is the machine or its load");
	else
		printf("\n  no evidence of a change\n");
}

/* ---- trend ---------------------------------------------------------------------------- */

/* Each column is the median of its share of the points. */
static char *spark(const GArray *points)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const guint width = MIN(points->len, SPARK_WIDTH);
	GString *out = g_string_new(NULL);
	g_autofree double *columns = g_new0(double, width + 1);
	double low = HUGE_VAL, high = -HUGE_VAL;
	guint i, k;

	for (i = 0; i < width; i++) {
		g_autoptr(GArray) part = g_array_new(FALSE, FALSE, sizeof(double));

		for (k = i * points->len / width; k < (i + 1) * points->len / width; k++)
			g_array_append_val(part, g_array_index(points, struct history_point, k).value);
		columns[i] = g_array_index(part, double, part->len / 2);
		low = fmin(low, columns[i]);
		high = fmax(high, columns[i]);
	}
	for (i = 0; i < width; i++)
		g_string_append(out, bars[high > low ? MIN((guint)(8 * (columns[i] - low) / (high - low)), 7) : 0]);
	return g_string_free(out, FALSE);
}

static gboolean is_time(const char *metric)
{
	return !strstr(metric, "io_") && !strstr(metric, "bytes") && strcmp(metric, "cycles_per_second");
}

static const char *figure(const struct trend *t, double value, char *buf, gsize size)
{
	if (is_time(t->metric))
		return report_ns(buf, size, value);
	g_snprintf(buf, size, "%.6g", value);
	return buf;
}

void show_trend(const struct trend *t)
{
	g_autofree char *bars = spark(t->points), *metric = report_printable(t->metric);
	char before[32], after[32];
	guint i;

	printf("%s %s over %u runs\n\n  %s\n\n", metric, history_field_name(t->field), t->points->len, bars);
	if (!t->changes->len) {
		printf("  no change point\n");
		return;
	}
	for (i = 0; i < t->changes->len; i++) {
		const struct change *c = &g_array_index(t->changes, struct change, i);
		g_autofree char *name = report_printable(g_ptr_array_index(t->names, i + 1));

		printf("  from %s on (run %u of %u): %s -> %s", name, c->at + 1, t->points->len,
		       figure(t, c->before, before, sizeof(before)), figure(t, c->after, after, sizeof(after)));
		if (c->before)
			printf(", %+.1f %%", 100 * (c->after / c->before - 1));
		printf(" (p %.1g)\n", c->p);
	}
}

json_t *trend_json(const struct trend *t)
{
	json_t *points = json_array(), *changes = json_array();
	guint i;

	for (i = 0; i < t->points->len; i++) {
		const struct history_point *point = &g_array_index(t->points, struct history_point, i);

		json_array_append_new(points, json_pack("{s:I, s:I, s:f}", "run", (json_int_t)point->run, "begin_ns",
							(json_int_t)point->begin_ns, "value", point->value));
	}
	for (i = 0; i < t->changes->len; i++) {
		const struct change *c = &g_array_index(t->changes, struct change, i);

		json_array_append_new(changes, json_pack("{s:i, s:s, s:f, s:f, s:f}", "at", (int)c->at, "run",
							 (const char *)g_ptr_array_index(t->names, i + 1), "before", c->before,
							 "after", c->after, "p", c->p));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "metric", t->metric, "field", history_field_name(t->field), "points", points,
			 "changes", changes);
}
