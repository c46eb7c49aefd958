// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "fsutil.h"
#include "run_priv.h"
#include "snapshot.h"
#include "store.h"
#include "warm.h"

#define NAME_MAX_LEN	64
#define MOUNTPOINT	"/mnt/target"
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
	g_free(s->release);
	g_free(s->stale);
	g_free(s);
}
VX_DEFINE_GUARD(struct snapshot, snapshot_free);

static char *store_dir(const char *cachedir)
{
	return g_build_filename(cachedir, "snapshots", NULL);
}

static gboolean good_name(const char *name, GError **error)
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
	       (p->run.journal = journal_open(p->journal, "snapshot", p->config.operation_ms, error));
}

/* ---- manifest --------------------------------------------------------------------------------------- */

static json_t *depends_of(const struct place *p)
{
	json_t *files = json_array();
	guint i;

	json_array_append_new(files, json_string(p->req.target->path));
	for (i = 0; p->run.built && i < p->run.built->nmodules; i++)
		json_array_append_new(files, json_string(p->run.built->modules[i].path));
	return files;
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

static json_t *about(const struct place *p, enum snapshot_point point, const char *machine, GError **error)
{
	json_t *files = depends_of(p);
	g_autofree char *key = depends_key(files, error);

	if (!key) {
		json_decref(files);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:s, s:o, s:s}", "target", p->req.target->name,
			 "point", points[point], "fstype", p->run.fstype ? p->run.fstype : "", "release",
			 p->image->release, "memory_mib", (int)p->config.memory_mib, "vcpus", (int)p->config.vcpus,
			 "device_mib", (int)p->req.target->device_mib, "made", (json_int_t)(g_get_real_time() / G_USEC_PER_SEC),
			 "machine", machine, "depends", files, "depends_key", key);
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

/* Never NULL: one that cannot be read is stale. */
static struct snapshot *describe(const char *dir, const char *name, json_t *manifest)
{
	struct snapshot *s = g_new0(struct snapshot, 1);
	const char *target, *point, *fstype, *release;
	json_int_t made;
	int memory, vcpus, device;

	s->name = g_strdup(name);
	s->bytes = bytes_of(dir, name);
	if (json_unpack(json_object_get(manifest, "about"), "{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I}", "target", &target,
			"point", &point, "fstype", &fstype, "release", &release, "memory_mib", &memory,
			"vcpus", &vcpus, "device_mib", &device, "made", &made) ||
	    snapshot_point_parse(point) == SNAPSHOT_POINTS || memory <= 0 || vcpus <= 0 || device <= 0) {
		s->target = g_strdup("");
		s->fstype = g_strdup("");
		s->release = g_strdup("");
		s->stale = g_strdup("its manifest cannot be read");
		return s;
	}
	s->target = g_strdup(target);
	s->fstype = g_strdup(fstype);
	s->release = g_strdup(release);
	s->point = snapshot_point_parse(point);
	s->made = made;
	s->memory_mib = (guint)memory;
	s->vcpus = (guint)vcpus;
	s->device_mib = (guint)device;
	return s;
}

/* Does what it was made with still stand there? Else s->stale. */
static void check_stale(struct snapshot *s, json_t *manifest, const struct place *p)
{
	json_t *of = json_object_get(manifest, "about");
	const char *machine = json_string_value(json_object_get(of, "machine"));
	const char *depends = json_string_value(json_object_get(of, "depends_key"));
	g_autoptr(GError) local = NULL;
	g_autofree char *now = session_key(&p->session, &local), *then = NULL;

	if (g_strcmp0(now, machine)) {
		s->stale = local ? g_strdup(local->message) :
			   g_strdup("the guest's kernel, image or agent, QEMU, libvirt or the machine's shape is another now");
		return;
	}
	then = depends_key(json_object_get(of, "depends"), NULL);
	if (g_strcmp0(then, depends))
		s->stale = g_strdup("the target's file or its module has changed");
}

static void look_at(struct snapshot *s, json_t *manifest, const struct run_request *req, struct rundir *rundir)
{
	PLACE_CLEAR struct place p = { 0 };
	g_autoptr(GError) local = NULL;

	if (s->stale)
		return;
	if (place_init(&p, req, rundir, s, &local))
		check_stale(s, manifest, &p);
	else
		s->stale = g_strdup(local->message);
}

GPtrArray *snapshot_list(const struct run_request *req, struct rundir *rundir)
{
	GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)snapshot_free);
	g_autofree char *dir = store_dir(req->cachedir);
	g_auto(GStrv) names = store_names(dir);
	guint i;

	for (i = 0; names[i]; i++) {
		json_t *manifest = store_manifest(dir, names[i]);
		struct snapshot *s = describe(dir, names[i], manifest);

		look_at(s, manifest, req, rundir);
		g_ptr_array_add(all, s);
		json_decref(manifest);
	}
	return all;
}

/* ---- making one ------------------------------------------------------------------------------------------- */

