/* SPDX-License-Identifier: GPL-2.0 */
/* Console excerpts, one or more a class, in the words of kernels 5.10 to 6.12, shortened. */
#ifndef VEXLAB_TEST_OOPS_LOGS_H
#define VEXLAB_TEST_OOPS_LOGS_H

#include "oops.h"

struct oops_log {
	enum oops_class class;
	enum oops_severity severity;
	const char *title, *function, *module;
	const char *text;
	bool crash, panicked;
};

#define CRASH	.crash = true
#define INCIDENT .crash = false
#define RIP(f)	"[   12.000200] RIP: 0010:" f "\n" \
		"[   12.000210] RSP: 0018:ffffc900001b7cc8 EFLAGS: 00010246\n"
#define CALLS(frames) "[   12.000300] Call Trace:\n[   12.000301]  <TASK>\n" frames \
		"[   12.000390]  do_syscall_64+0x3b/0x90\n" \
		"[   12.000391]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8\n[   12.000392]  </TASK>\n"
#define CALL(f)	"[   12.000310]  " f "\n"
#define END	"[   12.000900] ---[ end trace 0000000000000000 ]---\n"
#define CPU	"[   12.000100] CPU: 0 PID: 211 Comm: mount Tainted: G           OE      6.12.5 #1\n"

