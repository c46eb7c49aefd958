/* SPDX-License-Identifier: GPL-2.0 */
/* What is outstanding, by either source (<vexlab/alloc.h>). */
#ifndef VEXLAB_AGENT_ALLOCS_H
#define VEXLAB_AGENT_ALLOCS_H

#include <stddef.h>
#include "ksyms.h"
#include "outbox.h"
#include "probes.h"
#include <vexlab/alloc.h>
#include <vexlab/frame.h>

/* Payload of VX_REQ_ALLOCS; answers by itself, with an error if need be. -EINVAL: it is malformed. */
int allocs_answer(struct outbox *out, struct probes *probes, const void *payload, size_t len);

/* allocs_calls.c: source CALLS, sites and all. 0: answered; else nothing was sent, and the -errno is for the answer. */
int allocs_answer_calls(struct outbox *out, const struct calls *calls, const struct vx_req_allocs *req);
/* "function+0x12/0x34 [module]\n", or the address as a number; returns its length. `sym` may be NULL. */
size_t allocs_print_frame(char *buf, size_t size, const struct ksym *sym, uint64_t address);

#endif
