// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "guest.h"

static const char *const kinds[] = { "kernels", "rootfs" };

const char *const guest_suites[] = {
	"bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid", NULL
};

gboolean guest_is_suite(const char *name)
{
	return g_strv_contains(guest_suites, name);
}

static json_t *manifest_of(const char *dir)
{
	g_autofree char *path = g_build_filename(dir, "manifest.json", NULL);

	return json_load_file(path, 0, NULL);
}

/* A file of an entry, `size` bytes long unless that is 0, or NULL and what to do about it. */
static char *piece(const char *dir, const char *name, gint64 size, GError **error)
{
	char *path = g_build_filename(dir, name, NULL);
	struct stat st;

	if (!stat(path, &st) && (S_ISDIR(st.st_mode) || (st.st_size && (!size || st.st_size == size))))
		return path;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s is missing or damaged: run "
		    "`vexlab guest build --force`", path);
	g_free(path);
	return NULL;
}

/*
 * flock() works on the folder itself, also for who may only read it. Recipes
 * replace a folder by rename, so a lock is of the very files that were found.
 */
static int lock_entry(const char *dir, int operation)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, operation | LOCK_NB)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static gboolean use_entry(const char *dir, int *ret, GError **error)
{
	*ret = lock_entry(dir, LOCK_SH);
	if (*ret < 0)
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot use %s: %s", dir,
			    errno == EWOULDBLOCK ? "it is being removed" : g_strerror(errno));
	return *ret >= 0;
}

/* The folder `current` points to, or NULL. */
static char *resolve(const char *cachedir, const char *kind, const char *name)
{
	g_autofree char *path = g_build_filename(cachedir, kind, name, NULL);
	char *real = realpath(path, NULL), *copy = g_strdup(real);

	free(real);
	return copy;
}

/*
 * Checks in the kernel and how many times slower it may run with them. Measured are the three of debug-kernel.sh together, under TCG: ext4's mount
 * takes 19 times as long, its unmount 29 times (docs/USAGE.md). The others are estimates. What a sanitizer costs it costs each step, so all
 * deadlines grow by it.
 */
static const struct {
	const char *line, *name;
	double factor;
} checks[] = {
	{ "CONFIG_KASAN=y\n", "KASAN", 4 },
	{ "CONFIG_KMSAN=y\n", "KMSAN", 5 },
	{ "CONFIG_KCSAN=y\n", "KCSAN", 4 },
	{ "CONFIG_PROVE_LOCKING=y\n", "lockdep", 3 },
	{ "CONFIG_DEBUG_KMEMLEAK=y\n", "kmemleak", 2 },
	{ "CONFIG_DEBUG_PAGEALLOC_ENABLE_DEFAULT=y\n", "page poisoning", 1.5 },
	{ "CONFIG_SLUB_DEBUG_ON=y\n", "SLUB debugging", 1.5 },
};

static void find_checks(struct guest_image *image, const char *dir)
{
	g_autofree char *path = g_build_filename(dir, "config", NULL), *text = NULL;
	g_autoptr(GString) names = g_string_new(NULL);
	double factor = 1;
	guint i;

	image->patience = 1;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return;
	for (i = 0; i < G_N_ELEMENTS(checks); i++) {
		if (!strstr(text, checks[i].line))
			continue;
		g_string_append_printf(names, "%s%s", names->len ? ", " : "", checks[i].name);
		factor *= checks[i].factor;
	}
	if (!names->len)
		return;
	image->checks = g_string_free(g_steal_pointer(&names), FALSE);
	image->patience = (unsigned int)(factor + .5);
}

/*
 * The kernel's own watchdogs (kernel.sh has them for an ordinary one) wait as much longer as steps may take: KASAN and lockdep alone
 * make a CPU look locked up while the guest boots. What is said last is what counts.
 */
static void calm_watchdogs(struct guest_image *image)
{
	const unsigned int times = image->patience;
	char *cmdline;

	if (times <= 1)
		return;
	cmdline = g_strdup_printf("%s watchdog_thresh=%u rcupdate.rcu_cpu_stall_timeout=%u sysctl.kernel.hung_task_timeout_secs=%u",
				  image->cmdline, MIN(3 * times, 60), MIN(8 * times, 300), 30 * times);
	g_free(image->cmdline);
	image->cmdline = cmdline;
}

static gboolean find_kernel(struct guest_image *image, const char *dir, GError **error)
{
	json_t *manifest = manifest_of(dir);
	const char *kernel = json_string_value(json_object_get(manifest, "kernel"));
	const char *cmdline = json_string_value(json_object_get(manifest, "cmdline"));

	image->release = g_path_get_basename(dir);
	image->cmdline = g_strdup(cmdline ? cmdline : "console=ttyS0 panic=-1");
	image->kernel = piece(dir, kernel && !strchr(kernel, '/') ? kernel : "vmlinuz", 0, error);
	json_decref(manifest);
	find_checks(image, dir);
	calm_watchdogs(image);
	return image->kernel && use_entry(dir, &image->kernel_lock, error) &&
	       (image->initrd = piece(dir, "initrd.cpio", 0, error)) &&
	       (image->modules_img = piece(dir, "modules.img", 0, error)) &&
	       (image->headers = piece(dir, "headers/build", 0, error));
}

