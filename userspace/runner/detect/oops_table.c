// SPDX-License-Identifier: GPL-2.0
/*
 * Headers of crash messages and the titles they get. A key's rules are tried in
 * order; what stands first is the more special. Adding a message: a rule, or a key
 * and its rule. tests/unit/test_oops.c wants an excerpt of a real log for it.
 */
#include "oops_table.h"

/* A row says what it has; the rest is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

const char FRAMES_STACK[] = "";

#define RE_TRACE	"Call [Tt]race:|Backtrace:"
/* "RIP: 0010:vfs_read+0x12/0x340", "PC is at foo+0x12", "NIP [c000000000123456] foo+0x12"; also without a symbol */
#define RE_RIP	"(?:IP|NIP|pc |PC is at):? (?:(?:[0-9]+:)?(?:" RE_PC " +){0,2}" RE_FUNC "|" \
		"(?:[0-9]+:)?0x[0-9a-f]+|(?:[0-9]+:)?" RE_PC " +\\[< *\\(null\\)>\\] +\\(null\\)|" \
		"[0-9]+: +\\(null\\))"
#define RE_TIMER_IRQ	"apic_timer_interrupt"

/* ---- where guilty frames are found ------------------------------------------------- */

static const char *const in_trap[] = { RE_RIP, RE_TRACE, FRAMES_STACK, NULL };
static const char *const in_rip[] = { RE_RIP, NULL };
static const char *const in_trace[] = { RE_TRACE, FRAMES_STACK, NULL };
static const char *const in_kasan[] = {
	"BUG: KASAN: (?:[a-z-]+) in " RE_FUNC, RE_TRACE, FRAMES_STACK, NULL
};
static const char *const in_kasan_free[] = {
	"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in " RE_FUNC,
	RE_TRACE, FRAMES_STACK, NULL
};
static const char *const in_kmsan[] = {
	FRAMES_STACK, "(Local variable .* created at:|Uninit was created at:)", FRAMES_STACK, NULL
};
static const char *const in_kfence[] = { "BUG: KFENCE: (?:[a-z -]+) in " RE_FUNC, FRAMES_STACK, NULL };
/* x86 warns by a trap, whose own stack comes first; PowerPC by an interrupt. */
static const char *const in_warning[] = {
	"(?:" RE_RIP "|--- interrupt: [0-9]+ at " RE_FUNC ")", FRAMES_STACK, NULL
};
static const char *const in_unlock[] = { RE_PC " +" RE_FUNC, RE_TRACE, FRAMES_STACK, NULL };
static const char *const in_page_owner[] = { "page last allocated", FRAMES_STACK, NULL };
static const char *const in_backtrace[] = {
	"backtrace(?: \\(crc [[:xdigit:]]*\\))?:", FRAMES_STACK, NULL
};
static const char *const in_two_locks[] = { RE_LOCK, RE_LOCK, FRAMES_STACK, NULL };
static const char *const in_became[] = { "which became (?:.*) at:", FRAMES_STACK, NULL };
static const char *const in_stall[] = { RE_TIMER_IRQ, RE_RIP, FRAMES_STACK, NULL };
static const char *const in_stall_irq[] = {
	"(?:" RE_TIMER_IRQ "|Exception stack|el1h_64_irq)", FRAMES_STACK, NULL
};
/* Newer kernels print registers and stack of the loop itself, not the interrupt's; not of who is merely blocked. */
static const char *const in_stall_loop[] = {
	"self-detected stall|^NMI backtrace for cpu", "RIP: 0010:" RE_FUNC, RE_TRACE,
	FRAMES_STACK, NULL
};

#define TRAP	.frames = in_trap
#define TRACE	.frames = in_trace
#define WARN	.frames = in_warning, .frames2 = in_trace

/* ---- BUG: ------------------------------------------------------------------------- */

#define DEADLOCK "possible deadlock in "

