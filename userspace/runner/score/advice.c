// SPDX-License-Identifier: GPL-2.0
/* What follows from a verdict: why it is so, and what to do first. */
#include <string.h>

#include "score.h"

#define UNDONE_TOLD	8u

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

/* ---- what to do ---------------------------------------------------------------------------- */

static const char *const todo[FINDING_CLASSES] = {
	[FINDING_PANIC] = "Mend what brings the whole kernel down",
	[FINDING_OOPS] = "Mend the bad access",
	[FINDING_BUG] = "See which of the code's own assertions does not hold",
	[FINDING_WARNING] = "See why the kernel warns",
	[FINDING_HANG] = "See what is waited for and never comes, or what never ends",
	[FINDING_GUEST_LOST] = "See what the guest did last: it was gone without a word",
	[FINDING_LOAD_FAILED] = "Make the module load",
	[FINDING_UNLOAD_FAILED] = "See what keeps the module in: a reference that is not dropped",
	[FINDING_STEP_FAILED] = "Make the step work",
	[FINDING_SLOW_OPERATION] = "See which phase takes the time, of those below",
	[FINDING_MEMORY] = "Mend the access to memory that is not its own",
	[FINDING_UNDEFINED] = "Mend what the language does not define",
	[FINDING_RACE] = "Give what two tasks use at once a lock, or mark it as meant",
	[FINDING_LOCKING] = "Put the locks into one order",
	[FINDING_LEAK] = "Give back what is taken here (`vexlab leaks RUN` has all sites)",
	[FINDING_EXHAUSTED] = "See what uses the memory up",
	[FINDING_SEGFAULT] = "See what the program was given by the filesystem",
	[FINDING_FILESYSTEM] = "See why the filesystem finds itself damaged",
	[FINDING_RECOVERY_FAILED] = "See why no guest comes back (`vexlab doctor`)",
	[FINDING_HIGH_MEMORY] = "See what fills the guest's memory (mem.* in report.html), or set thresholds.memory_kb",
	[FINDING_HIGH_CPU] = "See what keeps the CPUs busy so long (a loop that waits?), or set thresholds.cpu_percent",
	[FINDING_EXCESSIVE_IO] = "See why there are so many requests: small ones, or the same again? Or set thresholds.io_per_second",
	[FINDING_REGRESSION] = "Find the change that made it slower (`vexlab history trend`), or `vexlab history accept RUN` if it is meant",
};

static char *text_of(const struct finding *finding, guint times)
{
	GString *out = g_string_new(todo[finding->class]);

	if (finding->function)
		g_string_append_printf(out, ", in %s", finding->function);
	if (finding->location)
		g_string_append_printf(out, " at %s", finding->location);
	g_string_append_printf(out, ": %s (%s", finding->title, severity_name(finding->severity));
	if (times > 1)
		g_string_append_printf(out, ", %u times", times);
	if (finding->cycle)
		g_string_append_printf(out, ", %scycle %" G_GUINT64_FORMAT, times > 1 ? "first in " : "", finding->cycle);
	if (finding->folder)
		g_string_append_printf(out, "; %s", finding->folder);
	else if (finding->lines->len)
		g_string_append_printf(out, "; %s", (const char *)g_ptr_array_index(finding->lines, 0));
	g_string_append_c(out, ')');
	return g_string_free(out, FALSE);
}

static void advice_free(gpointer data)
{
	struct advice *advice = data;

	g_free(advice->text);
	g_free(advice);
}

static struct advice *known(const GPtrArray *list, const struct finding *finding)
{
	guint i;

	for (i = 0; i < list->len; i++) {
		struct advice *advice = g_ptr_array_index(list, i);

		if (score_same(advice->finding, finding))
			return advice;
	}
	return NULL;
}

static int most_first(gconstpointer a, gconstpointer b)
{
	const struct advice *x = *(const struct advice *const *)a, *y = *(const struct advice *const *)b;

	if (x->gain != y->gain)
		return x->gain > y->gain ? -1 : 1;
	return gravity(y->finding) - gravity(x->finding);
}

GPtrArray *verdict_advice(const struct analysis *an)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(advice_free);
	struct verdict now, then;
	guint i;

	score_verdict(an, &now);
	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);
		struct advice *advice = score_counts(finding) ? known(list, finding) : NULL;

		if (!score_counts(finding))
			continue;
		if (!advice) {
			advice = g_new0(struct advice, 1);
			advice->finding = finding;
			g_ptr_array_add(list, advice);
		}
		advice->times++;
	}
	for (i = 0; i < list->len; i++) {
		struct advice *advice = g_ptr_array_index(list, i);

		/* With the last finding gone, a run that did not end would have no score: 100 is what there is to gain. */
		score_without(an, advice->finding, &then);
		advice->gain = (then.judged ? then.overall : 100) - now.overall;
		advice->text = text_of(advice->finding, advice->times);
	}
	g_ptr_array_sort(list, most_first);
	return list;
}

