/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults on demand, of two kinds, each at a point of the filesystem's life.
 *
 * Delays and errors have a value: each is a module parameter (writable; the default of
 * mounts to come) and a mount option (this mount only), and strikes every time. 0: it
 * does not. A new one is one line here; a new action one function in fault.c.
 *
 * Crashes and hangs are a menu (menu.c): the module parameter fault=NAME@POINT plants one,
 * which strikes once, at the first operation that comes to that point.
 */
#ifndef FAULTFS_FAULT_H
#define FAULTFS_FAULT_H

#include <linux/fs_parser.h>
#include <linux/seq_file.h>

/*	name		point		action		what it does */
#define FAULTFS_FAULTS(X)								\
	X(fill_sleep_ms, FILL_SUPER,	sleep_ms,	"sleep so long in fill_super")	\
	X(fill_spin_ms,	FILL_SUPER,	spin_ms,	"keep the CPU so long in fill_super") \
	X(fill_spin_us,	FILL_SUPER,	spin_us,	"the same in microseconds")	\
	X(fill_errno,	FILL_SUPER,	fail,		"fill_super fails with this errno") \
	X(put_sleep_ms,	PUT_SUPER,	sleep_ms,	"sleep so long in put_super")	\
	X(put_spin_ms,	PUT_SUPER,	spin_ms,	"keep the CPU so long in put_super")

/*	point		word		where */
#define FAULTFS_POINTS(X)								\
	X(INIT,		"init",		"insmod, before the type is registered")	\
	X(FILL_SUPER,	"fill",		"mount")					\
	X(WRITE,	"write",	"a file is written")				\
	X(PUT_SUPER,	"put",		"umount, in put_super")				\
	X(KILL_SB,	"kill",		"umount, in kill_sb")				\
	X(EXIT,		"exit",		"rmmod, after the type is unregistered")

enum fault_point {
#define X(name, word, where) FAULT_AT_##name,
	FAULTFS_POINTS(X)
#undef X
	FAULT_POINTS
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
/*
 * All that are set for this point, in the table's order, up to the first that fails, then what is
 * planted from the menu. `faults` NULL: outside of any mount.
 */
int faults_strike(const struct faults *faults, enum fault_point point);
/* As mount options. */
void faults_show(const struct faults *faults, struct seq_file *m);

/* menu.c: what is planted for this point, if anything is; 0 or -errno for the operation to return. */
int menu_strike(enum fault_point point);
/* The module goes: what a fault has left behind is asked for here. */
void menu_exit(void);

#endif
