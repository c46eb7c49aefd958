// SPDX-License-Identifier: GPL-2.0
/* Runs as lines of an export. What is read may be anybody's: everything is checked before it is kept. */
#include <math.h>
#include <string.h>

#include "entry.h"
#include "error.h"

#define FORMAT	1	/* of a line: "vexlab_history" */

static json_t *metric_json(const struct hist_metric *metric)
{
	json_t *json = json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "name", metric->name,
				 "count", (json_int_t)metric->count, "min", metric->min, "p50", metric->p50, "p90", metric->p90,
				 "p99", metric->p99, "max", metric->max, "mean", metric->mean);
	json_t *list;
	guint i;

	if (!metric->samples)
		return json;
	list = json_array();
	for (i = 0; i < metric->samples->len; i++)
		json_array_append_new(list, json_integer((json_int_t)g_array_index(metric->samples, guint64, i)));
	json_object_set_new(json, "samples", list);
	return json;
}

static json_t *finding_line(const struct hist_finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:i, s:i}", "class", finding->class, "title", finding->title,
			 "severity", severity_name(finding->severity), "blame", blame_name(finding->blame),
			 "noise", (int)finding->noise, "times", (json_int_t)finding->times,
			 "cycle", (json_int_t)finding->cycle, "attempts", (int)finding->attempts, "seen", (int)finding->seen);
}

json_t *hist_run_json(const struct hist_run *run)
{
	json_t *metrics = json_array(), *findings = json_array();
	guint i;

	for (i = 0; i < run->metrics->len; i++)
		json_array_append_new(metrics, metric_json(g_ptr_array_index(run->metrics, i)));
	for (i = 0; i < run->findings->len; i++)
		json_array_append_new(findings, finding_line(g_ptr_array_index(run->findings, i)));
	return json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:O, s:b, s:b, s:b, s:i, s:{s:f, s:f, s:f, s:f}, s:I, s:o, s:o}",
			 "vexlab_history", FORMAT, "uid", run->uid, "name", run->name, "directory", run->directory,
			 "begin_ns", (json_int_t)run->begin_ns, "end_ns", (json_int_t)run->end_ns, "environment", run->env,
			 "complete", (int)run->complete, "accepted", (int)run->accepted, "judged", (int)run->judged,
			 "verdict", (int)run->verdict, "scores", "overall", run->overall, "stability", run->stability,
			 "tests", run->tests, "performance", run->performance, "cycles", (json_int_t)run->cycles,
			 "metrics", metrics, "findings", findings);
}

/* ---- and back ------------------------------------------------------------------------- */

static gboolean bad(GError **error, const char *what)
{
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s", what);
	return FALSE;
}

/* Borrowed; NULL: no word of a sane length. */
static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text && strlen(text) <= HIST_WORD_MAX ? text : NULL;
}

static gboolean whole(const json_t *json, const char *key, guint64 *ret)
{
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return FALSE;
	*ret = (guint64)json_integer_value(value);
	return TRUE;
}

static gboolean figure(const json_t *json, const char *key, double *ret)
{
	const json_t *value = json_object_get(json, key);

	*ret = json_number_value(value);
	return json_is_number(value) && isfinite(*ret);
}

static gboolean read_samples(const json_t *list, struct hist_metric *metric)
{
	const json_t *one;
	guint64 value, before = 0;
	size_t i;

	if (!list)
		return TRUE;
	if (!json_is_array(list) || json_array_size(list) > SAMPLES_MAX)
		return FALSE;
	metric->samples = g_array_new(FALSE, FALSE, sizeof(guint64));
	json_array_foreach(list, i, one) {
		if (!json_is_integer(one) || json_integer_value(one) < (json_int_t)before)
			return FALSE;
		value = before = (guint64)json_integer_value(one);
		g_array_append_val(metric->samples, value);
	}
	return TRUE;
}

static gboolean read_metric(const json_t *json, struct hist_run *run, GError **error)
{
	const char *name = word(json, "name");
	struct hist_metric *metric;

	if (!name || hist_run_metric(run, name))
		return bad(error, "a metric has no name, or one that another has");
	metric = hist_metric_add(run, name);
	if (!whole(json, "count", &metric->count) || !figure(json, "min", &metric->min) || !figure(json, "p50", &metric->p50) ||
	    !figure(json, "p90", &metric->p90) || !figure(json, "p99", &metric->p99) || !figure(json, "max", &metric->max) ||
	    !figure(json, "mean", &metric->mean) || !read_samples(json_object_get(json, "samples"), metric))
		return bad(error, "a metric lacks a figure, or its samples are not sorted, or too many");
	return TRUE;
}