char *verdict_recommendation(const struct verdict *v, const struct analysis *an)
{
	g_autoptr(GPtrArray) list = NULL;

	if (!v->judged)
		return g_strdup(an->steps ? "The run did not come to its end: run it again" :
				"Nothing of the target was run: there is nothing to judge");
	list = verdict_advice(an);
	if (!list->len)
		return g_strdup("No finding: nothing speaks against using it as far as this run went");
	return g_strdup(((const struct advice *)g_ptr_array_index(list, 0))->text);
}

/* ---- why -------------------------------------------------------------------------------------- */

static void add(GPtrArray *list, char *text)
{
	g_ptr_array_add(list, text);
}

static const char *plural(guint64 n)
{
	return n == 1 ? "" : "s";
}

static void add_findings(GPtrArray *list, const struct verdict *v)
{
	const guint grave = v->by_severity[SEV_CRITICAL] + v->by_severity[SEV_HIGH];
	const guint stability = v->by_concern[CONCERN_STABILITY] + v->by_concern[CONCERN_CRITICAL];

	if (grave)
		add(list, g_strdup_printf("%u finding%s of severity High or Critical: not ready, whatever the score", grave, plural(grave)));
	if (stability)
		add(list, g_strdup_printf("%u finding%s of crash, hang, leak or lock", stability, plural(stability)));
	if (v->by_concern[CONCERN_TEST])
		add(list, g_strdup_printf("%u step%s or program%s of the target failed", v->by_concern[CONCERN_TEST],
					  plural(v->by_concern[CONCERN_TEST]), plural(v->by_concern[CONCERN_TEST])));
	if (v->by_concern[CONCERN_PERFORMANCE])
		add(list, g_strdup_printf("%u finding%s of slowness", v->by_concern[CONCERN_PERFORMANCE],
					  plural(v->by_concern[CONCERN_PERFORMANCE])));
}

/* How much a run without crashes is worth: ten cycles are not ten thousand. */
static void add_evidence(GPtrArray *list, const struct verdict *v, const struct analysis *an)
{
	const char *unit = an->cycles ? "cycle" : "step";

	if (an->mode == MODE_PERFORMANCE)
		add(list, g_strdup_printf("%" G_GUINT64_FORMAT " %s%s, and only their latency was looked at: of stability and of readiness it says "
					  "nothing good", v->work, unit, plural(v->work)));
	else
		add(list, g_strdup_printf("%" G_GUINT64_FORMAT " %s%s went well: a crash in up to %.3g %% of them might not have shown (95 %%)",
					  v->work, unit, plural(v->work), 100 * v->unseen));
	if (an->mode == MODE_CRASHES)
		add(list, g_strdup("only crashes, hangs and failures were looked for: of performance and of readiness it says nothing good"));
	else if (!v->has_performance)
		add(list, g_strdup("no operation was timed: of performance it says nothing"));
	if (an->lost || an->lives_unflushed)
		add(list, g_strdup("records were lost, or it is not known how many: latencies are those of the rest"));
}

/* By name as far as a reader bears it. */
static void add_undone(GPtrArray *list, const struct analysis *an)
{
	const json_t *undone = json_object_get(an->cut, "not_done"), *one;
	const size_t n = json_array_size(undone);
	g_autoptr(GString) text = g_string_new(NULL);
	size_t i;

	if (!an->cut)
		return;
	g_string_append_printf(text, "its budget of %.0f s was used up; not done: ",
			       (double)json_integer_value(json_object_get(an->cut, "budget_ms")) / 1000);
	json_array_foreach(undone, i, one)
		if (i < UNDONE_TOLD && json_is_string(one))
			g_string_append_printf(text, "%s%s", i ? ", " : "", json_string_value(one));
	if (n > UNDONE_TOLD)
		g_string_append_printf(text, " and %zu more", n - UNDONE_TOLD);
	add(list, g_string_free(g_steal_pointer(&text), FALSE));
}

char **verdict_reasons(const struct verdict *v, const struct analysis *an)
{
	GPtrArray *list = g_ptr_array_new();

	if (!v->judged) {
		add(list, g_strdup(an->steps ? "the run did not come to its end, and had found nothing" :
				   "no step of the target was run"));
	} else {
		add_findings(list, v);
		add_evidence(list, v, an);
	}
	add_undone(list, an);
	if (v->environment)
		add(list, g_strdup_printf("%u finding%s of the environment's: they do not count", v->environment, plural(v->environment)));
	if (v->noise)
		add(list, g_strdup_printf("%u finding%s of known noise: they do not count", v->noise, plural(v->noise)));
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}
