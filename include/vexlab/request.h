/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Payloads of requests and answers (frame.h names which frame carries which).
 * Times are ns; `*_ns` of the guest are CLOCK_MONOTONIC there unless said
 * otherwise. Strings are NUL-terminated, one after the other, in a blob behind
 * the struct; an absent string is an empty one. Errors are 0 or -errno.
 */
#ifndef VEXLAB_REQUEST_H
#define VEXLAB_REQUEST_H

#include <vexlab/types.h>
#include <vexlab/event.h>

#define VX_STEP_STRINGS_MAX	64
#define VX_STEP_OUTPUT_MAX	(64u << 10)	/* bytes of output kept: the last ones */
#define VX_PUT_CHUNK_MAX	(128u << 10)

struct vx_req_hello {
	__u32 protocol;			/* VX_PROTOCOL_VERSION */
	__u32 epoch;			/* from now on, on every frame of the agent */
	__u64 realtime_ns;		/* host's CLOCK_REALTIME; 0: leave the guest's clock alone */
};

/* Followed by text: "key=value\n" lines (kernel release, machine, boot times...). */
struct vx_msg_hello {
	__u32 protocol;
	__u32 cpus;
	__u64 boot_ns;			/* CLOCK_BOOTTIME when the agent got ready */
	__u64 monotonic_ns;		/* with realtime_ns: one instant on both clocks */
	__u64 realtime_ns;
	__u64 features;			/* enum vx_feature */
};

enum vx_feature {
	VX_FEATURE_TRACE	= 1 << 0,	/* BPF can be loaded here */
	VX_FEATURE_BTF		= 1 << 1,	/* /sys/kernel/btf/vmlinux is there */
	VX_FEATURE_FOREIGN	= 1 << 2,	/* not our guest: leave no changes */
};

