// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "images.h"

#define BLOCK		4096u
#define SECTOR		512u
#define DEVICES		16
#define CHUNK		(64u << 10)
#define TIMEOUT_S	60

/* One at a time; `lock` is for what both the server and the steps touch. */
static struct disk {
	pthread_mutex_t lock;
	int device_fd, kernel_fd, server_fd;	/* -1: not open */
	char device[32];
	uint64_t size, room, shown;		/* of the image; of the memory; of the device now */
	unsigned char *kept, *now;		/* now: only blocks that are `changed` */
	unsigned char *changed;			/* by block */
	struct images_read reads[IMAGES_READS_MAX];
	unsigned int nreads;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .device_fd = -1, .kernel_fd = -1, .server_fd = -1 };

/* ---- the bytes -------------------------------------------------------------------------------- */

/* Up to the block's end; returns how many. */
static size_t piece(uint64_t at, size_t len)
{
	size_t left = BLOCK - at % BLOCK;

	return len < left ? len : left;
}

static void read_bytes(void *ctx, uint64_t at, void *buf, size_t len)
{
	unsigned char *to = buf;
	size_t n;

	(void)ctx;
	pthread_mutex_lock(&disk.lock);
	for (; len && at < disk.room; at += n, to += n, len -= n) {
		n = piece(at, len);
		memcpy(to, (disk.changed[at / BLOCK] ? disk.now : disk.kept) + at, n);
	}
	pthread_mutex_unlock(&disk.lock);
	memset(to, 0, len);
}

static void write_bytes(void *ctx, uint64_t at, const void *buf, size_t len)
{
	const unsigned char *from = buf;
	size_t n;

	(void)ctx;
	pthread_mutex_lock(&disk.lock);
	for (; len && at < disk.room; at += n, from += n, len -= n) {
		const uint64_t block = at / BLOCK;

		n = piece(at, len);
		if (!disk.changed[block] && n < BLOCK)
			memcpy(disk.now + block * BLOCK, disk.kept + block * BLOCK, BLOCK);
		disk.changed[block] = 1;
		memcpy(disk.now + at, from, n);
	}
	pthread_mutex_unlock(&disk.lock);
}

struct vx_image images_disk_image(void)
{
	return (struct vx_image){ .read = read_bytes, .write = write_bytes };
}

static void note_read(uint64_t at, uint32_t len)
{
	pthread_mutex_lock(&disk.lock);
	if (disk.nreads < IMAGES_READS_MAX)
		disk.reads[disk.nreads++] = (struct images_read){ .at = at, .len = len };
	pthread_mutex_unlock(&disk.lock);
}

unsigned int images_disk_reads(struct images_read *ret, unsigned int max)
{
	unsigned int n;

	pthread_mutex_lock(&disk.lock);
	n = disk.nreads < max ? disk.nreads : max;
	memcpy(ret, disk.reads, n * sizeof(*ret));
	pthread_mutex_unlock(&disk.lock);
	return n;
}

void images_disk_keep(void)
{
	uint64_t block;

	pthread_mutex_lock(&disk.lock);
	for (block = 0; block < disk.room / BLOCK; block++)
		if (disk.changed[block])
			memcpy(disk.kept + block * BLOCK, disk.now + block * BLOCK, BLOCK);
	memset(disk.changed, 0, disk.room / BLOCK);
	pthread_mutex_unlock(&disk.lock);
}

/* ---- the server --------------------------------------------------------------------------------- */

static bool all(int fd, void *buf, size_t len, bool in)
{
	char *p = buf;
	ssize_t n;

	while (len) {
		n = in ? read(fd, p, len) : write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* The bytes of one request, in pieces. */
static bool pass(int fd, uint64_t at, uint32_t len, bool writes)
{
	static char buf[CHUNK];		/* one server at a time */
	uint32_t n;

	for (; len; len -= n, at += n) {
		n = len < CHUNK ? len : CHUNK;
		if (!writes)
			read_bytes(NULL, at, buf, n);
		if (!all(fd, buf, n, writes))
			return false;
		if (writes)
			write_bytes(NULL, at, buf, n);
	}
	return true;
}

static bool serve_one(int fd)
{
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };
	struct nbd_request req;
	uint32_t type, len;
	uint64_t at;

	if (!all(fd, &req, sizeof(req), true) || req.magic != htobe32(NBD_REQUEST_MAGIC))
		return false;
	type = be32toh(req.type) & 0xffff;
	at = be64toh(req.from);
	len = be32toh(req.len);
	memcpy(reply.handle, req.handle, sizeof(reply.handle));
	if (type == NBD_CMD_DISC)
		return false;
	if (type == NBD_CMD_WRITE && !pass(fd, at, len, true))
		return false;
	if (type == NBD_CMD_READ)
		note_read(at, len);
	return all(fd, &reply, sizeof(reply), false) && (type != NBD_CMD_READ || pass(fd, at, len, false));
}

static void *serve(void *fd)
{
	while (serve_one((int)(intptr_t)fd))
		;
	close((int)(intptr_t)fd);
	return NULL;
}

/* The kernel's half lives as long as this call does. */
static void *stay(void *fd)
{
	ioctl((int)(intptr_t)fd, NBD_DO_IT);
	return NULL;
}

static int start(void *(*function)(void *), int fd)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, function, (void *)(intptr_t)fd);

	if (!err)
		pthread_detach(thread);
	return -err;
}