static const struct oops_rule bug_rules[] = {
	/* KASAN */
	{ "BUG: KASAN: ([a-z-]+) in " RE_FUNC, "KASAN: $1 $3 in $F", OOPS_KASAN, OOPS_HIGH,
	  { "(Read|Write) (?:of size|at addr) [0-9a-f]+" }, in_kasan,
	  .skip = "kernel_fault|tag_check|mem_abort|^el1_|^el1h_" },
	{ "BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in " RE_FUNC,
	  "KASAN: invalid-free in $F", OOPS_KASAN, OOPS_HIGH, .frames = in_kasan_free,
	  .skip = "slab_|kfree|vunmap|vfree" },
	{ "BUG: KASAN: ([a-z-]+) on address", "KASAN: $1 $2", OOPS_KASAN, OOPS_HIGH,
	  { "(Read|Write) of size [0-9]+" } },
	{ "BUG: KASAN: (.*)", "KASAN: $1", OOPS_KASAN, OOPS_HIGH, .flags = RULE_CORRUPTED },
	/* KMSAN, KCSAN, KFENCE */
	{ "BUG: KMSAN: kernel-usb-infoleak in " RE_FUNC, "KMSAN: kernel-usb-infoleak in $F",
	  OOPS_KMSAN, OOPS_MEDIUM, .frames = in_kmsan, .flags = RULE_NO_STACK,
	  .skip = "alloc_skb|usb_submit_urb|usb_start_wait_urb|usb_bulk_msg|usb_interrupt_msg|usb_control_msg" },
	{ "BUG: KMSAN: ([a-z-]+) in " RE_FUNC, "KMSAN: $1 in $F", OOPS_KMSAN, OOPS_MEDIUM,
	  .frames = in_kmsan, .flags = RULE_NO_STACK,
	  .skip = "alloc_skb|netlink_ack|netlink_rcv_skb|_encrypt$|^(?:crypto|cipher|drbg|rng)_" },
	{ "BUG: KCSAN: (.*)", "KCSAN: $1", OOPS_KCSAN, OOPS_MEDIUM, .flags = RULE_NO_STACK },
	/* its stacks have no heading that could be missed */
	{ "BUG: KFENCE: (use-after-free|out-of-bounds) (read|write) in " RE_FUNC,
	  "KFENCE: $1 $2 in $F", OOPS_KFENCE, OOPS_HIGH, .frames = in_kfence, .flags = RULE_NO_STACK },
	{ "BUG: KFENCE: invalid free in " RE_FUNC, "KFENCE: invalid free in $F", OOPS_KFENCE,
	  OOPS_HIGH, .frames = in_kfence, .flags = RULE_NO_STACK },
	{ "BUG: KFENCE: invalid (read|write) in " RE_FUNC, "KFENCE: invalid $1 in $F",
	  OOPS_KFENCE, OOPS_HIGH, .frames = in_kfence, .flags = RULE_NO_STACK },
	{ "BUG: KFENCE: memory corruption in " RE_FUNC, "KFENCE: memory corruption in $F",
	  OOPS_KFENCE, OOPS_HIGH, .frames = in_kfence, .flags = RULE_NO_STACK },
	/* bad accesses */
	{ "BUG: (?:unable to handle kernel paging request|unable to handle page fault for address|"
	  "Unable to handle kernel data access)", "BUG: unable to handle kernel paging request in $F",
	  OOPS_PAGING, OOPS_HIGH, TRAP },
	{ "BUG: (?:unable to handle kernel|kernel|Kernel) NULL pointer dereference",
	  "BUG: unable to handle kernel NULL pointer dereference in $F", OOPS_NULL, OOPS_HIGH, TRAP },
	/* two calls to printk: the second half may be lost */
	{ "BUG: [uU]nable to handle kernel", "BUG: unable to handle kernel", OOPS_PAGING, OOPS_HIGH,
	  .flags = RULE_CORRUPTED },
	{ "BUG: .*stack guard page was hit at", "BUG: stack guard page was hit in $F", OOPS_STACK,
	  OOPS_CRITICAL, TRAP, .pick = PICK_STALL },
	/* locks */
	{ "BUG: (spinlock|rwlock) (lockup suspected|already unlocked|recursion|cpu recursion|bad magic|"
	  "wrong owner|wrong CPU|trylock failure on UP)", "BUG: $1 $2 in $F", OOPS_LOCKDEP, OOPS_HIGH,
	  TRACE, .skip = "spin_|_lock|_unlock" },
	{ "BUG: .*still has locks held!", "BUG: still has locks held in $1", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { RE_PC " +" RE_FUNC } },
	{ "BUG: lock held when returning to user space",
	  "BUG: lock held when returning to user space in $1", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { "leaving the kernel with locks still held", RE_LOCK }, .flags = RULE_NO_STACK },
	{ "BUG: bad unlock balance detected!", "BUG: bad unlock balance in $F", OOPS_LOCKDEP,
	  OOPS_MEDIUM, .frames = in_unlock },
	{ "BUG: held lock freed!", "BUG: held lock freed in $1", OOPS_LOCKDEP, OOPS_HIGH,
	  { RE_PC " +" RE_FUNC } },
	{ "BUG: workqueue leaked lock or atomic", "BUG: workqueue leaked lock or atomic in $1",
	  OOPS_LOCKDEP, OOPS_MEDIUM, { "last function: ([a-zA-Z0-9_]+)$" }, .flags = RULE_NO_STACK },
	{ "BUG: Invalid wait context", "WARNING: locking bug in $F", OOPS_LOCKDEP, OOPS_MEDIUM, TRACE,
	  .skip = "lock_sock|release_sock" },
	{ "BUG: using ([a-z_]+)\\(\\) in preemptible", "BUG: using $1() in preemptible code in $F",
	  OOPS_LOCKDEP, OOPS_MEDIUM, TRACE,
	  .skip = "dump_stack|preemption|preempt|debug_|processor_id|this_cpu" },
	{ "BUG: scheduling while atomic", "BUG: scheduling while atomic in $F", OOPS_ATOMIC_SLEEP,
	  OOPS_MEDIUM, TRACE, .skip = "schedule|^msleep|^usleep_range" },
	{ "BUG: sleeping function called from invalid context at",
	  "BUG: sleeping function called from invalid context in $F", OOPS_ATOMIC_SLEEP, OOPS_MEDIUM,
	  TRACE },
	/* hangs */
	{ "BUG: soft lockup", "BUG: soft lockup in $F", OOPS_SOFT_LOCKUP, OOPS_HIGH, TRAP,
	  .pick = PICK_STALL },
	{ "BUG: workqueue lockup", "BUG: workqueue lockup", OOPS_SOFT_LOCKUP, OOPS_HIGH,
	  .flags = RULE_NO_STACK },
	/* memory */
	{ "BUG: memory leak", "memory leak in $F", OOPS_LEAK, OOPS_MEDIUM, .frames = in_backtrace,
	  .skip = "kmemleak|mmap|kmem|slab|alloc|create_object|idr_get|list_lru_init|kasprintf|"
		  "kvasprintf|pcpu_create|strdup|strndup|memdup" },
	{ "BUG: Bad page (state|cache)", "BUG: Bad page $1 in $F", OOPS_MEMORY, OOPS_HIGH,
	  .frames = in_page_owner,
	  .skip = "(?:free|put|get|update|release)_page|free_unref|^_*folio|truncate_inode_pages|"
		  "page_frag_free|alloc|vmap|page_owner" },
	{ "BUG: Bad page map", "BUG: Bad page map", OOPS_MEMORY, OOPS_HIGH },
	{ "BUG: Bad rss-counter state", "BUG: Bad rss-counter state", OOPS_MEMORY, OOPS_HIGH,
	  .flags = RULE_NO_STACK },
	{ "BUG: non-zero nr_(ptes|pmds) on freeing mm", "BUG: non-zero nr_$1 on freeing mm",
	  OOPS_MEMORY, OOPS_HIGH, .flags = RULE_NO_STACK },
	/* block device and filesystem are left out: one bug has many of them */
	{ "BUG: Dentry .* still in use \\([0-9]+\\) *\\[(unmount) of [^\\]]+\\]",
	  "BUG: Dentry still in use in $1", OOPS_BUSY_INODES, OOPS_HIGH },
	{ "BUG: Dentry .* still in use", "BUG: Dentry still in use in $1", OOPS_BUSY_INODES, OOPS_HIGH,
	  { "\\[(unmount) of [^\\]]+\\]" } },
	{ "BUG:\\s*(?:\\n|$)", "BUG: corrupted", OOPS_BUG, OOPS_HIGH, .flags = RULE_CORRUPTED },
	{ 0 }
};

