/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults on demand. Each has a name, which is a module parameter (writable; the default of
 * mounts to come) and a mount option (this mount only), a point at which it
 * strikes, and what it does there with its value. 0: it does not strike.
 *
 * A new fault is one line here; a new action one function in fault.c.
 */
#ifndef FAULTFS_FAULT_H
#define FAULTFS_FAULT_H

#include <linux/fs_parser.h>
#include <linux/seq_file.h>

/*	name		point		action		what it does */
#define FAULTFS_FAULTS(X)								\
	X(fill_sleep_ms, FILL_SUPER,	sleep_ms,	"sleep so long in fill_super")	\
	X(fill_spin_ms,	FILL_SUPER,	spin_ms,	"keep the CPU so long in fill_super") \
	X(fill_errno,	FILL_SUPER,	fail,		"fill_super fails with this errno") \
	X(put_sleep_ms,	PUT_SUPER,	sleep_ms,	"sleep so long in put_super")	\
	X(put_spin_ms,	PUT_SUPER,	spin_ms,	"keep the CPU so long in put_super")

enum fault_point {
	FAULT_AT_FILL_SUPER,
	FAULT_AT_PUT_SUPER,
};

enum fault_id {
#define X(name, point, action, what) FAULT_##name,
	FAULTFS_FAULTS(X)
#undef X
	FAULTS
};

struct faults {
	unsigned int value[FAULTS];
};

/* Ids are enum fault_id. */
extern const struct fs_parameter_spec fault_parameters[];

/* From the module's parameters. */
void faults_init(struct faults *faults);
/* All that are set for this point, in the table's order, up to the first that fails. */
int faults_strike(const struct faults *faults, enum fault_point point);
/* As mount options. */
void faults_show(const struct faults *faults, struct seq_file *m);

#endif
