// SPDX-License-Identifier: GPL-2.0
/*
 * Waits until what was to be done later is done. vexprobe.ko can wait for it; without, what
 * user space can have done: a grace period, RCU's barrier where a parameter offers it, batches of
 * kfree_rcu() by the shrinker, and a work of our own on each CPU behind the others'.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vexlab/blackbox.h>

#include "cleanup.h"
#include "kernel.h"
#include "ops.h"

#define PAUSE_NS	(5 * 1000000l)	/* more than a tick, in which works that were just queued begin */

static int write_word(const char *path, const char *word)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, word, 1) == 1 ? 0 : -errno;
}

/* Queues a work on each CPU and waits for it. */
static void pass_by_each_cpu(void)
{
	_cleanup_close_ int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd >= 0 && read(fd, &byte, sizeof(byte)) < 0)
		return;
}

/* All callbacks that are queued; where there is no such parameter (6.2), a grace period and the time to run them. */
static void pass_callbacks(void)
{
	const struct timespec pause = { 0, PAUSE_NS };

	if (!write_word("/sys/module/rcutree/parameters/do_rcu_barrier", "1"))
		return;
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	nanosleep(&pause, NULL);
}

/* Batches of kfree_rcu(): a barrier waits for them where modules have it (settle.c of kmod-probe), else feigned shortage does, and caches go with it. */
static bool has_batches_barrier(void)
{
	return kernel_at_least(6, 12) && !kernel_at_least(7, 3);
}

/* RCU's barrier only once: the kernel makes who asks again wait for 1/16 s. */
static void settle_by_hand(void)
{
	pass_by_each_cpu();
	write_word("/proc/sys/vm/drop_caches", "2");
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	pass_by_each_cpu();
	pass_callbacks();
	pass_by_each_cpu();
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif
#define HUGE_BYTES	(4ul << 20)	/* a huge page fits, however it is aligned */

/*
 * Each CPU holds references to the pages that it was last to add to a list, up to 31: of a file that is long gone,
 * and they look leaked. To collapse pages the kernel lets go of all of them first; here it finds none that it could.
 */
static void pass_page_batches(void)
{
	void *nothing = mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (nothing == MAP_FAILED)
		return;
	/* In vain, for it has no page. */
	madvise(nothing, HUGE_BYTES, MADV_COLLAPSE);
	munmap(nothing, HUGE_BYTES);
}

/* value: 1 by vexprobe, 0 by what user space can do. */
int op_settle(struct op_run *run)
{
	_cleanup_close_ int fd = open(VX_PROBE_PATH, O_RDWR | O_CLOEXEC);

	op_begin(run);
	if (run->step.req.num[0] || (fd >= 0 && !has_batches_barrier()))
		write_word("/proc/sys/vm/drop_caches", "2");
	run->value = fd >= 0 && !ioctl(fd, VX_PROBE_SETTLE);
	if (!run->value)
		settle_by_hand();
	pass_page_batches();
	return op_end(run, 0);
}
