// SPDX-License-Identifier: GPL-2.0
/* Kinds: no memory, no descriptors, a loop device on each file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "op_device.h"
#include "stress_run.h"

#define KEPT		4
#define KEPT_BYTES	(64u << 10)

static int start(struct stress_thread *own, char place[STRESS_PATH])
{
	return stress_place(own, "limits", place) ?: stress_mount_must(own, own->s->device, place) ?:
	       stress_keep(own, place, KEPT, KEPT_BYTES);
}

static int finish(struct stress_thread *own, const char *place)
{
	if (!stress_is_wrong(own->s) && !stress_kept(own, place, KEPT, KEPT_BYTES))
		stress_clear(own, place);
	return stress_epilogue(own);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

/* For each a worker; the last ones are too little for its threads to live. */
static const unsigned int limits_kib[] = { 16384, 8192, 4096, 2048, 1024 };
#define LIMITS (sizeof(limits_kib) / sizeof(limits_kib[0]))

#define SPARE_KIB	768u		/* of it, for what the filesystem wants: the rest is taken first */

struct cell {
	unsigned int kib;
	char group[STRESS_PATH + 32];
	const char *place;
	uint64_t share_ns;		/* of the kind's time, from when it is ready */
};

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[STRESS_PATH + 96];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* A group whose memory can be limited; -EBADMSG: there is none here. */
static int make_cell(struct stress_thread *t, struct cell *cell)
{
	char root[STRESS_PATH];

	if (stress_place(t, "cgroup", root))
		return -EBADMSG;
	if (mount("none", root, "cgroup2", 0, NULL) || write_text(root, "cgroup.subtree_control", "+memory"))
		return stress_lack(t->s, "this kernel has no memory controller (cgroup v2)");
	snprintf(cell->group, sizeof(cell->group), "%s/vexlab-stress", root);
	if (mkdir(cell->group, 0755) && errno != EEXIST)
		return stress_lack(t->s, "no control group can be made");
	return 0;
}

/* Pages that nobody can take back: what is left is for caches, inodes and buffers. */
static void take_memory(unsigned int kib)
{
	size_t len = (size_t)kib << 10;
	char *map = len ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;

	if (map != MAP_FAILED)
		memset(map, 1, len);
}

static int confined(struct stress_thread *t, void *arg)
{
	static const int right[] = { ENOMEM, ENOENT, EEXIST, ENOSPC, EOPNOTSUPP, EPERM, ENODATA, EINVAL, EAGAIN, 0 };
	const struct cell *cell = arg;
	struct stress_files how = { .dir = cell->place, .also = right, .unsure = true };
	struct stress_crew crew;

	if (write_text(cell->group, "cgroup.procs", "0"))
		return 1;
	take_memory(cell->kib > SPARE_KIB ? cell->kib - SPARE_KIB : 0);
	t->s->until_ns = now_ns() + cell->share_ns;
	stress_crew_start(&crew, t->s, 0, t->s->nthreads, stress_file_work, &how);
	stress_crew_wait(&crew);
	return 0;
}

int exhaust_memory(struct stress_thread *own)
{
	struct cell cell = { .share_ns = own->s->ns / LIMITS };
	char place[STRESS_PATH], text[32];
	unsigned int i, shot = 0;
	int status, err = 0;

	if (make_cell(own, &cell) || start(own, place))
		return -EBADMSG;
	cell.place = place;
	for (i = 0; i < LIMITS && !err && !stress_is_wrong(own->s); i++) {
		snprintf(text, sizeof(text), "%uK", limits_kib[i]);
		err = write_text(cell.group, "memory.max", text);
		cell.kib = limits_kib[i];
		err = err ?: stress_fork(own, confined, &cell, &status);
		shot += !err && status > 128;
		if (!err && status && status <= 128)
			err = stress_lack(own->s, "the control group takes no process");
	}
	rmdir(cell.group);
	stress_note(own->s, "%u of %u workers were shot for want of memory", shot, i);
	return finish(own, place);
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

#define FILES		"/proc/sys/fs/file-nr"
#define FILES_MAX	"/proc/sys/fs/file-max"
#define PROCESS_LIMIT	64
#define SYSTEM_SPARE	200
#define NOBODY		65534

struct opening {
	const char *place;
	unsigned int max;		/* it must end before */
	int err;			/* the one that ends it */
	bool nobody;			/* who is root may have more than the system has */
};

/* Opens until it is refused; then closes, and opens again. */
static int open_all(struct stress_thread *t, void *arg)
{
	const struct opening *o = arg;
	struct rlimit limit = { o->err == EMFILE ? PROCESS_LIMIT : o->max + 64, o->max + 64 };
	char path[STRESS_PATH + 32];
	unsigned int i, n, round;
	int *fd = calloc(o->max, sizeof(*fd));

	/* Who comes next may be somebody else. */
	umask(0);
	if (!fd || setrlimit(RLIMIT_NOFILE, &limit) || (o->nobody && setresuid(NOBODY, NOBODY, NOBODY)))
		return 1;
	for (round = 0; round < 4 && !stress_is_wrong(t->s); round++) {
		long ret = 0;

		for (n = 0; n < o->max; n++) {
			snprintf(path, sizeof(path), "%s/open/f%u", o->place, n % 16);
			ret = DO_RIGHT(t, OPEN, ((const int[]){ o->err, 0 }), open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666));
			if (ret < 0)
				break;
			fd[n] = (int)ret;
		}
		for (i = 0; i < n; i++)
			close(fd[i]);
		if (n == o->max)
			return 2;
		if (!n)
			stress_wrong(t->s, VX_FILE_HELD, "closing files does not give their descriptors back",
				     "%s at the first open of round %u", strerrorname_np(o->err), round + 1);
	}
	free(fd);
	return 0;
}

