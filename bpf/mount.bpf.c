// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts and unmounts: one record each, by whichever door they come.
 *
 *	mount(2)	sys_mount > get_fs_type > vfs_get_tree > sget > setup_bdev_super
 *	new API		sys_fsopen > get_fs_type; sys_fsconfig > vfs_get_tree > ...;
 *			sys_fsmount; sys_move_mount; fscontext_release when given up
 *	umount2(2)	sys_umount > path_umount; then, as task work before user
 *			mode is reached: cleanup_mnt > deactivate_locked_super
 *			> (kill_sb) > generic_shutdown_super >
 *			shrink_dcache_for_umount, sync_filesystem, evict_inodes, put_super
 *	otherwise	deactivate_locked_super of the last reference
 *
 * Bind mounts, remounts, moves and propagation changes never come by
 * get_fs_type, so they leave no record. Every program but the system calls'
 * asks first whether its task has an operation, which is a few instructions.
 */
#include "op_run.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* --- shared by the system calls -------------------------------------------- */

static __always_inline struct file *fd_file(unsigned int fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **slot, *file = NULL;

	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	slot = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), slot + fd);
	return file;
}

static __always_inline __u64 fd_context(unsigned int fd)
{
	struct file *file = fd_file(fd);

	return file ? (__u64)BPF_CORE_READ(file, private_data) : 0;
}

static __always_inline __u64 fd_mount(unsigned int fd)
{
	struct file *file = fd_file(fd);

	return file ? (__u64)BPF_CORE_READ(file, f_path.mnt) : 0;
}

/* Set by user space: tail_exit is attached. */
__u32 tail_attached;

static __always_inline struct callback_head *next_task_work(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, task_works);
}

/*
 * What the operation queued for itself as task work, the caller waits for as
 * well: from 6.9 (bdev_fput) that is how a device is closed. So it is not over
 * before the task has no more of it.
 */
static __always_inline void finish_with_tail(struct op *op, int err, __u32 phase)
{
	if (!tail_attached || !next_task_work()) {
		op_finish(op, err);
		return;
	}
	op->rec.err = err;
	op->stage = OP_TAIL;
	op_phase(op, phase);
}

SEC("fexit/task_work_run")
int BPF_PROG(tail_exit)
{
	struct op *op = op_current();

	if (op && op->stage == OP_TAIL)
		op_finish(op, op->rec.err);
	return 0;
}

/* Ends a call that has no more to come, if it was about a type we follow. */
static __always_inline void finish_if_matched(struct op *op, int err)
{
	if (op->stage == OP_ENTERED)
		op_drop(op);
	else
		finish_with_tail(op, err, VX_PHASE_OTHER);
}

/* --- mount(2) --------------------------------------------------------------- */

SEC("fentry/" VX_SYSCALL(mount))
int BPF_PROG(mount_enter)
{
	op_begin(VX_OP_MOUNT, VX_API_MOUNT, OP_ENTERED);
	return 0;
}

SEC("fexit/" VX_SYSCALL(mount))
int BPF_PROG(mount_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();

	if (op)
		finish_if_matched(op, ret);
	return 0;
}

/*
 * Both doors look the type up by name here, and wait for its module to be
 * loaded. At exit, so that this wait is none of the context's set-up.
 */
SEC("fexit/get_fs_type")
int BPF_PROG(type_found, const char *name, struct file_system_type *type)
{
	struct op *op = op_current();
	__u64 fstype[2];

	if (!op || op->stage != OP_ENTERED)
		return 0;
	if (!op_type_matches(type ? type->name : name, fstype)) {
		op_drop(op);
		return 0;
	}
	op_match(op, fstype);
	op->type = (__u64)type;
	op->stage = OP_MATCHED;
	op_phase(op, VX_PHASE_PARSE);
	return 0;
}

