// SPDX-License-Identifier: GPL-2.0
/*
 * Points of a run. A point is the guest's memory in a file of libvirt's, and
 * the layers of the scratch disk as they were: nobody writes to them any more,
 * each guest that starts from the point gets an empty layer on top.
 *
 * Going back in a tenth of a second: while one guest runs, another QEMU has
 * loaded the latest point and waits, under a name of its own. It is made in a
 * thread, which alone touches its VM and its point's image until it is joined.
 */
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "disk.h"
#include "error.h"
#include "fsutil.h"
#include "save_image.h"
#include "session_priv.h"
#include "warm.h"

#define NAME_MAX_LEN	32
#define LAYERS_MAX	32	/* below one guest's disk: QEMU reads through all of them */
#define LAST_WORDS	64	/* turns of the main loop */

struct layer {
	char *path;
	struct layer *below;
	guint refs, depth;
};

struct point {
	char *name;
	char *image;			/* NULL: "ready", of which the cache has the original */
	GArray *ranges;			/* of it, summed up; NULL: not yet */
	guint32 sum;
	struct layer *disk;		/* NULL: an empty one */
};

/* A VM with what it borrows. */
struct seat {
	struct vm_config config;
	struct vm_disk disks[SESSION_DISKS];
	struct layer *disk;
	struct vm *vm;			/* while it stands by */
};

struct standby {
	const struct vm_driver *driver;
	struct point *point;
	struct seat *seat;		/* NULL: only the image is looked at */
	char *original;			/* to be copied to the image first; NULL: nothing */
	GThread *thread;		/* NULL: joined */
	gboolean up;
	GError *error;
};

struct points {
	struct session *s;
	GPtrArray *all;			/* struct point, oldest first */
	struct seat *seat;		/* of the current VM; NULL: the session's own */
	struct layer *disk;		/* the current VM's */
	struct standby *standby;
	char *ready_state;		/* in the cache, once it was found good; others may remove it */
	GQueue names;			/* of files that were removed: to be used again */
	guint files, starts;
};

/* ---- files: all die with the run directory, whoever kills us ------------------------- */

static char *file_new(struct points *p, GError **error)
{
	struct session *s = p->s;
	g_autofree char *dir = g_path_get_dirname(s->scratch), *name = NULL, *path = NULL;

	if (!g_queue_is_empty(&p->names))
		return g_queue_pop_head(&p->names);
	name = g_strdup_printf("%s-%u", rundir_id(s->config.rundir), p->files++);
	path = g_build_filename(dir, name, NULL);
	return rundir_add_scratch(s->config.rundir, path, error) ? g_steal_pointer(&path) : NULL;
}

static void file_remove(struct points *p, char *path)
{
	if (!path)
		return;
	unlink(path);
	g_queue_push_tail(&p->names, path);
}

static void layer_unref(struct points *p, struct layer *layer)
{
	while (layer && !--layer->refs) {
		struct layer *below = layer->below;

		file_remove(p, layer->path);
		g_free(layer);
		layer = below;
	}
}

static struct layer *layer_ref(struct layer *layer)
{
	if (layer)
		layer->refs++;
	return layer;
}

/* `below` NULL: an empty disk as a ready state knows it. */
static struct layer *layer_new(struct points *p, struct layer *below, GError **error)
{
	struct layer *layer;
	char *path;

	if (below && below->depth >= LAYERS_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "%u points have been made one upon another: go back to an older one first", LAYERS_MAX);
		return NULL;
	}
	path = file_new(p, error);
	if (!path)
		return NULL;
	if (!(below ? disk_create_overlay(path, p->s->config.scratch_mib * MIB, below->path, RESERVE, error) :
		      session_new_disk(p->s, path, error))) {
		file_remove(p, path);
		return NULL;
	}
	layer = g_new0(struct layer, 1);
	*layer = (struct layer){ path, layer_ref(below), 1, below ? below->depth + 1 : 0 };
	return layer;
}

/* ---- points --------------------------------------------------------------------------- */

static struct point *point_new(struct points *p, const char *name)
{
	struct point *point = g_new0(struct point, 1);

	point->name = g_strdup(name);
	g_ptr_array_add(p->all, point);
	return point;
}

static void point_free(struct points *p, struct point *point)
{
	file_remove(p, point->image);
	g_clear_pointer(&point->ranges, g_array_unref);
	layer_unref(p, point->disk);
	g_free(point->name);
	g_free(point);
}

static struct point *find(struct points *p, const char *name)
{
	guint i;

