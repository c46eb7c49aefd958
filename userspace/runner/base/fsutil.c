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
