// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <string.h>

#include "event.h"
#include "evidence.h"
#include "report.h"

static json_t *timestamp_json(guint64 ns)
{
	return json_pack("{s:I, s:I}", "secs_since_epoch", (json_int_t)(ns / 1000000000),
			 "nanos_since_epoch", (json_int_t)(ns % 1000000000));
}

static json_t *dist_json(const struct dist *dist)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "count", (json_int_t)dist->count, "min", (json_int_t)dist->min,
			 "p50", (json_int_t)dist->p50, "p90", (json_int_t)dist->p90,
			 "p99", (json_int_t)dist->p99, "max", (json_int_t)dist->max,
			 "mean", (json_int_t)dist->mean);
}

static json_t *phases_json(const struct dist *dists)
{
	json_t *phases = json_object();
	guint i;

	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (dists[i].max)
			json_object_set_new(phases, vx_phase_name(i), dist_json(&dists[i]));
	return phases;
}

static json_t *op_json(const struct analysis *an, enum vx_op op)
{
	const struct op_stats *st = &an->op[op];
	json_t *json = json_pack("{s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:f, s:f, s:f, s:f}",
		"count", (json_int_t)st->count, "errors", (json_int_t)st->errors,
		"rate_per_second", an->measured_s > 0 ? (double)st->count / an->measured_s : 0.0,
		"total_ns", dist_json(&st->total),
		"phases_ns", phases_json(st->phase),
		"off_cpu_ns", dist_json(&st->offcpu),
		"phases_off_cpu_ns", phases_json(st->phase_offcpu),
		"block_io_wait_ns", dist_json(&st->blkio_wait),
		"agent_clock_ns", dist_json(&st->agent),
		"agent_minus_bpf_p50_ns", (json_int_t)st->clock_gap_p50,
		"io_reads", st->io_reads, "io_writes", st->io_writes,
		"io_read_bytes", st->io_read_bytes, "io_write_bytes", st->io_write_bytes);

	if (st->slab_count)
		json_object_set_new(json, "slab", json_pack("{s:I, s:f, s:f}",
			"operations", (json_int_t)st->slab_count, "bytes_gained", st->slab_bytes,
			"allocations", st->slab_allocs));
	json_object_set_new(json, "kernel_histogram", json_pack("{s:I, s:I, s:I}",
		"count", (json_int_t)st->hist_count, "p50_ns", (json_int_t)st->hist_p50,
		"p99_ns", (json_int_t)st->hist_p99));
	return json;
}

static json_t *loss_json(const struct analysis *an)
{
	json_t *cpus = json_array();
	guint i;

	for (i = 0; i < an->cpus->len; i++) {
		const struct cpu_loss *cpu = &g_array_index(an->cpus, struct cpu_loss, i);

		json_array_append_new(cpus, json_pack("{s:i, s:I, s:I, s:I}", "cpu", (int)i,
			"emitted", (json_int_t)cpu->emitted, "lost", (json_int_t)cpu->lost,
			"not_followed", (json_int_t)cpu->lost_state));
	}
	return json_pack("{s:I, s:I, s:o}", "records_lost", (json_int_t)an->lost,
			 "frames_lost", (json_int_t)an->frames_lost, "per_cpu", cpus);
}

/* What nobody has measured is null, not 0. */
static json_t *known(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *usage_json(const struct usage *usage)
{
	return json_pack("{s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"samples", (json_int_t)usage->samples, "seconds", usage->seconds,
		"memory_mean_kb", known(usage->memory_mean_kb),
		"memory_peak_kb", usage->memory_peak_kb ? json_integer((json_int_t)usage->memory_peak_kb) : json_null(),
		"slab_peak_kb", usage->slab_peak_kb ? json_integer((json_int_t)usage->slab_peak_kb) : json_null(),
		"cpu_mean_percent", known(usage->cpu_mean),
		"io_mean_per_second", known(usage->ops_mean), "io_most_per_second", known(usage->ops_most),
		"sampling_cpu_percent", known(usage->sampling_percent));
}

json_t *report_metrics(const struct analysis *an)
{
	json_t *ops = json_object();
	guint op;

	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++)
		json_object_set_new(ops, vx_op_name(op), op_json(an, op));
	return json_pack("{s:s, s:s, s:O?, s:I, s:f, s:f, s:o, s:o, s:o}",
		"target", analysis_run_word(an, "target", "?"),
		"scenario", analysis_run_word(an, "scenario", "?"),
		"run", an->run,
		"cycles", (json_int_t)an->cycles, "measured_seconds", an->measured_s,
		"cycles_per_second",
		an->measured_s > 0 ? (double)an->cycles / an->measured_s : 0.0,
		"operations", ops, "usage", usage_json(&an->usage), "losses", loss_json(an));
}

