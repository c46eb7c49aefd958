// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "modbuild.h"
#include "process.h"
#include "srctree.h"

#define RECIPE		"modbuild 1"	/* goes into the key: change it when the same sources give another result */
#define ENTRIES_KEPT	16u
#define ERRORS_SHOWN	10u
#define MODULES_MAX	64u

/* One build at work. Its folder `work` becomes the cache entry when all is there. */
struct build {
	const struct modbuild_request *req;
	GCancellable *cancellable;
	gint64 started_us, deadline_us;
	char *dir;		/* <cachedir>/modules */
	char *work;		/* <dir>/.new-XXXXXX */
	int work_fd;		/* locked for as long as this process lives */
	char *copy;		/* <work>/src */
	int log_fd;
};

static void report(const struct build *b, const char *line)
{
	if (b->req->progress)
		b->req->progress(b->req->ctx, line);
}

static int compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* --- The compiler's complaints -------------------------------------------- */

static char *replace_all(const char *text, const char *from, const char *to)
{
	g_auto(GStrv) parts = from && *from ? g_strsplit(text, from, -1) : g_strsplit(text, "\n", 1);

	return g_strjoinv(to ? to : "", parts);
}

char *modbuild_first_errors(const char *log, const char *from, const char *to, unsigned int max)
{
	/* gcc and ld; modpost; make; a tool that does not run. */
	static const char pattern[] =
		"(: (fatal )?error: |^ERROR: |\\*\\*\\* No rule |undefined reference|: not found$|"
		"command not found|unrecognized option|^FAILED:)";
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_OPTIMIZE, 0, NULL);
	g_auto(GStrv) lines = NULL;
	GString *out = g_string_new(NULL);
	unsigned int found = 0, total, i;

	g_autofree char *valid = g_utf8_make_valid(log, -1);

	lines = g_strsplit(valid, "\n", -1);
	total = g_strv_length(lines);
	for (i = 0; i < total && found < max; i++) {
		g_autofree char *line = NULL;

		if (!g_regex_match(regex, lines[i], 0, NULL))
			continue;
		line = replace_all(lines[i], from, to);
		g_string_append_printf(out, "%s%.240s", found++ ? "\n" : "", line);
	}
	/* No pattern known: its last words are better than none. */
	for (i = total > 6 ? total - 6 : 0; !found && i < total; i++)
		if (*lines[i])
			g_string_append_printf(out, "%s%.240s", out->len ? "\n" : "", lines[i]);
	return g_string_free(out, FALSE);
}

/* --- The cache -------------------------------------------------------------- */

