// SPDX-License-Identifier: GPL-2.0
/*
 * A program that shows a difference, made small. A try is on the filesystem as the one before has left it, cleared, which is
 * ten times faster than one that is made anew; after a power cut it is anew. What came out is done on a new one by the caller.
 */
#include <string.h>

#include "ddmin.h"
#include "oracle_run.h"

#define SECONDS 90u		/* of one reduction */

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

/* ---- what has to do with it: a first guess that is mostly right ------------------------------------- */

static gboolean related(const char *a, const char *b)
{
	gsize n = strlen(a), m = strlen(b), len = MIN(n, m);

	return !strncmp(a, b, len) && (n == m || (n > m ? a[len] : b[len]) == '/');
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

static gboolean touches(const GPtrArray *names, const char *line)
{
	g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(g_free);
	guint i, k;

	take_names(own, line);
	for (i = 0; i < own->len; i++)
		for (k = 0; k < names->len; k++)
			if (related(own->pdata[i], names->pdata[k]))
				return TRUE;
	return own->len == 0;		/* remount, sync: they touch everything */
}

static GPtrArray *slice(const GPtrArray *lines, const struct oracle_came *came)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autofree gboolean *keep = g_new0(gboolean, lines->len);
	GPtrArray *ret = g_ptr_array_new();
	guint i;

	if (came->at < lines->len) {
		take_names(names, lines->pdata[came->at]);
		keep[came->at] = TRUE;
	} else {
		g_ptr_array_add(names, g_strndup(came->detail, strcspn(came->detail, ":")));
	}
	for (i = lines->len; i--;) {
		if (!keep[i] && !touches(names, lines->pdata[i]))
			continue;
		keep[i] = TRUE;
		take_names(names, lines->pdata[i]);
	}
	for (i = 0; i < lines->len; i++)
		if (keep[i])
			g_ptr_array_add(ret, lines->pdata[i]);
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

gboolean oracle_reduce(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came, gboolean anew,
		       GPtrArray **ret, GError **error)
{
	struct reduction r = { .o = o, .want = came, .anew = anew };
	/* What comes after the operation that showed it has nothing to do with it. */
	GPtrArray *items = head(lines, came->at < lines->len ? came->at + 1 : lines->len), *guess, *small;
	gint64 deadline = g_get_monotonic_time() + (gint64)SECONDS * G_USEC_PER_SEC;
	gboolean ok, shown = FALSE;

	if (o->until && deadline > o->until)
		deadline = o->until;
	guess = slice(items, came);
	ok = !o->args->tries || guess->len == items->len || shows(&r, guess, &shown, error);
	if (ok && shown) {
		g_ptr_array_unref(items);
		items = guess;
	} else {
		g_ptr_array_unref(guess);
	}
	ok = ok && ddmin(items, test, &r, o->args->tries, deadline, &small, error);
	if (ok) {
		journal_log(o->run->journal, "reduced from %u to %u operations in %u tries", lines->len, small->len, r.tried);
		*ret = small;
	}
	g_ptr_array_unref(items);
	return ok;
}
