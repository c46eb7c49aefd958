// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "error.h"
#include "yamlfile.h"

#define FILE_MAX	(1u << 20)	/* bytes */
#define STRING_MAX	4096u
#define LIST_MAX	256u
#define SHOWN_MAX	60u		/* bytes of a user's value that a message repeats */

struct yamlfile {
	char *name;
	yaml_document_t doc;
};

/* --- Words ---------------------------------------------------------------- */

static unsigned int edit_distance(const char *a, const char *b)
{
	gsize la = MIN(strlen(a), 63), lb = MIN(strlen(b), 63), i, j;
	unsigned int row[64], diagonal, above;

	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			above = row[j];
			row[j] = MIN(MIN(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

const char *yaml_nearest(const char *word, const char *const *words)
{
	unsigned int best = MAX(2, strlen(word) / 3) + 1, distance;
	const char *nearest = NULL;

	for (; *words; words++) {
		distance = edit_distance(word, *words);
		if (distance < best) {
			best = distance;
			nearest = *words;
		}
	}
	return nearest;
}

static char *did_you_mean(const char *word, const char *const *words)
{
	const char *nearest = yaml_nearest(word, words);
	g_autofree char *all = NULL;

	if (nearest)
		return g_strdup_printf(" (did you mean \"%s\"?)", nearest);
	all = g_strjoinv(", ", (char **)words);
	return g_strdup_printf(" (known: %s)", all);
}

/* A user's value as a message may repeat it. */
static char *shown(const char *text)
{
	g_autofree char *cut = g_utf8_make_valid(text, MIN(strlen(text), SHOWN_MAX));
	g_autofree char *escaped = g_strescape(cut, NULL);

	return g_strdup_printf("\"%s%s\"", escaped, strlen(text) > SHOWN_MAX ? "..." : "");
}

static gsize string_max(const struct yaml_field *field)
{
	return field->max ? field->max : STRING_MAX;
}

static char *time_text(guint64 ms)
{
	return ms % 1000 ? g_strdup_printf("%" G_GUINT64_FORMAT "ms", ms) :
			   g_strdup_printf("%" G_GUINT64_FORMAT "s", ms / 1000);
}

static char *time_range(const struct yaml_field *field)
{
	g_autofree char *min = time_text(field->min), *max = time_text(field->max);

	return g_strdup_printf("a time as 500ms, 30s or 10m, %s..%s", min, max);
}

char *yaml_field_allowed(const struct yaml_field *field)
{
	g_autofree char *words = NULL;

	switch (field->kind) {
	case YAML_UINT:
		return g_strdup_printf("%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT "%s%s", field->min,
				       field->max, field->unit ? " " : "", field->unit ? field->unit : "");
	case YAML_TIME:
		return time_range(field);
	case YAML_BOOL:
		return g_strdup("true or false");
	case YAML_ENUM:
		words = g_strjoinv(", ", (char **)field->choices);
		return g_strdup_printf("one of %s", words);
	case YAML_STRING:
	case YAML_STRINGS:
		return g_strdup(field->pattern_said ? field->pattern_said : "text");
	case YAML_MAPPING:
		break;
	}
	return g_strdup("a mapping");
}

/* --- One value: NULL, or what is wrong with it (caller frees) ------------- */

static char *set_uint(const struct yaml_field *field, unsigned int *ret, const char *text)
{
	g_autofree char *allowed = yaml_field_allowed(field), *value = shown(text);
	g_autoptr(GError) error = NULL;
	guint64 number;

	if (g_ascii_string_to_unsigned(text, 10, field->min, MIN(field->max, G_MAXUINT), &number, &error)) {
		*ret = (unsigned int)number;
		return NULL;
	}
	if (error->code == G_NUMBER_PARSER_ERROR_OUT_OF_BOUNDS)
		return g_strdup_printf("%.*s is out of range %s", (int)SHOWN_MAX, text, allowed);
	return g_strdup_printf("%s is not a whole number in %s", value, allowed);
}

static char *set_time(const struct yaml_field *field, unsigned int *ret, const char *text)
{
	static const struct {
		const char *word;
		guint64 ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 } };
	g_autofree char *allowed = yaml_field_allowed(field), *value = shown(text);
	const gsize digits = strspn(text, "0123456789");
	g_autofree char *number = g_strndup(text, digits);
	guint64 n;
	guint i;

	for (i = 0; digits && i < G_N_ELEMENTS(units); i++) {
		if (strcmp(text + digits + strspn(text + digits, " "), units[i].word))
			continue;
		if (!g_ascii_string_to_unsigned(number, 10, 0, G_MAXUINT, &n, NULL) || n * units[i].ms > MIN(field->max, G_MAXUINT) ||
		    n * units[i].ms < field->min)
			return g_strdup_printf("%s is out of range: %s belongs here", value, allowed);
		*ret = (unsigned int)(n * units[i].ms);
		return NULL;
	}
	return g_strdup_printf("%s is no time: %s belongs here", value, allowed);
}

static char *set_bool(gboolean *ret, const char *text)
{
	static const char *const yes[] = { "true", "yes", "on", NULL };
	static const char *const no[] = { "false", "no", "off", NULL };
	g_autofree char *lower = g_ascii_strdown(text, -1), *value = shown(text);

	if (g_strv_contains(yes, lower))
		*ret = TRUE;
	else if (g_strv_contains(no, lower))
		*ret = FALSE;
	else
		return g_strdup_printf("%s is neither true nor false", value);
	return NULL;
}

static char *set_enum(const struct yaml_field *field, int *ret, const char *text)
{
	g_autofree char *value = shown(text), *allowed = NULL;
	const char *nearest;
	int i;

	for (i = 0; field->choices[i]; i++) {
		if (!strcmp(text, field->choices[i])) {
			*ret = i;
			return NULL;
		}
	}
	allowed = yaml_field_allowed(field);
	nearest = yaml_nearest(text, field->choices);
	return g_strdup_printf("%s is not %s%s%s%s", value, allowed, nearest ? " (did you mean \"" : "",
			       nearest ? nearest : "", nearest ? "\"?)" : "");
}

static char *check_string(const struct yaml_field *field, const char *text)
{
	g_autofree char *value = shown(text), *whole = NULL;
	gsize len = strlen(text);

	if (!len && field->min)
		return g_strdup_printf("is empty: %s belongs here",
				       field->pattern_said ? field->pattern_said : "some text");
	if (len < field->min || len > string_max(field))
		return g_strdup_printf("%s is %zu bytes long, allowed are %" G_GUINT64_FORMAT "..%zu", value,
				       len, field->min, string_max(field));
	if (!field->pattern)
		return NULL;
	whole = g_strdup_printf("^(?:%s)$", field->pattern);
	if (g_regex_match_simple(whole, text, G_REGEX_DOLLAR_ENDONLY, 0))
		return NULL;
	return g_strdup_printf("%s is not %s", value, field->pattern_said);
}

static char *set_string(const struct yaml_field *field, char **ret, const char *text)
{
	char *wrong = check_string(field, text);

	if (wrong)
		return wrong;
	g_free(*ret);
	*ret = g_strdup(text);
	return NULL;
}

static char *set_strings(const struct yaml_field *field, char ***ret, const char *text)
{
	char *wrong = check_string(field, text);

	if (wrong)
		return wrong;
	g_strfreev(*ret);
	*ret = g_new0(char *, 2);
	**ret = g_strdup(text);
	return NULL;
}

static char *set_value(const struct yaml_field *field, void *object, const char *text)
{
	void *slot = (char *)object + field->offset;

	switch (field->kind) {
	case YAML_UINT:
		return set_uint(field, slot, text);
	case YAML_TIME:
		return set_time(field, slot, text);
	case YAML_BOOL:
		return set_bool(slot, text);
	case YAML_ENUM:
		return set_enum(field, slot, text);
	case YAML_STRING:
		return set_string(field, slot, text);
	case YAML_STRINGS:
		return set_strings(field, slot, text);
	case YAML_MAPPING:
		break;
	}
	return g_strdup("holds further keys, not a value");
}

char *yaml_value(const struct yaml_field *field, const void *object)
{
	const void *slot = (const char *)object + field->offset;
	char **list;

	switch (field->kind) {
	case YAML_UINT:
		return g_strdup_printf("%u", *(const unsigned int *)slot);
	case YAML_TIME:
		return time_text(*(const unsigned int *)slot);
	case YAML_BOOL:
		return g_strdup(*(const gboolean *)slot ? "true" : "false");
	case YAML_ENUM:
		return g_strdup(field->choices[*(const int *)slot]);
	case YAML_STRING:
		return g_strdup(*(char *const *)slot ? *(char *const *)slot : "");
	case YAML_STRINGS:
		list = *(char **const *)slot;
		return list ? g_strjoinv(" ", list) : g_strdup("");
	case YAML_MAPPING:
		break;
	}
	return g_strdup("");
}

/* --- Tables of fields ----------------------------------------------------- */

static char *join_key(const char *prefix, const char *key)
{
	return *prefix ? g_strdup_printf("%s.%s", prefix, key) : g_strdup(key);
}

static void foreach_below(const char *prefix, const struct yaml_field *field,
			  void (*fn)(void *, const char *, const struct yaml_field *), void *ctx)
{
	for (; field->key; field++) {
		g_autofree char *key = join_key(prefix, field->key);

		if (field->kind == YAML_MAPPING)
			foreach_below(key, field->fields, fn, ctx);
		else
			fn(ctx, key, field);
	}
}

void yaml_foreach(const struct yaml_field *fields,
		  void (*fn)(void *ctx, const char *key, const struct yaml_field *field), void *ctx)
{
	foreach_below("", fields, fn, ctx);
}

static const struct yaml_field *find_field(const struct yaml_field *field, const char *key, gsize len)
{
	for (; field && field->key; field++)
		if (strlen(field->key) == len && !strncmp(field->key, key, len))
			return field;
	return NULL;
}

static const struct yaml_field *find_dotted(const struct yaml_field *fields, const char *key)
{
	const char *dot = strchr(key, '.');
	const struct yaml_field *field = find_field(fields, key, dot ? (gsize)(dot - key) : strlen(key));

	if (!field || !dot)
		return field;
	return find_dotted(field->kind == YAML_MAPPING ? field->fields : NULL, dot + 1);
}

static void add_key(void *ctx, const char *key, const struct yaml_field *field)
{
	g_ptr_array_add(ctx, g_strdup(key));
}

gboolean yaml_set(const struct yaml_field *fields, void *object, const char *where,
		  const char *key, const char *value, GError **error)
{
	const struct yaml_field *field = find_dotted(fields, key);
	g_autofree char *hint = NULL, *wrong = NULL, *name = shown(key);
	g_autoptr(GPtrArray) keys = NULL;

	if (!field) {
		keys = g_ptr_array_new_with_free_func(g_free);
		yaml_foreach(fields, add_key, keys);
		g_ptr_array_add(keys, NULL);
		hint = did_you_mean(key, (const char *const *)keys->pdata);
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s: unknown key %s%s", where, name, hint);
		return FALSE;
	}
	wrong = set_value(field, object, value);
	if (!wrong)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s: %s: %s", where, key, wrong);
	return FALSE;
}

static void clear_one(void *object, const char *key, const struct yaml_field *field)
{
	void *slot = (char *)object + field->offset;

	if (field->kind == YAML_STRING)
		g_clear_pointer((char **)slot, g_free);
	else if (field->kind == YAML_STRINGS)
		g_clear_pointer((char ***)slot, g_strfreev);
}

void yaml_clear(const struct yaml_field *fields, void *object)
{
	yaml_foreach(fields, clear_one, object);
}

/* --- Files ---------------------------------------------------------------- */

static void set_parser_error(const char *name, const yaml_parser_t *parser, GError **error)
{
	const char *problem = parser->problem ? parser->problem : "not YAML";

	/* A reader's error (bad UTF-8) has a byte, not a mark. */
	if (parser->error == YAML_READER_ERROR)
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s: byte %zu: %s", name, parser->problem_offset,
			    problem);
	else
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%zu: not valid YAML: %s%s%s", name,
			    parser->problem_mark.line + 1, problem, parser->context ? " " : "",
			    parser->context ? parser->context : "");
}