SEC("fentry/vfs_get_tree")
int BPF_PROG(get_tree_enter, struct fs_context *fc)
{
	struct op *op = op_current();

	if (!op || op->stage != OP_MATCHED)
		return 0;
	/* btrfs mounts itself once more from within. */
	if (!op->depth++)
		op_phase(op, VX_PHASE_GET_TREE);
	return 0;
}

SEC("fexit/vfs_get_tree")
int BPF_PROG(get_tree_exit, struct fs_context *fc, int ret)
{
	struct op *op = op_current();

	if (!op || !op->depth || --op->depth)
		return 0;
	if (ret) {
		op->tree_failed = true;
		op_phase(op, VX_PHASE_OTHER);
		return 0;
	}
	op_set_sb(op, fc->root->d_sb);
	op_phase(op, VX_PHASE_ATTACH);
	return 0;
}

/*
 * The super block is in hand: from here to the end of vfs_get_tree the
 * filesystem fills it. Where the device is opened only afterwards
 * (setup_bdev_super, from 6.5), the time between is get_tree's after all.
 */
static __always_inline void super_in_hand(struct super_block *sb)
{
	struct op *op = op_current();
	__u64 fstype[2];

	if (!op || !op->depth || fix_is_err(sb) || !sb)
		return;
	if (sb->s_root)			/* somebody else's, filled already */
		return;
	if ((__u64)sb->s_type != op->type && !op_type_matches(sb->s_type->name, fstype))
		return;			/* one that the filesystem mounts for itself */
	op_charge_to(op, VX_PHASE_GET_TREE);
	op->phase = VX_PHASE_FILL_SUPER;
	op->rec.flags |= VX_FSOP_NEW_SB | VX_FSOP_FILL_SUPER_SEEN;
	op_set_sb(op, sb);
}

SEC("fexit/sget_fc")
int BPF_PROG(sget_fc_exit, struct fs_context *fc, void *test, void *set, struct super_block *sb)
{
	super_in_hand(sb);
	return 0;
}

/* For filesystems that still have file_system_type.mount. */
SEC("fexit/sget")
int BPF_PROG(sget_exit, struct file_system_type *type, void *test, void *set, int flags, void *data,
	     struct super_block *sb)
{
	super_in_hand(sb);
	return 0;
}

SEC("fexit/setup_bdev_super")
int BPF_PROG(bdev_exit, struct super_block *sb, int flags, struct fs_context *fc, int ret)
{
	if (!ret)
		super_in_hand(sb);
	return 0;
}

/* --- fsopen, fsconfig, fsmount, move_mount --------------------------------- */

SEC("fentry/" VX_SYSCALL(fsopen))
int BPF_PROG(fsopen_enter)
{
	op_begin(VX_OP_MOUNT, VX_API_FSMOUNT, OP_ENTERED);
	return 0;
}

SEC("fexit/" VX_SYSCALL(fsopen))
int BPF_PROG(fsopen_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();
	__u64 fc;

	if (!op)
		return 0;
	fc = op->stage == OP_MATCHED && ret >= 0 ? fd_context(ret) : 0;
	if (!fc) {
		finish_if_matched(op, ret < 0 ? ret : 0);
		return 0;
	}
	op_pause(op);
	op_hold(op, fc);
	return 0;
}

/* Back to rest under the key it came from, with what the caller was told. */
static __always_inline void call_over(struct op *op, long ret)
{
	if (ret < 0)
		op->rec.err = ret;
	op_pause(op);
	op_hold(op, op->key);
}

SEC("fentry/" VX_SYSCALL(fsconfig))
int BPF_PROG(fsconfig_enter, struct pt_regs *regs)
{
	__u64 now = bpf_ktime_get_ns();

	if (nr_held)
		op_take(fd_context(regs->di), now);
	return 0;
}

