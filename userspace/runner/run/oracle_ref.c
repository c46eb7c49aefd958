// SPDX-License-Identifier: GPL-2.0
/*
 * The reference filesystem: ext4 (xfs, where the target is ext4) on a loop device over a file in the guest's memory; tmpfs
 * where that cannot be had. And the way back to where target and reference are whole.
 */
#include <string.h>

#include "error.h"
#include "oracle_run.h"

#define POINT		"oracle"
#define REFERENCE_MIB	512u		/* sparse: only what is written takes memory */
#define FILE_NAME	"reference.img"
#define DIR_NAME	"reference"
#define MKFS_MS		60000u

static const struct {
	const char *type;
	const char *const *mkfs;
} filesystems[] = {
	{ "ext4", (const char *const[]){ "/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-O", "^has_journal", NULL } },
	{ "xfs", (const char *const[]){ "/sbin/mkfs.xfs", "-q", "-f", NULL } },
};

gboolean oracle_step(struct oracle *o, enum vx_step_op op, const char *name, const char *const *strings,
		     const gint64 *num, enum step_outcome *outcome, struct step_result *res, GError **error)
{
	const struct step_spec spec = {
		.op = op, .kind = o->kind, .on_target = TRUE, .name = name, .strings = strings, .may_fail = TRUE,
		.num = { num ? num[0] : 0, num ? num[1] : 0, num ? num[2] : 0, num ? num[3] : 0 },
	};

	return run_step(o->run, &spec, outcome, res, error);
}

/* A step of the reference's: what fails there is no finding. */
static gboolean ours(struct oracle *o, enum vx_step_op op, const char *name, const char *const *strings,
		     const gint64 *num, gboolean *ok, struct step_result *res, GError **error)
{
	const struct step_spec spec = {
		.op = op, .kind = "other", .name = name, .strings = strings, .may_fail = TRUE, .deadline_ms = MKFS_MS,
		.num = { num ? num[0] : 0, num ? num[1] : 0, num ? num[2] : 0, num ? num[3] : 0 },
	};
	enum step_outcome outcome;

	if (!run_step(o->run, &spec, &outcome, res, error))
		return FALSE;
	*ok = outcome == STEP_OK;
	return TRUE;
}

static gboolean attach(struct oracle *o, GError **error)
{
	g_autofree char *file = g_build_filename(session_workdir(o->run->session), FILE_NAME, NULL);
	const char *modprobe[] = { "loop", NULL }, *strings[] = { file, NULL };
	const gint64 num[4] = { 0, 0, 0, (gint64)REFERENCE_MIB << 20 };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	gboolean ok;

	if (!ours(o, VX_STEP_MODPROBE, "modprobe loop", modprobe, NULL, &ok, NULL, error) ||
	    !ours(o, VX_STEP_LOOP, "loop device of the reference", strings, num, &ok, &res, error))
		return FALSE;
	g_clear_pointer(&o->loop, g_free);
	if (ok)
		o->loop = g_strndup(res.output, strcspn(res.output, "\n"));
	return TRUE;
}

static gboolean detach(struct oracle *o, GError **error)
{
	const char *strings[] = { o->loop, NULL };
	const gint64 num[4] = { 1 };
	gboolean ok, done = !o->loop || ours(o, VX_STEP_LOOP, "loop device away", strings, num, &ok, NULL, error);

	g_clear_pointer(&o->loop, g_free);
	return done;
}

static gboolean make_on_loop(struct oracle *o, guint i, gboolean *ok, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	const char *modprobe[] = { filesystems[i].type, NULL };
	const char *mount[] = { o->loop, o->reference, filesystems[i].type, "", NULL };
	guint k;

	for (k = 0; filesystems[i].mkfs[k]; k++)
		g_ptr_array_add(argv, (gpointer)filesystems[i].mkfs[k]);
	g_ptr_array_add(argv, o->loop);
	g_ptr_array_add(argv, NULL);
	return ours(o, VX_STEP_MODPROBE, "modprobe for the reference", modprobe, NULL, ok, NULL, error) &&
	       ours(o, VX_STEP_EXEC, "mkfs of the reference", (const char *const *)argv->pdata, NULL, ok, NULL, error) &&
	       (!*ok || ours(o, VX_STEP_MOUNT, "mount of the reference", mount, NULL, ok, NULL, error));
}

