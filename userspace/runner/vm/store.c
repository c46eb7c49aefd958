// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "fsutil.h"
#include "store.h"

#define FORMAT		2
#define NEW_PREFIX	".new-"
#define OLD_PREFIX	".old-"

struct store_writer {
	char *dir, *name;
	char *temp;	/* the entry as it grows */
	char *final;	/* ... and where it goes */
	int lock;
};

/* --- Manifest -------------------------------------------------------------- */

static gint64 mtime_ns(const struct stat *st)
{
	return (gint64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static json_t *describe_file(const char *path, GError **error)
{
	g_autoptr(GArray) ranges = NULL;
	struct stat st;
	guint32 crc;
	json_t *data;

	ranges = digest_file(path, NULL, &crc, error);
	if (!ranges)
		return NULL;
	if (stat(path, &st)) {
		vx_error_set_errno(error, errno, "cannot look at %s", path);
		return NULL;
	}
	data = json_array();
	for (guint i = 0; i < ranges->len; i++) {
		const struct digest_range *r = &g_array_index(ranges, struct digest_range, i);

		json_array_append_new(data, json_pack("[I, I]", (json_int_t)r->start, (json_int_t)r->len));
	}
	return json_pack("{s:I, s:I, s:s, s:I, s:o}", "size", (json_int_t)st.st_size, "mtime_ns",
			 (json_int_t)mtime_ns(&st), "sum", digest_name(), "value", (json_int_t)crc, "data", data);
}

static GArray *read_ranges(json_t *data)
{
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct digest_range));
	size_t i;
	json_t *item;

	json_array_foreach(data, i, item) {
		json_int_t start, len;

		if (json_unpack(item, "[I, I]", &start, &len) || start < 0 || len < 0) {
			g_array_unref(ranges);
			return NULL;
		}
		g_array_append_val(ranges, ((struct digest_range) { start, len }));
	}
	return ranges;
}

static const char *check_file(json_t *file, const char *path)
{
	g_autoptr(GArray) ranges = NULL, read = NULL;
	json_int_t size, mtime, value;
	const char *sum;
	json_t *data;
	struct stat st;
	guint32 crc;

	if (json_unpack(file, "{s:I, s:I, s:s, s:I, s:o}", "size", &size, "mtime_ns", &mtime, "sum", &sum,
			"value", &value, "data", &data))
		return "its manifest cannot be read";
	if (strcmp(sum, digest_name()))
		return "it is of another version";
	if (stat(path, &st))
		return "it is missing";
	if (st.st_size != size)
		return "it has another length";
	if (mtime_ns(&st) != mtime)
		return "it was changed";
	ranges = read_ranges(data);
	if (!ranges)
		return "its manifest cannot be read";
	read = digest_file(path, ranges, &crc, NULL);
	return read && crc == value ? NULL : "its checksum is wrong";
}

const char *store_wrong(json_t *manifest, const char *dir, const char *name)
{
	json_t *files = json_object_get(manifest, "files"), *file;
	const char *wrong = NULL, *key;

	if (!json_is_object(files) || !json_is_integer(json_object_get(manifest, "format")))
		return "its manifest cannot be read";
	if (json_integer_value(json_object_get(manifest, "format")) != FORMAT)
		return "it is of another version";
	json_object_foreach(files, key, file) {
		g_autofree char *path = g_build_filename(dir, name, key, NULL);

		/* A file of the entry's own folder, whatever the manifest says. */
		wrong = strchr(key, '/') ? "its manifest cannot be read" : check_file(file, path);
		if (wrong)
			break;
	}
	return wrong;
}

json_t *store_manifest(const char *dir, const char *name)
{
	g_autofree char *file = g_build_filename(dir, name, "manifest", NULL);
	json_t *manifest = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(manifest))
		return manifest;
	json_decref(manifest);
	return NULL;
}

/* --- Use -------------------------------------------------------------------- */

static int lock_entry(const char *dir, const char *name, int how, GError **error)
{
	g_autofree char *file = g_build_filename(dir, name, "manifest", NULL);
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "there is no %s in %s", name, dir);
		return -1;
	}
	if (!flock(fd, how | LOCK_NB))
		return fd;
	close(fd);
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s is in use", name);
	return -1;
}

int store_use(const char *dir, const char *name, GError **error)
{
	return lock_entry(dir, name, LOCK_SH, error);
}