static const struct oops_log oops_logs[] = {
	{ OOPS_PANIC, OOPS_CRITICAL, "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)",
	  "", "", "[   12.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
	  CPU CALLS(CALL("panic+0x118/0x2f0") CALL("mount_root_generic+0x1a5/0x340"))
	  "[   12.300000] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on "
	  "unknown-block(0,0) ]---\n", CRASH, .panicked = true },
	{ OOPS_DIE, OOPS_HIGH, "divide error in vexfs_block_of", "vexfs_block_of", "vexfs",
	  "[   12.000000] divide error: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_block_of+0x12/0x40 [vexfs]") CALLS(CALL("vexfs_lookup+0x81/0x120 [vexfs]")) END, CRASH },
	{ OOPS_DIE, OOPS_HIGH, "Oops in vexfs_lookup", "vexfs_lookup", "vexfs",
	  "[   12.000000] Oops: 0002 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_lookup+0x81/0x120 [vexfs]") CALLS(CALL("__lookup_slow+0x81/0x120")) END, CRASH },
	{ OOPS_PROTECTION, OOPS_HIGH, "general protection fault in vexfs_iget", "vexfs_iget", "vexfs",
	  "[   12.000000] Oops: general protection fault, probably for non-canonical address "
	  "0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_iget+0x3a/0x1c0 [vexfs]") CALLS(CALL("vexfs_lookup+0x81/0x120 [vexfs]")) END, CRASH },
	{ OOPS_NULL, OOPS_HIGH, "BUG: unable to handle kernel NULL pointer dereference in vexfs_fill_super",
	  "vexfs_fill_super", "vexfs",
	  "[   12.000000] BUG: kernel NULL pointer dereference, address: 0000000000000018\n"
	  "[   12.000010] #PF: supervisor read access in kernel mode\n"
	  "[   12.000020] #PF: error_code(0x0000) - not-present page\n[   12.000030] PGD 0 P4D 0 \n"
	  "[   12.000040] Oops: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_fill_super+0x9c/0x340 [vexfs]")
	  "[   12.000250] Modules linked in: vexfs(OE)\n"
	  CALLS(CALL("? __die+0x20/0x70") CALL("get_tree_bdev_flags+0x12e/0x1d0")) END, CRASH },
	{ OOPS_PAGING, OOPS_HIGH, "BUG: unable to handle kernel paging request in vexfs_readdir",
	  "vexfs_readdir", "vexfs",
	  "[   12.000000] BUG: unable to handle page fault for address: ffffeb0400000008\n"
	  "[   12.000010] #PF: supervisor read access in kernel mode\n"
	  "[   12.000040] Oops: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("memcpy_orig+0x29/0x130") CALLS(CALL("vexfs_readdir+0xbc/0x240 [vexfs]")
	  CALL("iterate_dir+0x9f/0x1b0")) END, CRASH },
	{ OOPS_DOUBLE_FAULT, OOPS_CRITICAL, "PANIC: double fault in vexfs_recurse", "vexfs_recurse", "vexfs",
	  "[   12.000000] traps: PANIC: double fault, error_code: 0x0\n"
	  "[   12.000005] double fault: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_recurse+0x5/0x40 [vexfs]")
	  "[   12.000400] Kernel panic - not syncing: Fatal exception in interrupt\n", CRASH,
	  .panicked = true },
	{ OOPS_STACK, OOPS_CRITICAL, "BUG: stack guard page was hit in vexfs_create", "vexfs_create", "vexfs",
	  "[   12.000000] BUG: TASK stack guard page was hit at ffffc900001affd8 (stack is "
	  "ffffc900001b0000..ffffc900001b4000)\n" CPU RIP("vexfs_recurse+0x5/0x40 [vexfs]")
	  CALLS(CALL("vexfs_recurse+0x2d/0x40 [vexfs]") CALL("vexfs_recurse+0x2d/0x40 [vexfs]")
	  CALL("vexfs_create+0x61/0x90 [vexfs]")) END, CRASH },
	{ OOPS_STACK, OOPS_CRITICAL, "kernel panic: stack is corrupted in vexfs_parse", "vexfs_parse", "vexfs",
	  "[   12.000000] Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: "
	  "vexfs_parse+0x1b2/0x1c0 [vexfs]\n" CPU, CRASH, .panicked = true },
	{ OOPS_BUG, OOPS_HIGH, "kernel BUG in vexfs_evict_inode", "vexfs_evict_inode", "vexfs",
	  "[   12.000000] ------------[ cut here ]------------\n"
	  "[   12.000001] kernel BUG at /src/vexfs/inode.c:212!\n"
	  "[   12.000002] Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("vexfs_evict_inode+0x77/0x80 [vexfs]") CALLS(CALL("evict+0xd2/0x1b0")) END, CRASH },
	{ OOPS_WARNING, OOPS_MEDIUM, "WARNING in vexfs_put_super", "vexfs_put_super", "vexfs",
	  "[   12.000000] ------------[ cut here ]------------\n"
	  "[   12.000001] WARNING: CPU: 0 PID: 211 at /src/vexfs/super.c:88 vexfs_put_super+0x4b/0x90 [vexfs]\n"
	  CPU RIP("vexfs_put_super+0x4b/0x90 [vexfs]")
	  CALLS(CALL("generic_shutdown_super+0x7a/0x180") CALL("kill_block_super+0x1a/0x40")) END, CRASH },
	{ OOPS_KASAN, OOPS_HIGH, "KASAN: slab-use-after-free Read in vexfs_kill_sb", "vexfs_kill_sb", "vexfs",
	  "[   12.000000] ==================================================================\n"
	  "[   12.000001] BUG: KASAN: slab-use-after-free in vexfs_kill_sb+0x31/0x70 [vexfs]\n"
	  "[   12.000002] Read of size 8 at addr ffff888006a3c400 by task umount/214\n[   12.000003] \n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("print_report+0x174/0x505")
	  CALL("kasan_report+0xd3/0x170") CALL("vexfs_kill_sb+0x31/0x70 [vexfs]"))
	  "[   12.000500] Allocated by task 211:\n[   12.000501]  kasan_save_stack+0x33/0x60\n"
	  "[   12.000502]  vexfs_fill_super+0x5c/0x340 [vexfs]\n"
	  "[   12.000510] Freed by task 214:\n[   12.000511]  kasan_save_stack+0x33/0x60\n"
	  "[   12.000512]  kfree+0x11c/0x300\n"
	  "[   12.000600] ==================================================================\n"
	  "[   12.000700] Disabling lock debugging due to kernel taint\n", CRASH },
	{ OOPS_KASAN, OOPS_HIGH, "KASAN: invalid-free in vexfs_exit", "vexfs_exit", "vexfs",
	  "[   12.000001] BUG: KASAN: double-free in vexfs_exit+0x31/0x70 [vexfs]\n"
	  "[   12.000002] Free of addr ffff888006a3c400 by task rmmod/214\n" CPU
	  CALLS(CALL("print_report+0x174/0x505") CALL("kasan_report_invalid_free+0xa4/0xd0")
	  CALL("kfree+0x11c/0x300") CALL("vexfs_exit+0x31/0x70 [vexfs]")), CRASH },
	{ OOPS_KMSAN, OOPS_MEDIUM, "KMSAN: uninit-value in vexfs_write_super", "vexfs_write_super", "vexfs",
	  "[   12.000001] BUG: KMSAN: uninit-value in vexfs_write_super+0x9c/0x340 [vexfs]\n"
	  "[   12.000310]  vexfs_write_super+0x9c/0x340 [vexfs]\n[   12.000311]  sync_filesystem+0x61/0xe0\n"
	  "[   12.000320] \n[   12.000321] Uninit was created at:\n[   12.000322]  kmem_cache_alloc+0x4c/0x90\n"
	  "[   12.000323]  vexfs_alloc_inode+0x22/0x90 [vexfs]\n", CRASH },
	{ OOPS_KCSAN, OOPS_MEDIUM, "KCSAN: data-race in vexfs_getattr / vexfs_write_end", "vexfs_getattr", "vexfs",
	  "[   12.000001] BUG: KCSAN: data-race in vexfs_getattr / vexfs_write_end\n[   12.000002] \n"
	  "[   12.000003] write to 0xffff888006a3c400 of 8 bytes by task 211 on cpu 1:\n"
	  "[   12.000004]  vexfs_write_end+0x4b/0x90 [vexfs]\n"
	  "[   12.000005] read to 0xffff888006a3c400 of 8 bytes by task 212 on cpu 0:\n"
	  "[   12.000006]  vexfs_getattr+0x12/0x30 [vexfs]\n", CRASH },
	{ OOPS_UBSAN, OOPS_HIGH, "UBSAN: array-index-out-of-bounds in vexfs_bmap", "vexfs_bmap", "vexfs",
	  "[   12.000001] UBSAN: array-index-out-of-bounds in /src/vexfs/map.c:31:12\n"
	  "[   12.000002] index 12 is out of range for type '__le32 [12]'\n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("__ubsan_handle_out_of_bounds+0x9b/0xd0")
	  CALL("vexfs_bmap+0x71/0x90 [vexfs]")) "[   12.000500] ---[ end trace ]---\n", CRASH },
	{ OOPS_KFENCE, OOPS_HIGH, "KFENCE: use-after-free read in vexfs_lookup", "vexfs_lookup", "vexfs",
	  "[   12.000000] ==================================================================\n"
	  "[   12.000001] BUG: KFENCE: use-after-free read in vexfs_lookup+0x81/0x120 [vexfs]\n[   12.000002] \n"
	  "[   12.000003] Use-after-free read at 0x00000000d9c1a2a0 (in kfence-#42):\n"
	  "[   12.000004]  vexfs_lookup+0x81/0x120 [vexfs]\n[   12.000005]  __lookup_slow+0x81/0x120\n"
	  "[   12.000600] ==================================================================\n", CRASH },
	{ OOPS_LOCKDEP, OOPS_MEDIUM, "possible deadlock in vexfs_rename", "vexfs_rename", "vexfs",
	  "[   12.000001] ======================================================\n"
	  "[   12.000002] WARNING: possible circular locking dependency detected\n"
	  "[   12.000003] 6.12.5 #1 Tainted: G           OE\n"
	  "[   12.000004] ------------------------------------------------------\n"
	  "[   12.000005] mv/214 is trying to acquire lock:\n"
	  "[   12.000006] ffff888006a3c4a8 (&vi->lock){+.+.}-{4:4}, at: vexfs_rename+0x61/0x240 [vexfs]\n"
	  "[   12.000007] \n[   12.000008] but task is already holding lock:\n"
	  "[   12.000009] ffff888006a3c0a8 (&sbi->lock){+.+.}-{4:4}, at: vexfs_rename+0x31/0x240 [vexfs]\n"
	  "[   12.000200] stack backtrace:\n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("__lock_acquire+0x14d9/0x2210")
	  CALL("vexfs_rename+0x61/0x240 [vexfs]")), CRASH },
	{ OOPS_LOCKDEP, OOPS_MEDIUM, "WARNING: suspicious RCU usage in vexfs_get_link", "vexfs_get_link", "vexfs",
	  "[   12.000002] WARNING: suspicious RCU usage\n[   12.000003] 6.12.5 #1 Tainted: G           OE\n"
	  "[   12.000005] /src/vexfs/namei.c:71 suspicious rcu_dereference_check() usage!\n"
	  "[   12.000200] stack backtrace:\n" CPU
	  CALLS(CALL("lockdep_rcu_suspicious+0x15a/0x1d0") CALL("vexfs_get_link+0x61/0x240 [vexfs]")), CRASH },
	{ OOPS_ATOMIC_SLEEP, OOPS_MEDIUM, "BUG: sleeping function called from invalid context in vexfs_sync_fs",
	  "vexfs_sync_fs", "vexfs",
	  "[   12.000001] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585\n"
	  "[   12.000002] in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 211, name: sync\n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("__might_resched+0x10b/0x1d0")
	  CALL("mutex_lock+0x20/0x50") CALL("vexfs_sync_fs+0x22/0x60 [vexfs]")), CRASH },
	{ OOPS_ATOMIC_SLEEP, OOPS_MEDIUM, "BUG: scheduling while atomic in vexfs_sync_fs", "vexfs_sync_fs", "vexfs",
	  "[   12.000001] BUG: scheduling while atomic: sync/211/0x00000002\n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("__schedule_bug+0x52/0x60") CALL("__schedule+0x9a1/0xc00")
	  CALL("schedule+0x27/0xd0") CALL("vexfs_sync_fs+0x22/0x60 [vexfs]")), CRASH },
	{ OOPS_HUNG_TASK, OOPS_HIGH, "INFO: task hung in vexfs_put_super", "vexfs_put_super", "vexfs",
	  "[  242.000001] INFO: task umount:214 blocked for more than 120 seconds.\n"
	  "[  242.000002]       Tainted: G           OE      6.12.5 #1\n"
	  "[  242.000003] \"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.\n"
	  "[  242.000004] task:umount          state:D stack:0     pid:214   tgid:214   ppid:1      flags:0x00004002\n"
	  "[  242.000005] Call Trace:\n[  242.000006]  <TASK>\n[  242.000007]  __schedule+0x3d5/0xc00\n"
	  "[  242.000008]  schedule+0x27/0xd0\n[  242.000009]  rwsem_down_write_slowpath+0x2d5/0x6c0\n"
	  "[  242.000010]  down_write+0x5a/0x70\n[  242.000011]  vexfs_put_super+0x41/0x90 [vexfs]\n"
	  "[  242.000012]  generic_shutdown_super+0x7a/0x180\n[  242.000013]  </TASK>\n", CRASH },
	{ OOPS_SOFT_LOCKUP, OOPS_HIGH, "BUG: soft lockup in vexfs_writepages", "vexfs_writepages", "vexfs",
	  "[   38.000001] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [sync:211]\n"
	  "[   38.000002] Modules linked in: vexfs(OE)\n"
	  "[   38.000003] CPU: 1 PID: 211 Comm: sync Tainted: G           OEL     6.12.5 #1\n"
	  "[   38.000004] RIP: 0010:vexfs_next_block+0x15/0x20 [vexfs]\n[   38.000005] Call Trace:\n"
	  "[   38.000006]  <IRQ>\n[   38.000007]  </IRQ>\n[   38.000008]  <TASK>\n"
	  "[   38.000009]  vexfs_writepages+0x6f/0xc0 [vexfs]\n[   38.000010]  do_syscall_64+0x3b/0x90\n", CRASH },
	{ OOPS_HARD_LOCKUP, OOPS_CRITICAL, "BUG: hard lockup in vexfs_spin", "vexfs_spin", "vexfs",
	  "[   38.000001] watchdog: Watchdog detected hard LOCKUP on cpu 0\n"
	  "[   38.000003] CPU: 0 PID: 211 Comm: sync Tainted: G           OE      6.12.5 #1\n"
	  "[   38.000004] RIP: 0010:vexfs_spin+0x15/0x20 [vexfs]\n[   38.000005] Call Trace:\n"
	  "[   38.000009]  vexfs_sync_fs+0x6f/0xc0 [vexfs]\n", CRASH },
	{ OOPS_RCU_STALL, OOPS_HIGH, "INFO: rcu detected stall in vexfs_writepages", "vexfs_writepages", "vexfs",
	  "[   38.000001] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
	  "[   38.000002] rcu: \t0-....: (5250 ticks this GP) idle=3b94/1/0x4000000000000000 softirq=1124/1124\n"
	  "[   38.000003] rcu: \t(t=5250 jiffies g=1105 q=28 ncpus=2)\n"
	  "[   38.000004] CPU: 0 PID: 211 Comm: sync Tainted: G           OE      6.12.5 #1\n"
	  "[   38.000005] RIP: 0010:vexfs_next_block+0x15/0x20 [vexfs]\n[   38.000006] Call Trace:\n"
	  "[   38.000007]  <IRQ>\n[   38.000008]  rcu_dump_cpu_stacks+0xc4/0x100\n"
	  "[   38.000009]  sysvec_apic_timer_interrupt+0x6e/0x90\n[   38.000010]  </IRQ>\n[   38.000011]  <TASK>\n"
	  "[   38.000012]  asm_sysvec_apic_timer_interrupt+0x1a/0x20\n"
	  "[   38.000013] RIP: 0010:vexfs_next_block+0x15/0x20 [vexfs]\n"
	  "[   38.000014]  vexfs_writepages+0x6f/0xc0 [vexfs]\n[   38.000015]  do_syscall_64+0x3b/0x90\n", CRASH },
	{ OOPS_REFCOUNT, OOPS_HIGH, "WARNING: refcount bug in vexfs_put_sbi", "vexfs_put_sbi", "vexfs",
	  "[   12.000000] ------------[ cut here ]------------\n"
	  "[   12.000001] refcount_t: underflow; use-after-free.\n"
	  "[   12.000002] WARNING: CPU: 0 PID: 214 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110\n" CPU
	  RIP("refcount_warn_saturate+0xba/0x110") CALLS(CALL("vexfs_put_sbi+0x2f/0x40 [vexfs]")) END, CRASH },
	{ OOPS_LIST, OOPS_HIGH, "BUG: corrupted list in vexfs_forget", "vexfs_forget", "vexfs",
	  "[   12.000000] list_del corruption, ffff888006a3c400->next is LIST_POISON1 (dead000000000100)\n"
	  "[   12.000001] ------------[ cut here ]------------\n"
	  "[   12.000002] kernel BUG at lib/list_debug.c:56!\n"
	  "[   12.000003] Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n" CPU
	  RIP("__list_del_entry_valid_or_report+0x6d/0xc0")
	  CALLS(CALL("vexfs_forget+0x22/0x60 [vexfs]")) END, CRASH },
	{ OOPS_MEMORY, OOPS_HIGH, "BUG: Bad rss-counter state", "", "",
	  "[   12.000001] BUG: Bad rss-counter state mm:00000000d2d3c0f1 type:MM_ANONPAGES val:1\n", CRASH },
	{ OOPS_BUSY_INODES, OOPS_HIGH, "VFS: Busy inodes after unmount (use-after-free)", "", "",
	  "[   12.000001] VFS: Busy inodes after unmount of vdc (vexfs)\n", CRASH },
	{ OOPS_SLAB_LEFT, OOPS_MEDIUM, "BUG: slab cache vexfs_inode has objects left", "", "",
	  "[   12.000001] =============================================================================\n"
	  "[   12.000002] BUG vexfs_inode (Tainted: G           OE     ): Objects remaining in vexfs_inode on "
	  "__kmem_cache_shutdown()\n"
	  "[   12.000003] -----------------------------------------------------------------------------\n"
	  "[   12.000004] Object 0xffff888006a3c400 @offset=1024\n"
	  "[   12.000005] ------------[ cut here ]------------\n"
	  "[   12.000006] kmem_cache_destroy vexfs_inode: Slab cache still has objects when called from "
	  "vexfs_exit+0x1c/0x40 [vexfs]\n"
	  "[   12.000007] WARNING: CPU: 0 PID: 215 at mm/slab_common.c:520 kmem_cache_destroy+0x13e/0x150\n" CPU
	  RIP("kmem_cache_destroy+0x13e/0x150") CALLS(CALL("vexfs_exit+0x1c/0x40 [vexfs]")) END, CRASH },
	{ OOPS_LEAK, OOPS_MEDIUM, "memory leak in vexfs_fill_super", "vexfs_fill_super", "vexfs",
	  "BUG: memory leak\nunreferenced object 0xffff888006a3c400 (size 512):\n"
	  "  comm \"mount\", pid 211, jiffies 4294898123\n  hex dump (first 32 bytes):\n"
	  "    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"
	  "  backtrace (crc 5e2f1c3b):\n    [<ffffffff81531c2e>] kmalloc_trace+0x2e/0x90\n"
	  "    [<ffffffffc0201c2e>] vexfs_fill_super+0x5c/0x340 [vexfs]\n"
	  "    [<ffffffff815c1c2e>] get_tree_bdev+0x12e/0x1d0\n", CRASH },
	{ OOPS_LEAK, OOPS_MEDIUM, "kmemleak: suspected memory leaks", "", "",
	  "[  612.000001] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n", INCIDENT },
	{ OOPS_NO_MEMORY, OOPS_MEDIUM, "out of memory", "", "",
	  "[   12.000001] Out of memory: Killed process 211 (dd) total-vm:104512kB, anon-rss:99840kB\n", INCIDENT },
	{ OOPS_PROGRAM, OOPS_LOW, "user program segfault: mkfs.vexfs", "", "",
	  "[   12.000001] mkfs.vexfs[211]: segfault at 0 ip 00005566778899aa sp 00007ffd12345678 error 4 in "
	  "mkfs.vexfs[5566778890000+3000] likely on CPU 0 (core 0, socket 0)\n", INCIDENT },
	{ OOPS_FILESYSTEM, OOPS_HIGH, "EXT4-fs error in ext4_lookup", "ext4_lookup", "",
	  "[   12.000001] EXT4-fs error (device vdc): ext4_lookup:1855: inode #2: comm ls: deleted inode "
	  "referenced: 12\n", INCIDENT },
	{ OOPS_FILESYSTEM, OOPS_HIGH, "XFS: Corruption of in-memory data", "", "",
	  "[   12.000001] XFS (vdc): Corruption of in-memory data (0x8) detected at xfs_trans_cancel+0x12b/0x150\n", INCIDENT },
	{ OOPS_FILESYSTEM, OOPS_HIGH, "BTRFS critical: corrupt leaf: root=NUM block=ADDR slot=NUM, unexpected item end",
	  "", "", "[   12.000001] BTRFS critical (device vdc): corrupt leaf: root=5 block=30408704 slot=1, "
	  "unexpected item end\n", INCIDENT },
	{ OOPS_FILESYSTEM, OOPS_MEDIUM, "VexFS: error reading block NUM", "", "",
	  "[   12.000001] VexFS: error reading block 77\n", INCIDENT },
	{ OOPS_LOAD_FAILED, OOPS_HIGH, "module vexfs: unknown symbol sb_bread_wrong", "", "",
	  "[   12.000001] vexfs: Unknown symbol sb_bread_wrong (err -2)\n", INCIDENT },
	{ OOPS_LOAD_FAILED, OOPS_HIGH, "module vexfs: version magic", "", "",
	  "[   12.000001] vexfs: version magic '6.1.0 SMP mod_unload ' should be '6.12.5 SMP mod_unload '\n", INCIDENT },
	{ OOPS_UNLOAD_FAILED, OOPS_HIGH, "module vexfs not unloaded: is in use", "", "",
	  "rmmod: ERROR: Module vexfs is in use\n", INCIDENT },
	{ OOPS_REBOOT, OOPS_CRITICAL, "unexpected kernel reboot", "", "",
	  "[   12.000001] EXT4-fs (vda): mounted filesystem\n"
	  "[    0.000000] Linux version 6.12.5 (gcc 12.2.0) #1 SMP PREEMPT_DYNAMIC\n", CRASH },
	/* 6.12: the cache is told of twice */
	{ OOPS_SLAB_LEFT, OOPS_MEDIUM, "BUG: slab cache vexfs_inode has objects left", "", "",
	  "[   12.000000] =============================================================================\n"
	  "[   12.000001] BUG vexfs_inode (Tainted: G           OE     ): Objects remaining on __kmem_cache_shutdown()\n"
	  "[   12.000002] -----------------------------------------------------------------------------\n"
	  "[   12.000003] Object 0x0000000020693e7e @offset=432\n"
	  "[   12.000004] Slab 0x00000000e406b338 objects=56 used=1 fp=0x000000008c2e325e flags=0x17ffffc0000200\n"
	  "[   12.000005] Disabling lock debugging due to kernel taint\n"
	  "[   12.000006] ------------[ cut here ]------------\n"
	  "[   12.000007] WARNING: CPU: 0 PID: 112 at mm/slub.c:1152 __slab_err+0x19/0x20\n" CPU
	  RIP("__slab_err+0x19/0x20") CALLS(CALL("__kmem_cache_shutdown.cold+0xe6/0xeb")
	  CALL("kmem_cache_destroy+0x41/0x150") CALL("__do_sys_delete_module+0x1b5/0x330")) END
	  "[   12.001000] ------------[ cut here ]------------\n"
	  "[   12.001001] kmem_cache_destroy vexfs_inode: Slab cache still has objects when called from "
	  "__do_sys_delete_module+0x1b5/0x330\n"
	  "[   12.001002] WARNING: CPU: 0 PID: 112 at mm/slab_common.c:548 kmem_cache_destroy+0x13f/0x150\n" CPU
	  RIP("kmem_cache_destroy+0x13f/0x150") CALLS(CALL("__do_sys_delete_module+0x1b5/0x330")) END, CRASH },
	/* 6.12: the loop's own registers and stack, without the interrupt's */
	{ OOPS_RCU_STALL, OOPS_HIGH, "INFO: rcu detected stall in sys_mount", "sys_mount", "",
	  "[   12.000000] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
	  "[   12.000001] rcu: \t0-....: (1698 ticks this GP) idle=414c/1/0x4000000000000000 softirq=471/471 fqs=868\n"
	  "[   12.000002] rcu: \t(t=2000 jiffies g=-747 q=2 ncpus=2)\n" CPU RIP("vexfs_scan+0x13/0x20 [vexfs]")
	  CALLS(CALL("vexfs_fill_super+0xba/0x190 [vexfs]") CALL("path_mount+0x4b6/0xb90")
	  CALL("__x64_sys_mount+0x119/0x150")), CRASH },
	{ OOPS_RCU_STALL, OOPS_HIGH, "INFO: rcu detected stall in sys_mount", "sys_mount", "",
	  "[   12.000000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
	  "[   12.000001] rcu: \t0-...0: (2 ticks this GP) idle=4104/1/0x4000000000000000 softirq=466/469 fqs=168\n"
	  "[   12.000002] rcu: \t(detected by 1, t=2003 jiffies, g=-751, q=1 ncpus=2)\n"
	  "[   12.000003] Sending NMI from CPU 1 to CPUs 0:\n[   12.000004] NMI backtrace for cpu 0\n" CPU
	  RIP("vexfs_scan+0x11/0x20 [vexfs]") CALLS(CALL("vexfs_fill_super+0xba/0x190 [vexfs]")
	  CALL("path_mount+0x4b6/0xb90") CALL("__x64_sys_mount+0x119/0x150")), CRASH },
	{ OOPS_ATOMIC_SLEEP, OOPS_MEDIUM, "BUG: scheduling while atomic in vexfs_sync", "vexfs_sync", "vexfs",
	  "[   12.000000] BUG: scheduling while atomic: mount/211/0x00000002\n"
	  "[   12.000001] Modules linked in: vexfs(OE)\n" CPU
	  CALLS(CALL("dump_stack_lvl+0x5d/0x80") CALL("__schedule_bug.cold+0x42/0x4e") CALL("__schedule+0x999/0xbe0")
	  CALL("schedule+0x27/0xc0") CALL("schedule_timeout+0x9e/0x160") CALL("msleep+0x2b/0x40")
	  CALL("vexfs_sync+0x1f/0x40 [vexfs]") CALL("vexfs_put_super+0x22/0x60 [vexfs]")), CRASH },
	{ OOPS_KFENCE, OOPS_HIGH, "KFENCE: use-after-free read in vexfs_get", "vexfs_get", "vexfs",
	  "[   12.000000] ==================================================================\n"
	  "[   12.000001] BUG: KFENCE: use-after-free read in vexfs_get+0x23/0x40 [vexfs]\n"
	  "[   12.000002] Use-after-free read at 0x0000000066ad0d9e (in kfence-#72):\n"
	  CALL("vexfs_get+0x23/0x40 [vexfs]") CALL("vexfs_fill_super+0xba/0x190 [vexfs]")
	  "[   12.000320] kfence-#72: 0x0000000066ad0d9e-0x000000008b253e4c, size=64, cache=kmalloc-64\n"
	  "[   12.000321] freed by task 112 on cpu 0 at 4.289536s (0.009402s ago):\n"
	  CALL("vexfs_put+0x1e/0x40 [vexfs]") CALL("vexfs_fill_super+0xba/0x190 [vexfs]")
	  "[   12.000400] CPU: 0 UID: 0 PID: 112 Comm: agent Tainted: G           OE      6.12.117 #1\n"
	  "[   12.000401] ==================================================================\n", CRASH },
	{ OOPS_NO_MEMORY, OOPS_CRITICAL, "kernel panic: System is deadlocked on memory", "", "",
	  "[   12.000000] Kernel panic - not syncing: System is deadlocked on memory\n" CPU
	  CALLS(CALL("panic+0x118/0x2db") CALL("out_of_memory.cold+0x21/0x8f") CALL("vexfs_read+0x1f/0x40 [vexfs]"))
	  "[   12.300000] ---[ end Kernel panic - not syncing: System is deadlocked on memory ]---\n", CRASH,
	  .panicked = true },
};

/* Nothing of this is a crash or an incident. */
static const char *const oops_quiet[] = {
	"[    0.000000] Linux version 6.12.5 (gcc 12.2.0) #1 SMP PREEMPT_DYNAMIC\n",
	"[    1.000000] vexfs: loading out-of-tree module taints kernel.\n"
	"[    1.000001] vexfs: module verification failed: signature and/or required key missing - tainting kernel\n",
	"[    1.000000] perf: interrupt took too long (2502 > 2500), lowering kernel.perf_event_max_sample_rate\n",
	"[    1.000000] INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.356 msecs\n",
	"[    1.000000] WARNING: The mand mount option has been deprecated and\n",
	"[    1.000000] XFS (vdc): Mounting V5 Filesystem 0a1b\n[    1.000001] XFS (vdc): Ending clean mount\n",
	"[    1.000000] EXT4-fs (vdc): mounted filesystem with ordered data mode. Opts: errors=remount-ro\n",
	"[    1.000000] VexFS: mounted, 0 errors, errors=continue\n",
	"[    1.000000] ODEBUG: Out of memory. ODEBUG disabled\n",
	"[    1.000000] the BUG, the WARNING, Oops:not, kernel pani\n",
};

#endif