	for (i = 0; i < p->all->len; i++)
		if (!strcmp(((struct point *)p->all->pdata[i])->name, name))
			return p->all->pdata[i];
	return NULL;
}

static void forget(struct points *p, struct point *point)
{
	if (point && g_ptr_array_remove(p->all, point))
		point_free(p, point);
}

/* Is the image still what it was? The first time, it is summed up. */
static gboolean check_image(struct point *point, GError **error)
{
	g_autoptr(GArray) ranges = point->ranges ? g_array_ref(point->ranges) :
				   digest_ranges(point->image, SAVE_IMAGE_HEAD, error);
	g_autoptr(GArray) read = NULL;
	guint32 sum;

	read = ranges ? digest_file(point->image, ranges, &sum, error) : NULL;
	if (!read) {
		g_prefix_error(error, "the point \"%s\" is damaged: ", point->name);
		return FALSE;
	}
	if (!point->ranges) {
		point->ranges = g_steal_pointer(&ranges);
		point->sum = sum;
	}
	if (sum == point->sum)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "the point \"%s\" is damaged: its checksum is wrong", point->name);
	return FALSE;
}

static struct points *points_of(struct session *s, GError **error)
{
	struct points *p = s->points;

	if (s->config.ssh) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "a guest that is reached by SSH has no points: only its owner can put it back");
		return NULL;
	}
	if (p)
		return p;
	p = s->points = g_new0(struct points, 1);
	p->s = s;
	p->all = g_ptr_array_new();
	g_queue_init(&p->names);
	p->disk = g_new0(struct layer, 1);
	*p->disk = (struct layer){ .path = g_strdup(s->scratch), .refs = 1 };
	point_new(p, SESSION_READY);
	return p;
}

/* ---- seats ------------------------------------------------------------------------------- */

/*
 * In turn, so that none is taken before libvirt has noted the end of its last bearer. The session's own name is not
 * among them.
 */
static const char *next_name(struct points *p)
{
	static const char *const names[] = { "vexlab2", "vexlab3", "vexlab4", "vexlab5", "vexlab6", "vexlab7" };

	G_STATIC_ASSERT(sizeof("vexlab2") == sizeof(SESSION_NAME));
	return names[p->starts++ % G_N_ELEMENTS(names)];
}

static struct seat *seat_new(struct points *p, struct layer *below, GError **error)
{
	struct session *s = p->s;
	struct layer *disk = layer_new(p, below, error);
	struct seat *seat;

	if (!disk)
		return NULL;
	seat = g_new0(struct seat, 1);
	seat->config = s->vm_config;
	memcpy(seat->disks, s->disks, sizeof(seat->disks));
	seat->disks[SCRATCH_DISK].path = disk->path;
	seat->config.disks = seat->disks;
	seat->config.name = next_name(p);
	seat->disk = disk;
	return seat;
}

static void seat_free(struct points *p, struct seat *seat)
{
	if (!seat)
		return;
	p->s->config.driver->destroy(seat->vm);
	layer_unref(p, seat->disk);
	g_free(seat);
}

/* The current VM's place is free: its VM has been destroyed. */
static void leave_seat(struct points *p)
{
	layer_unref(p, p->disk);
	if (p->seat)
		p->seat->disk = NULL;
	seat_free(p, p->seat);
	p->seat = NULL;
	p->disk = NULL;
}

/* `seat` NULL: the session's own, on `disk`. */
static void take_seat(struct points *p, struct seat *seat, struct layer *disk)
{
	p->seat = seat;
	p->disk = seat ? seat->disk : disk;
	p->s->vm = seat ? g_steal_pointer(&seat->vm) : p->s->vm;
}

/* ---- the one that stands by ---------------------------------------------------------------- */

static gpointer stand_by(gpointer data)
{
	struct standby *sb = data;

	if (sb->original && !fs_copy_sparse(sb->original, sb->point->image, &sb->error))
		return NULL;
	if (check_image(sb->point, &sb->error) && sb->seat)
		sb->up = sb->driver->standby(sb->seat->vm, sb->point->image, &sb->error);
	return NULL;
}

static void join(struct points *p)
{
	if (p->standby && p->standby->thread)
		g_thread_join(g_steal_pointer(&p->standby->thread));
}

static void dismiss(struct points *p)
{
	struct standby *sb = p->standby;

	if (!sb)
		return;
	join(p);
	/* An image that could not be copied. */
	if (sb->original && !sb->point->ranges)
		file_remove(p, g_steal_pointer(&sb->point->image));
	seat_free(p, sb->seat);
	g_clear_error(&sb->error);
	g_free(sb->original);
	g_free(sb);
	p->standby = NULL;
}