/* ---- WARNING: ---------------------------------------------------------------------- */

static const struct oops_rule warning_rules[] = {
	{ "WARNING: .*lib/debugobjects\\.c.* (?:debug_print|debug_check|at)", "WARNING: ODEBUG bug in $F",
	  OOPS_WARNING, OOPS_MEDIUM, WARN,
	  .skip = "debug_|rcu|hrtimer_|timer_|work_|percpu_|vunmap|vfree|__free_|debug_check|kobject_" },
	{ "WARNING: .*mm/usercopy\\.c.* (?:usercopy_warn|at)", "WARNING: bad usercopy in $F",
	  OOPS_WARNING, OOPS_MEDIUM, WARN, .skip = "usercopy|__check" },
	{ "WARNING: .*lib/kobject\\.c.* (?:kobject_|at)", "WARNING: kobject bug in $F", OOPS_WARNING,
	  OOPS_MEDIUM, WARN, .skip = "kobject_" },
	{ "WARNING: .*fs/proc/generic\\.c.* (?:proc_register|at)",
	  "WARNING: proc registration bug in $F", OOPS_WARNING, OOPS_MEDIUM, WARN, .skip = "proc_" },
	{ "WARNING: .*lib/refcount\\.c.* (?:refcount_|at)", "WARNING: refcount bug in $F",
	  OOPS_REFCOUNT, OOPS_HIGH, WARN, .skip = "refcount|kobject_" },
	{ "WARNING: .*lib/list_debug\\.c", "WARNING in $F", OOPS_LIST, OOPS_HIGH, WARN },
	{ "WARNING: .*kernel/locking/lockdep\\.c.*lock_", "WARNING: locking bug in $F", OOPS_LOCKDEP,
	  OOPS_MEDIUM, WARN, .skip = "lock_sock|release_sock" },
	{ "WARNING: .*mm/slab_common\\.c.* kmem_cache_destroy", "WARNING in $F", OOPS_SLAB_LEFT,
	  OOPS_MEDIUM, WARN },
	{ "WARNING: .*still has locks held!", "WARNING: still has locks held in $1", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { "at: " RE_FUNC } },
	{ "WARNING: Nested lock was not taken", "WARNING: nested lock was not taken in $F",
	  OOPS_LOCKDEP, OOPS_MEDIUM, WARN },
	{ "WARNING: lock held when returning to user space",
	  "WARNING: lock held when returning to user space in $1", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { "leaving the kernel with locks still held", RE_LOCK }, .flags = RULE_NO_STACK },
	{ "WARNING: .*mm/.*\\.c.* k?.?malloc", "WARNING: kmalloc bug in $F", OOPS_WARNING,
	  OOPS_MEDIUM, WARN, .skip = "kmalloc|krealloc|slab|kmem" },
	{ "WARNING: .*mm/vmalloc.c.*__vmalloc_node", "WARNING: zero-size vmalloc in $F",
	  OOPS_WARNING, OOPS_MEDIUM, WARN },
	{ "WARNING: .* usb_submit_urb", "WARNING in $F/usb_submit_urb", OOPS_WARNING, OOPS_MEDIUM, WARN,
	  .skip = "usb_submit_urb|usb_start_wait_urb|usb_bulk_msg|usb_interrupt_msg|usb_control_msg" },
	/* three generations of the common form */
	{ "WARNING: " RE_SRC " at 0x\\d+, CPU#\\d+", "WARNING in $F", OOPS_WARNING, OOPS_MEDIUM, WARN },
	{ "WARNING: .* at " RE_SRC " " RE_FUNC, "WARNING in $F", OOPS_WARNING, OOPS_MEDIUM, WARN },
	{ "WARNING: (?:\\[.*\\] )?" RE_SRC " at " RE_FUNC, "WARNING in $F", OOPS_WARNING, OOPS_MEDIUM,
	  WARN },
	/* lockdep and RCU */
	{ "WARNING: possible circular locking dependency detected", DEADLOCK "$F", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { "is trying to acquire lock" }, in_two_locks,
	  .skip = "process_one_work|flush_workqueue|drain_workqueue|destroy_workqueue" },
	{ "WARNING: possible irq lock inversion dependency detected", DEADLOCK "$1", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { "just changed the state of lock", RE_LOCK } },
	{ "WARNING: .*-safe -> .*-unsafe lock order detected", DEADLOCK "$F", OOPS_LOCKDEP, OOPS_MEDIUM,
	  .frames = in_became },
	{ "WARNING: possible recursive locking detected", DEADLOCK "$1", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { "is trying to acquire lock", RE_LOCK } },
	{ "WARNING: inconsistent lock state", "inconsistent lock state in $F", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { "takes", RE_LOCK }, in_trace },
	{ "WARNING: suspicious RCU usage", "WARNING: suspicious RCU usage in $F", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { RE_SRC }, in_trace, .skip = "rcu|kmem|slab" },
	{ "WARNING: bad unlock balance detected!", "WARNING: bad unlock balance in $F", OOPS_LOCKDEP,
	  OOPS_MEDIUM, .frames = in_unlock },
	{ "WARNING: held lock freed!", "WARNING: held lock freed in $1", OOPS_LOCKDEP, OOPS_HIGH,
	  { "at:(?: " RE_PC ")? +" RE_FUNC } },
	/* the unwinder's own */
	{ "WARNING: kernel stack regs at [0-9a-f]+ in [^ ]* has bad '([^']+)' value",
	  "WARNING: kernel stack regs has bad '$1' value", OOPS_WARNING, OOPS_LOW,
	  .flags = RULE_NO_STACK },
	{ "WARNING: kernel stack frame pointer at [0-9a-f]+ in [^ ]* has bad value",
	  "WARNING: kernel stack frame pointer has bad value", OOPS_WARNING, OOPS_LOW,
	  .flags = RULE_NO_STACK },
	{ "WARNING: kernel stack (?:regs .* has bad 'bp'|frame pointer .* has bad) value",
	  "WARNING: kernel stack regs has bad value", OOPS_WARNING, OOPS_LOW, .flags = RULE_NO_STACK },
	{ "WARNING:\\s*(?:\\n|$)", "WARNING: corrupted", OOPS_WARNING, OOPS_MEDIUM,
	  .flags = RULE_CORRUPTED },
	{ 0 }
};

