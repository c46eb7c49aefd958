// SPDX-License-Identifier: GPL-2.0
/* From a report's text to its rule and its normalised title. */
#include <stdio.h>
#include <string.h>

#include "oops_title.h"

#define ROUNDS_MAX	16	/* of one replacement: matches may overlap */
#define RAW_MAX		1024u	/* bytes of a title before it is normalised */

/* "$1" to "$7" are captures, `$F` and `$G` frames. */
struct parts {
	struct captures header, more[2];
	struct oops_frames frames;
};

static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (gsize)(end - p));

	return nl ?: end;
}

/* The first line from `*p` on in which `pattern` matches; `*p` becomes the line behind it. */
static gboolean find_line(struct regexes *res, const char *pattern, const char **p,
			  const char *end, struct captures *ret)
{
	while (*p < end) {
		const char *line = *p, *nl = line_end(line, end);

		*p = MIN(nl + 1, end);
		if (regex_match(res, pattern, line, (gsize)(nl - line), ret))
			return TRUE;
	}
	return FALSE;
}

static gboolean find_more(struct regexes *res, const struct oops_rule *rule, const char *header,
			  const char *end, struct parts *parts)
{
	const char *p = MIN(line_end(header, end) + 1, end);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(rule->more); i++) {
		parts->more[i].count = 0;
		if (rule->more[i] && !find_line(res, rule->more[i], &p, end, &parts->more[i]))
			return FALSE;
	}
	return TRUE;
}

/* Captures count through, from the header's first. */
static void append_capture(GString *out, const struct parts *parts, guint number)
{
	const struct captures *all[] = { &parts->header, &parts->more[0], &parts->more[1] };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(all); i++) {
		guint groups = all[i]->count ? all[i]->count - 1 : 0;

		if (number <= groups) {
			g_string_append_len(out, all[i]->group[number].p ?: "",
					    (gssize)MIN(all[i]->group[number].len, RAW_MAX));
			return;
		}
		number -= groups;
	}
}

static void compose(GString *out, const char *format, const struct parts *parts)
{
	const char *p;

	for (p = format; *p; p++) {
		if (*p != '$') {
			g_string_append_c(out, *p);
			continue;
		}
		p++;
		if (*p >= '1' && *p <= '9')
			append_capture(out, parts, (guint)(*p - '0'));
		else if (*p >= 'F' && (guint)(*p - 'F') < parts->frames.count)
			g_string_append(out, parts->frames.name[*p - 'F']);
	}
}

/* Printable, single-spaced, cut. */
static void tidy(const GString *raw, char title[TITLE_BYTES])
{
	gsize i, len = 0;
	unsigned char c, last = ' ';

	for (i = 0; i < raw->len && i < TITLE_BYTES - 1; i++) {
		c = raw->str[i] == '\t' ? ' ' : (unsigned char)raw->str[i];
		if (c < 0x20 || c >= 0x7f || (c == ' ' && last == ' '))
			continue;
		last = c;
		title[len++] = (char)c;
	}
	while (len && title[len - 1] == ' ')
		len--;
	title[len] = '\0';
}

static void normalise(struct regexes *res, GString *title)
{
	const struct oops_variable *var;
	guint round;

	g_string_truncate(title, MIN(title->len, RAW_MAX));
	for (var = oops_variables; var->pattern; var++)
		for (round = 0; round < ROUNDS_MAX; round++)
			if (!regex_replace(res, var->pattern, var->replacement, title))
				break;
}

/* A timestamp inside a title: two messages have run into each other. */
static gboolean mixed(struct regexes *res, const char *title)
{
	static const char pattern[] = "\\[ *[0-9]+\\.[0-9]+\\]";

	return regex_match(res, pattern, title, strlen(title), NULL);
}

/* The title names the function: "... in ext4_fill_super". */
static void function_of_title(struct regexes *res, struct oops_verdict *ret)
{
	static const char pattern[] = ".* in ((?:<[a-zA-Z0-9_: ]+>)?[a-zA-Z0-9_:]+)";
	struct captures match;

	/* An incident's title is prose. */
	if (ret->rule && (ret->rule->flags & RULE_INCIDENT) && !strstr(ret->rule->title, " in $"))
		return;
	if (regex_match(res, pattern, ret->title, strlen(ret->title), &match))
		g_strlcpy(ret->function, match.group[1].p,
			  MIN(match.group[1].len + 1, sizeof(ret->function)));
	if (!strcmp(ret->function, "corrupted"))
		ret->function[0] = '\0';
}

