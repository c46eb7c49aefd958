// SPDX-License-Identifier: GPL-2.0
/*
 * The control run: the same scenario on a filesystem that is known to be good,
 * in a guest of its own. What is found there as well is the environment's. It
 * is made only when something was found, and only for a module from source.
 */
#include "run_priv.h"

gboolean control_is_due(const struct run *run)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	if (!run->req->control || run->req->ssh || run->req->replay || run->req->target->module != TARGET_SOURCE)
		return FALSE;
	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding_counts(finding) && finding->blame != BLAME_ENVIRONMENT)
			return TRUE;
	}
	return FALSE;
}

struct run_request control_request(const struct run *run, const char *outdir)
{
	struct run_request req = *run->req;

	req.target = run->req->control;
	req.control = NULL;
	req.no_alerts = TRUE;
	req.history = NULL;
	req.log = NULL;
	req.source = req.module_params = req.mount_options = req.handlers = NULL;
	req.outdir = outdir;
	return req;
}

static json_t *findings_found(const struct analysis *an)
{
	json_t *list = json_array();
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		json_array_append_new(list, json_pack("{s:s, s:s}", "event_type", finding_class_name(finding->class),
						      "description", finding->title));
	}
	return list;
}

void control_note(struct run *run, const struct run_outcome *out, const GError *why)
{
	const char *name = run->req->control->name;
	g_autofree char *text = NULL;
	guint found = out->analysis ? out->analysis->findings->len : 0;

	if (why)
		text = g_strdup_printf("the control run on %s could not judge: %s", name, why->message);
	else if (found)
		text = g_strdup_printf("the control run on %s: %u findings there too", name, found);
	else
		text = g_strdup_printf("the control run on %s found nothing: the environment is sound", name);
	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
	journal_json(run->journal, VX_REC_VM,
		     json_pack("{s:s, s:s, s:s?, s:s?, s:o}", "event", "control", "target", name, "dir", out->dir,
			       "why", why ? why->message : NULL, "findings",
			       out->analysis ? findings_found(out->analysis) : json_array()));
}
