/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of stress (VX_STEP_STRESS) and of exhaustion (VX_STEP_EXHAUST): the agent does them, the host
 * chooses among them. The two lists of them are below.
 */
#ifndef VEXLAB_STRESS_H
#define VEXLAB_STRESS_H

#define VX_STRESS_DEVICES_MAX	8	/* of a step, beside its first */
#define VX_STRESS_THREADS_MAX	64

/* What a kind needs; without it, it is not done and says so. */
#define VX_STRESS_MODULE	1	/* the target is a module that can be loaded again */
#define VX_STRESS_DEVICES	2	/* several devices, each with a filesystem */
#define VX_STRESS_MAPPED	4	/* its device is one of device-mapper's, whose table can be changed */
#define VX_STRESS_PLUG		8	/* its device can be pulled out (scsi_debug) */
#define VX_STRESS_ERRORS	16	/* provokes errors of the filesystem: what it prints about them is right */
#define VX_STRESS_RELOAD	32	/* afterwards the module is unloaded and loaded again, which for a large one takes seconds */

/*
 *	name, function in the agent, needs, what is done, what is expected
 */
#define VX_STRESS_KINDS(X)											\
	X("mount-same-device",	same_device,	0,								\
	  "threads mount one device, each at a place of its own, and unmount it",				\
	  "they share a super block, which is gone after the last unmount")					\
	X("mount-many-devices",	many_devices,	VX_STRESS_DEVICES,						\
	  "threads mount, write, unmount, each its own device",							\
	  "nobody notices the others")										\
	X("mount-stacked",	stacked,	VX_STRESS_DEVICES,						\
	  "threads mount all devices at one place, on top of each other, and unmount there",			\
	  "EBUSY for what is on top already; every layer can be taken off")					\
	X("load-unload",	load_unload,	VX_STRESS_MODULE,						\
	  "unload and load the module, with a mount in between, the pause getting shorter",			\
	  "it unloads when nothing is mounted, each time")							\
	X("mount-rmmod",	mount_rmmod,	VX_STRESS_MODULE,						\
	  "threads mount and unmount while another unloads and loads the module",				\
	  "ENODEV while it is gone, EWOULDBLOCK while it is used; one of both always wins")			\
	X("umount-busy",	umount_busy,	0,								\
	  "unmount against open files and running I/O",								\
	  "EBUSY as long as a file is open, never otherwise for long")						\
	X("remount",		remount,	0,								\
	  "remount read-only and read-write while threads write",						\
	  "EBUSY while a file is written to; EROFS for who writes to what is read-only")			\
	X("umount-lazy",	umount_lazy,	0,								\
	  "lazy unmount under open files and I/O",								\
	  "open files go on working; the super block is gone once they are closed")				\
	X("umount-force",	umount_force,	0,								\
	  "forced unmount under open files and I/O",								\
	  "EBUSY or success; afterwards the super block is gone")						\
	X("bind",		bind,		0,								\
	  "threads bind directories elsewhere, make them read-only, move them, unmount them",			\
	  "a read-only bind refuses writes; the super block is gone after the last of them")			\
	X("propagation",	propagation,	0,								\
	  "mounts in shared, slave and private trees, seen from mount namespaces that come and go",		\
	  "what is shared gets across, what is private does not; nothing keeps the super block")			\
	X("files-own",		files_own,	0,								\
	  "threads of file operations, each in a directory of its own",						\
	  "every answer is the right one, every byte what was written")						\
	X("files-shared",	files_shared,	0,								\
	  "threads of file operations on the same names of one directory",					\
	  "answers that a race can explain, no byte that nobody wrote")						\
	X("freeze",		freeze,		0,								\
	  "freeze and thaw while threads write",								\
	  "nothing gets through while it is frozen, everything afterwards")

#define VX_EXHAUST_KINDS(X)											\
	X("full-device",	full_device,	VX_STRESS_ERRORS,						\
	  "write until nothing fits, remove it, again",								\
	  "ENOSPC; what was there stays intact; the room comes back")						\
	X("no-inodes",		no_inodes,	VX_STRESS_ERRORS,						\
	  "create files until there are no inodes",								\
	  "ENOSPC; removing them gives the inodes back")							\
	X("memory",		memory,		VX_STRESS_ERRORS | VX_STRESS_RELOAD,				\
	  "threads of file operations in less and less memory",							\
	  "ENOMEM at worst, or the worker is shot; what was there stays intact")					\
	X("descriptors",	descriptors,	0,								\
	  "open files until the process, then the system has no descriptors",					\
	  "EMFILE, ENFILE; closing gives them back")								\
	X("loop-devices",	loop_devices,	0,								\
	  "loop devices on files of the target, as many as there are",						\
	  "EBUSY for an unmount as long as one is there, not afterwards")					\
	X("read-only-device",	read_only,	VX_STRESS_ERRORS | VX_STRESS_MAPPED,				\
	  "mount, write, remount on a device that became read-only",						\
	  "refused, or mounted read-only; writes get EROFS")							\
	X("failing-device",	failing,	VX_STRESS_ERRORS | VX_STRESS_MAPPED | VX_STRESS_RELOAD,		\
	  "every request fails (dm error) while threads work",							\
	  "errors, no hang; it can be unmounted")								\
	X("flaky-device",	flaky,		VX_STRESS_ERRORS | VX_STRESS_MAPPED,				\
	  "the device fails and works again, over and over",							\
	  "errors, no hang; it can be unmounted")								\
	X("shrinking-device",	shrinking,	VX_STRESS_ERRORS | VX_STRESS_MAPPED,				\
	  "the device becomes half as large while threads work",						\
	  "errors beyond its end, no hang; it can be unmounted")							\
	X("slow-device",	slow,		VX_STRESS_MAPPED,						\
	  "every request takes 20 ms longer (dm delay) while threads work",					\
	  "slower, otherwise as ever")										\
	X("removed-device",	removed,	VX_STRESS_ERRORS | VX_STRESS_PLUG | VX_STRESS_RELOAD,		\
	  "the device is pulled out while threads work",							\
	  "errors, no hang; it can be unmounted")

/* A row as the host sees it. */
struct vx_stress_kind {
	const char *name, *what, *expected;
	unsigned int needs;		/* VX_STRESS_* */
};
extern const struct vx_stress_kind vx_stress_kinds[], vx_exhaust_kinds[];	/* name NULL at the end */

#endif
