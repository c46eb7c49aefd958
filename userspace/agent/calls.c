// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vexlab/blackbox.h>

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
	calls->device = open("/dev/" VX_PROBE_DEVICE, O_RDWR | O_CLOEXEC);
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

/* Of names and addresses; who refers to a module changes with each mount. */
static uint64_t modules_mark(void)
{
	FILE *f = fopen("/proc/modules", "re");
	char name[64], address[32];
	uint64_t mark = 14695981039346656037ull;

	while (f && fscanf(f, "%63s %*s %*s %*s %*s %31s%*[^\n]", name, address) == 2) {
		for (const char *p = name; *p; p++)
			mark = (mark ^ (uint8_t)*p) * 1099511628211ull;
		for (const char *p = address; *p; p++)
			mark = (mark ^ (uint8_t)*p) * 1099511628211ull;
	}
	if (f)
		fclose(f);
	return mark;
}

/* A step that may have loaded one seldom has; reading all symbols takes half a second under emulation. */
void calls_modules_changed(struct calls *calls)
{
	uint64_t mark = modules_mark();

	if (mark == calls->modules)
		return;
	calls->modules = mark;
	if (calls->past)
		ksyms_past_update(calls->past, ++calls->generation, false);
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

static int by_site_and_step(const void *a, const void *b)
{
	const struct vx_call *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

/* The table as it is now; more may have come since they were counted. */
static size_t copy_calls(const struct calls *calls, struct vx_call *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < calls->head->slots && n < max; i++)
		if (calls->keys[i])
			ret[n++] = calls->calls[i];
	return n;
}

/* `calls` are sorted. Returns how many sites. */
static int sum_up(const struct vx_call *calls, size_t n, struct vx_msg_alloc_site *ret)
{
	size_t sites = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vx_call *call = &calls[i];
		struct vx_msg_alloc_site *site;

		if (!i || call->site != calls[i - 1].site)
			ret[sites++] = (struct vx_msg_alloc_site){
				.site = call->site, .kind = call->kind, .first_step = call->step,
			};
		site = &ret[sites - 1];
		if (!site->objects++ || call->step != site->last_step)
			site->steps += site->steps < UINT16_MAX;
		site->bytes += call->bytes;
		site->last_step = call->step;
	}
	return (int)sites;
}

static size_t count_sites(const struct vx_call *calls, size_t n)
{
	size_t sites = 0;

	for (size_t i = 0; i < n; i++)
		sites += !i || calls[i].site != calls[i - 1].site;
	return sites;
}

int calls_outstanding(const struct calls *calls, struct vx_msg_alloc_site **ret, struct vx_msg_allocs *total)
{
	_cleanup_free_ struct vx_call *found = NULL;
	struct vx_calls_counts counts;
	size_t n;
	int sites;

	if (!calls->head)
		return -ENODATA;
	if (ioctl(calls->device, VX_PROBE_CALLS_COUNTS, &counts))
		return -errno;
	n = count_keys(calls);
	found = malloc((n + 1) * sizeof(*found));
	if (!found)
		return -ENOMEM;
	n = copy_calls(calls, found, n);
	qsort(found, n, sizeof(*found), by_site_and_step);
	*ret = calloc(count_sites(found, n) + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	sites = sum_up(found, n, *ret);
	*total = (struct vx_msg_allocs){
		.source = VX_ALLOCS_CALLS, .objects = n, .allocs = counts.allocs - calls->base.allocs,
		.frees = counts.frees - calls->base.frees, .overflows = counts.overflows - calls->base.overflows,
		.unknown_frees = counts.unknown_frees - calls->base.unknown_frees,
	};
	for (int i = 0; i < sites; i++)
		total->bytes += (*ret)[i].bytes;
	return sites;
}
