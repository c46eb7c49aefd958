// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "fsutil.h"
#include "srctree.h"

static gboolean has_command_file(const char *dir, const char *name)
{
	g_autofree char *cmd = g_strdup_printf("%s/.%s.cmd", dir, name);

	return g_file_test(cmd, G_FILE_TEST_EXISTS);
}

/* Kbuild keeps the command that made F in .F.cmd: what has one was made. */
static gboolean is_source(const char *dir, const char *name)
{
	static const char *const made[] = {
		"modules.order", "Module.symvers", ".tmp_versions", ".git", ".svn", ".hg", NULL,
	};

	if (g_strv_contains(made, name) || g_str_has_suffix(name, ".mod.c"))
		return FALSE;
	if (name[0] == '.' && (g_str_has_suffix(name, ".cmd") || g_str_has_suffix(name, ".d")))
		return FALSE;
	return !has_command_file(dir, name);
}

static gboolean too_large(const struct srctree *tree, const char *what, GError **error)
{
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
		    "%s has %s: is it really the folder of a module's source?", tree->root, what);
	return FALSE;
}

static gboolean scan_dir(struct srctree *tree, const char *relative, unsigned int depth, GError **error);

static gboolean scan_entry(struct srctree *tree, const char *relative, const char *path, unsigned int depth,
			   GError **error)
{
	struct stat st;

	/* Dangling links, sockets and the like are nothing to build from. */
	if (stat(path, &st))
		return TRUE;
	if (S_ISDIR(st.st_mode))
		return scan_dir(tree, relative, depth + 1, error);
	if (!S_ISREG(st.st_mode))
		return TRUE;
	tree->bytes += st.st_size;
	g_ptr_array_add(tree->files, g_strdup(relative));
	if (tree->files->len > SRCTREE_FILES_MAX)
		return too_large(tree, "more than 20000 files", error);
	if (tree->bytes > SRCTREE_BYTES_MAX)
		return too_large(tree, "more than 256 MiB", error);
	return TRUE;
}

static gboolean scan_dir(struct srctree *tree, const char *relative, unsigned int depth, GError **error)
{
	g_autofree char *path = g_build_filename(tree->root, relative, NULL);
	g_autoptr(GError) io = NULL;
	g_autoptr(GDir) dir = NULL;
	const char *name;

	if (depth > SRCTREE_DEPTH_MAX)
		return too_large(tree, "folders more than 32 deep", error);
	dir = g_dir_open(path, 0, &io);
	if (!dir) {
		g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
		return FALSE;
	}
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *below = *relative ? g_build_filename(relative, name, NULL) : g_strdup(name);
		g_autofree char *file = g_build_filename(path, name, NULL);

		if (is_source(path, name) && !scan_entry(tree, below, file, depth, error))
			return FALSE;
	}
	return TRUE;
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct srctree *srctree_scan(const char *root, GError **error)
{
	VX_GUARD(srctree_free) struct srctree *tree = g_new0(struct srctree, 1);
	struct srctree *ret;

	tree->root = g_strdup(root);
	tree->files = g_ptr_array_new_with_free_func(g_free);
	if (!scan_dir(tree, "", 0, error))
		return NULL;
	g_ptr_array_sort(tree->files, compare_paths);
	ret = tree;
	tree = NULL;
	return ret;
}

void srctree_free(struct srctree *tree)
{
	if (!tree)
		return;
	g_free(tree->root);
	g_ptr_array_unref(tree->files);
	g_free(tree);
}

static gboolean copy_out(const char *to, const char *relative, const char *data, gsize len, GError **error)
{
	g_autofree char *path = g_build_filename(to, relative, NULL);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autoptr(GError) io = NULL;

	if (!fs_mkdir(dir, 0755, error))
		return FALSE;
	if (g_file_set_contents_full(path, data, len, G_FILE_SET_CONTENTS_NONE, 0644, &io))
		return TRUE;
	g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
	return FALSE;
}

gboolean srctree_read(const struct srctree *tree, const char *to, GChecksum *sum, GError **error)
{
	guint i;

	for (i = 0; i < tree->files->len; i++) {
		const char *relative = tree->files->pdata[i];
		g_autofree char *path = g_build_filename(tree->root, relative, NULL), *data = NULL;
		g_autofree char *head = NULL;
		g_autoptr(GError) io = NULL;
		gsize len;

		if (!g_file_get_contents(path, &data, &len, &io)) {
			g_set_error(error, VX_ERROR, vx_error_exit_code(io), "%s", io->message);
			return FALSE;
		}
		head = g_strdup_printf("%zu %zu ", strlen(relative), len);
		g_checksum_update(sum, (const guchar *)head, -1);
		g_checksum_update(sum, (const guchar *)relative, -1);
		g_checksum_update(sum, (const guchar *)data, len);
		if (to && !copy_out(to, relative, data, len, error))
			return FALSE;
	}
	return TRUE;
}
