// SPDX-License-Identifier: GPL-2.0
/* File operations: around the page cache, and without waiting. The kernel's interfaces as they are, no library. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fileops.h"

#define DIRECT_SIZE	16384u		/* whole blocks of any filesystem we know */
#define REQUESTS	4
#define REQUEST_SIZE	(DIRECT_SIZE / REQUESTS)

static int open_direct(struct fileop *op, int flags)
{
	int fd = openat(op->dir, "f", flags | O_DIRECT | O_CLOEXEC, 0644);

	return fd;
}

int fileop_direct_write(struct fileop *op)
{
	_cleanup_close_ int fd = open_direct(op, O_RDWR | O_CREAT | O_TRUNC);
	ssize_t n;
	int err;

	if (fd < 0)
		return fo_lack(op, "open with O_DIRECT");
	n = pwrite(fd, op->want, DIRECT_SIZE, 0);
	if (n != DIRECT_SIZE)
		return n < 0 ? fo_lack(op, "write with O_DIRECT") :
		       fo_wrong(op, "write answers too few bytes", "%zd of %u", n, DIRECT_SIZE);
	err = fo_check_name(op, "f", DIRECT_SIZE);
	if (err)
		return err;
	/* Into the middle of what the page cache holds now. */
	fo_fill(op->want + FO_PAGE, 1, FO_PAGE);
	n = pwrite(fd, op->want + FO_PAGE, FO_PAGE, FO_PAGE);
	if (n != FO_PAGE)
		return n < 0 ? fo_fail(op, "write with O_DIRECT") :
		       fo_wrong(op, "write answers too few bytes", "%zd of %u", n, FO_PAGE);
	return fo_check_name(op, "f", DIRECT_SIZE);
}

int fileop_direct_read(struct fileop *op)
{
	_cleanup_close_ int made = fo_make(op, "f", FO_SIZE);
	_cleanup_close_ int fd = made < 0 ? -1 : open_direct(op, O_RDONLY);
	ssize_t n;

	if (made < 0)
		return made;
	if (fd < 0)
		return fo_lack(op, "open with O_DIRECT");
	/* Not synced: a direct read sees what is written, wherever it is. The last block is not full. */
	n = pread(fd, op->have, DIRECT_SIZE * 2, 0);
	if (n < 0)
		return fo_lack(op, "read with O_DIRECT");
	if (n != FO_SIZE)
		return fo_corrupt(op, "read answers a wrong number of bytes", "%zd, must be %u", n, FO_SIZE);
	return fo_compare(op, "read with O_DIRECT", 0, FO_SIZE) ?: fo_check(op, made, FO_SIZE);
}

/* ---- io_submit -------------------------------------------------------------------------------- */

static int submit_all(struct fileop *op, aio_context_t ctx, int fd, int command, char *buf)
{
	struct iocb cb[REQUESTS] = { 0 }, *list[REQUESTS];
	struct io_event events[REQUESTS];
	long n;
	int i;

	for (i = 0; i < REQUESTS; i++) {
		cb[i].aio_lio_opcode = (uint16_t)command;
		cb[i].aio_fildes = (uint32_t)fd;
		cb[i].aio_buf = (uint64_t)(uintptr_t)(buf + i * REQUEST_SIZE);
		cb[i].aio_nbytes = REQUEST_SIZE;
		cb[i].aio_offset = i * (int64_t)REQUEST_SIZE;
		list[i] = &cb[i];
	}
	n = syscall(SYS_io_submit, ctx, (long)REQUESTS, list);
	if (n != REQUESTS)
		return n < 0 ? fo_lack(op, "io_submit") : fo_wrong(op, "io_submit takes too few", "%ld", n);
	n = syscall(SYS_io_getevents, ctx, (long)REQUESTS, (long)REQUESTS, events, NULL);
	if (n != REQUESTS)
		return n < 0 ? fo_fail(op, "io_getevents") : fo_wrong(op, "io_getevents gives too few", "%ld", n);
	for (i = 0; i < REQUESTS; i++) {
		errno = events[i].res < 0 ? (int)-events[i].res : 0;
		if (errno)
			return fo_lack(op, command == IOCB_CMD_PWRITE ? "asynchronous write" : "asynchronous read");
		if (events[i].res != REQUEST_SIZE)
			return fo_wrong(op, "an asynchronous request answers too few bytes", "%lld of %u",
					(long long)events[i].res, REQUEST_SIZE);
	}
	return 0;
}

