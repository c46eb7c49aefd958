// SPDX-License-Identifier: GPL-2.0
/* What a person sees at the end of a run, and the crash log. */
#include <string.h>

#include "event.h"
#include "evidence.h"
#include "report.h"
#include "text.h"

#define FINDINGS_TOLD	10u	/* different ones */
#define LINES_TOLD	6u	/* of each */

const char *report_ns(char *buf, gsize size, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	guint u = 0;

	while (u < 3 && ns >= 999.5) {
		ns /= 1000;
		u++;
	}
	g_snprintf(buf, size, u && ns < 99.95 ? (ns < 9.995 ? "%.2f %s" : "%.1f %s") : "%.0f %s",
		   ns, units[u]);
	return buf;
}

static void row(GString *out, const char *name, const struct dist *d, const struct dist *total)
{
	const guint64 values[] = { d->p50, d->p90, d->p99, d->max };
	char buf[32];
	guint i;

	g_string_append_printf(out, "    %-14s", name);
	for (i = 0; i < G_N_ELEMENTS(values); i++)
		g_string_append_printf(out, " %10s",
				       report_ns(buf, sizeof(buf), (double)values[i]));
	if (total && total->mean)
		g_string_append_printf(out, "  %5.1f %%",
				       100.0 * (double)d->mean / (double)total->mean);
	g_string_append_c(out, '\n');
}

/* No record of BPF: what is left is the agent's clock around the system call. */
static void untraced(GString *out, const struct op_stats *st, enum vx_op op)
{
	if (!st->agent.count)
		return;
	g_string_append_printf(out, "\n  %-8s %6" G_GUINT64_FORMAT " timed by the agent alone\n"
			       "    %-14s %10s %10s %10s %10s\n", vx_op_name(op), st->agent.count,
			       "", "p50", "p90", "p99", "max");
	row(out, "system call", &st->agent, NULL);
}

static void op_table(GString *out, const struct analysis *an, enum vx_op op)
{
	const struct op_stats *st = &an->op[op];
	char buf[32];
	guint i;

	if (!st->count) {
		untraced(out, st, op);
		return;
	}
	g_string_append_printf(out, "\n  %-8s %6" G_GUINT64_FORMAT " recorded, %" G_GUINT64_FORMAT
			       " failed, %.1f a second\n", vx_op_name(op), st->count, st->errors,
			       an->measured_s > 0 ? (double)st->count / an->measured_s : 0.0);
	g_string_append_printf(out, "    %-14s %10s %10s %10s %10s  %7s\n", "", "p50", "p90", "p99",
			       "max", "share");
	row(out, "total", &st->total, NULL);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (st->phase[i].max)
			row(out, vx_phase_name(i), &st->phase[i], &st->total);
	if (st->offcpu.count)
		row(out, "off CPU", &st->offcpu, &st->total);
	if (st->blkio_wait.count)
		row(out, "block I/O wait", &st->blkio_wait, &st->total);
	g_string_append_printf(out, "    I/O: %.1f reads (%.1f KiB), %.1f writes (%.1f KiB) each",
			       st->io_reads, st->io_read_bytes / 1024, st->io_writes,
			       st->io_write_bytes / 1024);
	if (st->slab_count)
		g_string_append_printf(out, "; slab gained: %.0f bytes (%.0f allocations)",
				       st->slab_bytes, st->slab_allocs);
	g_string_append_c(out, '\n');
	if (st->clock_pairs)
		g_string_append_printf(out, "    clocks: system call seen from user space takes "
				       "%s more (median of %" G_GUINT64_FORMAT ")\n",
				       report_ns(buf, sizeof(buf), (double)st->clock_gap_p50),
				       st->clock_pairs);
}

