// SPDX-License-Identifier: GPL-2.0
/* File operations: mappings. A page that the filesystem does not give is a SIGBUS, and here an error. */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fileops.h"

#define MAP_LEN		(5 * FO_PAGE)	/* FO_SIZE in whole pages */

/* ---- loads and stores that may fail ---------------------------------------------------------- */

static __thread sigjmp_buf *volatile on_bus;
/* By a pointer that the compiler does not know: it must neither leave the access out nor move it. */
static void *(*volatile copy)(void *to, const void *from, size_t len) = memcpy;

static void bus(int sig)
{
	if (on_bus)
		siglongjmp(*on_bus, 1);
	/* Not one of ours: what it is without us. */
	signal(SIGBUS, SIG_DFL);
}

bool fo_copied(char *to, const char *from, size_t len)
{
	struct sigaction act = { .sa_handler = bus };
	sigjmp_buf jump;
	volatile bool ok = false;

	sigaction(SIGBUS, &act, NULL);
	if (!sigsetjmp(jump, 1)) {
		on_bus = &jump;
		copy(to, from, len);
		ok = true;
	}
	on_bus = NULL;
	return ok;
}

int fo_store(struct fileop *op, char *to, const char *from, size_t len)
{
	errno = EFAULT;
	return fo_copied(to, from, len) ? 0 : fo_fail(op, "store into a mapping (SIGBUS)");
}

int fo_load(struct fileop *op, char *to, const char *from, size_t len)
{
	errno = EFAULT;
	return fo_copied(to, from, len) ? 0 : fo_fail(op, "load from a mapping (SIGBUS)");
}

bool fo_is_no_page(const char *at)
{
	char byte;

	return !fo_copied(&byte, at, 1);
}

char *fo_map(struct fileop *op, int fd, size_t len, int flags, int *err)
{
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (map != MAP_FAILED)
		return map;
	*err = fo_lack(op, "mmap");
	return NULL;
}

/* ---- the operations --------------------------------------------------------------------------- */

struct mapping {
	int fd;
	char *map;
	size_t len;
};

static void mapping_close(struct mapping *m)
{
	if (m->map)
		munmap(m->map, m->len);
	vx_close_p(&m->fd);
}
#define MAPPING __attribute__((cleanup(mapping_close))) struct mapping

/* A file of `size` bytes, those of `want`, and `len` bytes of it mapped. */
static int mapping_open(struct fileop *op, struct mapping *m, size_t size, size_t len, int flags)
{
	int err = 0;

	m->map = NULL;
	m->len = len;
	m->fd = fo_make(op, "f", size);
	if (m->fd < 0)
		return m->fd;
	m->map = fo_map(op, m->fd, len, flags, &err);
	return err;
}

/* The mapping shows what `want` has. */
static int shows(struct fileop *op, const struct mapping *m, size_t len)
{
	return fo_load(op, op->have, m->map, len) ?: fo_compare(op, "in a mapping", 0, len);
}

static int unmap(struct fileop *op, struct mapping *m)
{
	char *map = m->map;

	m->map = NULL;
	return munmap(map, m->len) ? fo_fail(op, "munmap") : 0;
}

int fileop_mmap_read(struct fileop *op)
{
	MAPPING m;
	int err = mapping_open(op, &m, FO_SIZE, MAP_LEN, MAP_SHARED) ?: shows(op, &m, FO_SIZE);

	if (err)
		return err;
	fo_fill(op->want + 4000, 1, 5000);
	return fo_write(op, m.fd, op->want + 4000, 5000, 4000) ?: shows(op, &m, FO_SIZE) ?:
	       fo_check(op, m.fd, FO_SIZE) ?: shows(op, &m, FO_SIZE);
}

