// SPDX-License-Identifier: GPL-2.0
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_retry.h"
#include "detect.h"
#include "error.h"
#include "file_ops.h"
#include "fsutil.h"
#include "history.h"
#include "report.h"
#include "run.h"
#include "snapshot.h"
#include "version.h"

struct options {
	char *target, *until, *steps, *scenario, *source, *params, *mount_options, *output, *config_file, *cache;
	char *agent, *kernel, *uri, *ssh, *ssh_key, *ssh_known_hosts, *device, *noise, *handlers, *control, *box, *faults, *operations;
	char *snapshot, *history, *budget, *log_format;
	char **set, **args, **across;
	gint64 seed;
	int cycles, warmup, rounds, memory, vcpus;
	gboolean json, quiet, log_journald, tcg, cold, performance_only, crash_only, no_trace, no_probe, fsmount, force, list, dump, icount;
};

static void options_clear(struct options *o)
{
	char **strings[] = { &o->target, &o->scenario, &o->source, &o->params, &o->mount_options,
			     &o->output, &o->config_file, &o->cache, &o->agent, &o->kernel, &o->uri,
			     &o->ssh, &o->ssh_key, &o->ssh_known_hosts, &o->device, &o->noise, &o->handlers, &o->control,
			     &o->box, &o->faults, &o->operations, &o->snapshot, &o->until, &o->steps, &o->history, &o->budget, &o->log_format };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(strings); i++)
		g_free(*strings[i]);
	g_strfreev(o->set);
	g_strfreev(o->args);
	g_strfreev(o->across);
}

/* ---- progress: one line that changes on a terminal, lines that stay elsewhere; and the same as JSON lines, to journald ---- */

struct progress {
	struct log *log;
	gboolean tty, json;
	gint64 last;
	gboolean midline;
};

static void end_line(struct progress *p)
{
	if (p->midline)
		fputs("\r\033[K", stderr);
	p->midline = FALSE;
}

/* Of what befalls the run, people read at its end. */
static void write_text(void *ctx, const struct log_entry *entry)
{
	const gboolean tick = !strcmp(entry->event, "progress");
	g_autofree char *safe = report_printable(entry->message);
	struct progress *p = ctx;

	if (!tick && strcmp(entry->event, "message"))
		return;
	end_line(p);
	p->midline = tick && p->tty;
	fprintf(stderr, p->midline ? "  %.100s" : "  %s\n", safe);
	fflush(stderr);
}

static void say(void *ctx, const char *text)
{
	struct progress *p = ctx;

	log_write(p->log, LOG_LEVEL_NOTICE, "message", NULL, "%s", text);
}

static void tick(void *ctx, const char *text, unsigned int done, unsigned int all)
{
	struct progress *p = ctx;
	gint64 now = g_get_monotonic_time();
	gboolean end = all && done == all;

	if (now - p->last < (p->tty ? 100000 : 2000000) && !end)
		return;
	p->last = now;
	log_write(p->log, LOG_LEVEL_DEBUG, "progress", json_pack("{s:i, s:i}", "done", (int)done, "all", (int)all), "%s", text);
}

static gboolean open_log(const struct options *o, struct progress *p, GError **error)
{
	const char *format = o->log_format ? o->log_format : "text";

	p->json = !strcmp(format, "json");
	p->tty = !p->json && isatty(STDERR_FILENO);
	p->log = log_new();
	if (!p->json && strcmp(format, "text")) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--log-format is text or json, not %s", format);
		return FALSE;
	}
	if (p->json)
		log_add_json(p->log, stderr);
	else if (!o->quiet)
		log_add(p->log, write_text, p);
	if (p->json)
		cmd_log_interrupt(p->log);
	return !o->log_journald || log_add_journald(p->log, error);
}

static int fail(struct progress *p, const GError *error)
{
	const gboolean interrupted = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	const int code = interrupted ? 128 + SIGINT : vx_error_exit_code(error);

	end_line(p);
	log_write(p->log, LOG_LEVEL_ERROR, "error", json_pack("{s:i}", "exit_code", code), "%s", error->message);
	return p->json ? code : cmd_fail("run", error);
}