static void losses(GString *out, const struct analysis *an)
{
	guint64 emitted = 0;
	guint i;

	for (i = 0; i < an->cpus->len; i++)
		emitted += g_array_index(an->cpus, struct cpu_loss, i).emitted;
	if (an->lives_unflushed == 1)
		g_string_append(out, "  records  how many were lost is not known: "
				"the guest did not say before it went\n");
	else if (an->lives_unflushed)
		g_string_append_printf(out, "  records  how many were lost is not known: %u guests "
				       "did not say before they went\n", an->lives_unflushed);
	if (!an->cpus->len)
		return;
	g_string_append_printf(out, "  records  %" G_GUINT64_FORMAT " emitted, %" G_GUINT64_FORMAT
			       " lost, %" G_GUINT64_FORMAT " frames lost", emitted, an->lost,
			       an->frames_lost);
	for (i = 0; an->lost && i < an->cpus->len; i++) {
		const struct cpu_loss *cpu = &g_array_index(an->cpus, struct cpu_loss, i);

		g_string_append_printf(out, "%s CPU %u: %" G_GUINT64_FORMAT, i ? "," : " (", i,
				       cpu->lost + cpu->lost_state);
	}
	g_string_append(out, an->lost ? ")\n" : "\n");
}

static void recoveries(GString *out, const struct analysis *an)
{
	char p50[32], max[32];

	if (!an->recoveries)
		return;
	g_string_append_printf(out, "  guest    brought back %u times in %u attempts", an->recovered, an->recoveries);
	if (an->recovered)
		g_string_append_printf(out, ", in %s (median; at most %s)",
				       report_ns(p50, sizeof(p50), (double)an->recovery_ns.p50),
				       report_ns(max, sizeof(max), (double)an->recovery_ns.max));
	g_string_append_c(out, '\n');
}

/* What a panic let through, or what there was not to let it through. */
static void box_notes(GString *out, const struct analysis *an)
{
	const json_t *json;
	size_t i;

	json_array_foreach(an->vm, i, json) {
		const char *event = json_string_value(json_object_get(json, "event"));
		const char *why = json_string_value(json_object_get(json, "why"));
		g_autofree char *text = report_printable(why ? why : "");

		if (!g_strcmp0(event, "no probe module"))
			g_string_append_printf(out, "  probe    vexprobe is not loaded: %s\n", text);
		if (g_strcmp0(event, "black box"))
			continue;
		g_string_append_printf(out, "  box      of a dying guest (%s): %" JSON_INTEGER_FORMAT " events, %"
				       JSON_INTEGER_FORMAT " of them had not come, %" JSON_INTEGER_FORMAT " lost\n",
				       json_string_value(json_object_get(json, "state")),
				       json_integer_value(json_object_get(json, "events")),
				       json_integer_value(json_object_get(json, "news")),
				       json_integer_value(json_object_get(json, "torn")) +
				       json_integer_value(json_object_get(json, "bad")));
	}
}

static void probe_notes(GString *out, const struct analysis *an)
{
	guint i;

	for (i = 0; i < an->probes->len; i++) {
		const struct vx_probe_status *st =
			&g_array_index(an->probes, struct vx_probe_status, i);
		g_autofree char *name = report_printable(st->name);
		g_autofree char *why = report_printable(st->why);

		if (st->kind == VX_ATTACH_NOT && st->err)
			g_string_append_printf(out, "  probe    %s is not attached: %s\n", name, why);
	}
}

/* `times`: how often it was found in all. */
static void finding_lines(GString *out, const struct finding *finding, guint times, guint most)
{
	g_autofree char *title = report_printable(finding->title);
	guint i;

	g_string_append_printf(out, "  %-8s %s (%s, %s%s", severity_name(finding->severity),
			       title, finding_class_name(finding->class),
			       finding->expected ? "as expected" : finding->noise ? "known noise" : "blamed on the ",
			       finding_counts(finding) ? blame_name(finding->blame) : "");
	if (times > 1)
		g_string_append_printf(out, ", %u times", times);
	if (finding->cycle)
		g_string_append_printf(out, ", %scycle %" G_GUINT64_FORMAT, times > 1 ? "first in " : "",
				       finding->cycle);
	if (finding->during) {
		g_autofree char *during = report_printable(finding->during);

		g_string_append_printf(out, ", in \"%s\"", during);
	}
	g_string_append(out, ")\n");
	if (finding->location) {
		g_autofree char *location = report_printable(finding->location);

		g_string_append_printf(out, "             at %s\n", location);
	}
	if (finding->folder)
		g_string_append_printf(out, "             evidence in %s\n", finding->folder);
	for (i = 0; i < finding->lines->len && i < most; i++) {
		g_autofree char *line = report_printable(g_ptr_array_index(finding->lines, i));

		g_string_append_printf(out, "             %s\n", line);
	}
	if (i < finding->lines->len)
		g_string_append_printf(out, "             ... %u lines more in the crash log\n",
				       finding->lines->len - i);
}