static int index_of(const char *text, const char *(*name)(guint), guint n)
{
	guint i;

	for (i = 0; i < n; i++)
		if (!g_strcmp0(text, name(i)))
			return (int)i;
	return -1;
}

static const char *nth_severity(guint i)
{
	return severity_name(i);
}

static const char *nth_blame(guint i)
{
	return blame_name(i);
}

static gboolean read_finding(const json_t *json, struct hist_run *run, GError **error)
{
	const char *class = word(json, "class"), *title = word(json, "title");
	const int severity = index_of(word(json, "severity"), nth_severity, SEV_CRITICAL + 1);
	const int blame = index_of(word(json, "blame"), nth_blame, BLAME_ENVIRONMENT + 1);
	guint64 attempts = 0, seen = 0;
	struct hist_finding *finding;

	if (!class || !title || severity < 0 || blame < 0)
		return bad(error, "a finding lacks its class, title, severity or blame");
	finding = hist_finding_add(run, class, title);
	finding->severity = (enum severity)severity;
	finding->blame = (enum blame)blame;
	finding->noise = json_is_true(json_object_get(json, "noise"));
	(void)whole(json, "attempts", &attempts);
	(void)whole(json, "seen", &seen);
	if (!whole(json, "times", &finding->times) || !whole(json, "cycle", &finding->cycle) || attempts > G_MAXINT ||
	    seen > attempts)
		return bad(error, "a finding's counts are none");
	finding->attempts = (guint)attempts;
	finding->seen = (guint)seen;
	return TRUE;
}

static gboolean read_lists(const json_t *json, struct hist_run *run, GError **error)
{
	const json_t *metrics = json_object_get(json, "metrics"), *findings = json_object_get(json, "findings"), *one;
	size_t i;

	if (!json_is_array(metrics) || json_array_size(metrics) > HIST_METRICS_MAX ||
	    !json_is_array(findings) || json_array_size(findings) > HIST_FINDINGS_MAX)
		return bad(error, "its metrics or findings are missing, or too many");
	json_array_foreach(metrics, i, one)
		if (!read_metric(one, run, error))
			return FALSE;
	json_array_foreach(findings, i, one)
		if (!read_finding(one, run, error))
			return FALSE;
	return TRUE;
}

static gboolean read_environment(const json_t *json, struct hist_run *run, GError **error)
{
	json_t *env = json_object_get(json, "environment"), *value;
	const char *key;

	if (!json_is_object(env) || json_object_size(env) > 256)
		return bad(error, "it has no environment");
	json_object_foreach(env, key, value)
		if (!json_is_string(value) || strlen(key) > HIST_WORD_MAX || json_string_length(value) > HIST_WORD_MAX)
			return bad(error, "its environment is not made of words");
	json_object_update(run->env, env);
	if (!*hist_word(run->env, "target") || !*hist_word(run->env, "scenario"))
		return bad(error, "its environment names no target or no scenario");
	return TRUE;
}

struct hist_run *hist_run_from_json(const json_t *json, GError **error)
{
	VX_GUARD(hist_run_free) struct hist_run *run = hist_run_new();
	const json_t *scores = json_object_get(json, "scores");
	const char *uid = word(json, "uid"), *name = word(json, "name"), *dir = word(json, "directory");
	guint64 format = 0, verdict = 0;

	if (!whole(json, "vexlab_history", &format) || format != FORMAT) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, format > FORMAT ?
			    "it is of a newer vexlab's export" : "it is no line of `vexlab history export`");
		return NULL;
	}
	run->uid = g_strdup(uid);
	run->name = g_strdup(name);
	run->directory = g_strdup(dir ? dir : "");
	run->complete = json_is_true(json_object_get(json, "complete"));
	run->accepted = json_is_true(json_object_get(json, "accepted"));
	run->judged = json_is_true(json_object_get(json, "judged"));
	if (!uid || strlen(uid) != 32 || !name || !whole(json, "begin_ns", &run->begin_ns) ||
	    !whole(json, "end_ns", &run->end_ns) || !whole(json, "cycles", &run->cycles) ||
	    !whole(json, "verdict", &verdict) || verdict > VERDICT_CRITICAL || !figure(scores, "overall", &run->overall) ||
	    !figure(scores, "stability", &run->stability) || !figure(scores, "tests", &run->tests) ||
	    !figure(scores, "performance", &run->performance)) {
		bad(error, "its name, times, verdict or scores are missing or none");
		return NULL;
	}
	run->verdict = (enum verdict_code)verdict;
	if (!read_environment(json, run, error) || !read_lists(json, run, error))
		return NULL;
	return g_steal_pointer(&run);
}
