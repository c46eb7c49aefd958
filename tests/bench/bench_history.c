// SPDX-License-Identifier: GPL-2.0
/*
 * The history: how long a large one takes to answer; how often a regression is told that there is, and that there is not, in
 * runs made up by noise.h; and what change points are worth on series with planted ones.
 *
 *	bench_history [RUNS]			100000
 *	bench_history power [COMPARISONS]	2000
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "fsutil.h"
#include "lives.h"
#include "noise.h"
#include "rows.h"

#define DAY_NS	86400000000000ull

static double ms_since(gint64 began)
{
	return (double)(g_get_monotonic_time() - began) / 1000;
}

static void must(gboolean ok, const GError *error)
{
	if (ok)
		return;
	fprintf(stderr, "bench_history: %s\n", error ? error->message : "failed");
	exit(1);
}

static void word(json_t *env, const char *key, const char *value)
{
	json_object_set_new(env, key, json_string(value));
}

static struct hist_run *make_run(struct noise_source *s, guint i)
{
	static const char *const names[NOISE_METRICS] = { "mount.total", "mount.other", "mount.attach", "mount.fill_super",
							  "umount.total", "umount.detach", "umount.other", "umount.put_super" };
	struct hist_run *run = hist_run_new();
	g_autoptr(GPtrArray) values = noise_run(s, 30, 0);
	guint m;

	run->uid = g_strdup_printf("%032x", i);
	run->name = g_strdup_printf("run-%u-vexfs", i);
	run->directory = g_strdup_printf("/var/lib/ci/runs/run-%u-vexfs", i);
	run->begin_ns = DAY_NS * 20000 + i * 60000000000ull;
	run->end_ns = run->begin_ns + 5000000000ull;
	run->complete = run->judged = TRUE;
	run->overall = run->stability = run->tests = run->performance = 100;
	run->cycles = 30;
	word(run->env, "target", "vexfs");
	word(run->env, "scenario", "mount-cycles");
	word(run->env, "kernel", "6.12.1-cloud-amd64");
	for (m = 0; m < NOISE_METRICS; m++) {
		struct hist_metric *metric = hist_metric_add(run, names[m]);
		const GArray *sorted = g_ptr_array_index(values, m);
		struct dist dist;

		dist_from((GArray *)sorted, &dist);
		metric->count = dist.count;
		metric->p50 = (double)dist.p50 * (i > 60000 ? 1.2 : 1);
		metric->p90 = (double)dist.p90;
		metric->p99 = (double)dist.p99;
		metric->min = (double)dist.min;
		metric->max = (double)dist.max;
		metric->mean = (double)dist.mean;
		metric->samples = samples_thin(sorted, SAMPLES_MAX);
	}
	if (!(i % 7))
		hist_finding_add(run, "Warning", "WARNING in vexfs_evict")->times = 1;
	return run;
}

static void fill(const char *path, guint runs)
{
	struct noise_source s = noise_begin(&noises[1], 1);
	VX_GUARD(history_close) struct history *h = NULL;
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	gboolean added;
	guint i;

	h = history_open(path, HISTORY_WRITE, NULL, &error);
	must(h && history_begin(h, &error), error);
	for (i = 0; i < runs; i++) {
		VX_GUARD(hist_run_free) struct hist_run *run = make_run(&s, i);

		must(history_add(h, run, &added, &error), error);
	}
	must(history_end(h, TRUE, &error), error);
	noise_end(&s);
	one("a run into it, many at once", ms_since(began) / runs, "ms", "");
}

static void one_trend(struct history *h, const struct hist_run *last, guint points)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) series = history_series(h, last, NULL, "mount.total", FIELD_P50, points, &error), changes = NULL;
	g_autofree double *values = NULL;
	guint i;

	must(series != NULL, error);
	values = g_new(double, series->len);
	for (i = 0; i < series->len; i++)
		values[i] = g_array_index(series, struct history_point, i).value;
	changes = changes_find(values, series->len, &changes_defaults);
}

static void one_compare(struct history *h, const struct hist_run *last)
{
	g_autoptr(GError) error = NULL;
	VX_GUARD(regress_free) struct regress *r = regress_run(h, last, NULL, &regress_defaults, &error);
	must(r && !r->why, error);
}

static void one_life(struct history *h, const struct hist_run *last)
{
	g_autoptr(GError) error = NULL;
	guint looked;
	g_autoptr(GPtrArray) lives = lives_of(h, last, &looked, &error);

	must(lives != NULL, error);
}

/* Each with a file newly opened, as a command does. */
static void answers(const char *path, guint runs)
{
	static const char *const names[] = { "compare with the 20 before", "trend of the last 1000", "trend of all of them", "lives over the last 200",
					     "a run into it, alone" };
	GArray *took[G_N_ELEMENTS(names)];
	struct noise_source s = noise_begin(&noises[1], 2);
	guint i, k;

	for (k = 0; k < G_N_ELEMENTS(names); k++)
		took[k] = g_array_new(FALSE, FALSE, sizeof(double));
	for (i = 0; i < 10; i++)
		for (k = 0; k < G_N_ELEMENTS(names); k++) {
			const gint64 began = g_get_monotonic_time();
			g_autoptr(GError) error = NULL;
			VX_GUARD(history_close) struct history *h = history_open(path, k == 4 ? HISTORY_WRITE : HISTORY_READ, NULL, &error);
			VX_GUARD(hist_run_free) struct hist_run *last = NULL;
			gboolean added;
			double ms;

			must(h != NULL, error);
			last = k == 4 ? make_run(&s, runs + i) : history_load(h, history_find(h, "latest", NULL), FALSE, &error);
			must(last != NULL, error);
			if (k == 0)
				one_compare(h, last);
			else if (k == 3)
				one_life(h, last);
			else if (k == 4)
				must(history_add(h, last, &added, &error), error);
			else
				one_trend(h, last, k == 1 ? 1000 : 0);
			ms = ms_since(began);
			g_array_append_val(took[k], ms);
		}
	for (k = 0; k < G_N_ELEMENTS(names); k++) {
		g_autofree char *what = g_strdup_printf("%u runs: %s", runs, names[k]);

		row(what, took[k], "ms", k < 3 ? "<= 100" : "");
		g_array_unref(took[k]);
	}
	noise_end(&s);
}