/* ---- the device --------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void images_disk_close(void)
{
	if (disk.device_fd >= 0) {
		ioctl(disk.device_fd, NBD_CLEAR_QUE);
		ioctl(disk.device_fd, NBD_DISCONNECT);
		ioctl(disk.device_fd, NBD_CLEAR_SOCK);
	}
	close_fd(&disk.device_fd);
	close_fd(&disk.kernel_fd);
	disk.server_fd = -1;		/* the server's own, who closes it */
	pthread_mutex_lock(&disk.lock);
	if (disk.room) {
		munmap(disk.kept, disk.room);
		munmap(disk.now, disk.room);
		munmap(disk.changed, disk.room / BLOCK);
	}
	disk.room = disk.size = disk.shown = 0;
	pthread_mutex_unlock(&disk.lock);
}

static void *zeros(uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int make_room(uint64_t bytes)
{
	const uint64_t room = (bytes + IMAGES_ROOM + BLOCK - 1) / BLOCK * BLOCK;

	disk.kept = zeros(room);
	disk.now = zeros(room);
	disk.changed = zeros(room / BLOCK);
	if (!disk.kept || !disk.now || !disk.changed)
		return -ENOMEM;
	disk.room = room;
	disk.size = bytes;
	return 0;
}

/* The first that nobody has. */
static int take_device(void)
{
	int i, fd;

	for (i = 0; i < DEVICES; i++) {
		snprintf(disk.device, sizeof(disk.device), "/dev/nbd%d", i);
		fd = open(disk.device, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (!ioctl(fd, NBD_SET_SOCK, disk.kernel_fd)) {
			disk.device_fd = fd;
			return 0;
		}
		close(fd);
	}
	return -EBUSY;
}

/* The kernel has taken up the connection when the device has its size. */
static int wait_for_size(uint64_t bytes)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t has = 0;
	int i;

	for (i = 0; i < 5000; i++) {
		if (!ioctl(disk.device_fd, BLKGETSIZE64, &has) && has == bytes)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIME;
}

/* Which waits until the device has stood still: not for nothing. */
static int set_size(uint64_t bytes)
{
	if (disk.shown == bytes)
		return 0;
	if (ioctl(disk.device_fd, NBD_SET_SIZE, (unsigned long)bytes))
		return -errno;
	disk.shown = bytes;
	return 0;
}

static int connect_device(uint64_t bytes, const char **what)
{
	int pair[2], err;

	*what = "a pair of sockets";
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	disk.kernel_fd = pair[0];
	disk.server_fd = pair[1];
	*what = "a network block device (module nbd)";
	err = take_device();
	if (err) {
		close(pair[1]);
		return err;
	}
	if (ioctl(disk.device_fd, NBD_SET_BLKSIZE, (unsigned long)SECTOR) ||
	    ioctl(disk.device_fd, NBD_SET_FLAGS, (unsigned long)(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH)) ||
	    ioctl(disk.device_fd, NBD_SET_TIMEOUT, (unsigned long)TIMEOUT_S))
		err = -errno;
	err = err ? err : set_size(bytes);
	err = err ? err : start(serve, disk.server_fd);
	err = err ? err : start(stay, disk.device_fd);
	return err ? err : wait_for_size(bytes);
}

int images_disk_open(uint64_t bytes, char device[32], const char **what)
{
	int err;

	*what = "a size of whole sectors, 1 GiB at most";
	if (!bytes || bytes % SECTOR || bytes > IMAGES_BYTES_MAX)
		return -EINVAL;
	images_disk_close();
	*what = "memory";
	err = make_room(bytes);
	if (!err)
		err = connect_device(bytes, what);
	if (err)
		images_disk_close();
	else
		memcpy(device, disk.device, sizeof(disk.device));
	return err;
}

int images_disk_forget(void)
{
	return ioctl(disk.device_fd, BLKFLSBUF, 0) ? -errno : 0;
}

int images_disk_reset(uint64_t bytes)
{
	int err;

	if (bytes % SECTOR || bytes > disk.size + IMAGES_ROOM)
		return -EINVAL;
	err = images_disk_forget();	/* what is dirty is written, and then undone */
	pthread_mutex_lock(&disk.lock);
	memset(disk.changed, 0, disk.room / BLOCK);
	disk.nreads = 0;
	pthread_mutex_unlock(&disk.lock);
	return err ? err : set_size(bytes ? bytes : disk.size);
}

uint64_t images_disk_size(void)
{
	return disk.size;
}

const char *images_disk_device(void)
{
	return disk.device;
}