/* Two at a time: not where they would want the same port, and not where the files are another's. */
static gboolean may_stand_by(const struct session *s)
{
	return !s->config.no_standby && !s->config.ssh_port && !s->config.uri && s->config.driver->standby;
}

/* What fails here only costs time when it is wanted. */
static void arm(struct points *p, struct point *point)
{
	struct standby *sb = g_new0(struct standby, 1);

	sb->driver = p->s->config.driver;
	sb->point = point;
	p->standby = sb;
	/* The ready state's file in the cache is not ours to change. */
	if (!point->image && may_stand_by(p->s) && p->ready_state && (point->image = file_new(p, NULL)))
		sb->original = g_strdup(p->ready_state);
	if (!point->image)
		return;
	if (may_stand_by(p->s) && (sb->seat = seat_new(p, point->disk, NULL)))
		sb->seat->vm = session_new_vm(p->s, &sb->seat->config, NULL);
	if (sb->seat && !sb->seat->vm)
		seat_free(p, g_steal_pointer(&sb->seat));
	sb->thread = g_thread_new("standby", stand_by, sb);
}

/* ---- making a point ------------------------------------------------------------------------ */

static void note(struct session *s, const char *event, const char *name, gint64 began, const char *how)
{
	json_t *json = json_pack("{s:s, s:s}", "event", event, "name", name);

	if (began)
		json_object_set_new(json, "ms", json_real((double)(g_get_monotonic_time() - began) / 1000));
	if (how) {
		json_object_set_new(json, "how", json_string(how));
		json_object_set_new(json, "clock_off_ms", json_real(s->clock_off_ms));
	}
	s->sink.note(s->sink.ctx, json);
}

static gboolean good_name(const char *name, GError **error)
{
	if (*name && strlen(name) <= NAME_MAX_LEN && strcmp(name, SESSION_READY) &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "\"%s\" cannot name a point", name);
	return FALSE;
}

/* Starts from the image in a new place; the old one has been left. */
static gboolean start_from(struct points *p, struct point *point, GError **error)
{
	struct session *s = p->s;
	struct seat *seat = seat_new(p, point->disk, error);

	if (seat)
		seat->vm = session_new_vm(s, &seat->config, error);
	if (!seat || !seat->vm || !s->config.driver->restore(seat->vm, point->image, error)) {
		seat_free(p, seat);
		return FALSE;
	}
	take_seat(p, seat, NULL);
	return TRUE;
}

static gboolean greet(struct session *s, GError **error)
{
	g_clear_pointer(&s->lost, g_free);
	s->last_seen = g_get_monotonic_time();
	return session_greet(s, RESUME_MS, error);
}

static void lose(struct session *s, const char *name, const GError *why)
{
	s->sink.note(s->sink.ctx, json_pack("{s:s, s:s, s:s}", "event", "restore failed", "name", name,
					    "why", why->message));
	if (!s->lost)
		s->lost = g_strdup_printf("it did not come back at the point \"%s\"", name);
}

/* Saves the guest, which ends it. NULL: it may be lost. */
static struct point *save(struct points *p, const char *name, GError **error)
{
	struct session *s = p->s;
	struct point *point;
	char *path;

	if (!fs_need_space(s->config.cachedir, s->vm_config.memory_mib * MIB / 2, error) ||
	    !(path = file_new(p, error)))
		return NULL;
	if (!s->config.driver->save(s->vm, path, error)) {
		session_lose(s, LOSS_SILENT, "it could not be saved");
		file_remove(p, path);
		return NULL;
	}
	s->config.driver->destroy(g_steal_pointer(&s->vm));
	forget(p, find(p, name));
	point = point_new(p, name);
	point->image = path;
	point->disk = layer_ref(p->disk);
	leave_seat(p);
	return point;
}

