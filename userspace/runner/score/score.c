// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "score.h"

static double keeps(enum severity severity)
{
	static const double share[] = {
		[SEV_LOW] = .05, [SEV_MEDIUM] = .20, [SEV_HIGH] = .50, [SEV_CRITICAL] = .80,
	};

	return 1 - share[severity];
}

static double percent(guint64 good, guint64 all)
{
	return all ? 100.0 * (double)good / (double)all : 100.0;
}

static enum verdict_code gravest(const struct verdict *v)
{
	if (v->by_concern[CONCERN_CRITICAL])
		return VERDICT_CRITICAL;
	if (v->by_concern[CONCERN_STABILITY])
		return VERDICT_STABILITY;
	if (v->by_concern[CONCERN_TEST])
		return VERDICT_TEST_FAILURES;
	if (v->by_concern[CONCERN_PERFORMANCE])
		return VERDICT_PERFORMANCE;
	return VERDICT_PASSED;
}

void score_verdict(const struct analysis *an, struct verdict *ret)
{
	double stability = 100;
	guint i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);
		enum concern concern = finding_concern(finding->class);

		if (!finding_counts(finding)) {
			ret->noise++;
			continue;
		}
		/* That a guest could not be brought back ends a run, whoever is to blame. */
		if (finding->blame == BLAME_ENVIRONMENT && finding->class != FINDING_RECOVERY_FAILED) {
			ret->environment++;
			continue;
		}
		ret->by_concern[concern]++;
		if (concern == CONCERN_STABILITY || concern == CONCERN_CRITICAL)
			stability *= keeps(finding->severity);
	}
	ret->code = gravest(ret);
	/* What was found stands; that nothing was found says nothing before the end. */
	ret->judged = ret->code != VERDICT_PASSED || (an->steps > 0 && an->end);
	if (!ret->judged)
		return;
	ret->stability = stability;
	ret->tests = percent(an->steps - an->steps_failed, an->steps);
	ret->performance = percent(an->measurements - MIN(an->violations, an->measurements),
				   an->measurements);
	ret->overall = MIN(ret->stability, MIN(ret->tests, ret->performance));
}

const char *verdict_result(const struct verdict *v)
{
	static const char *const names[] = {
		[VERDICT_PASSED] = "passed",
		[VERDICT_TEST_FAILURES] = "test failures",
		[VERDICT_STABILITY] = "stability issues",
		[VERDICT_PERFORMANCE] = "performance issues",
		[VERDICT_CRITICAL] = "critical failures",
	};

	return v->judged ? names[v->code] : "not judged";
}

const char *verdict_readiness(const struct verdict *v)
{
	if (!v->judged)
		return "not judged";
	if (v->code == VERDICT_PASSED)
		return "ready";
	return v->code == VERDICT_PERFORMANCE ? "ready with conditions" : "not ready";
}

static int gravity(const struct finding *finding)
{
	static const int by_concern[] = {
		[CONCERN_PERFORMANCE] = 0, [CONCERN_TEST] = 1, [CONCERN_STABILITY] = 2, [CONCERN_CRITICAL] = 3,
	};

	return (int)finding->severity * 4 + by_concern[finding_concern(finding->class)];
}

/* Of equally severe ones that which the verdict is about. */
const struct finding *verdict_finding(const struct analysis *an)
{
	const struct finding *worst = NULL;
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (finding->blame != BLAME_ENVIRONMENT && finding_counts(finding) &&
		    (!worst || gravity(finding) > gravity(worst)))
			worst = finding;
	}
	return worst;
}

char *verdict_recommendation(const struct verdict *v, const struct analysis *an)
{
	const struct finding *finding = verdict_finding(an);

	if (!v->judged)
		return g_strdup(an->steps ? "The run did not come to its end: run it again" :
				"Nothing of the target was run: there is nothing to judge");
	if (!finding)
		return g_strdup("No finding: nothing speaks against using it as far as this run went");
	return g_strdup_printf("Look first at: %s (%s, cycle %" G_GUINT64_FORMAT ")",
			       finding->title, severity_name(finding->severity), finding->cycle);
}