static json_t *probes_json(const struct analysis *an)
{
	static const char *const kinds[] = { "not attached", "fentry", "kprobe", "tracepoint" };
	json_t *probes = json_array();
	guint i;

	for (i = 0; i < an->probes->len; i++) {
		const struct vx_probe_status *st =
			&g_array_index(an->probes, struct vx_probe_status, i);
		g_autofree char *name = g_utf8_make_valid(st->name, -1);
		g_autofree char *target = g_utf8_make_valid(st->target, -1);
		g_autofree char *why = g_utf8_make_valid(st->why, -1);

		json_array_append_new(probes, json_pack("{s:s, s:s, s:s, s:s}",
			"program", name, "attach_point", target, "attached_by",
			kinds[MIN(st->kind, G_N_ELEMENTS(kinds) - 1)], "reason", why));
	}
	return probes;
}

static gboolean counts(const struct finding *finding, enum finding_class class)
{
	return finding->class == class && finding_counts(finding);
}

static guint count_class(const struct analysis *an, enum finding_class class)
{
	guint n = 0, i;

	for (i = 0; i < an->findings->len; i++)
		n += counts(g_ptr_array_index(an->findings, i), class);
	return n;
}

static guint count_slow(const struct analysis *an)
{
	guint n = 0, i;

	for (i = 0; i < FINDING_CLASSES; i++)
		n += finding_concern(i) == CONCERN_PERFORMANCE ? count_class(an, i) : 0;
	return n;
}

static guint count_all(const struct analysis *an)
{
	guint n = 0, i;

	for (i = 0; i < FINDING_CLASSES; i++)
		n += count_class(an, i);
	return n;
}

static json_t *crash_json(const struct analysis *an, const struct verdict *v)
{
	guint panics = count_class(an, FINDING_PANIC), oopses = count_class(an, FINDING_OOPS);
	guint bugs = count_class(an, FINDING_BUG), hangs = count_class(an, FINDING_HANG);
	guint leaks = count_class(an, FINDING_LEAK), all = count_all(an) - count_slow(an);

	return json_pack("{s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}, s:o}", "summary",
		"total_events", (int)all, "kernel_panics", (int)panics, "oops_count", (int)oopses,
		"bug_count", (int)bugs, "hangs", (int)hangs, "memory_leaks", (int)leaks,
		"other_events", (int)(all - panics - oopses - bugs - hangs - leaks),
		"recovery_attempts", (int)an->recoveries, "successful_recoveries", (int)an->recovered,
		"stability_score", v->judged && v->has_stability ? json_real(v->stability) : json_null());
}

static json_t *performance_json(const struct analysis *an, const struct verdict *v)
{
	const struct op_stats *m = &an->op[VX_OP_MOUNT], *u = &an->op[VX_OP_UMOUNT];
	guint64 n = m->total.count + u->total.count;
	double sum = (double)m->total.mean * (double)m->total.count +
		     (double)u->total.mean * (double)u->total.count;

	return json_pack("{s:{s:I, s:o, s:o, s:o, s:I}, s:o}", "summary",
		"total_measurements", (json_int_t)an->measurements,
		"average_duration_ms", n ? json_real(sum / (double)n / 1e6) : json_null(),
		"average_memory_usage_kb", known(an->usage.memory_mean_kb),
		"average_cpu_usage_percent", known(an->usage.cpu_mean),
		"threshold_violations", (json_int_t)an->violations,
		"performance_score", v->judged && v->has_performance ? json_real(v->performance) : json_null());
}

static json_t *findings_json(const struct analysis *an)
{
	json_t *findings = json_array();
	guint i;

	for (i = 0; i < an->findings->len; i++)
		json_array_append_new(findings, finding_json(g_ptr_array_index(an->findings, i)));
	return findings;
}

