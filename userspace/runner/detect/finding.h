/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A finding: what a detector concludes from events. Owned by whoever holds it;
 * all strings are valid UTF-8 (console bytes are made so on the way in).
 */
#ifndef VEXLAB_FINDING_H
#define VEXLAB_FINDING_H

#include <glib.h>
#include "guard.h"
#include <jansson.h>

enum severity { SEV_LOW, SEV_MEDIUM, SEV_HIGH, SEV_CRITICAL };

enum finding_class {
	FINDING_PANIC,			/* KernelPanic */
	FINDING_OOPS,			/* Oops */
	FINDING_BUG,			/* BUG */
	FINDING_WARNING,		/* Warning */
	FINDING_HANG,			/* Hang */
	FINDING_GUEST_LOST,		/* GuestLost: QEMU or the agent is gone, no panic was seen */
	FINDING_LOAD_FAILED,		/* ModuleLoadFailure */
	FINDING_UNLOAD_FAILED,		/* ModuleUnloadFailure */
	FINDING_STEP_FAILED,		/* StepFailure: mkfs, mount, file work, unmount */
	FINDING_SLOW_OPERATION,		/* SlowOperation: above its threshold */
	FINDING_MEMORY,			/* MemoryCorruption: KASAN, KFENCE, lists, reference counts, pages */
	FINDING_UNDEFINED,		/* UndefinedBehaviour: UBSAN, KMSAN */
	FINDING_RACE,			/* DataRace: KCSAN */
	FINDING_LOCKING,		/* LockingError: lockdep, sleeping in atomic context */
	FINDING_LEAK,			/* MemoryLeak: kmemleak, objects left in a slab cache */
	FINDING_EXHAUSTED,		/* ResourceExhaustion: out of memory */
	FINDING_SEGFAULT,		/* Segfault: a program of user space */
	FINDING_FILESYSTEM,		/* FilesystemError: the filesystem's own message */
	FINDING_RECOVERY_FAILED,	/* RecoveryFailure: the guest could not be brought back */
	FINDING_WRONG_RESULT,		/* WrongResult: another result, error or attribute than the reference's */
	FINDING_CORRUPTION,		/* DataCorruption: data or names are not what was written */
	FINDING_LOST_DATA,		/* LostData: they were, until a remount or a power cut */
	FINDING_LOST_SPACE,		/* LostSpace: blocks or inodes that do not come back */
	FINDING_REGRESSION,		/* PerformanceRegression: slower than the runs before it */
	FINDING_HIGH_MEMORY,		/* HighMemoryUsage: above their thresholds for long (excess.c) */
	FINDING_HIGH_CPU,		/* HighCpuUsage */
	FINDING_EXCESSIVE_IO,		/* ExcessiveIO */
	FINDING_CLASSES,
};

enum blame { BLAME_MODULE, BLAME_KERNEL, BLAME_ENVIRONMENT };

/* What a class means for the verdict. */
enum concern { CONCERN_TEST, CONCERN_STABILITY, CONCERN_PERFORMANCE, CONCERN_CRITICAL };

#define FINDING_NO_TIME	G_MAXUINT64

struct finding {
	enum finding_class class;
	const char *kind;		/* finer than the class ("kasan", "soft-lockup"), or NULL; static */
	enum severity severity;
	enum blame blame;
	char *title;			/* one line, stable across builds */
	GPtrArray *lines;		/* char *: evidence, console lines or words */
	guint64 step;			/* id of the step during which it happened, 0: none */
	guint64 cycle;
	guint64 realtime_ns;		/* host's clock */
	guint64 found_ns;		/* the same when it was concluded, 0: from a record */
	guint64 kernel_ns;		/* guest kernel's clock, FINDING_NO_TIME: unknown */
	char *function, *module;	/* the guilty one and whose it is, NULL: unknown */
	gboolean corrupted;		/* the console's text is cut or mixed: doubt the title */
	gboolean recovery_attempted, recovery_successful; /* known once the record is read as a whole */
	char *folder;			/* of its evidence, below the run's folder, NULL: none (report/evidence.c) */
	char *location;			/* "file:line" of the guilty frame, NULL: not known */
	gboolean noise;			/* on the user's noise list: told, but never judged */
	gboolean expected;		/* the scenario says that it must come: nor is it */
	json_t *violation;		/* its line of performance_events.jsonl without the time; NULL: an operation's tells it, or none */
	char *during;			/* step of the scenario file, NULL: none (scenario.h) */
};

struct finding *finding_new(enum finding_class class, enum severity severity, const char *title);
void finding_free(struct finding *finding);
VX_DEFINE_GUARD(struct finding, finding_free);

void finding_add_line(struct finding *finding, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* "KernelPanic", "Critical", "module": the words of the JSON files. */
const char *finding_class_name(enum finding_class class);
/* The class of that name, FINDING_CLASSES: there is none. */
enum finding_class finding_class_from(const char *name);
/* The kernel itself broke: what else fails in the same step is that crash's doing. */
gboolean finding_class_is_crash(enum finding_class class);
const char *severity_name(enum severity severity);
const char *blame_name(enum blame blame);
enum concern finding_concern(enum finding_class class);
/* Held against somebody: neither known noise nor what the scenario expects. */
gboolean finding_counts(const struct finding *finding);
/* The guest is not the same afterwards: nothing that it does from now on tells anything. */
gboolean finding_hurts(const struct finding *finding);

/* New reference. The record and the reports carry findings in this form. */
json_t *finding_json(const struct finding *finding);

#endif
