// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "death.h"
#include "detect.h"
#include "event.h"
#include "histogram.h"
#include "leak.h"
#include "metrics.h"
#include "ranks.h"
#include "wire.h"

#define DEATHS_MAX	64u

const char *run_mode_word(enum run_mode mode)
{
	static const char *const words[] = {
		[MODE_PERFORMANCE] = "performance only", [MODE_CRASHES] = "crash detection only",
	};

	return words[mode];
}

static enum run_mode mode_from(const json_t *run)
{
	const char *word = json_string_value(json_object_get(run, "mode"));
	enum run_mode mode;

	for (mode = MODE_CRASHES; mode != MODE_ALL && g_strcmp0(word, run_mode_word(mode)); mode--)
		;
	return mode;
}

struct step_info {
	char phase[16];			/* of the scenario: "measure", "slab", ... */
	char kind[16];
	gboolean target, may_fail;
	guint64 bpf_ns;			/* what BPF said of it, 0: nothing */
};

/* Values gathered while reading; turned into distributions at the end. */
struct op_values {
	GArray *total, *own, *oncpu, *offcpu, *blkio, *agent, *gaps;
	GArray *phase[VX_PHASE_TYPES], *phase_offcpu[VX_PHASE_TYPES];
	double io[4], slab_bytes, slab_allocs;
	struct vx_histogram hist, hist_before;	/* of this guest, and of those before it */
};

struct usage_sums {
	double memory_kb, memory_samples, busy, busy_s, ops, sampling_ns;
};

struct reading {
	struct analysis *an;
	GHashTable *steps;		/* id -> struct step_info */
	struct op_values op[VX_OP_TYPES];
	guint64 current;		/* id of the step that runs */
	struct thresholds thresholds;
	struct metrics_flow flow;
	struct usage_sums sums;
	guint64 first_measure_ns, last_measure_ns;
	guint32 epoch;
	guint64 next_seq;
	gboolean in_sequence;
	GArray *deaths;			/* struct death: evidence for findings */
	GArray *cpus_before;		/* struct cpu_loss: of the guests before this one */
	guint64 lost_before;
	gboolean flushed;		/* this guest has told its counts */
	guint findings_before;		/* those that a recovery has dealt with */
	GArray *recovery_ns;
};

static int by_signed(gconstpointer a, gconstpointer b)
{
	gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

	return x < y ? -1 : x > y;
}

void dist_from(GArray *values, struct dist *ret)
{
	long double sum = 0;
	guint i;

	memset(ret, 0, sizeof(*ret));
	if (!values->len)
		return;
	ranks_sort(values);
	for (i = 0; i < values->len; i++)
		sum += g_array_index(values, guint64, i);
	ret->count = values->len;
	ret->min = g_array_index(values, guint64, 0);
	ret->p50 = nearest_rank(values, .50);
	ret->p90 = nearest_rank(values, .90);
	ret->p99 = nearest_rank(values, .99);
	ret->max = g_array_index(values, guint64, values->len - 1);
	ret->mean = (guint64)(sum / values->len);
}

static void values_init(struct op_values *values)
{
	GArray **plain[] = { &values->total, &values->own, &values->oncpu, &values->offcpu, &values->blkio, &values->agent,
			     &values->gaps };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(plain); i++)
		*plain[i] = g_array_new(FALSE, FALSE, sizeof(guint64));
	for (i = 0; i < VX_PHASE_TYPES; i++) {
		values->phase[i] = g_array_new(FALSE, FALSE, sizeof(guint64));
		values->phase_offcpu[i] = g_array_new(FALSE, FALSE, sizeof(guint64));
	}
	vx_histogram_init(&values->hist);
	vx_histogram_init(&values->hist_before);
}

