/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What was done to the guest up to some step, so that it can be done again: read
 * off the record's entries in their order. Going back to a point (VX_REC_VM
 * "restored") takes the list back to what it was when the point was made.
 */
#ifndef VEXLAB_STEPLIST_H
#define VEXLAB_STEPLIST_H

#include <jansson.h>
#include "finding.h"
#include "guard.h"
#include "record.h"

struct steplist;

struct steplist *steplist_new(void);
void steplist_free(struct steplist *list);
VX_DEFINE_GUARD(struct steplist, steplist_free);

/* The id of the step that `entry` begins, 0: it begins none. */
guint64 steplist_feed(struct steplist *list, const struct rec_entry *entry);

/*
 * What it takes to see `finding` again ends with the step that it names (id), or, FALSE, with the entry of its time: a leak names the step
 * where it is made, and looks that come after show it.
 */
gboolean steplist_ends_with_step(const struct finding *finding);

/* Everything since the guest was ready: steps and requests, in order. */
guint steplist_length(const struct steplist *list);
/* As recorded, with "do" ("step", "put", "trace", "leak") for all. New reference; NULL: the record is damaged there. */
json_t *steplist_action(const struct steplist *list, guint i);
/* The point that the guest was last at, and how many of the actions it has behind it. */
const char *steplist_point(const struct steplist *list);
guint steplist_point_after(const struct steplist *list);

#endif
