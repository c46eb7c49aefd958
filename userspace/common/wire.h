/* SPDX-License-Identifier: GPL-2.0 */
/* Step requests with their strings: building on the host, checking in the agent. And what the host reads of an answer. */
#ifndef VEXLAB_WIRE_H
#define VEXLAB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/frame.h>
#include <vexlab/request.h>

/* A step request as received: strings point into the payload. */
struct vx_step {
	struct vx_req_step req;
	const char *str[VX_STEP_STRINGS_MAX + 1];	/* NULL-terminated; absent ones are NULL */
};

/*
 * Payload of VX_REQ_STEP for `req` (nstrings is filled in) and the strings of
 * `str`, NULL-terminated; a NULL list is none. Returns its size, to be freed in
 * *ret, or -E2BIG, -ENOMEM.
 */
int64_t vx_step_pack(const struct vx_req_step *req, const char *const *str, void **ret);
/* 0, or -EINVAL when it is not what <vexlab/request.h> says. */
int vx_step_unpack(const void *payload, size_t len, struct vx_step *ret);
/* "mount", "insmod"; "?" out of range. */
const char *vx_step_op_name(unsigned int op);
/* Of struct vx_msg_step's err; as strerror's, valid until the thread's next call of it. */
const char *vx_step_err_text(int32_t err);

/* The `i`th program of a VX_MSG_TRACE, its strings ended; false: there is no more. */
bool vx_trace_probe(const void *payload, size_t length, uint32_t i, struct vx_probe_status *ret);

#endif
