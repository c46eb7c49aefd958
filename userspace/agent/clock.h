/* SPDX-License-Identifier: GPL-2.0 */
/* One clock for everything the agent measures: the one that bpf_ktime_get_ns() reads. */
#ifndef VEXLAB_AGENT_CLOCK_H
#define VEXLAB_AGENT_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC	1000000000ull
#define NSEC_PER_MSEC	1000000ull

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif
