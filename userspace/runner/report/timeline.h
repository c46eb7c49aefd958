/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all sources tell of the moments around an instant, on one clock: the host's
 * CLOCK_REALTIME. Events of the kernel come late, in batches; their own time is
 * brought over by what heartbeats and steps' answers tell of the guest's clock.
 */
#ifndef VEXLAB_TIMELINE_H
#define VEXLAB_TIMELINE_H

#include <glib.h>
#include "guard.h"
#include "record.h"

#define TIMELINE_BEFORE_MS	10000
#define TIMELINE_AFTER_MS	3000
#define TIMELINE_BEFORE_MAX	300u	/* lines: the nearest */
#define TIMELINE_AFTER_MAX	100u

struct timeline_item {
	guint64 realtime_ns;
	const char *source;		/* "step", "request", "bpf", "console", "vm", "agent", "finding"; static */
	char *text;			/* printable, bounded */
};

struct timeline;

/* `at`: the instants, ns, in any order; 0: none. */
struct timeline *timeline_new(const guint64 *at, guint n);
void timeline_free(struct timeline *timeline);
VX_DEFINE_GUARD(struct timeline, timeline_free);

void timeline_feed(struct timeline *timeline, const struct rec_entry *entry);

/*
 * After the last entry: what surrounds the instant at index `i`, by time. New array of
 * struct timeline_item *; *left_out: further ones in those seconds, beyond the bounds.
 */
GPtrArray *timeline_around(struct timeline *timeline, guint i, guint *left_out);

#endif
