// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "fsutil.h"
#include "snapshot_priv.h"
#include "store.h"
#include "warm.h"

#define NAME_MAX_LEN	64
#define MOUNTPOINT	"/mnt/target"
#define CLOCK_OFF_MS	1000
#define MIB_BYTES	(G_GUINT64_CONSTANT(1) << 20)

static const char *const points[SNAPSHOT_POINTS] = {
	[SNAPSHOT_BOOTED] = "booted", [SNAPSHOT_LOADED] = "loaded", [SNAPSHOT_FORMATTED] = "formatted",
	[SNAPSHOT_MOUNTED] = "mounted",
};

const char *snapshot_point_name(enum snapshot_point point)
{
	return points[point];
}

enum snapshot_point snapshot_point_parse(const char *name)
{
	guint i;

	for (i = 0; i < SNAPSHOT_POINTS && strcmp(points[i], name); i++)
		;
	return i;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	g_free(s->name);
	g_free(s->target);
	g_free(s->fstype);
	g_free(s->target_file);
	g_free(s->source);
	g_strfreev(s->modules);
	g_free(s->release);
	g_free(s->step);
	g_free(s->stale);
	g_free(s);
}

char *snapshot_dir(const char *cachedir)
{
	return g_build_filename(cachedir, "snapshots", NULL);
}

gboolean snapshot_good_name(const char *name, GError **error)
{
	if (g_ascii_isalnum(*name) && strlen(name) <= NAME_MAX_LEN &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
		    "\"%s\" cannot name a snapshot: letters, digits, '-', '_' and '.', at most %d of them", name, NAME_MAX_LEN);
	return FALSE;
}

/* ---- the machine that a snapshot is for --------------------------------------------------------- */

/* What one guest needs, for as long as it lives. */
struct place {
	struct config config;
	struct target target;		/* of a snapshot: only its size is known */
	struct run_request req;
	struct guest_image *image;
	char *journal;			/* a folder in the run directory */
	struct session_config session;
	struct run run;
};

static void place_clear(struct place *p)
{
	run_clear(&p->run);
	if (p->journal)
		fs_remove_at(AT_FDCWD, p->journal);
	g_free(p->journal);
	guest_free(p->image);
	memset(p, 0, sizeof(*p));
}
#define PLACE_CLEAR __attribute__((cleanup(place_clear)))

/* `snap` NULL: as the request has it. */
static gboolean place_init(struct place *p, const struct run_request *req, struct rundir *rundir,
			   const struct snapshot *snap, GError **error)
{
	g_autofree char *why = NULL;
	enum vm_accel accel = VM_ACCEL_TCG;

	p->config = *req->config;
	p->req = *req;
	p->req.config = &p->config;
	p->run = (struct run){ .req = &p->req, .phase = "setup", .loaded = g_ptr_array_new_with_free_func(g_free) };
	if (snap) {
		p->config.memory_mib = snap->memory_mib;
		p->config.vcpus = snap->vcpus;
		p->target = (struct target){ .name = snap->target, .device_mib = snap->device_mib };
		p->req.target = &p->target;
	}
	p->image = guest_find(req->cachedir, snap ? snap->release : req->kernel_release, error);
	if (!p->image)
		return FALSE;
	if (p->config.acceleration && !req->force_tcg)
		accel = vm_probe_accel(p->image->kernel, req->cachedir, FALSE, &why);
	p->session = run_session_config(&p->req, p->image, rundir, accel);
	/* A journal as any run has; it goes with the run directory. */
	p->journal = g_build_filename(rundir_path(rundir), "journal", NULL);
	return fs_mkdir(p->journal, 0700, error) &&
	       (p->run.journal = journal_open(p->journal, "snapshot", error));
}

/* ---- manifest --------------------------------------------------------------------------------------- */

json_t *snapshot_depends(const struct run *run)
{
	json_t *files = json_array();
	guint i;

	json_array_append_new(files, json_string(run->req->target->path));
	for (i = 0; run->built && i < run->built->nmodules; i++)
		json_array_append_new(files, json_string(run->built->modules[i].path));
	return files;
}

static json_t *loaded_of(const struct run *run)
{
	json_t *names = json_array();
	guint i;

	for (i = 0; i < run->loaded->len; i++)
		json_array_append_new(names, json_string(run->loaded->pdata[i]));
	return names;
}

