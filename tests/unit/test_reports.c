// SPDX-License-Identifier: GPL-2.0
/*
 * Each format, of each kind of run, by a reader of that format that is strict: what a guest said stays text. The
 * formats' own tools are asked by tests/integration/test_reports.c.
 */
#include <errno.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "report.h"
#include "reports_bed.h"
#include "reports_read.h"

/* ---- kinds of runs ------------------------------------------------------------------- */

static void make_nothing(struct bed *bed)
{
}

static void make_empty(struct bed *bed)
{
	bed_run(bed, "ext4");
	bed_end(bed);
}

static void make_good(struct bed *bed)
{
	bed_run(bed, "ext4");
	bed_cycles(bed, 1, 20);
	bed_end(bed);
}

static void make_crash(struct bed *bed)
{
	bed_run(bed, HOSTILE_JSON);
	bed_cycles(bed, 1, 3);
	bed_crash(bed, 20);
	bed_cycles(bed, 30, 3);
	bed_end(bed);
}

static void make_interrupted(struct bed *bed)
{
	bed_run(bed, "ext4");
	bed_cycles(bed, 1, 2);
	bed_begin(bed, 9, "mount", "measure", "mount");
	bed_say(bed, VX_REC_VM, "{\"event\": \"broken off\", \"why\": \"" HOSTILE_JSON "\"}");
}

static void make_leaks(struct bed *bed)
{
	bed_run(bed, "faultfs");
	bed_hunt(bed, 1);
	bed_end(bed);
}

/* Operations of no step, of a step of the past, longer than their step, of any length. */
static void make_liar(struct bed *bed)
{
	bed_run(bed, "ext4");
	bed_op(bed, 0, VX_OP_MOUNT, 5, 0);
	bed_begin(bed, 1, "mount", "measure", "mount");
	bed_op(bed, 1, VX_OP_MOUNT, G_MAXUINT64, 0);
	bed_op(bed, 1, VX_OP_MOUNT, 100, 0);
	bed_op(bed, 1, VX_OP_MOUNT, 100, 0);
	bed->guest_ns = G_MAXUINT64 - 5;
	bed_answer(bed, 1, 0, 3, "");
	bed->guest_ns = 1;
	bed_begin(bed, 2, "umount", "measure", "umount");
	bed_op(bed, 1, VX_OP_UMOUNT, 1000, 0);
	bed_op(bed, 2, VX_OP_UMOUNT, G_MAXUINT64 / 2, 0);
	bed_answer(bed, 1, 0, 10, "");
	bed_answer(bed, 2, 0, 10, "");
	bed_answer(bed, 2, -EIO, 10, "");
	bed_end(bed);
}

static const struct {
	const char *name;
	void (*make)(struct bed *bed);
} runs[] = {
	{ "nothing", make_nothing }, { "empty", make_empty }, { "good", make_good }, { "crash", make_crash },
	{ "interrupted", make_interrupted }, { "leaks", make_leaks }, { "liar", make_liar },
};

/* Of every run what `check` says of that format. */
static void every_run(const char *format, void (*check)(const char *text))
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(runs); i++) {
		g_autofree char *text = NULL;
		struct bed bed;

		bed_open(&bed);
		runs[i].make(&bed);
		text = bed_report(&bed, format);
		expect_printable(text);
		check(text);
		bed_close(&bed);
	}
}

static char *report_of(void (*make)(struct bed *bed), const char *format)
{
	struct bed bed;
	char *text;

	bed_open(&bed);
	make(&bed);
	text = bed_report(&bed, format);
	bed_close(&bed);
	return text;
}

static void expect_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in:\n%.6000s", words, text);
}

/* ---- text for people ----------------------------------------------------------------------- */