SEC("fexit/" VX_SYSCALL(fsconfig))
int BPF_PROG(fsconfig_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();

	if (!op || op->rec.api != VX_API_FSMOUNT)
		return 0;
	/* A context whose get_tree failed is dead; nothing more can come of it. */
	if (op->tree_failed)
		finish_with_tail(op, ret, VX_PHASE_OTHER);
	else
		call_over(op, ret);
	return 0;
}

SEC("fentry/" VX_SYSCALL(fsmount))
int BPF_PROG(fsmount_enter, struct pt_regs *regs)
{
	__u64 now = bpf_ktime_get_ns();
	struct op *op;

	op = nr_held ? op_take(fd_context(regs->di), now) : NULL;
	if (op)
		op->phase = VX_PHASE_ATTACH;
	return 0;
}

SEC("fexit/" VX_SYSCALL(fsmount))
int BPF_PROG(fsmount_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();
	__u64 mnt;

	if (!op || op->rec.api != VX_API_FSMOUNT)
		return 0;
	mnt = ret >= 0 ? fd_mount(ret) : 0;
	if (mnt)
		op->key = mnt;
	call_over(op, ret);
	return 0;
}

SEC("fentry/" VX_SYSCALL(move_mount))
int BPF_PROG(move_mount_enter, struct pt_regs *regs)
{
	__u64 now = bpf_ktime_get_ns();
	struct op *op;

	op = nr_held ? op_take(fd_mount(regs->di), now) : NULL;
	if (op)
		op->phase = VX_PHASE_ATTACH;
	return 0;
}

SEC("fexit/" VX_SYSCALL(move_mount))
int BPF_PROG(move_mount_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();

	if (!op || op->rec.api != VX_API_FSMOUNT)
		return 0;
	if (ret)
		call_over(op, ret);
	else
		finish_with_tail(op, 0, VX_PHASE_OTHER);
	return 0;
}

/* Given up: the record says so, with the last error the caller was told. */
static __always_inline void held_abandoned(__u64 key, __u16 flag)
{
	struct op *op = op_held(key);

	if (!op || op->rec.op != VX_OP_MOUNT)
		return;
	op->rec.flags |= flag;
	op_emit(op, false);
	op_forget_held(key);
}

/*
 * The descriptor of fsopen is closed, before its context is put. After fsmount
 * the mount holds the operation, and this is nobody's key.
 */
SEC("fentry/fscontext_release")
int BPF_PROG(context_closed, struct inode *inode, struct file *file)
{
	held_abandoned((__u64)file->private_data, VX_FSOP_ABANDONED);
	return 0;
}

/* --- umount2(2) ------------------------------------------------------------- */

SEC("fentry/" VX_SYSCALL(umount))
int BPF_PROG(umount_enter)
{
	op_begin(VX_OP_UMOUNT, VX_API_UMOUNT, OP_ENTERED);
	return 0;
}

SEC("fentry/path_umount")
int BPF_PROG(path_umount_enter, struct path *path)
{
	struct op *op = op_current();
	struct super_block *sb;
	__u64 fstype[2];

	if (!op || op->stage != OP_ENTERED)
		return 0;
	sb = path->mnt->mnt_sb;
	if (!op_type_matches(sb->s_type->name, fstype)) {
		op_drop(op);
		return 0;
	}
	/* It was attached after all, by a path and not by its descriptor. */
	held_abandoned((__u64)path->mnt, 0);
	op_match(op, fstype);
	op->stage = OP_MATCHED;
	op->key = (__u64)path->mnt;
	op_set_sb(op, sb);
	op_phase(op, VX_PHASE_DETACH);
	return 0;
}

#define TASK_WORKS_MAX	8	/* looked at; newest first, and ours has just been queued */

/* Is the last put of this mount queued to run before the task sees user mode? */
static __always_inline bool cleanup_queued(__u64 vfsmount)
{
	struct callback_head *work = next_task_work();
	__u64 ours = vfsmount - bpf_core_field_offset(struct mount, mnt) +
		     bpf_core_field_offset(struct mount, mnt_rcu);
	int i;

	for (i = 0; i < TASK_WORKS_MAX && work; i++) {
		if ((__u64)work == ours)
			return true;
		work = BPF_CORE_READ(work, next);
	}
	return false;
}