/* What is a warning only to its writer. */
#define NO_WARNING \
	"EXT4-[Ff][Ss](?: \\(.*\\))?:|XFS \\(\\w+\\): WARNING|" \
	"WARNING: workqueue cpumask: online intersect > possible intersect|" \
	"WARNING: [Tt]he mand mount option|WARNING: Unprivileged eBPF is enabled with eIBRS|" \
	"WARNING: Unsupported flag value\\(s\\) of 0x%x in DT_FLAGS_1|" \
	"WARNING: /etc/ssh/moduli does not exist, using fixed modulus|" \
	"WARNING: fbcon: Driver '.*' missed to adjust virtual screen size|" \
	"WARNING: See https.* for mitigation options\\.|WARNING: kernel not compiled with CPU_SRSO|" \
	"(?i:warning: .* uses (?:deprecated v2 capabilities|wireless extensions))"

/* ---- INFO: ------------------------------------------------------------------------- */

static const struct oops_rule info_rules[] = {
	{ "INFO: possible (?:circular|recursive) locking(?: dependency)? detected", DEADLOCK "$1",
	  OOPS_LOCKDEP, OOPS_MEDIUM, { "is trying to acquire lock", "at: " RE_PC " +" RE_FUNC } },
	{ "INFO: possible irq lock inversion dependency detected", DEADLOCK "$1", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { "just changed the state of lock", "at: " RE_PC " +" RE_FUNC } },
	{ "INFO: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", DEADLOCK "$1", OOPS_LOCKDEP,
	  OOPS_MEDIUM, { "is trying to acquire", "at: " RE_PC " +" RE_FUNC } },
	{ "INFO: inconsistent lock state", "inconsistent lock state in $1", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { "takes", "at: " RE_PC " +" RE_FUNC } },
	{ "INFO: rcu_(?:preempt|sched|bh|tasks) (?:self-)?detected(?: expedited)? stall",
	  "INFO: rcu detected stall in $F", OOPS_RCU_STALL, OOPS_HIGH, .frames = in_stall,
	  .frames2 = in_stall_irq, .frames3 = in_stall_loop,
	  .skip = RE_TIMER_IRQ "|rcu", .pick = PICK_STALL },
	{ "INFO: trying to register non-static key", "INFO: trying to register non-static key in $F",
	  OOPS_LOCKDEP, OOPS_MEDIUM, TRACE, .skip = "stack|lock|IRQ" },
	{ "INFO: suspicious RCU usage", "INFO: suspicious RCU usage in $F", OOPS_LOCKDEP, OOPS_MEDIUM,
	  { RE_SRC }, in_trace, .skip = "rcu|kmem|slab" },
	/* a task's name may hold anything */
	{ "INFO: task [\\s\\S]{0,100}? blocked (?:in I/O wait )?for more than [0-9]+ seconds",
	  "INFO: task hung in $F", OOPS_HUNG_TASK, OOPS_HIGH, TRACE, .pick = PICK_HANG },
	{ "INFO: task [\\s\\S]{0,100}? can't die for more than .* seconds",
	  "INFO: task can't die in $F", OOPS_HUNG_TASK, OOPS_HIGH, TRACE, .skip = "schedule" },
	{ "INFO: (Freed|Allocated) in (.*)", "INFO: $1 in $2", OOPS_MEMORY, OOPS_HIGH,
	  .flags = RULE_CORRUPTED },
	{ "INFO:\\s*(?:\\n|$)", "INFO: corrupted", OOPS_BUG, OOPS_MEDIUM, .flags = RULE_CORRUPTED },
	{ 0 }
};

