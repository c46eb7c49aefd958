// SPDX-License-Identifier: GPL-2.0
/*
 * A run whose guest starts from a snapshot: the machine is the snapshot's, what
 * it has of the set-up is not done again, and "ready" is the snapshot.
 */
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "snapshot_priv.h"
#include "store.h"

struct start {
	struct config config;
	struct run_request req;
	struct snapshot *snapshot;
	json_t *manifest;
	char *memory, *disk;
	int use;		/* keeps it from being removed */
};

void start_free(struct start *start)
{
	if (!start)
		return;
	snapshot_free(start->snapshot);
	json_decref(start->manifest);
	g_free(start->memory);
	g_free(start->disk);
	if (start->use >= 0)
		close(start->use);
	g_free(start);
}
VX_DEFINE_GUARD(struct start, start_free);

static gboolean of_this_target(const struct snapshot *s, const struct run_request *req, GError **error)
{
	const gboolean loaded = s->point >= SNAPSHOT_LOADED;

	/* A replay does the recorded steps and knows no target. */
	if (req->replay)
		return TRUE;
	if (g_strcmp0(s->target_file, req->target->path)) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the snapshot %s is of the target %s (%s), not of %s", s->name,
			    s->target, s->target_file, req->target->path);
		return FALSE;
	}
	if (loaded && req->module_params) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
			    "in the snapshot %s the module is loaded: it takes no more parameters", s->name);
		return FALSE;
	}
	if (loaded || !s->modules[0])
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the snapshot %s stands in the middle of its target's set-up: "
		    "no run can go on from there", s->name);
	return FALSE;
}

/* What decides the guest's shape is the snapshot's. */
static void take_machine(struct start *start, const struct run_request *req)
{
	const struct snapshot *s = start->snapshot;
	g_autofree char *text = g_strdup_printf("from the snapshot %s: %s, %s, %u CPUs, %u MiB", s->name, s->target,
						*s->step ? s->step : snapshot_point_name(s->point), s->vcpus, s->memory_mib);

	start->config = *req->config;
	start->config.memory_mib = s->memory_mib;
	start->config.vcpus = s->vcpus;
	start->req = *req;
	start->req.config = &start->config;
	start->req.kernel_release = s->release;
	if (!req->source && *s->source)
		start->req.source = s->source;
	req->progress.say(req->progress.ctx, text);
}

struct start *start_open(const struct run_request *req, GError **error)
{
	g_autofree char *dir = snapshot_dir(req->cachedir);
	VX_GUARD(start_free) struct start *start = g_new0(struct start, 1);
	struct start *ret;

	start->use = -1;
	if (!snapshot_good_name(req->snapshot, error) ||
	    (start->use = store_use(dir, req->snapshot, error)) < 0)
		return NULL;
	start->manifest = store_manifest(dir, req->snapshot);
	start->snapshot = snapshot_describe(dir, req->snapshot, start->manifest);
	start->memory = g_build_filename(dir, req->snapshot, "memory", NULL);
	start->disk = g_build_filename(dir, req->snapshot, "disk", NULL);
	if (!snapshot_check(dir, req->snapshot, start->manifest, NULL, error) ||
	    !of_this_target(start->snapshot, req, error))
		return NULL;
	if (req->snapshot_made && req->snapshot_made != start->snapshot->made) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the snapshot %s has been made again since: that run cannot "
			    "be done from it", req->snapshot);
		return NULL;
	}
	take_machine(start, req);
	ret = start;
	start = NULL;
	return ret;
}

const struct run_request *start_request(const struct start *start)
{
	return &start->req;
}

gboolean start_fits(struct start *start, const struct run *run, const struct session_config *session, GError **error)
{
	const json_t *then = json_object_get(json_object_get(start->manifest, "about"), "depends");
	/* A module that is not in the snapshot may be another one now; a replay knows only what was recorded. */
	const gboolean loaded = start->snapshot->point >= SNAPSHOT_LOADED && !run->req->replay;
	g_autofree char *why = snapshot_stale(start->manifest, session);
	json_t *now = snapshot_depends(run);

	if (!why && loaded && !json_equal(now, then))
		why = g_strdup("the target's source has changed");
	json_decref(now);
	if (!why)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the snapshot %s is stale: %s; make it again",
		    start->snapshot->name, why);
	return FALSE;
}

void start_apply(const struct start *start, struct session_config *session)
{
	session->memory = start->memory;
	session->disk = start->disk;
}

void start_set_up(const struct start *start, struct run *run)
{
	const struct snapshot *s = start->snapshot;
	guint i;

	if (s->point >= SNAPSHOT_LOADED) {
		g_free(run->fstype);
		run->fstype = g_strdup(s->fstype);
		for (i = 0; s->modules[i]; i++)
			g_ptr_array_add(run->loaded, g_strdup(s->modules[i]));
	}
	/* What is mounted has been formatted. */
	run->stage = (enum run_upto)MIN(s->point, SNAPSHOT_FORMATTED);
}

gboolean start_mounted(const struct start *start)
{
	return start->snapshot->point == SNAPSHOT_MOUNTED;
}

json_t *start_json(const struct start *start)
{
	const struct snapshot *s = start->snapshot;

	return json_pack("{s:s, s:s, s:s, s:I}", "name", s->name, "point", snapshot_point_name(s->point), "step", s->step,
			 "made", (json_int_t)s->made);
}
