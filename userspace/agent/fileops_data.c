// SPDX-License-Identifier: GPL-2.0
/* File operations: the ways to get bytes into a file and out of it. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "fileops.h"

#define MIX_ROOM	40000u
#define MIX_ROUNDS	400
#define BIG		(1u << 20)
#define FAR		100000		/* bytes; more than a few blocks that an inode itself knows */

int fileop_write(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	size_t at = 0, piece;
	int err = 0;

	if (fd < 0)
		return fd;
	for (piece = 1; !err && at < FO_SIZE; piece = piece * 3 % 4099 + 1) {
		if (piece > FO_SIZE - at)
			piece = FO_SIZE - at;
		err = fo_write(op, fd, op->want + at, piece, (off_t)at);
		at += piece;
	}
	return err ?: fo_check(op, fd, FO_SIZE) ?: fo_check_name(op, "f", FO_SIZE);
}

int fileop_overwrite(struct fileop *op)
{
	static const struct { unsigned int at, len; } parts[] = {
		{ 0, 1 }, { 4095, 2 }, { 100, 4096 }, { 8192, 4096 }, { FO_SIZE - 10, 10 }, { 5000, 9000 },
	};
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : fo_check(op, fd, FO_SIZE);
	unsigned int i;

	for (i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++) {
		fo_fill(op->want + parts[i].at, i + 1, parts[i].len);
		err = fo_write(op, fd, op->want + parts[i].at, parts[i].len, parts[i].at) ?:
		      fo_check(op, fd, FO_SIZE);
	}
	return err;
}

int fileop_append(struct fileop *op)
{
	_cleanup_close_ int one = fo_open(op, "f", O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
	_cleanup_close_ int two = one < 0 ? -1 : fo_open(op, "f", O_RDWR | O_APPEND);
	size_t at = 0, piece;
	ssize_t n;
	int i;

	if (one < 0 || two < 0)
		return one < 0 ? one : two;
	for (i = 0, piece = 700; i < 24; i++, piece += 11) {
		n = write(i & 1 ? two : one, op->want + at, piece);
		if (n < 0)
			return fo_fail(op, "write");
		if (n != (ssize_t)piece)
			return fo_wrong(op, "write answers too few bytes", "%zd of %zu", n, piece);
		at += piece;
	}
	return fo_check(op, one, at);
}

int fileop_truncate_down(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", FO_SIZE);
	int err = fd < 0 ? fd : fo_check(op, fd, FO_SIZE);

	if (err)
		return err;
	if (ftruncate(fd, 5000))
		return fo_lack(op, "ftruncate");
	err = fo_check(op, fd, 5000);
	if (err)
		return err;
	/* What was cut off must not come back. */
	memset(op->want + 5000, 0, 7000);
	fo_fill(op->want + 12000, 3, 100);
	err = fo_write(op, fd, op->want + 12000, 100, 12000) ?: fo_check(op, fd, 12100);
	if (err)
		return err;
	return ftruncate(fd, 0) ? fo_fail(op, "ftruncate to nothing") : fo_check(op, fd, 0);
}

int fileop_truncate_up(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 5000);
	int err;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, 40000))
		return fo_lack(op, "ftruncate");
	memset(op->want + 5000, 0, 35000);
	err = fo_check(op, fd, 40000);
	if (err)
		return err;
	fo_fill(op->want + 30000, 4, 3000);
	return fo_write(op, fd, op->want + 30000, 3000, 30000) ?: fo_check(op, fd, 40000);
}

int fileop_truncate_far(struct fileop *op)
{
	_cleanup_close_ int fd = fo_make(op, "f", 5000);

	if (fd < 0)
		return fd;
	if (ftruncate(fd, FAR))
		return fo_lack(op, "ftruncate");
	memset(op->want + 5000, 0, FAR - 5000);
	return fo_check(op, fd, FAR);
}

/* Both ways: `in` reads into `have`, else `want` is written. */
static void cut(struct iovec iov[4], char *buf, size_t len)
{
	static const size_t parts[] = { 1, 4096, 777 };
	size_t at = 0;
	int i;

	for (i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ buf + at, parts[i] };
		at += parts[i];
	}
	iov[3] = (struct iovec){ buf + at, len - at };
}

