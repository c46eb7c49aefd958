// SPDX-License-Identifier: GPL-2.0
/*
 * What a leak hunt does to the guest: ordinary cycles, ways that end in errors, checkpoints. Programs of the guest
 * are used where nothing of the filesystem is meant: dd for damaged images, perl for a mount that is killed.
 */
#include <string.h>

#include "leak_hunt.h"

#define HEAD_KIB	512u		/* of the device: kept, damaged, put back */
#define MIN_MIB_TO_FILL	2048u		/* a larger device is not filled up: it takes too long */
#define PROGRAM_MS	30000u
#define SAVED		"/tmp/vexlab-head"

static gboolean program(struct hunt *h, const char *name, const char *kind, const char *way, gboolean on_target,
			const char *const *argv, enum step_outcome *outcome, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_EXEC, .kind = kind, .on_target = on_target, .name = name, .strings = argv,
		.deadline_ms = PROGRAM_MS, .may_fail = TRUE, .way = way,
	};

	return run_step(h->run, &spec, outcome, NULL, error);
}

/* ---- cycles ------------------------------------------------------------------------------------- */

static gboolean unmount(struct hunt *h, gboolean *good, GError **error)
{
	enum step_outcome outcome;

	*good = !h->mounted;
	if (!h->mounted)
		return TRUE;
	if (!run_umount(h->run, &outcome, error))
		return FALSE;
	h->mounted = outcome != STEP_OK;
	*good = !h->mounted;
	return TRUE;
}

gboolean hunt_cycle(struct hunt *h, gboolean *good, GError **error)
{
	enum step_outcome mounted, worked;

	h->run->cycle++;
	h->done++;
	*good = FALSE;
	if (!run_mount(h->run, &mounted, error))
		return FALSE;
	if (mounted != STEP_OK || run_guest_is_hurt(h->run))
		return TRUE;
	h->mounted = TRUE;
	return run_file_work(h->run, &worked, error) && (run_guest_is_hurt(h->run) || unmount(h, good, error));
}

/* A mount that ought to fail. One that does not is undone. */
static gboolean mount_badly(struct hunt *h, enum leak_way way, const char *options, GError **error)
{
	const char *strings[] = { h->run->device, h->run->mountpoint, h->run->fstype, options, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MOUNT, .kind = "mount", .on_target = TRUE, .name = leak_way_words(way) + 2,
		.strings = strings, .num = { 0, h->run->req->new_mount_api ? VX_API_FSMOUNT : VX_API_MOUNT },
		.may_fail = TRUE, .way = leak_way_name(way),
	};
	enum step_outcome outcome;
	gboolean good;

	h->run->cycle++;
	h->done++;
	if (!run_step(h->run, &spec, &outcome, NULL, error))
		return FALSE;
	h->mounted = outcome == STEP_OK;
	return run_guest_is_hurt(h->run) || unmount(h, &good, error);
}

/* ---- damaged images ------------------------------------------------------------------------------ */

/* KiB from `from` on, `n` of them. */
static gboolean copy_blocks(struct hunt *h, const char *name, const char *in, const char *out, guint from, guint n,
			    GError **error)
{
	g_autofree char *in_arg = g_strdup_printf("if=%s", in), *out_arg = g_strdup_printf("of=%s", out);
	g_autofree char *count = g_strdup_printf("count=%u", n), *seek = g_strdup_printf("seek=%u", from);
	const char *argv[] = {
		"dd", "bs=1024", in_arg, out_arg, count, seek, "conv=notrunc,fsync", "status=none", NULL
	};
	enum step_outcome outcome;

	return program(h, name, "other", NULL, FALSE, argv, &outcome, error);
}

/* With no head at all, and with a super block that promises what is not there: as far as mounting gets. */
static gboolean bad_image(struct hunt *h, GError **error)
{
	const char *device = h->run->device;

	return copy_blocks(h, "keep the head of the image", device, SAVED, 0, HEAD_KIB, error) &&
	       copy_blocks(h, "damage the image behind its head", "/dev/zero", device, 4, HEAD_KIB - 4, error) &&
	       mount_badly(h, LEAK_WAY_BAD_IMAGE, "", error) &&
	       (run_guest_is_hurt(h->run) ||
		(copy_blocks(h, "wipe the head of the image", "/dev/zero", device, 0, HEAD_KIB, error) &&
		 mount_badly(h, LEAK_WAY_BAD_IMAGE, "", error))) &&
	       (run_guest_is_hurt(h->run) ||
		copy_blocks(h, "put the head of the image back", SAVED, device, 0, HEAD_KIB, error));
}

