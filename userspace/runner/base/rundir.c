// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "rundir.h"

#define KILL_WAIT_MS	5000
#define ID_LEN		8	/* hex digits */

struct rundir {
	char *base, *path;
	const char *id;		/* within path */
	int lock;		/* owner.lock, flock'd */
};

static char *default_base(void)
{
	const char *runtime = g_getenv("XDG_RUNTIME_DIR");

	if (!geteuid())
		return g_strdup("/run/vexlab");
	if (runtime && g_path_is_absolute(runtime))
		return g_build_filename(runtime, "vexlab", NULL);
	return g_strdup_printf("/tmp/vexlab-%u", (unsigned int)geteuid());
}

static int open_locked(const char *path, int operation)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), err;

	if (fd < 0)
		return -errno;
	while (flock(fd, operation)) {
		err = errno;
		if (err == EINTR)
			continue;
		close(fd);
		return -err;
	}
	return fd;
}

/*
 * Held while a directory comes to be and while the dead are looked for, so
 * that one without its lock yet is never taken for dead.
 */
static int lock_base(const char *base, GError **error)
{
	g_autofree char *path = g_build_filename(base, ".lock", NULL);
	int fd = open_locked(path, LOCK_EX);

	if (fd < 0)
		vx_error_set_errno(error, -fd, "cannot lock %s", path);
	return fd;
}

static gboolean make_locked(struct rundir *rd, GError **error)
{
	g_autofree char *id = NULL, *lock = NULL;

	do {
		g_free(rd->path);
		g_free(id);
		id = g_strdup_printf("%0*x", ID_LEN, g_random_int());
		rd->path = g_build_filename(rd->base, id, NULL);
		rd->id = rd->path + strlen(rd->path) - ID_LEN;
	} while (mkdir(rd->path, 0700) && errno == EEXIST);
	lock = g_build_filename(rd->path, "owner.lock", NULL);
	rd->lock = open_locked(lock, LOCK_EX | LOCK_NB);
	if (rd->lock >= 0)
		return TRUE;
	vx_error_set_errno(error, -rd->lock, "cannot make the run directory %s", rd->path);
	return FALSE;
}

struct rundir *rundir_create(const char *base, GError **error)
{
	struct rundir *rd = g_new0(struct rundir, 1);
	gboolean ok = FALSE;
	int guard = -1;

	rd->lock = -1;
	rd->base = base ? g_strdup(base) : default_base();
	if (fs_mkdir_private(rd->base, error))
		guard = lock_base(rd->base, error);
	if (guard >= 0) {
		ok = make_locked(rd, error);
		close(guard);
	}
	if (ok)
		return rd;
	rundir_destroy(rd);
	return NULL;
}

static int pidfd_open_(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static gboolean is_qemu_of(pid_t pid, const char *rundir)
{
	g_autofree char *file = g_strdup_printf("/proc/%d/cmdline", (int)pid), *text = NULL, *name = NULL;
	g_autofree char *inside = g_strconcat(rundir, "/", NULL);
	gsize len = 0;

	if (!g_file_get_contents(file, &text, &len, NULL) || !len)
		return FALSE;
	/* A pager or an editor may have the path in its arguments too. */
	name = g_path_get_basename(text);
	return g_str_has_prefix(name, "qemu") && memmem(text, len, inside, strlen(inside));
}

static gboolean kill_qemu(pid_t pid, const char *rundir)
{
	int fd = pidfd_open_(pid);
	struct pollfd gone = { .fd = fd, .events = POLLIN };
	gboolean killed = FALSE;

	if (fd < 0)
		return FALSE;
	/* Looked at only now: as long as the pidfd is open, the number cannot mean another process. */
	if (is_qemu_of(pid, rundir) && !syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0))
		killed = poll(&gone, 1, KILL_WAIT_MS) == 1;
	close(fd);
	return killed;
}

static unsigned int kill_all_qemu(const char *rundir)
{
	GDir *proc = g_dir_open("/proc", 0, NULL);
	unsigned int killed = 0;
	const char *name;

	if (!proc)
		return 0;
	while ((name = g_dir_read_name(proc))) {
		pid_t pid = g_ascii_isdigit(*name) ? atoi(name) : 0;

		/* Cheap look first: a pidfd for each process of the machine is not. */
		if (pid > 1 && is_qemu_of(pid, rundir))
			killed += kill_qemu(pid, rundir);
	}
	g_dir_close(proc);
	return killed;
}