int fileop_mmap_private(struct fileop *op)
{
	MAPPING m;
	int err = mapping_open(op, &m, FO_SIZE, MAP_LEN, MAP_PRIVATE) ?: shows(op, &m, FO_SIZE);
	char other[300];

	if (err)
		return err;
	fo_fill(other, 9, sizeof(other));
	err = fo_store(op, m.map + 4000, other, sizeof(other)) ?: fo_load(op, op->have, m.map + 4000, sizeof(other));
	if (err)
		return err;
	if (memcmp(op->have, other, sizeof(other)))
		return fo_corrupt(op, "a private mapping forgets what was stored", "%zu bytes", sizeof(other));
	return unmap(op, &m) ?: fo_check(op, m.fd, FO_SIZE);
}

/* Stores into the mapping and holds the file against it. */
static int store_and_sync(struct fileop *op, struct mapping *m, size_t at, size_t len, size_t size)
{
	int err;

	fo_fill(op->want + at, 2, len);
	err = fo_store(op, m->map + at, op->want + at, len) ?: fo_same(op, m->fd, size);
	if (err)
		return err;
	if (msync(m->map, m->len, MS_SYNC))
		return fo_lack(op, "msync");
	return fo_check(op, m->fd, size);
}

int fileop_mmap_shared(struct fileop *op)
{
	MAPPING m;
	int err = mapping_open(op, &m, FO_SIZE, MAP_LEN, MAP_SHARED) ?:
		  store_and_sync(op, &m, 5000, 9000, FO_SIZE) ?: store_and_sync(op, &m, 100, 10, FO_SIZE);

	if (err)
		return err;
	/* Without msync: the file has it all the same. */
	fo_fill(op->want + 16000, 3, 4000);
	return fo_store(op, m.map + 16000, op->want + 16000, 4000) ?: unmap(op, &m) ?: fo_check(op, m.fd, FO_SIZE);
}

int fileop_mmap_end(struct fileop *op)
{
	MAPPING m;
	int err = mapping_open(op, &m, FO_SIZE, MAP_LEN, MAP_SHARED);
	char other[100];

	if (err)
		return err;
	memset(op->want + FO_SIZE, 0, MAP_LEN - FO_SIZE);
	memset(other, 0x5a, sizeof(other));
	err = shows(op, &m, MAP_LEN) ?: fo_store(op, m.map + FO_SIZE, other, sizeof(other));
	if (err)
		return err;
	if (msync(m.map, m.len, MS_SYNC))
		return fo_lack(op, "msync");
	return unmap(op, &m) ?: fo_check(op, m.fd, FO_SIZE);
}

int fileop_mmap_hole(struct fileop *op)
{
	MAPPING m = { .fd = fo_create(op, "f"), .len = MAP_LEN };
	int err = 0;

	if (m.fd < 0)
		return m.fd;
	if (ftruncate(m.fd, MAP_LEN))
		return fo_lack(op, "ftruncate");
	memset(op->want, 0, MAP_LEN);
	m.map = fo_map(op, m.fd, MAP_LEN, MAP_SHARED, &err);
	return err ?: shows(op, &m, MAP_LEN) ?: store_and_sync(op, &m, 2 * FO_PAGE + 10, 50, MAP_LEN) ?:
	       store_and_sync(op, &m, 4 * FO_PAGE, FO_PAGE, MAP_LEN);
}

int fileop_mmap_truncate(struct fileop *op)
{
	MAPPING m;
	int err = mapping_open(op, &m, FO_SIZE, MAP_LEN, MAP_SHARED) ?: shows(op, &m, FO_SIZE);

	if (err)
		return err;
	if (ftruncate(m.fd, 5000))
		return fo_lack(op, "ftruncate");
	if (!fo_is_no_page(m.map + 3 * FO_PAGE))
		return fo_corrupt(op, "a mapping shows what was cut off", "page 3 of a file of 5000 bytes");
	if (ftruncate(m.fd, FO_SIZE))
		return fo_fail(op, "ftruncate");
	memset(op->want + 5000, 0, FO_SIZE - 5000);
	return shows(op, &m, FO_SIZE) ?: store_and_sync(op, &m, 12000, 5000, FO_SIZE);
}