static gboolean same_finding(const struct finding *a, const struct finding *b)
{
	return a->class == b->class && a->blame == b->blame && a->noise == b->noise && a->expected == b->expected && !strcmp(a->title, b->title);
}

/* How often `an` has what stands at `at`; 0: it was there before. */
static guint times_found(const struct analysis *an, guint at)
{
	const struct finding *finding = g_ptr_array_index(an->findings, at);
	guint n = 0, i;

	for (i = 0; i < an->findings->len; i++) {
		if (!same_finding(g_ptr_array_index(an->findings, i), finding))
			continue;
		if (i < at)
			return 0;
		n++;
	}
	return n;
}

/* The same crash again is no other line. */
static void different_findings(GString *out, const struct analysis *an)
{
	guint told = 0, more = 0, i;

	for (i = 0; i < an->findings->len; i++) {
		const guint times = times_found(an, i);

		if (times && told++ < FINDINGS_TOLD)
			finding_lines(out, g_ptr_array_index(an->findings, i), times, LINES_TOLD);
		else if (times)
			more++;
	}
	if (more)
		g_string_append_printf(out, "  ... %u findings more\n", more);
}

static void verdict_line(GString *out, const struct analysis *an, const struct verdict *v, gboolean colour)
{
	const char *on = !colour ? "" : v->judged && v->code == VERDICT_PASSED ? "\033[32m" :
		"\033[31m";
	g_autofree char *scores = verdict_scores(v), *limits = verdict_limits(an);

	g_string_append_printf(out, "\n  verdict  %s%s%s", on, verdict_result(v),
			       colour ? "\033[0m" : "");
	if (limits)
		g_string_append_printf(out, " (%s)", limits);
	if (v->judged)
		g_string_append_printf(out, ": %s%s, score %.0f (%s), exit %d", v->readiness == READINESS_NOT_JUDGED ? "readiness " : "",
				       verdict_readiness(v), v->overall, scores, v->code);
	g_string_append_c(out, '\n');
}

static void broken_off(GString *out, const struct analysis *an)
{
	const json_t *json;
	size_t i;

	json_array_foreach(an->vm, i, json) {
		const char *why = json_string_value(json_object_get(json, "why"));
		g_autofree char *text = report_printable(why ? why : "");

		if (!g_strcmp0(json_string_value(json_object_get(json, "event")), "broken off"))
			g_string_append_printf(out, "  broken   off: %s\n", text);
	}
}

/* Of the guest as a whole. */
static void usage_line(GString *out, const struct usage *usage)
{
	if (!usage->samples || usage->memory_mean_kb < 0 || usage->cpu_mean < 0)
		return;
	g_string_append_printf(out, "  usage    CPU %.0f %%, memory %.0f MiB, %.0f at most; I/O %.0f requests a second, %.0f at most\n",
			       usage->cpu_mean, usage->memory_mean_kb / 1024, (double)usage->memory_peak_kb / 1024,
			       MAX(usage->ops_mean, 0), usage->ops_most);
}

/* Whose it is, and how that is known. */
static void fault_line(GString *out, const struct analysis *an, const struct finding *finding)
{
	const json_t *control = analysis_vm_event(an, "control");
	const char *target = json_string_value(json_object_get(control, "target"));

	g_string_append_printf(out, "  fault    the %s's", blame_name(finding->blame));
	if (target && !json_is_string(json_object_get(control, "why"))) {
		g_autofree char *safe = report_printable(target);

		g_string_append_printf(out, ": the same scenario on %s does not have it", safe);
	}
	g_string_append_c(out, '\n');
}