/* TRUE when what follows the first document is nothing. */
static gboolean at_end(const char *name, yaml_parser_t *parser, GError **error)
{
	yaml_document_t more;
	gboolean empty;

	if (!yaml_parser_load(parser, &more)) {
		set_parser_error(name, parser, error);
		return FALSE;
	}
	empty = !yaml_document_get_root_node(&more);
	if (!empty)
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%zu: a second document begins here: one a file",
			    name, more.start_mark.line + 1);
	yaml_document_delete(&more);
	return empty;
}

static gboolean check_root(const struct yamlfile *yf, GError **error)
{
	const yaml_node_t *root = yaml_document_get_root_node((yaml_document_t *)&yf->doc);

	if (root && root->type == YAML_MAPPING_NODE)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%zu: %s: lines of \"key: value\" belong here", yf->name,
		    root ? root->start_mark.line + 1 : 1, root ? "no mapping" : "the file is empty");
	return FALSE;
}

struct yamlfile *yamlfile_parse(const char *name, const char *text, gsize len, GError **error)
{
	struct yamlfile *yf;
	yaml_parser_t parser;

	if (len > FILE_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s: %zu bytes are too many, at most %u", name, len,
			    FILE_MAX);
		return NULL;
	}
	if (!yaml_parser_initialize(&parser))
		g_error("out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	yf = g_new0(struct yamlfile, 1);
	if (!yaml_parser_load(&parser, &yf->doc)) {
		set_parser_error(name, &parser, error);
		g_clear_pointer(&yf, g_free);
	} else {
		yf->name = g_strdup(name);
		if (!check_root(yf, error) || !at_end(name, &parser, error))
			g_clear_pointer(&yf, yamlfile_close);
	}
	yaml_parser_delete(&parser);
	return yf;
}