/*
 * Steps. Strings (s) and numbers (n) by operation; what is not listed is unused.
 *
 *	INSMOD		s: path, parameters
 *	MODPROBE	s: name, with its dependencies from modules.dep
 *	RMMOD		s: name
 *	EXEC		s: argv...: a program, never a shell; value: exit status, output kept
 *	MOUNT		s: source, target, fstype, options  n: MS_* flags, api (enum vx_api)
 *	UMOUNT		s: target  n: MNT_* flags
 *	MKDIR		s: path  n: mode; parents too; EEXIST is success
 *	SYNC		all filesystems; s: path: that filesystem only
 *	DROP_CACHES	n: what (1, 2, 3)
 *	READ		s: path; output: the bytes, cut at VX_STEP_OUTPUT_MAX
 *	FILES		s: directory  n: files, bytes each: create, write, fsync, read back
 *			and compare, rename, unlink; value: operations done
 *	SLEEP		n: ns
 *	NOP		nothing: what a round trip costs
 *	WRITE		s: path, text: one write(2) into a file that is there; value: bytes written
 *	STATFS		s: path; value: f_type; output: "bsize blocks bfree files ffree\n"
 *	FAULT		n: enum vx_fault; FLOOD: n: bytes; value: bytes written
 *	FILE_OP		s: operation (file_ops.h), a directory for it, mount point ("": not told);
 *			value: enum vx_file_result; output: what is wrong or missing, its first line stable
 *	SETTLE		waits until what was to be done later is done: RCU's callbacks and batched frees, works that
 *			are queued; n: 1: the caches of names and inodes are emptied before; value: 1 by vexprobe.ko, 0 by
 *			what user space can have done
 *	KMEMLEAK	of a kernel that has it: what nothing points to any more, told on the console; value: how many
 *	RESOURCES	output: "NAME VALUE\n" lines, what the kernel holds (agent/resources.c). Caches are shrunk
 *			for it, and open devices asked who holds them; nothing else is changed
 *	PARALLEL	s: branches of steps (common/branches.h), each a thread; n: ns after which no branch begins its
 *			steps again, 0: never; value: steps done; output: a line for each step, how often and how it ended.
 *			-EBADMSG: some did not end as they were to, its first line stable
 *	ORACLE		s: the target's directory, the reference's ("": none), operations (oracle_list.h), shapes that
 *			are left out (a line each, a '*' at its end stands for the rest), when ("", " after a remount")
 *			n: enum vx_oracle_flag; value: enum vx_oracle_result, above its 8 bits the operations done; output:
 *			a stable title, "operation N: ...", "shape: ...", "errno: TARGET REFERENCE", details
 *	ORACLE_CHECK	s: a directory after a power cut, what must be there ("keep" lines of ORACLE); as ORACLE
 *	LOOP		s: file or device (attach), or loop device (detach)  n: 0 attach, 1 detach; bytes it shall have,
 *			0: all; bytes of a block, 0: 512; bytes of a file to be made for it; output: the loop device
 *	IMAGE_OPEN	n: bytes; a device of the agent's own, of zeros, for damaged images; output: its node
 *	IMAGE_FILL	s: directory: makes files, directories and links of many shapes there
 *	IMAGE_HOLD	n: enum vx_image_do; BYTES: n: offset, length; output: those bytes; READS: output:
 *			"OFFSET LENGTH\n" lines, what was read of the device in the last IMAGE_TRY, in order
 *	IMAGE_TRY	s: mount point, fstype, options, what is damaged (for people), changes (image_patch.h)...
 *			n: bytes of the device, 0: the image's; entries of its tree to use at most; the image with these
 *			changes is mounted, used if that works, and unmounted; value: enum vx_image_result; err: umount's; output: the changes, what came
 *	STRESS		s: kind (common/stress.h), device, directory for mount points, fstype, options, module ("": built in),
 *			its file ("": of modules.dep), its parameters, further devices...  n: seed, ns, threads, patience in ns;
 *			value: enum vx_file_result; output: what is wrong, its first line stable, then what was counted
 *	EXHAUST		the same, of the kinds of exhaustion
 *	DEVICE		s: "loop", file / "map", device / "plug": makes it, output: its path;  n: bytes (loop, plug)
 *			s: "drop", path: a device of these is given back
 *	INJECT		s: operation of a step by its name, module of the target, prefix of its functions, its block device,
 *			then the operation's own strings  n: enum vx_inject_what, which one (inject.h), the operation's own two.
 *			Answers what the operation does; output: a line more, "injected: ..." (agent/inject.c)
 *	OUTSTANDING	value: objects that the bound module's own calls have allocated and not freed
 *	KEEP		s: path  n: seed, bytes, enum vx_keep: a file is written, fsynced and closed, or read and compared
 *	INJECT_END	the kernel's functions are let go of
 *	LOCKS		n: enum vx_locks_do, enum vx_locks_source (locks.h), ns from which on a hold is long;
 *			output of READ: what detect/locks.h reads; value: locks taken so far, of COST: ns a pair
 *	DELAYS		s: module, prefix of its functions  n: seed (0: none any more), us of one at most, permille,
 *			us of all; value: delays that there were
 *	RACES		s: directory, second mount point, device, type, options  n: seed, ms, threads, what (enum vx_races)
 *			value: calls done, or enum vx_file_result; output: what is wrong, its first line stable
 */
enum vx_step_op {
	VX_STEP_NONE		= 0,
	VX_STEP_INSMOD		= 1,
	VX_STEP_MODPROBE	= 2,
	VX_STEP_RMMOD		= 3,
	VX_STEP_EXEC		= 4,
	VX_STEP_MOUNT		= 5,
	VX_STEP_UMOUNT		= 6,
	VX_STEP_MKDIR		= 7,
	VX_STEP_SYNC		= 8,
	VX_STEP_DROP_CACHES	= 9,
	VX_STEP_READ		= 10,
	VX_STEP_FILES		= 11,
	VX_STEP_SLEEP		= 12,
	VX_STEP_NOP		= 13,
	VX_STEP_STATFS		= 14,
	VX_STEP_WRITE		= 15,
	VX_STEP_FAULT		= 16,
	VX_STEP_FILE_OP		= 17,
	VX_STEP_SETTLE		= 18,
	VX_STEP_RESOURCES	= 19,
	VX_STEP_PARALLEL	= 20,
	VX_STEP_ORACLE		= 21,
	VX_STEP_ORACLE_CHECK	= 22,
	VX_STEP_LOOP		= 23,
	VX_STEP_IMAGE_OPEN	= 24,
	VX_STEP_IMAGE_FILL	= 25,
	VX_STEP_IMAGE_HOLD	= 26,
	VX_STEP_IMAGE_TRY	= 27,
	VX_STEP_STRESS		= 28,
	VX_STEP_EXHAUST		= 29,
	VX_STEP_DEVICE		= 30,
	VX_STEP_INJECT		= 31,
	VX_STEP_OUTSTANDING	= 32,
	VX_STEP_KEEP		= 33,
	VX_STEP_INJECT_END	= 34,
	VX_STEP_LOCKS		= 35,
	VX_STEP_DELAYS		= 36,
	VX_STEP_RACES		= 37,
	VX_STEP_KMEMLEAK	= 38,
	VX_STEP_OPS,
};

