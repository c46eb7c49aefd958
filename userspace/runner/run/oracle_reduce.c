// SPDX-License-Identifier: GPL-2.0
/*
 * A program that shows a difference, made small. A try is on the filesystem as the one before has left it, cleared, which is
 * ten times faster than one that is made anew; after a power cut it is anew. What came out is done on a new one by the caller.
 */
#include <string.h>

#include "ddmin.h"
#include "oracle_run.h"

#define SECONDS		90u	/* of one reduction */
#define SECONDS_ANEW	240u	/* the same, each try in a guest that has just started */

struct reduction {
	struct oracle *o;
	const struct oracle_came *want;
	gboolean anew;
	guint tried;
};

static gboolean shows(struct reduction *r, const GPtrArray *lines, gboolean *ret, GError **error)
{
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	g_autofree char *text = g_strdup_printf("try %u: %u operations", ++r->tried, lines->len);
	gboolean home;

	r->o->run->req->progress.tick(r->o->run->req->progress.ctx, text, 0, 0);
	*ret = FALSE;
	if (!r->o->go_on)
		return TRUE;
	/* After a power cut the reference is gone. */
	if (!r->o->has_reference && !oracle_home(r->o, &home, error))
		return FALSE;
	if (!(r->anew ? oracle_program : oracle_quick)(r->o, lines, ORACLE_TRY, &came, error))
		return FALSE;
	*ret = came.end == ORACLE_DIFFERS && came.class == r->want->class && !strcmp(came.title, r->want->title);
	return TRUE;
}

static gboolean test(void *ctx, const GPtrArray *subset, gboolean *ret, GError **error)
{
	return shows(ctx, subset, ret, error);
}

/* ---- what has to do with it: first guesses, which are mostly right ----------------------------------- */

/* The same, or one is a directory on the other's way. */
static gboolean related(const char *a, const char *b)
{
	gsize n = strlen(a), m = strlen(b), len = MIN(n, m);

	return !strncmp(a, b, len) && (n == m || (n > m ? a[len] : b[len]) == '/');
}

/* The same, or `a` is a directory on the way to `b`. */
static gboolean leads_to(const char *a, const char *b)
{
	return strlen(a) <= strlen(b) && related(a, b);
}

/* The words of a line that are names, or open files. */
static void take_names(GPtrArray *names, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", -1);
	guint i;

	for (i = 1; words[0] && words[i]; i++)
		if (!strchr(words[i], '=') && strcmp(words[i], "."))
			g_ptr_array_add(names, g_strdup(words[i]));
}

static gboolean touches(const GPtrArray *names, const char *line, gboolean (*same)(const char *, const char *))
{
	g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(g_free);
	guint i, k;

	take_names(own, line);
	for (i = 0; i < own->len; i++)
		for (k = 0; k < names->len; k++)
			if (same(own->pdata[i], names->pdata[k]))
				return TRUE;
	return own->len == 0;		/* remount, sync: they touch everything */
}

/* `far`: also what has to do with that which has to do with it, and so on. */
static GPtrArray *slice(const GPtrArray *lines, const struct oracle_came *came, gboolean far)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	GPtrArray *ret = g_ptr_array_new();
	guint i;

	if (came->at < lines->len)
		take_names(names, lines->pdata[came->at]);
	else
		g_ptr_array_add(names, g_strndup(came->detail, strcspn(came->detail, ":")));
	for (i = lines->len; i--;) {
		if (i != came->at && !touches(names, lines->pdata[i], far ? related : leads_to))
			continue;
		g_ptr_array_insert(ret, 0, lines->pdata[i]);
		if (far)
			take_names(names, lines->pdata[i]);
	}
	return ret;
}

static GPtrArray *head(const GPtrArray *lines, guint n)
{
	GPtrArray *ret = g_ptr_array_new();
	guint i;

	for (i = 0; i < n; i++)
		g_ptr_array_add(ret, lines->pdata[i]);
	return ret;
}

static gboolean is_sync(const char *line)
{
	static const char *const words[] = { "fsync ", "fdatasync ", "sync" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(words); i++)
		if (g_str_has_prefix(line, words[i]))
			return TRUE;
	return FALSE;
}

/* What a power cut may not take was promised by the last sync of some kind: all after it but the cut itself is left out. */
static GPtrArray *until_last_sync(const GPtrArray *lines)
{
	guint i = lines->len - 1;
	GPtrArray *ret;

	while (i && !is_sync(lines->pdata[i]))
		i--;
	ret = head(lines, i + 1);
	if (i + 1 < lines->len)
		g_ptr_array_add(ret, lines->pdata[lines->len - 1]);
	return ret;
}

/* *items: `some`, which it takes, instead, if that shows it. */
static gboolean prefer(struct reduction *r, GPtrArray **items, GPtrArray *some, gboolean *shown, GError **error)
{
	const gboolean ok = some->len >= (*items)->len || shows(r, some, shown, error);

	g_ptr_array_unref(*shown ? *items : some);
	*items = *shown ? some : *items;
	return ok;
}

/* *items: a guess instead, if one shows it. */
static gboolean guess(struct reduction *r, GPtrArray **items, GError **error)
{
	gboolean shown = FALSE;
	guint far;

	if (!r->o->args->tries)
		return TRUE;
	if (r->anew && (*items)->len && !prefer(r, items, until_last_sync(*items), &shown, error))
		return FALSE;
	for (shown = far = 0; far < 2 && !shown; far++)
		if (!prefer(r, items, slice(*items, r->want, far), &shown, error))
			return FALSE;
	return TRUE;
}

gboolean oracle_reduce(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came, gboolean anew,
		       GPtrArray **ret, GError **error)
{
	struct reduction r = { .o = o, .want = came, .anew = anew };
	/* What comes after the operation that showed it has nothing to do with it. */
	GPtrArray *items = head(lines, came->at < lines->len ? came->at + 1 : lines->len), *small;
	gint64 deadline = g_get_monotonic_time() + (gint64)(anew ? SECONDS_ANEW : SECONDS) * G_USEC_PER_SEC;
	gboolean ok;

	if (o->until && deadline > o->until)
		deadline = o->until;
	ok = guess(&r, &items, error) && ddmin(items, test, &r, o->args->tries, deadline, &small, error);
	if (ok) {
		journal_log(o->run->journal, "reduced from %u to %u operations in %u tries", lines->len, small->len, r.tried);
		*ret = small;
	}
	g_ptr_array_unref(items);
	return ok;
}
