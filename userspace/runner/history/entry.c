// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "event.h"

/* What the figures hang on beside the module itself, which is what is looked at. */
static const char *const class_keys[] = {
	"target", "scenario", "arguments", "mount_api", "mount_options", "module_params", "kernel", "accel", "cpu", "cpus",
	"clock", "qemu", "libvirt", "memory_mib", "vcpus", "guest", "traced", "mode", "probe", "agent", NULL
};

const char *const *hist_class_keys(void)
{
	return class_keys;
}

static void metric_free(gpointer data)
{
	struct hist_metric *metric = data;

	g_free(metric->name);
	if (metric->samples)
		g_array_unref(metric->samples);
	g_free(metric);
}

static void finding_clear(gpointer data)
{
	struct hist_finding *finding = data;

	g_free(finding->class);
	g_free(finding->title);
	g_free(finding->key);
	g_free(finding);
}

struct hist_run *hist_run_new(void)
{
	struct hist_run *run = g_new0(struct hist_run, 1);

	run->env = json_object();
	run->metrics = g_ptr_array_new_with_free_func(metric_free);
	run->findings = g_ptr_array_new_with_free_func(finding_clear);
	return run;
}

void hist_run_free(struct hist_run *run)
{
	if (!run)
		return;
	g_free(run->uid);
	g_free(run->name);
	g_free(run->directory);
	json_decref(run->env);
	g_ptr_array_unref(run->metrics);
	g_ptr_array_unref(run->findings);
	g_free(run);
}

struct hist_metric *hist_metric_add(struct hist_run *run, const char *name)
{
	struct hist_metric *metric = g_new0(struct hist_metric, 1);

	metric->name = g_strdup(name);
	g_ptr_array_add(run->metrics, metric);
	return metric;
}

struct hist_finding *hist_finding_add(struct hist_run *run, const char *class, const char *title)
{
	struct hist_finding *finding = g_new0(struct hist_finding, 1);

	finding->class = g_strdup(class);
	finding->title = g_strdup(title);
	finding->key = hist_key(class, title);
	g_ptr_array_add(run->findings, finding);
	return finding;
}

const struct hist_metric *hist_run_metric(const struct hist_run *run, const char *name)
{
	guint i;

	for (i = 0; i < run->metrics->len; i++) {
		const struct hist_metric *metric = g_ptr_array_index(run->metrics, i);

		if (!strcmp(metric->name, name))
			return metric;
	}
	return NULL;
}

/* ---- keys -------------------------------------------------------------------------- */

static gboolean is_hex(const char *word, gsize len)
{
	gboolean digit = FALSE;
	gsize i;

	for (i = 0; i < len; i++) {
		if (!g_ascii_isxdigit(word[i]))
			return FALSE;
		digit = digit || g_ascii_isdigit(word[i]);
	}
	return digit;
}