/* Within a step's output: its deadline had struck, but it ended while that was being looked at, and the answer is its own. */
#define VX_STEP_LATE	"it came back all the same, while this was being looked at\n"

enum vx_locks_do { VX_LOCKS_START = 1, VX_LOCKS_READ, VX_LOCKS_STOP, VX_LOCKS_COST };

enum vx_races { VX_RACES_FILES = 0, VX_RACES_MOUNTS };

/* What a guest is done to by itself, but not by its kernel. */
enum vx_fault {
	VX_FAULT_KILL	= 1,		/* the agent, by SIGKILL */
	VX_FAULT_STOP	= 2,		/* the agent, by SIGSTOP */
	VX_FAULT_REBOOT	= 3,		/* at once, nothing is synced */
	VX_FAULT_FLOOD	= 4,		/* so many bytes to the console */
};

enum vx_image_do {
	VX_IMAGE_KEEP	= 0,		/* the image is what the device holds now */
	VX_IMAGE_BYTES	= 1,
	VX_IMAGE_READS	= 2,
	VX_IMAGE_CLOSE	= 3,
};

enum vx_image_result {
	VX_IMAGE_REFUSED = 1,		/* mount failed */
	VX_IMAGE_USED	= 2,		/* it was mounted, whatever the calls on it have answered */
};
enum vx_keep { VX_KEEP_WRITE = 0, VX_KEEP_COMPARE = 1 };

enum vx_file_result {
	VX_FILE_DONE		= 0,	/* with an error: the filesystem refused */
	VX_FILE_UNSUPPORTED	= 1,	/* no error: the filesystem does not have it */
	VX_FILE_WRONG		= 2,	/* with -EBADMSG: it works where it must not, or does something else */
	VX_FILE_CORRUPT		= 3,	/* with -EBADMSG: data or names are not what was written */
	VX_FILE_HELD		= 4,	/* with -EBADMSG: module, super block or room do not come back */
};

enum vx_oracle_flag {
	VX_ORACLE_PROMISES	= 1,	/* say what must outlive a power cut now ("keep" lines) */
	VX_ORACLE_ALONE		= 2,	/* the target alone, nothing is compared: what the comparison costs */
};

enum vx_oracle_result {
	VX_ORACLE_SAME		= 0,
	VX_ORACLE_WRONG		= 1,	/* another result, error or attribute */
	VX_ORACLE_CORRUPT	= 2,	/* data or names are not what was written */
	VX_ORACLE_LOST		= 3,	/* the same after a remount or a power cut */
	VX_ORACLE_LIMIT		= 4,	/* one of them is full, or at another limit: not comparable from there on */
};

struct vx_req_step {
	__u64 id;			/* host's; events bear it while the step runs; never 0 */
	__u64 deadline_ns;		/* from receipt; 0: none */
	__u32 op;			/* enum vx_step_op */
	__u32 nstrings;			/* <= VX_STEP_STRINGS_MAX */
	__s64 num[4];
};

/* Followed by output bytes (EXEC: stdout and stderr; READ, STATFS). */
struct vx_msg_step {
	__u64 id;
	/*
	 * 0, -errno; -ETIMEDOUT: the deadline struck, the step may be stuck; -EOWNERDEAD: the kernel
	 * killed the thread that did it
	 */
	__s32 err;
	__u32 output_cut;		/* bytes of output left out in front of what is kept */
	__s64 value;			/* by operation */
	__u64 start_ns;			/* the agent's own clock just before */
	__u64 end_ns;			/* ... and after the system call */
	__u64 cpu_ns;			/* the calling thread's CPU time in between; 0: not known */
};

struct vx_req_put {
	__u64 offset;
	__u32 id;
	__u32 mode;			/* file mode, used with the last chunk */
	__u32 last;			/* 1: this chunk ends the file */
	__u32 path_len;			/* with the NUL; path, then the bytes, follow */
};

/* Sent once, after the last chunk or at the first error. */
struct vx_msg_put {
	__u32 id;
	__s32 err;
	__u64 size;			/* bytes the file has now */
	__u32 crc;			/* zlib crc32 of the file, read back */
	__u32 pad;
};

