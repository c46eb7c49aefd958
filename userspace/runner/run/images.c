// SPDX-License-Identifier: GPL-2.0
/*
 * images: a sound image is damaged where it matters, mounted, used if that works, unmounted; again and again, each time
 * from the sound one. That the mount fails is as good as that it works: a crash, a hang, a warning are found by those who
 * look for them. Each try is a step (VX_STEP_IMAGE_TRY) with its changes in it, so it can be replayed by itself.
 */
#include <string.h>

#include "error.h"
#include "images_image.h"
#include "part.h"

#define ENTRIES		8	/* of a survivor that are used: what is worth it is mostly met with the first */
#define ENTRIES_MORE	30
#define MORE_EACH	4u	/* so many-th try has these */
#define PAIR_EACH	8u	/* so many-th damage is two at once */
#define FIELD_EACH	4u	/* of so many, one is in sectors even where a format is described */
#define DRAWS		4096u	/* a try's own numbers */
#define NO_DAMAGE_MAX	64u	/* in a row: there is nothing to damage */

struct args {
	char *format;
	guint tries, deadline_ms, same;
};

struct sweep {
	struct run *run;
	const struct args *args;
	struct image image;
	struct image_format *format;	/* NULL: none is described */
	guint *order;			/* of fields, shuffled */
	guint64 draws;			/* of the try under way, so far */
	guint try, fields_done, sizes_done;
	gboolean go_on;
	GHashTable *groups, *titles;	/* char * -> how often it crashed */
	guint refused, used, crashed, skipped, left_mounted;
	gint64 began_us, tries_us;	/* tries: without what recovering took */
};

/* ---- chance ------------------------------------------------------------------------------------- */

static guint64 next_draw(void *ctx, guint64 below)
{
	struct sweep *s = ctx;

	return run_seed(s->run, "images", (guint64)s->try * DRAWS + s->draws++ % DRAWS) % below;
}

static void shuffle(struct sweep *s)
{
	guint i;

	s->order = g_new0(guint, s->format->nfields);
	for (i = 0; i < s->format->nfields; i++) {
		const guint j = (guint)(run_seed(s->run, "images order", i) % (i + 1));

		s->order[i] = s->order[j];
		s->order[j] = i;
	}
}

static guint count_of(GHashTable *table, const char *key)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(table, key));
}

static guint count_up(GHashTable *table, const char *key)
{
	const guint n = count_of(table, key) + 1;

	g_hash_table_replace(table, g_strdup(key), GUINT_TO_POINTER(n));
	return n;
}

/* ---- what next ----------------------------------------------------------------------------------- */

/* Each field in turn, each time with another kind of value; those that have crashed often enough are left out. */
static struct image_damage *next_field(struct sweep *s)
{
	const struct image_chance chance = { .draw = next_draw, .ctx = s };
	const struct image_reader reader = image_reader(&s->image);
	const guint n = s->format->nfields;
	struct image_damage *damage;
	guint i;

	for (i = 0; i < n; i++) {
		const guint field = s->order[s->fields_done % n], turn = s->fields_done / n;

		s->fields_done++;
		if (count_of(s->groups, s->format->fields[field].name) >= s->args->same) {
			s->skipped++;
			continue;
		}
		/* Not all fields begin with the same kind of value: a short sweep has some of each. */
		damage = image_damage_field(s->format, field, turn + field, &reader, &chance);
		if (damage)
			return damage;
	}
	return NULL;
}

static struct image_damage *next_single(struct sweep *s)
{
	const struct image_chance chance = { .draw = next_draw, .ctx = s };
	const struct image_reader reader = image_reader(&s->image);
	struct image_damage *damage = NULL;

	if (s->format && s->try % FIELD_EACH)
		damage = next_field(s);
	return damage ? damage : image_damage_sector(s->image.reads, s->image.nreads, &reader, &chance);
}

static struct image_damage *next_damage(struct sweep *s)
{
	VX_GUARD(image_damage_free) struct image_damage *a = NULL, *b = NULL;
	struct image_damage *ret;

	s->draws = 0;
	if (s->try % 3 == 0 && (ret = image_damage_size(s->sizes_done, s->image.size))) {
		s->sizes_done++;
		return ret;
	}
	a = next_single(s);
	if (!a || s->try % PAIR_EACH != PAIR_EACH - 1) {
		ret = a;
		a = NULL;
		return ret;
	}
	b = next_single(s);
	if (b)
		return image_damage_both(a, b);
	ret = a;
	a = NULL;
	return ret;
}

/* ---- a try --------------------------------------------------------------------------------------- */

static void note_answer(struct sweep *s, const struct vx_msg_step *msg, enum step_outcome outcome)
{
	s->refused += outcome == STEP_OK && msg->value == VX_IMAGE_REFUSED;
	s->used += outcome == STEP_OK && msg->value == VX_IMAGE_USED;
	s->left_mounted += outcome == STEP_FAILED && msg->err == -EBUSY;
}