static void html_is_only_what_we_wrote(void **state)
{
	g_autofree char *crash = report_of(make_crash, "html"), *leaks = report_of(make_leaks, "html");
	g_autofree char *empty = report_of(make_empty, "html"), *interrupted = report_of(make_interrupted, "html");
	g_autofree char *good = report_of(make_good, "html");

	every_run("html", read_html);
	expect_has(crash, "<h1>Not ready: ");
	expect_has(crash, "&lt;script&gt;alert(1)&lt;/script&gt;");
	expect_has(crash, "\\u202e");
	expect_has(crash, "vexlab replay ");
	expect_has(crash, "being brought back");
	expect_has(leaks, "id=\"leaks\"");
	expect_has(leaks, "memory.Slab");
	expect_has(empty, "<h1>Not judged</h1>");
	expect_has(interrupted, "the record has no end");
	expect_has(good, "<h1>Ready</h1>");
	expect_has(good, "Distribution of mount");
	expect_has(good, "Latency of unmount over time");
}

static void html_is_bounded(void **state)
{
	g_autofree char *text = NULL;
	struct bed bed;
	guint i;

	bed_open(&bed);
	bed_run(&bed, "ext4");
	bed_cycles(&bed, 1, 5000);
	for (i = 0; i < 300; i++)
		bed_crash(&bed, 20000 + 2 * i);
	text = bed_report(&bed, "html");
	read_html(text);
	if (strlen(text) > 2u << 20)
		fail_msg("%zu bytes", strlen(text));
	bed_close(&bed);
}

static void markdown_stays_in_its_cells(void **state)
{
	g_autofree char *crash = report_of(make_crash, "markdown"), *empty = report_of(make_empty, "markdown");

	every_run("markdown", read_markdown);
	expect_has(crash, "not ready");
	expect_has(crash, "to see it again");
	expect_has(empty, "not judged");
	expect_has(empty, "No findings.");
}

/* One command a line, whatever a guest says: no property that ends early, no line of its own. */
static void read_github(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint i;

	for (i = 0; lines[i] && *lines[i]; i++)
		if (!g_regex_match_simple("^::(error|warning) (file=[^:,]+,line=\\d+,)?title=[^:,]+::[^\r]+$", lines[i], 0, 0))
			fail_msg("no command: %s", lines[i]);
	assert_null(lines[i] ? lines[i + 1] : NULL);
}

static void github_is_one_command_a_line(void **state)
{
	g_autofree char *crash = report_of(make_crash, "github"), *good = report_of(make_good, "github");

	every_run("github", read_github);
	expect_has(crash, "::error title=BUG%3A unable to handle");
	expect_has(crash, "Oops, High; since not known: the history has no earlier run like it");
	expect_has(crash, "; again: vexlab replay ");
	assert_string_equal(good, "");
}

/* The last lines of what a terminal shows. */
static void text_ends_with_what_broke(void **state)
{
	g_autofree char *crash = report_of(make_crash, "text"), *good = report_of(make_good, "text"), *with_history = NULL;
	struct bed bed;

	expect_has(crash, "\n  broke    guest lost: panic (GuestLost, Critical, cycle 20)\n");
	expect_has(crash, "\n  since    not known: the history has no earlier run like it\n  fault    the module's\n  again    vexlab replay ");
	assert_null(strstr(good, "broke"));
	bed_open(&bed);
	bed_run(&bed, "ext4");
	bed_crash(&bed, 20);
	bed_say(&bed, VX_REC_VM, "{\"event\": \"environment\", \"revision\": \"0123456789abcdef\"}");
	bed_say(&bed, VX_REC_VM, "{\"event\": \"control\", \"target\": \"ext4\", \"findings\": []}");
	bed_say(&bed, VX_REC_VM, "{\"event\": \"lives\", \"runs\": 1, \"findings\": [{\"class\": \"GuestLost\", \"title\": "
		"\"guest lost: panic\", \"life\": \"new\", \"here\": true, "
		"\"with\": 0, \"runs\": 0, \"good\": \"20260101T-ext4\", \"good_revision\": \"fedcba9876543210\"}]}");
	bed_end(&bed);
	with_history = bed_report(&bed, "text");
	bed_close(&bed);
	expect_has(with_history, "this run (revision 0123456789ab); before it 20260101T-ext4 (revision fedcba987654) had it not\n"
		   "  fault    the module's: the same scenario on ext4 does not have it\n");
}