static char *depends_key(json_t *files, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new();
	json_t *item;
	size_t i;

	json_array_foreach(files, i, item)
		g_ptr_array_add(paths, (void *)(json_string_value(item) ?: ""));
	g_ptr_array_add(paths, NULL);
	return warm_key(NULL, (const char *const *)paths->pdata, error);
}

static json_t *about(const struct place *p, enum snapshot_point point, const char *step, const char *machine,
		     GError **error)
{
	const struct run_request *req = &p->req;
	json_t *files = snapshot_depends(&p->run), *json;
	g_autofree char *key = depends_key(files, error);

	if (!key) {
		json_decref(files);
		return NULL;
	}
	json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:s, s:o, s:s}", "target", req->target->name,
			 "point", points[point], "fstype", p->run.fstype ? p->run.fstype : "", "release",
			 p->image->release, "memory_mib", (int)p->config.memory_mib, "vcpus", (int)p->config.vcpus,
			 "device_mib", (int)req->target->device_mib, "made", (json_int_t)(g_get_real_time() / G_USEC_PER_SEC),
			 "machine", machine, "depends", files, "depends_key", key);
	json_object_set_new(json, "step", json_string(step));
	json_object_set_new(json, "source", json_string(req->source ? req->source : ""));
	json_object_set_new(json, "modules", loaded_of(&p->run));
	return json;
}

static guint64 bytes_of(const char *dir, const char *name)
{
	g_autofree char *memory = g_build_filename(dir, name, "memory", NULL);
	g_autofree char *disk = g_build_filename(dir, name, "disk", NULL);
	const char *const files[] = { memory, disk };
	guint64 bytes = 0;
	struct stat st;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(files); i++)
		bytes += stat(files[i], &st) ? 0 : (guint64)st.st_blocks * 512;
	return bytes;
}

static struct snapshot *unreadable(struct snapshot *s)
{
	static const char *const none[] = { NULL };

	s->target = g_strdup("");
	s->fstype = g_strdup("");
	s->target_file = g_strdup("");
	s->source = g_strdup("");
	s->release = g_strdup("");
	s->step = g_strdup("");
	s->modules = g_strdupv((char **)none);
	s->stale = g_strdup("its manifest cannot be read");
	return s;
}

static char **words_of(const json_t *list)
{
	GPtrArray *words = g_ptr_array_new();
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		g_ptr_array_add(words, g_strdup(json_string_value(json_array_get(list, i)) ?: ""));
	g_ptr_array_add(words, NULL);
	return (char **)g_ptr_array_free(words, FALSE);
}

struct snapshot *snapshot_describe(const char *dir, const char *name, json_t *manifest)
{
	const char *target, *point, *fstype, *release, *step, *source;
	struct snapshot *s = g_new0(struct snapshot, 1);
	json_t *depends, *modules;
	json_int_t made;
	int memory, vcpus, device;

	s->name = g_strdup(name);
	s->bytes = bytes_of(dir, name);
	if (json_unpack(json_object_get(manifest, "about"), "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:I}",
			"target", &target, "point", &point, "fstype", &fstype, "release", &release, "step", &step,
			"source", &source, "depends", &depends, "modules", &modules, "memory_mib", &memory,
			"vcpus", &vcpus, "device_mib", &device, "made", &made) ||
	    snapshot_point_parse(point) == SNAPSHOT_POINTS || memory <= 0 || vcpus <= 0 || device <= 0)
		return unreadable(s);
	s->target = g_strdup(target);
	s->fstype = g_strdup(fstype);
	s->target_file = g_strdup(json_string_value(json_array_get(depends, 0)) ?: "");
	s->source = g_strdup(source);
	s->modules = words_of(modules);
	s->release = g_strdup(release);
	s->step = g_strdup(step);
	s->point = snapshot_point_parse(point);
	s->made = made;
	s->memory_mib = (guint)memory;
	s->vcpus = (guint)vcpus;
	s->device_mib = (guint)device;
	return s;
}

