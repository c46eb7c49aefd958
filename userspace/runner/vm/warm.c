// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "error.h"
#include "fsutil.h"
#include "warm.h"

#define KEY_LEN		64
#define FORMAT		1	/* of key and manifest: a change makes all entries stale */
#define NEW_PREFIX	".new-"

struct warm_writer {
	char *dir;	/* <cachedir>/warm */
	char *temp;	/* the entry as it grows */
	char *final;	/* ... and where it goes */
	char *state;
	int lock;
};

static void hash_text(GChecksum *sum, const char *text)
{
	guint64 len = GUINT64_TO_LE(strlen(text));

	/* With its length, so that no two lists look alike. */
	g_checksum_update(sum, (const guchar *)&len, sizeof(len));
	g_checksum_update(sum, (const guchar *)text, strlen(text));
}

char *warm_key(const char *const *facts, const char *const *files, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree char *salt = g_strdup_printf("vexlab warm %d", FORMAT);

	hash_text(sum, salt);
	for (; facts && *facts; facts++)
		hash_text(sum, *facts);
	for (; files && *files; files++) {
		g_autofree char *identity = fs_identity(*files, error);

		if (!identity)
			return NULL;
		hash_text(sum, identity);
	}
	return g_strdup(g_checksum_get_string(sum));
}

static char *warm_dir(const char *cachedir)
{
	return g_build_filename(cachedir, "warm", NULL);
}

/* --- Manifest -------------------------------------------------------------- */

static gint64 mtime_ns(const struct stat *st)
{
	return (gint64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static json_t *make_manifest(const char *state, GError **error)
{
	g_autoptr(GArray) ranges = NULL;
	struct stat st;
	guint32 crc;
	json_t *data;

	ranges = digest_file(state, NULL, &crc, error);
	if (!ranges)
		return NULL;
	if (stat(state, &st)) {
		vx_error_set_errno(error, errno, "cannot look at %s", state);
		return NULL;
	}
	data = json_array();
	for (guint i = 0; i < ranges->len; i++) {
		const struct digest_range *r = &g_array_index(ranges, struct digest_range, i);

		json_array_append_new(data, json_pack("[I, I]", (json_int_t)r->start, (json_int_t)r->len));
	}
	return json_pack("{s:i, s:I, s:I, s:s, s:I, s:o}", "format", FORMAT, "size", (json_int_t)st.st_size,
			 "mtime_ns", (json_int_t)mtime_ns(&st), "sum", digest_name(), "value", (json_int_t)crc,
			 "data", data);
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

/* NULL: good. Else what is wrong. */
static const char *check_manifest(json_t *manifest, const char *state)
{
	g_autoptr(GArray) ranges = NULL, read = NULL;
	json_int_t size, mtime, value;
	const char *sum;
	json_t *data;
	struct stat st;
	int format;
	guint32 crc;

	if (json_unpack(manifest, "{s:i, s:I, s:I, s:s, s:I, s:o}", "format", &format, "size", &size,
			"mtime_ns", &mtime, "sum", &sum, "value", &value, "data", &data))
		return "its manifest cannot be read";
	if (format != FORMAT || strcmp(sum, digest_name()))
		return "it is of another version";
	if (stat(state, &st))
		return "it is missing";
	if (st.st_size != size)
		return "it has another length";
	if (mtime_ns(&st) != mtime)
		return "it was changed";
	ranges = read_ranges(data);
	if (!ranges)
		return "its manifest cannot be read";
	read = digest_file(state, ranges, &crc, NULL);
	return read && crc == value ? NULL : "its checksum is wrong";
}

/* --- Finding --------------------------------------------------------------- */

char *warm_find(const char *cachedir, const char *key, char **why)
{
	g_autofree char *dir = warm_dir(cachedir), *entry = g_build_filename(dir, key, NULL);
	g_autofree char *state = g_build_filename(entry, "state", NULL);
	g_autofree char *file = g_build_filename(entry, "manifest", NULL);
	json_t *manifest = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);
	const char *wrong;

	if (!manifest && !g_file_test(entry, G_FILE_TEST_EXISTS)) {
		if (why)
			*why = g_strdup("there is no ready-state for this kernel, image and machine yet");
		return NULL;
	}
	wrong = check_manifest(manifest, state);
	json_decref(manifest);
	if (!wrong) {
		/* The directory's time is when it was last used. */
		utimensat(AT_FDCWD, entry, NULL, 0);
		return g_steal_pointer(&state);
	}
	if (why)
		*why = g_strdup_printf("the ready-state is damaged (%s) and was removed", wrong);
	warm_discard(cachedir, key);
	return NULL;
}

void warm_discard(const char *cachedir, const char *key)
{
	g_autofree char *dir = warm_dir(cachedir), *entry = g_build_filename(dir, key, NULL);

	g_return_if_fail(strlen(key) == KEY_LEN);
	fs_remove_at(AT_FDCWD, entry);
}

/* --- Writing --------------------------------------------------------------- */

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
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "another vexlab is writing a ready-state");
	return -1;
}

