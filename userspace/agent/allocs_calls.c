// SPDX-License-Identifier: GPL-2.0
/* Source CALLS: what vexprobe.ko's wrappers have written down. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allocs.h"
#include "calls.h"
#include "cleanup.h"
#include "clock.h"

static void send_site(struct outbox *out, const struct calls *calls, struct vx_msg_alloc_site *site, uint64_t id)
{
	const struct ksym *sym = ksyms_past_find(calls->past, 0, site->site);
	char text[640];
	size_t len = allocs_print_frame(text, sizeof(text), sym, site->site);

	site->id = id;
	site->frames = 1;
	outbox_add(out, VX_MSG_ALLOC_SITE, site, sizeof(*site), text, len);
}

static int by_weight(const void *a, const void *b)
{
	const struct vx_msg_alloc_site *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

int allocs_answer_calls(struct outbox *out, const struct calls *calls, const struct vx_req_allocs *req)
{
	_cleanup_free_ struct vx_msg_alloc_site *sites = NULL;
	uint64_t begun_ns = now_ns();
	struct vx_msg_allocs msg;
	int n, i;

	if (!calls)
		return -ENODATA;
	n = calls_outstanding(calls, &sites, &msg);
	if (n < 0)
		return n;
	/* If any are cut, then those of least weight. */
	qsort(sites, (size_t)n, sizeof(*sites), by_weight);
	for (i = 0; i < n && i < (int)VX_ALLOC_SITES_MAX; i++)
		send_site(out, calls, &sites[i], req->id);
	msg.id = req->id;
	msg.sites = (uint32_t)i;
	msg.sites_cut = (uint32_t)(n - i);
	msg.ns = now_ns() - begun_ns;
	outbox_add(out, VX_MSG_ALLOCS, &msg, sizeof(msg), NULL, 0);
	return 0;
}