int fileop_vectored(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	struct iovec iov[4];
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	cut(iov, op->want, FO_SIZE);
	n = writev(fd, iov, 4);
	if (n < 0)
		return fo_lack(op, "writev");
	if (n != FO_SIZE)
		return fo_wrong(op, "writev answers too few bytes", "%zd of %u", n, FO_SIZE);
	err = fo_check(op, fd, FO_SIZE);
	if (err)
		return err;
	fo_fill(op->want + 3000, 5, 8000);
	cut(iov, op->want + 3000, 8000);
	n = pwritev(fd, iov, 4, 3000);
	if (n != 8000)
		return n < 0 ? fo_fail(op, "pwritev") : fo_wrong(op, "pwritev answers too few bytes", "%zd of 8000", n);
	cut(iov, op->have, 9000);
	n = preadv(fd, iov, 4, 2500);
	if (n != 9000)
		return n < 0 ? fo_fail(op, "preadv") : fo_wrong(op, "preadv answers too few bytes", "%zd of 9000", n);
	err = fo_compare(op, "by preadv", 2500, 9000);
	if (err)
		return err;
	cut(iov, op->have, FO_SIZE);
	n = lseek(fd, 0, SEEK_SET) ? -1 : readv(fd, iov, 4);
	if (n != FO_SIZE)
		return n < 0 ? fo_fail(op, "readv") : fo_wrong(op, "readv answers too few bytes", "%zd of %u", n, FO_SIZE);
	return fo_compare(op, "by readv", 0, FO_SIZE) ?: fo_check(op, fd, FO_SIZE);
}

int fileop_big_file(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	size_t at;
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	for (at = 0; at < BIG; at += (size_t)n) {
		n = pwrite(fd, op->want + at, BIG - at < 65536 ? BIG - at : 65536, (off_t)at);
		if (n < 0)
			return fo_lack(op, "write");
		if (!n)
			return fo_wrong(op, "write of nothing", "at byte %zu", at);
	}
	err = fo_check(op, fd, BIG);
	return err ?: fo_remove(op, "f");
}

static int at_offset(struct fileop *op, int fd, off_t at)
{
	ssize_t n = pwrite(fd, op->want, 8192, at);

	if (n < 0)
		return fo_lack(op, "write");
	if (n != 8192)
		return fo_wrong(op, "write answers too few bytes", "%zd of 8192 at %lld", n, (long long)at);
	n = pread(fd, op->have, 8192, at);
	if (n != 8192)
		return n < 0 ? fo_fail(op, "read") : fo_wrong(op, "read answers too few bytes", "%zd of 8192", n);
	return fo_is_size(op, fd, at + 8192) ?: fo_compare(op, "read back", 0, 8192);
}

static int hole_before(struct fileop *op, int fd, off_t at)
{
	ssize_t n = pread(fd, op->have, FO_PAGE, at - FO_PAGE);

	if (n != FO_PAGE)
		return n < 0 ? fo_fail(op, "read") : fo_wrong(op, "read answers too few bytes", "%zd in a hole", n);
	memset(op->want + 8192, 0, FO_PAGE);
	return fo_compare(op, "of a hole", 8192, FO_PAGE);
}

int fileop_large_offset(struct fileop *op)
{
	static const off_t places[] = { (1ll << 31) - 100, (1ll << 32) - 100, (5ll << 30) + 1 };
	_cleanup_close_ int fd = fo_create(op, "f");
	unsigned int i;
	int err = fd < 0 ? fd : 0;

	for (i = 0; !err && i < sizeof(places) / sizeof(places[0]); i++) {
		fo_fill(op->want, i + 7, 8192);
		err = at_offset(op, fd, places[i]) ?: hole_before(op, fd, places[i]);
		if (!err && (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)))
			err = fo_lack(op, "fsync");
		if (!err && pread(fd, op->have, 8192, places[i]) == 8192)
			err = fo_compare(op, "read back from the device", 0, 8192);
	}
	return err ?: fo_remove(op, "f");
}

/* ---- by chance, held against a copy ------------------------------------------------------- */

struct mix {
	struct fileop *op;
	int fd;
	size_t size;
	uint64_t x;
};

static size_t chance(struct mix *m, size_t below)
{
	m->x = m->x * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (size_t)(m->x >> 33) % below : 0;
}

static int mix_write(struct mix *m)
{
	size_t at = chance(m, MIX_ROOM), len = 1 + chance(m, 9000);

	if (len > MIX_ROOM - at)
		len = MIX_ROOM - at;
	if (at > m->size)
		memset(m->op->want + m->size, 0, at - m->size);
	fo_fill(m->op->want + at, (unsigned int)m->x, len);
	if (at + len > m->size)
		m->size = at + len;
	return fo_write(m->op, m->fd, m->op->want + at, len, (off_t)at);
}

static int mix_read(struct mix *m)
{
	size_t at = chance(m, m->size), len = 1 + chance(m, 20000);
	ssize_t n = pread(m->fd, m->op->have, len, (off_t)at);

	if (n < 0)
		return fo_fail(m->op, "read");
	if (len > m->size - at)
		len = m->size - at;
	if ((size_t)n != len)
		return fo_wrong(m->op, "read answers a wrong number of bytes", "%zd, must be %zu", n, len);
	return fo_compare(m->op, "read back", at, len);
}

static int mix_truncate(struct mix *m)
{
	size_t size = chance(m, MIX_ROOM);

	if (ftruncate(m->fd, (off_t)size))
		return fo_fail(m->op, "ftruncate");
	if (size > m->size)
		memset(m->op->want + m->size, 0, size - m->size);
	m->size = size;
	return 0;
}