char *snapshot_stale(json_t *manifest, const struct session_config *session)
{
	json_t *of = json_object_get(manifest, "about");
	const char *machine = json_string_value(json_object_get(of, "machine"));
	const char *depends = json_string_value(json_object_get(of, "depends_key"));
	g_autoptr(GError) local = NULL;
	g_autofree char *now = session_key(session, &local), *then = NULL;

	if (g_strcmp0(now, machine))
		return local ? g_strdup(local->message) :
		       g_strdup("the guest's kernel, image or agent, QEMU, libvirt or the machine's shape is another now");
	then = depends_key(json_object_get(of, "depends"), NULL);
	return g_strcmp0(then, depends) ? g_strdup("the target's file or its module has changed") : NULL;
}

char *snapshot_target(const char *cachedir, const char *name, GError **error)
{
	g_autofree char *dir = snapshot_dir(cachedir);
	VX_GUARD(snapshot_free) struct snapshot *s = NULL;
	json_t *manifest;
	int use;

	if (!snapshot_good_name(name, error) || (use = store_use(dir, name, error)) < 0)
		return NULL;
	manifest = store_manifest(dir, name);
	s = snapshot_describe(dir, name, manifest);
	json_decref(manifest);
	close(use);
	if (!s->stale)
		return g_strdup(s->target_file);
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "the snapshot %s is damaged: %s; make it again", name, s->stale);
	return NULL;
}

static void look_at(struct snapshot *s, json_t *manifest, const struct run_request *req, struct rundir *rundir)
{
	PLACE_CLEAR struct place p = { 0 };
	g_autoptr(GError) local = NULL;

	if (s->stale)
		return;
	if (place_init(&p, req, rundir, s, &local))
		s->stale = snapshot_stale(manifest, &p.session);
	else
		s->stale = g_strdup(local->message);
}

GPtrArray *snapshot_list(const struct run_request *req, struct rundir *rundir)
{
	GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)snapshot_free);
	g_autofree char *dir = snapshot_dir(req->cachedir);
	g_auto(GStrv) names = store_names(dir);
	guint i;

	for (i = 0; names[i]; i++) {
		json_t *manifest = store_manifest(dir, names[i]);
		struct snapshot *s = snapshot_describe(dir, names[i], manifest);

		look_at(s, manifest, req, rundir);
		g_ptr_array_add(all, s);
		json_decref(manifest);
	}
	return all;
}

/* ---- making one ------------------------------------------------------------------------------------------- */

static gboolean not_there(const struct run *run, const char *at, GError **error)
{
	const GPtrArray *findings = journal_findings(run->journal);
	const struct finding *first = findings->len ? g_ptr_array_index(findings, 0) : NULL;

	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the target %s does not come to \"%s\"%s%s: "
		    "`vexlab run --target %s` shows why", run->req->target->name, at, first ? ": " : "",
		    first ? first->title : "", run->req->target->name);
	return FALSE;
}

static gboolean bring_to_point(struct run *run, enum snapshot_point point, GError **error)
{
	enum step_outcome outcome = STEP_OK;
	gboolean usable = TRUE;

	if (!run_setup_upto(run, (enum run_upto)MIN(point, SNAPSHOT_FORMATTED), &usable, error) ||
	    (usable && point == SNAPSHOT_MOUNTED && !run_mount(run, &outcome, error)))
		return FALSE;
	return (usable && outcome == STEP_OK && !run_guest_is_hurt(run)) || not_there(run, points[point], error);
}

/* A name that no step had: say which there are. */
static gboolean no_such_step(const struct run *run, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint i;

	for (i = 0; i < run->stop->seen->len; i++)
		g_string_append_printf(text, "%s\"%s\"", i ? ", " : "", (char *)run->stop->seen->pdata[i]);
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the step \"%s\" ended well %u times and not %u in the scenario %s, "
		    "whose steps are: %s; or name a point: booted, loaded, formatted, mounted", run->stop->name,
		    run->stop->times, run->stop->count, run->req->scenario, text->str);
	return FALSE;
}

/* The scenario, up to that step. */
static gboolean bring_to_step(struct run *run, GError **error)
{
	const struct scenario *scenario = run_find_scenario(run, error);
	g_autoptr(GError) local = NULL;
	gboolean usable = FALSE;

	if (!scenario)
		return FALSE;
	if (scenario->alone) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the scenario %s makes its guests by itself", scenario->name);
		return FALSE;
	}
	if (run_setup(run, &usable, &local) && usable)
		scenario->run(run, &local);
	if (local && !g_error_matches(local, SESSION_ERROR, SESSION_STOPPED)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (run_guest_is_hurt(run) || (!usable && !local))
		return not_there(run, run->stop->name, error);
	return run->stop->times >= run->stop->count || no_such_step(run, error);
}