/* ---- test cases -------------------------------------------------------------------------------- */

static void junit_is_xml(void **state)
{
	g_autofree char *crash = report_of(make_crash, "junit"), *interrupted = report_of(make_interrupted, "junit");
	g_autofree char *good = report_of(make_good, "junit");

	every_run("junit", read_xml);
	expect_has(crash, "<failure message=\"BUG: unable to handle kernel NULL pointer dereference");
	expect_has(interrupted, "<error message=\"the run was interrupted");
	expect_has(good, "failures=\"0\"");
	expect_has(good, "<testcase name=\"mount\" classname=\"vexlab.ext4.mount-cycles.measure\"");
}

static void ktap_is_version_1(void **state)
{
	g_autofree char *crash = report_of(make_crash, "ktap"), *good = report_of(make_good, "ktap");

	every_run("ktap", read_ktap);
	assert_true(ktap_failures(crash) > 0);
	assert_int_equal(ktap_failures(good), 0);
}

static void kcidb_is_json(void **state)
{
	g_autofree char *crash = report_of(make_crash, "kcidb"), *again = report_of(make_crash, "kcidb");
	json_t *one = json_loads(crash, 0, NULL), *two = json_loads(again, 0, NULL);

	every_run("kcidb", read_kcidb);
	/* The same bug is the same issue in another run. */
	assert_true(json_array_size(json_object_get(one, "issues")) > 0);
	assert_true(json_equal(json_object_get(one, "issues"), json_object_get(two, "issues")));
	json_decref(one);
	json_decref(two);
}

/* ---- figures --------------------------------------------------------------------------------------- */

static void openmetrics_adds_up(void **state)
{
	g_autofree char *good = report_of(make_good, "openmetrics"), *empty = report_of(make_empty, "openmetrics");

	every_run("openmetrics", read_openmetrics);
	expect_has(good, "operation=\"mount\",le=\"+Inf\"} 20\n");
	expect_has(good, "vexlab_operation_duration_seconds_count{target=\"ext4\",scenario=\"mount-cycles\",operation=\"umount\"} 20\n");
	/* No verdict is no score. */
	assert_null(strstr(empty, "vexlab_score"));
}

static void csv_has_its_columns(void **state)
{
	g_autofree char *good = report_of(make_good, "csv"), *crash = report_of(make_crash, "csv");

	every_run("csv", read_csv);
	every_run("series", read_csv);
	assert_int_equal(csv_rows(good), 41);
	assert_int_equal(csv_rows(crash), 13);
	/* No spreadsheet takes it for a formula. */
	expect_has(good, ",\"'=<b>|");
}

static void trace_nests(void **state)
{
	g_autofree char *good = report_of(make_good, "trace"), *crash = report_of(make_crash, "trace");

	every_run("trace", read_trace);
	expect_has(good, "\"cat\":\"operation\",\"name\":\"mount\"");
	expect_has(good, "\"name\":\"fill_super\"");
	expect_has(good, "\"name\":\"latency.mount, ms\"");
	expect_has(crash, "\"cat\":\"recovery\",\"name\":\"recovered\"");
	expect_has(crash, "\"cat\":\"finding\",\"name\":\"BUG: ");
}

/* However long a series is, a single spike in it stays, and so do its ends. */
static void series_keep_their_spikes(void **state)
{
	VX_GUARD(chronicle_free) struct chronicle *chron = NULL;
	const struct chron_series *series;
	double most = 0;
	struct bed bed;
	guint i;

	bed_open(&bed);
	make_empty(&bed);
	chron = chronicle_read(bed.dir, NULL);
	bed_close(&bed);
	for (i = 0; i < 50000; i++)
		chronicle_sample(chron, "memory.free", "kB", i, i == 31337 ? 1000 : i % 2);
	chronicle_end_series(chron);
	series = g_ptr_array_index(chron->series, chron->series->len - 1);
	assert_string_equal(series->name, "memory.free");
	assert_true(series->points->len > 400 && series->points->len <= CHRONICLE_POINTS_MAX);
	for (i = 0; i < series->points->len; i++) {
		most = MAX(most, g_array_index(series->points, struct chron_point, i).value);
		assert_true(!i || g_array_index(series->points, struct chron_point, i).ns >=
			    g_array_index(series->points, struct chron_point, i - 1).ns);
	}
	assert_true(most == 1000);
	assert_true(g_array_index(series->points, struct chron_point, 0).ns < 300);
	assert_true(g_array_index(series->points, struct chron_point, series->points->len - 1).ns > 49700);
}