static void values_deinit(struct op_values *values)
{
	GArray *plain[] = { values->total, values->own, values->oncpu, values->offcpu, values->blkio, values->agent,
			    values->gaps };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(plain); i++)
		g_array_unref(plain[i]);
	for (i = 0; i < VX_PHASE_TYPES; i++) {
		g_array_unref(values->phase[i]);
		g_array_unref(values->phase_offcpu[i]);
	}
}

static const struct step_info *step_of(struct reading *rd, guint64 id)
{
	return g_hash_table_lookup(rd->steps, &id);
}

static void note_fsop(struct reading *rd, const struct vx_event_fsop *ev)
{
	struct op_stats *stats = &rd->an->op[ev->op];
	struct op_values *values = &rd->op[ev->op];
	struct step_info *step = g_hash_table_lookup(rd->steps, &ev->head.step);
	guint i;

	if (!step)
		return;
	rd->an->measurements++;
	rd->an->violations += (double)ev->total_ns / 1e6 > thresholds_operation_ms(&rd->thresholds, vx_op_name(ev->op));
	if (!strcmp(step->phase, "slab") && (ev->flags & VX_FSOP_SLAB_VALID) && !ev->err) {
		stats->slab_count++;
		values->slab_bytes += (double)ev->slab_bytes;
		values->slab_allocs += ev->slab_allocs;
	}
	if (strcmp(step->phase, "measure"))
		return;
	stats->count++;
	if (ev->err) {
		stats->errors++;
		return;
	}
	step->bpf_ns += ev->total_ns;
	g_array_append_val(values->total, ev->total_ns);
	for (i = 0; i < VX_PHASE_TYPES; i++) {
		g_array_append_val(values->phase[i], ev->phase_ns[i]);
		g_array_append_val(values->phase_offcpu[i], ev->phase_offcpu_ns[i]);
	}
	if (ev->flags & VX_FSOP_OFFCPU_VALID) {
		const guint64 oncpu = ev->total_ns - MIN(ev->offcpu_ns, ev->total_ns);

		g_array_append_val(values->oncpu, oncpu);
		g_array_append_val(values->offcpu, ev->offcpu_ns);
	}
	if (ev->flags & VX_FSOP_IOWAIT_VALID) {
		const guint64 own = ev->total_ns - MIN(ev->blkio_wait_ns, ev->total_ns);

		g_array_append_val(values->own, own);
		g_array_append_val(values->blkio, ev->blkio_wait_ns);
	}
	values->io[0] += ev->io_reads;
	values->io[1] += ev->io_writes;
	values->io[2] += (double)ev->io_read_bytes;
	values->io[3] += (double)ev->io_write_bytes;
}

static void note_death(struct reading *rd, const struct vx_event_oops *oops, const struct rec_entry *entry)
{
	const struct death death = { .oops = *oops, .realtime_ns = entry->stamp.realtime_ns };

	if (oops->kind != VX_OOPS_NMI)
		g_array_append_val(rd->deaths, death);
}

static void note_events(struct reading *rd, const struct rec_entry *entry)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter)))
		if (event->type == VX_EVENT_FSOP)
			note_fsop(rd, (const struct vx_event_fsop *)event);
		else if (event->type == VX_EVENT_OOPS && rd->deaths->len < DEATHS_MAX)
			note_death(rd, (const struct vx_event_oops *)event, entry);
}

/* Another source's registers and stack for what the console has told; each death for one crash. */
static void attach_deaths(struct reading *rd)
{
	struct finding *finding;
	guint i;

	for (i = 0; i < rd->deaths->len; i++) {
		const struct death *death = &g_array_index(rd->deaths, struct death, i);

		finding = death_find(death, rd->an->findings);
		/* Those that no console told of have it already. */
		if (finding && g_strcmp0(finding->kind, "die"))
			death_add_to(death, finding);
	}
}