static unsigned int remove_scratch(const char *rundir)
{
	g_autofree char *list = g_build_filename(rundir, "scratch", NULL), *text = NULL;
	g_auto(GStrv) lines = NULL;
	unsigned int files = 0;

	if (!g_file_get_contents(list, &text, NULL, NULL))
		return 0;
	lines = g_strsplit(text, "\n", -1);
	/* What follows the last newline was cut by a death in mid-write. */
	for (char **line = lines; line[0] && line[1]; line++)
		if (g_path_is_absolute(*line) && !unlink(*line))
			files++;
	return files;
}

/* The directory goes last: until then a second attempt still finds everything. */
static int clear_rundir(const char *path, struct rundir_reaped *did)
{
	int ret;

	did->killed += kill_all_qemu(path);
	did->files += remove_scratch(path);
	ret = fs_remove_at(AT_FDCWD, path);
	if (!ret)
		did->dirs++;
	return ret;
}

void rundir_destroy(struct rundir *rd)
{
	struct rundir_reaped did = { 0 };

	if (!rd)
		return;
	if (rd->lock >= 0) {
		clear_rundir(rd->path, &did);
		close(rd->lock);
	}
	g_free(rd->base);
	g_free(rd->path);
	g_free(rd);
}

const char *rundir_path(const struct rundir *rd)
{
	return rd->path;
}

const char *rundir_id(const struct rundir *rd)
{
	return rd->id;
}

gboolean rundir_add_scratch(struct rundir *rd, const char *path, GError **error)
{
	g_autofree char *list = g_build_filename(rd->path, "scratch", NULL);
	g_autofree char *line = g_strconcat(path, "\n", NULL);
	gsize len = strlen(line);
	int fd, err = 0;

	if (!g_path_is_absolute(path) || strchr(path, '\n')) {
		g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "%s cannot be listed as a scratch file", path);
		return FALSE;
	}
	fd = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, line, len) != (gssize)len)
		err = errno ? errno : EIO;
	if (fd >= 0)
		close(fd);
	if (err)
		vx_error_set_errno(error, err, "cannot write %s", list);
	return !err;
}

static gboolean is_id(const char *name)
{
	return strlen(name) == ID_LEN && strspn(name, "0123456789abcdef") == ID_LEN;
}

static gboolean reap_one(const char *path, struct rundir_reaped *did, GError **error)
{
	g_autofree char *lock = g_build_filename(path, "owner.lock", NULL);
	int fd = open_locked(lock, LOCK_EX | LOCK_NB), err;

	if (fd == -EWOULDBLOCK)
		return TRUE;
	err = fd < 0 ? fd : clear_rundir(path, did);
	if (fd >= 0)
		close(fd);
	/* Gone meanwhile: its owner was just leaving. */
	if (!err || err == -ENOENT)
		return TRUE;
	vx_error_set_errno(error, -err, "cannot clear %s, left by a vexlab that died", path);
	return FALSE;
}

static gboolean reap_all(const char *base, struct rundir_reaped *did, GError **error)
{
	g_autoptr(GDir) dir = g_dir_open(base, 0, error);
	gboolean ok = TRUE;
	const char *name;

	if (!dir)
		return FALSE;
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(base, name, NULL);

		/* Only the first failure is told; the others are tried all the same. */
		if (is_id(name) && !reap_one(path, did, ok ? error : NULL))
			ok = FALSE;
	}
	return ok;
}

gboolean rundir_reap(const char *base, struct rundir_reaped *ret, GError **error)
{
	g_autofree char *dir = base ? g_strdup(base) : default_base();
	struct rundir_reaped did = { 0 };
	gboolean ok;
	int guard;

	if (!fs_mkdir_private(dir, error))
		return FALSE;
	guard = lock_base(dir, error);
	if (guard < 0)
		return FALSE;
	ok = reap_all(dir, &did, error);
	close(guard);
	if (ret)
		*ret = did;
	return ok;
}
