// SPDX-License-Identifier: GPL-2.0
/*
 * The menu: fault=NAME@POINT. One row of the table is one fault. It says on the console that
 * it is about to strike, and is planted no more: what comes after it is not its doing.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "fault.h"

/* ---- bad accesses and calls: pointers are hidden, or the compiler would see through them ---- */

static int fault_oops(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	return READ_ONCE(*nowhere);
}

static int fault_null_jump(void)
{
	int (*nowhere)(void) = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	return nowhere() + 1;	/* no tail call: this function is to be on the stack */
}

static int fault_bug(void)
{
	BUG();
	return 0;
}

static int fault_warn(void)
{
	WARN(1, "faultfs: as it was told\n");
	return 0;
}

static int fault_panic(void)
{
	panic("faultfs: as it was told");
	return 0;
}

/* Uses stack before and after the call, so that it is a call. */
static noinline int dig(int depth)
{
	volatile char hole[512];

	hole[depth % sizeof(hole)] = 1;
	return depth < 0 ? 0 : dig(depth + 1) + hole[0];
}

static int fault_stack_overflow(void)
{
	return dig(0);
}

static int fault_triple(void)
{
	compat_triple_fault();
	return -EOPNOTSUPP;
}

/* ---- memory -------------------------------------------------------------------------------- */

#define OBJECT_SIZE	64
#define OBJECT_TRIES	20000	/* of about 50 us: KFENCE gives one in each sample interval */

/* An object that KFENCE watches, so that its misuse is seen at once, and named. */
static void *watched_object(void)
{
	void *object;
	int i;

	for (i = 0; i < OBJECT_TRIES; i++) {
		object = kmalloc(OBJECT_SIZE, GFP_KERNEL);
		if (!object || compat_is_watched(object))
			return object;
		kfree(object);
		usleep_range(20, 50);
	}
	pr_err("faultfs: KFENCE watches nothing: boot with kfence.sample_interval=100\n");
	return NULL;
}

static int fault_use_after_free(void)
{
	int *object = watched_object(), *freed = object;

	OPTIMIZER_HIDE_VAR(freed);
	kfree(object);
	return object ? READ_ONCE(*freed) & 0 : -ENOMEM;
}

static int fault_double_free(void)
{
	void *object = watched_object(), *freed = object;

	OPTIMIZER_HIDE_VAR(freed);
	kfree(object);
	kfree(freed);
	return 0;
}

static int fault_list(void)
{
	struct list_head entry;
	LIST_HEAD(list);

	list_add(&entry, &list);
	WRITE_ONCE(list.prev, &list);	/* instead of &entry */
	list_del(&entry);
	return 0;
}

static int fault_reference(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
	return 0;
}

/* All there is, never given back; what the kernel does about it comes on the way. */
static int fault_exhaust(void)
{
	void **eaten = NULL, **page;

	while ((page = (void **)__get_free_page(GFP_KERNEL))) {
		*page = eaten;
		eaten = page;
	}
	return -ENOMEM;
}

static struct kmem_cache *leaky;

/* An object that is still there when its cache is destroyed, in menu_exit(). */
static int fault_slab_leak(void)
{
	/* Poisoned caches are not merged with others. */
	leaky = kmem_cache_create("faultfs_leaky", OBJECT_SIZE, 0, SLAB_POISON, NULL);
	return leaky && kmem_cache_alloc(leaky, GFP_KERNEL) ? 0 : -ENOMEM;
}

/* ---- locks and time ------------------------------------------------------------------------- */

static int fault_atomic_sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	msleep(10);
	/*
	 * The scheduler has complained, and taken the lock's share off the count by itself. Taken off twice it is
	 * negative until the next switch: a page fault of the task before that would be a SIGSEGV, now and then.
	 */
	if (!preempt_count())
		preempt_disable();
	spin_unlock(&lock);
	return 0;
}

static int fault_sleep(void)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
	return 0;
}

/* Others may run: only this operation does not end. */
static int fault_spin(void)
{
	for (;;)
		cond_resched();
	return 0;
}

static int fault_soft_lockup(void)
{
	for (;;)
		cpu_relax();
	return 0;
}