SEC("fexit/" VX_SYSCALL(umount))
int BPF_PROG(umount_exit, struct pt_regs *regs, long ret)
{
	struct op *op = op_current();

	if (!op)
		return 0;
	if (op->stage != OP_MATCHED || ret) {
		finish_if_matched(op, ret);
	} else if (cleanup_queued(op->key)) {
		op->stage = OP_CLEANUP_QUEUED;
	} else {
		/* Lazy, or in use elsewhere: whoever puts it last goes on. */
		op_pause(op);
		op->rec.flags |= VX_FSOP_DEFERRED;
		op->phase = VX_PHASE_DEFERRED;
		op_hold(op, op->key);
	}
	return 0;
}

SEC("fentry/cleanup_mnt")
int BPF_PROG(cleanup_enter, struct mount *mnt)
{
	__u64 key = (__u64)&mnt->mnt;
	struct op *op = op_current();

	if (op && op->stage == OP_CLEANUP_QUEUED && op->key == key) {
		op_phase(op, VX_PHASE_OTHER);
	} else {
		held_abandoned(key, VX_FSOP_ABANDONED);
		op = op ? NULL : op_take(key, bpf_ktime_get_ns());
	}
	if (op)
		op->stage = OP_CLEANUP;
	return 0;
}

SEC("fexit/cleanup_mnt")
int BPF_PROG(cleanup_exit, struct mount *mnt)
{
	struct op *op = op_current();

	if (op && op->stage == OP_CLEANUP && op->key == (__u64)&mnt->mnt)
		finish_with_tail(op, 0, op->rec.flags & VX_FSOP_NEW_SB ? VX_PHASE_KILL_SB : VX_PHASE_OTHER);
	return 0;
}

/* The last reference is dropped where no umount asked for it. */
static __always_inline void last_put_begin(struct super_block *sb)
{
	__u64 fstype[2];
	struct op *op;

	if (!op_type_matches(sb->s_type->name, fstype))
		return;
	op = op_begin(VX_OP_UMOUNT, VX_API_OTHER, OP_LAST_PUT);
	if (!op)
		return;
	op_match(op, fstype);
	op->rec.flags |= VX_FSOP_NEW_SB;
	op->phase = VX_PHASE_KILL_SB;
	op_set_sb(op, sb);
}

static __always_inline bool op_tears_down(const struct op *op, struct super_block *sb)
{
	return (op->stage == OP_CLEANUP || op->stage == OP_LAST_PUT) && op->sb == (__u64)sb;
}

SEC("fentry/deactivate_locked_super")
int BPF_PROG(deactivate_enter, struct super_block *sb)
{
	struct op *op = op_current();

	if (sb->s_active.counter != 1)
		return 0;
	if (!op) {
		last_put_begin(sb);
	} else if (op_tears_down(op, sb)) {
		op->rec.flags |= VX_FSOP_NEW_SB;
		op_phase(op, VX_PHASE_KILL_SB);
	}
	return 0;
}

SEC("fexit/deactivate_locked_super")
int BPF_PROG(deactivate_exit, struct super_block *sb)
{
	struct op *op = op_current();

	if (!op || !op_tears_down(op, sb))
		return 0;
	if (op->stage == OP_LAST_PUT)
		op_finish(op, 0);
	else
		op_phase(op, VX_PHASE_OTHER);
	return 0;
}

static __always_inline void shutdown_phase(struct super_block *sb, __u32 phase)
{
	struct op *op = op_current();

	if (op && op_tears_down(op, sb))
		op_phase(op, phase);
}

