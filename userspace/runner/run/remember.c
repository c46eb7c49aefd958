// SPDX-License-Identifier: GPL-2.0
/* A run and the history: what earlier runs say of it, and what it leaves to later ones. */
#include <string.h>

#include "history.h"
#include "lives.h"
#include "regress.h"
#include "run_priv.h"
#include "trend.h"

static void tell(struct run *run, const char *text)
{
	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
}

static void tell_error(struct run *run, const char *what, const GError *error)
{
	g_autofree char *text = g_strdup_printf("%s: %s", what, error->message);

	tell(run, text);
}

static struct history *open_history(struct run *run, GError **error)
{
	g_autofree char *told = NULL;
	struct history *h = history_open(run->req->history, HISTORY_WRITE, &told, error);

	if (told)
		tell(run, told);
	return h;
}

static void note(struct run *run, const char *event, json_t *json)
{
	json_object_set_new(json, "event", json_string(event));
	journal_json(run->journal, VX_REC_VM, json);
}

static gboolean compare(struct run *run, struct history *h, const char *dir, GError **error)
{
	VX_GUARD(analysis_free) struct analysis *an = analysis_read(dir, error);
	VX_GUARD(hist_run_free) struct hist_run *now = NULL;
	VX_GUARD(regress_free) struct regress *regress = NULL;
	const struct config *config = run->req->config;
	struct regress_config how = regress_defaults;
	g_autoptr(GPtrArray) lives = NULL;
	json_t *trend;
	struct verdict verdict;
	guint looked;

	if (!an)
		return FALSE;
	how.runs_min = config->baseline_min;
	how.runs_most = MAX(config->baseline_most, config->baseline_min);
	how.effect_min = config->effect_percent / 100.0;
	score_verdict(an, &verdict);
	now = hist_run_from(dir, an, &verdict);
	/* Who looks for crashes is told nothing of figures. */
	if (run->req->mode != MODE_CRASHES && !(regress = regress_run(h, now, run->req->across, &how, error)))
		return FALSE;
	if (!(lives = lives_of(h, now, &looked, error)) || !(trend = trend_of(h, now, run->req->across, error)))
		return FALSE;
	if (regress)
		note(run, "compared", regress_json(regress));
	note(run, "lives", lives_json(lives, looked));
	note(run, "trend", trend);
	return TRUE;
}

void run_compare(struct run *run, const char *dir)
{
	VX_GUARD(history_close) struct history *h = NULL;
	g_autoptr(GError) error = NULL;

	if (!run->req->history || journal_error(run->journal))
		return;
	h = open_history(run, &error);
	if (!h || !compare(run, h, dir, &error))
		tell_error(run, "not compared with earlier runs", error);
}

void run_remember(struct run *run, const struct run_outcome *out)
{
	VX_GUARD(hist_run_free) struct hist_run *now = NULL;
	VX_GUARD(history_close) struct history *h = NULL;
	g_autoptr(GError) error = NULL;
	gboolean added;

	if (!run->req->history)
		return;
	now = hist_run_from(out->dir, out->analysis, &out->verdict);
	h = open_history(run, &error);
	if (h && history_add(h, now, &added, &error))
		return;
	if (h && history_is_damaged(h)) {
		/* It was found out only now: the next opening sets it aside. */
		g_clear_error(&error);
		g_clear_pointer(&h, history_close);
		h = open_history(run, &error);
		if (h && history_add(h, now, &added, &error))
			return;
	}
	tell_error(run, "the run is not in the history (`vexlab history import` adds it later)", error);
}
