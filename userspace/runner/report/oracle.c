// SPDX-License-Identifier: GPL-2.0
/* What the oracle has compared, and which features the target does not have. */
#include <string.h>

#include "report.h"

static const char *word(const json_t *note, const char *key)
{
	const char *text = json_string_value(json_object_get(note, key));

	return text ? text : "";
}

json_t *report_oracle(const struct analysis *an)
{
	json_t *missing = json_array(), *json = NULL;
	const json_t *note;
	size_t i;

	json_array_foreach(an->vm, i, note) {
		if (!strcmp(word(note, "event"), "oracle missing"))
			json_array_append_new(missing, json_pack("{s:s, s:s}", "feature", word(note, "feature"), "answer",
								 word(note, "answer")));
		if (!strcmp(word(note, "event"), "oracle summary")) {
			json_decref(json);
			json = json_pack("{s:O, s:O, s:O, s:O, s:s}", "operations", json_object_get(note, "operations"),
					 "per_second", json_object_get(note, "per_second"), "programs",
					 json_object_get(note, "programs"), "full", json_object_get(note, "full"),
					 "reference", word(note, "reference"));
		}
	}
	if (!json && !json_array_size(missing)) {
		json_decref(missing);
		return NULL;
	}
	if (!json)
		json = json_object();
	json_object_set_new(json, "missing", missing);
	return json;
}

char *report_oracle_text(const struct analysis *an)
{
	json_t *json = report_oracle(an);
	const json_t *missing = json_object_get(json, "missing"), *row;
	GString *out;
	size_t i;

	if (!json)
		return NULL;
	out = g_string_new(NULL);
	if (json_object_get(json, "operations"))
		g_string_append_printf(out, "  oracle   %" JSON_INTEGER_FORMAT " operations in %" JSON_INTEGER_FORMAT
				       " programs, %.0f a second, compared with %s\n",
				       json_integer_value(json_object_get(json, "operations")),
				       json_integer_value(json_object_get(json, "programs")),
				       json_number_value(json_object_get(json, "per_second")), word(json, "reference"));
	json_array_foreach(missing, i, row) {
		g_autofree char *answer = report_printable(word(row, "answer"));

		g_string_append_printf(out, "    missing      %-18s %s\n", word(row, "feature"), answer);
	}
	json_decref(json);
	return g_string_free(out, FALSE);
}