static void sizes(guint runs)
{
	g_autofree char *dir = g_dir_make_tmp("vexlab-bench-history-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, HISTORY_FILE, NULL);

	head();
	fill(path, runs);
	answers(path, runs);
	(void)fs_remove_at(AT_FDCWD, dir);
}

/* ---- false alarms and power --------------------------------------------------------- */

static double share(const struct noise *noise, guint n, guint baseline, double planted, guint bits)
{
	struct noise_source s = noise_begin(noise, 7);
	guint seen = 0, i;

	for (i = 0; i < n; i++)
		seen += (noise_compare(&s, &regress_defaults, baseline, 30, planted) & bits) != 0;
	noise_end(&s);
	return 100.0 * seen / n;
}

static void power(guint n)
{
	static const double planted[] = { .05, .20, .50, 1.00 };
	static const guint baselines[] = { 5, 10, 20 };
	guint i, k, b;

	printf("| Machine | Runs between themselves | Earlier runs | False alarms | +5 %% found | +20 %% | +50 %% | +100 %% |\n");
	printf("|---|--:|--:|--:|--:|--:|--:|--:|\n");
	for (i = 0; i < G_N_ELEMENTS(noises); i++)
		for (b = 0; b < G_N_ELEMENTS(baselines); b++) {
			printf("| %s | %.1f %% | %u | %.2f %% |", noises[i].name, 100 * noises[i].between, baselines[b],
			       share(&noises[i], n, baselines[b], 0, 3));
			for (k = 0; k < G_N_ELEMENTS(planted); k++)
				printf(" %.0f %% |", share(&noises[i], n / 4, baselines[b], planted[k], 1));
			printf("\n");
			fflush(stdout);
		}
	printf("\n%u comparisons each (planted: %u), 30 cycles a run, %u metrics.\n", n, n / 4, NOISE_METRICS);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "power"))
		power(argc > 2 ? (guint)strtoul(argv[2], NULL, 10) : 2000);
	else
		sizes(argc > 1 ? (guint)strtoul(argv[1], NULL, 10) : 100000);
	return 0;
}
