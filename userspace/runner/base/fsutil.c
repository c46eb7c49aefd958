// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"

static int remove_children(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	int ret = 0, r;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		close(fd);
		return ret;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = fs_remove_at(fd, entry->d_name);
		if (r && !ret)
			ret = r;
	}
	closedir(dir);
	return ret;
}

int fs_remove_at(int dirfd, const char *name)
{
	int ret;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	ret = remove_children(dirfd, name);
	if (!unlinkat(dirfd, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	return ret ? ret : -errno;
}

gboolean fs_mkdir(const char *path, int mode, GError **error)
{
	if (!g_mkdir_with_parents(path, mode))
		return TRUE;
	vx_error_set_errno(error, errno, "cannot make the directory %s", path);
	return FALSE;
}

gboolean fs_mkdir_private(const char *path, GError **error)
{
	struct stat st;

	if (!fs_mkdir(path, 0700, error))
		return FALSE;
	if (lstat(path, &st)) {
		vx_error_set_errno(error, errno, "cannot look at %s", path);
		return FALSE;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		g_set_error(error, VX_ERROR, VX_ERROR_PERM,
			    "%s is not a directory that only this user can write to: remove it or set its owner and mode 0700",
			    path);
		return FALSE;
	}
	return TRUE;
}

gboolean fs_need_space(const char *dir, guint64 bytes, GError **error)
{
	g_autofree char *need = NULL, *have = NULL;
	struct statvfs vfs;
	guint64 avail;

	if (statvfs(dir, &vfs)) {
		vx_error_set_errno(error, errno, "cannot ask how much space is free in %s", dir);
		return FALSE;
	}
	avail = (guint64)vfs.f_bavail * vfs.f_frsize;
	if (avail >= bytes)
		return TRUE;
	need = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
	have = g_format_size_full(avail, G_FORMAT_SIZE_IEC_UNITS);
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "not enough disk space in %s: %s needed, %s free",
		    dir, need, have);
	return FALSE;
}

char *fs_default_cachedir(void)
{
	const char *dir = g_getenv("VEXLAB_CACHE");

	if (dir && *dir)
		return g_strdup(dir);
	if (!geteuid())
		return g_strdup("/var/cache/vexlab");
	return g_build_filename(g_get_user_cache_dir(), "vexlab", NULL);
}

static gint64 timespec_ns(struct timespec ts)
{
	return (gint64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

char *fs_identity(const char *path, GError **error)
{
	struct stat st;

	if (stat(path, &st)) {
		vx_error_set_errno(error, errno, "cannot look at %s", path);
		return NULL;
	}
	return g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT
			       " %" G_GUINT64_FORMAT,
			       (gint64)st.st_size, timespec_ns(st.st_mtim), timespec_ns(st.st_ctim),
			       (guint64)st.st_ino, (guint64)st.st_dev);
}

static gboolean copy_range(int in, int out, off_t at, off_t end)
{
	off_t to = at;

	while (at < end) {
		ssize_t n = copy_file_range(in, &at, out, &to, (size_t)(end - at), 0);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return FALSE;
	}
	return TRUE;
}

static gboolean copy_data(int in, int out)
{
	off_t data, hole = 0, size = lseek(in, 0, SEEK_END);

	if (!ioctl(out, FICLONE, in))
		return TRUE;
	if (size < 0 || ftruncate(out, size))
		return FALSE;
	while ((data = lseek(in, hole, SEEK_DATA)) >= 0) {
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0 || !copy_range(in, out, data, hole))
			return FALSE;
	}
	return errno == ENXIO;
}

gboolean fs_copy_sparse(const char *from, const char *to, GError **error)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, err;
	gboolean ok = FALSE;

	if (in >= 0)
		out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out >= 0)
		ok = copy_data(in, out);
	err = errno;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (ok)
		return TRUE;
	if (out >= 0)
		unlink(to);
	vx_error_set_errno(error, err, "cannot copy %s to %s", from, to);
	return FALSE;
}

struct aged {
	char *path;
	gint64 changed;
};

static int newest_first(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return x->changed < y->changed ? 1 : x->changed > y->changed ? -1 : 0;
}

static void free_aged(void *data)
{
	g_free(((struct aged *)data)->path);
}

void fs_keep_newest(const char *dir, guint keep)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct aged));
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;
	struct stat st;

	g_array_set_clear_func(all, free_aged);
	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (!lstat(path, &st) && S_ISREG(st.st_mode)) {
			struct aged one = { g_steal_pointer(&path), timespec_ns(st.st_mtim) };

			g_array_append_val(all, one);
		}
	}
	g_array_sort(all, newest_first);
	for (guint i = keep; i < all->len; i++)
		unlink(g_array_index(all, struct aged, i).path);
}