/* TRUE with *has FALSE: no such word. */
static gboolean guest_says(struct run *run, const char *file, const char *word, gboolean *has, GError **error)
{
	const char *strings[] = { file, NULL };
	const struct step_spec spec = { .op = VX_STEP_READ, .kind = "other", .name = file, .strings = strings };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(run, &spec, &outcome, &res, error))
		return FALSE;
	*has = outcome == STEP_OK && strstr(res.output, word);
	return TRUE;
}

static gboolean bring_to(struct run *run, enum snapshot_point *point, GError **error)
{
	gboolean mounted;

	if (*point != SNAPSHOT_POINTS)
		return bring_to_point(run, *point, error);
	if (!bring_to_step(run, error) || !guest_says(run, "/proc/mounts", MOUNTPOINT, &mounted, error))
		return FALSE;
	*point = mounted ? SNAPSHOT_MOUNTED : (enum snapshot_point)run->stage;
	return TRUE;
}

static gboolean fill(struct place *p, enum snapshot_point *point, struct store_writer *w, GError **error)
{
	g_autofree char *memory = store_writer_path(w, "memory"), *disk = store_writer_path(w, "disk");

	return run_open_session(&p->run, &p->session, error) && bring_to(&p->run, point, error) &&
	       session_save(p->run.session, memory, disk, error);
}

/* "umount@3" is its third time. The step's name. Caller frees. */
static char *parse_step(const char *at, guint *count)
{
	const char *sign = strrchr(at, '@');
	guint64 n;

	*count = 1;
	if (!sign || sign == at || !g_ascii_string_to_unsigned(sign + 1, 10, 1, G_MAXINT, &n, NULL))
		return g_strdup(at);
	*count = (guint)n;
	return g_strndup(at, (gsize)(sign - at));
}

static gboolean create(struct place *p, const char *dir, const char *name, const char *at, const char *machine,
		       GError **error)
{
	const char *const files[] = { "memory", "disk", NULL };
	enum snapshot_point point = snapshot_point_parse(at);
	const gboolean step = point == SNAPSHOT_POINTS;
	struct store_writer *w;
	json_t *what;

	w = store_begin(dir, name, p->config.memory_mib * MIB_BYTES / 2, error);
	if (!w)
		return FALSE;
	if (!fill(p, &point, w, error) || !(what = about(p, point, step ? at : "", machine, error))) {
		store_abort(w);
		return FALSE;
	}
	return store_commit(w, files, what, error);
}

gboolean snapshot_create(const struct run_request *req, struct rundir *rundir, const char *name,
			 const char *at, GError **error)
{
	g_autofree char *dir = snapshot_dir(req->cachedir), *machine = NULL, *step = NULL;
	g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
	PLACE_CLEAR struct place p = { 0 };
	struct stop stop = { .seen = seen };

	if (!snapshot_good_name(name, error) || !place_init(&p, req, rundir, NULL, error) ||
	    (strcmp(at, points[SNAPSHOT_BOOTED]) && !run_build_module(&p.run, p.image, error)) ||
	    !(machine = session_key(&p.session, error)))
		return FALSE;
	if (snapshot_point_parse(at) == SNAPSHOT_POINTS) {
		stop.name = step = parse_step(at, &stop.count);
		p.run.stop = &stop;
		/* Only so many as it takes, and a guest that is hurt on the way is not what is wanted. */
		p.config.cycles = MIN(p.config.cycles, stop.count);
		p.config.auto_recovery = FALSE;
	}
	return create(&p, dir, name, at, machine, error);
}

/* ---- is it good ------------------------------------------------------------------------------------------------ */

static gboolean check_disk(const char *disk, GError **error)
{
	const char *argv[] = { "qemu-img", "check", "-q", "-f", "qcow2", disk, NULL };
	g_autofree char *said = NULL;
	g_autoptr(GError) local = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
			  &said, &status, &local)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot check the disk: %s", local->message);
		return FALSE;
	}
	if (g_spawn_check_wait_status(status, NULL))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "the snapshot's disk is damaged: %s", g_strchomp(said));
	return FALSE;
}