gboolean session_point_make(struct session *s, const char *name, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	struct points *p = points_of(s, error);
	g_autoptr(GError) local = NULL;
	struct point *point;

	if (!p || !good_name(name, error) || !session_flush(s, error))
		return FALSE;
	dismiss(p);
	point = save(p, name, error);
	if (!point)
		return FALSE;
	if (!start_from(p, point, &local) || !greet(s, &local)) {
		lose(s, name, local);
		forget(p, point);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	note(s, "point made", name, began, NULL);
	arm(p, point);
	return TRUE;
}

/* ---- going back ------------------------------------------------------------------------------ */

/* From the cache, else by booting; under the first name, which that file has. `disk` NULL: it could not be made. */
static const char *start_ready(struct points *p, struct layer *disk, GError **error)
{
	struct session *s = p->s;
	g_autofree char *state = NULL;

	if (!disk)
		return NULL;
	take_seat(p, NULL, disk);
	s->disks[SCRATCH_DISK].path = disk->path;
	if (s->config.memory)
		state = g_strdup(s->config.memory);
	else if (s->ready_key)
		state = warm_find(s->config.cachedir, s->ready_key, NULL);
	if (!state) {
		g_clear_pointer(&s->lost, g_free);
		s->last_seen = g_get_monotonic_time();
		session_link_vm(s);
		return session_boot(s, error) ? "boot" : NULL;
	}
	g_free(p->ready_state);
	p->ready_state = g_strdup(state);
	s->vm = session_new_vm(s, &s->vm_config, error);
	return s->vm && s->config.driver->restore(s->vm, state, error) && greet(s, error) ? "file" : NULL;
}

static gboolean wake(struct points *p, GError **error)
{
	struct standby *sb = p->standby;

	sb->up = FALSE;
	if (!p->s->config.driver->wake(sb->seat->vm, error))
		return FALSE;
	take_seat(p, g_steal_pointer(&sb->seat), NULL);
	return TRUE;
}

struct retired {
	struct vm *vm;
	struct seat *seat;
	struct layer *disk;
};

/* It says its last, and dies while the new one starts. */
static void retire(struct points *p, struct retired *ret)
{
	struct session *s = p->s;

	*ret = (struct retired){ g_steal_pointer(&s->vm), g_steal_pointer(&p->seat), g_steal_pointer(&p->disk) };
	if (ret->vm)
		s->config.driver->kill(ret->vm);
}

static void bury(struct points *p, struct retired *old)
{
	if (old->vm)
		p->s->config.driver->destroy(old->vm);
	if (old->seat)
		old->seat->disk = NULL;
	seat_free(p, old->seat);
	layer_unref(p, old->disk);
}

/* How, or NULL. */
static const char *start_point(struct points *p, struct point *point, struct retired *old, GError **error)
{
	const char *how = NULL;

	if (p->standby && p->standby->up) {
		if (wake(p, NULL))
			return greet(p->s, error) ? "standby" : NULL;
		dismiss(p);
	}
	/* The session's own place, and what only one can have, must be free first. */
	if (!point->image || p->s->config.ssh_port || p->s->config.uri) {
		bury(p, old);
		*old = (struct retired){ 0 };
	}
	if (!point->image)
		return start_ready(p, layer_new(p, NULL, error), error);
	how = start_from(p, point, error) && greet(p->s, error) ? "file" : NULL;
	return how;
}

static gboolean restart(struct points *p, struct point *point, const char **how, GError **error)
{
	struct session *s = p->s;
	struct retired old;
	gboolean ok;

	/* What lies in the sockets is of the guest as it was. */
	for (int i = 0; i < LAST_WORDS && g_main_context_iteration(NULL, FALSE); i++)
		;
	retire(p, &old);
	note(s, "restoring", point->name, 0, NULL);
	*how = start_point(p, point, &old, error);
	ok = *how && (strcmp(point->name, SESSION_READY) || session_size_scratch(s, error));
	bury(p, &old);
	return ok;
}

/* Of "ready" there is another in the cache, or a boot. */
static void drop_copy(struct points *p, struct point *ready)
{
	file_remove(p, g_steal_pointer(&ready->image));
	g_clear_pointer(&ready->ranges, g_array_unref);
}

/* Only what stands by for this point, or nothing, is left. */
static gboolean prepare(struct points *p, struct point *point, GError **error)
{
	g_autoptr(GError) local = NULL;

	join(p);
	if (p->standby && p->standby->point == point && p->standby->up)
		return TRUE;
	if (point->image && !check_image(point, &local) && strcmp(point->name, SESSION_READY)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	dismiss(p);
	if (local)
		drop_copy(p, point);
	return TRUE;
}

gboolean session_point_back(struct session *s, const char *name, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	struct points *p = points_of(s, error);
	g_autoptr(GError) local = NULL;
	const char *how = NULL;
	struct point *point;

	if (!p || g_cancellable_set_error_if_cancelled(s->config.cancellable, error))
		return FALSE;
	point = find(p, name);
	if (!point) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no point \"%s\"", name);
		return FALSE;
	}
	if (!prepare(p, point, error))
		return FALSE;
	if (!restart(p, point, &how, &local)) {
		lose(s, name, local);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	note(s, "restored", name, began, how);
	dismiss(p);
	arm(p, point);
	return TRUE;
}

/* ---- a power cut ------------------------------------------------------------------------------- */

/*
 * What the disk has now, of a size that the guest has not seen: the memory that it wakes up with knows a disk of
 * SCRATCH_MIB, and is told the true size as a change.
 */
static struct layer *disk_as_it_is(struct points *p, struct layer *below, GError **error)
{
	const unsigned int mib = p->s->config.scratch_mib;
	const unsigned int at_first = mib > SCRATCH_MIB ? mib + 1 : SCRATCH_MIB;
	struct layer *layer;
	char *path;

	if (below->depth >= LAYERS_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "the power was cut %u times on one disk: go back to a point first", LAYERS_MAX);
		return NULL;
	}
	path = file_new(p, error);
	if (!path)
		return NULL;
	if (!disk_create_overlay(path, at_first * MIB, below->path, RESERVE, error)) {
		file_remove(p, path);
		return NULL;
	}
	layer = g_new0(struct layer, 1);
	*layer = (struct layer){ path, layer_ref(below), 1, below->depth + 1 };
	return layer;
}

