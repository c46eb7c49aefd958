// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vexprobe: the agent hands over its mapping of the flight map. The pages
 * stay ours until the descriptor is closed, which its death does too. What else
 * is asked for there belongs to calls.c, inject.c and locks.c.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <vexlab/inject.h>

#include <vexlab/locks.h>
#include "vexprobe.h"

#define MAP_BYTES_MAX	(256ul << 20)

static DEFINE_MUTEX(share_lock);
static const struct file *owner;	/* under share_lock */
static struct share *shared;
static atomic_t users = ATOMIC_INIT(0);

struct share *share_get(void)
{
	struct share *share;

	/* Counted before it is looked at, so that who takes it away waits. */
	atomic_inc(&users);
	smp_mb__after_atomic();
	share = READ_ONCE(shared);
	if (!share)
		atomic_dec(&users);
	return share;
}

void share_put(void)
{
	smp_mb__before_atomic();
	atomic_dec(&users);
}

static void share_free(struct share *share)
{
	if (share->map)
		vunmap(share->map);
	if (share->npages)
		unpin_user_pages(share->pages, share->npages);
	kvfree(share->pages);
	kvfree(share->next);
	kfree(share);
}

static int share_pin(struct share *share, u64 address, unsigned long pages)
{
	unsigned long done = 0;
	int n;

	share->pages = kvcalloc(pages, sizeof(*share->pages), GFP_KERNEL);
	share->next = kvcalloc(share->cpus, sizeof(*share->next), GFP_KERNEL);
	if (!share->pages || !share->next)
		return -ENOMEM;
	while (done < pages) {
		n = pin_user_pages_fast(address + done * PAGE_SIZE, pages - done, FOLL_LONGTERM,
					share->pages + done);
		if (n <= 0)
			return n ? n : -EFAULT;
		done += n;
		share->npages = done;
	}
	/* To be read only: the writer is BPF, by its own mapping. */
	share->map = vmap(share->pages, pages, VM_MAP, PAGE_KERNEL_RO);
	return share->map ? 0 : -ENOMEM;
}

static int share_take(struct file *file, const struct vx_probe_share *req)
{
	u64 bytes = (u64)req->cpus * req->slots * sizeof(struct vx_flight_slot);
	struct share *share;
	int err;

	if (!req->cpus || req->cpus > VX_PROBE_CPUS_MAX || !is_power_of_2(req->slots) ||
	    req->slots > MAP_BYTES_MAX / sizeof(struct vx_flight_slot) || bytes > MAP_BYTES_MAX ||
	    !PAGE_ALIGNED(req->address))
		return -EINVAL;
	if (!blackbox_has_way())
		return -ENXIO;
	if (shared)
		return -EBUSY;
	share = kzalloc(sizeof(*share), GFP_KERNEL);
	if (!share)
		return -ENOMEM;
	share->cpus = req->cpus;
	share->slots = req->slots;
	err = share_pin(share, req->address, DIV_ROUND_UP(bytes, PAGE_SIZE));
	if (err) {
		share_free(share);
		return err;
	}
	owner = file;
	smp_store_release(&shared, share);
	return 0;
}

static void share_drop(void)
{
	struct share *share = shared;

	WRITE_ONCE(shared, NULL);
	owner = NULL;
	smp_mb();
	while (atomic_read(&users))
		usleep_range(50, 100);
	if (share)
		share_free(share);
}

static long probe_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vx_probe_share req;
	int err;

	if (cmd == VX_PROBE_SETTLE) {
		settle();
		return 0;
	}
	if (_IOC_NR(cmd) >= _IOC_NR(VX_PROBE_LOCKS_START))
		return locks_ioctl(file, cmd, (void __user *)arg);
	if (_IOC_NR(cmd) >= _IOC_NR(VX_PROBE_INJECT))
		return inject_ioctl(file, cmd, (void __user *)arg);
	if (cmd != VX_PROBE_SHARE)
		return calls_ioctl(cmd, (void __user *)arg);
	if (copy_from_user(&req, (const void __user *)arg, sizeof(req)))
		return -EFAULT;
	mutex_lock(&share_lock);
	err = share_take(file, &req);
	mutex_unlock(&share_lock);
	return err;
}

static int probe_release(struct inode *inode, struct file *file)
{
	mutex_lock(&share_lock);
	if (owner == file)
		share_drop();
	mutex_unlock(&share_lock);
	inject_release(file);
	locks_release(file);
	return 0;
}

static const struct file_operations probe_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= probe_ioctl,
	.mmap		= calls_mmap,
	.release	= probe_release,
};

static struct miscdevice probe_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= VX_PROBE_DEVICE,
	.fops	= &probe_fops,
	.mode	= 0600,
};

int __init share_init(void)
{
	return misc_register(&probe_device);
}

/* Nobody has it open: that would hold the module. */
void share_exit(void)
{
	misc_deregister(&probe_device);
	calls_exit();
	locks_exit();
}