struct yamlfile *yamlfile_open(const char *path, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) io = NULL;
	gsize len;

	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		vx_error_set_errno(error, ENOENT, "%s", path);
		return NULL;
	}
	if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s is not a file", path);
		return NULL;
	}
	if (!g_file_get_contents(path, &text, &len, &io)) {
		g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
		return NULL;
	}
	return yamlfile_parse(path, text, len, error);
}

void yamlfile_close(struct yamlfile *yf)
{
	if (!yf)
		return;
	yaml_document_delete(&yf->doc);
	g_free(yf->name);
	g_free(yf);
}

/* libyaml's lookups take no const, and change nothing. */
static const yaml_node_t *node_of(const struct yamlfile *yf, int index)
{
	return yaml_document_get_node((yaml_document_t *)&yf->doc, index);
}

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static gboolean fail_at(const struct yamlfile *yf, const yaml_node_t *node, const char *key, GError **error,
			const char *what)
{
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%zu: %s%s%s", yf->name, node->start_mark.line + 1, key,
		    *key ? ": " : "", what);
	return FALSE;
}

/* A scalar as a C string, or a complaint. */
static gboolean check_scalar(const struct yamlfile *yf, const yaml_node_t *node, const char *key, GError **error)
{
	if (node->type == YAML_MAPPING_NODE)
		return fail_at(yf, node, key, error, "one value belongs here, not keys of its own");
	if (node->type == YAML_SEQUENCE_NODE)
		return fail_at(yf, node, key, error, "one value belongs here, not a list");
	if (strlen(scalar(node)) != node->data.scalar.length)
		return fail_at(yf, node, key, error, "a NUL byte cannot be part of a value");
	return TRUE;
}