static int fault_hard_lockup(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static void freeze_cpu(void *unused)
{
	fault_hard_lockup();
}

static int fault_dead(void)
{
	on_each_cpu(freeze_cpu, NULL, 0);
	return 0;
}

static void nobody_comes(struct rcu_head *head)
{
}

/* Somebody waits for a grace period, and the soft lockup detector is kept from saying it first. */
static int fault_rcu_stall(void)
{
	static struct rcu_head waiting;

	call_rcu(&waiting, nobody_comes);
	rcu_read_lock();
	for (;;)
		touch_softlockup_watchdog();
	return 0;
}

/* Every operation passes here, and waits here once an Oops has left it locked. */
static DEFINE_MUTEX(gate);

static int fault_kept_lock(void)
{
	mutex_lock(&gate);
	return fault_oops();
}

/* ---- what fails in order ---------------------------------------------------------------------- */

static int fault_fail(void)
{
	return -EIO;
}

/* From now on the module is in use, for ever. */
static int fault_pin(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

/* ---- the menu --------------------------------------------------------------------------------- */

struct menu_row {
	const char *name;
	int (*strike)(void);
	const char *what;
};

static const struct menu_row menu[] = {
	{ "oops",		fault_oops,		"read through a NULL pointer" },
	{ "null-jump",		fault_null_jump,	"call a NULL pointer" },
	{ "bug",		fault_bug,		"BUG()" },
	{ "warn",		fault_warn,		"WARN()" },
	{ "panic",		fault_panic,		"panic()" },
	{ "use-after-free",	fault_use_after_free,	"read an object that was freed (KFENCE)" },
	{ "double-free",	fault_double_free,	"free an object twice (KFENCE)" },
	{ "stack-overflow",	fault_stack_overflow,	"recursion without end" },
	{ "atomic-sleep",	fault_atomic_sleep,	"sleep with a spin lock held" },
	{ "spin",		fault_spin,		"loop for ever, letting others run" },
	{ "sleep",		fault_sleep,		"sleep for ever, uninterruptibly" },
	{ "soft-lockup",	fault_soft_lockup,	"loop for ever, keeping the CPU" },
	{ "hard-lockup",	fault_hard_lockup,	"the same with interrupts off" },
	{ "dead",		fault_dead,		"the same on all CPUs" },
	{ "rcu-stall",		fault_rcu_stall,	"an RCU reader that does not end" },
	{ "list",		fault_list,		"delete from a list that is damaged" },
	{ "refcount",		fault_reference,		"take a reference to what has none left" },
	{ "kept-lock",		fault_kept_lock,	"oops with a lock that later operations want" },
	{ "exhaust",		fault_exhaust,		"allocate all memory" },
	{ "slab-leak",		fault_slab_leak,	"an object is left in its cache at rmmod" },
	{ "fail",		fault_fail,		"return EIO" },
	{ "pin",		fault_pin,		"the module can no longer be removed" },
	{ "triple",		fault_triple,		"triple fault" },
};

static const char *const point_words[FAULT_POINTS] = {
#define X(name, word, where) [FAULT_AT_##name] = word,
	FAULTFS_POINTS(X)
#undef X
};

static struct {
	const struct menu_row *row;	/* NULL: nothing */
	enum fault_point point;
} planted;

static const struct menu_row *find_row(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(menu); i++)
		if (strlen(menu[i].name) == len && !strncmp(menu[i].name, name, len))
			return &menu[i];
	return NULL;
}

/* "NAME@POINT", or "" for nothing. */
static int menu_set(const char *value, const struct kernel_param *param)
{
	const char *at = strchr(value, '@');
	const struct menu_row *row;
	int point;

	if (sysfs_streq(value, "")) {
		WRITE_ONCE(planted.row, NULL);
		return 0;
	}
	row = at ? find_row(value, at - value) : NULL;
	point = at ? __sysfs_match_string(point_words, FAULT_POINTS, at + 1) : -EINVAL;
	if (!row || point < 0) {
		pr_err("faultfs: there is no fault %s\n", value);
		return -EINVAL;
	}
	WRITE_ONCE(planted.row, NULL);
	planted.point = point;
	smp_store_release(&planted.row, row);
	return 0;
}

static int menu_get(char *buf, const struct kernel_param *param)
{
	const struct menu_row *row = smp_load_acquire(&planted.row);

	return row ? sprintf(buf, "%s@%s\n", row->name, point_words[planted.point]) : sprintf(buf, "\n");
}

static const struct kernel_param_ops menu_ops = { .set = menu_set, .get = menu_get };
module_param_cb(fault, &menu_ops, NULL, 0644);
MODULE_PARM_DESC(fault, "NAME@POINT, one fault of the menu (menu.c) that strikes once");

int menu_strike(enum fault_point point)
{
	const struct menu_row *row = smp_load_acquire(&planted.row);

	mutex_lock(&gate);
	mutex_unlock(&gate);
	if (!row || planted.point != point || xchg(&planted.row, NULL) != row)
		return 0;
	/* Not in the words of a filesystem that tells of its own trouble, as a name may be "panic". */
	pr_info("fault %s at %s, as faultfs was told\n", row->name, point_words[point]);
	return row->strike();
}

void menu_exit(void)
{
	kmem_cache_destroy(leaky);
}
