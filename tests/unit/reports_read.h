/* SPDX-License-Identifier: GPL-2.0 */
/* Strict readers of the formats, each of which fails the test at what it does not know. */
#ifndef VEXLAB_TEST_REPORTS_READ_H
#define VEXLAB_TEST_REPORTS_READ_H

#include <jansson.h>
#include <math.h>

/* Text without control bytes, non-characters and what turns a line's direction. */
static inline void expect_printable(const char *text)
{
	const char *p;

	if (!g_utf8_validate(text, -1, NULL))
		fail_msg("not UTF-8");
	for (p = text; *p; p = g_utf8_next_char(p)) {
		const gunichar c = g_utf8_get_char(p);

		if (c == '\n' || c == '\t' || (c == '\r' && p[1] == '\n'))
			continue;
		if (g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT || (c & 0xfffe) == 0xfffe)
			fail_msg("U+%04X after \"%.60s\"", c, p - MIN(p - text, 50));
	}
}

/* ---- HTML ------------------------------------------------------------------------------ */

static inline gboolean is_among(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return TRUE;
	return FALSE;
}

/* A name of letters, digits and '-'; `p` behind it. */
static inline char *read_name(const char **p)
{
	const char *from = *p;

	while (g_ascii_isalnum(**p) || **p == '-')
		++*p;
	return g_strndup(from, (gsize)(*p - from));
}

/* name="value" ... up to '>': quoted, nothing that runs, no address but of this page. */
static inline void read_attributes(const char **p)
{
	static const char *const known[] = {
		"id", "class", "role", "lang", "charset", "name", "content", "http-equiv", "href", "scope", "style", "open",
		"tabindex", "aria-labelledby", "aria-label", "viewBox", "x", "y", "x1", "x2", "y1", "y2", "width", "height",
		"d", "cx", "cy", "r", "fill-opacity", "stroke-dasharray", "transform", NULL
	};

	while (**p == ' ') {
		g_autofree char *name = NULL;
		const char *end;

		++*p;
		name = read_name(p);
		if (!is_among(name, known))
			fail_msg("attribute \"%s\" before %.80s", name, *p);
		if (**p != '=')
			continue;
		assert_int_equal((*p)[1], '"');
		end = strchr(*p + 2, '"');
		assert_non_null(end);
		if (!strcmp(name, "href"))
			assert_int_equal((*p)[2], '#');
		assert_true(!memchr(*p + 2, '<', (gsize)(end - *p - 2)) && !memchr(*p + 2, '>', (gsize)(end - *p - 2)));
		*p = end + 1;
	}
}

static inline void read_tag(const char **p, GPtrArray *open)
{
	static const char *const known[] = {
		"html", "head", "meta", "title", "style", "body", "a", "nav", "b", "main", "header", "div", "svg", "circle", "text",
		"h1", "h2", "h3", "p", "br", "dl", "dt", "dd", "code", "strong", "span", "ul", "li", "section", "details", "summary",
		"pre", "table", "caption", "thead", "tbody", "tr", "th", "td", "desc", "rect", "line", "path", "i", "footer", NULL
	};
	static const char *const empty[] = { "meta", "br", NULL };
	const gboolean closing = **p == '/';
	g_autofree char *name = NULL;

	*p += closing;
	name = read_name(p);
	if (!is_among(name, known))
		fail_msg("element \"%s\" before %.80s", name, *p);
	if (closing) {
		if (!open->len || strcmp(g_ptr_array_index(open, open->len - 1), name))
			fail_msg("</%s> closes %s before %.80s", name, open->len ?
				 (char *)g_ptr_array_index(open, open->len - 1) : "nothing", *p);
		g_ptr_array_set_size(open, (int)open->len - 1);
	} else {
		read_attributes(p);
		if (**p == '/')
			++*p;
		else if (!is_among(name, empty))
			g_ptr_array_add(open, g_strdup(name));
	}
	if (**p != '>')
		fail_msg("a tag %s does not end: %.80s", name, *p);
	++*p;
}

/* Only elements and attributes of ours, balanced: what a guest said opens none. */
static inline void read_html(const char *text)
{
	static const char doctype[] = "<!DOCTYPE html>\n";
	g_autoptr(GPtrArray) open = g_ptr_array_new_with_free_func(g_free);
	const char *p = text + strlen(doctype);

	assert_true(g_str_has_prefix(text, doctype));
	assert_non_null(strstr(text, "default-src 'none'"));
	while ((p = strchr(p, '<'))) {
		p++;
		read_tag(&p, open);
	}
	assert_int_equal(open->len, 0);
	/* Anchors of the menu lead somewhere, and a name is given once. */
	assert_non_null(strstr(text, " id=\"verdict\""));
	assert_null(strstr(strstr(text, " id=\"verdict\"") + 1, " id=\"verdict\""));
}

/* ---- XML: GLib's reader, which knows no document type and no entities of its own ------------ */