static void tell_verdict(struct progress *p, const struct run_outcome *out, int code)
{
	const struct verdict *v = &out->verdict;

	log_write(p->log, !code ? LOG_LEVEL_NOTICE : code == VERDICT_PERFORMANCE ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "verdict",
		  json_pack("{s:i, s:s, s:s, s:o, s:f}", "exit_code", code, "result", verdict_result(v), "readiness", verdict_readiness(v),
			    "score", v->judged ? json_real(v->overall) : json_null(), "seconds", out->seconds),
		  "%s%s", out->interrupted ? "interrupted; what was seen until then: " : "", verdict_result(v));
}

/* ---- options ------------------------------------------------------------------------ */

/* NULL: not given. */
static gboolean set_text(struct config *config, const char *option, const char *key, const char *value, GError **error)
{
	g_autofree char *text = value ? g_strdup_printf("%s=%s", key, value) : NULL;

	if (!text || config_set(config, text, error))
		return TRUE;
	g_prefix_error(error, "%s: ", option);
	return FALSE;
}

/* Negative: not given. */
static gboolean set_number(struct config *config, const char *option, const char *key, int value,
			   GError **error)
{
	g_autofree char *text = value < 0 ? NULL : g_strdup_printf("%d", value);

	return set_text(config, option, key, text, error);
}

static gboolean make_config(const struct options *o, struct config *config, GError **error)
{
	guint i;

	config_init(config);
	if (o->config_file && !config_load(config, o->config_file, error))
		return FALSE;
	for (i = 0; o->set && o->set[i]; i++)
		if (!config_set(config, o->set[i], error))
			return FALSE;
	return set_number(config, "--cycles", "scenario.cycles", o->cycles, error) &&
	       set_number(config, "--warmup", "scenario.warmup", o->warmup, error) &&
	       set_number(config, "--rounds", "scenario.rounds", o->rounds, error) &&
	       set_number(config, "--memory", "vm.memory_mib", o->memory, error) &&
	       set_number(config, "--vcpus", "vm.vcpus", o->vcpus, error) &&
	       set_text(config, "--budget", "scenario.budget", o->budget, error);
}

/* "user@host:port" into its pieces; `buf` owns the strings. */
static gboolean parse_ssh(const struct options *o, struct ssh_config *ssh, char **buf,
			  GError **error)
{
	char *at, *colon;

	*ssh = (struct ssh_config){
		.key = o->ssh_key, .known_hosts = o->ssh_known_hosts, .retries = 3,
		.cleanup = TRUE,
	};
	if (!o->device) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
			    "--ssh needs --device: the block device there that may be overwritten");
		return FALSE;
	}
	*buf = g_strdup(o->ssh);
	ssh->host = *buf;
	at = strchr(*buf, '@');
	if (at) {
		*at = '\0';
		ssh->user = *buf;
		ssh->host = at + 1;
	}
	colon = strrchr(ssh->host, ':');
	if (colon) {
		*colon = '\0';
		ssh->port = (guint)g_ascii_strtoull(colon + 1, NULL, 10);
		if (!ssh->port || ssh->port > 65535) {
			g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
				    "--ssh: %s is no port; write user@host:port", colon + 1);
			return FALSE;
		}
	}
	return TRUE;
}

static int list_all(void)
{
	g_autofree char *dir = cmd_lib_path("targets");
	const char *const dirs[] = { dir, NULL };
	g_autofree char *scenarios = cmd_lib_path("scenarios");
	g_auto(GStrv) scenario = run_scenarios(scenarios);
	g_auto(GStrv) targets = target_names(dirs);
	g_autofree char *settings = NULL;
	const struct vx_file_op *op;
	struct config config;
	guint i;

	printf("Targets:\n");
	for (i = 0; targets[i]; i++)
		printf("  %s\n", targets[i]);
	printf("Scenarios (--scenario NAME, or a YAML file):\n");
	for (i = 0; scenario[i]; i += 2)
		printf("  %-16s %s\n", scenario[i], scenario[i + 1]);
	printf("Operations of file-operations, by group (--operations):\n");
	for (op = vx_file_ops; op->name; op++) {
		if (op == vx_file_ops || strcmp(op->group, op[-1].group))
			printf("  %s\n", op->group);
		printf("    %-17s %s\n", op->name, op->what);
	}
	config_init(&config);
	settings = config_describe(&config);
	printf("Settings (--set KEY=VALUE, or --config FILE):\n%s", settings);
	return 0;
}

