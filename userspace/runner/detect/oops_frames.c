// SPDX-License-Identifier: GPL-2.0
/* Stacks: how they look, and whose frames tell nothing of the bug. */
#include "oops_table.h"

const char *const oops_stack_starts[] = {
	"Call [Tt]race",
	"Allocated:",
	"Allocated by task [0-9]+:",
	"Freed:",
	"Freed by task [0-9]+:",
	"[^k] backtrace(?: \\(crc [[:xdigit:]]*\\))?:",	/* not "stack backtrace:" */
	"Backtrace:",
	"Uninit was stored to memory at",
	oops_odd_start,
	NULL
};

/* RISC-V dumps a stack after its registers without any heading. */
const char oops_odd_start[] =
	"status: [0-9a-f]{16} badaddr: [0-9a-f]{16} cause: [0-9a-f]{16}";

const char *const oops_frame_lines[] = {
	"^ *(?:" RE_PC " ){0,2}" RE_FUNC,
	/* 32-bit ARM: the callee is in no frame of its own. */
	"^ *" RE_PC " \\(([a-zA-Z0-9_.]+)\\) from " RE_PC " \\(" RE_FUNC,
	NULL
};

/* Injected failures print a stack of their own, often into the middle of another report. */
const char oops_stray_stack[] =
	"^( \\[<?(?:0x)?[0-9a-f]+>?\\])? should_fail(slab)?(\\.[a-z0-9.]+)?\\+0x";

const char *const oops_skip[] = {
	/* the sanitizers and checkers themselves */
	"kasan|kmsan|hwasan|__sanitizer|__asan|__msan|kcsan_setup_watchpoint",
	"check_memory_region|check_heap_object|check_object|read_word_at_a_time",
	"(?:read|write)_once_.*nocheck|__might_fault|might_fault|might_sleep|__might_resched",
	"debug_object|timer_is_static_object|work_is_static_object|seqprop_assert|assertfail",
	"__fortify_report|__phys_addr|ref_tracker",
	/* reporting and dying */
	"print_address_description|print_report|print_usage_bug|report_bug|fixup_bug|panic",
	"invalid_op|do_error|_trap$|do_trap|warn_slowpath|warn_alloc|warn_bogus|__warn",
	"show_stack|dump_stack|walk_stack|dump_backtrace|stack_trace_(?:save|consume_entry)|arch_stack_walk",
	"program_check_(?:exception|common)|print_tainted|^get_taint$",
	"do_(?:kernel|translation)_fault|do_mem_abort|el1_abort|el1h_64_sync(?:_handler)?",
	"printk|va_format|sc?nprintf|kv?asprintf|dev_(?:info|notice|warn|err|alert|crit|emerg)",
	"hex_dump_to_buffer|print_hex_dump|perf_trace",
	/* allocators */
	"alloc_page|k?v?[mzc]alloc|krealloc|kmem_cache|allocate_slab|slab_|^kv?free$|kfree_skb",
	"__alloc_frozen_pages_noprof|folio_(?:alloc|unlock)|filemap_alloc_folio|__filemap_get_folio",
	/* the page cache as everybody's servant */
	"find_or_create_page|do_read_cache_folio|read_cache_page|pagecache_get_page",
	"grab_cache_page_write_begin|^(?:un)?lock_page|find_lock_entries|truncate_inode_pages_range",
	"xas_(?:start|load|find)|mark_buffer_dirty",
	/* locks */
	"lockdep|lock_acquire|lock_release|lock_class|mark_lock|(?:reacquire|mark)_held_locks",
	"print_unlock|imbalance_bug|bh_(?:en|dis)able|(?:trace|lockdep)_(?:hard|soft)irq",
	"raw_spin_rq|spin_(?:try|un)?lock|(?:read|write)_(?:try|un)?lock",
	"^down$|(?:down|up)_(?:read|write)|down_trylock|^(?:__|rt_)?mutex_|owner_on_cpu|osq_(?:un)?lock",
	"^refcount_|^kref_|(?:set|clear|change|test)_bit",
	"atomic(?:64)?_(?:dec|inc|read|set|or|xor|and|add|sub|fetch|xchg|cmpxchg|try)",
	/* waiting, waking, timers, work */
	"__wake_up|^complete$|wait_for_completion|finish_wait|kthread_stop|cleanup_srcu_struct",
	"del_timer|lock_timer_base|__timer_delete_sync|sk_stop_timer_sync|__mod_timer",
	"queue_work|insert_work|__queue_delayed_work|queue_delayed_work_on|try_to_grab_pending",
	"flush_work|(?:drain|destroy)_workqueue|cancel_work_sync|__cancel_work_timer",
	/* strings, memory, user space, containers */
	"mem(?:cpy|cmp|set|chr|move|dup)|str(?:n?cmp|n?cpy|lcpy|scpy|n?len|n?str|chr|n?dup)",
	"string|pointer|copy_(?:to|from)_(?:user|iter)|copy_page_(?:to|from)_iter|copy_folio_to_iter",
	"^copy(?:in|out)$|(?:put|get)_user|extract_(?:user|iter)_to_sg",
	"list_(?:add|del|replace|move|splice)|^(?:__)?rb_|^klist_|rhashtable_lookup|ida_free",
	"^crc\\d+|crc_itu_t|_indirect_thunk_|(?:read|write)[bwlq]$|logic_(?:in|out)",
	/* objects that everybody holds */
	"^iput$|^iput_final$|^ihold$|drop_nlink|dput|^put_device$",
	"kobject_|add_uevent_var|get_device_parent|sysfs_remove|devres_release_all",
	"device_(?:add|del|unregister|destroy|release|for_each_child|remove_file)|tty_unregister_device",
	"hwrng_unregister|i2c_del_adapter|__unregister_client",
	"rollback_registered|unregister_netdev",
	"dummy_urb_enqueue|usb_kill_(?:urb|anchored_urbs)|usb_control_msg|usb_(?:hcd_)?submit_urb",
	NULL
};