static gboolean read_scalar(const struct yamlfile *yf, const yaml_node_t *node, const char *key,
			    const struct yaml_field *field, void *object, GError **error)
{
	g_autofree char *wrong = NULL;

	if (!check_scalar(yf, node, key, error))
		return FALSE;
	wrong = set_value(field, object, scalar(node));
	return wrong ? fail_at(yf, node, key, error, wrong) : TRUE;
}

static gboolean read_list(const struct yamlfile *yf, const yaml_node_t *node, const char *key,
			  const struct yaml_field *field, void *object, GError **error)
{
	char ***slot = (char ***)((char *)object + field->offset);
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
	const yaml_node_item_t *item;
	const yaml_node_t *entry;

	if (node->data.sequence.items.top - node->data.sequence.items.start > (ptrdiff_t)LIST_MAX)
		return fail_at(yf, node, key, error, "the list has more than 256 entries");
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		g_autofree char *wrong = NULL;

		entry = node_of(yf, *item);
		if (!check_scalar(yf, entry, key, error))
			return FALSE;
		wrong = check_string(field, scalar(entry));
		if (wrong)
			return fail_at(yf, entry, key, error, wrong);
		g_ptr_array_add(list, g_strdup(scalar(entry)));
	}
	if (!list->len)
		return fail_at(yf, node, key, error, "the list is empty: leave the key out instead");
	g_ptr_array_add(list, NULL);
	g_strfreev(*slot);
	*slot = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
	return TRUE;
}

static gboolean read_value(const struct yamlfile *yf, const yaml_node_t *node, const char *key,
			   const struct yaml_field *field, void *object, GError **error)
{
	if (field->kind == YAML_STRINGS && node->type == YAML_SEQUENCE_NODE)
		return read_list(yf, node, key, field, object, error);
	return read_scalar(yf, node, key, field, object, error);
}

