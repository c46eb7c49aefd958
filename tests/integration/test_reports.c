// SPDX-License-Identifier: GPL-2.0
/*
 * A real run in every format, each judged by its own ecosystem's tool: xmllint, a validator of JSON schemas, promtool, a
 * browser. scripts/setup.sh --tests installs them; the schemas, which are not part of this project, are looked for in
 * $VEXLAB_SCHEMAS, else in ../shared/schemas beside the tree.
 */
#include "fsutil.h"
#include "harness.h"

#include "reports_bed.h"
#include "reports_read.h"

static char *run_dir;		/* of the one run, which crashes and goes on */

static int make_run(void **state)
{
	g_autofree char *latest = NULL, *name = NULL;
	RAN r = { 0 };

	if (make_test_dir(state))
		return -1;
	r = run_vexlab("run", "--quiet", "--target", "faultfs", "--module-params", "fault=oops@write", "--cycles", "3",
		       "--warmup", "0", "--control", "none", NULL);
	latest = g_build_filename(test_dir, "runs", "latest", NULL);
	name = g_file_read_link(latest, NULL);
	if (r.status != 2 || !name) {
		print_error("the run ended with %d: %s\n", r.status, r.err);
		return -1;
	}
	run_dir = g_build_filename(test_dir, "runs", name, NULL);
	return 0;
}

static int drop_run(void **state)
{
	g_free(run_dir);
	return drop_test_dir(state);
}

/* In a file of the test's folder. Caller frees the path. */
static char *report_file(const char *format)
{
	char *path = g_build_filename(test_dir, format, NULL);
	RAN r = run_vexlab("report", run_dir, "--format", format, "--output", path, NULL);

	expect_status(&r, 2);
	assert_string_equal(r.out, "");
	return path;
}

static char *report_text(const char *format)
{
	RAN r = run_vexlab("report", "-f", format, run_dir, NULL);

	expect_status(&r, 2);
	return g_steal_pointer(&r.out);
}

/* Or the test is skipped, and says why. Caller frees. */
static char *need_tool(const char *name)
{
	g_autofree char *cache = fs_default_cachedir(), *own = g_build_filename(cache, "tools", name, NULL);
	char *path = g_find_program_in_path(name);

	if (!path && g_file_test(own, G_FILE_TEST_IS_EXECUTABLE))
		path = g_steal_pointer(&own);
	if (!path) {
		print_message("SKIPPED: there is no %s on this machine (scripts/setup.sh --tests installs it)\n", name);
		/* It does not come back. */
		g_clear_pointer(&own, g_free);
		g_clear_pointer(&cache, g_free);
		skip();
	}
	return path;
}

static char *need_schema(const char *name)
{
	const char *dir = g_getenv("VEXLAB_SCHEMAS");
	char *path = g_build_filename(dir ? dir : VX_TREE "/../shared/schemas", name, NULL);

	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		print_message("SKIPPED: there is no %s (VEXLAB_SCHEMAS names the folder that has it)\n", path);
		g_free(path);
		skip();
	}
	return path;
}

/* Fails with what the tool said; returns its stdout. Caller frees. */
static char *expect_tool(const char *const *argv)
{
	g_autofree char *err = NULL;
	g_autoptr(GError) error = NULL;
	char *out = NULL;
	int status;

	if (!g_spawn_sync(test_dir, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error))
		fail_msg("%s: %s", argv[0], error->message);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s: status %d: %.3000s%.3000s", argv[0], status, out, err);
	return out;
}

/* ---- the command -------------------------------------------------------------------------- */

static void a_run_leaves_page_and_cases(void **state)
{
	g_autofree char *page = read_file(run_dir, "report.html"), *cases = read_file(run_dir, "junit.xml");
	g_autofree char *again = report_text("html"), *cases_again = report_text("junit");

	assert_string_equal(page, again);
	assert_string_equal(cases, cases_again);
	assert_non_null(strstr(page, "vexlab replay "));
	assert_non_null(strstr(page, "menu.c:"));
	assert_non_null(strstr(page, "being brought back"));
}

static void the_command_names_its_formats(void **state)
{
	RAN list = run_vexlab("report", "--format", "list", NULL);
	RAN wrong = run_vexlab("report", run_dir, "--format", "pdf", NULL);
	RAN both = run_vexlab("report", run_dir, "--json", "--format", "csv", NULL);
	RAN nowhere = run_vexlab("report", run_dir, "--format", "csv", "--output", "/nowhere/x.csv", NULL);

	expect_status(&list, 0);
	expect_says(&list, "openmetrics");
	expect_status(&wrong, 64);
	expect_says(&wrong, "there are text, json, html, markdown, github, junit, ktap, kcidb, openmetrics, trace, csv");
	expect_status(&both, 64);
	expect_status(&nowhere, 74);
	expect_says(&nowhere, "cannot write /nowhere/x.csv");
}

