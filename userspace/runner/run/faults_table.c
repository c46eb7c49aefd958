// SPDX-License-Identifier: GPL-2.0
/*
 * The menu of faults, and what must be said of each: class, kind, title, whom to blame. Those of
 * faultfs stand in its menu.c, with what they do.
 */
#include <signal.h>
#include <vexlab/request.h>

#include "faults.h"

/* A row says what it has; the rest is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define LIMIT_MS	1000	/* for what never comes back */
#define WATCHDOG_MS	15000	/* the kernel's watchdogs have their say before */

#define MODULE(class, kind, title)	{ FINDING_##class, kind, title, BLAME_MODULE }
#define OUTSIDE(class, kind, title)	{ FINDING_##class, kind, title, BLAME_ENVIRONMENT }
#define HANGS		.deadline_ms = LIMIT_MS, .by_deadline = TRUE
#define WATCHED		.deadline_ms = WATCHDOG_MS, .late = TRUE

#define NULL_POINTER	"BUG: unable to handle kernel NULL pointer dereference in "

const struct fault_row fault_rows[] = {
	{ "oops@init", FAULT_LOAD, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_oops") },
	{ "oops@fill", FAULT_MOUNT, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_oops") },
	{ "oops@write", FAULT_WRITE, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_oops") },
	{ "oops@put", FAULT_UMOUNT, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_oops") },
	{ "oops@exit", FAULT_UNLOAD, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_oops") },
	{ "null-jump@write", FAULT_WRITE, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_null_jump") },
	{ "bug@kill", FAULT_UMOUNT, MODULE(BUG, "bug", "kernel BUG in fault_bug") },
	{ "warn@fill", FAULT_MOUNT, MODULE(WARNING, "warning", "WARNING in fault_warn") },
	{ "panic@fill", FAULT_MOUNT, MODULE(PANIC, "panic", "kernel panic: faultfs: as it was told") },
	{ "use-after-free@write", FAULT_WRITE,
	  MODULE(MEMORY, "kfence", "KFENCE: use-after-free read in fault_use_after_free") },
	{ "double-free@put", FAULT_UMOUNT, MODULE(MEMORY, "kfence", "KFENCE: invalid free in fault_double_free") },
	{ "stack-overflow@fill", FAULT_MOUNT,
	  MODULE(PANIC, "stack-overflow", "BUG: stack guard page was hit in sys_mount") },
	{ "atomic-sleep@write", FAULT_WRITE,
	  MODULE(LOCKING, "atomic-sleep", "BUG: scheduling while atomic in fault_atomic_sleep") },
	{ "list@write", FAULT_WRITE, MODULE(MEMORY, "list-corruption", "BUG: corrupted list in fault_list") },
	{ "refcount@fill", FAULT_MOUNT, MODULE(MEMORY, "refcount", "WARNING: refcount bug in fault_reference") },
	{ "spin@fill", FAULT_MOUNT, MODULE(HANG, "spinning", "mount did not come back: spinning in fault_spin"), HANGS },
	{ "spin@write", FAULT_WRITE,
	  MODULE(HANG, "spinning", "file work did not come back: spinning in fault_spin"), HANGS },
	{ "spin@put", FAULT_UMOUNT, MODULE(HANG, "spinning", "umount did not come back: spinning in fault_spin"), HANGS },
	{ "sleep@fill", FAULT_MOUNT, MODULE(HANG, "blocked", "mount did not come back: blocked in fault_sleep"), HANGS },
	{ "sleep@write", FAULT_WRITE,
	  MODULE(HANG, "blocked", "file work did not come back: blocked in fault_sleep"), HANGS },
	{ "sleep@put", FAULT_UMOUNT, MODULE(HANG, "blocked", "umount did not come back: blocked in fault_sleep"), HANGS },
	{ "soft-lockup@fill", FAULT_MOUNT, MODULE(HANG, "soft-lockup", "BUG: soft lockup in sys_mount"), WATCHED },
	{ "rcu-stall@fill", FAULT_MOUNT, MODULE(HANG, "rcu-stall", "INFO: rcu detected stall in sys_mount"), WATCHED },
	{ "hard-lockup@fill", FAULT_MOUNT,
	  MODULE(HANG, "spinning", "mount did not come back: spinning in fault_hard_lockup"), HANGS },
	{ "dead@write", FAULT_WRITE, MODULE(GUEST_LOST, NULL, "guest lost: kernel does not react"),
	  .deadline_ms = LIMIT_MS },
	{ "kept-lock@write", FAULT_WRITE, MODULE(OOPS, "null-pointer", NULL_POINTER "fault_kept_lock"),
	  .deadline_ms = LIMIT_MS,
	  .again = MODULE(HANG, "blocked", "file work did not come back: blocked in menu_strike") },
	{ "exhaust@write", FAULT_WRITE,
	  MODULE(PANIC, "out-of-memory", "kernel panic: System is deadlocked on memory") },
	{ "slab-leak@fill", FAULT_UNLOAD,
	  MODULE(LEAK, "slab-objects-left", "BUG: slab cache faultfs_leaky has objects left") },
	{ "fail@init", FAULT_LOAD, MODULE(LOAD_FAILED, NULL, "insmod faultfs.ko failed: Input/output error") },
	{ "fail@fill", FAULT_MOUNT, MODULE(STEP_FAILED, NULL, "mount failed: Input/output error") },
	{ "fail@write", FAULT_WRITE, MODULE(STEP_FAILED, NULL, "file work failed: Input/output error") },
	{ "pin@fill", FAULT_UNLOAD,
	  MODULE(UNLOAD_FAILED, NULL, "rmmod faultfs failed: Resource temporarily unavailable") },
	{ "triple@put", FAULT_UMOUNT, MODULE(GUEST_LOST, NULL, "guest lost: reset") },
	{ "agent killed", 0, OUTSIDE(GUEST_LOST, NULL, "guest lost: agent ended"),
	  .by = FAULT_BY_AGENT, .what = VX_FAULT_KILL },
	{ "agent stopped", 0, OUTSIDE(GUEST_LOST, NULL, "guest lost: agent does not react"),
	  .by = FAULT_BY_AGENT, .what = VX_FAULT_STOP },
	{ "guest rebooted", 0, OUTSIDE(GUEST_LOST, NULL, "guest lost: reset"),
	  .by = FAULT_BY_AGENT, .what = VX_FAULT_REBOOT },
	{ "console flooded", 0, { 0 }, .by = FAULT_BY_AGENT, .what = VX_FAULT_FLOOD, .amount = 1 << 20 },
	{ "QEMU killed", 0, OUTSIDE(GUEST_LOST, NULL, "guest lost: QEMU died"), .by = FAULT_BY_HOST, .what = SIGKILL },
	{ "QEMU stopped", 0, OUTSIDE(GUEST_LOST, NULL, "guest lost: QEMU is stopped"),
	  .by = FAULT_BY_HOST, .what = SIGSTOP },
	{ NULL }
};
