// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "detect.h"
#include "leak.h"
#include "locks.h"
#include "scenario.h"

static const struct detector *const detectors[] = {
	&detector_console,
	&detector_death,		/* behind the console, whose findings it looks at; before the guest, which looks at its */
	&detector_guest,
	&detector_step,		/* behind all who tell of crashes, for which steps end too */
	&detector_latency,
	&detector_excess,
	&detector_leak,
	&detector_oracle,
	&detector_locks,
	&detector_regression,
	&detector_inject,	/* behind those whose findings it adds to */
};

struct detect {
	json_t *run;			/* its entry */
	gpointer state[G_N_ELEMENTS(detectors)];
	gboolean configured;
	struct detect_now now;
	struct detect_scenario scenario;
};

struct detect *detect_new(void)
{
	return g_new0(struct detect, 1);
}

static void forget(struct detect *detect)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(detectors); i++)
		if (detect->state[i])
			detectors[i]->destroy(detect->state[i]);
	memset(detect->state, 0, sizeof(detect->state));
}

void detect_free(struct detect *detect)
{
	if (!detect)
		return;
	forget(detect);
	json_decref(detect->run);
	scenario_clear(&detect->scenario);
	g_free(detect);
}

struct detect_config detect_config_from(const json_t *run)
{
	struct detect_config config = { .thresholds = thresholds_from(run) };
	const char *module = json_string_value(json_object_get(run, "module"));
	const char *target = json_string_value(json_object_get(run, "target"));

	g_strlcpy(config.module, module ? module : "", sizeof(config.module));
	g_strlcpy(config.target, target ? target : "", sizeof(config.target));
	config.noise = json_object_get(run, "noise");
	config.traced = !json_is_false(json_object_get(run, "traced"));
	config.replay = json_object_get(run, "replay") != NULL;
	return config;
}

static void configure(struct detect *detect, const json_t *run)
{
	const struct detect_config config = detect_config_from(run);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(detectors); i++)
		if (!detect->state[i])
			detect->state[i] = detectors[i]->create(&config);
	detect->configured = TRUE;
}

/* Another attempt of a replay: what was told of the one before, and what was known of its guest, is nothing to it. */
static gboolean is_another_attempt(const json_t *request)
{
	return !g_strcmp0(json_string_value(json_object_get(request, "do")), "scenario") &&
	       !g_strcmp0(json_string_value(json_object_get(request, "event")), "again") &&
	       json_integer_value(json_object_get(request, "attempt")) > 1;
}

static void begin_anew(struct detect *detect)
{
	forget(detect);
	configure(detect, detect->run);
}

static void note_step(struct detect_now *now, const json_t *step)
{
	const char *name = json_string_value(json_object_get(step, "name"));
	const char *kind = json_string_value(json_object_get(step, "kind"));
	const char *phase = json_string_value(json_object_get(step, "phase"));

	now->step = (guint64)json_integer_value(json_object_get(step, "id"));
	now->cycle = (guint64)json_integer_value(json_object_get(step, "cycle"));
	now->may_fail = json_is_true(json_object_get(step, "may_fail"));
	scenario_expect_from(json_object_get(step, "expect"), &now->expect);
	now->provokes = json_is_true(json_object_get(step, "provokes"));
	now->on_target = json_is_true(json_object_get(step, "target"));
	g_strlcpy(now->step_name, name ? name : "", sizeof(now->step_name));
	g_strlcpy(now->step_kind, kind ? kind : "", sizeof(now->step_kind));
	g_strlcpy(now->phase, phase ? phase : "", sizeof(now->phase));
}

static GPtrArray *or_null(GPtrArray *findings)
{
	if (findings->len)
		return findings;
	g_ptr_array_unref(findings);
	return NULL;
}

GPtrArray *detect_feed(struct detect *detect, const struct rec_entry *entry)
{
	GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	json_t *json = NULL;
	guint i;

	detect->now.realtime_ns = entry->stamp.realtime_ns;
	if (entry->frame.type == VX_REC_RUN || entry->frame.type == VX_REC_STEP_BEGIN || entry->frame.type == VX_REC_REQUEST)
		json = rec_entry_json(entry);
	if (entry->frame.type == VX_REC_RUN) {
		json_decref(detect->run);
		detect->run = json_incref(json);
		configure(detect, json);
	} else if (entry->frame.type == VX_REC_REQUEST && detect->configured && is_another_attempt(json)) {
		begin_anew(detect);
	} else if (entry->frame.type == VX_REC_STEP_BEGIN && json) {
		note_step(&detect->now, json);
	}
	for (i = 0; detect->configured && i < G_N_ELEMENTS(detectors); i++)
		detectors[i]->feed(detect->state[i], &detect->now, entry, findings);
	scenario_mark(&detect->scenario, findings);
	if (entry->frame.type == VX_REC_REQUEST)
		scenario_note(&detect->scenario, &detect->now, json, findings);
	json_decref(json);
	return or_null(findings);
}

GPtrArray *detect_idle(struct detect *detect, guint64 monotonic_ns)
{
	GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	guint i;

	for (i = 0; detect->configured && i < G_N_ELEMENTS(detectors); i++)
		if (detectors[i]->idle)
			detectors[i]->idle(detect->state[i], &detect->now, monotonic_ns, findings);
	scenario_mark(&detect->scenario, findings);
	return or_null(findings);
}

GPtrArray *detect_finish(struct detect *detect)
{
	GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	guint i;

	for (i = 0; detect->configured && i < G_N_ELEMENTS(detectors); i++)
		if (detectors[i]->finish)
			detectors[i]->finish(detect->state[i], &detect->now, findings);
	scenario_mark(&detect->scenario, findings);
	return or_null(findings);
}

struct leaks *detect_leaks(const struct detect *detect)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(detectors); i++)
		if (detectors[i] == &detector_leak && detect->state[i])
			return detector_leak_state(detect->state[i]);
	return NULL;
}

const struct lock_totals *detect_locks(const struct detect *detect)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(detectors); i++)
		if (detectors[i] == &detector_locks && detect->state[i])
			return detector_locks_totals(detect->state[i]);
	return NULL;
}

struct finding *detect_finding(const struct detect_now *now, enum finding_class class, enum severity severity,
			       const char *title)
{
	struct finding *finding = finding_new(class, severity, title);

	finding->blame = BLAME_MODULE;
	finding->step = now->step;
	finding->cycle = now->cycle;
	finding->realtime_ns = now->realtime_ns;
	return finding;
}
