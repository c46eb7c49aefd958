/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A finding's life over runs that do the same to the same target on the same kernel, whatever the machine: by its title without
 * what changes from build to build (hist_key()). What does not show each time is not gone when it does not show once.
 */
#ifndef VEXLAB_LIVES_H
#define VEXLAB_LIVES_H

#include "history.h"

enum life {
	LIFE_NEW,		/* in none of the runs before */
	LIFE_KNOWN,		/* seen before, and not so long ago that it was gone */
	LIFE_BACK,		/* it was gone, and is here again */
	LIFE_ABSENT,		/* not here, but it was not in each run before either */
	LIFE_GONE,		/* not here: at its rate, so many runs without it are less than 1 in 20 */
	LIVES
};
const char *life_name(enum life life);

struct hist_life {
	char *key, *class, *title;
	enum severity severity;
	enum life life;
	gboolean here;			/* this run has it */
	guint runs, with;		/* runs before this one since its first, and those of them that had it */
	guint since;			/* runs before this one after the last that had it */
	double rate;			/* of runs that have it, from its first on */
	char *first;			/* name of the first run that had it, of those looked at; NULL: none before this one */
	char *first_revision;		/* of its source, "" when it is not known */
	char *good, *good_revision;	/* the run before `first`, or before this one if that is the first: it had it not; NULL: none is known */
	guint attempts, seen;		/* tried again, in all runs; and came back */
};

#define LIVES_RUNS	200u	/* that are looked at, the latest */

/*
 * What this run has, gravest first, then what it has not and earlier ones had, as long as that is news (gone within the last ten runs).
 * *looked: runs before it that were looked at. Array of struct hist_life *. NULL and `error`.
 */
GPtrArray *lives_of(struct history *history, const struct hist_run *run, guint *looked, GError **error);
/* {"runs", "findings": [{"title", "life", ...}]}. New reference. */
json_t *lives_json(const GPtrArray *lives, guint looked);

/* "deterministic", "flaky", "not seen again"; NULL: it was not tried. */
const char *life_again(guint attempts, guint seen);

#endif