/* The last screen of a log that is read in the night: what broke, since when, whose fault, how to see it again. */
static void what_broke(GString *out, const struct analysis *an, const char *dir)
{
	const struct finding *finding = verdict_finding(an);
	g_autofree char *again = finding ? text_replay(dir, finding) : NULL;
	g_autofree char *title = finding ? report_printable(finding->title) : NULL;
	g_autofree char *since = finding ? report_since_text(an, finding) : NULL;
	g_autofree char *location = finding && finding->location ? report_printable(finding->location) : NULL;

	if (!finding)
		return;
	g_string_append_printf(out, "\n  broke    %s (%s, %s", title, finding_class_name(finding->class), severity_name(finding->severity));
	if (finding->cycle)
		g_string_append_printf(out, ", cycle %" G_GUINT64_FORMAT, finding->cycle);
	g_string_append_printf(out, ")%s%s\n  since    %s\n", location ? " at " : "", location ? location : "", since);
	fault_line(out, an, finding);
	if (again)
		g_string_append_printf(out, "  again    %s\n", again);
}

char *report_summary(const char *dir, const struct analysis *an, const struct verdict *v, gboolean colour)
{
	g_autofree char *advice = verdict_recommendation(v, an), *assessment = report_assessment_text(an, v);
	g_autofree char *safe = report_printable(advice), *history = report_history_text(an);
	g_autofree char *file_operations = report_file_operations_text(an);
	g_autofree char *leaks = report_leaks_text(dir, an, FALSE);
	g_autofree char *oracle = report_oracle_text(an);
	g_autofree char *locks = report_locks_text(an);
	GString *out = g_string_new(NULL);
	guint op, folders, left_out;

	g_string_append_printf(out, "\n%s on %s", analysis_run_word(an, "scenario", "?"),
			       analysis_run_word(an, "target", "?"));
	/* Nothing is measured where operations are tried. */
	if (file_operations || leaks || oracle || locks)
		g_string_append_c(out, '\n');
	else
		g_string_append_printf(out, ": %" G_GUINT64_FORMAT " cycles in %.2f s\n", an->cycles, an->measured_s);
	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++)
		op_table(out, an, op);
	g_string_append_c(out, '\n');
	losses(out, an);
	usage_line(out, &an->usage);
	recoveries(out, an);
	if (file_operations)
		g_string_append(out, file_operations);
	if (leaks)
		g_string_append(out, leaks);
	if (oracle)
		g_string_append(out, oracle);
	if (locks)
		g_string_append(out, locks);
	probe_notes(out, an);
	box_notes(out, an);
	if (an->torn)
		g_string_append_printf(out, "  record   ends in a torn entry of %zu bytes, left out\n",
				       an->torn);
	if (!an->end)
		g_string_append(out, "  record   has no end: the run was interrupted\n");
	broken_off(out, an);
	different_findings(out, an);
	evidence_count(an, &folders, &left_out);
	if (left_out)
		g_string_append_printf(out, "  evidence %u folders; %u more findings have none, being repetitions or too many\n",
				       folders, left_out);
	g_string_append(out, history);
	verdict_line(out, an, v, colour);
	g_string_append(out, assessment);
	if (!v->judged || !verdict_finding(an))
		g_string_append_printf(out, "  next     %s\n", safe);
	what_broke(out, an, dir);
	return g_string_free(out, FALSE);
}

char *report_crash_log(const struct analysis *an)
{
	GString *out = g_string_new(NULL);
	guint n = 0, i;

	for (i = 0; i < an->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(an->findings, i);

		if (finding_concern(finding->class) == CONCERN_PERFORMANCE)
			continue;
		finding_lines(out, finding, 1, G_MAXUINT);
		n++;
	}
	if (!n)
		g_string_append(out, "No crash, hang or failed step was seen.\n");
	return g_string_free(out, FALSE);
}
