/* SPDX-License-Identifier: GPL-2.0 */
/* The scenario faults' data: what is done to a guest, and what vexlab must make of it (faults_table.c). */
#ifndef VEXLAB_FAULTS_H
#define VEXLAB_FAULTS_H

#include "finding.h"

/* What is done to a target from insmod to rmmod, in this order. */
enum fault_op { FAULT_LOAD, FAULT_MOUNT, FAULT_WRITE, FAULT_UMOUNT, FAULT_UNLOAD, FAULT_OPS };

/* Who does it. */
enum fault_by {
	FAULT_BY_MODULE,	/* faultfs, told by its parameter `fault` */
	FAULT_BY_AGENT,		/* VX_STEP_FAULT, `what`: enum vx_fault */
	FAULT_BY_HOST,		/* a signal to QEMU, `what` */
};

struct fault_expected {
	enum finding_class class;
	const char *kind;	/* NULL: the finding has none */
	const char *title;	/* NULL: nothing is to be found */
	enum blame blame;
};

struct fault_row {
	const char *name;	/* FAULT_BY_MODULE: NAME@POINT */
	enum fault_op until;	/* FAULT_BY_MODULE: the operation that meets it, the last that is done */
	struct fault_expected expected;
	guint deadline_ms;	/* of that operation; 0: the configuration's */
	enum fault_by by;
	int what;
	gint64 amount;
	gboolean by_deadline;	/* the step's deadline tells: what counts is the time from there */
	gboolean late;		/* the kernel's own watchdog tells before the deadline, which strikes too */
	struct fault_expected again;	/* title set: the operation is done once more, and this is found */
};

extern const struct fault_row fault_rows[];	/* name NULL at the end */

#endif
