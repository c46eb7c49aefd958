/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scenario as a file: steps, loops, branches, conditions and what is expected of them (docs/SCENARIOS.md), read into a
 * tree. What it may name beyond the words of plan_words.c, the caller says: this folder knows no parts.
 *
 * Errors are VX_ERROR_CONFIG, "FILE:LINE: ...", but for a file that is not there.
 */
#ifndef VEXLAB_PLAN_H
#define VEXLAB_PLAN_H

#include <glib.h>

#include "guard.h"
#include "yamlfile.h"

#define PLAN_DEPTH_MAX		8	/* steps in steps */
#define PLAN_STEPS_MAX		1000	/* of one file, those in branches too */
#define PLAN_BRANCHES_MAX	16
#define PLAN_BRANCH_STEPS_MAX	58	/* of all branches of one `parallel` together */
#define PLAN_REPEAT_MAX		1000000

/* What a word can be given: the arguments of all actions of plan_words.c. Each has fields for its own. */
struct plan_args {
	char *options, *device, *fstype, *path, *at, *from, *text, *params, *point, *operation;
	char **argv, **flags;
	gboolean read_only;
	int api;			/* enum plan_api */
	int what;			/* of drop-caches: 1, 2, 3 less one */
	unsigned int time_ms, mode, files, bytes;
};
enum plan_api { PLAN_API_DEFAULT, PLAN_API_MOUNT, PLAN_API_FSMOUNT };

enum plan_do {
	PLAN_LOAD, PLAN_UNLOAD, PLAN_FORMAT, PLAN_MOUNT, PLAN_UMOUNT, PLAN_REMOUNT, PLAN_FILES, PLAN_FILE_OPERATION, PLAN_EXEC,
	PLAN_WRITE, PLAN_READ, PLAN_MKDIR, PLAN_SYNC, PLAN_STATFS, PLAN_DROP_CACHES, PLAN_SLEEP, PLAN_SETTLE, PLAN_NOTHING,
	PLAN_POINT, PLAN_BACK, PLAN_ACTIONS,
};

/* A word that a step can be: an action, or a part of somebody else's. */
struct plan_word {
	const char *name, *help;
	const struct yaml_field *fields;	/* NULL: it takes nothing */
	const char *brief;			/* the field that a bare value or list sets, or NULL */
	const void *defaults;
	gsize size;
	enum plan_do action;
	gboolean inside;			/* the agent can do it by itself, in a branch */
	const void *part;			/* the caller's own, NULL for plan_words.c's */
};
extern const struct plan_word plan_words[];	/* ends with a NULL name */

enum plan_kind {
	PLAN_WORD,			/* an action or a part: `word`, `args` */
	PLAN_GROUP,			/* `steps`, one after the other */
	PLAN_REPEAT,			/* `steps`, again and again */
	PLAN_CHOOSE,			/* `times` one of `steps`, by the seed */
	PLAN_SHUFFLE,			/* each of `steps` once, in an order by the seed */
	PLAN_PARALLEL,			/* `steps` are PLAN_GROUP or PLAN_REPEAT: the branches */
};

enum plan_result { PLAN_EXPECT_OK, PLAN_EXPECT_FAILS, PLAN_EXPECT_ANY };
struct plan_expect {
	enum plan_result result;
	GArray *errors;			/* int errno that it must fail with, or NULL: any */
	int status;			/* of a program, -1: not said */
	char *class, *title;		/* a finding that must come of it: its class, a regular expression for its title; or NULL */
};

enum plan_outcome { PLAN_OK, PLAN_FAILED, PLAN_CRASHED, PLAN_SKIPPED, PLAN_OUTCOMES };
extern const char *const plan_outcome_words[];	/* "ok", "failed", "crashed", "skipped", NULL */

/* All that is said must hold. */
struct plan_when {
	char **target, **not_target;	/* patterns with '*' and '?' */
	char **kernel;			/* ">=6.12", "<6.1" */
	char **supports, **lacks;	/* words of the target's `unsupported`: not among, among them */
	char **module;			/* builtin, modprobe, source */
	char *step;			/* name of an earlier one... */
	int outcome;			/* ... ended so */
};

struct plan_step {
	enum plan_kind kind;
	unsigned int line;
	char *name;			/* the user's, or the word */
	gboolean named;			/* by the user */
	gboolean has_when;
	struct plan_when when;
	struct plan_expect expect;
	unsigned int deadline_ms;	/* 0: none; late is a finding */
	unsigned int budget_ms;		/* 0: none; over: it ends, and all is well */
	const struct plan_word *word;
	void *args;
	GPtrArray *steps;		/* struct plan_step * */
	unsigned int times;		/* of repeat, choose; 0: until the budget is over */
	unsigned int pause_ms, last_pause_ms;	/* between repetitions, from the first to the last */
};

enum plan_setup { PLAN_SETUP_BOOTED, PLAN_SETUP_LOADED, PLAN_SETUP_FORMATTED };

struct plan {
	char *path;			/* the file, absolute */
	char *name, *description;
	int setup;			/* enum plan_setup: what is there when the first step begins */
	unsigned int recoveries;	/* beyond recovery.attempts */
	unsigned int budget_ms;
	GPtrArray *steps;
};

/* `parts`: further words, ended by a NULL name; borrowed for the plan's life. */
struct plan *plan_open(const char *path, const struct plan_word *parts, GError **error);
/* Of an open file, whose path `path` is said to be. */
struct plan *plan_read(const struct yamlfile *yf, const char *path, const struct plan_word *parts, GError **error);
/* NULL-safe. */
void plan_free(struct plan *plan);
VX_DEFINE_GUARD(struct plan, plan_free);

/*
 * `name_or_path` with a '/' or ending in ".yaml" is a file; else a name, looked for in ./scenarios, $VEXLAB_LIBDIR/scenarios
 * and `dir` (or NULL). NULL: there is none of that name. Caller frees.
 */
char *plan_find(const char *name_or_path, const char *dir);
/* Names that plan_find() would find, sorted. g_strfreev(). */
char **plan_names(const char *dir);

/* `text` with {device}, {mountpoint}... replaced, "{{" a brace. `values` as plan_variables. Caller frees. */
extern const char *const plan_variables[];	/* "device", "mountpoint", "cycle", "target", "fstype", "seed", NULL */
char *plan_expand(const char *text, const char *const *values);

/* MS_* or MNT_* of the words of a mount's or umount's flags, which plan_read() has checked. */
unsigned long plan_mount_flags(char **words);
unsigned long plan_umount_flags(char **words);

/* Does `release` ("6.12.9-cloud") satisfy ">=6.12"? */
gboolean plan_kernel_is(const char *release, const char *condition);

#endif