static gboolean find_rootfs(struct guest_image *image, const char *dir, GError **error)
{
	json_t *manifest = manifest_of(dir);
	const gint64 size = json_integer_value(json_object_get(manifest, "image_bytes"));

	json_decref(manifest);
	image->rootfs_hash = g_path_get_basename(dir);
	return use_entry(dir, &image->rootfs_lock, error) &&
	       (image->rootfs_img = piece(dir, "rootfs.img", size, error)) &&
	       (image->ssh_key = piece(dir, "id_ed25519", 0, error)) &&
	       (image->known_hosts = piece(dir, "known_hosts", 0, error));
}

static void say_missing(const char *cachedir, const char *release, gboolean kernel, GError **error)
{
	if (kernel || !release)
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no guest %s in %s: run `vexlab guest build`",
			    kernel ? "root filesystem" : "kernel", cachedir);
	else if (guest_is_suite(release))
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no guest kernel %s in %s: run `vexlab guest build --kernel %s`",
			    release, cachedir, release);
	else
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no guest kernel %s in %s: `vexlab guest list` names those that "
			    "are there, `vexlab guest build --kernel` makes others", release, cachedir);
}

struct guest_image *guest_find(const char *cachedir, const char *release, GError **error)
{
	g_autofree char *kernel = resolve(cachedir, "kernels", release ? release : "current");
	g_autofree char *rootfs = resolve(cachedir, "rootfs", "current");
	struct guest_image *image;

	if (!kernel || !rootfs) {
		say_missing(cachedir, release, kernel != NULL, error);
		return NULL;
	}
	image = g_new0(struct guest_image, 1);
	image->kernel_lock = image->rootfs_lock = -1;
	if (find_kernel(image, kernel, error) && find_rootfs(image, rootfs, error))
		return image;
	guest_free(image);
	return NULL;
}

void guest_free(struct guest_image *image)
{
	if (!image)
		return;
	g_free(image->release);
	g_free(image->kernel);
	g_free(image->initrd);
	g_free(image->modules_img);
	g_free(image->headers);
	g_free(image->rootfs_img);
	g_free(image->rootfs_hash);
	g_free(image->ssh_key);
	g_free(image->known_hosts);
	g_free(image->cmdline);
	g_free(image->checks);
	if (image->kernel_lock >= 0)
		close(image->kernel_lock);
	if (image->rootfs_lock >= 0)
		close(image->rootfs_lock);
	g_free(image);
}

void guest_entry_free(struct guest_entry *entry)
{
	if (!entry)
		return;
	g_free(entry->kind);
	g_free(entry->name);
	g_free(entry->built);
	g_free(entry);
}

static guint64 bytes_below(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	struct stat st;
	guint64 sum = 0;
	const char *name;

	if (!lstat(path, &st))
		sum = (guint64)st.st_blocks * 512;
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *below = g_build_filename(path, name, NULL);

		if (!lstat(below, &st))
			sum += S_ISDIR(st.st_mode) ? bytes_below(below) :
				(guint64)st.st_blocks * 512;
	}
	return sum;
}

static void list_kind(const char *cachedir, const char *kind, GPtrArray *entries)
{
	g_autofree char *path = g_build_filename(cachedir, kind, NULL);
	g_autofree char *target = resolve(cachedir, kind, "current");
	g_autofree char *current = target ? g_path_get_basename(target) : NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *below = g_build_filename(path, name, NULL);
		struct guest_entry *entry;
		const char *built;
		json_t *manifest;

		if (name[0] == '.' || g_file_test(below, G_FILE_TEST_IS_SYMLINK))
			continue;
		manifest = manifest_of(below);
		built = json_string_value(json_object_get(manifest, "built"));
		entry = g_new0(struct guest_entry, 1);
		entry->kind = g_strdup(!strcmp(kind, "kernels") ? "kernel" : kind);
		entry->name = g_strdup(name);
		entry->built = g_strdup(built ? built : "");
		entry->bytes = bytes_below(below);
		entry->current = !g_strcmp0(current, name);
		g_ptr_array_add(entries, entry);
		json_decref(manifest);
	}
}

GPtrArray *guest_list(const char *cachedir)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)guest_entry_free);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++)
		list_kind(cachedir, kinds[i], entries);
	return entries;
}

int guest_use(const struct guest_image *image, GError **error)
{
	int fd = fcntl(image->kernel_lock, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		vx_error_set_errno(error, errno, "cannot use %s", image->kernel);
	return fd;
}

/* `current` or a suite's name may have pointed to what was removed: a link to nothing names nothing. */
static void remove_dangling(const char *parent)
{
	g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(parent, name, NULL);

		if (g_file_test(path, G_FILE_TEST_IS_SYMLINK) && !g_file_test(path, G_FILE_TEST_EXISTS))
			unlink(path);
	}
}