/* What a history brings is drawn; without one there is no such part. */
static void trend_is_drawn_of_a_history(void **state)
{
	json_t *trend = json_pack("{s:[{s:s, s:{s:f, s:f}}, {s:s, s:{s:f, s:f}}], s:{s:[i, i, i]}}", "runs", "stamp", "a", "values",
				  "score", 90.0, HOSTILE_JSON, 1.5, "stamp", "b", "values", "score", 100.0, HOSTILE_JSON, 2.5,
				  "changes", "score", 1, -5, 1000);
	VX_GUARD(chronicle_free) struct chronicle *chron = NULL;
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	struct report_view view = { 0 };
	struct verdict verdict;
	const char *at;
	struct bed bed;

	bed_open(&bed);
	make_good(&bed);
	view = (struct report_view){ bed.dir, an = analysis_read(bed.dir, NULL), &verdict,
				     chron = chronicle_read(bed.dir, NULL), NULL };
	score_verdict(an, &verdict);
	format_html(text, &view);
	assert_null(strstr(text->str, "id=\"trend\""));
	view.trend = trend;
	g_string_truncate(text, 0);
	format_html(text, &view);
	read_html(text->str);
	expect_has(text->str, "id=\"trend\"");
	expect_has(text->str, "<title>score</title>");
	/* One change is among the runs. */
	at = strstr(strstr(text->str, "<title>score</title>"), "class=\"whisker\"");
	assert_non_null(at);
	assert_null(strstr(at + 1, "class=\"whisker\""));
	bed_close(&bed);
	json_decref(trend);
}

/* The same record, the same report: nothing in it is of the moment or of the place. */
static void reports_are_functions_of_the_record(void **state)
{
	const struct report_format *format;
	struct bed bed;

	bed_open(&bed);
	make_crash(&bed);
	for (format = report_formats(); format->name; format++) {
		g_autofree char *one = bed_report(&bed, format->name), *two = bed_report(&bed, format->name);

		assert_string_equal(one, two);
	}
	bed_close(&bed);
}

static void unknown_format_is_refused(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_null(report_format_find("pdf", &error));
	expect_has(error->message, "there is no format \"pdf\"; there are text, json, html");
}

/* A guest's word may neither colour a terminal nor turn the rest of its line around. */
static void terminal(void **state)
{
	g_autofree char *text = report_printable("a\xe2\x80\xae" "b\xc2\xad" "c\x1b[31m\xe2\x80\xa8\td\xff");

	assert_string_equal(text, "a\\u202eb\\xadc\\x1b[31m\\u2028\td\xef\xbf\xbd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal),
		cmocka_unit_test(html_is_only_what_we_wrote),
		cmocka_unit_test(html_is_bounded),
		cmocka_unit_test(markdown_stays_in_its_cells),
		cmocka_unit_test(github_is_one_command_a_line),
		cmocka_unit_test(text_ends_with_what_broke),
		cmocka_unit_test(junit_is_xml),
		cmocka_unit_test(ktap_is_version_1),
		cmocka_unit_test(kcidb_is_json),
		cmocka_unit_test(openmetrics_adds_up),
		cmocka_unit_test(csv_has_its_columns),
		cmocka_unit_test(trace_nests),
		cmocka_unit_test(series_keep_their_spikes),
		cmocka_unit_test(trend_is_drawn_of_a_history),
		cmocka_unit_test(reports_are_functions_of_the_record),
		cmocka_unit_test(unknown_format_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
