/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A run as test cases, for tools that know nothing else: the run itself, each kind of step in each phase of the
 * scenario, and each finding. Their names are the same from run to run.
 */
#ifndef VEXLAB_REPORT_CASES_H
#define VEXLAB_REPORT_CASES_H

#include "chronicle.h"
#include "format.h"

enum case_result {
	CASE_PASSED,
	CASE_SKIPPED,		/* known noise, or cut by the budget */
	CASE_FAILED,
	CASE_ERROR,		/* the environment's or the run's own failure: no verdict on the target */
	CASE_RESULTS,
};

#define CASES_GROUP_RUN		"run"
#define CASES_GROUP_FINDINGS	"findings"

/* Strings are the guest's: not printable for sure. */
struct report_case {
	char *group, *name;
	enum case_result result;
	char *type, *message;	/* of what did not pass; else NULL */
	GPtrArray *lines;	/* char *: evidence */
	guint64 times, failed;	/* steps of this kind */
	guint64 begin_ns;	/* host's clock, of the first */
	guint64 took_ns;	/* all of them together */
	const struct finding *finding; /* of whom it is, or NULL */
};

/* struct report_case *, by group, groups in order of appearance, findings last. Caller frees (g_ptr_array_unref). */
GPtrArray *report_cases(const struct report_view *view);
/* How many of `cases` have this result; of a group alone unless that is NULL. */
guint report_cases_count(const GPtrArray *cases, const char *group, enum case_result result);
/* Names of the groups, in order: char *, of cases. Caller frees the array only. */
GPtrArray *report_cases_groups(const GPtrArray *cases);

#endif