/* Where generic code hands over to something particular: below here begins what loops. */
const char *const oops_stall_entries[] = {
	/* system calls */
	"do_syscall_|do_fast_syscall_|sysenter_dispatch|tracesys_phase2|el0_svc_handler|invoke_syscall|ret_fast_syscall",
	/* interrupts, timers, threads */
	"process_one_work|netif_receive_skb|do_softirq|call_timer_fn|_run_timers|run_timer_softirq|hrtimer_run",
	"run_ksoftirqd|smpboot_thread_fn|^kthread$|start_secondary|cpu_startup_entry|ret_from_fork|tasklet_(?:hi_)?action",
	"smp_call_function",
	/* files */
	"vfs_(?:iter_)?(?:read|write)|do_iter_(?:read|write)|call_(?:read|write)_iter|new_sync_(?:read|write)|do_dentry_open|vfs_open",
	"vfs_ioctl|ksys_ioctl|compat_(?:sys_)?ioctl|blkdev_(?:driver_)?ioctl|^call_mmap|mmap_region|do_mmap|__fput|task_work_run",
	/* sockets */
	"^sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl)|^__sock_release|^compat_sock_ioctl|sk_common_release",
	"^setsockopt$|kernel_setsockopt|sock_common_setsockopt|^listen$|kernel_listen|^accept$|kernel_accept",
	"^nfnetlink_rcv_msg|^rtnetlink_rcv_msg|^netlink_dump|^(?:sys_)?(?:socketpair|connect|ioctl)",
	/* faults and the way back to user space */
	"__do_fault|do_page_fault|^page_fault$|exit_to_usermode",
	NULL
};

/* Many victims, one culprit: these are one bug wherever they hang. */
const struct oops_anchor oops_hang_anchors[] = {
	{ "rtnl_lock", NULL },
	{ "synchronize_rcu", "synchronize_rcu" },
	{ "synchronize_srcu", "synchronize_rcu" },
	{ "synchronize_net", "synchronize_rcu" },
	{ "synchronize_sched", "synchronize_rcu" },
	{ NULL, NULL }
};

const char *const oops_hang_waits[] = {
	"sched", "_lock", "_slowlock", "down", "rwsem", "completion", "kthread", "wait",
	"synchronize", "context_switch", "__switch_to", "cancel_delayed_work", "rcu_barrier",
	NULL
};

/* One system call has many names. */
const char *const oops_syscall_prefixes[] = {
	"SYSC_", "SyS_", "sys_", "__x64_", "__ia32_", "__arm64_", "____sys_", "___sys_", "__sys_",
	"__se_", "__se_sys_", "__do_sys_", "compat_SYSC_", "compat_SyS_", "ksys_",
	NULL
};

const struct oops_variable oops_variables[] = {
	/* numbered worker processes of the fuzzers whose titles we share */
	{ "syz-executor\\.?[0-9]+(?:[/:][0-9]+)?", "syz-executor" },
	{ "syzkaller[0-9]+(?:[/:][0-9]+)?", "syzkaller" },
	{ "([^a-zA-Z0-9])(?:0x)?[0-9a-f]{6,}", "${1}ADDR" },
	{ "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}", "IP" },
	{ "(\\.\\w+)(?::[0-9]+)+", "${1}:LINE" },
	{ "([a-zA-Z][a-zA-Z0-9_.]+)\\+0x[0-9a-z]+/0x[0-9a-z]+", "${1}" },
	{ "CPU#[0-9]+", "CPU" },
	{ "(\\W)\\d+(\\W|$)", "${1}NUM${2}" },
	{ "\\d{7,}", "NUM" },
	{ NULL, NULL }
};
