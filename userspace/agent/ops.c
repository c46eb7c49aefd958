// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"
#include "undo.h"

void op_lock(struct op_run *run)
{
	/* Its owner was killed by the kernel while it held the lock: what it guards is still sound. */
	if (pthread_mutex_lock(&run->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&run->lock);
}

void op_unlock(struct op_run *run)
{
	pthread_mutex_unlock(&run->lock);
}

void op_say_bytes(struct op_run *run, const void *data, size_t len)
{
	op_lock(run);
	output_add(&run->out, data, len);
	op_unlock(run);
}

void op_say(struct op_run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	op_lock(run);
	output_vprintf(&run->out, format, args);
	op_unlock(run);
	va_end(args);
}

bool op_kill_child(struct op_run *run)
{
	bool killed;

	/* Reaped under the same lock, so the number is still its own. */
	op_lock(run);
	killed = run->child > 0;
	if (killed)
		kill(-run->child, SIGKILL);
	op_unlock(run);
	return killed;
}

static int op_nop(struct op_run *run)
{
	op_begin(run);
	return op_end(run, 0);
}

static int op_sleep(struct op_run *run)
{
	int64_t ns = run->step.req.num[0];
	struct timespec t = { ns / (int64_t)NSEC_PER_SEC, ns % (int64_t)NSEC_PER_SEC };

	return ns < 0 ? -EINVAL : OP_TIMED(run, nanosleep(&t, NULL));
}

static int make_directory(const char *path, mode_t mode)
{
	if (mkdir(path, mode))
		return errno == EEXIST ? 0 : -errno;
	undo_note(UNDO_DIRECTORY, path);
	return 0;
}

static int make_parents(const char *path, mode_t mode)
{
	char part[4096];
	size_t i, len = strlen(path);
	int err = 0;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (i = 1; i < len && !err; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		err = make_directory(part, mode);
		part[i] = '/';
	}
	return err ? err : make_directory(part, mode);
}

static int op_mkdir(struct op_run *run)
{
	op_begin(run);
	return op_end(run, make_parents(run->step.str[0], (mode_t)run->step.req.num[0] & 07777));
}

static int op_sync(struct op_run *run)
{
	_cleanup_close_ int fd = -1;

	if (!run->step.str[0] || !run->step.str[0][0]) {
		op_begin(run);
		sync();
		return op_end(run, 0);
	}
	fd = open(run->step.str[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : OP_TIMED(run, syncfs(fd));
}

static int op_drop_caches(struct op_run *run)
{
	_cleanup_close_ int fd = -1;
	char what[2] = { (char)('0' + run->step.req.num[0]), '\n' };
	int n;

	if (run->step.req.num[0] < 1 || run->step.req.num[0] > 3)
		return -EINVAL;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = OP_TIMED(run, write(fd, what, sizeof(what)));
	return n < 0 ? n : 0;
}

static int op_read(struct op_run *run)
{
	size_t have = 0, max = VX_STEP_OUTPUT_MAX;
	_cleanup_close_ int fd = -1;
	char buf[4096];
	ssize_t n = 0;

	op_begin(run);
	fd = open(run->step.str[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return op_end(run, -errno);
	while (have < max) {
		n = read(fd, buf, max - have < sizeof(buf) ? max - have : sizeof(buf));
		if (n <= 0)
			break;
		op_say_bytes(run, buf, (size_t)n);
		have += (size_t)n;
	}
	run->value = (int64_t)have;
	return op_end(run, n < 0 ? -errno : 0);
}

static int op_write(struct op_run *run)
{
	const char *text = run->step.str[1];
	_cleanup_close_ int fd = open(run->step.str[0], O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int n;

	if (fd < 0)
		return -errno;
	n = OP_TIMED(run, write(fd, text, strlen(text)));
	run->value = n;
	return n < 0 ? n : 0;
}

static int op_statfs(struct op_run *run)
{
	struct statfs st;
	int err = OP_TIMED(run, statfs(run->step.str[0], &st));

	if (err)
		return err;
	run->value = st.f_type;
	op_say(run, "%ld %llu %llu %llu %llu\n", (long)st.f_bsize, (unsigned long long)st.f_blocks,
	       (unsigned long long)st.f_bfree, (unsigned long long)st.f_files,
	       (unsigned long long)st.f_ffree);
	return 0;
}

static const struct {
	int (*run)(struct op_run *run);
	unsigned int min_strings;
} ops[VX_STEP_OPS] = {
	[VX_STEP_INSMOD]	= { op_insmod, 1 },
	[VX_STEP_MODPROBE]	= { op_modprobe, 1 },
	[VX_STEP_RMMOD]		= { op_rmmod, 1 },
	[VX_STEP_EXEC]		= { op_exec, 1 },
	[VX_STEP_MOUNT]		= { op_mount, 3 },
	[VX_STEP_UMOUNT]	= { op_umount, 1 },
	[VX_STEP_MKDIR]		= { op_mkdir, 1 },
	[VX_STEP_SYNC]		= { op_sync, 0 },
	[VX_STEP_DROP_CACHES]	= { op_drop_caches, 0 },
	[VX_STEP_READ]		= { op_read, 1 },
	[VX_STEP_FILES]		= { op_files, 1 },
	[VX_STEP_SLEEP]		= { op_sleep, 0 },
	[VX_STEP_NOP]		= { op_nop, 0 },
	[VX_STEP_STATFS]	= { op_statfs, 1 },
	[VX_STEP_WRITE]		= { op_write, 2 },
	[VX_STEP_FAULT]		= { op_fault, 0 },
	[VX_STEP_FILE_OP]	= { op_file, 2 },
	[VX_STEP_SETTLE]	= { op_settle, 0 },
	[VX_STEP_RESOURCES]	= { op_resources, 0 },
	[VX_STEP_KMEMLEAK]	= { op_kmemleak, 0 },
	[VX_STEP_PARALLEL]	= { op_parallel, 2 },
	[VX_STEP_ORACLE]	= { op_oracle, 3 },
	[VX_STEP_ORACLE_CHECK]	= { op_oracle_check, 2 },
	[VX_STEP_LOOP]		= { op_loop, 1 },
	[VX_STEP_IMAGE_OPEN]	= { op_image_open, 0 },
	[VX_STEP_IMAGE_FILL]	= { op_image_fill, 1 },
	[VX_STEP_IMAGE_HOLD]	= { op_image_hold, 0 },
	[VX_STEP_IMAGE_TRY]	= { op_image_try, 4 },
	[VX_STEP_STRESS]	= { op_stress, 8 },
	[VX_STEP_EXHAUST]	= { op_exhaust, 8 },
	[VX_STEP_DEVICE]	= { op_device, 1 },
	[VX_STEP_INJECT]	= { op_inject, 4 },
	[VX_STEP_OUTSTANDING]	= { op_outstanding, 0 },
	[VX_STEP_KEEP]		= { op_keep, 1 },
	[VX_STEP_INJECT_END]	= { op_inject_end, 0 },
	[VX_STEP_LOCKS]		= { op_locks, 0 },
	[VX_STEP_DELAYS]	= { op_delays, 2 },
	[VX_STEP_RACES]		= { op_races, 5 },
};

int op_execute(struct op_run *run)
{
	const struct vx_req_step *req = &run->step.req;

	if (req->op >= VX_STEP_OPS || !ops[req->op].run)
		return -EOPNOTSUPP;
	if (req->nstrings < ops[req->op].min_strings)
		return -EINVAL;
	return ops[req->op].run(run);
}
