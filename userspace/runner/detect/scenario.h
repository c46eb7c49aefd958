/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a scenario file makes of findings: in which of its steps each was made, whether the step had to fail, whether a crash
 * had to come. All of it stands in the record:
 *
 *	{"do": "scenario", "event": "step", "where": "leaks", "n": 3, "of": 8}	until the next one
 *	{"do": "scenario", "event": "expect", "name", "class", "title"}		a finding of that class, a title to match; or null
 *	{"do": "scenario", "event": "expect-end"}
 *	{"do": "scenario", "event": "again", "attempt"}	a replay begins, or the next try of it: nothing is expected
 *	{"do": "scenario", "event": "late", "name", "deadline_ms", "ms"}	of what is made of steps; a single one is held to its own
 *
 * and "expect" of a step's entry: {"errors": [30], "status": null}.
 */
#ifndef VEXLAB_DETECT_SCENARIO_H
#define VEXLAB_DETECT_SCENARIO_H

#include "detect.h"

struct vx_msg_step;

/* Kinds of its findings, which no step's answer brings but a later entry. */
#define SCENARIO_MISSING	"missing"
#define SCENARIO_LATE		"late"

struct detect_scenario {
	char *where;
	gboolean expecting, seen;
	enum finding_class class;	/* FINDING_CLASSES: any */
	GRegex *title;
	char *name, *words;		/* whose, what */
};

void scenario_clear(struct detect_scenario *scenario);
/* An entry of VX_REC_REQUEST; appends what must have come by now and has not. */
void scenario_note(struct detect_scenario *scenario, const struct detect_now *now, const json_t *json, GPtrArray *findings);
/* Findings that are new. */
void scenario_mark(struct detect_scenario *scenario, GPtrArray *findings);

/* NULL json: nothing is expected. */
void scenario_expect_from(const json_t *json, struct detect_expect *ret);
/* NULL: the step ended as it had to. */
struct finding *scenario_judge(const struct detect_now *now, const struct vx_msg_step *msg);

#endif