/* Of what no tool of Debian reads, our own readers. */
static void formats_of_a_real_run(void **state)
{
	g_autofree char *ktap = report_text("ktap"), *csv = report_text("csv"), *trace = report_text("trace");
	g_autofree char *markdown = report_text("markdown"), *html = report_text("html");

	assert_true(ktap_failures(ktap) > 0);
	assert_true(csv_rows(csv) > 6);
	read_trace(trace);
	read_markdown(markdown);
	read_html(html);
	assert_non_null(strstr(trace, "\"cat\":\"recovery\""));
	assert_non_null(strstr(trace, "\"name\":\"fill_super\""));
}

/* ---- their own tools ------------------------------------------------------------------------ */

static void junit_fits_its_schema(void **state)
{
	g_autofree char *schema = need_schema("xunit.xsd"), *tool = need_tool("xmllint"), *file = report_file("junit");
	const char *const argv[] = { tool, "--noout", "--nonet", "--schema", schema, file, NULL };
	g_autofree char *out = expect_tool(argv);
}

static const char validate[] =
	"import json, jsonschema, sys\n"
	"schema = json.load(open(sys.argv[1]))\n"
	"jsonschema.validators.validator_for(schema)(schema).validate(json.load(open(sys.argv[2])))\n";

static void kcidb_fits_its_schema(void **state)
{
	const char *const probe[] = { "/usr/bin/python3", "-c", "import jsonschema", NULL };
	g_autofree char *schema = need_schema("kcidb_v5.3.schema.json"), *file = report_file("kcidb"), *out = NULL;
	const char *const argv[] = { probe[0], "-c", validate, schema, file, NULL };
	int status = -1;

	if (!g_spawn_sync(NULL, (char **)probe, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL) || status) {
		print_message("SKIPPED: Python has no jsonschema here (scripts/setup.sh --tests installs it)\n");
		g_clear_pointer(&schema, g_free);
		g_clear_pointer(&file, g_free);
		skip();
	}
	out = expect_tool(argv);
}

static void openmetrics_pleases_promtool(void **state)
{
	g_autofree char *tool = need_tool("promtool"), *file = report_file("openmetrics");
	const char *const argv[] = { "sh", "-c", "\"$0\" check metrics <\"$1\" 2>&1", tool, file, NULL };
	g_autofree char *out = expect_tool(argv);

	/* It warns of names, too. */
	assert_string_equal(out, "");
}

/* ---- in a browser ---------------------------------------------------------------------------- */

static char *browse(const char *tool, const char *what, const char *page)
{
	g_autofree char *profile = g_build_filename(test_dir, "profile", NULL);
	g_autofree char *user = g_strconcat("--user-data-dir=", profile, NULL), *url = g_strconcat("file://", page, NULL);
	const char *const argv[] = {
		"timeout", "60", tool, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,3000",
		user, what, url, NULL
	};

	return expect_tool(argv);
}

/* A picture that has something in it: a blank one of that size is a few kilobytes. */
static void page_is_drawn(void **state)
{
	g_autofree char *tool = need_tool("chromium"), *page = report_file("html");
	g_autofree char *png = g_build_filename(test_dir, "page.png", NULL), *what = g_strconcat("--screenshot=", png, NULL);
	g_autofree char *out = browse(tool, what, page);
	struct stat st;

	assert_int_equal(stat(png, &st), 0);
	assert_true(st.st_size > 60000);
}

/* What a browser makes of the page of a guest that lies: elements of ours, and its words as words. */
static void hostile_page_runs_nothing(void **state)
{
	g_autofree char *tool = need_tool("chromium"), *text = NULL, *dom = NULL;
	g_autofree char *page = g_build_filename(test_dir, "hostile.html", NULL);
	struct bed bed;

	bed_open(&bed);
	bed_run(&bed, HOSTILE_JSON);
	bed_cycles(&bed, 1, 3);
	bed_crash(&bed, 20);
	bed_end(&bed);
	text = bed_report(&bed, "html");
	bed_close(&bed);
	assert_true(g_file_set_contents(page, text, -1, NULL));
	dom = browse(tool, "--dump-dom", page);
	assert_non_null(strstr(dom, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	assert_null(strstr(dom, "<script"));
	assert_null(strstr(dom, "<img"));
	assert_null(strstr(dom, "onerror=\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_leaves_page_and_cases),
		cmocka_unit_test(the_command_names_its_formats),
		cmocka_unit_test(formats_of_a_real_run),
		cmocka_unit_test(junit_fits_its_schema),
		cmocka_unit_test(kcidb_fits_its_schema),
		cmocka_unit_test(openmetrics_pleases_promtool),
		cmocka_unit_test(page_is_drawn),
		cmocka_unit_test(hostile_page_runs_nothing),
	};

	return cmocka_run_group_tests(tests, make_run, drop_run);
}