enum vx_probe_group {
	VX_PROBES_MOUNT	= 1 << 0,	/* mount and unmount latency */
	VX_PROBES_SLAB	= 1 << 1,	/* slab bytes per operation */
	VX_PROBES_ALLOC	= 1 << 2,	/* outstanding allocations (alloc.h, TRACED) */
	VX_PROBES_CALLS	= 1 << 3,	/* the same of a bound module (alloc.h, CALLS): no program, vexprobe.ko's table */
	VX_PROBES_ALL	= (1 << 4) - 1,
};

/* Sets exactly `groups` attached (0: all off) with this filter; answers VX_MSG_TRACE. */
struct vx_req_trace {
	__u32 groups;			/* enum vx_probe_group */
	__u32 reset;			/* 1: histograms and loss counters to zero */
	char fstype[VX_FSTYPE_LEN];	/* "": every filesystem */
	char module[VX_NAME_LEN];	/* module of the target, "" if built in */
};

struct vx_msg_trace {
	__s32 err;			/* 0: something useful is attached */
	__u32 groups;			/* what is attached now */
	__u32 nprobes;
	__u32 pad;
};

enum vx_attach_kind {
	VX_ATTACH_NOT = 0, VX_ATTACH_FENTRY, VX_ATTACH_KPROBE, VX_ATTACH_TRACEPOINT,
};

struct vx_probe_status {
	char name[VX_NAME_LEN];		/* program */
	char target[VX_NAME_LEN];	/* kernel function or tracepoint */
	char why[VX_NAME_LEN * 2];	/* when not attached: why, in words */
	__s32 err;			/* 0 or -errno */
	__u32 kind;			/* enum vx_attach_kind */
};

struct vx_req_marks {
	__u64 count;
	__u64 cookie;
	__u64 rate;			/* a second; 0: as fast as can be */
};

struct vx_req_cancel {
	__u64 id;
};

/* Sent once for each (op, phase) that has samples. */
struct vx_msg_hist {
	__u8 op;			/* enum vx_op */
	__u8 phase;			/* enum vx_phase; VX_PHASE_TYPES: the total */
	__u16 nslots;			/* vx_hist_slot that follow, ascending index */
	__u32 pad;
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
	__u64 min_ns;
};

struct vx_hist_slot {
	__u32 index;			/* hist.h */
	__u32 pad;
	__u64 count;
};

struct vx_msg_stats {
	__u32 cpus;			/* vx_cpu_stats that follow, by CPU */
	__u32 pad;
	__u64 ring_bytes;		/* size of the ring buffer */
	__u64 sent_events;		/* forwarded by the agent in this epoch */
	__u64 sent_bytes;
};

/* Counted in the kernel, per CPU: records emitted, and lost because the ring was full. */
struct vx_cpu_stats {
	__u64 emitted;
	__u64 lost;			/* records that found no room */
	__u64 lost_state;		/* operations not followed: the state map was full */
};

struct vx_msg_heartbeat {
	__u64 monotonic_ns;
	__u64 step;			/* running step, 0: none */
	__u64 step_ns;			/* how long it has been running */
	__u64 sent_events;
};

_Static_assert(sizeof(struct vx_req_hello) == 16, "ABI");
_Static_assert(sizeof(struct vx_msg_hello) == 40, "ABI");
_Static_assert(sizeof(struct vx_req_step) == 56, "ABI");
_Static_assert(sizeof(struct vx_msg_step) == 48, "ABI");
_Static_assert(sizeof(struct vx_req_put) == 24, "ABI");
_Static_assert(sizeof(struct vx_msg_put) == 24, "ABI");
_Static_assert(sizeof(struct vx_req_trace) == 88, "ABI");
_Static_assert(sizeof(struct vx_msg_trace) == 16, "ABI");
_Static_assert(sizeof(struct vx_probe_status) == 264, "ABI");
_Static_assert(sizeof(struct vx_req_marks) == 24, "ABI");
_Static_assert(sizeof(struct vx_msg_hist) == 40, "ABI");
_Static_assert(sizeof(struct vx_hist_slot) == 16, "ABI");
_Static_assert(sizeof(struct vx_msg_stats) == 32, "ABI");
_Static_assert(sizeof(struct vx_cpu_stats) == 24, "ABI");
_Static_assert(sizeof(struct vx_msg_heartbeat) == 32, "ABI");

#endif
