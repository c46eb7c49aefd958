// SPDX-License-Identifier: GPL-2.0
/* What earlier runs say of this one, as its record has it. */
#include <string.h>

#include "entry.h"
#include "report.h"

#define LIVES_TOLD	8u
#define REVISION_TOLD	12

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static int number(const json_t *json, const char *key)
{
	return (int)json_integer_value(json_object_get(json, key));
}

static guint count(const json_t *metrics, const char *outcome)
{
	const json_t *one;
	guint n = 0;
	size_t i;

	json_array_foreach(metrics, i, one)
		n += !strcmp(word(one, "outcome"), outcome);
	return n;
}

static void compared(GString *out, const json_t *json)
{
	const json_t *metrics = json_object_get(json, "metrics"), *one;
	const size_t runs = json_array_size(json_object_get(json, "baseline"));
	const guint slower = count(metrics, "slower"), faster = count(metrics, "faster");
	g_autofree char *why = report_printable(word(json, "why"));
	double seen_from = 0;
	size_t i;

	if (*why) {
		g_string_append_printf(out, "  history  not compared: %s\n", why);
		return;
	}
	json_array_foreach(metrics, i, one)
		if (!strcmp(word(one, "metric"), "mount.total"))
			seen_from = json_number_value(json_object_get(one, "seen_from"));
	g_string_append_printf(out, "  history  against %zu comparable runs: ", runs);
	if (!slower && !faster)
		g_string_append(out, "no evidence of a change");
	else
		g_string_append_printf(out, "%u figures slower, %u faster", slower, faster);
	if (seen_from > 0)
		g_string_append_printf(out, " (of mounts, from %.0f %% up it would be seen)", 100 * seen_from);
	if (slower && json_is_true(json_object_get(json, "same_code")))
		g_string_append(out, "; the same module ran before: the machine's doing");
	g_string_append_c(out, '\n');
}

static void life(GString *out, const json_t *json)
{
	g_autofree char *title = report_printable(word(json, "title")), *first = report_printable(word(json, "first"));
	const char *again = word(json, "again");
	const int with = number(json, "with");

	g_string_append_printf(out, "    %-9s %s", word(json, "life"), title);
	if (with)
		g_string_append_printf(out, " (in %d of %d runs since %s%s%s)", with, number(json, "runs"), first, *again ? "; " : "", again);
	g_string_append_c(out, '\n');
}

static void lives(GString *out, const json_t *json)
{
	const json_t *list = json_object_get(json, "findings"), *one;
	size_t i;

	if (!json_array_size(list))
		return;
	g_string_append_printf(out, "  findings against %d runs before it:\n", number(json, "runs"));
	json_array_foreach(list, i, one)
		if (i < LIVES_TOLD)
			life(out, one);
	if (json_array_size(list) > LIVES_TOLD)
		g_string_append_printf(out, "    ... %zu more: vexlab history show\n", json_array_size(list) - LIVES_TOLD);
}

char *report_history_text(const struct analysis *an)
{
	const json_t *comparison = analysis_vm_event(an, "compared"), *findings = analysis_vm_event(an, "lives");
	GString *out = g_string_new(NULL);

	if (comparison)
		compared(out, comparison);
	if (findings)
		lives(out, findings);
	return g_string_free(out, FALSE);
}

json_t *report_history(const struct analysis *an)
{
	json_t *comparison = analysis_vm_event(an, "compared"), *findings = analysis_vm_event(an, "lives");

	if (!comparison && !findings)
		return NULL;
	return json_pack("{s:O?, s:O?}", "comparison", comparison, "lives", findings);
}

static const json_t *life_of(const json_t *lives, const struct finding *finding)
{
	g_autofree char *key = hist_key(finding_class_name(finding->class), finding->title);
	const json_t *list = json_object_get(lives, "findings"), *one;
	size_t i;

	json_array_foreach(list, i, one) {
		g_autofree char *other = hist_key(word(one, "class"), word(one, "title"));

		if (!strcmp(key, other))
			return one;
	}
	return NULL;
}

/* "20261128T031427Z-vexfs (revision 3f2a9c1)". */
static void add_run(GString *out, const char *name, const char *revision)
{
	g_autofree char *safe = report_printable(name), *at = report_printable(revision);

	g_string_append(out, safe);
	if (*at)
		g_string_append_printf(out, " (revision %.*s)", REVISION_TOLD, at);
}

char *report_since_text(const struct analysis *an, const struct finding *finding)
{
	const json_t *lives = analysis_vm_event(an, "lives"), *life = life_of(lives, finding);
	const char *here = word(analysis_vm_event(an, "environment"), "revision");
	const gboolean had_not = *word(life, "good") != '\0';
	GString *out = g_string_new(NULL);

	if (number(life, "with")) {
		add_run(out, word(life, "first"), word(life, "first_revision"));
		g_string_append_printf(out, ", in %d of %d runs from it on", number(life, "with"), number(life, "runs"));
	} else if (had_not) {
		g_string_append(out, "this run");
		if (*here)
			g_string_append_printf(out, " (revision %.*s)", REVISION_TOLD, here);
	} else {
		g_string_append(out, "not known: the history has no earlier run like it");
	}
	if (had_not) {
		g_string_append(out, "; before it ");
		add_run(out, word(life, "good"), word(life, "good_revision"));
		g_string_append(out, " had it not");
	}
	return g_string_free(out, FALSE);
}
