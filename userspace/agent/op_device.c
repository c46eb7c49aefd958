// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "op_device.h"
#include "ops.h"
#include "stress_run.h"

#define SECTOR		512
#define MAP_NAME	"vexlab"
#define PLUG_MODULE	"scsi_debug"
#define WAIT_NS		(3 * NSEC_PER_SEC)	/* for a disk to appear */
#define TRIES		16			/* somebody else may take the number that was free */
#define BYTES_MAX	(1ll << 40)

/* ---- loop devices --------------------------------------------------------------------------------------- */

static int loop_on(int file, int control, char *ret, size_t size)
{
	struct loop_config config = { .fd = (__u32)file };
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	_cleanup_close_ int fd = -1;

	if (number < 0)
		return -errno;
	snprintf(ret, size, "/dev/loop%d", number);
	fd = open(ret, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return ioctl(fd, LOOP_CONFIGURE, &config) ? -errno : 0;
}

int device_loop(const char *path, char *ret, size_t size)
{
	_cleanup_close_ int file = open(path, O_RDWR | O_CLOEXEC);
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int err = -EBUSY, i;

	if (file < 0 || control < 0)
		return -errno;
	for (i = 0; i < TRIES && err == -EBUSY; i++)
		err = loop_on(file, control, ret, size);
	return err;
}

int device_loop_drop(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, LOOP_CLR_FD, 0) ? -errno : 0;
}

static int make_loop(struct op_run *run)
{
	const char *path = run->step.str[1];
	_cleanup_close_ int fd = -1;
	char device[64];
	int err;

	if (run->step.req.nstrings < 2 || run->step.req.num[0] <= 0 || run->step.req.num[0] > BYTES_MAX)
		return -EINVAL;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, run->step.req.num[0]))
		return -errno;
	err = device_loop(path, device, sizeof(device));
	/* The device keeps it; nothing else has to remember it. */
	unlink(path);
	if (!err)
		op_say(run, "%s\n", device);
	return err;
}

/* ---- device-mapper -------------------------------------------------------------------------------------- */

struct map_request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char params[256];
};

static int map_ioctl(unsigned long request, struct map_request *req)
{
	_cleanup_close_ int fd = open("/dev/" DM_DIR "/" DM_CONTROL_NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	req->head.version[0] = DM_VERSION_MAJOR;
	req->head.data_size = sizeof(*req);
	req->head.data_start = offsetof(struct map_request, target);
	snprintf(req->head.name, sizeof(req->head.name), MAP_NAME);
	return ioctl(fd, request, req) ? -errno : 0;
}

int device_map_table(const char *type, uint64_t sectors, const char *params)
{
	struct map_request load = { .head.target_count = 1, .target.length = sectors };
	struct map_request resume = { .head.flags = DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG };

	snprintf(load.target.target_type, sizeof(load.target.target_type), "%s", type);
	snprintf(load.params, sizeof(load.params), "%s", params);
	return map_ioctl(DM_TABLE_LOAD, &load) ?: map_ioctl(DM_DEV_SUSPEND, &resume);
}

static int map_drop(void)
{
	struct map_request req = { 0 };

	return map_ioctl(DM_DEV_REMOVE, &req);
}

static int make_map(struct op_run *run)
{
	struct map_request create = { 0 };
	int64_t bytes;
	char params[256];
	int err;

	if (run->step.req.nstrings < 2)
		return -EINVAL;
	bytes = device_bytes(run->step.str[1]);
	if (bytes < 0)
		return (int)bytes;
	err = map_ioctl(DM_DEV_CREATE, &create);
	if (err)
		return err;
	snprintf(params, sizeof(params), "%.200s 0", run->step.str[1]);
	err = device_map_table("linear", (uint64_t)bytes / SECTOR, params);
	if (err)
		map_drop();
	else
		op_say(run, "/dev/dm-%u\n", minor(create.head.dev));
	return err;
}

int64_t device_bytes(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		return -errno;
	return (int64_t)bytes;
}

/* ---- a disk that can be pulled out ------------------------------------------------------------------------ */

static bool is_plugged(const char *disk)
{
	char path[300], model[32] = "";
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/sys/block/%s/device/model", disk);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, model, sizeof(model) - 1) > 0 && !strncmp(model, PLUG_MODULE, strlen(PLUG_MODULE));
}

static bool find_plugged(char *ret, size_t size)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "sd", 2) || !is_plugged(e->d_name))
			continue;
		snprintf(ret, size, "/dev/%.32s", e->d_name);
		return !access(ret, F_OK);
	}
	return false;
}

static int make_plug(struct op_run *run)
{
	const uint64_t until = now_ns() + WAIT_NS;
	char file[STRESS_PATH], params[64], path[64];
	int err;

	if (run->step.req.num[0] <= 0 || run->step.req.num[0] > BYTES_MAX)
		return -EINVAL;
	err = module_file(PLUG_MODULE, file, sizeof(file));
	if (err)
		return err;
	snprintf(params, sizeof(params), "dev_size_mb=%lld delay=0", (long long)(run->step.req.num[0] >> 20));
	err = module_insert(file, params);
	if (err)
		return err;
	/* Its disk is probed by somebody else. */
	while (!find_plugged(path, sizeof(path))) {
		if (now_ns() > until)
			return -ENODEV;
		stress_nap(5 * NSEC_PER_MSEC);
	}
	op_say(run, "%s\n", path);
	return 0;
}

int device_pull(const char *path)
{
	char file[128];
	_cleanup_close_ int fd = -1;

	snprintf(file, sizeof(file), "/sys/block/%.32s/device/delete", path + strlen("/dev/"));
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) == 1 ? 0 : -errno;
}

/* What waits for its disk to be let go may take a moment. */
static int plug_drop(void)
{
	const uint64_t until = now_ns() + WAIT_NS;

	while (syscall(SYS_delete_module, PLUG_MODULE, O_NONBLOCK)) {
		if ((errno != EWOULDBLOCK && errno != EBUSY) || now_ns() > until)
			return -errno;
		stress_nap(5 * NSEC_PER_MSEC);
	}
	return 0;
}

/* ---- the step --------------------------------------------------------------------------------------------- */

static int drop(const char *path)
{
	if (!strncmp(path, "/dev/loop", 9))
		return device_loop_drop(path);
	return !strncmp(path, "/dev/dm-", 8) ? map_drop() : plug_drop();
}

static int do_verb(struct op_run *run)
{
	const char *verb = run->step.str[0];

	if (!strcmp(verb, "loop"))
		return make_loop(run);
	if (!strcmp(verb, "map"))
		return make_map(run);
	if (!strcmp(verb, "plug"))
		return make_plug(run);
	return !strcmp(verb, "drop") && run->step.req.nstrings > 1 ? drop(run->step.str[1]) : -EINVAL;
}

int op_device(struct op_run *run)
{
	op_begin(run);
	return op_end(run, do_verb(run));
}
