/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verdict on a run: a pure function of its analysis.
 *
 * Only findings blamed on the module or the kernel count, and no known noise. Each takes its share
 * of what is left, by severity (Critical 80 %, High 50 %, Medium 20 %, Low
 * 5 %), so that one finding more, or a worse one, never raises a score:
 *
 *	stability	100 x product of (1 - share) over stability and critical findings
 *	tests		100 x steps of the target that passed / steps run
 *	performance	100 x operations within their threshold / operations measured
 *	overall		min(stability, tests, performance)
 *
 * Nothing run gives no score (judged is FALSE), not a middling one; nor does a
 * run without findings that did not come to its end.
 */
#ifndef VEXLAB_SCORE_H
#define VEXLAB_SCORE_H

#include "analysis.h"

/* Exit codes of a judged run; the gravest wins: 4, 2, 1, 3. */
enum verdict_code {
	VERDICT_PASSED		= 0,
	VERDICT_TEST_FAILURES	= 1,
	VERDICT_STABILITY	= 2,
	VERDICT_PERFORMANCE	= 3,
	VERDICT_CRITICAL	= 4,
};

struct verdict {
	gboolean judged;
	enum verdict_code code;
	double stability, tests, performance, overall;	/* 0..100, only when judged */
	guint by_concern[4];		/* findings that count, by enum concern */
	guint environment;		/* findings blamed on the environment: they do not count */
	guint noise;			/* findings on the user's noise list: nor do they */
};

void score_verdict(const struct analysis *analysis, struct verdict *ret);

/* "passed", "test failures", ..., "not judged". */
const char *verdict_result(const struct verdict *verdict);
/* "ready", "ready with conditions", "not ready", "not judged". */
const char *verdict_readiness(const struct verdict *verdict);
/* What to look at first: the gravest that counts. NULL: nothing. Borrowed. */
const struct finding *verdict_finding(const struct analysis *analysis);
/* One sentence on what to do next. Caller frees. */
char *verdict_recommendation(const struct verdict *verdict, const struct analysis *analysis);

#endif