/* Held for moments only, while a folder is made and locked, or the dead are looked for. */
static int lock_cache(const struct build *b)
{
	g_autofree char *path = g_build_filename(b->dir, ".lock", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0 && flock(fd, LOCK_EX)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A work folder whose lock can be taken belongs to a process that is gone. */
static gboolean reap_work(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	gboolean ok = TRUE;

	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		ok = !fs_remove_at(AT_FDCWD, path);
	if (fd >= 0)
		close(fd);
	return ok;
}

gboolean modbuild_tidy(const char *cachedir)
{
	g_autofree char *where = g_build_filename(cachedir, "modules", NULL);
	const struct build b = { .dir = where };
	g_autoptr(GDir) dir = g_dir_open(where, 0, NULL);
	int lock = dir ? lock_cache(&b) : -1;
	gboolean ok = TRUE;
	const char *name;

	while (lock >= 0 && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(where, name, NULL);

		if (g_str_has_prefix(name, ".new-") && !reap_work(path))
			ok = FALSE;
	}
	if (lock >= 0)
		close(lock);
	return ok;
}

struct entry {
	char *path;
	gint64 used;
};

static gint newest_first(gconstpointer a, gconstpointer b)
{
	gint64 x = ((const struct entry *)a)->used, y = ((const struct entry *)b)->used;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Removes what dead builds left, and all but the entries used last. */
static void tidy(const struct build *b)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
	g_autoptr(GDir) dir = g_dir_open(b->dir, 0, NULL);
	const char *name;
	struct stat st;
	guint i;

	while (dir && (name = g_dir_read_name(dir))) {
		struct entry entry = { .path = g_build_filename(b->dir, name, NULL) };

		if (g_str_has_prefix(name, ".new-"))
			reap_work(entry.path);
		if (name[0] == '.' || stat(entry.path, &st)) {
			g_free(entry.path);
			continue;
		}
		entry.used = st.st_mtime;
		g_array_append_val(entries, entry);
	}
	g_array_sort(entries, newest_first);
	for (i = 0; i < entries->len; i++) {
		struct entry *entry = &g_array_index(entries, struct entry, i);

		if (i >= ENTRIES_KEPT)
			fs_remove_at(AT_FDCWD, entry->path);
		g_free(entry->path);
	}
}

static gboolean make_work(struct build *b, GError **error)
{
	g_autofree char *template = g_build_filename(b->dir, ".new-XXXXXX", NULL);
	int lock = lock_cache(b);

	if (lock < 0) {
		vx_error_set_errno(error, errno, "cannot lock %s", b->dir);
		return FALSE;
	}
	tidy(b);
	if (!g_mkdtemp_full(template, 0755)) {
		vx_error_set_errno(error, errno, "cannot make a folder in %s", b->dir);
		close(lock);
		return FALSE;
	}
	b->work = g_steal_pointer(&template);
	b->work_fd = open(b->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->work_fd >= 0)
		flock(b->work_fd, LOCK_EX);
	close(lock);
	b->copy = g_build_filename(b->work, "src", NULL);
	return TRUE;
}

static void build_clear(struct build *b)
{
	if (b->work)
		fs_remove_at(AT_FDCWD, b->work);
	if (b->work_fd >= 0)
		close(b->work_fd);
	if (b->log_fd >= 0)
		close(b->log_fd);
	g_free(b->dir);
	g_free(b->work);
	g_free(b->copy);
}

static inline void build_clear_guard(struct build *b) { build_clear(b); }

static gboolean hash_file(GChecksum *sum, const char *path, GError **error)
{
	g_autoptr(GError) io = NULL;
	g_autoptr(GMappedFile) map = g_mapped_file_new(path, FALSE, &io);
	g_autofree char *head = NULL;
	gsize len;

	if (!map) {
		g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
		return FALSE;
	}
	len = g_mapped_file_get_length(map);
	head = g_strdup_printf("%s %zu ", path, len);
	g_checksum_update(sum, (const guchar *)head, -1);
	if (len)
		g_checksum_update(sum, (const guchar *)g_mapped_file_get_contents(map), len);
	return TRUE;
}

/* A mkfs outside of the module's folder, with the headers beside it. */
static gboolean hash_mkfs(GChecksum *sum, const char *source, GError **error)
{
	g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *folder = g_path_get_dirname(source);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	guint i;

	while (dir && (name = g_dir_read_name(dir)))
		if (g_str_has_suffix(name, ".h"))
			g_ptr_array_add(headers, g_build_filename(folder, name, NULL));
	g_ptr_array_sort(headers, compare_strings);
	for (i = 0; i < headers->len; i++)
		if (!hash_file(sum, headers->pdata[i], error))
			return FALSE;
	return hash_file(sum, source, error);
}

/* Everything that makes a difference to what comes out. */
static char *make_key(const struct build *b, const struct srctree *tree, const char *copy, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree char *symvers = g_build_filename(b->req->headers, "Module.symvers", NULL);
	g_autofree char *conf = g_build_filename(b->req->headers, "include/config/auto.conf", NULL);
	g_autofree char *head = g_strdup_printf("%s\n%s\n%s\n%s\n", RECIPE, b->req->release, b->req->headers,
						b->req->module_dir);

	g_checksum_update(sum, (const guchar *)head, -1);
	if (!hash_file(sum, symvers, error) || !hash_file(sum, conf, error) ||
	    !srctree_read(tree, copy, sum, error))
		return NULL;
	if (b->req->mkfs_source && !hash_mkfs(sum, b->req->mkfs_source, error))
		return NULL;
	return g_strndup(g_checksum_get_string(sum), 24);
}

/* --- Running kbuild ---------------------------------------------------------- */

static void on_line(void *ctx, const char *line)
{
	const struct build *b = ctx;
	g_autofree char *prefix = g_strconcat(b->copy, "/", NULL);
	g_autofree char *text = replace_all(line, prefix, "");

	report(b, g_strstrip(text));
}

static gboolean run(struct build *b, const char *const *argv, GError **error)
{
	struct process process = {
		.argv = argv, .log_fd = b->log_fd, .deadline_us = b->deadline_us, .line = on_line, .ctx = b,
	};

	return process_run(&process, b->cancellable, error);
}

static void keep_text(void *ctx, const char *line)
{
	GString *text = ctx;

	if (text->len < 4096)
		g_string_append_printf(text, "%s\n", line);
}

/* The version as kbuild counts it, 124 for "v1.24"; 0 when there is no pahole. */
static unsigned int pahole_version(struct build *b)
{
	static const char *const argv[] = { "pahole", "--version", NULL };
	g_autoptr(GString) text = g_string_new(NULL);
	struct process process = {
		.argv = argv, .log_fd = -1, .deadline_us = b->deadline_us, .line = keep_text, .ctx = text,
	};
	unsigned int major, minor;

	if (!process_run(&process, b->cancellable, NULL) || sscanf(text->str, "v%u.%u", &major, &minor) != 2)
		return 0;
	return major * 100 + minor;
}

static unsigned int configured_pahole(const struct build *b)
{
	g_autofree char *path = g_build_filename(b->req->headers, "include/config/auto.conf", NULL);
	g_autofree char *conf = NULL;
	const char *line;

	if (!g_file_get_contents(path, &conf, NULL, NULL))
		return 0;
	line = strstr(conf, "\nCONFIG_PAHOLE_VERSION=");
	return line ? (unsigned int)strtoul(strchr(line, '=') + 1, NULL, 10) : 0;
}

/* Our guest's headers bring the one that their kernel was built with, where this machine's is too old for it. */
static gboolean has_pahole(const struct build *b)
{
	g_autofree char *path = g_build_filename(b->req->headers, ".kernelvariables", NULL), *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "\nPAHOLE = ");
}

/*
 * kbuild took its flags for pahole from the version that built the kernel. Told
 * the version that is here, it chooses those which that one knows.
 */
static void add_pahole(struct build *b, GPtrArray *argv)
{
	unsigned int here = has_pahole(b) ? 0 : pahole_version(b);

	if (here && here < configured_pahole(b))
		g_ptr_array_add(argv, g_strdup_printf("CONFIG_PAHOLE_VERSION=%u", here));
}

/* Debug information names the user's files, not our copies; make's syntax forbids some paths. */
static void add_prefix_map(const struct build *b, GPtrArray *argv)
{
	if (!strpbrk(b->req->module_dir, " \t'\"$#=:\\*?"))
		g_ptr_array_add(argv, g_strdup_printf("KCFLAGS=-ffile-prefix-map=%s=%s", b->copy, b->req->module_dir));
}

static gboolean run_kbuild(struct build *b, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	unsigned int jobs = b->req->jobs ? b->req->jobs : g_get_num_processors();

	g_ptr_array_add(argv, g_strdup("make"));
	g_ptr_array_add(argv, g_strdup_printf("-j%u", jobs));
	g_ptr_array_add(argv, g_strdup("--no-print-directory"));
	g_ptr_array_add(argv, g_strdup("-C"));
	g_ptr_array_add(argv, g_strdup(b->req->headers));
	g_ptr_array_add(argv, g_strdup_printf("M=%s", b->copy));
	g_ptr_array_add(argv, g_strdup("CC=gcc"));
	add_prefix_map(b, argv);
	add_pahole(b, argv);
	g_ptr_array_add(argv, g_strdup("modules"));
	g_ptr_array_add(argv, NULL);
	return run(b, (const char *const *)argv->pdata, error);
}

static gboolean run_mkfs(struct build *b, GError **error)
{
	g_autofree char *out = g_build_filename(b->work, "mkfs", NULL);
	const char *argv[] = { "gcc", "-std=gnu11", "-O2", "-g", "-static", "-o", out, b->req->mkfs_source, "-lm", NULL };

	if (!b->req->mkfs_source)
		return TRUE;
	report(b, "CC mkfs");
	return run(b, argv, error);
}

/*
 * Replaces `*error`, a program's bare failure, by what it said. The log outlives the
 * work folder under a name of its own. Interruption and deadline stay as they are.
 */
static void explain_failure(struct build *b, const char *what, const char *key, GError **error)
{
	g_autofree char *log = g_build_filename(b->work, "build.log", NULL), *text = NULL;
	g_autofree char *name = g_strconcat(key, ".failed.log", NULL);
	g_autofree char *kept = g_build_filename(b->dir, name, NULL), *errors = NULL;
	g_autoptr(GError) cause = *error;

	*error = NULL;
	if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		*error = g_steal_pointer(&cause);
		return;
	}
	if (g_file_get_contents(log, &text, NULL, NULL))
		errors = modbuild_first_errors(text, b->copy, b->req->module_dir, ERRORS_SHOWN);
	rename(log, kept);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s does not build for the kernel %s: %s\n%s\nwhole log: %s", what,
		    b->req->release, cause->message, errors ? errors : "", kept);
}