static int finish(const struct options *o, struct progress *progress, const struct run_outcome *out)
{
	const int code = out->interrupted ? 128 + SIGINT : out->verdict.judged ? (int)out->verdict.code : EX_UNAVAILABLE;

	tell_verdict(progress, out, code);
	if (o->json) {
		json_t *json = report_comprehensive(out->analysis, &out->verdict);

		json_object_set_new(json, "directory", json_string(out->dir));
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(json);
	} else {
		g_autofree char *text = report_summary(out->dir, out->analysis, &out->verdict,
						       cmd_stdout_colour());

		fputs(text, stdout);
		printf("  files    %s (%.1f s in all)\n", out->dir, out->seconds);
	}
	if (out->interrupted && !progress->json)
		fprintf(stderr, "vexlab run: interrupted; what was seen until then is above\n");
	return code;
}

static gboolean parse_box(const char *word, enum vm_box *ret, GError **error)
{
	static const char *const words[] = {
		[VM_BOX_NONE] = "none", [VM_BOX_SHMEM] = "shmem", [VM_BOX_PORT] = "port",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(words); i++) {
		if (word && strcmp(word, words[i]))
			continue;
		*ret = word ? (enum vm_box)i : VM_BOX_SHMEM;
		return TRUE;
	}
	g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--black-box is shmem, port or none, not %s", word);
	return FALSE;
}

/* What decides the guest's shape is the snapshot's, and cannot be asked for besides. */
static gboolean check_snapshot(struct options *o, GError **error)
{
	const struct {
		gboolean given;
		const char *name;
	} others[] = {
		{ o->cold, "--cold" }, { o->icount, "--icount" }, { o->dump, "--dump" }, { o->no_probe, "--no-probe-module" }, { !!o->box, "--black-box" },
		{ !!o->uri, "--connect" }, { !!o->ssh, "--ssh" }, { !!o->kernel, "--kernel" }, { o->memory >= 0, "--memory" },
		{ o->vcpus >= 0, "--vcpus" },
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(others); i++) {
		if (!others[i].given)
			continue;
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "%s does not go with --snapshot: the guest is as the snapshot has it",
			    others[i].name);
		return FALSE;
	}
	return o->target || (o->target = snapshot_target(o->cache, o->snapshot, error));
}

/* Latency and crashes are looked for in different ways; who wants one need not pay for the other. */
static gboolean check_mode(struct options *o, enum run_mode *ret, GError **error)
{
	*ret = o->performance_only ? MODE_PERFORMANCE : o->crash_only ? MODE_CRASHES : MODE_ALL;
	if (o->performance_only && (o->crash_only || o->no_trace)) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--performance-only does not go with %s",
			    o->crash_only ? "--crash-detection-only: leave both out to have both" : "--no-trace: there would be nothing to judge");
		return FALSE;
	}
	if (o->performance_only) {
		/* A snapshot has the module in it, or has it not. */
		o->no_probe = !o->snapshot;
		g_free(o->control);
		o->control = g_strdup("none");
	}
	return TRUE;
}