/* ---- a mount that is killed ------------------------------------------------------------------------ */

/* A child mounts, its parent kills it a moment later: 0.1 ms at first, then twice as long each time, up to 13 ms. */
static gboolean interrupted(struct hunt *h, GError **error)
{
	static const char script[] =
		"my ($dev, $dir, $type, $wait) = @ARGV; my $none = ''; my $pid = fork();"
		"if (!$pid) { syscall(165, $dev, $dir, $type, 0, $none); exit(0) }"
		"select(undef, undef, undef, $wait); kill(9, $pid); waitpid($pid, 0);";
	g_autofree char *wait = g_strdup_printf("%.4f", 0.0001 * (1 << (h->kills++ % 8)));
	const char *argv[] = { "perl", "-e", script, h->run->device, h->run->mountpoint, h->run->fstype, wait, NULL };
	const char *strings[] = { h->run->mountpoint, NULL };
	const struct step_spec undo = {
		.op = VX_STEP_UMOUNT, .kind = "umount", .on_target = TRUE, .name = "umount", .strings = strings,
		.may_fail = TRUE,	/* it came too early, or too late */
	};
	enum step_outcome outcome;

	h->run->cycle++;
	h->done++;
	return program(h, "mount that is killed", "mount", leak_way_name(LEAK_WAY_INTERRUPTED), TRUE, argv, &outcome,
		       error) &&
	       (run_guest_is_hurt(h->run) || run_step(h->run, &undo, &outcome, NULL, error));
}

/* ---- no space left ------------------------------------------------------------------------------------ */

static gboolean fill_up(struct hunt *h, GError **error)
{
	const char *way = leak_way_name(LEAK_WAY_NO_SPACE);
	g_autofree char *file = g_build_filename(h->run->mountpoint, "fill", NULL),
			*out = g_strdup_printf("of=%s", file);
	g_autofree char *count = g_strdup_printf("count=%u", h->run->req->target->device_mib + 8);
	const char *dd[] = { "dd", "if=/dev/zero", out, "bs=1M", count, "status=none", NULL };
	const char *rm[] = { "rm", "-rf", file, NULL };
	const char *strings[] = { h->run->mountpoint, NULL };
	const struct step_spec work = {
		.op = VX_STEP_FILES, .kind = "files", .on_target = TRUE, .name = "file work without space",
		.strings = strings, .num = { 4, 8192 }, .may_fail = TRUE, .way = way,
	};
	enum step_outcome outcome;

	return program(h, "fill the filesystem", "files", way, TRUE, dd, &outcome, error) &&
	       (run_guest_is_hurt(h->run) || run_step(h->run, &work, &outcome, NULL, error)) &&
	       (run_guest_is_hurt(h->run) ||
		program(h, "remove what filled it", "files", way, TRUE, rm, &outcome, error));
}

static gboolean no_space(struct hunt *h, GError **error)
{
	enum step_outcome outcome;
	gboolean good;

	if (!h->run->req->target->device_mib || h->run->req->target->device_mib > MIN_MIB_TO_FILL)
		return TRUE;
	h->run->cycle++;
	h->done++;
	if (!run_mount(h->run, &outcome, error))
		return FALSE;
	h->mounted = outcome == STEP_OK;
	if (!h->mounted || run_guest_is_hurt(h->run))
		return TRUE;
	return fill_up(h, error) && (run_guest_is_hurt(h->run) || unmount(h, &good, error));
}

