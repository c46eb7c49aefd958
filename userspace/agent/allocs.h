/* SPDX-License-Identifier: GPL-2.0 */
/* What is outstanding, by either source (<vexlab/alloc.h>). */
#ifndef VEXLAB_AGENT_ALLOCS_H
#define VEXLAB_AGENT_ALLOCS_H

#include <stddef.h>
#include "outbox.h"
#include "probes.h"
#include <vexlab/alloc.h>
#include <vexlab/frame.h>

/* Payload of VX_REQ_ALLOCS; answers by itself, with an error if need be. -EINVAL: it is malformed. */
int allocs_answer(struct outbox *out, struct probes *probes, const void *payload, size_t len);

/*
 * Source CALLS. 0: it has sent its sites and its VX_MSG_ALLOCS; else nothing was sent, and the -errno
 * is for the answer: -ENODATA, -EOPNOTSUPP.
 */
int calls_answer(struct outbox *out, const struct vx_req_allocs *req);

#endif