int fileop_random_mix(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	struct mix m = { .op = op, .fd = fd, .x = 42 };
	int err = fd < 0 ? fd : 0, i;

	for (i = 0; !err && i < MIX_ROUNDS && !atomic_load(&op->run->cancelled); i++) {
		size_t what = chance(&m, 20);

		err = what < 9 ? mix_write(&m) : what < 17 ? mix_read(&m) : what < 19 ? mix_truncate(&m) :
		      fo_check(op, fd, m.size);
	}
	if (err)
		op_say(op->run, "round %d of %d\n", i, MIX_ROUNDS);
	return err ?: fo_check(op, fd, m.size);
}

/* ---- two at once ------------------------------------------------------------------------------ */

struct writer {
	const char *from;
	int fd, first;			/* which pieces: this one, and each second after it */
	int err;
	pthread_t thread;
};

#define PIECE	400u
#define PIECES	100

static void *write_pieces(void *arg)
{
	struct writer *w = arg;
	int i;

	for (i = w->first; i < PIECES && !w->err; i += 2)
		if (pwrite(w->fd, w->from + i * PIECE, PIECE, i * (off_t)PIECE) != PIECE)
			w->err = errno ? errno : EIO;
	return NULL;
}

int fileop_two_writers(struct fileop *op)
{
	_cleanup_close_ int fd = fo_create(op, "f");
	struct writer one = { .from = op->want, .fd = fd, .first = 0 }, two = one;

	if (fd < 0)
		return fd;
	two.first = 1;
	errno = pthread_create(&two.thread, NULL, write_pieces, &two);
	if (errno)
		return fo_fail(op, "pthread_create");
	write_pieces(&one);
	pthread_join(two.thread, NULL);
	errno = one.err ? one.err : two.err;
	return errno ? fo_fail(op, "write") : fo_check(op, fd, PIECE * PIECES);
}

/* ---- from file to file in the kernel ---------------------------------------------------------- */

struct pair {
	int from, to;
};

static void pair_close(struct pair *p)
{
	vx_close_p(&p->from);
	vx_close_p(&p->to);
}
#define PAIR __attribute__((cleanup(pair_close))) struct pair

static int pair_open(struct fileop *op, struct pair *ret)
{
	ret->to = -1;
	ret->from = fo_make(op, "from", FO_SIZE);
	if (ret->from < 0)
		return ret->from;
	ret->to = fo_create(op, "to");
	return ret->to < 0 ? ret->to : 0;
}

static int done_bytes(struct fileop *op, const char *call, size_t done)
{
	return done == FO_SIZE ? 0 : fo_corrupt(op, "the copy ends early", "%s: %zu of %u bytes", call, done, FO_SIZE);
}

int fileop_sendfile(struct fileop *op)
{
	PAIR p;
	int err = pair_open(op, &p);
	off_t at = 0;
	ssize_t n = 1;

	if (err)
		return err;
	while (n > 0 && at < FO_SIZE)
		n = sendfile(p.to, p.from, &at, FO_SIZE - (size_t)at);
	if (n < 0)
		return fo_lack(op, "sendfile");
	return done_bytes(op, "sendfile", (size_t)at) ?: fo_check(op, p.to, FO_SIZE);
}

int fileop_copy_file_range(struct fileop *op)
{
	PAIR p;
	int err = pair_open(op, &p);
	off_t in = 0, out = 0;
	ssize_t n = 1;

	if (err)
		return err;
	while (n > 0 && in < FO_SIZE)
		n = copy_file_range(p.from, &in, p.to, &out, FO_SIZE - (size_t)in, 0);
	if (n < 0)
		return fo_lack(op, "copy_file_range");
	return done_bytes(op, "copy_file_range", (size_t)out) ?: fo_check(op, p.to, FO_SIZE);
}

static int through_pipe(struct fileop *op, const struct pair *p, const struct pair *pipe)
{
	off_t in = 0, out = 0;
	ssize_t n, m;

	while (out < FO_SIZE) {
		n = splice(p->from, &in, pipe->to, NULL, FO_SIZE - (size_t)in, 0);
		if (n < 0)
			return fo_lack(op, "splice from a file");
		if (!n)
			break;
		for (; n > 0; n -= m) {
			m = splice(pipe->from, NULL, p->to, &out, (size_t)n, 0);
			if (m <= 0)
				return fo_lack(op, "splice to a file");
		}
	}
	return done_bytes(op, "splice", (size_t)out);
}

int fileop_splice(struct fileop *op)
{
	PAIR p;
	PAIR ends = { -1, -1 };
	int err = pair_open(op, &p), fds[2];

	if (err)
		return err;
	if (pipe2(fds, O_CLOEXEC))
		return fo_fail(op, "pipe");
	ends = (struct pair){ fds[0], fds[1] };
	return through_pipe(op, &p, &ends) ?: fo_check(op, p.to, FO_SIZE);
}
