/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Builds an out-of-tree module, and its mkfs, for the guest's kernel: in a
 * private copy, never in the user's tree; kept by a hash of all that goes into it, so
 * that a second run builds nothing.
 *
 *	<cachedir>/modules/<hash>/ko/NAME.ko	modules that came out
 *	<cachedir>/modules/<hash>/mkfs		static mkfs, if asked for
 *	<cachedir>/modules/<hash>/build.log	all the compiler said
 */
#ifndef VEXLAB_MODBUILD_H
#define VEXLAB_MODBUILD_H

#include <gio/gio.h>

#include "guard.h"
#include "koinfo.h"

/* Borrowed during the call. */
struct modbuild_request {
	const char *module_dir;		/* holds Kbuild or Makefile */
	const char *headers;		/* what `make -C` is given: the guest kernel's build folder */
	const char *release;		/* `uname -r` of the guest */
	const char *mkfs_source;	/* C file, or NULL */
	const char *cachedir;		/* fs_default_cachedir() */
	unsigned int jobs;		/* 0: as many as CPUs */
	unsigned int deadline_s;	/* for all of it; 0: none */
	/* One line each: what is being done, then what kbuild says. May be NULL. */
	void (*progress)(void *ctx, const char *line);
	void *ctx;
};

struct modbuild_module {
	char *path;
	struct koinfo *info;		/* name, depends, has_btf */
};

struct modbuild_result {
	struct modbuild_module *modules;	/* at least one; those that others depend on come first */
	guint nmodules;
	char *mkfs;			/* or NULL */
	char *log;			/* path of the whole log */
	gboolean cached;		/* nothing had to be built */
	double seconds;
};

/*
 * Runs the calling thread's default main context while it waits, so that a
 * Ctrl-C handler there works. Errors: VX_ERROR_UNAVAILABLE: it does not build (the
 * compiler's first errors are in the message, and the log's path), the deadline
 * struck, no compiler, no headers, or a module for another kernel came out;
 * G_IO_ERROR_CANCELLED; VX_ERROR_IO no space.
 */
struct modbuild_result *modbuild_run(const struct modbuild_request *req, GCancellable *cancellable,
				     GError **error);
/* Removes what builds that were killed left in the cache. FALSE: some of it is still being written to. */
gboolean modbuild_tidy(const char *cachedir);
/* NULL-safe. The files stay in the cache. */
void modbuild_result_free(struct modbuild_result *result);
VX_DEFINE_GUARD(struct modbuild_result, modbuild_result_free);

/*
 * The compiler's first complaints in a build log, at most `max` lines, `from` in paths replaced by
 * `to`. Caller frees.
 */
char *modbuild_first_errors(const char *log, const char *from, const char *to, unsigned int max);

#endif