/* --- What came out ----------------------------------------------------------- */

/* Headers without kbuild's own BTF step (before 6.2 or so, Debian's have no vmlinux beside them there). */
static void add_btf(struct build *b, const char *ko)
{
	g_autofree char *vmlinux = g_build_filename(b->req->headers, "vmlinux", NULL);
	g_autofree char *trial = g_strconcat(ko, ".btf", NULL), *data = NULL;
	const char *argv[] = { "pahole", "-J", "--btf_gen_floats", "--btf_base", vmlinux, trial, NULL };
	struct koinfo *info;
	gsize len;

	/* On a copy: some versions of pahole delete what they fail on. */
	if (!g_file_test(vmlinux, G_FILE_TEST_EXISTS) || !g_file_get_contents(ko, &data, &len, NULL) ||
	    !g_file_set_contents(trial, data, len, NULL))
		return;
	if (run(b, argv, NULL)) {
		info = koinfo_read(trial, NULL);
		if (info && info->has_btf)
			rename(trial, ko);
		koinfo_free(info);
	}
	fs_remove_at(AT_FDCWD, trial);
}

static gboolean check_release(const struct build *b, const struct koinfo *info, GError **error)
{
	gsize len = strlen(b->req->release);

	if (!strncmp(info->vermagic, b->req->release, len) && info->vermagic[len] == ' ')
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "the module %s was built for the kernel \"%s\", but the guest's is %s: the headers in %s are not its own",
		    info->name, info->vermagic, b->req->release, b->req->headers);
	return FALSE;
}

