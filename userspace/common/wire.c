// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int64_t vx_step_pack(const struct vx_req_step *req, const char *const *str, void **ret)
{
	struct vx_req_step head = *req;
	size_t size = sizeof(head);
	unsigned char *buf, *p;
	uint32_t n;

	for (n = 0; str && str[n]; n++)
		size += strlen(str[n]) + 1;
	if (n > VX_STEP_STRINGS_MAX || size > VX_FRAME_PAYLOAD_MAX)
		return -E2BIG;
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	head.nstrings = n;
	memcpy(buf, &head, sizeof(head));
	p = buf + sizeof(head);
	for (n = 0; n < head.nstrings; n++)
		p = memcpy(p, str[n], strlen(str[n]) + 1), p += strlen(str[n]) + 1;
	*ret = buf;
	return (int64_t)size;
}

int vx_step_unpack(const void *payload, size_t len, struct vx_step *ret)
{
	const char *p = payload, *end = p + len;
	struct vx_step step;
	uint32_t i;

	memset(&step, 0, sizeof(step));
	if (len < sizeof(step.req))
		return -EINVAL;
	memcpy(&step.req, p, sizeof(step.req));
	if (!step.req.id || step.req.op >= VX_STEP_OPS || step.req.nstrings > VX_STEP_STRINGS_MAX)
		return -EINVAL;
	p += sizeof(step.req);
	for (i = 0; i < step.req.nstrings; i++) {
		const char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;

		if (!nul)
			return -EINVAL;
		step.str[i] = p;
		p = nul + 1;
	}
	if (p != end)
		return -EINVAL;
	*ret = step;
	return 0;
}

const char *vx_step_op_name(unsigned int op)
{
	static const char *const names[VX_STEP_OPS] = {
		[VX_STEP_INSMOD] = "insmod", [VX_STEP_MODPROBE] = "modprobe",
		[VX_STEP_RMMOD] = "rmmod", [VX_STEP_EXEC] = "exec", [VX_STEP_MOUNT] = "mount",
		[VX_STEP_UMOUNT] = "umount", [VX_STEP_MKDIR] = "mkdir", [VX_STEP_SYNC] = "sync",
		[VX_STEP_DROP_CACHES] = "drop_caches", [VX_STEP_READ] = "read",
		[VX_STEP_FILES] = "files", [VX_STEP_SLEEP] = "sleep", [VX_STEP_NOP] = "nop",
		[VX_STEP_STATFS] = "statfs", [VX_STEP_WRITE] = "write", [VX_STEP_FAULT] = "fault",
		[VX_STEP_FILE_OP] = "file_op", [VX_STEP_SETTLE] = "settle",
		[VX_STEP_RESOURCES] = "resources", [VX_STEP_KMEMLEAK] = "kmemleak",
		[VX_STEP_PARALLEL] = "parallel", [VX_STEP_ORACLE] = "oracle",
		[VX_STEP_ORACLE_CHECK] = "oracle_check", [VX_STEP_LOOP] = "loop",
		[VX_STEP_IMAGE_OPEN] = "image_open", [VX_STEP_IMAGE_FILL] = "image_fill",
		[VX_STEP_IMAGE_HOLD] = "image_hold", [VX_STEP_IMAGE_TRY] = "image_try",
		[VX_STEP_STRESS] = "stress", [VX_STEP_EXHAUST] = "exhaust",
		[VX_STEP_DEVICE] = "device", [VX_STEP_INJECT] = "inject",
		[VX_STEP_OUTSTANDING] = "outstanding", [VX_STEP_KEEP] = "keep",
		[VX_STEP_INJECT_END] = "inject_end", [VX_STEP_LOCKS] = "locks",
		[VX_STEP_DELAYS] = "delays", [VX_STEP_RACES] = "races",
	};

	return op < VX_STEP_OPS && names[op] ? names[op] : "?";
}

const char *vx_step_err_text(int32_t err)
{
	/* Of a thread that died with the step in its hands. */
	return err == -EOWNERDEAD ? "killed by the kernel" : strerror(-err);
}

bool vx_trace_probe(const void *payload, size_t length, uint32_t i, struct vx_probe_status *ret)
{
	struct vx_msg_trace head;

	if (length < sizeof(head))
		return false;
	memcpy(&head, payload, sizeof(head));
	if (i >= head.nprobes || i >= (length - sizeof(head)) / sizeof(*ret))
		return false;
	memcpy(ret, (const char *)payload + sizeof(head) + i * sizeof(*ret), sizeof(*ret));
	ret->name[sizeof(ret->name) - 1] = '\0';
	ret->target[sizeof(ret->target) - 1] = '\0';
	ret->why[sizeof(ret->why) - 1] = '\0';
	return true;
}