static inline void read_xml(const char *text)
{
	const GMarkupParser parser = { 0 };
	GMarkupParseContext *context = g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, NULL, NULL);
	g_autoptr(GError) error = NULL;

	if (!g_markup_parse_context_parse(context, text, -1, &error) || !g_markup_parse_context_end_parse(context, &error))
		fail_msg("%s in %.2000s", error->message, text);
	g_markup_parse_context_free(context);
}

/* ---- Markdown --------------------------------------------------------------------------------- */

/* Bars that are not escaped, and whether every code span is closed. */
static inline guint read_cells(const char *line)
{
	gboolean code = FALSE;
	guint bars = 0;

	for (; *line; line++) {
		if (*line == '`')
			code = !code;
		else if (*line == '\\' && line[1] == '|')
			line++;
		else if (*line == '|')
			bars++;
		else if (!code && strchr("<@", *line))
			fail_msg("markup outside of code: %s", line);
	}
	assert_false(code);
	return bars;
}

static inline void read_markdown(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint columns = 0, i;

	assert_true(g_str_has_prefix(text, "### "));
	for (i = 0; lines[i]; i++) {
		const guint bars = read_cells(lines[i]);

		if (lines[i][0] == '|') {
			if (columns && bars != columns)
				fail_msg("%u bars, not %u: %s", bars, columns, lines[i]);
			columns = bars;
		} else {
			columns = 0;
		}
	}
}

/* ---- KTAP ---------------------------------------------------------------------------------------- */

/* Of one level: version, subtest's name, plan, results numbered from 1; returns how many are not ok. */
static inline guint ktap_level(char **lines, guint *at, guint depth, guint *failures)
{
	g_autofree char *indent = g_strnfill(4 * depth, ' ');
	guint plan = 0, n = 0, bad = 0;

	assert_string_equal(lines[*at] + 4 * depth, "KTAP version 1");
	for (++*at; lines[*at] && g_str_has_prefix(lines[*at], indent); ) {
		const char *line = lines[*at] + 4 * depth;
		g_autofree char *inner = g_strdup_printf("%s    KTAP version 1", indent);
		gboolean ok = g_str_has_prefix(line, "ok "), not_ok = g_str_has_prefix(line, "not ok ");
		guint below = 0;

		if (!strcmp(lines[*at], inner)) {
			below = ktap_level(lines, at, depth + 1, failures);
			/* The parent's result is next, and tells of it. */
			assert_true(g_str_has_prefix(lines[*at] + 4 * depth, below ? "not ok " : "ok "));
			continue;
		}
		++*at;
		if (line[0] == '#') {
			assert_int_equal(line[1], ' ');
		} else if (!plan) {
			assert_int_equal(sscanf(line, "1..%u", &plan), 1);
		} else {
			const char *number = line + (ok ? 3 : 7), *hash = strchr(line, '#');

			assert_true(ok || not_ok);
			assert_int_equal(atoi(number), ++n);
			assert_true(!hash || (ok && g_str_has_prefix(hash - 1, " # SKIP")));
			bad += not_ok;
			*failures += not_ok && depth;
		}
	}
	assert_int_equal(n, plan);
	return bad;
}

/* Tests that are not ok, parents not counted. */
static inline guint ktap_failures(const char *text)
{
	g_autofree char *cut = g_strndup(text, strlen(text) - 1);
	g_auto(GStrv) lines = g_strsplit(cut, "\n", -1);
	guint at = 0, failures = 0;

	assert_true(g_str_has_suffix(text, "\n"));
	ktap_level(lines, &at, 0, &failures);
	assert_null(lines[at]);
	return failures;
}