SEC("fentry/generic_shutdown_super")
int BPF_PROG(shutdown_enter, struct super_block *sb)
{
	shutdown_phase(sb, VX_PHASE_EVICT);
	return 0;
}

/*
 * What lies between this and evict_inodes is sync_filesystem, which is not
 * probed itself: put_super may well call it again (ext4 does, thrice), and
 * that is put_super's time.
 */
SEC("fexit/shrink_dcache_for_umount")
int BPF_PROG(dcache_exit, struct super_block *sb)
{
	shutdown_phase(sb, VX_PHASE_SYNC);
	return 0;
}

SEC("fentry/evict_inodes")
int BPF_PROG(evict_enter, struct super_block *sb)
{
	struct op *op = op_current();

	if (op && op->phase == VX_PHASE_SYNC && op_tears_down(op, sb))
		op_phase(op, VX_PHASE_EVICT);
	return 0;
}

SEC("fexit/evict_inodes")
int BPF_PROG(evict_exit, struct super_block *sb)
{
	struct op *op = op_current();

	if (op && op->phase == VX_PHASE_EVICT && op_tears_down(op, sb))
		op_phase(op, VX_PHASE_PUT_SUPER);
	return 0;
}

SEC("fexit/generic_shutdown_super")
int BPF_PROG(shutdown_exit, struct super_block *sb)
{
	shutdown_phase(sb, VX_PHASE_KILL_SB);
	return 0;
}

/* --- block I/O --------------------------------------------------------------- */

#define REQ_OP_IS_WRITE	1	/* odd operations move data to the device, or clear it there */

/*
 * What the task submits, to whatever device, and what anybody submits to the
 * device of the operation: jbd2, writeback. As the filesystem submitted it: the
 * block layer may merge and split further down.
 */
SEC("tp_btf/block_bio_queue")
int bio_queued(__u64 *ctx)
{
	struct bio *bio;
	struct op *op;
	__u32 tid, size;

	if (!table.running)
		return 0;
	bio = fix_queued_bio(ctx);
	op = op_current();
	if (!op) {
		tid = watcher_of(fix_bio_dev(bio));
		op = tid ? op_of(tid) : NULL;
	}
	if (!op)
		return 0;
	size = bio->bi_iter.bi_size;
	if (bio->bi_opf & REQ_OP_IS_WRITE) {
		__sync_fetch_and_add(&op->rec.io_writes, 1);
		__sync_fetch_and_add(&op->rec.io_write_bytes, size);
	} else {
		__sync_fetch_and_add(&op->rec.io_reads, 1);
		__sync_fetch_and_add(&op->rec.io_read_bytes, size);
	}
	return 0;
}

/* --- marks ------------------------------------------------------------------- */

#define MARKS_MAX	512	/* a run */

static __u64 mark_seq;
static struct vx_event_mark mark_proto;	/* what all marks of a run have in common */

/* Global, so that the verifier walks it once and not MARKS_MAX times. */
__noinline int mark_emit(void)
{
	struct vx_event_mark *mark = emit_reserve(sizeof(*mark));
	__u64 flags;

	if (!mark)
		return false;
	__builtin_memcpy(mark, &mark_proto, sizeof(*mark));
	mark->seq = mark_seq++;
	flags = emit_prepare(&mark->head, VX_EVENT_MARK, sizeof(*mark));
	emit_submit(&mark->head, bpf_ktime_get_ns(), flags);
	return true;
}

/*
 * Run by BPF_PROG_TEST_RUN, one at a time; arguments: count, cookie. Returns
 * how many found room.
 */
SEC("raw_tp")
int marks(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 count = ctx->args[0];
	__u32 emitted = 0, i;

	mark_proto.cookie = ctx->args[1];
	mark_proto.head.step = step;
	emit_task(&mark_proto.head);
	for (i = 0; i < MARKS_MAX; i++) {
		if (i >= count)
			break;
		emitted += mark_emit() & 1;
	}
	return emitted;
}