static void note_step_begin(struct reading *rd, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	struct step_info *step = g_new0(struct step_info, 1);
	guint64 *id = g_new(guint64, 1);
	const char *phase = json_string_value(json_object_get(json, "phase"));
	const char *kind = json_string_value(json_object_get(json, "kind"));

	*id = (guint64)json_integer_value(json_object_get(json, "id"));
	g_strlcpy(step->phase, phase ? phase : "", sizeof(step->phase));
	g_strlcpy(step->kind, kind ? kind : "", sizeof(step->kind));
	step->target = json_is_true(json_object_get(json, "target"));
	step->may_fail = json_is_true(json_object_get(json, "may_fail"));
	g_hash_table_insert(rd->steps, id, step);
	rd->current = *id;
	if (!strcmp(step->phase, "measure") && !rd->first_measure_ns)
		rd->first_measure_ns = entry->stamp.monotonic_ns;
	json_decref(json);
}

static enum step_group group_of(const char *kind)
{
	static const char *const kinds[] = {
		[GROUP_LOAD] = "load", [GROUP_UNLOAD] = "unload", [GROUP_MOUNT] = "mount", [GROUP_UMOUNT] = "umount",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			return i;
	return GROUP_OPERATION;
}

/* The BPF record of a step may come just before or after the step's answer: pair them at the end. */
static void note_step_end(struct reading *rd, const struct rec_entry *entry)
{
	const struct step_info *step;
	struct vx_msg_step msg;
	gboolean failed;

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	step = step_of(rd, msg.id);
	if (!step || msg.id != rd->current)
		return;
	failed = !step->may_fail && (msg.err || (!strcmp(step->kind, "exec") && msg.value));
	if (step->target) {
		rd->an->steps++;
		rd->an->steps_failed += failed;
		rd->an->group[group_of(step->kind)].done++;
		rd->an->group[group_of(step->kind)].failed += failed;
	} else {
		rd->an->env_steps_failed += failed;
	}
	if (strcmp(step->phase, "measure"))
		return;
	rd->last_measure_ns = entry->stamp.monotonic_ns;
	if (!strcmp(step->kind, "umount") && !failed)
		rd->an->cycles++;
}

static void note_stats(struct reading *rd, const struct rec_entry *entry)
{
	struct analysis *an = rd->an;
	struct vx_msg_stats head;
	struct vx_cpu_stats cpu;
	guint32 i;

	if (entry->frame.length < sizeof(head))
		return;
	memcpy(&head, entry->payload, sizeof(head));
	if (head.cpus > (entry->frame.length - sizeof(head)) / sizeof(cpu))
		return;
	g_array_set_size(an->cpus, 0);
	an->lost = rd->lost_before;
	rd->flushed = TRUE;
	for (i = 0; i < head.cpus; i++) {
		struct cpu_loss loss = { 0 };

		memcpy(&cpu, (const char *)entry->payload + sizeof(head) + i * sizeof(cpu),
		       sizeof(cpu));
		if (i < rd->cpus_before->len)
			loss = g_array_index(rd->cpus_before, struct cpu_loss, i);
		loss.emitted += cpu.emitted;
		loss.lost += cpu.lost;
		loss.lost_state += cpu.lost_state;
		g_array_append_val(an->cpus, loss);
		an->lost += cpu.lost + cpu.lost_state;
	}
}

static void note_hist(struct reading *rd, const struct rec_entry *entry)
{
	struct vx_msg_hist head;
	struct vx_hist_slot slot;
	struct op_stats *stats;
	guint i;

	if (entry->frame.length < sizeof(head))
		return;
	memcpy(&head, entry->payload, sizeof(head));
	if (head.op >= VX_OP_TYPES || head.phase != VX_PHASE_TYPES ||
	    head.nslots > (entry->frame.length - sizeof(head)) / sizeof(slot))
		return;
	stats = &rd->an->op[head.op];
	rd->op[head.op].hist = rd->op[head.op].hist_before;
	for (i = 0; i < head.nslots; i++) {
		memcpy(&slot, (const char *)entry->payload + sizeof(head) + i * sizeof(slot),
		       sizeof(slot));
		vx_histogram_add_slot(&rd->op[head.op].hist, slot.index, slot.count);
	}
	stats->hist_count = vx_histogram_count(&rd->op[head.op].hist);
	stats->hist_p50 = vx_histogram_percentile(&rd->op[head.op].hist, 50);
	stats->hist_p99 = vx_histogram_percentile(&rd->op[head.op].hist, 99);
}

static void note_probes(struct reading *rd, const struct rec_entry *entry)
{
	struct vx_probe_status status;
	struct vx_msg_trace head;
	guint32 i;

	if (entry->frame.length < sizeof(head))
		return;
	memcpy(&head, entry->payload, sizeof(head));
	if (!head.nprobes ||
	    head.nprobes > (entry->frame.length - sizeof(head)) / sizeof(status))
		return;
	g_array_set_size(rd->an->probes, 0);
	for (i = 0; vx_trace_probe(entry->payload, entry->frame.length, i, &status); i++)
		g_array_append_val(rd->an->probes, status);
}

/* Rates count by the time that they are of. */
static void note_metrics(struct reading *rd, const struct rec_entry *entry)
{
	const struct metrics_rates *rates = &rd->flow.rates;
	struct usage *usage = &rd->an->usage;
	struct usage_sums *sums = &rd->sums;

	if (!metrics_feed(&rd->flow, entry))
		return;
	usage->samples++;
	if (rd->flow.now.head.have & VX_METRICS_MEM) {
		const guint64 kb = metrics_memory_kb(&rd->flow.now);

		sums->memory_kb += (double)kb;
		sums->memory_samples++;
		usage->memory_peak_kb = MAX(usage->memory_peak_kb, kb);
		usage->slab_peak_kb = MAX(usage->slab_peak_kb, rd->flow.now.head.mem.slab);
	}
	if (rates->seconds <= 0)
		return;
	usage->seconds += rates->seconds;
	sums->sampling_ns += (double)rd->flow.now.head.took_ns;
	if (rates->busy >= 0) {
		sums->busy += rates->busy * rates->seconds;
		sums->busy_s += rates->seconds;
	}
	if (rates->ops >= 0) {
		sums->ops += rates->ops * rates->seconds;
		usage->ops_most = MAX(usage->ops_most, rates->ops);
	}
}

static void finish_usage(struct usage *usage, const struct usage_sums *sums)
{
	usage->memory_mean_kb = sums->memory_samples ? sums->memory_kb / sums->memory_samples : -1;
	usage->cpu_mean = sums->busy_s > 0 ? sums->busy / sums->busy_s : -1;
	usage->ops_mean = usage->seconds > 0 ? sums->ops / usage->seconds : -1;
	usage->sampling_percent = usage->seconds > 0 ? sums->sampling_ns / 1e7 / usage->seconds : -1;
}

/* A new guest counts from zero. */
static void note_new_guest(struct reading *rd)
{
	guint i;

	rd->an->lives_unflushed += !rd->flushed;
	rd->flushed = FALSE;
	rd->lost_before = rd->an->lost;
	g_array_set_size(rd->cpus_before, 0);
	g_array_append_vals(rd->cpus_before, rd->an->cpus->data, rd->an->cpus->len);
	for (i = 0; i < VX_OP_TYPES; i++)
		rd->op[i].hist_before = rd->op[i].hist;
}

static gboolean any_hurts(const struct reading *rd)
{
	guint i;

	for (i = rd->findings_before; i < rd->an->findings->len; i++)
		if (finding_hurts(g_ptr_array_index(rd->an->findings, i)))
			return TRUE;
	return FALSE;
}

/* What was found since the last recovery is what this one is for; where something hurts, that alone. */
static void note_recovery(struct reading *rd, gboolean back, double ms)
{
	const guint64 ns = (guint64)(MAX(ms, 0) * 1e6);
	const gboolean hurt = any_hurts(rd);
	guint i;

	for (i = rd->findings_before; i < rd->an->findings->len; i++) {
		struct finding *finding = g_ptr_array_index(rd->an->findings, i);

		if (hurt && !finding_hurts(finding))
			continue;
		finding->recovery_attempted = TRUE;
		finding->recovery_successful = back;
	}
	rd->an->recoveries += !back;
	rd->an->recovered += back;
	if (!back)
		return;
	rd->findings_before = rd->an->findings->len;
	g_array_append_val(rd->recovery_ns, ns);
}

static gboolean is_among(const json_t *list, const struct finding *finding)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!g_strcmp0(json_string_value(json_object_get(one, "event_type")), finding_class_name(finding->class)) &&
		    !g_strcmp0(json_string_value(json_object_get(one, "description")), finding->title))
			return TRUE;
	return FALSE;
}