/* "vexfs_fill_super+0x12/0x340 [vexfs]": the first line with the function tells its module. */
static void module_of_function(struct oops_verdict *ret, const char *text, const char *end)
{
	gsize len = strlen(ret->function), n;
	const char *p = text;

	while (len && (p = memmem(p, (gsize)(end - p), ret->function, len))) {
		const char *nl = line_end(p, end), *open;

		p += len;
		if (p >= end || (*p != '+' && *p != '.'))
			continue;
		open = memchr(p, '[', (gsize)(nl - p));
		for (n = 0; open && open + 1 + n < nl; n++)
			if (!g_ascii_isalnum(open[1 + n]) && open[1 + n] != '_' && open[1 + n] != '-')
				break;
		if (open && n && open + 1 + n < nl && (open[1 + n] == ']' || open[1 + n] == '('))
			g_strlcpy(ret->module, open + 1, MIN(n + 1, sizeof(ret->module)));
		return;
	}
}

static gboolean try_rule(struct regexes *res, const struct oops_rule *rule, const char *end,
			 struct parts *parts, struct oops_verdict *ret, GString *title)
{
	const char *header = parts->header.group[0].p;

	if (!find_more(res, rule, header, end, parts))
		return FALSE;
	parts->frames.count = 0;
	ret->corrupted = rule->flags & RULE_CORRUPTED;
	if (rule->frames &&
	    !oops_blame(res, rule, header, (gsize)(end - header), &parts->frames))
		ret->corrupted = TRUE;
	ret->rule = rule;
	compose(title, rule->title, parts);
	return TRUE;
}

/* TRUE: `line` is the header of one of the key's messages, complete or not. */
static gboolean judge_line(struct regexes *res, const struct oops_key *key, const char *line,
			   const char *end, struct oops_verdict *ret, GString *title)
{
	const struct oops_rule *rule;
	struct parts parts;
	gboolean known = FALSE;

	for (rule = key->rules; rule->title; rule++) {
		if (!regex_match(res, rule->line, line, (gsize)(end - line), &parts.header))
			continue;
		known = TRUE;
		if (try_rule(res, rule, end, &parts, ret, title))
			return TRUE;
	}
	if (known)
		ret->corrupted = TRUE;	/* what belongs to the header is missing */
	return known;
}

const struct oops_rule *oops_rule_for(struct regexes *res, const struct oops_key *key,
				      const char *line, gsize len)
{
	const struct oops_rule *rule;

	for (rule = key->rules; rule->title; rule++)
		if (regex_match(res, rule->line, line, len, NULL))
			return rule;
	return NULL;
}

void oops_judge(struct regexes *res, const struct oops_key *key, const char *text, gsize title_len,
		gsize len, struct oops_verdict *ret)
{
	const char *end = text + title_len, *p = text, *word = NULL;
	g_autoptr(GString) title = g_string_new(NULL);

	memset(ret, 0, sizeof(*ret));
	/* The first line that is known: a report may begin with one that is not. */
	while (p < end && (p = memmem(p, (gsize)(end - p), key->word, strlen(key->word)))) {
		const char *line = memrchr(text, '\n', (gsize)(p - text));

		word = word ?: p;
		if (judge_line(res, key, line ? line + 1 : text, end, ret, title))
			break;
		p = MIN(line_end(p, end) + 1, end);
	}
	if (!title->len && word)
		g_string_append_len(title, word, line_end(word, end) - word);
	normalise(res, title);
	tidy(title, ret->title);
	if (!ret->title[0])
		g_strlcpy(ret->title, key->word, sizeof(ret->title));
	function_of_title(res, ret);
	module_of_function(ret, text, text + len);
	if (mixed(res, ret->title))
		ret->corrupted = TRUE;
	if (!ret->corrupted && ret->rule && !(ret->rule->flags & RULE_NO_STACK))
		ret->corrupted = oops_stack_missing(res, text, len);
}