gboolean store_remove(const char *dir, const char *name, GError **error)
{
	g_autofree char *entry = g_build_filename(dir, name, NULL), *hidden = g_strconcat(OLD_PREFIX, name, NULL);
	g_autofree char *old = g_build_filename(dir, hidden, NULL);
	int fd = -1, err = 0;

	/* One without a manifest is nobody's. */
	if (!g_file_test(entry, G_FILE_TEST_IS_DIR) || store_manifest(dir, name)) {
		fd = lock_entry(dir, name, LOCK_EX, error);
		if (fd < 0)
			return FALSE;
	}
	/* Out of sight first: half of it is never an entry. */
	fs_remove_at(AT_FDCWD, old);
	if (rename(entry, old))
		err = errno;
	else
		err = -fs_remove_at(AT_FDCWD, old);
	if (fd >= 0)
		close(fd);
	if (err)
		vx_error_set_errno(error, err, "cannot remove %s", entry);
	return !err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **store_names(const char *dir)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	GPtrArray *names = g_ptr_array_new();
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (*name != '.' && g_file_test(path, G_FILE_TEST_IS_DIR))
			g_ptr_array_add(names, g_strdup(name));
	}
	g_ptr_array_sort(names, by_name);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

/* --- Writing ----------------------------------------------------------------- */

static int take_lock(const char *dir, GError **error)
{
	g_autofree char *file = g_build_filename(dir, ".lock", NULL);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		vx_error_set_errno(error, errno, "cannot open %s", file);
		return -1;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "another vexlab is writing to %s: try again later", dir);
	return -1;
}

/* Those who began them died: we hold the lock. */
static void remove_unfinished(const char *dir)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (g_str_has_prefix(name, NEW_PREFIX) || g_str_has_prefix(name, OLD_PREFIX))
			fs_remove_at(AT_FDCWD, path);
	}
}

void store_tidy(const char *dir)
{
	int lock = g_file_test(dir, G_FILE_TEST_IS_DIR) ? take_lock(dir, NULL) : -1;

	if (lock < 0)
		return;
	remove_unfinished(dir);
	close(lock);
}

struct store_writer *store_begin(const char *dir, const char *name, guint64 need, GError **error)
{
	g_autofree char *hidden = g_strconcat(NEW_PREFIX, name, NULL);
	struct store_writer *w = g_new0(struct store_writer, 1);

	w->dir = g_strdup(dir);
	w->name = g_strdup(name);
	w->temp = g_build_filename(dir, hidden, NULL);
	w->final = g_build_filename(dir, name, NULL);
	w->lock = -1;
	if (fs_mkdir_private(dir, error))
		w->lock = take_lock(dir, error);
	if (w->lock >= 0) {
		remove_unfinished(dir);
		if (fs_need_space(dir, need, error) && fs_mkdir(w->temp, 0700, error))
			return w;
	}
	store_abort(w);
	return NULL;
}

char *store_writer_path(const struct store_writer *w, const char *file)
{
	return g_build_filename(w->temp, file, NULL);
}

static void writer_free(struct store_writer *w)
{
	if (w->lock >= 0)
		close(w->lock);
	g_free(w->dir);
	g_free(w->name);
	g_free(w->temp);
	g_free(w->final);
	g_free(w);
}

void store_abort(struct store_writer *w)
{
	if (!w)
		return;
	if (w->lock >= 0)
		fs_remove_at(AT_FDCWD, w->temp);
	writer_free(w);
}

static gboolean write_manifest(struct store_writer *w, const char *const *files, json_t *about, GError **error)
{
	g_autofree char *file = store_writer_path(w, "manifest"), *text = NULL;
	json_t *all = json_object();
	json_t *manifest = json_pack("{s:i, s:o, s:o}", "format", FORMAT, "files", all, "about",
				     about ? about : json_object());
	gboolean ok = TRUE;

	for (; ok && *files; files++) {
		g_autofree char *path = store_writer_path(w, *files);
		json_t *one = describe_file(path, error);

		ok = one && !json_object_set_new(all, *files, one);
	}
	text = ok ? json_dumps(manifest, JSON_COMPACT) : NULL;
	json_decref(manifest);
	return ok && g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

/* In the place of an old one, which then lies in ours. */
static gboolean put_in_place(struct store_writer *w, GError **error)
{
	json_t *old = store_manifest(w->dir, w->name);
	int fd = -1;
	gboolean ok;

	if (old)
		fd = lock_entry(w->dir, w->name, LOCK_EX, error);
	json_decref(old);
	if (old && fd < 0)
		return FALSE;
	ok = !renameat2(AT_FDCWD, w->temp, AT_FDCWD, w->final, RENAME_EXCHANGE);
	if (!ok) {
		fs_remove_at(AT_FDCWD, w->final);
		ok = !rename(w->temp, w->final);
	} else {
		fs_remove_at(AT_FDCWD, w->temp);
	}
	if (!ok)
		vx_error_set_errno(error, errno, "cannot rename %s", w->temp);
	if (fd >= 0)
		close(fd);
	return ok;
}

gboolean store_commit(struct store_writer *w, const char *const *files, json_t *about, GError **error)
{
	if (!write_manifest(w, files, about, error) || !put_in_place(w, error)) {
		store_abort(w);
		return FALSE;
	}
	writer_free(w);
	return TRUE;
}