static gboolean was_on_target(const struct reading *rd, const struct finding *finding)
{
	const struct step_info *step = g_hash_table_lookup(rd->steps, &finding->step);

	return step && step->target;
}

/*
 * What a filesystem known to be good meets as well is no module's fault; and where the kernel's own code
 * breaks under this module only, it is the module that leads it there.
 */
static void note_control(struct reading *rd, const json_t *json)
{
	const json_t *list = json_object_get(json, "findings");
	const gboolean judged = !json_is_string(json_object_get(json, "why"));
	guint i;

	for (i = 0; i < rd->an->findings->len; i++) {
		struct finding *finding = g_ptr_array_index(rd->an->findings, i);

		if (is_among(list, finding))
			finding->blame = BLAME_ENVIRONMENT;
		else if (judged && finding->blame == BLAME_KERNEL && was_on_target(rd, finding))
			finding->blame = BLAME_MODULE;
	}
}

static void note_vm(struct reading *rd, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *event = json_string_value(json_object_get(json, "event"));

	if (!g_strcmp0(event, "restored"))
		note_new_guest(rd);
	else if (!g_strcmp0(event, "recovery"))
		note_recovery(rd, FALSE, 0);
	else if (!g_strcmp0(event, "recovered"))
		note_recovery(rd, TRUE, json_number_value(json_object_get(json, "ms")));
	else if (!g_strcmp0(event, "control"))
		note_control(rd, json);
	json_array_append_new(rd->an->vm, json);
}

