// SPDX-License-Identifier: GPL-2.0
/*
 * What a run writes into its record so that it can be done again from it: each
 * step with its arguments, files put into the guest, probes, and what the whole
 * was started with.
 */
#include <string.h>

#include "run_priv.h"
#include "wire.h"

/* NULL when it cannot be read. Caller frees. */
static char *digest_of(const char *path)
{
	g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, NULL);

	if (!map)
		return NULL;
	/* An empty file has no mapping. */
	return g_compute_checksum_for_data(G_CHECKSUM_SHA256,
					   (const guchar *)(g_mapped_file_get_contents(map) ?: ""),
					   g_mapped_file_get_length(map));
}

/* {"path", "sha256"}; null without a path. */
static json_t *file_json(const char *path)
{
	g_autofree char *digest = path ? digest_of(path) : NULL;
	g_autofree char *text = path ? g_utf8_make_valid(path, -1) : NULL;

	return path ? json_pack("{s:s, s:s?}", "path", text, "sha256", digest) : json_null();
}

static json_t *text_json(const char *text)
{
	g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

	return text ? json_string(valid) : json_null();
}

/* JSON cannot carry bytes that are no UTF-8: such a step is marked, for it cannot be done again as it was. */
static json_t *strings_json(const char *const *strings, gboolean *exact)
{
	json_t *list = json_array();
	guint i;

	*exact = TRUE;
	for (i = 0; strings && strings[i]; i++) {
		*exact = *exact && g_utf8_validate(strings[i], -1, NULL);
		json_array_append_new(list, text_json(strings[i]));
	}
	return list;
}

static json_t *expect_json(const struct detect_expect *expect)
{
	json_t *errors = json_array();
	guint i;

	for (i = 0; i < expect->nerrors; i++)
		json_array_append_new(errors, json_integer(expect->errors[i]));
	return json_pack("{s:o, s:o}", "errors", errors, "status", expect->status < 0 ? json_null() : json_integer(expect->status));
}

json_t *steplog_step(const struct run *run, const struct step_spec *spec,
		     const struct vx_req_step *req)
{
	gboolean exact;
	json_t *strings = strings_json(spec->strings, &exact);
	json_t *json = json_pack("{s:I, s:o, s:s, s:s, s:I, s:b, s:s, s:o, s:[I, I, I, I], s:I}",
		"id", (json_int_t)req->id, "name", text_json(spec->name), "kind", spec->kind,
		"phase", run->phase, "cycle", (json_int_t)run->cycle, "target", spec->on_target,
		"op", vx_step_op_name(req->op), "strings", strings,
		"num", (json_int_t)req->num[0], (json_int_t)req->num[1], (json_int_t)req->num[2],
		(json_int_t)req->num[3],
		"deadline_ms", (json_int_t)(req->deadline_ns / 1000000));

	if (spec->expect && spec->expect->set)
		json_object_set_new(json, "expect", expect_json(spec->expect));
	if (spec->may_fail)
		json_object_set_new(json, "may_fail", json_true());
	if (spec->provokes)
		json_object_set_new(json, "provokes", json_true());
	if (spec->way)
		json_object_set_new(json, "way", json_string(spec->way));
	if (!exact)
		json_object_set_new(json, "inexact", json_true());
	return json;
}

void steplog_trace(const struct run *run, const struct vx_req_trace *req)
{
	journal_json(run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:I, s:b, s:o, s:o}", "do", "trace",
			       "groups", (json_int_t)req->groups, "reset", (int)req->reset,
			       "fstype", text_json(req->fstype),
			       "module", text_json(req->module)));
}

gboolean run_put(struct run *run, const char *local, const char *remote, int mode, GError **error)
{
	journal_json(run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:o, s:s, s:i}", "do", "put", "file", file_json(local),
			       "remote", remote, "mode", mode));
	return session_put(run->session, local, remote, mode, error);
}

static json_t *modules_json(const struct modbuild_result *built)
{
	json_t *list = json_array();
	guint i;

	for (i = 0; built && i < built->nmodules; i++) {
		json_t *module = file_json(built->modules[i].path);

		json_object_set_new(module, "name", json_string(built->modules[i].info->name));
		json_array_append_new(list, module);
	}
	return list;
}

static json_t *settings_json(const struct config *config)
{
	g_auto(GStrv) settings = config_settings(config);
	json_t *list = json_array();
	guint i;

	for (i = 0; settings[i]; i++)
		json_array_append_new(list, json_string(settings[i]));
	return list;
}

json_t *steplog_run(const struct run *run, json_t *json)
{
	const struct run_request *req = run->req;
	json_t *more = json_pack("{s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:b}",
		"module_params", text_json(req->module_params),
		"mount_options", text_json(req->mount_options),
		"target_file", text_json(req->target->path),
		"device_mib", (int)req->target->device_mib,
		"settings", settings_json(req->config),
		"modules", modules_json(run->built),
		"mkfs", file_json(run->built ? run->built->mkfs : NULL),
		"agent", file_json(req->agent), "uri", text_json(req->uri), "cold", req->cold);

	json_object_update(json, more);
	json_decref(more);
	if (run->plan)
		json_object_set_new(json, "scenario_file", file_json(run->plan->path));
	if (run->start)
		json_object_set_new(json, "snapshot", start_json(run->start));
	if (req->replay)
		replay_note_origin(req->replay, json);
	return json;
}