static unsigned long read_number(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strtoul(text, NULL, 10);
}

static int open_place(struct stress_thread *t, const char *place)
{
	char path[STRESS_PATH + 32];
	long err;

	snprintf(path, sizeof(path), "%s/open", place);
	err = DO(t, MKDIR, mkdir(path, 0777), EEXIST);
	/* The mask of the agent may have taken something off. */
	if (!err || err == -EEXIST)
		err = chmod(path, 0777) | chmod(place, 0755) ? -errno : 0;
	return (int)err;
}

static void of_system(struct stress_thread *own, struct opening *o)
{
	char was[32], less[32];
	int status = 0;

	snprintf(was, sizeof(was), "%lu", read_number(FILES_MAX));
	snprintf(less, sizeof(less), "%lu", read_number(FILES) + SYSTEM_SPARE);
	o->err = ENFILE;
	o->max = 100 * SYSTEM_SPARE;
	o->nobody = true;
	if (write_text("/proc/sys/fs", "file-max", less))
		return;
	stress_fork(own, open_all, o, &status);
	write_text("/proc/sys/fs", "file-max", was);
	if (status)
		stress_note(own->s, "the system's limit was not reached (%d)", status);
}

int exhaust_descriptors(struct stress_thread *own)
{
	struct opening o = { .err = EMFILE, .max = 1024 };
	char place[STRESS_PATH];
	int status = 0;

	if (start(own, place) || open_place(own, place))
		return -EBADMSG;
	o.place = place;
	stress_fork(own, open_all, &o, &status);
	if (status)
		stress_note(own->s, "the process' limit was not reached (%d)", status);
	if (!stress_is_wrong(own->s))
		of_system(own, &o);
	return finish(own, place);
}

/* ---- loop devices --------------------------------------------------------------------------------------- */

#define LOOPS		24
#define LOOP_BYTES	(1 << 20)

static bool use_loop(struct stress_thread *t, const char *device)
{
	static const char bytes[4096] = "through a loop device";
	_cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);
	char back[4096];

	if (fd < 0 || DO_ANY(t, WRITE, pwrite(fd, bytes, sizeof(bytes), 0)) != sizeof(bytes) || DO_ANY(t, FSYNC, fsync(fd)))
		return false;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (DO_ANY(t, READ, pread(fd, back, sizeof(back), 0)) != sizeof(back))
		return false;
	if (memcmp(bytes, back, sizeof(back)))
		stress_wrong(t->s, VX_FILE_CORRUPT, "wrong content of a loop device on a file", "%s", device);
	return true;
}

/* 0: it is there; -errno: not, or none is to be had. */
static int make_loop(struct stress_thread *t, const char *place, unsigned int i, char ret[64])
{
	char path[STRESS_PATH + 32];
	long fd;
	int err;

	snprintf(path, sizeof(path), "%s/loop%u", place, i);
	fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), ENOSPC);
	if (fd < 0)
		return (int)fd;
	err = DO(t, TRUNCATE, ftruncate((int)fd, LOOP_BYTES), ENOSPC) ? -ENOSPC : 0;
	close((int)fd);
	err = err ?: device_loop(path, ret, 64);
	if (err && !i)
		stress_lack(t->s, "there are no loop devices, or none on its files");
	return err;
}

int exhaust_loop_devices(struct stress_thread *own)
{
	char place[STRESS_PATH], device[LOOPS][64];
	unsigned int n, i, used = 0;

	if (start(own, place))
		return -EBADMSG;
	for (n = 0; n < LOOPS && !make_loop(own, place, n, device[n]); n++)
		used += use_loop(own, device[n]);
	if (n && !DO(own, UMOUNT, umount2(place, 0), EBUSY))
		stress_wrong(own->s, VX_FILE_WRONG, "umount works though a loop device is on a file", "%u of them", n);
	for (i = 0; i < n; i++)
		device_loop_drop(device[i]);
	stress_note(own->s, "%u loop devices, %u of them worked", n, used);
	return finish(own, place);
}