/* Not the target's own kind, whose mistakes it would share. */
static gboolean make_best(struct oracle *o, gboolean *ok, GError **error)
{
	guint i;

	*ok = FALSE;
	if (!attach(o, error))
		return FALSE;
	for (i = 0; o->loop && i < G_N_ELEMENTS(filesystems) && !*ok; i++) {
		if (!g_strcmp0(o->run->fstype, filesystems[i].type))
			continue;
		if (!make_on_loop(o, i, ok, error))
			return FALSE;
		o->reference_type = filesystems[i].type;
	}
	return *ok || detach(o, error);
}

gboolean oracle_make_reference(struct oracle *o, GError **error)
{
	const char *tmpfs[] = { "none", NULL, "tmpfs", "", NULL }, *mkdir[] = { NULL, NULL };
	const gint64 mode[4] = { 0755 };
	g_autofree char *text = NULL;
	gboolean ok;

	if (o->has_reference)
		return TRUE;
	g_free(o->reference);
	o->reference = g_build_filename(o->run->req->ssh ? session_workdir(o->run->session) : "/mnt", DIR_NAME, NULL);
	mkdir[0] = tmpfs[1] = o->reference;
	if (!ours(o, VX_STEP_MKDIR, "directory of the reference", mkdir, mode, &ok, NULL, error) || !make_best(o, &ok, error))
		return FALSE;
	if (!ok) {
		o->reference_type = "tmpfs";
		if (!ours(o, VX_STEP_MOUNT, "mount of the reference", tmpfs, NULL, &ok, NULL, error))
			return FALSE;
	}
	o->has_reference = ok;
	text = g_strdup_printf("reference: %s", ok ? o->reference_type : "none can be mounted");
	journal_log(o->run->journal, "%s", text);
	if (ok)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the guest has no reference filesystem for the oracle: neither a loop "
		    "device with ext4 or xfs nor tmpfs can be mounted");
	return FALSE;
}

gboolean oracle_drop_reference(struct oracle *o, GError **error)
{
	g_autofree char *file = g_build_filename(session_workdir(o->run->session), FILE_NAME, NULL);
	const char *strings[] = { o->reference, NULL }, *rm[] = { "/bin/rm", "-f", file, NULL };
	gboolean ok;

	if (!o->has_reference)
		return TRUE;
	o->has_reference = FALSE;
	return ours(o, VX_STEP_UMOUNT, "unmount of the reference", strings, NULL, &ok, NULL, error) && detach(o, error) &&
	       ours(o, VX_STEP_EXEC, "file of the reference away", rm, NULL, &ok, NULL, error);
}

/* ---- the way back -------------------------------------------------------------------------------- */

/* The guest as it is now, with the reference mounted and the target not. */
static void keep_point(struct oracle *o)
{
	g_autoptr(GError) local = NULL;

	if (o->has_point || o->run->req->ssh)
		return;
	o->has_point = session_point_make(o->run->session, POINT, &local);
	if (!o->has_point)
		journal_log(o->run->journal, "no point is kept: %s", local->message);
}

static gboolean to_point(struct oracle *o, GError **error)
{
	if (!session_point_back(o->run->session, POINT, error))
		return FALSE;
	o->run->behind = journal_findings(o->run->journal)->len;
	o->mounted = FALSE;
	o->has_reference = TRUE;
	return TRUE;
}

gboolean oracle_home(struct oracle *o, gboolean *ok, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean recovered, went = TRUE;

	*ok = TRUE;
	if (o->has_point)
		went = to_point(o, &local);
	else if (!o->has_reference)
		went = oracle_make_reference(o, &local);
	if (went) {
		keep_point(o);
		return TRUE;
	}
	/* It is damaged, or the guest did not come up: from where the run's own recovery gets, it is made again. */
	o->has_point = FALSE;
	if (!run_survive(o->run, FALSE, &local, &o->go_on, &recovered, error))
		return FALSE;
	o->mounted = o->has_reference = FALSE;
	*ok = FALSE;
	return TRUE;
}

gboolean oracle_survive(struct oracle *o, gboolean ok, GError **local, gboolean *recovered, GError **error)
{
	gboolean home;

	run_settle(o->run);
	if (!run_survive(o->run, ok, local, &o->go_on, recovered, error))
		return FALSE;
	if (!*recovered)
		return TRUE;
	o->mounted = o->has_reference = FALSE;
	return oracle_home(o, &home, error);
}
