// SPDX-License-Identifier: GPL-2.0
/*
 * oracle: the same operations, drawn by seed, on the target and on a reference filesystem, compared one by one and
 * as whole trees. What is found is made small, done once more from a guest that has seen nothing else, and then it is
 * a finding; the kind of operation that showed it is left out from then on. In the record: detect/oracle.c, and
 *
 *	{"event": "oracle missing", "feature", "answer"}	the target refuses it, cleanly
 *	{"event": "oracle again", "title"}			found before
 *	{"event": "oracle summary", "operations", "per_second", "programs", "full", "reference"}
 */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "oracle_run.h"
#include "part.h"

#define LIST_MAX	(1u << 20)
#define SECTOR		512
#define FAILURES_MAX	4u	/* programs in a row that could not be done */

static void note(struct oracle *o, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(o->run->journal, "%s", text);
	journal_json(o->run->journal, VX_REC_VM, json);
}

static void say(struct oracle *o, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(struct oracle *o, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	o->run->req->progress.say(o->run->req->progress.ctx, text);
	journal_log(o->run->journal, "%s", text);
}

static gboolean time_is_up(const struct oracle *o)
{
	return o->until && g_get_monotonic_time() > o->until;
}

/* ---- a difference ------------------------------------------------------------------------------ */

/* From now on, nothing that shows the same. */
static void leave_out(struct oracle *o, const struct oracle_came *came)
{
	o->no_power_cut = o->no_power_cut || strstr(came->title, " after a power cut");
	o->no_remount = o->no_remount || strstr(came->title, " after a remount");
	o->no_caches = o->no_caches || strstr(came->title, " after the caches were dropped");
	o->no_space = o->no_space || came->class == FINDING_LOST_SPACE;
	if (came->class == FINDING_WRONG_RESULT && *came->shape && strstr(came->title, came->shape))
		g_ptr_array_add(o->skip, g_strdup(came->shape));
}

static void unconfirmed(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came)
{
	oracle_note_program(o, lines);
	note(o, json_pack("{s:s, s:I, s:s, s:s, s:s}", "event", "oracle unconfirmed", "step",
			  (json_int_t)came->step, "title", came->title, "class", finding_class_name(came->class),
			  "detail", came->detail));
}

static void keep_list(struct oracle *o, const GPtrArray *lines, const char *title)
{
	g_autofree char *name = g_strdup_printf("oracle-%u.list", g_hash_table_size(o->known));
	g_autofree char *path = g_build_filename(journal_dir(o->run->journal), name, NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) local = NULL;
	guint i;

	g_string_append_printf(text, "# %s\n", title);
	for (i = 0; i < lines->len; i++)
		g_string_append_printf(text, "%s\n", (char *)lines->pdata[i]);
	if (!g_file_set_contents(path, text->str, (gssize)text->len, &local))
		journal_log(o->run->journal, "%s", local->message);
	say(o, "%s: %u operations, %s", title, lines->len, path);
}

/* Once more, in a guest that has seen nothing else: that is the finding. */
static gboolean confirm(struct oracle *o, const GPtrArray *lines, const struct oracle_came *first, gboolean *same,
			GError **error)
{
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	gboolean home;

	*same = FALSE;
	if (!oracle_home(o, &home, error))
		return FALSE;
	if (!o->go_on)
		return TRUE;
	if (!oracle_program(o, lines, ORACLE_STEP, &came, error))
		return FALSE;
	*same = came.end == ORACLE_DIFFERS && !strcmp(came.title, first->title);
	return TRUE;
}

/*
 * Quickly at first; should what comes out not show it by itself, as when an earlier try has broken the filesystem, then with
 * care. *ret NULL: it is not seen again.
 */
static gboolean make_small(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came, GPtrArray **ret,
			   GError **error)
{
	gboolean anew = strstr(came->title, " after a power cut") != NULL;

	*ret = NULL;
	for (;;) {
		GPtrArray *small = NULL;
		gboolean same;

		if (!oracle_reduce(o, lines, came, anew, &small, error))
			return FALSE;
		if (!confirm(o, small, came, &same, error)) {
			g_ptr_array_unref(small);
			return FALSE;
		}
		if (same) {
			*ret = small;
			return TRUE;
		}
		g_ptr_array_unref(small);
		if (anew || !o->go_on || time_is_up(o))
			return TRUE;
		anew = TRUE;
	}
}

static gboolean look_into(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came, GError **error)
{
	GPtrArray *small;

	if (g_hash_table_contains(o->known, came->title)) {
		note(o, json_pack("{s:s, s:s}", "event", "oracle again", "title", came->title));
		leave_out(o, came);
		return TRUE;
	}
	g_hash_table_add(o->known, g_strdup(came->title));
	say(o, "found: %s", came->title);
	if (!make_small(o, lines, came, &small, error))
		return FALSE;
	if (!small)
		unconfirmed(o, lines, came);
	keep_list(o, small ? small : lines, came->title);
	if (small)
		g_ptr_array_unref(small);
	leave_out(o, came);
	return TRUE;
}

/* ---- features ------------------------------------------------------------------------------------- */

static gboolean is_refusal(int err)
{
	static const int refusals[] = { EOPNOTSUPP, ENOSYS, ENOTTY, EINVAL, EPERM, ENODEV, EISDIR, EXDEV, EFBIG };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(refusals); i++)
		if (err == refusals[i])
			return TRUE;
	return FALSE;
}