static gboolean try_step(struct sweep *s, const struct image_damage *damage, struct vx_msg_step *msg,
			 enum step_outcome *outcome, GError **error)
{
	g_autofree char *name = g_strdup_printf("image, %s", damage->group);
	g_autoptr(GPtrArray) strings = g_ptr_array_new();
	const struct target *target = s->run->req->target;
	const char *options = s->run->req->mount_options ? s->run->req->mount_options : target->mount_options;
	struct step_spec spec = {
		.op = VX_STEP_IMAGE_TRY, .kind = "image", .on_target = TRUE, .name = name, .may_fail = TRUE,
		.num = { (gint64)damage->size, s->try % MORE_EACH ? ENTRIES : ENTRIES_MORE }, .deadline_ms = s->args->deadline_ms,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	guint i;

	g_ptr_array_add(strings, s->run->mountpoint);
	g_ptr_array_add(strings, s->run->fstype);
	g_ptr_array_add(strings, (char *)(options ? options : ""));
	g_ptr_array_add(strings, damage->label);
	for (i = 0; i < damage->patches->len; i++)
		g_ptr_array_add(strings, g_ptr_array_index(damage->patches, i));
	g_ptr_array_add(strings, NULL);
	spec.strings = (const char *const *)strings->pdata;
	if (!run_step(s->run, &spec, outcome, &res, error))
		return FALSE;
	*msg = res.msg;
	return TRUE;
}

/* What it was that made the guest unfit; NULL: nothing was found, it is just lost. */
static const struct finding *hurt_since(const struct run *run, guint from)
{
	const GPtrArray *findings = journal_findings(run->journal);
	const struct finding *ret = NULL;
	guint i;

	for (i = from; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (finding_hurts(finding) || (!ret && finding_class_is_crash(finding->class)))
			ret = finding;
	}
	return ret;
}

static void note_crash(struct sweep *s, const struct image_damage *damage, const struct finding *finding)
{
	const char *title = finding ? finding->title : "the guest is lost";
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "image crashed", "damage", damage->label, "what",
				 damage->group, "title", title, "step", (json_int_t)s->run->next_step);
	g_autofree char *text = g_strdup_printf("%s: %s", damage->label, title);
	const guint seen = count_up(s->titles, title);

	s->crashed++;
	count_up(s->groups, damage->group);
	/* The same crash by yet another field is no news: that field is done with. */
	while (seen > s->args->same && count_of(s->groups, damage->group) < s->args->same)
		count_up(s->groups, damage->group);
	s->run->req->progress.say(s->run->req->progress.ctx, text);
	journal_log(s->run->journal, "%s", text);
	journal_json(s->run->journal, VX_REC_VM, json);
}

/* *crashed: by this damage. The guest is sound again, or *go_on of the sweep is FALSE. */
static gboolean one_try(struct sweep *s, const struct image_damage *damage, gboolean *crashed, GError **error)
{
	const guint from = journal_findings(s->run->journal)->len;
	const gint64 began_us = g_get_monotonic_time();
	enum step_outcome outcome = STEP_STUCK;
	g_autoptr(GError) local = NULL;
	const struct finding *finding;
	struct vx_msg_step msg = { 0 };
	gboolean ok, recovered;

	ok = try_step(s, damage, &msg, &outcome, &local);
	note_answer(s, &msg, outcome);
	if (!ok || outcome != STEP_OK)
		run_settle(s->run);
	s->tries_us += g_get_monotonic_time() - began_us;
	finding = hurt_since(s->run, from);
	*crashed = finding || (!ok && g_error_matches(local, SESSION_ERROR, SESSION_LOST));
	if (*crashed)
		note_crash(s, damage, finding);
	if (!run_survive(s->run, ok, &local, &s->go_on, &recovered, error))
		return FALSE;
	if (!recovered && s->go_on && ok && outcome != STEP_OK) {
		image_forget(&s->image);
		return run_put_back(s->run, "a damaged image cannot be unmounted", &s->go_on, error);
	}
	if (recovered)
		image_forget(&s->image);
	return TRUE;
}

/* ---- the sweep ------------------------------------------------------------------------------------ */

/* There is an image, and it is known what of it is read. */
static gboolean have_image(struct sweep *s, GError **error)
{
	VX_GUARD(image_damage_free) struct image_damage *none = NULL;
	g_autoptr(GError) local = NULL;
	gboolean usable = TRUE, recovered, crashed, ok;

	if (s->image.ready)
		return TRUE;
	ok = image_make(&s->image, &usable, &local);
	if (!run_survive(s->run, ok, &local, &s->go_on, &recovered, error))
		return FALSE;
	s->go_on = s->go_on && usable && !recovered;
	if (!s->go_on || s->image.nreads)
		return TRUE;
	none = image_damage_size(0, s->image.size);
	none->size = 0;
	g_free(none->group);
	g_free(none->label);
	none->group = g_strdup("none");
	none->label = g_strdup("none");
	if (!one_try(s, none, &crashed, error))
		return FALSE;
	if (crashed || !s->go_on || !s->image.ready)
		s->go_on = FALSE;
	return !s->go_on || image_learn(&s->image, error);
}