static json_t *evidence_json(const struct analysis *an)
{
	guint folders, left_out;

	evidence_count(an, &folders, &left_out);
	return json_pack("{s:i, s:i}", "folders", (int)folders, "findings_without", (int)left_out);
}

json_t *report_comprehensive(const struct analysis *an, const struct verdict *v)
{
	json_t *file_operations = report_file_operations(an), *history = report_history(an), *oracle = report_oracle(an);
	json_t *json = json_object();

	json_object_set_new(json, "test_execution", json_pack("{s:o, s:f, s:s, s:s?, s:b, s:i}",
		"timestamp", timestamp_json(an->begin_realtime_ns),
		"duration_seconds",
		(double)(an->end_realtime_ns - an->begin_realtime_ns) / 1e9,
		"test_result", verdict_result(v), "mode", run_mode_word(an->mode), "complete", an->end && !an->cut,
		"exit_code", (int)v->code));
	if (an->cut)
		json_object_set(json_object_get(json, "test_execution"), "cut", (json_t *)an->cut);
	json_object_set_new(json, "crash_detection", crash_json(an, v));
	json_object_set_new(json, "performance_monitoring", performance_json(an, v));
	json_object_set_new(json, "overall_assessment", report_assessment(an, v));
	json_object_set_new(json, "steps", json_pack("{s:I, s:I, s:I}",
		"target", (json_int_t)an->steps, "target_failed", (json_int_t)an->steps_failed,
		"environment_failed", (json_int_t)an->env_steps_failed));
	json_object_set_new(json, "metrics", report_metrics(an));
	json_object_set_new(json, "findings", findings_json(an));
	if (oracle)
		json_object_set_new(json, "oracle", oracle);
	if (file_operations)
		json_object_set_new(json, "file_operations", file_operations);
	if (history)
		json_object_set_new(json, "history", history);
	json_object_set_new(json, "evidence", evidence_json(an));
	json_object_set_new(json, "vm", json_incref(an->vm));
	json_object_set_new(json, "probes", probes_json(an));
	return json;
}

json_t *report_violation(const struct finding *finding, guint64 memory_kb)
{
	json_t *json = json_pack("{s:o}", "timestamp", timestamp_json(finding->realtime_ns));

	json_object_update(json, finding->violation);
	if (memory_kb && json_is_null(json_object_get(json, "memory_usage_kb")))
		json_object_set_new(json, "memory_usage_kb", json_integer((json_int_t)memory_kb));
	return json;
}

json_t *report_performance_event(const struct vx_event_fsop *ev, guint64 realtime_ns,
				 const struct thresholds *thresholds, guint64 memory_kb)
{
	double ms = (double)ev->total_ns / 1e6;
	gboolean slow = ms > thresholds_operation_ms(thresholds, vx_op_name(ev->op));
	const gboolean timed = ev->total_ns && (ev->flags & VX_FSOP_OFFCPU_VALID), counted = ev->flags & VX_FSOP_IO_VALID;
	const double busy = timed ? 100.0 * (1 - (double)MIN(ev->offcpu_ns, ev->total_ns) / (double)ev->total_ns) : 0;
	json_t *phases = json_object();
	json_t *json;
	guint i;

	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (ev->phase_ns[i])
			json_object_set_new(phases, vx_phase_name(i),
					    json_integer((json_int_t)ev->phase_ns[i]));
	json = json_pack("{s:o, s:s, s:f, s:o, s:o, s:o, s:b, s:o, s:i, s:I, s:I, s:o}",
		"timestamp", timestamp_json(realtime_ns), "operation", vx_op_name(ev->op),
		"duration_ms", ms,
		"memory_usage_kb", memory_kb ? json_integer((json_int_t)memory_kb) : json_null(),
		"cpu_usage_percent", timed ? json_real(busy) : json_null(),
		"io_operations", counted ? json_integer((json_int_t)ev->io_reads + ev->io_writes) : json_null(),
		"threshold_violated", slow,
		"violation_type", slow ? json_string("SlowOperation") : json_null(),
		"errno", -ev->err, "step", (json_int_t)ev->head.step,
		"duration_ns", (json_int_t)ev->total_ns, "phases_ns", phases);
	return json;
}