static void skip_shapes(struct oracle *o, const struct oracle_feature *feature)
{
	g_auto(GStrv) shapes = g_strsplit(feature->shapes, ",", -1);
	guint i;

	for (i = 0; shapes[i]; i++)
		if (*shapes[i])
			g_ptr_array_add(o->skip, g_strdup(shapes[i]));
}

static void missing(struct oracle *o, const struct oracle_feature *feature, const char *answer)
{
	skip_shapes(o, feature);
	note(o, json_pack("{s:s, s:s, s:s}", "event", "oracle missing", "feature", feature->name, "answer", answer));
}

static gboolean is_declared(const struct oracle *o, const char *name)
{
	char **list = o->run->req->target->unsupported;

	return list && g_strv_contains((const char *const *)list, name);
}

static gboolean try_feature(struct oracle *o, const struct oracle_feature *feature, GError **error)
{
	g_autoptr(GPtrArray) lines = oracle_lines(feature->program);
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };

	if (is_declared(o, feature->name)) {
		missing(o, feature, "declared");
		return TRUE;
	}
	if (!oracle_quick(o, lines, ORACLE_TRY, &came, error))
		return FALSE;
	if (came.end == ORACLE_SAME || came.end == ORACLE_NOT_DONE)
		return TRUE;
	if (came.errs[0] && !came.errs[1] && is_refusal(came.errs[0]) && came.at + 1 == lines->len) {
		missing(o, feature, g_strerror(came.errs[0]));
		return TRUE;
	}
	/* The reference has not: nothing to compare with. */
	if (!came.errs[0] && came.errs[1] && is_refusal(came.errs[1])) {
		skip_shapes(o, feature);
		return TRUE;
	}
	if (came.end == ORACLE_FULL)
		return TRUE;
	/* What the uses before it have broken is not this one's: rounds will find it. */
	oracle_came_clear(&came);
	if (!oracle_program(o, lines, ORACLE_TRY, &came, error))
		return FALSE;
	return came.end != ORACLE_DIFFERS || look_into(o, lines, &came, error);
}

static gboolean try_features(struct oracle *o, GError **error)
{
	guint i;

	for (i = 0; oracle_features[i].name && o->go_on && !time_is_up(o); i++)
		if (!try_feature(o, &oracle_features[i], error))
			return FALSE;
	return TRUE;
}

/* ---- programs --------------------------------------------------------------------------------------- */

static gboolean one_program(struct oracle *o, const struct oracle_wish *wish, guint *failures, GError **error)
{
	g_autoptr(GPtrArray) lines = oracle_generate(wish);
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	gboolean home;

	if (!o->has_reference && !oracle_home(o, &home, error))
		return FALSE;
	if (!o->go_on)
		return TRUE;
	if (!oracle_program(o, lines, ORACLE_TRY, &came, error))
		return FALSE;
	*failures = came.end == ORACLE_NOT_DONE ? *failures + 1 : 0;
	o->full += came.end == ORACLE_FULL;
	if (came.end == ORACLE_FULL)
		journal_log(o->run->journal, "not comparable any further: %s", came.title);
	if (came.end != ORACLE_DIFFERS)
		return TRUE;
	return look_into(o, lines, &came, error);
}

