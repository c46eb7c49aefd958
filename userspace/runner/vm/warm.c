// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>

#include "fsutil.h"
#include "store.h"
#include "warm.h"

#define KEY_LEN		64
#define FORMAT		2	/* of the key: a change makes all entries stale */
#define STATE		"state"

struct warm_writer {
	struct store_writer *store;
	char *dir;	/* <cachedir>/warm */
	char *state;
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

/* --- Finding --------------------------------------------------------------- */

char *warm_find(const char *cachedir, const char *key, char **why)
{
	g_autofree char *dir = warm_dir(cachedir), *entry = g_build_filename(dir, key, NULL);
	json_t *manifest = store_manifest(dir, key);
	const char *wrong;

	if (!manifest && !g_file_test(entry, G_FILE_TEST_EXISTS)) {
		if (why)
			*why = g_strdup("there is no ready-state for this kernel, image and machine yet");
		return NULL;
	}
	wrong = store_wrong(manifest, dir, key);
	json_decref(manifest);
	if (!wrong) {
		/* The directory's time is when it was last used. */
		utimensat(AT_FDCWD, entry, NULL, 0);
		return g_build_filename(entry, STATE, NULL);
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

static void writer_free(struct warm_writer *w)
{
	g_free(w->dir);
	g_free(w->state);
	g_free(w);
}

struct warm_writer *warm_begin(const char *cachedir, const char *key, guint64 need, GError **error)
{
	struct warm_writer *w = g_new0(struct warm_writer, 1);

	w->dir = warm_dir(cachedir);
	w->store = store_begin(w->dir, key, need, error);
	if (!w->store) {
		writer_free(w);
		return NULL;
	}
	w->state = store_writer_path(w->store, STATE);
	return w;
}

const char *warm_writer_path(const struct warm_writer *w)
{
	return w->state;
}

void warm_abort(struct warm_writer *w)
{
	if (!w)
		return;
	store_abort(w->store);
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
			struct used u = { g_steal_pointer(&path), (gint64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };

			g_array_append_val(all, u);
		}
	}
	g_array_sort(all, newest_first);
	for (guint i = keep; i < all->len; i++)
		fs_remove_at(AT_FDCWD, g_array_index(all, struct used, i).name);
}

gboolean warm_commit(struct warm_writer *w, GError **error)
{
	const char *const files[] = { STATE, NULL };
	gboolean ok = store_commit(w->store, files, NULL, error);

	if (ok)
		prune(w->dir, WARM_KEEP);
	writer_free(w);
	return ok;
}