static int run(struct options *o, struct progress *progress)
{
	g_autofree char *probe = cmd_lib_path("kmod-probe"), *scenarios = cmd_lib_path("scenarios");
	g_autofree char *targets = cmd_lib_path("targets"), *clamped = NULL, *ssh_words = NULL;
	g_auto(GStrv) noise = NULL;
	const char *const dirs[] = { targets, NULL };
	VX_GUARD(target_free) struct target *target = NULL, *control = NULL;
	RUN_OUTCOME_CLEAR struct run_outcome outcome = { 0 };
	struct config_machine machine;
	enum vm_box box = VM_BOX_SHMEM;
	enum run_mode mode;
	g_autoptr(GError) error = NULL;
	struct run_request req = { 0 };
	struct ssh_config ssh;
	CONFIG_CLEAR struct config config = { 0 };

	if (!open_log(o, progress, &error))
		return fail(progress, error);
	if (o->seed < 0) {
		g_set_error(&error, VX_ERROR, VX_ERROR_USAGE, "--seed is a number from 1 up");
		return fail(progress, error);
	}
	if (!cmd_check_across(o->across, &error) || (o->snapshot && !check_snapshot(o, &error)) || !check_mode(o, &mode, &error))
		return fail(progress, error);
	target = target_load(o->target ? o->target : "ext4", dirs, &error);
	if (target && strcmp(o->control, "none") && !(control = target_load(o->control, dirs, &error)))
		return fail(progress, error);
	if (!target || !make_config(o, &config, &error) ||
	    !parse_box(o->box, &box, &error) ||
	    (o->noise && !(noise = noise_load(o->noise, &error))) ||
	    (o->ssh && !parse_ssh(o, &ssh, &ssh_words, &error)))
		return fail(progress, error);
	config_machine_probe(&machine);
	clamped = config_clamp_to_machine(&config, &machine);
	if (clamped && !o->snapshot)
		say(progress, clamped);
	req = (struct run_request){
		.config = &config, .target = target, .control = control, .scenario = o->scenario,
		.scenario_dir = scenarios,
		.mode = mode, .seed = (guint64)o->seed, .args = o->args, .until = o->until, .steps = o->steps,
		.source = o->source, .module_params = o->params,
		.mount_options = o->mount_options, .outdir = o->output, .cachedir = o->cache,
		.agent = o->agent, .kernel_release = o->kernel, .uri = o->uri,
		.force_tcg = o->tcg, .icount = o->icount, .history = strcmp(o->history, "none") ? o->history : NULL,
		.across = (const char *const *)o->across, .version = VX_VERSION, .cold = o->cold, .no_trace = o->no_trace,
		.probe_source = o->no_probe ? NULL : probe, .box = box,
		.new_mount_api = o->fsmount, .ssh = o->ssh ? &ssh : NULL, .device = o->device, .noise = noise,
		.dump = o->dump, .snapshot = o->snapshot,
		.handlers = o->handlers, .faults = o->faults, .operations = o->operations,
		.progress = { say, tick, progress }, .log = progress->log, .cancellable = cmd_cancellable(),
	};
	cmd_guard(o->cache);
	if (!run_execute(&req, &outcome, &error))
		return fail(progress, error);
	end_line(progress);
	if (!outcome.interrupted && !outcome.analysis->cut)
		cmd_retry(&(struct retry){ config.retry, req.history, o->output, o->cache, o->agent, say, progress }, &outcome);
	return finish(o, progress, &outcome);
}

static void defaults(struct options *o)
{
	if (!o->control)
		o->control = g_strdup("ext4");
	if (!o->scenario)
		o->scenario = g_strdup(o->crash_only ? "stability" : "mount-cycles");
	if (!o->output)
		o->output = g_strdup("runs");
	if (!o->history)
		o->history = g_build_filename(o->output, HISTORY_FILE, NULL);
	if (!o->cache)
		o->cache = fs_default_cachedir();
	if (!o->agent)
		o->agent = cmd_lib_path("vexlab-agent");
}

#define STR(name, field, help, arg) \
	{ name, 0, 0, G_OPTION_ARG_STRING, &o.field, help, arg }
#define INT(name, field, help, arg) { name, 0, 0, G_OPTION_ARG_INT, &o.field, help, arg }
#define FLAG(name, field, help) { name, 0, 0, G_OPTION_ARG_NONE, &o.field, help, NULL }