static gboolean unknown_key(const struct yamlfile *yf, const yaml_node_t *node, const char *key,
			    const struct yaml_field *fields, GError **error)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new();
	g_autofree char *hint = NULL, *what = NULL, *name = shown(key);

	for (; fields->key; fields++)
		g_ptr_array_add(words, (void *)fields->key);
	g_ptr_array_add(words, NULL);
	hint = did_you_mean(strrchr(key, '.') ? strrchr(key, '.') + 1 : key, (const char *const *)words->pdata);
	what = g_strdup_printf("unknown key %s%s", name, hint);
	return fail_at(yf, node, "", error, what);
}

/* The earlier pair's key node when `pair`'s key was there already. */
static const yaml_node_t *earlier_key(const struct yamlfile *yf, const yaml_node_t *node,
				      const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = node_of(yf, pair->key), *other;
	const yaml_node_pair_t *p;

	for (p = node->data.mapping.pairs.start; p < pair; p++) {
		other = node_of(yf, p->key);
		if (other->type == YAML_SCALAR_NODE && !strcmp(scalar(other), scalar(key)))
			return other;
	}
	return NULL;
}

static gboolean read_mapping(const struct yamlfile *yf, const yaml_node_t *node, const char *prefix,
			     const struct yaml_field *fields, void *object, GError **error);

static gboolean read_pair(const struct yamlfile *yf, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
			  const char *prefix, const struct yaml_field *fields, void *object, GError **error)
{
	const yaml_node_t *name = node_of(yf, pair->key), *value = node_of(yf, pair->value), *earlier;
	const struct yaml_field *field;
	g_autofree char *key = NULL, *what = NULL;

	if (!check_scalar(yf, name, *prefix ? prefix : "key", error))
		return FALSE;
	key = join_key(prefix, scalar(name));
	field = find_field(fields, scalar(name), strlen(scalar(name)));
	if (!field)
		return unknown_key(yf, name, key, fields, error);
	earlier = earlier_key(yf, mapping, pair);
	if (earlier) {
		what = g_strdup_printf("stands here again, first on line %zu", earlier->start_mark.line + 1);
		return fail_at(yf, name, key, error, what);
	}
	if (field->kind != YAML_MAPPING)
		return read_value(yf, value, key, field, object, error);
	if (value->type != YAML_MAPPING_NODE)
		return fail_at(yf, value, key, error, "keys of its own belong below it, not a value");
	return read_mapping(yf, value, key, field->fields, object, error);
}

static gboolean check_required(const struct yamlfile *yf, const yaml_node_t *node, const char *prefix,
			       const struct yaml_field *field, GError **error)
{
	const yaml_node_pair_t *pair;
	const yaml_node_t *name;
	gboolean found;

	for (; field->key; field++) {
		g_autofree char *key = NULL, *allowed = NULL, *what = NULL;

		found = !field->required;
		for (pair = node->data.mapping.pairs.start; !found && pair < node->data.mapping.pairs.top; pair++) {
			name = node_of(yf, pair->key);
			found = !strcmp(scalar(name), field->key);
		}
		if (found)
			continue;
		key = join_key(prefix, field->key);
		allowed = yaml_field_allowed(field);
		what = g_strdup_printf("the key \"%s\" is missing (%s)", key, allowed);
		return fail_at(yf, node, "", error, what);
	}
	return TRUE;
}

static gboolean read_mapping(const struct yamlfile *yf, const yaml_node_t *node, const char *prefix,
			     const struct yaml_field *fields, void *object, GError **error)
{
	const yaml_node_pair_t *pair;

	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		if (!read_pair(yf, node, pair, prefix, fields, object, error))
			return FALSE;
	return check_required(yf, node, prefix, fields, error);
}

gboolean yamlfile_read(const struct yamlfile *yf, const struct yaml_field *fields, void *object, GError **error)
{
	/* Recursion ends with the table, whatever aliases the file has. */
	return read_mapping(yf, node_of(yf, 1), "", fields, object, error);
}

/* --- Places ----------------------------------------------------------------- */

static const yaml_node_t *node_at(struct yaml_place at)
{
	return node_of(at.yf, at.node);
}

struct yaml_place yaml_top(const struct yamlfile *yf)
{
	return (struct yaml_place){ yf, 1 };
}

enum yaml_shape yaml_shape(struct yaml_place at)
{
	const yaml_node_t *node = node_at(at);

