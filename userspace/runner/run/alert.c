// SPDX-License-Identifier: GPL-2.0
/* A run's alerts: what they say, and where they go: the terminal, the user's program, a webhook. */
#include <string.h>
#include <unistd.h>

#include "alert_send.h"
#include "alerts.h"
#include "error.h"
#include "run_priv.h"

#define END_MS	5000	/* for what is still to be sent when the run is over */

static gboolean is_set(const char *word)
{
	return word && *word;
}

static char *line_of(const struct finding *finding, guint times, gboolean more)
{
	g_autofree char *count = more ? g_strdup_printf(" (%u more)", times) : g_strdup("");

	return g_strdup_printf("alert: %s %s: %s%s%s", severity_name(finding->severity), finding_class_name(finding->class),
			       finding->title, count, finding->blame == BLAME_ENVIRONMENT ? " (the environment's)" : "");
}

static char *body_of(const struct run *run, const struct finding *finding, const char *text, guint times)
{
	g_autofree char *dir = g_canonicalize_filename(journal_dir(run->journal), NULL);
	json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:i, s:o}", "text", text, "target", run->req->target->name,
				 "scenario", run->plan ? run->plan->name : run->req->scenario, "run", json_string(dir) ?: json_null(),
				 "times", (int)times, "finding", finding_json(finding));
	char *body = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	return body;
}

static void tell(void *ctx, const struct finding *finding, guint times, gboolean more)
{
	struct run *run = ctx;
	g_autofree char *text = line_of(finding, times, more), *count = g_strdup_printf("%u", times), *body = NULL;
	g_auto(GStrv) env = NULL;

	journal_log(run->journal, "%s", text);
	run->req->progress.say(run->req->progress.ctx, text);
	if (!run->alert_send)
		return;
	env = run_environment(run, finding);
	env = g_environ_setenv(env, "VEXLAB_ALERT", text, TRUE);
	env = g_environ_setenv(env, "VEXLAB_TIMES", count, TRUE);
	env = g_environ_setenv(env, "VEXLAB_BLAME", blame_name(finding->blame), TRUE);
	body = body_of(run, finding, text, times);
	if (body)
		alert_send(run->alert_send, (const char *const *)env, body);
}

static void tell_failure(struct run *run)
{
	g_autofree char *text = run->alert_send ? alert_send_failure(run->alert_send) : NULL;

	if (!text)
		return;
	journal_log(run->journal, "%s", text);
	run->req->progress.say(run->req->progress.ctx, text);
}

gboolean alert_check(const struct config *config, GError **error)
{
	if (!is_set(config->alert_command) ||
	    (!access(config->alert_command, X_OK) && !g_file_test(config->alert_command, G_FILE_TEST_IS_DIR)))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_CONFIG, "alerts.command: %s is no program that can be run: name it by its path",
		    config->alert_command);
	return FALSE;
}

void alert_open(struct run *run)
{
	const struct config *config = run->req->config;
	const struct alerts_sink sink = { tell, run };
	g_autofree char *command = is_set(config->alert_command) ? g_canonicalize_filename(config->alert_command, NULL) : NULL;
	const char *webhook = is_set(config->alert_webhook) ? config->alert_webhook : NULL;

	if (run->req->no_alerts)
		return;
	run->alerts = alerts_new(&sink);
	if (command || webhook)
		run->alert_send = alert_send_new(command, webhook);
}

void alert_look(struct run *run)
{
	if (!run->alerts)
		return;
	alerts_look(run->alerts, journal_findings(run->journal), g_get_monotonic_time());
	tell_failure(run);
}

void alert_close(struct run *run)
{
	if (!run->alerts)
		return;
	alert_look(run);
	alerts_flush(run->alerts);
	alert_send_finish(run->alert_send, END_MS);
	tell_failure(run);
	g_clear_pointer(&run->alerts, alerts_free);
	g_clear_pointer(&run->alert_send, alert_send_free);
}