static gboolean remove_entry(const char *dir, const char *name, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(dir);
	int fd = lock_entry(dir, LOCK_EX), err;

	if (fd < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot remove %s: %s", name,
			    errno == EWOULDBLOCK ? "a guest that runs uses it" : g_strerror(errno));
		return FALSE;
	}
	err = fs_remove_at(AT_FDCWD, dir);
	close(fd);
	if (err) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot remove all of %s: %s", dir,
			    g_strerror(-err));
		return FALSE;
	}
	remove_dangling(parent);
	return TRUE;
}

gboolean guest_remove(const char *cachedir, const char *name, GError **error)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autofree char *dir = g_build_filename(cachedir, kinds[i], name, NULL);

		if (name[0] && name[0] != '.' && !strchr(name, '/') &&
		    !g_file_test(dir, G_FILE_TEST_IS_SYMLINK) && g_file_test(dir, G_FILE_TEST_IS_DIR))
			return remove_entry(dir, name, error);
	}
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s is no kernel or root filesystem of %s; "
		    "`vexlab guest list` names them", name, cachedir);
	return FALSE;
}

struct waiting {
	GMainLoop *loop;
	GSubprocess *process;
	GError *error;
};

static void finished(GObject *source, GAsyncResult *result, gpointer data)
{
	struct waiting *w = data;

	g_subprocess_wait_finish(w->process, result, &w->error);
	g_main_loop_quit(w->loop);
}

/* What a recipe's exit status says about why, see lib.sh. */
static enum vx_error recipe_error(GSubprocess *process)
{
	if (!g_subprocess_get_if_exited(process))
		return VX_ERROR_UNAVAILABLE;
	switch (g_subprocess_get_exit_status(process)) {
	case EX_IOERR:
		return VX_ERROR_IO;
	case EX_USAGE:
		return VX_ERROR_INTERNAL;	/* it is us who call it */
	default:
		return VX_ERROR_UNAVAILABLE;
	}
}

/* stderr goes to the user as it comes: the recipes report their own progress. */
static gboolean run_recipe(const char *const *argv, GCancellable *cancellable, GError **error)
{
	struct waiting w = { 0 };
	gboolean ok = FALSE;

	w.process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDIN_INHERIT, error);
	if (!w.process)
		return FALSE;
	w.loop = g_main_loop_new(NULL, FALSE);
	g_subprocess_wait_async(w.process, cancellable, finished, &w);
	g_main_loop_run(w.loop);
	if (w.error) {
		/* Cancelled: the recipe cleans up after itself on SIGTERM. */
		g_subprocess_send_signal(w.process, SIGTERM);
		g_subprocess_wait(w.process, NULL, NULL);
		g_propagate_error(error, w.error);
	} else if (g_subprocess_get_if_exited(w.process) &&
		   !g_subprocess_get_exit_status(w.process)) {
		ok = TRUE;
	} else {
		g_set_error(error, VX_ERROR, recipe_error(w.process),
			    "the guest image could not be built: what %s said is above", argv[0]);
	}
	g_main_loop_unref(w.loop);
	g_object_unref(w.process);
	return ok;
}

gboolean guest_build(const char *cachedir, const char *recipes, const char *init, gboolean force,
		     GCancellable *cancellable, GError **error)
{
	g_autofree char *rootfs = g_build_filename(recipes, "build-rootfs.sh", NULL);
	g_autofree char *kernel = g_build_filename(recipes, "build-kernel.sh", NULL);
	const char *rootfs_argv[] = { rootfs, force ? "--force" : cachedir,
				      force ? cachedir : NULL, NULL };
	const char *kernel_argv[] = { kernel, "--init", init, force ? "--force" : cachedir,
				      force ? cachedir : NULL, NULL };

	return fs_mkdir(cachedir, 0755, error) && run_recipe(rootfs_argv, cancellable, error) &&
	       run_recipe(kernel_argv, cancellable, error);
}

gboolean guest_build_kernel(const char *cachedir, const char *recipes, const char *init, const struct guest_kernel *kernel,
			    gboolean force, GCancellable *cancellable, GError **error)
{
	const char *name = kernel->suite ? "build-kernel.sh" : kernel->tree ? "import-kernel.sh" : "debug-kernel.sh";
	g_autofree char *recipe = g_build_filename(recipes, name, NULL);
	const char *argv[8] = { recipe, "--init", init };
	guint n = 3;

	if (kernel->suite) {
		argv[n++] = "--suite";
		argv[n++] = kernel->suite;
		if (force)
			argv[n++] = "--force";
	} else if (kernel->tree) {
		argv[n++] = kernel->tree;
	}
	argv[n] = cachedir;
	return fs_mkdir(cachedir, 0755, error) && run_recipe(argv, cancellable, error);
}