/* Those who began them died: we hold the lock. */
static void remove_unfinished(const char *dir)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (g_str_has_prefix(name, NEW_PREFIX))
			fs_remove_at(AT_FDCWD, path);
	}
}

struct warm_writer *warm_begin(const char *cachedir, const char *key, guint64 need, GError **error)
{
	g_autofree char *name = g_strconcat(NEW_PREFIX, key, NULL);
	struct warm_writer *w = g_new0(struct warm_writer, 1);

	w->dir = warm_dir(cachedir);
	w->temp = g_build_filename(w->dir, name, NULL);
	w->final = g_build_filename(w->dir, key, NULL);
	w->state = g_build_filename(w->temp, "state", NULL);
	w->lock = -1;
	if (fs_mkdir_private(w->dir, error))
		w->lock = take_lock(w->dir, error);
	if (w->lock >= 0) {
		remove_unfinished(w->dir);
		if (fs_need_space(w->dir, need, error) && fs_mkdir(w->temp, 0700, error))
			return w;
	}
	warm_abort(w);
	return NULL;
}

const char *warm_writer_path(const struct warm_writer *w)
{
	return w->state;
}

static void writer_free(struct warm_writer *w)
{
	if (w->lock >= 0)
		close(w->lock);
	g_free(w->dir);
	g_free(w->temp);
	g_free(w->final);
	g_free(w->state);
	g_free(w);
}

void warm_abort(struct warm_writer *w)
{
	if (!w)
		return;
	if (w->lock >= 0)
		fs_remove_at(AT_FDCWD, w->temp);
	writer_free(w);
}

struct used { char *name; gint64 when; };

static int newest_first(const void *a, const void *b)
{
	const struct used *x = a, *y = b;

	return x->when < y->when ? 1 : x->when > y->when ? -1 : 0;
}

static void free_used(void *data)
{
	g_free(((struct used *)data)->name);
}

static void prune(const char *dir, unsigned int keep)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct used));
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;
	struct stat st;

	g_array_set_clear_func(all, free_used);
	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (strlen(name) == KEY_LEN && !stat(path, &st)) {
			struct used u = { g_steal_pointer(&path), mtime_ns(&st) };

			g_array_append_val(all, u);
		}
	}
	g_array_sort(all, newest_first);
	for (guint i = keep; i < all->len; i++)
		fs_remove_at(AT_FDCWD, g_array_index(all, struct used, i).name);
}

static gboolean write_manifest(struct warm_writer *w, GError **error)
{
	g_autofree char *file = g_build_filename(w->temp, "manifest", NULL), *text = NULL;
	json_t *manifest = make_manifest(w->state, error);

	if (!manifest)
		return FALSE;
	text = json_dumps(manifest, JSON_COMPACT);
	json_decref(manifest);
	return g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

gboolean warm_commit(struct warm_writer *w, GError **error)
{
	gboolean ok = write_manifest(w, error);

	if (ok) {
		fs_remove_at(AT_FDCWD, w->final);
		ok = !rename(w->temp, w->final);
		if (!ok)
			vx_error_set_errno(error, errno, "cannot rename %s", w->temp);
	}
	if (!ok) {
		warm_abort(w);
		return FALSE;
	}
	prune(w->dir, WARM_KEEP);
	writer_free(w);
	return TRUE;
}
