/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verdict on a run: a pure function of its analysis. docs/SCORING.md has the formulas and their reasons; in short, with w work
 * units that went well (cycles, or steps where there are none), and findings of one class and title as one, n times:
 *
 *	a finding takes	share(severity) x (1/2 + 1/2 x n / (n + w)) of what is left of its concern's score
 *	stability	100 x what crashes, hangs, leaks leave x 0.9 for each recovery that failed
 *	tests		100 x weighted mean of the shares of load, unload, mount, umount and other steps that worked x what is left
 *	performance	100 x share of operations within their threshold x what slow operations and regressions leave
 *	overall		stability^0.5 x tests^0.3 x performance^0.2, of what was not measured 100
 *
 * Only findings blamed on the module or the kernel count, and no known noise. No factor is above 1 and none rises with a finding, so
 * that one more, or a worse one, never raises a score. What a run was not to look at (enum run_mode) is judged only if something was
 * found there all the same. Nothing run gives no score (judged is FALSE), not a middling one; nor does a run
 * without findings that did not come to its end.
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

enum readiness { READINESS_NOT_JUDGED, READINESS_NOT_READY, READINESS_CONDITIONS, READINESS_READY };

/* What a score could be as well, by what was run: 95 %. */
struct score_span {
	double low, high;
};

struct verdict {
	gboolean judged;
	enum verdict_code code;
	enum readiness readiness;
	double stability, tests, performance, overall;	/* 0..100, only when judged */
	struct score_span stability_span, tests_span, performance_span, overall_span;
	gboolean has_stability, has_tests, has_performance;	/* it is judged; if not, its score is 100, and says nothing */
	gboolean partial;		/* only a part was looked at: without a finding there is no readiness */
	guint64 work;			/* units that went well */
	double unseen;			/* share of units in which a crash may come and not have shown: 95 % */
	guint by_concern[4];		/* findings that count, by enum concern */
	guint by_severity[4];		/* the same by enum severity */
	guint environment;		/* findings blamed on the environment: they do not count */
	guint noise;			/* findings on the user's noise list: nor do they */
};

void score_verdict(const struct analysis *analysis, struct verdict *ret);

/* "passed", "test failures", ..., "not judged". */
const char *verdict_result(const struct verdict *verdict);
/* "ready", "ready with conditions", "not ready", "not judged". */
const char *verdict_readiness(const struct verdict *verdict);
/* "stability 97, tests 100, performance not judged". Caller frees. */
char *verdict_scores(const struct verdict *verdict);
/* What of it was not looked at, "performance only" or the like; NULL: nothing. Caller frees. */
char *verdict_limits(const struct analysis *analysis);
/* Why: whole sentences, the weightiest first; at least one. g_strfreev() it. */
char **verdict_reasons(const struct verdict *verdict, const struct analysis *analysis);
/* What to look at first: the gravest that counts. NULL: nothing. Borrowed. */
const struct finding *verdict_finding(const struct analysis *analysis);
/* One sentence on what to do next. Caller frees. */
char *verdict_recommendation(const struct verdict *verdict, const struct analysis *analysis);

/* What to do of one finding: all of its class and title. */
struct advice {
	const struct finding *finding;	/* the first of them; its folder and lines are the evidence */
	guint times;
	double gain;			/* points of the overall score that are to be had without it */
	char *text;
};
/* What raises the score most comes first. Array of struct advice *; findings are borrowed. */
GPtrArray *verdict_advice(const struct analysis *analysis);

/* Does it count, for score and exit code? */
gboolean score_counts(const struct finding *finding);
/* One and the same thing found again? */
gboolean score_same(const struct finding *a, const struct finding *b);
/* score_verdict(), as if all that is the same as `without` had not been found; NULL: all is. */
void score_without(const struct analysis *analysis, const struct finding *without, struct verdict *ret);

#endif
