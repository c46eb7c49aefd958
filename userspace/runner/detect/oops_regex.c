// SPDX-License-Identifier: GPL-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "oops_regex.h"

#define OPTIONS		(PCRE2_FIRSTLINE | PCRE2_MULTILINE | PCRE2_NEVER_UTF)
#define EFFORT_MAX	100000u		/* PCRE2's match limit: a line takes a few hundreds */
#define TITLE_MAX	4096u

struct regexes {
	GHashTable *codes;		/* const char * -> pcre2_code *, NULL for a bad pattern */
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static void code_free(gpointer code)
{
	pcre2_code_free(code);
}

struct regexes *regexes_new(void)
{
	struct regexes *res = g_new0(struct regexes, 1);

	res->codes = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, code_free);
	res->data = pcre2_match_data_create(CAPTURES_MAX, NULL);
	res->context = pcre2_match_context_create(NULL);
	g_assert(res->data && res->context);
	pcre2_set_match_limit(res->context, EFFORT_MAX);
	return res;
}

void regexes_free(struct regexes *res)
{
	if (!res)
		return;
	g_hash_table_unref(res->codes);
	pcre2_match_data_free(res->data);
	pcre2_match_context_free(res->context);
	g_free(res);
}

static pcre2_code *compile(const char *pattern)
{
	PCRE2_SIZE where;
	int error;

	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, OPTIONS, &error, &where,
			     NULL);
}

gboolean regex_valid(const char *pattern)
{
	pcre2_code *code = compile(pattern);

	pcre2_code_free(code);
	return code != NULL;
}

static const pcre2_code *code_of(struct regexes *res, const char *pattern)
{
	gpointer code;

	if (g_hash_table_lookup_extended(res->codes, pattern, NULL, &code))
		return code;
	code = compile(pattern);
	if (code)
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);	/* else it is interpreted */
	g_hash_table_insert(res->codes, (gpointer)pattern, code);
	return code;
}

static void keep_captures(const struct regexes *res, guint count, const char *text,
			  struct captures *ret)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(res->data);
	guint i;

	/* 0: more groups than there is room for. */
	ret->count = count && count < CAPTURES_MAX ? count : CAPTURES_MAX;
	for (i = 0; i < ret->count; i++) {
		gboolean set = at[2 * i] != PCRE2_UNSET && at[2 * i + 1] >= at[2 * i];

		ret->group[i].p = set ? text + at[2 * i] : NULL;
		ret->group[i].len = set ? at[2 * i + 1] - at[2 * i] : 0;
	}
}

gboolean regex_match(struct regexes *res, const char *pattern, const char *text, gsize len,
		     struct captures *ret)
{
	const pcre2_code *code = code_of(res, pattern);
	int count;

	if (!code)
		return FALSE;
	count = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, res->data, res->context);
	if (count < 0)
		return FALSE;
	if (ret)
		keep_captures(res, (guint)count, text, ret);
	return TRUE;
}

gboolean regex_any(struct regexes *res, const char *const *patterns, const char *text, gsize len)
{
	for (; *patterns; patterns++)
		if (regex_match(res, *patterns, text, len, NULL))
			return TRUE;
	return FALSE;
}

gboolean regex_replace(struct regexes *res, const char *pattern, const char *replacement,
		       GString *text)
{
	const pcre2_code *code = code_of(res, pattern);
	PCRE2_SIZE size = TITLE_MAX;
	char out[TITLE_MAX];
	int count;

	if (!code)
		return FALSE;
	count = pcre2_substitute(code, (PCRE2_SPTR)text->str, text->len, 0,
				 PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNSET_EMPTY,
				 res->data, res->context, (PCRE2_SPTR)replacement,
				 PCRE2_ZERO_TERMINATED, (PCRE2_UCHAR *)out, &size);
	if (count <= 0 || (size == text->len && !memcmp(out, text->str, size)))
		return FALSE;
	g_string_truncate(text, 0);
	g_string_append_len(text, out, (gssize)size);
	return TRUE;
}
