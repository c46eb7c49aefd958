// SPDX-License-Identifier: GPL-2.0
/*
 * What is armed, and the ioctls for it (<vexlab/inject.h>). One thread at a time, by whoever opened the device last.
 * What it is armed with changes only while `task` is NULL, so that who finds itself there reads it without a lock.
 */
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>

#include "inject.h"
#include "vexprobe.h"

struct injection injection;
static DEFINE_MUTEX(inject_lock);
static const struct file *armed_by;	/* under inject_lock */

static const char *kind_word(enum vx_inject_what kind)
{
	return kind == VX_INJECT_ALLOC ? "allocation" : kind == VX_INJECT_READ ? "read" :
	       kind == VX_INJECT_WRITE ? "write" : "flush";
}

bool inject_next(enum vx_inject_what kind, const char *function, unsigned long site, u64 sector, u64 bytes)
{
	static char text[KSYM_SYMBOL_LEN];	/* the nth comes once */
	struct vx_injected *done = &injection.done;
	u64 number;

	if (!(injection.req.what & kind))
		return false;
	number = atomic64_inc_return(&injection.counts[ilog2(kind)]);
	if (number != injection.req.nth)
		return false;
	done->kind = kind;
	done->sector = sector;
	done->bytes = bytes;
	strscpy(done->function, function, sizeof(done->function));
	text[0] = '\0';
	if (site)
		sprint_symbol(text, site);
	strscpy(done->site, text, sizeof(done->site));
	done->hits = 1;
	/* Not in the words of a filesystem that tells of its own trouble. */
	pr_info(VX_INJECT_MARK "step %llu, %s %llu: %s, for %s\n", injection.req.step, kind_word(kind), number,
		function, text[0] ? text : "the device");
	return true;
}

bool inject_wrapped(const char *function, gfp_t gfp, size_t bytes, unsigned long site)
{
	if (likely(!inject_is_here()))
		return false;
	if (!(gfp & __GFP_NOFAIL) && inject_next(VX_INJECT_ALLOC, function, site, 0, bytes)) {
		inject_took();
		return true;
	}
	injection.wrapped = true;
	return false;
}

static void disarm(void)
{
	struct task_struct *task = injection.task;

	WRITE_ONCE(injection.task, NULL);
	/* Requests of other threads may be on their way through a hook, which does not sleep. */
	synchronize_rcu_expedited();
	if (task)
		put_task_struct(task);
}

static long arm(const struct file *file, const void __user *arg)
{
	struct vx_inject req;
	int err, i;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!req.what || req.what & ~VX_INJECT_ALL || req.pad || (req.nth && !is_power_of_2(req.what)) || !memchr(req.module, 0, sizeof(req.module)) ||
	    !memchr(req.prefix, 0, sizeof(req.prefix)))
		return -EINVAL;
	err = inject_hook(req.what);
	if (err)
		return err;
	if (injection.task)
		disarm();
	injection.wrapped = false;
	injection.req = req;
	memset(&injection.done, 0, sizeof(injection.done));
	for (i = 0; i < VX_INJECT_KINDS; i++)
		atomic64_set(&injection.counts[i], 0);
	inject_hooks_forget();
	armed_by = file;
	get_task_struct(current);
	smp_store_release(&injection.task, current);
	return 0;
}

static long tell(void __user *arg)
{
	struct vx_injected done;
	int i;

	if (!injection.task)
		return -ENODATA;
	disarm();
	done = injection.done;
	for (i = 0; i < VX_INJECT_KINDS; i++)
		done.counts[i] = atomic64_read(&injection.counts[i]);
	done.missing = inject_hooks_missing();
	return copy_to_user(arg, &done, sizeof(done)) ? -EFAULT : 0;
}

long inject_ioctl(const struct file *file, unsigned int cmd, void __user *arg)
{
	long ret = -ENOTTY;

	mutex_lock(&inject_lock);
	if (cmd == VX_PROBE_INJECT)
		ret = arm(file, arg);
	else if (cmd == VX_PROBE_INJECTED)
		ret = tell(arg);
	mutex_unlock(&inject_lock);
	return ret;
}

/* Its owner has died, or has finished. */
void inject_release(const struct file *file)
{
	mutex_lock(&inject_lock);
	if (armed_by == file) {
		if (injection.task)
			disarm();
		inject_unhook();
		armed_by = NULL;
	}
	mutex_unlock(&inject_lock);
}