static gboolean take_module(struct build *b, const char *path, const char *to, GError **error)
{
	g_autofree char *name = g_path_get_basename(path), *final = g_build_filename(to, name, NULL);
	VX_GUARD(koinfo_free) struct koinfo *info = koinfo_read(path, error);

	if (!info || !check_release(b, info, error))
		return FALSE;
	if (!info->has_btf)
		add_btf(b, path);
	if (!rename(path, final))
		return TRUE;
	vx_error_set_errno(error, errno, "cannot move %s", path);
	return FALSE;
}

/* Relative paths of the .ko files below `dir`. */
static void find_modules(const char *dir, unsigned int depth, GPtrArray *ret)
{
	g_autoptr(GDir) folder = depth < SRCTREE_DEPTH_MAX ? g_dir_open(dir, 0, NULL) : NULL;
	const char *name;

	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (g_file_test(path, G_FILE_TEST_IS_DIR))
			find_modules(path, depth + 1, ret);
		else if (g_str_has_suffix(name, ".ko"))
			g_ptr_array_add(ret, g_steal_pointer(&path));
	}
}

static gboolean take_modules(struct build *b, GError **error)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *to = g_build_filename(b->work, "ko", NULL);
	guint i;

	find_modules(b->copy, 0, found);
	if (!found->len || found->len > MODULES_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "%s was built, but %u modules came out: its Kbuild or Makefile names none in obj-m, or too many",
			    b->req->module_dir, found->len);
		return FALSE;
	}
	if (!fs_mkdir(to, 0755, error))
		return FALSE;
	for (i = 0; i < found->len; i++)
		if (!take_module(b, found->pdata[i], to, error))
			return FALSE;
	return TRUE;
}

