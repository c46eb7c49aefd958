// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "metrics_msg.h"

static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:!/";

static void mend_name(char *name, size_t size)
{
	name[size - 1] = '\0';
	while (*(name += strspn(name, name_bytes)))
		*name++ = '?';
}

int vx_metrics_read(const void *payload, size_t len, struct vx_metrics *ret)
{
	const char *at = (const char *)payload + sizeof(ret->head);
	struct vx_msg_metrics head;
	unsigned int i;

	if (len < sizeof(head))
		return -EINVAL;
	memcpy(&head, payload, sizeof(head));
	if (head.ndisks > VX_METRICS_DISKS_MAX || head.ntasks > VX_METRICS_TASKS_MAX ||
	    len != sizeof(head) + head.ndisks * sizeof(ret->disks[0]) + head.ntasks * sizeof(ret->tasks[0]))
		return -EINVAL;
	ret->head = head;
	memcpy(ret->disks, at, head.ndisks * sizeof(ret->disks[0]));
	memcpy(ret->tasks, at + head.ndisks * sizeof(ret->disks[0]), head.ntasks * sizeof(ret->tasks[0]));
	for (i = 0; i < head.ndisks; i++)
		mend_name(ret->disks[i].name, sizeof(ret->disks[i].name));
	for (i = 0; i < head.ntasks; i++)
		mend_name(ret->tasks[i].comm, sizeof(ret->tasks[i].comm));
	return 0;
}