#define NO_INFO \
	"INFO: lockdep is turned off|INFO: Stall ended before state dump start|INFO: NMI handler|" \
	"INFO: recovery required on readonly filesystem|(?:handler|interrupt).*took too long|" \
	"INFO: sys_.* is not present in /proc/kallsyms|INFO: no syscalls can create resource|" \
	"rmt_storage:INFO:|_INFO:"

/* ---- traps and faults -------------------------------------------------------------- */

static const struct oops_rule unable_rules[] = {
	{ "Unable to handle kernel (NULL pointer dereference)", "BUG: unable to handle kernel $1 in $F",
	  OOPS_NULL, OOPS_HIGH, TRAP },
	{ "Unable to handle kernel (paging request|access to user memory)",
	  "BUG: unable to handle kernel $1 in $F", OOPS_PAGING, OOPS_HIGH, TRAP },
	{ 0 }
};

static const struct oops_rule protection_rules[] = {
	{ "general protection fault.*:", "general protection fault in $F", OOPS_PROTECTION, OOPS_HIGH,
	  TRAP },
	{ 0 }
};

#define TRAP_RULE(name, pattern, title_, class_, severity_, where) \
	static const struct oops_rule name[] = { \
		{ pattern, title_ " in $F", class_, severity_, .frames = where }, { 0 } }