static void note_cut(struct session *s, const char *event, gint64 began, const char *how)
{
	json_t *json = json_pack("{s:s, s:s, s:b}", "event", event, "name", SESSION_READY, "power_cut", TRUE);

	if (how) {
		json_object_set_new(json, "ms", json_real((double)(g_get_monotonic_time() - began) / 1000));
		json_object_set_new(json, "how", json_string(how));
		json_object_set_new(json, "clock_off_ms", json_real(s->clock_off_ms));
	}
	s->sink.note(s->sink.ctx, json);
}

static const char *cut(struct points *p, GError **error)
{
	struct session *s = p->s;
	struct layer *below = layer_ref(p->disk);
	struct retired old;
	const char *how;

	for (int i = 0; i < LAST_WORDS && g_main_context_iteration(NULL, FALSE); i++)
		;
	/* Killed, as the power kills a machine: what QEMU has taken and nobody has flushed may be gone. */
	retire(p, &old);
	note_cut(s, "restoring", 0, NULL);
	/* Nobody may read a disk that another still writes. */
	bury(p, &old);
	how = start_ready(p, disk_as_it_is(p, below, error), error);
	layer_unref(p, below);
	return how && session_size_scratch(s, error) ? how : NULL;
}

gboolean session_power_cut(struct session *s, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	struct points *p = points_of(s, error);
	g_autoptr(GError) local = NULL;
	const char *how;

	if (!p || g_cancellable_set_error_if_cancelled(s->config.cancellable, error))
		return FALSE;
	if (s->config.memory) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "a guest that started from a snapshot has no earlier state to wake up in after a power cut");
		return FALSE;
	}
	how = cut(p, &local);
	if (!how) {
		lose(s, SESSION_READY, local);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	note_cut(s, "restored", began, how);
	return TRUE;
}

/* ---- the rest ----------------------------------------------------------------------------------- */

gboolean session_point_drop(struct session *s, const char *name, GError **error)
{
	struct points *p = points_of(s, error);
	struct point *point;

	if (!p || !good_name(name, error))
		return FALSE;
	point = find(p, name);
	if (!point) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no point \"%s\"", name);
		return FALSE;
	}
	if (p->standby && p->standby->point == point)
		dismiss(p);
	forget(p, point);
	return TRUE;
}

char **session_point_list(struct session *s)
{
	struct points *p = points_of(s, NULL);
	GPtrArray *names = g_ptr_array_new();
	guint i;

	for (i = 0; p && i < p->all->len; i++)
		g_ptr_array_add(names, g_strdup(((struct point *)p->all->pdata[i])->name));
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

gboolean session_point_settle(struct session *s)
{
	if (!s->points)
		return FALSE;
	join(s->points);
	return s->points->standby && s->points->standby->up;
}

void session_points_free(struct points *p)
{
	if (!p)
		return;
	dismiss(p);
	leave_seat(p);
	while (p->all->len)
		point_free(p, g_ptr_array_steal_index(p->all, p->all->len - 1));
	g_ptr_array_unref(p->all);
	g_queue_clear_full(&p->names, g_free);
	g_free(p->ready_state);
	g_free(p);
}