/* --- Results ------------------------------------------------------------------ */

void modbuild_result_free(struct modbuild_result *result)
{
	guint i;

	if (!result)
		return;
	for (i = 0; i < result->nmodules; i++) {
		g_free(result->modules[i].path);
		koinfo_free(result->modules[i].info);
	}
	g_free(result->modules);
	g_free(result->mkfs);
	g_free(result->log);
	g_free(result);
}

static gboolean needs(const struct modbuild_module *module, const struct modbuild_module *other)
{
	return g_strv_contains((const char *const *)module->info->depends, other->info->name);
}

/* A stable selection: each round takes the first that needs none of the rest; a circle is left as it is. */
static void sort_by_need(struct modbuild_result *result)
{
	struct modbuild_module *m = result->modules, taken;
	guint done, i, j;

	for (done = 0; done < result->nmodules; done++) {
		for (i = done; i < result->nmodules; i++) {
			for (j = done; j < result->nmodules && (j == i || !needs(&m[i], &m[j])); j++)
				;
			if (j == result->nmodules)
				break;
		}
		if (i == result->nmodules)
			return;
		taken = m[i];
		memmove(&m[done + 1], &m[done], (i - done) * sizeof(*m));
		m[done] = taken;
	}
}

static gboolean load_modules(struct modbuild_result *result, const char *dir, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	guint i;

	find_modules(dir, SRCTREE_DEPTH_MAX - 1, paths);
	g_ptr_array_sort(paths, compare_strings);
	if (!paths->len || paths->len > MODULES_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "%s holds %u modules", dir, paths->len);
		return FALSE;
	}
	result->modules = g_new0(struct modbuild_module, paths->len);
	for (i = 0; i < paths->len; i++) {
		struct koinfo *info = koinfo_read(paths->pdata[i], error);

		if (!info)
			return FALSE;
		result->modules[result->nmodules].path = g_strdup(paths->pdata[i]);
		result->modules[result->nmodules++].info = info;
	}
	sort_by_need(result);
	return TRUE;
}

/* NULL without `error` set when there is no such entry; a damaged one is removed. */
static struct modbuild_result *load_entry(const struct build *b, const char *key)
{
	g_autofree char *dir = g_build_filename(b->dir, key, NULL), *ko = g_build_filename(dir, "ko", NULL);
	VX_GUARD(modbuild_result_free) struct modbuild_result *result = NULL;
	struct modbuild_result *ret;

	if (!g_file_test(dir, G_FILE_TEST_IS_DIR))
		return NULL;
	result = g_new0(struct modbuild_result, 1);
	result->log = g_build_filename(dir, "build.log", NULL);
	if (b->req->mkfs_source)
		result->mkfs = g_build_filename(dir, "mkfs", NULL);
	if (!load_modules(result, ko, NULL) ||
	    (result->mkfs && !g_file_test(result->mkfs, G_FILE_TEST_IS_EXECUTABLE))) {
		fs_remove_at(AT_FDCWD, dir);
		return NULL;
	}
	utimensat(AT_FDCWD, dir, NULL, 0);	/* used now: not the next to go */
	ret = result;
	result = NULL;
	return ret;
}

/* --- All of it ----------------------------------------------------------------- */