static struct oracle_wish wish(const struct oracle *o, const char *what, guint i)
{
	const guint64 seed = run_seed(o->run, what, i);

	return (struct oracle_wish){
		.seed = seed, .profile = (enum oracle_profile)(i % ORACLE_PROFILES), .operations = o->args->operations,
		.device_mib = o->run->req->target->device_mib, .remount = !o->no_remount, .caches = !o->no_caches,
	};
}

static gboolean rounds(struct oracle *o, GError **error)
{
	guint i, failures = 0;

	for (i = 0; i < o->args->rounds && o->go_on && failures < FAILURES_MAX && !time_is_up(o); i++) {
		struct oracle_wish w = wish(o, "oracle", i);
		g_autofree char *text = g_strdup_printf("round %u of %u: %" G_GUINT64_FORMAT " operations, %u differences", i + 1,
							o->args->rounds, o->operations, g_hash_table_size(o->known));

		o->run->req->progress.tick(o->run->req->progress.ctx, text, i, o->args->rounds);
		if (!one_program(o, &w, &failures, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean power_cuts(struct oracle *o, GError **error)
{
	guint i, failures = 0;

	for (i = 0; i < o->args->power_cuts && o->go_on && failures < FAILURES_MAX && !o->no_power_cut && !o->cannot_cut &&
	     !time_is_up(o); i++) {
		struct oracle_wish w = wish(o, "oracle power", i);

		/* What matters is what was done since the last fsync: few operations, of all kinds of length. */
		w.operations = 5 + (guint)(w.seed % MAX(o->args->operations / 2, 5));
		w.profile = i % 3 == 2 ? ORACLE_MIXED : ORACLE_SYNC;
		w.power_cut = TRUE;
		w.remount = w.caches = FALSE;
		if (!one_program(o, &w, &failures, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean free_space(struct oracle *o, GError **error)
{
	static const enum oracle_profile profiles[] = { ORACLE_MIXED, ORACLE_WIDE };
	guint i, failures = 0;

	for (i = 0; i < G_N_ELEMENTS(profiles) && o->go_on && !o->no_space && !o->no_remount && !time_is_up(o); i++) {
		struct oracle_wish w = wish(o, "oracle space", i);

		w.profile = profiles[i];
		w.space = TRUE;
		w.remount = w.caches = FALSE;
		if (!one_program(o, &w, &failures, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- odd devices ---------------------------------------------------------------------------------------- */

/* Bytes less than the device has, bytes of a block. */
static const struct {
	gint64 less;
	guint block;
	const char *name;
} shapes[] = {
	{ SECTOR, SECTOR, "a device of one sector less" },
	{ 3 * 4096 + SECTOR, SECTOR, "a device of an odd number of sectors" },
	{ 1024, 1024, "a device with blocks of 1024 bytes" },
	{ 4096, 4096, "a device with blocks of 4096 bytes" },
};

static gboolean loop_step(struct oracle *o, const char *what, const gint64 *num, gboolean *ok, char **node, GError **error)
{
	const char *strings[] = { what, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_LOOP, .kind = "other", .name = "loop device", .strings = strings, .may_fail = TRUE,
		.num = { num[0], num[1], num[2], num[3] },
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(o->run, &spec, &outcome, &res, error))
		return FALSE;
	*ok = outcome == STEP_OK;
	if (*ok && node)
		*node = g_strndup(res.output, strcspn(res.output, "\n"));
	return TRUE;
}

/* What mkfs or mount refuses there is refused, and told; what they accept must work. */
static gboolean on_odd_device(struct oracle *o, guint i, const GPtrArray *lines, GError **error)
{
	const gint64 bytes = (gint64)o->run->req->target->device_mib << 20;
	const gint64 on[4] = { 0, bytes - shapes[i].less, shapes[i].block }, off[4] = { 1 };
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	g_autofree char *node = NULL, *whole = g_strdup(o->run->device);
	gboolean ok, local_ok;

	if (!loop_step(o, whole, on, &ok, &node, error) || !ok)
		return ok ? FALSE : TRUE;
	g_free(o->run->device);
	o->run->device = g_strdup(node);
	local_ok = oracle_program(o, lines, ORACLE_TRY, &came, error);
	if (local_ok && came.end == ORACLE_DIFFERS && came.class == FINDING_WRONG_RESULT &&
	    g_str_has_prefix(came.title, "mount failed"))
		note(o, json_pack("{s:s, s:s, s:s}", "event", "oracle missing", "feature", shapes[i].name, "answer", came.title));
	else if (local_ok && came.end == ORACLE_DIFFERS)
		unconfirmed(o, lines, &came), g_hash_table_add(o->known, g_strdup(came.title));
	local_ok = local_ok && (!o->go_on || oracle_unmount(o, error));
	if (local_ok && o->go_on && came.end != ORACLE_NOT_DONE)
		local_ok = loop_step(o, node, off, &ok, NULL, error);
	g_free(o->run->device);
	o->run->device = g_steal_pointer(&whole);
	return local_ok;
}

static gboolean odd_devices(struct oracle *o, GError **error)
{
	guint i;

	for (i = 0; o->args->geometry && i < G_N_ELEMENTS(shapes) && o->go_on && o->loop && !time_is_up(o); i++) {
		struct oracle_wish w = wish(o, "oracle device", i);
		g_autoptr(GPtrArray) lines = NULL;
		gboolean home;

		w.profile = ORACLE_MIXED;
		lines = oracle_generate(&w);
		if (!o->has_reference && !oracle_home(o, &home, error))
			return FALSE;
		if (o->go_on && (!oracle_unmount(o, error) || !on_odd_device(o, i, lines, error)))
			return FALSE;
	}
	return TRUE;
}

/* ---- a list of the user's -------------------------------------------------------------------------------- */

static gboolean read_list(const char *path, GPtrArray **ret, GError **error)
{
	g_autofree char *text = NULL;
	struct orc_list list;
	char why[256];
	gsize len, i;

	if (!g_file_get_contents(path, &text, &len, NULL)) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--arg list=%s: it cannot be read", path);
		return FALSE;
	}
	if (len > LIST_MAX || orc_list_parse(text, len, &list, why, sizeof(why))) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s: %s", path, len > LIST_MAX ? "more than 1 MiB" : why);
		return FALSE;
	}
	*ret = g_ptr_array_new_with_free_func(g_free);
	for (i = 0; i < list.n; i++) {
		char *line = g_malloc(ORC_LINE_MAX);

		orc_op_print(&list.ops[i], line, ORC_LINE_MAX);
		g_ptr_array_add(*ret, line);
	}
	orc_list_free(&list);
	return TRUE;
}

static gboolean do_list(struct oracle *o, GError **error)
{
	ORACLE_CAME_CLEAR struct oracle_came came = { 0 };
	g_autoptr(GPtrArray) lines = NULL;

	if (!read_list(o->args->list, &lines, error) || !oracle_program(o, lines, ORACLE_STEP, &came, error))
		return FALSE;
	say(o, "%u operations: %s", lines->len, came.end == ORACLE_SAME ? o->args->compare ? "the same on both" : "done" :
	    came.end == ORACLE_NOT_DONE ? "not done to the end" : came.title);
	return TRUE;
}

/* ---- the part --------------------------------------------------------------------------------------------- */

static void summary(struct oracle *o)
{
	const char *reference = o->args->compare ? o->reference_type : NULL;
	const double rate = o->agent_s > 0 ? (double)o->operations / o->agent_s : 0;

	note(o, json_pack("{s:s, s:I, s:f, s:i, s:i, s:s, s:b}", "event", "oracle summary", "operations",
			  (json_int_t)o->operations, "per_second", rate, "programs", (int)o->programs, "full", (int)o->full,
			  "reference", reference ? reference : "none", "power_cuts", !o->cannot_cut));
	say(o, "%" G_GUINT64_FORMAT " operations in %u programs, %.0f a second, compared with %s: %u differences",
	    o->operations, o->programs, rate, reference ? reference : "nothing",
	    g_hash_table_size(o->known));
}

static gboolean all(struct oracle *o, GError **error)
{
	gboolean home;

	if (!oracle_home(o, &home, error) || !o->go_on)
		return !o->go_on;
	if (o->args->list)
		return do_list(o, error);
	/* To see what the comparison costs. */
	if (!o->args->compare)
		return rounds(o, error);
	return try_features(o, error) && rounds(o, error) && free_space(o, error) && odd_devices(o, error) &&
	       power_cuts(o, error);
}

/* Unmounted, as it was found, and without the reference; after a power cut it is made whole again. */
static gboolean leave(struct oracle *o, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok, recovered, usable = TRUE;

	o->kind = ORACLE_TRY;
	ok = oracle_unmount(o, &local) && oracle_drop_reference(o, &local) && run_format(o->run, &usable, &local);
	if (!run_survive(o->run, ok, &local, &o->go_on, &recovered, error))
		return FALSE;
	o->go_on = o->go_on && usable;
	if (o->has_point && !session_lost(o->run->session))
		session_point_drop(o->run->session, "oracle", NULL);
	return TRUE;
}

static gboolean oracle_part(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct oracle o = { .run = run, .args = args, .go_on = TRUE, .kind = ORACLE_TRY };
	gboolean ok;

	o.skip = g_ptr_array_new_with_free_func(g_free);
	o.known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (o.args->seconds)
		o.until = g_get_monotonic_time() + (gint64)o.args->seconds * G_USEC_PER_SEC;
	/* What lives in memory keeps nothing over an unmount, and need not. */
	o.no_remount = o.no_power_cut = is_declared(&o, "kept");
	if (o.no_remount)
		note(&o, json_pack("{s:s, s:s, s:s}", "event", "oracle missing", "feature", "kept", "answer", "declared"));
	run->recoveries_more += o.args->rounds + o.args->power_cuts;
	ok = all(&o, error);
	if (ok)
		summary(&o);
	ok = ok && (!o.go_on || leave(&o, error));
	*go_on = *go_on && o.go_on;
	g_hash_table_unref(o.known);
	g_ptr_array_unref(o.skip);
	g_free(o.reference);
	g_free(o.loop);
	return ok;
}

#define FIELD(name) offsetof(struct oracle_args, name)

static const struct yaml_field fields[] = {
	{ .key = "operations", .kind = YAML_UINT, .offset = FIELD(operations), .min = 1, .max = 5000, .help = "of a program" },
	{ .key = "rounds", .kind = YAML_UINT, .offset = FIELD(rounds), .max = 1000000, .help = "programs" },
	{ .key = "power-cuts", .kind = YAML_UINT, .offset = FIELD(power_cuts), .max = 100000, .help = "programs that end in one" },
	{ .key = "tries", .kind = YAML_UINT, .offset = FIELD(tries), .max = 100000, .help = "to make a program smaller" },
	{ .key = "seconds", .kind = YAML_UINT, .offset = FIELD(seconds), .max = 1000000, .unit = "s",
	  .help = "then no further program; 0: no limit" },
	{ .key = "geometry", .kind = YAML_BOOL, .offset = FIELD(geometry), .help = "devices of odd sizes and blocks, too" },
	{ .key = "compare", .kind = YAML_BOOL, .offset = FIELD(compare), .help = "with the reference; no: the operations alone, for their speed" },
	{ .key = "list", .kind = YAML_STRING, .offset = FIELD(list), .min = 1, .help = "a file of operations: only these" },
	{ NULL },
};

static const struct oracle_args defaults = {
	.operations = 300, .rounds = 24, .power_cuts = 6, .tries = 150, .geometry = TRUE, .compare = TRUE,
};

const struct part part_oracle = {
	.name = "oracle",
	.description = "the same operations on it and on a reference filesystem: results, trees, power cuts",
	.fields = fields,
	.defaults = &defaults,
	.size = sizeof(struct oracle_args),
	.run = oracle_part,
};
