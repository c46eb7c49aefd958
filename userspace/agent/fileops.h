/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ordinary file operations (VX_STEP_FILE_OP): what they are stands in file_ops.h, what they share is
 * declared here. Each makes its own files in a directory of its own, and leaves them there unless they
 * are large. Helpers and operations answer 0, -errno (told in words by then) or FO_LACKS.
 */
#ifndef VEXLAB_AGENT_FILEOPS_H
#define VEXLAB_AGENT_FILEOPS_H

#include <stdbool.h>
#include <sys/types.h>
#include "cleanup.h"
#include "file_ops.h"
#include "ops.h"

#define FO_LACKS	1		/* the filesystem does not have this */
#define FO_ROOM		(1u << 20)	/* bytes of `want` and of `have` */
#define FO_PAGE		4096u
#define FO_SIZE		20000u		/* bytes of an ordinary file: some pages, the last one not full */

struct fileop {
	struct op_run *run;
	const char *name;		/* of the operation */
	int dir;			/* its directory, and where that is */
	const char *path;
	const char *mount;		/* the mount point, NULL: it was not told */
	int lacks;			/* its own errno for "not here", 0: none */
	char *want, *have;		/* page-aligned: what a file should hold, and what was read */
};

#define FO_DECLARE(name_, function_, group_, flags_, lacks_, what_)	int fileop_##function_(struct fileop *op);
VX_FILE_OPS(FO_DECLARE)
#undef FO_DECLARE

/* ---- what came of it: the first line is stable, it becomes part of a title --------------- */

/* `call` has set errno, and should not have. */
int fo_fail(struct fileop *op, const char *call);
/* The same for the call that the operation is about: FO_LACKS if errno says that it is not here. */
int fo_lack(struct fileop *op, const char *call);
/* It worked, but `what` is not as it must be; `detail` for people. -EBADMSG. */
int fo_wrong(struct fileop *op, const char *what, const char *detail, ...) __attribute__((format(printf, 3, 4)));
/* The same of data and names: they are not what was written. */
int fo_corrupt(struct fileop *op, const char *what, const char *detail, ...) __attribute__((format(printf, 3, 4)));
/* `call` must fail with `err`: `result` is what it returned. */
int fo_refused(struct fileop *op, const char *call, long result, int err);

/* ---- files ------------------------------------------------------------------------------------ */

/* Bytes that differ by `seed` and place. */
void fo_fill(char *buf, unsigned int seed, size_t len);
/* A file descriptor or -errno. */
int fo_open(struct fileop *op, const char *name, int flags);
/* A new, empty file. */
int fo_create(struct fileop *op, const char *name);
/* A new file with `len` bytes of `want`. */
int fo_make(struct fileop *op, const char *name, size_t len);
int fo_write(struct fileop *op, int fd, const char *from, size_t len, off_t at);
/* The file holds exactly `len` bytes, those of `want`. */
int fo_same(struct fileop *op, int fd, size_t len);
/* The same now and, once the pages have gone to the device and been let go, again. */
int fo_check(struct fileop *op, int fd, size_t len);
int fo_check_name(struct fileop *op, const char *name, size_t len);
/* `have` has what `want` has, from byte `at` of the file; `whose` for the text. */
int fo_compare(struct fileop *op, const char *whose, size_t at, size_t len);
int fo_is_size(struct fileop *op, int fd, off_t size);
int fo_remove(struct fileop *op, const char *name);
/* There is (not) something of that name. */
int fo_is_there(struct fileop *op, const char *name, bool there);

/* ---- mappings: a store or load that the kernel refuses is SIGBUS ------------------------------ */

/* NULL with *err: what mmap() has answered. */
char *fo_map(struct fileop *op, int fd, size_t len, int flags, int *err);
int fo_store(struct fileop *op, char *to, const char *from, size_t len);
int fo_load(struct fileop *op, char *to, const char *from, size_t len);
/* False: a page was not given. */
bool fo_copied(char *to, const char *from, size_t len);
/* TRUE: reading a byte there is a SIGBUS. */
bool fo_is_no_page(const char *at);

#endif