/* Of two changes one may do alone. */
static gboolean reduce(struct sweep *s, const struct image_damage *damage, GError **error)
{
	gboolean crashed = FALSE;
	guint i;

	for (i = 0; i < damage->patches->len && !crashed && s->go_on; i++) {
		struct image_damage single = *damage;
		const char *patch = g_ptr_array_index(damage->patches, i);

		/* A checksum goes with the change before it. */
		if (g_str_has_prefix(patch, "crc32c"))
			continue;
		if (!have_image(s, error))
			return FALSE;
		single.patches = g_ptr_array_new();
		g_ptr_array_add(single.patches, (char *)patch);
		if (i + 1 < damage->patches->len && g_str_has_prefix(g_ptr_array_index(damage->patches, i + 1), "crc32c"))
			g_ptr_array_add(single.patches, g_ptr_array_index(damage->patches, i + 1));
		single.group = "one of two";
		if (s->go_on && !one_try(s, &single, &crashed, error)) {
			g_ptr_array_unref(single.patches);
			return FALSE;
		}
		g_ptr_array_unref(single.patches);
	}
	return TRUE;
}

static gboolean next_try(struct sweep *s, guint *nothing, GError **error)
{
	VX_GUARD(image_damage_free) struct image_damage *damage = NULL;
	g_autofree char *text = NULL;
	gboolean crashed;

	if (!have_image(s, error) || !s->go_on)
		return !s->go_on;
	damage = next_damage(s);
	s->try++;
	*nothing = damage ? 0 : *nothing + 1;
	if (!damage)
		return TRUE;
	text = g_strdup_printf("image %u of %u, %s", s->try, s->args->tries, damage->group);
	s->run->req->progress.tick(s->run->req->progress.ctx, text, s->try, s->args->tries);
	if (!one_try(s, damage, &crashed, error))
		return FALSE;
	if (crashed && s->go_on && !strcmp(damage->group, "two at once"))
		return reduce(s, damage, error);
	return TRUE;
}

static void tell(struct sweep *s)
{
	const guint done = s->refused + s->used + s->crashed;
	const double rate = s->tries_us ? done * 1e6 / (double)s->tries_us : 0;
	g_autofree char *text =
		g_strdup_printf("%u damaged images: %u refused by mount, %u mounted and used, %u crashed; %.1f a second%s",
				done, s->refused, s->used, s->crashed, rate,
				s->format ? "" : "; no format is described, so only in what mount reads");
	json_t *json = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:b}", "event", "images", "tries", (int)done,
				 "refused", (int)s->refused, "used", (int)s->used, "crashed", (int)s->crashed,
				 "skipped", (int)s->skipped, "not_unmounted", (int)s->left_mounted, "per_second", rate, "format", s->format != NULL);

	s->run->req->progress.say(s->run->req->progress.ctx, text);
	journal_log(s->run->journal, "%s", text);
	journal_json(s->run->journal, VX_REC_VM, json);
}

static gboolean all_tries(struct sweep *s, GError **error)
{
	enum step_outcome outcome;
	guint nothing = 0;

	while (s->try < s->args->tries && s->go_on && nothing < NO_DAMAGE_MAX)
		if (!next_try(s, &nothing, error))
			return FALSE;
	tell(s);
	return !s->go_on || !s->image.ready ||
	       image_hold(s->run, "give the device back", VX_IMAGE_CLOSE, 0, 0, &outcome, NULL, error);
}

static gboolean load_format(struct sweep *s, GError **error)
{
	const char *path = s->args->format ? s->args->format : s->run->req->target->image_format;

	if (!path)
		return TRUE;
	s->format = image_format_load(path, error);
	if (s->format)
		shuffle(s);
	return s->format != NULL;
}

static gboolean images(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	struct sweep s = { .run = run, .args = args, .go_on = *go_on };
	gboolean ok;

	image_init(&s.image, run);
	s.groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	s.titles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	run->recoveries_more += 2 * s.args->tries;
	ok = load_format(&s, error) && all_tries(&s, error);
	*go_on = s.go_on;
	image_clear(&s.image);
	image_format_free(s.format);
	g_free(s.order);
	g_hash_table_unref(s.groups);
	g_hash_table_unref(s.titles);
	return ok;
}

#define FIELD(key_, kind_, member, ...) \
	{ .key = key_, .kind = kind_, .offset = offsetof(struct args, member), __VA_ARGS__ }

static const struct yaml_field fields[] = {
	FIELD("tries", YAML_UINT, tries, .min = 1, .max = 1000000, .help = "damaged images"),
	FIELD("deadline_ms", YAML_UINT, deadline_ms, .min = 100, .max = 600000, .unit = "ms",
	      .help = "of one: mount, use, umount"),
	FIELD("same", YAML_UINT, same, .min = 1, .max = 1000,
	      .help = "crashes by one field, after which it is left out"),
	FIELD("format", YAML_STRING, format, .min = 1, .max = 1024, .help = "file that describes the format, instead of the target's"),
	{ 0 },
};

static const struct args defaults = { .tries = 300, .deadline_ms = 20000, .same = 2 };

const struct part part_images = {
	.name = "images",
	.description = "damaged images: each is mounted, used if that works, and unmounted",
	.fields = fields,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.run = images,
};
