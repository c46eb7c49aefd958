// SPDX-License-Identifier: GPL-2.0
/*
 * Before anyone cries: a finding that no earlier run had is done again, each time in a new guest. By a vexlab of its own, for there is one
 * libvirt a process.
 */
#include <string.h>

#include "cmd.h"
#include "cmd_retry.h"
#include "evidence.h"
#include "history.h"
#include "lives.h"
#include "report.h"

#define RETRIED_MOST	3u	/* different findings of a run */

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* The finding of this title that has a folder, which is what a replay is told. NULL: none. */
static const struct finding *with_folder(const struct analysis *an, const json_t *life)
{
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (!strcmp(finding->title, word(life, "title")) && !strcmp(finding_class_name(finding->class), word(life, "class")) &&
		    evidence_number(finding))
			return finding;
	}
	return NULL;
}

/* What `vexlab replay --json` says. NULL: it could not try. New reference. */
static json_t *replay(const struct retry *retry, const char *dir, const struct finding *finding)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *out = NULL;
	g_autofree char *times = g_strdup_printf("%u", retry->times), *number = g_strdup_printf("%u", evidence_number(finding));
	const char *argv[] = { self, "replay", "--quiet", "--json", "--times", times, "--output", retry->output, "--cache", retry->cache,
			       "--agent", retry->agent, dir, number, NULL };

	/* libvirt of this process has its log in a folder that is gone, and would hand it on. */
	g_auto(GStrv) env = g_environ_unsetenv(g_get_environ(), "LIBVIRT_LOG_OUTPUTS");

	if (!self || !g_spawn_sync(NULL, (char **)argv, env, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, NULL, NULL))
		return NULL;
	return json_loads(out, 0, NULL);
}

static void keep(const struct retry *retry, const struct run_outcome *out, const struct finding *finding, guint attempts, guint seen)
{
	VX_GUARD(history_close) struct history *h = history_open(retry->history, HISTORY_WRITE, NULL, NULL);
	g_autofree char *key = hist_key(finding_class_name(finding->class), finding->title);
	const gint64 id = h ? history_find(h, out->dir, NULL) : 0;

	if (id)
		(void)history_retried(h, id, key, attempts, seen, NULL);
}

static void one(const struct retry *retry, const struct run_outcome *out, const struct finding *finding)
{
	json_t *json = replay(retry, out->dir, finding);
	const guint attempts = (guint)MAX(json_integer_value(json_object_get(json, "attempts")), 0);
	const guint seen = (guint)CLAMP(json_integer_value(json_object_get(json, "times_seen")), 0, attempts);
	g_autofree char *text = attempts ?
		g_strdup_printf("tried again: %s, %u of %u times: %s", life_again(attempts, seen), seen, attempts, finding->title) :
		g_strdup_printf("could not be tried again (`vexlab replay` says why): %s", finding->title);

	json_decref(json);
	if (attempts)
		keep(retry, out, finding, attempts, seen);
	retry->say(retry->ctx, text);
}

void cmd_retry(const struct retry *retry, const struct run_outcome *out)
{
	const json_t *lives = json_object_get(analysis_vm_event(out->analysis, "lives"), "findings"), *life;
	guint done = 0;
	size_t i;

	if (!retry->times || !retry->history)
		return;
	json_array_foreach(lives, i, life) {
		const struct finding *finding = !strcmp(word(life, "life"), "new") && json_is_true(json_object_get(life, "here")) ?
			with_folder(out->analysis, life) : NULL;

		if (finding && done++ < RETRIED_MOST)
			one(retry, out, finding);
	}
}