static void note_sequence(struct reading *rd, const struct vx_frame *frame)
{
	if (frame->type < VX_MSG_HELLO || frame->type >= VX_REC_RUN || frame->flags & VX_FRAME_FROM_BOX)
		return;
	if (rd->in_sequence && frame->epoch == rd->epoch && frame->seq > rd->next_seq)
		rd->an->frames_lost += frame->seq - rd->next_seq;
	rd->in_sequence = TRUE;
	rd->epoch = frame->epoch;
	rd->next_seq = frame->seq + 1;
}

static void add_findings(struct analysis *an, GPtrArray *findings)
{
	guint i;

	if (!findings)
		return;
	for (i = 0; i < findings->len; i++)
		g_ptr_array_add(an->findings, g_ptr_array_index(findings, i));
	g_ptr_array_set_free_func(findings, NULL);
	g_ptr_array_unref(findings);
}

static void note_entry(struct reading *rd, const struct rec_entry *entry)
{
	struct analysis *an = rd->an;

	if (!an->begin_realtime_ns)
		an->begin_realtime_ns = entry->stamp.realtime_ns;
	an->end_realtime_ns = entry->stamp.realtime_ns;
	note_sequence(rd, &entry->frame);
	switch (entry->frame.type) {
	case VX_REC_RUN:
		json_decref(an->run);
		an->run = rec_entry_json(entry);
		an->mode = mode_from(an->run);
		rd->thresholds = thresholds_from(an->run);
		break;
	case VX_REC_END:
		json_decref(an->end);
		an->end = rec_entry_json(entry);
		an->cut = json_object_get(an->end, "cut");
		an->cut = json_is_object(an->cut) ? an->cut : NULL;
		break;
	case VX_REC_VM:
		note_vm(rd, entry);
		break;
	case VX_REC_STEP_BEGIN:
		note_step_begin(rd, entry);
		break;
	case VX_MSG_STEP:
		note_step_end(rd, entry);
		break;
	case VX_MSG_EVENTS:
		note_events(rd, entry);
		break;
	case VX_MSG_STATS:
		note_stats(rd, entry);
		break;
	case VX_MSG_HIST:
		note_hist(rd, entry);
		break;
	case VX_MSG_TRACE:
		note_probes(rd, entry);
		break;
	case VX_MSG_METRICS:
		note_metrics(rd, entry);
		break;
	}
}