static gboolean guest_has(struct run *run, const char *file, const char *word, GError **error)
{
	gboolean has;

	if (!guest_says(run, file, word, &has, error))
		return FALSE;
	if (!has)
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the guest comes up, but %s has no %s in it", file, word);
	return has;
}

static gboolean as_it_was(struct run *run, const struct snapshot *s, GError **error)
{
	return guest_has(run, "/sys/block/vdc/serial", "vexlab-scratch", error) &&
	       (s->point < SNAPSHOT_LOADED || guest_has(run, "/proc/filesystems", s->fstype, error)) &&
	       (s->point < SNAPSHOT_MOUNTED || guest_has(run, "/proc/mounts", MOUNTPOINT, error));
}

static gboolean start(struct place *p, const struct snapshot *s, const char *memory, const char *disk,
		      struct snapshot_trial *ret, GError **error)
{
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) local = NULL;

	p->session.memory = memory;
	p->session.disk = disk;
	if (!run_open_session(&p->run, &p->session, &local)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "no guest comes up from the snapshot %s: %s", s->name,
			    local->message);
		return FALSE;
	}
	ret->ready_ms = (double)(g_get_monotonic_time() - began) / 1000;
	ret->clock_off_ms = session_clock_off_ms(p->run.session);
	if (ret->clock_off_ms < -CLOCK_OFF_MS || ret->clock_off_ms > CLOCK_OFF_MS) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the guest comes up from %s, but its clock is off by %.0f ms", s->name,
			    ret->clock_off_ms);
		return FALSE;
	}
	return as_it_was(&p->run, s, error);
}

gboolean snapshot_check(const char *dir, const char *name, json_t *manifest, const char *disk, GError **error)
{
	VX_GUARD(snapshot_free) struct snapshot *s = snapshot_describe(dir, name, manifest);
	const char *wrong = store_wrong(manifest, dir, name);

	wrong = wrong ? wrong : s->stale;
	if (wrong) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the snapshot %s is damaged: %s; make it again", name, wrong);
		return FALSE;
	}
	return !disk || check_disk(disk, error);
}

static gboolean try_it(const struct run_request *req, struct rundir *rundir, struct snapshot *s, json_t *manifest,
		       gboolean thorough, struct snapshot_trial *ret, GError **error)
{
	g_autofree char *dir = snapshot_dir(req->cachedir);
	g_autofree char *memory = g_build_filename(dir, s->name, "memory", NULL);
	g_autofree char *disk = g_build_filename(dir, s->name, "disk", NULL);
	const gint64 began = g_get_monotonic_time();
	PLACE_CLEAR struct place p = { 0 };

	if (!snapshot_check(dir, s->name, manifest, thorough ? disk : NULL, error))
		return FALSE;
	ret->check_ms = (double)(g_get_monotonic_time() - began) / 1000;
	if (!place_init(&p, req, rundir, s, error))
		return FALSE;
	s->stale = snapshot_stale(manifest, &p.session);
	if (!s->stale)
		return start(&p, s, memory, disk, ret, error);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the snapshot %s is stale: %s; make it again", s->name,
		    s->stale);
	return FALSE;
}

gboolean snapshot_try(const struct run_request *req, struct rundir *rundir, const char *name, gboolean thorough,
		      struct snapshot_trial *ret, GError **error)
{
	g_autofree char *dir = snapshot_dir(req->cachedir);
	VX_GUARD(snapshot_free) struct snapshot *s = NULL;
	json_t *manifest;
	gboolean ok;
	int use;

	if (!snapshot_good_name(name, error))
		return FALSE;
	use = store_use(dir, name, error);
	if (use < 0)
		return FALSE;
	manifest = store_manifest(dir, name);
	s = snapshot_describe(dir, name, manifest);
	/* What cannot be read is told as damage by the check. */
	ok = try_it(req, rundir, s, manifest, thorough, ret, error);
	json_decref(manifest);
	close(use);
	return ok;
}

gboolean snapshot_remove(const char *cachedir, const char *name, GError **error)
{
	g_autofree char *dir = snapshot_dir(cachedir);

	return snapshot_good_name(name, error) && store_remove(dir, name, error);
}
