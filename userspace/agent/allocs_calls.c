// SPDX-License-Identifier: GPL-2.0
/* Source CALLS: not bound yet. */
#include <errno.h>

#include "allocs.h"

int calls_answer(struct outbox *out, const struct vx_req_allocs *req)
{
	return -EOPNOTSUPP;
}