static enum vx_op op_of(const struct step_info *step)
{
	return !strcmp(step->kind, "mount") ? VX_OP_MOUNT :
	       !strcmp(step->kind, "umount") ? VX_OP_UMOUNT : VX_OP_NONE;
}

/* Second pass over the answers: the agent's clock beside what BPF said of the same step. */
static void pair_clocks(struct reading *rd, const struct rec_entry *entry)
{
	struct step_info *step;
	struct vx_msg_step msg;
	enum vx_op op;
	guint64 agent;
	gint64 gap;

	if (entry->frame.type != VX_MSG_STEP || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	step = g_hash_table_lookup(rd->steps, &msg.id);
	op = step ? op_of(step) : VX_OP_NONE;
	if (!op || strcmp(step->phase, "measure") || msg.err || msg.end_ns < msg.start_ns)
		return;
	agent = msg.end_ns - msg.start_ns;
	gap = (gint64)agent - (gint64)step->bpf_ns;
	g_array_append_val(rd->op[op].agent, agent);
	if (step->bpf_ns)
		g_array_append_val(rd->op[op].gaps, gap);
}

/* After dist_from() they are sorted. */
static void keep_samples(struct op_samples *samples, const struct op_values *values)
{
	guint i;

	samples->total = g_array_ref(values->total);
	samples->own = g_array_ref(values->own);
	samples->oncpu = g_array_ref(values->oncpu);
	samples->offcpu = g_array_ref(values->offcpu);
	samples->agent = g_array_ref(values->agent);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		samples->phase[i] = g_array_ref(values->phase[i]);
}

static void drop_samples(struct op_samples *samples)
{
	guint i;

	g_clear_pointer(&samples->total, g_array_unref);
	g_clear_pointer(&samples->own, g_array_unref);
	g_clear_pointer(&samples->oncpu, g_array_unref);
	g_clear_pointer(&samples->offcpu, g_array_unref);
	g_clear_pointer(&samples->agent, g_array_unref);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		g_clear_pointer(&samples->phase[i], g_array_unref);
}

static void finish_op(struct op_stats *stats, struct op_values *values)
{
	double n = MAX(values->total->len, 1);
	guint i;

	dist_from(values->total, &stats->total);
	ranks_sort(values->own);
	ranks_sort(values->oncpu);
	dist_from(values->offcpu, &stats->offcpu);
	dist_from(values->blkio, &stats->blkio_wait);
	dist_from(values->agent, &stats->agent);
	for (i = 0; i < VX_PHASE_TYPES; i++) {
		dist_from(values->phase[i], &stats->phase[i]);
		dist_from(values->phase_offcpu[i], &stats->phase_offcpu[i]);
	}
	keep_samples(&stats->samples, values);
	g_array_sort(values->gaps, by_signed);
	stats->clock_pairs = values->gaps->len;
	if (values->gaps->len)
		stats->clock_gap_p50 = g_array_index(values->gaps, gint64, values->gaps->len / 2);
	stats->io_reads = values->io[0] / n;
	stats->io_writes = values->io[1] / n;
	stats->io_read_bytes = values->io[2] / n;
	stats->io_write_bytes = values->io[3] / n;
	if (stats->slab_count) {
		stats->slab_bytes = values->slab_bytes / (double)stats->slab_count;
		stats->slab_allocs = values->slab_allocs / (double)stats->slab_count;
	}
}

static struct analysis *analysis_new(void)
{
	struct analysis *an = g_new0(struct analysis, 1);

	an->vm = json_array();
	an->cpus = g_array_new(FALSE, TRUE, sizeof(struct cpu_loss));
	an->probes = g_array_new(FALSE, TRUE, sizeof(struct vx_probe_status));
	an->findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	return an;
}

void analysis_free(struct analysis *an)
{
	guint i;

	if (!an)
		return;
	for (i = 0; i < VX_OP_TYPES; i++)
		drop_samples(&an->op[i].samples);
	json_decref(an->run);
	json_decref(an->end);
	json_decref(an->vm);
	g_array_unref(an->cpus);
	g_array_unref(an->probes);
	g_ptr_array_unref(an->findings);
	detect_free(an->detect);
	g_free(an);
}

static void second_pass(struct reading *rd, const char *dir)
{
	VX_GUARD(rec_reader_close) struct rec_reader *again = rec_reader_open(dir, NULL);
	struct rec_entry entry;

	while (again && rec_reader_next(again, &entry))
		pair_clocks(rd, &entry);
}

static void keep_leaks(struct analysis *an)
{
	struct leaks *leaks = detect_leaks(an->detect);

	if (!leaks || !leaks_hunted(leaks))
		return;
	leaks_judge(leaks);
	an->leaks = leaks;
}

struct analysis *analysis_read(const char *dir, GError **error)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(dir, error);
	struct detect *detect;
	struct reading rd = { 0 };
	struct rec_entry entry;
	guint i;

	if (!reader)
		return NULL;
	rd.an = analysis_new();
	rd.an->detect = detect = detect_new();
	rd.deaths = g_array_new(FALSE, FALSE, sizeof(struct death));
	rd.cpus_before = g_array_new(FALSE, TRUE, sizeof(struct cpu_loss));
	rd.recovery_ns = g_array_new(FALSE, FALSE, sizeof(guint64));
	rd.steps = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	for (i = 0; i < VX_OP_TYPES; i++)
		values_init(&rd.op[i]);
	while (rec_reader_next(reader, &entry)) {
		note_entry(&rd, &entry);
		add_findings(rd.an, detect_feed(detect, &entry));
	}
	add_findings(rd.an, detect_finish(detect));
	keep_leaks(rd.an);
	attach_deaths(&rd);
	g_array_unref(rd.deaths);
	rd.an->torn = rec_reader_torn(reader);
	second_pass(&rd, dir);
	if (rd.last_measure_ns > rd.first_measure_ns)
		rd.an->measured_s = (double)(rd.last_measure_ns - rd.first_measure_ns) / 1e9;
	for (i = 0; i < VX_OP_TYPES; i++) {
		finish_op(&rd.an->op[i], &rd.op[i]);
		values_deinit(&rd.op[i]);
	}
	rd.an->lives_unflushed += !rd.flushed;
	finish_usage(&rd.an->usage, &rd.sums);
	dist_from(rd.recovery_ns, &rd.an->recovery_ns);
	g_array_unref(rd.recovery_ns);
	g_array_unref(rd.cpus_before);
	g_hash_table_unref(rd.steps);
	return rd.an;
}

const char *analysis_run_word(const struct analysis *an, const char *key, const char *fallback)
{
	const char *word = json_string_value(json_object_get(an->run, key));

	return word ? word : fallback;
}

json_t *analysis_vm_event(const struct analysis *an, const char *event)
{
	size_t i = json_array_size(an->vm);
	json_t *json;

	while (i--) {
		json = json_array_get(an->vm, i);
		if (!g_strcmp0(json_string_value(json_object_get(json, "event")), event))
			return json;
	}
	return NULL;
}