	if (node->type == YAML_MAPPING_NODE)
		return YAML_KEYS;
	if (node->type == YAML_SEQUENCE_NODE)
		return YAML_LIST;
	/* "key:" and nothing behind it; "" in quotes is a value. */
	return node->data.scalar.length || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ? YAML_VALUE : YAML_NOTHING;
}

unsigned int yaml_line(struct yaml_place at)
{
	return (unsigned int)node_at(at)->start_mark.line + 1;
}

const char *yaml_text(struct yaml_place at)
{
	return node_at(at)->type == YAML_SCALAR_NODE ? scalar(node_at(at)) : "";
}

unsigned int yaml_count(struct yaml_place at)
{
	const yaml_node_t *node = node_at(at);

	if (node->type == YAML_MAPPING_NODE)
		return (unsigned int)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	if (node->type == YAML_SEQUENCE_NODE)
		return (unsigned int)(node->data.sequence.items.top - node->data.sequence.items.start);
	return 0;
}

struct yaml_place yaml_child(struct yaml_place at, unsigned int i, struct yaml_place *key)
{
	const yaml_node_t *node = node_at(at);
	const yaml_node_pair_t *pair;

	if (node->type == YAML_SEQUENCE_NODE)
		return (struct yaml_place){ at.yf, node->data.sequence.items.start[i] };
	pair = node->data.mapping.pairs.start + i;
	if (key)
		*key = (struct yaml_place){ at.yf, pair->key };
	return (struct yaml_place){ at.yf, pair->value };
}

gboolean yaml_find(struct yaml_place at, const char *key, struct yaml_place *ret)
{
	struct yaml_place name, value;
	unsigned int i;

	for (i = 0; yaml_shape(at) == YAML_KEYS && i < yaml_count(at); i++) {
		value = yaml_child(at, i, &name);
		if (strcmp(yaml_text(name), key))
			continue;
		*ret = value;
		return TRUE;
	}
	return FALSE;
}

gboolean yaml_read_at(struct yaml_place at, const char *said, const struct yaml_field *fields, const char *const *skip,
		      void *object, GError **error)
{
	const yaml_node_t *node = node_at(at);
	const yaml_node_pair_t *pair;
	const yaml_node_t *name;

	if (node->type != YAML_MAPPING_NODE)
		return fail_at(at.yf, node, said, error, "lines of \"key: value\" belong here");
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		name = node_of(at.yf, pair->key);
		if (skip && name->type == YAML_SCALAR_NODE && g_strv_contains(skip, scalar(name))) {
			if (earlier_key(at.yf, node, pair))
				return fail_at(at.yf, name, scalar(name), error, "stands here a second time");
			continue;
		}
		if (!read_pair(at.yf, node, pair, said, fields, object, error))
			return FALSE;
	}
	return check_required(at.yf, node, said, fields, error);
}

gboolean yaml_read_field(struct yaml_place at, const char *said, const struct yaml_field *field, void *object, GError **error)
{
	return read_value(at.yf, node_at(at), said, field, object, error);
}

gboolean yaml_fail(struct yaml_place at, const char *said, GError **error, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	return fail_at(at.yf, node_at(at), said, error, what);
}

gboolean yaml_unknown(struct yaml_place at, const char *what, const char *word, const char *const *words, GError **error)
{
	g_autofree char *hint = did_you_mean(word, words), *name = shown(word);

	return yaml_fail(at, "", error, "unknown %s %s%s", what, name, hint);
}

static const yaml_node_t *find_key(const struct yamlfile *yf, const yaml_node_t *node, const char *key)
{
	gsize len = strcspn(key, ".");
	const yaml_node_pair_t *pair;
	const yaml_node_t *name;

	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		name = node_of(yf, pair->key);
		if (name->type != YAML_SCALAR_NODE || name->data.scalar.length != len ||
		    strncmp(scalar(name), key, len))
			continue;
		return key[len] ? find_key(yf, node_of(yf, pair->value), key + len + 1) : name;
	}
	return NULL;
}

unsigned int yamlfile_line(const struct yamlfile *yf, const char *key)
{
	const yaml_node_t *name = find_key(yf, node_of(yf, 1), key);

	return name ? (unsigned int)name->start_mark.line + 1 : 1;
}

gboolean yamlfile_fail(const struct yamlfile *yf, const char *key, GError **error, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "%s:%u: %s: %s", yf->name, yamlfile_line(yf, key), key, what);
	return FALSE;
}
