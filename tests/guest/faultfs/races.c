// SPDX-License-Identifier: GPL-2.0
/*
 * Locks used wrongly, and a race, by the module parameter race=NAME:
 *
 *	abba	create and rename take two mutexes in two orders: a deadlock only if they meet
 *	window	write uses a pointer a moment after it was looked at, unlink clears it for a moment: an oops only
 *		if they meet
 *	held	fsync sleeps 50 ms with a mutex held
 *	kept	fsync leaves a mutex locked, which nobody else wants
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "races.h"

#define HELD_US	50000

static char *race = "";
module_param(race, charp, 0444);
MODULE_PARM_DESC(race, "abba, window, held or kept (races.c)");

static bool is(const char *name)
{
	return sysfs_streq(race, name);
}

/* ---- two orders ------------------------------------------------------------------------------ */

static DEFINE_MUTEX(names);
static DEFINE_MUTEX(space);

static noinline void abba_create(void)
{
	mutex_lock(&names);
	mutex_lock(&space);
	mutex_unlock(&space);
	mutex_unlock(&names);
}

static noinline void abba_rename(void)
{
	mutex_lock(&space);
	mutex_lock(&names);
	mutex_unlock(&names);
	mutex_unlock(&space);
}

/* ---- a window -------------------------------------------------------------------------------- */

struct usage {
	unsigned long writes;
};

static struct usage the_usage;
static struct usage *usage = &the_usage;
static DEFINE_SPINLOCK(usage_lock);
static unsigned long turns;

/* What one does between looking and using. */
static noinline void window_turn(void)
{
	spin_lock(&usage_lock);
	turns++;
	spin_unlock(&usage_lock);
}

static noinline void window_use(void)
{
	struct usage *now;

	if (!READ_ONCE(usage))
		return;
	window_turn();
	now = READ_ONCE(usage);		/* as a compiler would that was not told otherwise */
	WRITE_ONCE(now->writes, now->writes + 1);
}

static noinline void window_clear(void)
{
	WRITE_ONCE(usage, NULL);
	window_turn();
	WRITE_ONCE(usage, &the_usage);
}

/* ---- held ------------------------------------------------------------------------------------- */

static DEFINE_MUTEX(slow);
static DEFINE_MUTEX(left);

static noinline void hold_slow(void)
{
	mutex_lock(&slow);
	usleep_range(HELD_US, HELD_US + 100);
	mutex_unlock(&slow);
}

static noinline void keep_left(void)
{
	static atomic_t once;

	if (atomic_xchg(&once, 1))
		return;
	mutex_lock(&left);
	barrier();	/* no tail call: this function is who takes it */
}

/* ---- where -------------------------------------------------------------------------------------- */

void races_create(void)
{
	if (is("abba"))
		abba_create();
}

void races_rename(void)
{
	if (is("abba"))
		abba_rename();
}

void races_unlink(void)
{
	if (is("window"))
		window_clear();
}

void races_write(void)
{
	if (is("window"))
		window_use();
}

void races_fsync(void)
{
	if (is("held"))
		hold_slow();
	else if (is("kept"))
		keep_left();
}