gboolean hunt_way(struct hunt *h, enum leak_way way, GError **error)
{
	switch (way) {
	case LEAK_WAY_BAD_IMAGE:
		return bad_image(h, error);
	case LEAK_WAY_BAD_OPTION:
		return mount_badly(h, way, "vexlab_no_such_option=1", error);
	case LEAK_WAY_INTERRUPTED:
		return interrupted(h, error);
	case LEAK_WAY_NO_SPACE:
		return no_space(h, error);
	default:
		return TRUE;
	}
}

/* ---- checkpoints -------------------------------------------------------------------------------------- */

gboolean hunt_resources(struct hunt *h, const char *name, GError **error)
{
	const char *module = h->run->loaded->len ? g_ptr_array_index(h->run->loaded, h->run->loaded->len - 1) : "";
	const char *strings[] = { module, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_RESOURCES, .kind = "other", .name = name, .strings = strings, .may_fail = TRUE,
	};
	enum step_outcome outcome;

	return run_step(h->run, &spec, &outcome, NULL, error);
}

/*
 * The step lets go what a cache may drop, too: a queue that is not full yet looks like a leak. `empty`: and what only caches of
 * names and inodes hold, a dead entry of /proc, say.
 */
static gboolean settle(struct hunt *h, gboolean empty, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_SETTLE, .kind = "other", .name = "settle", .may_fail = TRUE, .num = { empty },
	};
	enum step_outcome outcome;

	return run_step(h->run, &spec, &outcome, NULL, error);
}

static void tell_why_not(struct hunt *h, const struct vx_msg_allocs *msg)
{
	g_autofree char *text = g_strdup_printf("what is outstanding cannot be told (%s): %s",
						h->source == VX_ALLOCS_CALLS ? "the module's own calls" : "traced",
						g_strerror(-msg->err));

	journal_log(h->run->journal, "%s", text);
	if (!h->told_allocs)
		h->run->req->progress.say(h->run->req->progress.ctx, text);
	h->told_allocs = TRUE;
}

gboolean hunt_checkpoint(struct hunt *h, const char *after, GError **error)
{
	g_autofree char *name = g_strdup_printf("resources after the %s", after);
	struct vx_msg_allocs msg = { 0 };

	if (!settle(h, !strcmp(after, "unload"), error) || !hunt_resources(h, name, error))
		return FALSE;
	journal_json(h->run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:s, s:i, s:I, s:s, s:s}", "do", "leak", "event", "leak-checkpoint", "round",
			       (int)h->round, "cycle", (json_int_t)h->run->cycle, "after", after, "source",
			       h->source == VX_ALLOCS_CALLS ? "calls" : "traced"));
	if (!session_allocs(h->run->session, h->source, &msg, error))
		return FALSE;
	if (msg.err)
		tell_why_not(h, &msg);
	else
		journal_log(h->run->journal,
			    "%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT
			    " bytes are outstanding after the %s of "
			    "cycle %" G_GUINT64_FORMAT " at %u sites; told in %.1f ms",
			    (guint64)msg.objects, (guint64)msg.bytes, after, h->run->cycle, msg.sites,
			    (double)msg.ns / 1e6);
	leaks_judge(journal_leaks(h->run->journal));
	return TRUE;
}

/* ---- modules ------------------------------------------------------------------------------------------ */

gboolean hunt_has_module(struct hunt *h, const char *name, gboolean *found, GError **error)
{
	const char *strings[] = { "/proc/modules", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_READ, .kind = "other", .name = "read /proc/modules", .strings = strings, .may_fail = TRUE,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_autofree char *line = g_strdup_printf("\n%s ", name), *text = NULL;
	enum step_outcome outcome;

	if (!run_step(h->run, &spec, &outcome, &res, error))
		return FALSE;
	text = g_strconcat("\n", res.output, NULL);
	*found = outcome == STEP_OK && strstr(text, line);
	return TRUE;
}

gboolean hunt_remove_modprobed(struct hunt *h, enum step_outcome *outcome, GError **error)
{
	const char *module = h->run->req->target->module_name;
	g_autofree char *name = g_strdup_printf("rmmod %s", module);
	const char *strings[] = { module, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_RMMOD, .kind = "unload", .on_target = TRUE, .name = name, .strings = strings,
		.may_fail = TRUE,
	};

	return run_step(h->run, &spec, outcome, NULL, error);
}