static inline void read_ktap(const char *text)
{
	(void)ktap_failures(text);
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static inline json_t *read_json(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		fail_msg("%s, line %d", error.text, error.line);
	return json;
}

static inline const char *member(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	assert_non_null(text);
	return text;
}

/* What the schema cannot say: whoever is referred to is there, ids are unique. */
static inline void read_kcidb(const char *text)
{
	g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
	json_t *json = read_json(text), *one;
	const json_t *build = json_array_get(json_object_get(json, "builds"), 0);
	size_t i;

	json_array_foreach(json_object_get(json, "tests"), i, one) {
		const char *p = member(one, "path");

		assert_true(g_hash_table_add(ids, (char *)member(one, "id")));
		assert_string_equal(member(one, "build_id"), member(build, "id"));
		for (; *p; p++)
			assert_true(g_ascii_isalnum(*p) || strchr("_-.", *p));
	}
	json_array_foreach(json_object_get(json, "issues"), i, one)
		assert_true(g_hash_table_add(ids, (char *)member(one, "id")));
	json_array_foreach(json_object_get(json, "incidents"), i, one) {
		assert_true(g_hash_table_contains(ids, member(one, "test_id")));
		assert_true(g_hash_table_contains(ids, member(one, "issue_id")));
	}
	json_decref(json);
}

/* ---- trace: in order; slices of a track within each other or apart; both ends of asynchronous ones ---- */

static inline gint64 ns_of(const json_t *event, const char *key)
{
	return llround(json_number_value(json_object_get(event, key)) * 1000);
}

static inline void nest(GArray *stack, gint64 begin, gint64 end)
{
	while (stack->len && g_array_index(stack, gint64, stack->len - 1) <= begin)
		g_array_set_size(stack, stack->len - 1);
	if (stack->len && end > g_array_index(stack, gint64, stack->len - 1))
		fail_msg("a slice to %" G_GINT64_FORMAT " lies across one to %" G_GINT64_FORMAT, end,
			 g_array_index(stack, gint64, stack->len - 1));
	g_array_append_val(stack, end);
}

static inline void read_trace(const char *text)
{
	json_t *json = read_json(text), *event;
	g_autoptr(GHashTable) open = g_hash_table_new(g_str_hash, g_str_equal);
	GArray *stacks[8];
	gint64 last = 0;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(stacks); i++)
		stacks[i] = g_array_new(FALSE, FALSE, sizeof(gint64));
	json_array_foreach(json_object_get(json, "traceEvents"), i, event) {
		const gint64 at = ns_of(event, "ts"), tid = json_integer_value(json_object_get(event, "tid"));
		const char *phase = member(event, "ph");

		assert_true(*member(event, "name") || *phase != 'M');
		assert_true(at >= last && tid < (gint64)G_N_ELEMENTS(stacks));
		last = at;
		if (*phase == 'X')
			nest(stacks[tid], at, at + ns_of(event, "dur"));
		else if (*phase == 'b')
			assert_true(g_hash_table_add(open, (char *)member(event, "id")));
		else if (*phase == 'e')
			assert_true(g_hash_table_remove(open, member(event, "id")));
		else
			assert_non_null(strchr("MiC", *phase));
	}
	assert_int_equal(g_hash_table_size(open), 0);
	for (i = 0; i < G_N_ELEMENTS(stacks); i++)
		g_array_unref(stacks[i]);
	json_decref(json);
}

/* ---- OpenMetrics -------------------------------------------------------------------------------- */

/* Of "name{labels} value": the labels' end, strings and escapes respected. */
static inline const char *labels_end(const char *p)
{
	gboolean quoted = FALSE;

	for (; *p && (quoted || *p != '}'); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '\\' && quoted)
			assert_non_null(strchr("\\\"n", *++p));
	}
	assert_int_equal(*p, '}');
	return p;
}

static inline void read_openmetrics(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	const guint n = g_strv_length(lines);
	g_autofree char *family = NULL;
	double last = 0;
	guint i;

	assert_string_equal(lines[n - 2], "# EOF");
	assert_string_equal(lines[n - 1], "");
	for (i = 0; i < n - 2; i++) {
		const char *end, *labels = strchr(lines[i], '{');
		double value;
		char *tail;

		if (g_str_has_prefix(lines[i], "# HELP ")) {
			g_free(family);
			family = g_strndup(lines[i] + 7, strcspn(lines[i] + 7, " "));
			continue;
		}
		if (lines[i][0] == '#') {
			assert_true(g_str_has_prefix(lines[i], "# TYPE ") || g_str_has_prefix(lines[i], "# UNIT "));
			continue;
		}
		assert_true(family && g_str_has_prefix(lines[i], family) && labels);
		end = labels_end(labels);
		assert_int_equal(end[1], ' ');
		value = g_ascii_strtod(end + 2, &tail);
		assert_true(tail > end + 2 && !*tail);
		/* Buckets contain those before them. */
		if (strstr(lines[i], "_bucket{")) {
			if (!strstr(lines[i], "le=\"1e-06\""))
				assert_true(value >= last);
			last = value;
		} else if (strstr(lines[i], "_count{")) {
			assert_true(value == last);
		}
	}
}

/* ---- CSV --------------------------------------------------------------------------------------------- */

/* Fields of a row; `p` behind its CR LF. */
static inline guint csv_row(const char **p)
{
	guint fields = 1;

	for (;;) {
		if (**p == '"') {
			for (++*p; **p != '"' || (*p)[1] == '"'; *p += **p == '"' ? 2 : 1)
				assert_true(**p);
			++*p;
		} else {
			assert_null(strchr("=+@", **p ? **p : 'x'));
			*p += strcspn(*p, ",\r\n\"");
		}
		if (**p != ',')
			break;
		++*p;
		fields++;
	}
	assert_true(g_str_has_prefix(*p, "\r\n"));
	*p += 2;
	return fields;
}

static inline guint csv_rows(const char *text)
{
	guint columns = csv_row(&text), rows = 1;

	for (; *text; rows++)
		assert_int_equal(csv_row(&text), columns);
	return rows;
}

static inline void read_csv(const char *text)
{
	assert_true(csv_rows(text) >= 1);
}

#endif