TRAP_RULE(segment_rules, "stack segment: ", "stack segment fault", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(divide_rules, "divide[ _]error: ", "divide error", OOPS_DIE, OOPS_HIGH, in_rip);
TRAP_RULE(opcode_rules, "invalid opcode: ", "invalid opcode", OOPS_DIE, OOPS_HIGH, in_rip);
TRAP_RULE(int3_rules, "int3: ", "int3", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(double_rules, "double fault", "PANIC: double fault", OOPS_DOUBLE_FAULT, OOPS_CRITICAL, in_rip);
TRAP_RULE(internal_rules, "Internal error:", "Internal error", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(unhandled_rules, "Unhandled fault:", "Unhandled fault", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(alignment_rules, "Alignment trap:", "Alignment trap", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(oops_rules, "Oops: ", "Oops", OOPS_DIE, OOPS_HIGH, in_trap);
TRAP_RULE(hard_rules, "hard LOCKUP", "BUG: hard lockup", OOPS_HARD_LOCKUP, OOPS_CRITICAL, in_trap);

/* ---- panics and BUG() --------------------------------------------------------------- */

#define PANIC	"Kernel panic - not syncing: "

static const struct oops_rule panic_rules[] = {
	/* the stack is what is broken: there may be neither symbol nor trace */
	{ PANIC "stack-protector: Kernel stack is corrupted in: " RE_FUNC,
	  "kernel panic: stack is corrupted in $1", OOPS_STACK, OOPS_CRITICAL, .flags = RULE_NO_STACK },
	{ PANIC "stack-protector: Kernel stack is corrupted in: [a-f0-9]+",
	  "kernel panic: stack is corrupted in $F", OOPS_STACK, OOPS_CRITICAL, TRACE,
	  .skip = "stack_chk" },
	{ PANIC "corrupted stack end detected inside scheduler",
	  "kernel panic: corrupted stack end in $F", OOPS_STACK, OOPS_CRITICAL, TRACE,
	  .skip = "schedule|retint_kernel", .pick = PICK_STALL },
	{ PANIC "kernel stack overflow", "kernel stack overflow in $F", OOPS_STACK, OOPS_CRITICAL, TRACE,
	  .skip = "bad_stack", .pick = PICK_STALL },
	{ PANIC "(System is deadlocked on memory|Out of memory)", "kernel panic: $1", OOPS_NO_MEMORY,
	  OOPS_CRITICAL },
	{ PANIC "Attempted to kill init!", "kernel panic: Attempted to kill init!", OOPS_PANIC,
	  OOPS_CRITICAL },
	{ PANIC "Couldn't open N_TTY ldisc for [^ ]+ --- error -[0-9]+",
	  "kernel panic: Couldn't open N_TTY ldisc", OOPS_PANIC, OOPS_CRITICAL },
	{ PANIC "(Hard LOCKUP)", "kernel panic: $1", OOPS_HARD_LOCKUP, OOPS_CRITICAL },
	/* the end of a crash whose beginning was lost */
	{ PANIC "(Fatal exception|panic_on_warn set|hung_task: blocked tasks)", "kernel panic: $1",
	  OOPS_PANIC, OOPS_CRITICAL, .flags = RULE_CORRUPTED },
	{ PANIC "(.*)", "kernel panic: $1", OOPS_PANIC, OOPS_CRITICAL },
	{ 0 }
};

static const struct oops_rule kernel_bug_rules[] = {
	{ "kernel BUG at mm/usercopy.c", "BUG: bad usercopy in $F", OOPS_BUG, OOPS_HIGH, TRACE,
	  .skip = "usercopy|__check" },
	{ "kernel BUG at lib/list_debug.c", "BUG: corrupted list in $F", OOPS_LIST, OOPS_HIGH, TRACE },
	{ "kernel BUG at", "kernel BUG in $F", OOPS_BUG, OOPS_HIGH, TRAP, .skip = "^skb_" },
	{ 0 }
};

static const struct oops_rule other_bug_rules[] = {
	{ "Kernel BUG (.*)", "kernel BUG $1", OOPS_BUG, OOPS_HIGH }, { 0 }
};

static const struct oops_rule rust_rules[] = {
	{ "rust_kernel: panicked at", "$1 in $F", OOPS_BUG, OOPS_HIGH, { "^(.+)$" }, in_trace,
	  .skip = "__rustc::rust_begin_unwind|rust_begin_unwind" },
	{ 0 }
};

static const struct oops_rule ubsan_rules[] = {
	{ "UBSAN: Undefined behaviour in", "UBSAN: undefined-behaviour in $F", OOPS_UBSAN, OOPS_MEDIUM,
	  TRACE, .skip = "ubsan|overflow" },
	{ "UBSAN: array-index-out-of-bounds in", "UBSAN: array-index-out-of-bounds in $F", OOPS_UBSAN,
	  OOPS_HIGH, TRACE, .skip = "ubsan|overflow" },
	{ "UBSAN: (.*?) in", "UBSAN: $1 in $F", OOPS_UBSAN, OOPS_MEDIUM, TRACE,
	  .skip = "ubsan|overflow" },
	{ 0 }
};

/* ---- what single messages say ------------------------------------------------------ */

#define SAYS(name, pattern, title_, class_, severity_, flags_) \
	static const struct oops_rule name[] = { \
		{ pattern, title_, class_, severity_, .flags = RULE_NO_STACK | (flags_) }, { 0 } }

SAYS(kmalloc_rules, "BUG kmalloc-.*: Object already free", "BUG: Object already free", OOPS_MEMORY,
     OOPS_HIGH, 0);
SAYS(netdev_rules, "unregister_netdevice: waiting for (?:.*) to become free",
     "unregister_netdevice: waiting for DEV to become free", OOPS_REFCOUNT, OOPS_MEDIUM, 0);
SAYS(file_count_rules, "VFS: Close: file count is 0", "VFS: Close: file count is zero (use-after-free)",
     OOPS_REFCOUNT, OOPS_HIGH, 0);
SAYS(busy_rules, "VFS: Busy inodes after unmount", "VFS: Busy inodes after unmount (use-after-free)",
     OOPS_BUSY_INODES, OOPS_HIGH, 0);
SAYS(reboot_rules, "^Booting the kernel|^Linux version ", "unexpected kernel reboot", OOPS_REBOOT,
     OOPS_CRITICAL, 0);
SAYS(recursive_rules, "Fixing recursive fault", "Fixing recursive fault but reboot is needed", OOPS_DIE,
     OOPS_HIGH, RULE_CORRUPTED);

/* The cache's name stays: it says what leaks. */
static const struct oops_rule slab_left_rules[] = {
	{ "BUG (\\S+) \\(.*\\): Objects remaining on __kmem_cache_shutdown", "BUG: slab cache $1 has objects left",
	  OOPS_SLAB_LEFT, OOPS_MEDIUM, .flags = RULE_NO_STACK },
	{ "Objects remaining (?:in (\\S+) )?on __kmem_cache_shutdown",
	  "BUG: slab cache $1 has objects left", OOPS_SLAB_LEFT, OOPS_MEDIUM, .flags = RULE_NO_STACK },
	{ "kmem_cache_destroy (\\S+): Slab cache still has objects", "BUG: slab cache $1 has objects left",
	  OOPS_SLAB_LEFT, OOPS_MEDIUM, .flags = RULE_NO_STACK },
	{ 0 }
};

/* Programs: test programs that give up, Go's runtime, firmware. */
static const struct oops_rule syz_rules[] = {
	{ "(SYZ(?:FAIL|FATAL):.*)", "$1", OOPS_PROGRAM, OOPS_MEDIUM, .flags = RULE_NO_STACK }, { 0 }
};
static const struct oops_rule program_panic_rules[] = {
	{ "panic: Sentry detected .* stuck task", "panic: Sentry detected stuck tasks", OOPS_PROGRAM,
	  OOPS_MEDIUM, .flags = RULE_NO_STACK },
	{ "panic:(.*)", "panic:$1", OOPS_PROGRAM, OOPS_MEDIUM, .flags = RULE_NO_STACK },
	{ 0 }
};
SAYS(go_rules, "fatal error:", "go runtime error", OOPS_PROGRAM, OOPS_MEDIUM, 0);
static const struct oops_rule trusty_rules[] = {
	{ "trusty: panic \\(.*?\\):(?: DEBUG)? ASSERT FAILED at \\(.*?\\): (.+)",
	  "trusty: ASSERT FAILED: $1", OOPS_PROGRAM, OOPS_HIGH, .flags = RULE_NO_STACK },
	{ "trusty: panic.* ASSERT FAILED.*: *(.*)", "trusty: ASSERT FAILED: $1", OOPS_PROGRAM, OOPS_HIGH,
	  .flags = RULE_CORRUPTED },
	{ "trusty: panic \\(.*?\\): (.+)", "trusty: panic: $1", OOPS_PROGRAM, OOPS_HIGH,
	  .flags = RULE_NO_STACK },
	{ 0 }
};

/* ---- incidents: not the kernel's own fault, or not yet a crash ---------------------- */

#define INCIDENT(name, pattern, title_, class_, severity_) \
	SAYS(name, pattern, title_, class_, severity_, RULE_INCIDENT)

INCIDENT(segfault_rules, "(\\S+)\\[\\d+\\]: segfault at ", "user program segfault: $1", OOPS_PROGRAM,
	 OOPS_LOW);
INCIDENT(user_trap_rules, "traps: (\\S+)\\[\\d+\\] (?:trap )?([a-z ]+?)(?: in)? ip:",
	 "user program $2: $1", OOPS_PROGRAM, OOPS_LOW);
INCIDENT(oom_rules, "[Oo]ut of memory", "out of memory", OOPS_NO_MEMORY, OOPS_MEDIUM);
INCIDENT(allocation_rules, "page allocation failure", "page allocation failure", OOPS_NO_MEMORY,
	 OOPS_LOW);
INCIDENT(kmemleak_rules, "kmemleak: \\d+ new suspected memory leaks", "kmemleak: suspected memory leaks",
	 OOPS_LEAK, OOPS_MEDIUM);
INCIDENT(ext4_rules, "(EXT[234]-fs error)[^:]*: ([a-zA-Z0-9_]+):", "$1 in $2", OOPS_FILESYSTEM,
	 OOPS_HIGH);
INCIDENT(jbd2_rules, "(JBD2: .*error|Aborting journal)", "$1", OOPS_FILESYSTEM, OOPS_HIGH);
INCIDENT(xfs_rules, "XFS \\([^)]*\\): (?:Metadata )?([cC]orruption[a-zA-Z -]*|.*[Ss]hutting down filesystem)",
	 "XFS: $1", OOPS_FILESYSTEM, OOPS_HIGH);
INCIDENT(btrfs_rules, "(BTRFS (?:critical|error)) \\(device[^)]*\\): (.*)", "$1: $2", OOPS_FILESYSTEM,
	 OOPS_HIGH);
INCIDENT(any_fs_rules, "([A-Za-z0-9]+-fs (?:error|critical))", "$1", OOPS_FILESYSTEM, OOPS_HIGH);
INCIDENT(symbol_rules, "(\\S+): Unknown symbol (\\S+)", "module $1: unknown symbol $2",
	 OOPS_LOAD_FAILED, OOPS_HIGH);
INCIDENT(version_rules, "(\\S+): (disagrees about version of symbol \\S+|version magic)",
	 "module $1: $2", OOPS_LOAD_FAILED, OOPS_HIGH);
INCIDENT(format_rules, "(\\S+): (?:module_layout|.gnu.linkonce.this_module section size|Invalid (?:module|ELF))",
	 "module $1: invalid format", OOPS_LOAD_FAILED, OOPS_HIGH);
INCIDENT(insert_rules, "(?:insmod|modprobe): (?:ERROR|FATAL|can't|could not).*?([a-zA-Z0-9_-]+)(?:\\.ko)?['\"]?:? (.*)",
	 "module $1 not loaded: $2", OOPS_LOAD_FAILED, OOPS_HIGH);
INCIDENT(init_rules, "do_init_module: '([^']+)'->init suspiciously returned",
	 "module $1: init returned nonsense", OOPS_LOAD_FAILED, OOPS_MEDIUM);
INCIDENT(remove_rules, "rmmod: (?:ERROR: )?(?:Module |can't unload module '?)([a-zA-Z0-9_-]+)'?:? (.*)",
	 "module $1 not unloaded: $2", OOPS_UNLOAD_FAILED, OOPS_HIGH);

/* ---- the keys, in order of precedence in a line -------------------------------------- */

#define NO_BUG \
	"DEBUG:|BUG: no syscalls can create resource|xlog_status:"
#define USER_FAULT	"general protection fault .* error:\\d+ in |ip:[0-9a-f]+ sp:"

const struct oops_key oops_keys[] = {
	{ "BUG:", NO_BUG, bug_rules, OOPS_BUG, OOPS_HIGH },
	{ "WARNING:", NO_WARNING, warning_rules, OOPS_WARNING, OOPS_MEDIUM },
	{ "INFO:", NO_INFO, info_rules, OOPS_BUG, OOPS_MEDIUM },
	{ "Unable to handle kernel", NULL, unable_rules, OOPS_PAGING, OOPS_HIGH },
	{ "general protection fault", USER_FAULT, protection_rules, OOPS_PROTECTION, OOPS_HIGH },
	{ "stack segment: ", NULL, segment_rules, OOPS_DIE, OOPS_HIGH },
	{ "Kernel panic", "\\[ end Kernel panic", panic_rules, OOPS_PANIC, OOPS_CRITICAL, KEY_AFTER },
	{ "PANIC: double fault", NULL, double_rules, OOPS_DOUBLE_FAULT, OOPS_CRITICAL, KEY_AFTER },
	{ "double fault:", NULL, double_rules, OOPS_DOUBLE_FAULT, OOPS_CRITICAL, KEY_AFTER },
	{ "rust_kernel: panicked", NULL, rust_rules, OOPS_BUG, OOPS_HIGH },
	{ "kernel BUG", NULL, kernel_bug_rules, OOPS_BUG, OOPS_HIGH },
	{ "Kernel BUG", NULL, other_bug_rules, OOPS_BUG, OOPS_HIGH },
	{ "BUG kmalloc-", NULL, kmalloc_rules, OOPS_MEMORY, OOPS_HIGH },
	{ "divide error:", NULL, divide_rules, OOPS_DIE, OOPS_HIGH },
	{ "divide_error:", NULL, divide_rules, OOPS_DIE, OOPS_HIGH },
	{ "invalid opcode:", NULL, opcode_rules, OOPS_DIE, OOPS_HIGH, KEY_AFTER },
	{ "int3:", NULL, int3_rules, OOPS_DIE, OOPS_HIGH },
	{ "UBSAN:", NULL, ubsan_rules, OOPS_UBSAN, OOPS_MEDIUM },
	/* The text of what a guest was asked to do may come back in a message. */
	{ "Booting the kernel.", "Parsing ELF|Decompressing Linux|Unknown parameter '", reboot_rules,
	  OOPS_REBOOT, OOPS_CRITICAL, KEY_BOOT },
	{ "Linux version ", "Unknown parameter '", reboot_rules, OOPS_REBOOT, OOPS_CRITICAL,
	  KEY_BOOT | KEY_EARLIER },
	{ "unregister_netdevice: waiting for", NULL, netdev_rules, OOPS_REFCOUNT, OOPS_MEDIUM, KEY_AFTER },
	{ "VFS: Close: file count is 0", NULL, file_count_rules, OOPS_REFCOUNT, OOPS_HIGH },
	{ "VFS: Busy inodes after unmount", NULL, busy_rules, OOPS_BUSY_INODES, OOPS_HIGH },
	{ "Internal error:", NULL, internal_rules, OOPS_DIE, OOPS_HIGH, KEY_AFTER },
	{ "Unhandled fault:", NULL, unhandled_rules, OOPS_DIE, OOPS_HIGH },
	{ "Alignment trap:", NULL, alignment_rules, OOPS_DIE, OOPS_HIGH },
	{ "trusty: panic", NULL, trusty_rules, OOPS_PROGRAM, OOPS_HIGH },
	{ "fatal error:", "ALSA|fatal error: cannot create timer", go_rules, OOPS_PROGRAM, OOPS_MEDIUM },
	{ "SYZFAIL:", NULL, syz_rules, OOPS_PROGRAM, OOPS_MEDIUM },
	{ "SYZFATAL:", NULL, syz_rules, OOPS_PROGRAM, OOPS_MEDIUM },
	{ "panic:", "_panic:|_status:|ddb\\.onpanic:|softdog", program_panic_rules, OOPS_PROGRAM,
	  OOPS_MEDIUM },
	{ "hard LOCKUP", NULL, hard_rules, OOPS_HARD_LOCKUP, OOPS_CRITICAL, KEY_AFTER },
	{ "Oops: ", NULL, oops_rules, OOPS_DIE, OOPS_HIGH, KEY_AFTER },
	{ "Fixing recursive fault", NULL, recursive_rules, OOPS_DIE, OOPS_HIGH, KEY_AFTER },
	{ "Objects remaining", NULL, slab_left_rules, OOPS_SLAB_LEFT, OOPS_MEDIUM, KEY_AFTER },
	{ "Slab cache still has objects", NULL, slab_left_rules, OOPS_SLAB_LEFT, OOPS_MEDIUM, KEY_AFTER },
	/* incidents */
	{ "segfault at ", NULL, segfault_rules, OOPS_PROGRAM, OOPS_LOW, KEY_LINE },
	{ " ip:", NULL, user_trap_rules, OOPS_PROGRAM, OOPS_LOW, KEY_LINE },
	{ "ut of memory: Kill", NULL, oom_rules, OOPS_NO_MEMORY, OOPS_MEDIUM, KEY_LINE },
	{ "page allocation failure", NULL, allocation_rules, OOPS_NO_MEMORY, OOPS_LOW, KEY_LINE },
	{ "new suspected memory leaks", NULL, kmemleak_rules, OOPS_LEAK, OOPS_MEDIUM, KEY_LINE },
	{ "EXT2-fs error", NULL, ext4_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "EXT3-fs error", NULL, ext4_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "EXT4-fs error", NULL, ext4_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "JBD2: ", NULL, jbd2_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "XFS (", NULL, xfs_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "BTRFS critical", NULL, btrfs_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "BTRFS error", NULL, btrfs_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ "-fs error", NULL, any_fs_rules, OOPS_FILESYSTEM, OOPS_HIGH, KEY_LINE },
	{ ": Unknown symbol ", NULL, symbol_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ ": disagrees about version of symbol", NULL, version_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ ": version magic", NULL, version_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ ".gnu.linkonce.this_module", NULL, format_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ ": Invalid ELF", NULL, format_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ "insmod: ", NULL, insert_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ "modprobe: ", NULL, insert_rules, OOPS_LOAD_FAILED, OOPS_HIGH, KEY_LINE },
	{ "init suspiciously returned", NULL, init_rules, OOPS_LOAD_FAILED, OOPS_MEDIUM, KEY_LINE },
	{ "rmmod: ", NULL, remove_rules, OOPS_UNLOAD_FAILED, OOPS_HIGH, KEY_LINE },
};
const guint oops_nkeys = G_N_ELEMENTS(oops_keys);

const char *const oops_marks[MARKS] = {
	[MARK_END_TRACE] = "---[ end trace",
	[MARK_END_STACK] = "</TASK>",
	[MARK_END_PANIC] = "---[ end Kernel panic",
	[MARK_REBOOTING] = "Rebooting in ",
	[MARK_PANIC] = "Kernel panic - not syncing",
	[MARK_REPLAY] = "** replaying previous printk message **",
	[MARK_TAINT] = "Disabling lock debugging due to kernel taint",
	[MARK_NMI] = "Sending NMI from CPU",
	[MARK_CIRCULAR] = "WARNING: possible circular locking dependency detected",
	/* no crashes, but with a stack of their own */
	[MARK_FOREIGN_1] = "vmalloc: allocation failure:",
	[MARK_FOREIGN_2] = "FAULT_INJECTION: forcing a failure",
	[MARK_FOREIGN_3] = "FAULT_FLAG_ALLOW_RETRY missing",
	[MARK_QUESTION] = " ? ",
	[MARK_EOI] = "<EOI>",
	[MARK_UNRELIABLE] = " (unreliable)",
	[MARK_RULER] = "==================================================",
};