/* A word that only says where or how many: an address, a number. Names with digits in them (ext4, i915) stay. */
static gboolean is_number(const char *word, gsize len)
{
	if (len > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
		return is_hex(word + 2, len - 2);
	return (len >= 8 && is_hex(word, len)) || strspn(word, "0123456789") >= len;
}

char *hist_key(const char *class, const char *title)
{
	GString *out = g_string_new(class);
	const char *p = title;

	g_string_append(out, ": ");
	while (*p) {
		gsize len = 0;

		while (g_ascii_isalnum(p[len]) || p[len] == '_')
			len++;
		if (!len) {
			g_string_append_c(out, *p++);
			continue;
		}
		if (is_number(p, len))
			g_string_append_c(out, 'N');
		else
			g_string_append_len(out, p, (gssize)len);
		p += len;
	}
	return g_string_free(out, FALSE);
}

const char *hist_word(const json_t *env, const char *key)
{
	const char *word = json_string_value(json_object_get(env, key));

	return word ? word : "";
}

char *hist_class(const json_t *env, const char *const *across)
{
	json_t *class = json_object();
	char *text, *out;
	guint i;

	for (i = 0; class_keys[i]; i++)
		if (!across || !g_strv_contains(across, class_keys[i]))
			json_object_set_new(class, class_keys[i], json_string(hist_word(env, class_keys[i])));
	text = json_dumps(class, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(class);
	out = g_strdup(text ? text : "{}");
	free(text);
	return out;
}

char *hist_difference(const json_t *there, const json_t *here, const char *const *across)
{
	g_autoptr(GString) out = g_string_new(NULL);
	guint i;

	for (i = 0; class_keys[i]; i++) {
		const char *a = hist_word(there, class_keys[i]), *b = hist_word(here, class_keys[i]);

		if (!strcmp(a, b) || (across && g_strv_contains(across, class_keys[i])))
			continue;
		/* A digest says nothing to anyone. */
		if (!strcmp(class_keys[i], "agent"))
			g_string_append_printf(out, "%sanother agent", out->len ? "; " : "");
		else
			g_string_append_printf(out, "%s%s: %s there, %s here", out->len ? "; " : "", class_keys[i],
					       *a ? a : "none", *b ? b : "none");
	}
	return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

/* ---- from a record ------------------------------------------------------------------- */

static void set(json_t *env, const char *key, const char *word)
{
	if (word && *word)
		json_object_set_new(env, key, json_string(word));
}

static void copy(json_t *env, const json_t *from, const char *key)
{
	const json_t *value = json_object_get(from, key);
	g_autofree char *number = NULL;

	if (json_is_integer(value))
		number = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_boolean(value))
		number = g_strdup(json_is_true(value) ? "yes" : "no");
	set(env, key, number ? number : json_string_value(value));
}

static json_t *environment_of(const struct analysis *an)
{
	static const char *const of_run[] = {
		"target", "scenario", "mount_api", "mount_options", "module_params", "kernel", "accel", "memory_mib", "vcpus",
		"guest", "traced", "mode", "module", "source", "seed", "cycles", "warmup",
	};
	static const char *const noted[] = {
		"clock", "cpu", "cpus", "qemu", "libvirt", "vexlab", "revision", "build_id", "load", "arguments", "probe",
	};
	const json_t *more = analysis_vm_event(an, "environment");
	const json_t *module = json_array_get(json_object_get(an->run, "modules"),
					      json_array_size(json_object_get(an->run, "modules")) - 1);
	json_t *env = json_object();
	guint i;

	for (i = 0; i < G_N_ELEMENTS(of_run); i++)
		copy(env, an->run, of_run[i]);
	for (i = 0; i < G_N_ELEMENTS(noted); i++)
		copy(env, more, noted[i]);
	set(env, "agent", json_string_value(json_object_get(json_object_get(an->run, "agent"), "sha256")));
	set(env, "module_sha256", json_string_value(json_object_get(module, "sha256")));
	return env;
}

static void add_values(struct hist_run *run, const char *op, const char *what, const GArray *sorted)
{
	g_autofree char *name = g_strdup_printf("%s.%s", op, what);
	struct hist_metric *metric;
	struct dist dist;

	if (!sorted || !sorted->len || !g_array_index(sorted, guint64, sorted->len - 1))
		return;
	dist_from((GArray *)sorted, &dist);
	metric = hist_metric_add(run, name);
	metric->count = dist.count;
	metric->min = (double)dist.min;
	metric->p50 = (double)dist.p50;
	metric->p90 = (double)dist.p90;
	metric->p99 = (double)dist.p99;
	metric->max = (double)dist.max;
	metric->mean = (double)dist.mean;
	metric->samples = samples_thin(sorted, SAMPLES_MAX);
}

static void add_figure(struct hist_run *run, const char *op, const char *what, double value)
{
	g_autofree char *name = op ? g_strdup_printf("%s.%s", op, what) : g_strdup(what);
	struct hist_metric *metric = hist_metric_add(run, name);

	metric->count = 1;
	metric->min = metric->p50 = metric->p90 = metric->p99 = metric->max = metric->mean = value;
}

static void add_op(struct hist_run *run, const struct op_stats *st, enum vx_op op)
{
	const char *name = vx_op_name(op);
	guint i;

	add_values(run, name, "total", st->samples.total);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		add_values(run, name, vx_phase_name(i), st->samples.phase[i]);
	add_values(run, name, "own", st->samples.own);
	add_values(run, name, "on_cpu", st->samples.oncpu);
	add_values(run, name, "off_cpu", st->samples.offcpu);
	if (!st->count)
		add_values(run, name, "system_call", st->samples.agent);
	if (!st->count)
		return;
	add_figure(run, name, "io_reads", st->io_reads);
	add_figure(run, name, "io_writes", st->io_writes);
	if (st->slab_count)
		add_figure(run, name, "slab_bytes", st->slab_bytes);
}

static struct hist_finding *same(const struct hist_run *run, const char *key)
{
	guint i;

	for (i = 0; i < run->findings->len; i++) {
		struct hist_finding *finding = g_ptr_array_index(run->findings, i);

		if (!strcmp(finding->key, key))
			return finding;
	}
	return NULL;
}

static void add_finding(struct hist_run *run, const struct finding *from)
{
	const char *class = finding_class_name(from->class);
	g_autofree char *key = hist_key(class, from->title);
	struct hist_finding *finding = same(run, key);

	if (!finding && run->findings->len >= HIST_FINDINGS_MAX)
		return;
	if (!finding) {
		finding = hist_finding_add(run, class, from->title);
		finding->blame = from->blame;
		finding->cycle = from->cycle;
		finding->noise = TRUE;
	}
	finding->times++;
	finding->severity = MAX(finding->severity, from->severity);
	finding->noise = finding->noise && !finding_counts(from);
	/* Who is to blame for one of them is to blame for the title. */
	finding->blame = MIN(finding->blame, from->blame);
}

static char *uid_of(const struct hist_run *run)
{
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "/%s/%s/%s/%s", run->begin_ns,
						hist_word(run->env, "target"), hist_word(run->env, "scenario"),
						hist_word(run->env, "seed"), hist_word(run->env, "agent"));
	char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

	sum[32] = '\0';
	return sum;
}

struct hist_run *hist_run_from(const char *dir, const struct analysis *an, const struct verdict *v)
{
	struct hist_run *run = hist_run_new();
	g_autofree char *real = realpath(dir, NULL);
	guint i;

	run->directory = g_utf8_make_valid(real ? real : dir, -1);
	run->name = g_path_get_basename(run->directory);
	run->begin_ns = an->begin_realtime_ns;
	run->end_ns = an->end_realtime_ns;
	json_decref(run->env);
	run->env = environment_of(an);
	run->uid = uid_of(run);
	run->complete = an->end && !an->cut;
	run->judged = v->judged;
	run->verdict = v->code;
	run->overall = v->overall;
	run->stability = v->stability;
	run->tests = v->tests;
	run->performance = v->performance;
	run->cycles = an->cycles;
	for (i = VX_OP_MOUNT; i < VX_OP_TYPES; i++)
		add_op(run, &an->op[i], i);
	if (an->measured_s > 0 && an->cycles)
		add_figure(run, NULL, "cycles_per_second", (double)an->cycles / an->measured_s);
	/* Of a run as a whole; CPU and I/O a second are as fast as its host was. */
	if (an->usage.memory_peak_kb)
		add_figure(run, NULL, "memory_peak_kb", (double)an->usage.memory_peak_kb);
	if (an->usage.slab_peak_kb)
		add_figure(run, NULL, "slab_peak_kb", (double)an->usage.slab_peak_kb);
	if (an->usage.cpu_mean >= 0)
		add_figure(run, NULL, "cpu_mean_percent", an->usage.cpu_mean);
	for (i = 0; i < an->findings->len; i++)
		add_finding(run, g_ptr_array_index(an->findings, i));
	return run;
}
