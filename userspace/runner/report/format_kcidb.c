// SPDX-License-Identifier: GPL-2.0
/*
 * KCIDB 5.3. The guest's kernel is what is booted, so it is the build; what is run on it are the tests. Each finding
 * is an issue whose id is made of its title: the same bug is the same issue in every run.
 */
#include <string.h>

#include "cases.h"
#include "text.h"

#define ORIGIN		"vexlab"
#define EXCERPT_MAX	16000u		/* characters; the schema allows 16384 */

/* Letters, digits, '_' and '-' only, as a part of a path has them. Caller frees. */
static char *path_part(const char *text)
{
	GString *out = g_string_new(NULL);

	for (; *text; text++) {
		if (g_ascii_isalnum(*text) || *text == '-')
			g_string_append_c(out, g_ascii_tolower(*text));
		else if (out->len && out->str[out->len - 1] != '_')
			g_string_append_c(out, '_');
	}
	while (out->len && out->str[out->len - 1] == '_')
		g_string_truncate(out, out->len - 1);
	if (!out->len)
		g_string_append_c(out, '_');
	return g_string_free(out, FALSE);
}

static void set(json_t *json, const char *key, const char *text)
{
	g_autofree char *plain = text_plain(text);

	json_object_set_new(json, key, json_string(plain));
}

static void set_time(json_t *json, guint64 ns)
{
	char buf[32];

	json_object_set_new(json, "start_time", json_string(text_time(buf, sizeof(buf), ns)));
}

/* The run's identity: when and what. */
static char *run_id(const struct report_view *view)
{
	g_autofree char *target = path_part(analysis_run_word(view->an, "target", "unknown"));
	g_autofree char *stamp = path_part(analysis_run_word(view->an, "stamp", "unknown"));

	return g_strdup_printf(ORIGIN ":%s-%s-%" G_GUINT64_FORMAT, stamp, target, view->chron->begin_ns);
}

static json_t *object_new(const char *id)
{
	return json_pack("{s:s, s:s}", "id", id, "origin", ORIGIN);
}

static json_t *checkouts(const struct report_view *view, const char *id)
{
	json_t *json = object_new(id);

	set(json, "comment", analysis_run_word(view->an, "source", ""));
	set_time(json, view->chron->begin_ns);
	json_object_set_new(json, "valid", json_true());
	return json_pack("[o]", json);
}

static json_t *builds(const struct report_view *view, const char *id)
{
	json_t *json = object_new(id);

	set(json, "checkout_id", id);
	set(json, "architecture", "x86_64");
	set(json, "comment", analysis_run_word(view->an, "kernel", ""));
	set(json, "status", "PASS");
	json_object_set_new(json, "misc", json_pack("{s:O?}", "modules", json_object_get(view->an->run, "modules")));
	return json_pack("[o]", json);
}

static const char *status_of(const struct report_case *one)
{
	static const char *const words[CASE_RESULTS] = {
		[CASE_PASSED] = "PASS", [CASE_SKIPPED] = "SKIP", [CASE_FAILED] = "FAIL", [CASE_ERROR] = "ERROR",
	};

	return words[one->result];
}

static void set_excerpt(json_t *json, const struct report_case *one)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *cut = NULL;
	guint i;

	for (i = 0; i < one->lines->len; i++) {
		g_autofree char *plain = text_plain(g_ptr_array_index(one->lines, i));

		g_string_append_printf(text, "%s\n", plain);
	}
	cut = g_utf8_substring(text->str, 0, MIN(g_utf8_strlen(text->str, -1), EXCERPT_MAX));
	if (*cut)
		json_object_set_new(json, "log_excerpt", json_string(cut));
}

/* Of a finding, which names itself by its title, the path is only its class. */
static char *path_of(const struct report_view *view, const struct report_case *one)
{
	g_autofree char *scenario = path_part(analysis_run_word(view->an, "scenario", "unknown"));
	g_autofree char *group = path_part(one->group);
	g_autofree char *name = path_part(one->finding ? one->type : one->name);

	return g_strdup_printf("vexlab.%s.%s.%s", scenario, group, name);
}

static json_t *test(const struct report_view *view, const char *id, const struct report_case *one, guint number)
{
	g_autofree char *own = g_strdup_printf("%s-%u", id, number), *path = path_of(view, one);
	json_t *json = object_new(own), *comment;

	set(json, "build_id", id);
	set(json, "path", path);
	set(json, "status", status_of(one));
	set(json, "comment", one->name);
	set_time(json, one->begin_ns);
	json_object_set_new(json, "duration", json_real((double)one->took_ns / 1e9));
	set_excerpt(json, one);
	comment = json_object();
	set(comment, "comment", "a throw-away guest of QEMU, x86_64");
	json_object_set_new(json, "environment", comment);
	json_object_set_new(json, "misc", json_pack("{s:I, s:I}", "times", (json_int_t)one->times, "failed",
						    (json_int_t)one->failed));
	return json;
}

/* The same in every run that meets it. Caller frees. */
static char *issue_id(const struct report_case *one)
{
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, one->name, -1);

	return g_strdup_printf(ORIGIN ":%.16s", sum);
}

static json_t *issue(const struct report_case *one, const char *id)
{
	const struct finding *finding = one->finding;
	json_t *json = object_new(id);

	json_object_set_new(json, "version", json_integer(1));
	set(json, "report_subject", one->name);
	json_object_set_new(json, "culprit", json_pack("{s:b, s:b, s:b}", "code", finding->blame != BLAME_ENVIRONMENT,
						       "tool", 0, "harness", finding->blame == BLAME_ENVIRONMENT));
	if (finding->location)
		set(json, "comment", finding->location);
	return json;
}

static json_t *incident(const char *run, const char *issue_of, guint number)
{
	g_autofree char *id = g_strdup_printf("%s-i%u", run, number), *test_id = g_strdup_printf("%s-%u", run, number);
	json_t *json = object_new(id);

	set(json, "issue_id", issue_of);
	json_object_set_new(json, "issue_version", json_integer(1));
	set(json, "test_id", test_id);
	json_object_set_new(json, "present", json_true());
	return json;
}

void format_kcidb(GString *out, const struct report_view *view)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GPtrArray) cases = report_cases(view);
	g_autofree char *id = run_id(view), *text = NULL;
	json_t *tests = json_array(), *issues = json_array(), *incidents = json_array(), *json;
	guint i;

	for (i = 0; i < cases->len; i++) {
		const struct report_case *one = g_ptr_array_index(cases, i);
		g_autofree char *issue_of = issue_id(one);

		json_array_append_new(tests, test(view, id, one, i));
		/* Known noise is nobody's issue. */
		if (!one->finding || one->result == CASE_SKIPPED)
			continue;
		json_array_append_new(incidents, incident(id, issue_of, i));
		if (!g_hash_table_contains(seen, issue_of)) {
			json_array_append_new(issues, issue(one, issue_of));
			g_hash_table_add(seen, g_steal_pointer(&issue_of));
		}
	}
	json = json_pack("{s:{s:i, s:i}, s:o, s:o, s:o, s:o, s:o}", "version", "major", 5, "minor", 3,
			 "checkouts", checkouts(view, id), "builds", builds(view, id), "tests", tests,
			 "issues", issues, "incidents", incidents);
	text = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	g_string_append(out, text ? text : "null");
	g_string_append_c(out, '\n');
}
