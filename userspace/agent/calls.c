// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vexlab/blackbox.h>

#include "alloc_fold.h"
#include "calls.h"
#include "cleanup.h"
#include "ksyms.h"

/* A million objects at once, and half of the table still free; 66 MiB. */
#define SLOTS	(1u << 21)

int calls_open(struct calls *calls)
{
	struct vx_calls req = { .slots = SLOTS };
	char *map;
	int err;

	if (calls->head)
		return 0;
	calls->device = open(VX_PROBE_PATH, O_RDWR | O_CLOEXEC);
	if (calls->device < 0)
		return -errno;
	if (ioctl(calls->device, VX_PROBE_CALLS, &req))
		goto fail;
	map = mmap(NULL, req.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, calls->device, 0);
	if (map == MAP_FAILED)
		goto fail;
	calls->head = (struct vx_calls *)map;
	calls->keys = (const uint64_t *)(map + req.keys_offset);
	calls->calls = (const struct vx_call *)(map + req.calls_offset);
	return calls->past ? 0 : ksyms_past_create(&calls->past);

fail:
	err = -errno;
	close(calls->device);
	calls->device = -1;
	return err;
}

void calls_close(struct calls *calls)
{
	if (calls->head)
		munmap(calls->head, calls->head->bytes);
	if (calls->device >= 0)
		close(calls->device);
	ksyms_past_destroy(calls->past);
	*calls = (struct calls){ .device = -1 };
}

void calls_set_step(const struct calls *calls, uint64_t step)
{
	struct vx_calls *head = __atomic_load_n(&calls->head, __ATOMIC_SEQ_CST);

	if (head)
		__atomic_store_n(&head->step, step, __ATOMIC_RELAXED);
}

void calls_modules_changed(struct calls *calls)
{
	if (calls->past)
		ksyms_past_update(calls->past, 0, false);
}

int calls_clear(struct calls *calls)
{
	uint64_t *keys = (uint64_t *)calls->keys;

	if (!calls->head)
		return -ENODATA;
	for (uint32_t i = 0; i < calls->head->slots; i++)
		if (keys[i])
			__atomic_store_n(&keys[i], 0, __ATOMIC_RELAXED);
	return ioctl(calls->device, VX_PROBE_CALLS_COUNTS, &calls->base) ? -errno : 0;
}

static size_t count_keys(const struct calls *calls)
{
	size_t n = 0;

	for (uint32_t i = 0; i < calls->head->slots; i++)
		n += !!calls->keys[i];
	return n;
}

/* The table as it is now; more may have come since they were counted. */
static size_t copy_live(const struct calls *calls, struct vx_probe_live *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < calls->head->slots && n < max; i++) {
		const struct vx_call *call = &calls->calls[i];

		if (calls->keys[i])
			ret[n++] = (struct vx_probe_live){ .site = call->site, .step = call->step, .bytes = call->bytes };
	}
	return n;
}

static int by_site(const void *a, const void *b)
{
	const struct vx_msg_alloc_site *x = a, *y = b;

	return x->site < y->site ? -1 : x->site > y->site;
}

/* A call is of one kind. `sites` are sorted. */
static void note_kinds(const struct calls *calls, struct vx_msg_alloc_site *sites, size_t n)
{
	for (uint32_t i = 0; i < calls->head->slots; i++) {
		const struct vx_msg_alloc_site key = { .site = calls->calls[i].site };
		struct vx_msg_alloc_site *site;

		if (!calls->keys[i])
			continue;
		site = bsearch(&key, sites, n, sizeof(*sites), by_site);
		if (site)
			site->kind = calls->calls[i].kind;
	}
}

/* Sites of `live`, in the order of their addresses; to be freed. -ENOMEM. */
static int sum_up(struct vx_probe_live *live, size_t n, struct vx_msg_alloc_site **ret)
{
	_cleanup_free_ struct fold_site *sums = calloc(n + 1, sizeof(*sums));
	size_t sites;

	if (!sums)
		return -ENOMEM;
	sites = alloc_fold(live, n, sums);
	*ret = calloc(sites + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < sites; i++)
		(*ret)[i] = (struct vx_msg_alloc_site){
			.site = sums[i].site, .objects = sums[i].objects, .bytes = sums[i].bytes,
			.first_step = sums[i].first_step, .last_step = sums[i].last_step,
			.steps = sums[i].steps < UINT16_MAX ? sums[i].steps : UINT16_MAX,
		};
	return (int)sites;
}

int calls_outstanding(const struct calls *calls, struct vx_msg_alloc_site **ret, struct vx_msg_allocs *total)
{
	_cleanup_free_ struct vx_probe_live *live = NULL;
	struct vx_calls_counts counts;
	size_t n;
	int sites;

	if (!calls->head)
		return -ENODATA;
	if (ioctl(calls->device, VX_PROBE_CALLS_COUNTS, &counts))
		return -errno;
	n = count_keys(calls);
	live = malloc((n + 1) * sizeof(*live));
	if (!live)
		return -ENOMEM;
	n = copy_live(calls, live, n);
	sites = sum_up(live, n, ret);
	if (sites < 0)
		return sites;
	note_kinds(calls, *ret, (size_t)sites);
	*total = (struct vx_msg_allocs){
		.source = VX_ALLOCS_CALLS, .objects = n, .allocs = counts.allocs - calls->base.allocs,
		.frees = counts.frees - calls->base.frees, .overflows = counts.overflows - calls->base.overflows,
		.unknown_frees = counts.unknown_frees - calls->base.unknown_frees,
	};
	for (int i = 0; i < sites; i++)
		total->bytes += (*ret)[i].bytes;
	return sites;
}