int cmd_run(int argc, char **argv)
{
	struct options o = { .cycles = -1, .warmup = -1, .rounds = -1, .memory = -1, .vcpus = -1 };
	const GOptionEntry entries[] = {
		STR("target", target, "Filesystem under test: a name or a YAML file (ext4)", "NAME"),
		STR("scenario", scenario, "What to do with it: a name or a YAML file (mount-cycles; with --crash-detection-only stability)", "NAME"),
		STR("source", source, "Source folder of a target that is built", "DIR"),
		INT("cycles", cycles, "Measured cycles; of a leak hunt, those of its first round (100)", "N"),
		INT("warmup", warmup, "Cycles before them (5)", "N"),
		INT("rounds", rounds, "Scenario leak-hunt: loads and unloads, at most five times as many where it takes them (2)", "N"),
		STR("mount-options", mount_options, "Instead of the target's", "LIST"),
		STR("module-params", params, "More parameters for insmod", "\"a=1 b=2\""),
		STR("faults", faults, "Scenario faults: only these (all)", "oops@write,..."),
		STR("operations", operations, "Scenario file-operations: only these, or these groups (all)", "map,rename,..."),
		FLAG("fsmount", fsmount, "Mount by fsopen, fsconfig, fsmount, move_mount"),
		FLAG("performance-only", performance_only, "Only latency: no vexprobe, no control run; a crash that comes is told all the same"),
		FLAG("crash-detection-only", crash_only, "Only crashes, hangs, failures: no latency is traced, performance is not judged"),
		FLAG("no-trace", no_trace, "Attach no probes: only the agent's own clock"),
		FLAG("no-probe-module", no_probe, "Without vexprobe: a panic's last events, registers and stack stay behind"),
		STR("black-box", box, "How they get out of a panic: shmem, port or none (shmem)", "HOW"),
		STR("output", output, "Where runs are kept (runs)", "DIR"),
		STR("history", history, "Where each run is kept and compared with earlier ones, or none (DIR/history.db)", "FILE"),
		{ "across", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.across, "Compare with runs that differ in this, as in --across module_params", "KEY" },
		FLAG("json", json, "Print the whole report as JSON on stdout"),
		{ "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress on stderr", NULL },
		STR("log-format", log_format, "Progress and events on stderr as text, or as JSON lines (text)", "text|json"),
		FLAG("log-journald", log_journald, "The same to journald, too"),
		STR("config", config_file, "Settings from a YAML file", "FILE"),
		{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.set, "One setting, as in the file", "KEY=VALUE" },
		{ "arg", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.args, "One argument of a scenario that takes some", "KEY=VALUE" },
		STR("budget", budget, "Time for the whole run, as in 15m: used up, it ends in order, and tells what it has not done", "TIME"),
		STR("steps", steps, "Only these steps of the scenario, by name", "NAME,..."),
		STR("until", until, "End with the first finding whose title matches this regular expression", "REGEX"),
		{ "seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "Of all that is done by chance: the same does the same (drawn, and told)", "N" },
		INT("memory", memory, "Guest memory, MiB", "N"),
		INT("vcpus", vcpus, "Guest CPUs", "N"),
		STR("kernel", kernel, "Guest kernel, of `vexlab guest list`", "RELEASE"),
		STR("snapshot", snapshot, "Start from it, of `vexlab snapshot list`, instead of a booted guest", "NAME"),
		FLAG("cold", cold, "Boot anew; keep and use no ready state"),
		FLAG("tcg", tcg, "No hardware acceleration, do not even try"),
		FLAG("icount", icount, "The guest's clock counts instructions: figures that this machine's load does not move (emulation, one CPU at a time)"),
		STR("connect", uri, "libvirt URI (an embedded QEMU driver)", "URI"),
		STR("ssh", ssh, "Use this guest instead of a VM of our own", "USER@HOST:PORT"),
		STR("ssh-key", ssh_key, "Private key for it (the ssh-agent's)", "FILE"),
		STR("ssh-known-hosts", ssh_known_hosts, "File that pins its host key", "FILE"),
		STR("device", device, "Block device there that may be overwritten", "/dev/X"),
		STR("handlers", handlers, "Programs to call when the guest is lost or hurt, named by finding class", "DIR"),
		STR("control", control, "Reference for the control run when something was found, or none (ext4)", "NAME"),
		STR("noise", noise, "Crashes that are known and not to count: a pattern a line", "FILE"),
		STR("cache", cache, "Where guest images and builds are kept", "DIR"),
		STR("agent", agent, "Another agent binary", "FILE"),
		FLAG("dump", dump, "Keep the guest's memory at the first crash or hang (for drgn, crash)"),
		FLAG("force", force, "Accepted for scripts: a run never asks"),
		FLAG("list", list, "List targets, scenarios and settings"),
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	struct progress progress = { 0 };
	int code;

	g_option_context_set_summary(context, "Boots a guest, drives a filesystem through a scenario, judges it.");
	g_option_context_set_description(context,
		"Exit codes: 0 passed, 1 test failures, 2 stability, 3 performance, 4 critical;\n"
		"64 usage, 69 something is missing or does not build, 70 internal, 74 I/O, 78 configuration.\n");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fprintf(stderr, "vexlab run: %s; `vexlab run --help` lists the options\n",
			error ? error->message : "it takes options only");
		options_clear(&o);
		return EX_USAGE;
	}
	defaults(&o);
	code = o.list ? list_all() : run(&o, &progress);
	cmd_log_interrupt(NULL);
	log_free(progress.log);
	options_clear(&o);
	return code;
}