static gboolean check_request(const struct modbuild_request *req, GError **error)
{
	g_autofree char *makefile = g_build_filename(req->headers, "Makefile", NULL);
	/* What goes into a module's vermagic; kernel.release says less in Debian's before 6.5. */
	g_autofree char *utsrelease = g_build_filename(req->headers, "include/generated/utsrelease.h", NULL);
	g_autofree char *expected = g_strdup_printf("#define UTS_RELEASE \"%s\"", req->release);
	g_autofree char *text = NULL;

	if (!g_file_test(makefile, G_FILE_TEST_EXISTS)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "the kernel headers for %s are not in %s: `vexlab guest build` makes them", req->release,
			    req->headers);
		return FALSE;
	}
	/* Not every packaging has the file; the modules themselves are checked afterwards. */
	if (!g_file_get_contents(utsrelease, &text, NULL, NULL) || strstr(text, expected))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "the kernel headers in %s are for another kernel than the guest's %s: %s",
		    req->headers, req->release, g_strstrip(text));
	return FALSE;
}

static gboolean open_log(struct build *b, GError **error)
{
	g_autofree char *path = g_build_filename(b->work, "build.log", NULL);

	b->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (b->log_fd >= 0)
		return TRUE;
	vx_error_set_errno(error, errno, "cannot write %s", path);
	return FALSE;
}

static gboolean build_all(struct build *b, const char *key, GError **error)
{
	GError *cause = NULL;

	if (!open_log(b, error))
		return FALSE;
	if (!run_kbuild(b, &cause)) {
		explain_failure(b, b->req->module_dir, key, &cause);
	} else if (take_modules(b, &cause) && !run_mkfs(b, &cause)) {
		explain_failure(b, b->req->mkfs_source, key, &cause);
	}
	if (!cause)
		return TRUE;
	g_propagate_error(error, cause);
	return FALSE;
}

/* From a work folder to an entry; another process may have been faster with the same. */
static struct modbuild_result *publish(struct build *b, const char *key, GError **error)
{
	g_autofree char *final = g_build_filename(b->dir, key, NULL);
	struct modbuild_result *result;

	fs_remove_at(AT_FDCWD, b->copy);
	if (!rename(b->work, final)) {
		g_clear_pointer(&b->work, g_free);
	} else if (errno != EEXIST && errno != ENOTEMPTY) {
		vx_error_set_errno(error, errno, "cannot make %s", final);
		return NULL;
	}
	result = load_entry(b, key);
	if (!result)
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "what was built in %s cannot be read back", final);
	return result;
}

static struct modbuild_result *build_new(struct build *b, const struct srctree *tree, GError **error)
{
	g_autofree char *key = NULL;

	if (!fs_need_space(b->dir, tree->bytes * 4 + (64u << 20), error) || !make_work(b, error))
		return NULL;
	/* The key of what was copied, should the user be saving a file this very moment. */
	key = make_key(b, tree, b->copy, error);
	if (!key || !build_all(b, key, error))
		return NULL;
	return publish(b, key, error);
}

struct modbuild_result *modbuild_run(const struct modbuild_request *req, GCancellable *cancellable,
				     GError **error)
{
	__attribute__((cleanup(build_clear_guard))) struct build b = {
		.req = req, .cancellable = cancellable, .work_fd = -1, .log_fd = -1,
		.started_us = g_get_monotonic_time(),
	};
	VX_GUARD(srctree_free) struct srctree *tree = NULL;
	g_autofree char *key = NULL;
	struct modbuild_result *result;

	if (req->deadline_s)
		b.deadline_us = b.started_us + (gint64)req->deadline_s * G_USEC_PER_SEC;
	b.dir = g_build_filename(req->cachedir, "modules", NULL);
	if (!check_request(req, error) || !fs_mkdir(b.dir, 0755, error))
		return NULL;
	tree = srctree_scan(req->module_dir, error);
	key = tree ? make_key(&b, tree, NULL, error) : NULL;
	if (!key)
		return NULL;
	result = load_entry(&b, key);
	if (result)
		result->cached = TRUE;
	else
		result = build_new(&b, tree, error);
	if (result)
		result->seconds = (double)(g_get_monotonic_time() - b.started_us) / G_USEC_PER_SEC;
	return result;
}