static gboolean not_there(const struct run *run, enum snapshot_point point, GError **error)
{
	const GPtrArray *findings = journal_findings(run->journal);
	const struct finding *first = findings->len ? g_ptr_array_index(findings, 0) : NULL;

	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the target %s does not come to the point \"%s\"%s%s: "
		    "`vexlab run --target %s` shows why", run->req->target->name, points[point], first ? ": " : "",
		    first ? first->title : "", run->req->target->name);
	return FALSE;
}

static gboolean bring_to(struct run *run, enum snapshot_point point, GError **error)
{
	enum step_outcome outcome = STEP_OK;
	gboolean usable = TRUE;

	if (!run_setup_upto(run, (enum run_upto)MIN(point, SNAPSHOT_FORMATTED), &usable, error) ||
	    (usable && point == SNAPSHOT_MOUNTED && !run_mount(run, &outcome, error)))
		return FALSE;
	return (usable && outcome == STEP_OK && !run_guest_is_hurt(run)) || not_there(run, point, error);
}

static gboolean fill(struct place *p, enum snapshot_point point, struct store_writer *w, GError **error)
{
	g_autofree char *memory = store_writer_path(w, "memory"), *disk = store_writer_path(w, "disk");

	return run_open_session(&p->run, &p->session, error) && bring_to(&p->run, point, error) &&
	       session_save(p->run.session, memory, disk, error);
}

gboolean snapshot_create(const struct run_request *req, struct rundir *rundir, const char *name,
			 enum snapshot_point point, GError **error)
{
	const char *const files[] = { "memory", "disk", NULL };
	g_autofree char *dir = store_dir(req->cachedir), *machine = NULL;
	PLACE_CLEAR struct place p = { 0 };
	struct store_writer *w;
	json_t *what;

	if (!good_name(name, error) || !place_init(&p, req, rundir, NULL, error) ||
	    (point >= SNAPSHOT_LOADED && !run_build_module(&p.run, p.image, error)) ||
	    !(machine = session_key(&p.session, error)))
		return FALSE;
	w = store_begin(dir, name, p.config.memory_mib * MIB_BYTES / 2, error);
	if (!w)
		return FALSE;
	if (!fill(&p, point, w, error) || !(what = about(&p, point, machine, error))) {
		store_abort(w);
		return FALSE;
	}
	return store_commit(w, files, what, error);
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

/* A line of a file in the guest that has this word. */
static gboolean guest_has(struct run *run, const char *file, const char *word, GError **error)
{
	const char *strings[] = { file, NULL };
	const struct step_spec spec = { .op = VX_STEP_READ, .kind = "other", .name = file, .strings = strings };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(run, &spec, &outcome, &res, error))
		return FALSE;
	if (outcome == STEP_OK && strstr(res.output, word))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "the guest comes up, but %s has no %s in it", file, word);
	return FALSE;
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
	return as_it_was(&p->run, s, error);
}

static gboolean check(const char *dir, const char *name, json_t *manifest, const char *disk, gboolean thorough,
		      GError **error)
{
	const char *wrong = store_wrong(manifest, dir, name);

	if (wrong) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "the snapshot %s is damaged: %s; make it again", name, wrong);
		return FALSE;
	}
	return !thorough || check_disk(disk, error);
}

static gboolean try_it(const struct run_request *req, struct rundir *rundir, struct snapshot *s, json_t *manifest,
		       gboolean thorough, struct snapshot_trial *ret, GError **error)
{
	g_autofree char *dir = store_dir(req->cachedir);
	g_autofree char *memory = g_build_filename(dir, s->name, "memory", NULL);
	g_autofree char *disk = g_build_filename(dir, s->name, "disk", NULL);
	const gint64 began = g_get_monotonic_time();
	PLACE_CLEAR struct place p = { 0 };

	if (!check(dir, s->name, manifest, disk, thorough, error))
		return FALSE;
	ret->check_ms = (double)(g_get_monotonic_time() - began) / 1000;
	if (!place_init(&p, req, rundir, s, error))
		return FALSE;
	check_stale(s, manifest, &p);
	if (!s->stale)
		return start(&p, s, memory, disk, ret, error);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the snapshot %s is stale: %s; make it again", s->name,
		    s->stale);
	return FALSE;
}

gboolean snapshot_try(const struct run_request *req, struct rundir *rundir, const char *name, gboolean thorough,
		      struct snapshot_trial *ret, GError **error)
{
	g_autofree char *dir = store_dir(req->cachedir);
	VX_GUARD(snapshot_free) struct snapshot *s = NULL;
	json_t *manifest;
	gboolean ok;
	int use;

	if (!good_name(name, error))
		return FALSE;
	use = store_use(dir, name, error);
	if (use < 0)
		return FALSE;
	manifest = store_manifest(dir, name);
	s = describe(dir, name, manifest);
	/* What cannot be read is told as damage by the check. */
	ok = try_it(req, rundir, s, manifest, thorough, ret, error);
	json_decref(manifest);
	close(use);
	return ok;
}

gboolean snapshot_remove(const char *cachedir, const char *name, GError **error)
{
	g_autofree char *dir = store_dir(cachedir);

	return good_name(name, error) && store_remove(dir, name, error);
}