static int with_aio(struct fileop *op, int fd)
{
	aio_context_t ctx = 0;
	int err;

	if (syscall(SYS_io_setup, REQUESTS, &ctx))
		return fo_lack(op, "io_setup");
	err = submit_all(op, ctx, fd, IOCB_CMD_PWRITE, op->want) ?: fo_check_name(op, "f", DIRECT_SIZE);
	if (!err)
		memset(op->have, 0, DIRECT_SIZE);
	err = err ?: submit_all(op, ctx, fd, IOCB_CMD_PREAD, op->have) ?:
	      fo_compare(op, "by io_submit", 0, DIRECT_SIZE);
	syscall(SYS_io_destroy, ctx);
	return err;
}

int fileop_async_io(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");

	return fd < 0 ? fd : with_aio(op, fd);
}

int fileop_async_direct(struct fileop *op)
{
	_cleanup_close_ int fd = open_direct(op, O_RDWR | O_CREAT | O_TRUNC);

	return fd < 0 ? fo_lack(op, "open with O_DIRECT") : with_aio(op, fd);
}

/* ---- io_uring: a ring for one request at a time -------------------------------------------------- */

struct uring {
	int fd;
	struct io_uring_params p;
	char *rings;			/* submission and completion share one mapping */
	struct io_uring_sqe *sqe;
	size_t size;
};

static void uring_close(struct uring *u)
{
	if (u->rings)
		munmap(u->rings, u->size);
	if (u->sqe)
		munmap(u->sqe, sizeof(*u->sqe));
	vx_close_p(&u->fd);
}

static void *map_ring(int fd, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	return p == MAP_FAILED ? NULL : p;
}

static int uring_open(struct fileop *op, struct uring *u)
{
	size_t in, out;

	u->fd = (int)syscall(SYS_io_uring_setup, 1, &u->p);
	if (u->fd < 0)
		return fo_lack(op, "io_uring_setup");
	errno = EOPNOTSUPP;
	if (!(u->p.features & IORING_FEAT_SINGLE_MMAP))
		return fo_lack(op, "io_uring with one mapping");
	in = u->p.sq_off.array + u->p.sq_entries * sizeof(uint32_t);
	out = u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe);
	u->size = in > out ? in : out;
	u->rings = map_ring(u->fd, u->size, IORING_OFF_SQ_RING);
	u->sqe = u->rings ? map_ring(u->fd, sizeof(*u->sqe), IORING_OFF_SQES) : NULL;
	return u->sqe ? 0 : fo_fail(op, "mmap of the ring");
}

static uint32_t *ring_word(const struct uring *u, uint32_t offset)
{
	return (uint32_t *)(void *)(u->rings + offset);
}

/* 0 or up: its result; else -errno. */
static int uring_do(struct uring *u, const struct io_uring_sqe *request)
{
	uint32_t tail = *ring_word(u, u->p.sq_off.tail), mask = *ring_word(u, u->p.sq_off.ring_mask);
	uint32_t *head = ring_word(u, u->p.cq_off.head);
	const struct io_uring_cqe *cqe = (const void *)(u->rings + u->p.cq_off.cqes);
	int res;

	u->sqe[0] = *request;
	ring_word(u, u->p.sq_off.array)[tail & mask] = 0;
	__atomic_store_n(ring_word(u, u->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (__atomic_load_n(ring_word(u, u->p.cq_off.tail), __ATOMIC_ACQUIRE) == *head)
		return -EIO;
	res = cqe[*head & *ring_word(u, u->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

static int uring_must(struct fileop *op, struct uring *u, const char *call, uint8_t opcode, int fd, char *buf,
		      uint32_t len)
{
	const struct io_uring_sqe sqe = {
		.opcode = opcode, .fd = fd, .addr = (uint64_t)(uintptr_t)buf, .len = len,
	};
	int n = uring_do(u, &sqe);

	errno = n < 0 ? -n : 0;
	if (n < 0)
		return fo_lack(op, call);
	return n == (int)len ? 0 : fo_wrong(op, "a request of io_uring answers too few bytes", "%s: %d of %u", call, n, len);
}

int fileop_io_uring(struct fileop *op)
{
	__attribute__((cleanup(uring_close))) struct uring u = { .fd = -1 };
	_cleanup_close_ int fd = fo_create(op, "f");
	int err = fd < 0 ? fd : uring_open(op, &u);

	err = err ?: uring_must(op, &u, "write by io_uring", IORING_OP_WRITE, fd, op->want, FO_SIZE) ?:
	      uring_must(op, &u, "fsync by io_uring", IORING_OP_FSYNC, fd, NULL, 0) ?: fo_check(op, fd, FO_SIZE);
	if (err)
		return err;
	memset(op->have, 0, FO_SIZE);
	return uring_must(op, &u, "read by io_uring", IORING_OP_READ, fd, op->have, FO_SIZE) ?:
	       fo_compare(op, "by io_uring", 0, FO_SIZE);
}
