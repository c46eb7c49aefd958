// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "error.h"
#include "fsutil.h"
#include "report.h"
#include "snapshot.h"
#include "tidy.h"

struct options {
	char *target, *point, *scenario, *source, *cache, *agent, *kernel;
	char **set, **rest;
	int memory, vcpus;
	gboolean json, quiet, tcg, cold;
};

static void say(void *ctx, const char *text)
{
	const struct options *o = ctx;
	g_autofree char *safe = report_printable(text);

	if (!o->quiet)
		fprintf(stderr, "  %s\n", safe);
}

static void tick(void *ctx, const char *text, unsigned int done, unsigned int all)
{
	say(ctx, text);
}

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static char *age(gint64 made)
{
	gint64 s = g_get_real_time() / G_USEC_PER_SEC - made;

	if (made <= 0 || s < 0)
		return g_strdup("?");
	if (s < 120)
		return g_strdup_printf("%d s", (int)s);
	if (s < 7200)
		return g_strdup_printf("%d min", (int)(s / 60));
	return s < 172800 ? g_strdup_printf("%d h", (int)(s / 3600)) : g_strdup_printf("%d d", (int)(s / 86400));
}

static json_t *one_json(const struct snapshot *s)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:b, s:s?, s:s}", "name", s->name, "target", s->target,
			 "point", snapshot_point_name(s->point), "fstype", s->fstype, "kernel", s->release, "made",
			 (json_int_t)s->made, "bytes", (json_int_t)s->bytes, "memory_mib", (int)s->memory_mib, "vcpus",
			 (int)s->vcpus, "valid", !s->stale, "why", s->stale, "step", s->step);
}

static void print_one(const struct snapshot *s)
{
	g_autofree char *old = age(s->made), *target = report_printable(s->target);
	g_autofree char *at = report_printable(*s->step ? s->step : snapshot_point_name(s->point));
	g_autofree char *why = report_printable(s->stale ? s->stale : "valid");

	printf("%-20s %-10s %-10s %8.1f MiB %8s  %s%s\n", s->name, target, at,
	       (double)s->bytes / (1 << 20), old, s->stale ? "stale: " : "", why);
}

static int list(const struct run_request *req, struct rundir *rundir, const struct options *o)
{
	g_autoptr(GPtrArray) all = snapshot_list(req, rundir);
	json_t *json = json_array();
	guint i;

	for (i = 0; i < all->len; i++) {
		if (o->json)
			json_array_append_new(json, one_json(all->pdata[i]));
		else
			print_one(all->pdata[i]);
	}
	if (o->json)
		print_json(json);
	else
		json_decref(json);
	if (!o->json && !all->len)
		printf("no snapshots in %s yet: run `vexlab snapshot create NAME`\n", req->cachedir);
	return 0;
}

static int create(struct run_request *req, struct rundir *rundir, const struct options *o)
{
	g_autofree char *targets = cmd_lib_path("targets"), *scenarios = cmd_lib_path("scenarios");
	const char *const dirs[] = { targets, NULL };
	VX_GUARD(target_free) struct target *target = NULL;
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	double s;

	target = target_load(o->target, dirs, &error);
	if (!target)
		return cmd_fail("snapshot create", error);
	req->target = target;
	req->scenario = o->scenario;
	req->scenario_dir = scenarios;
	if (!snapshot_create(req, rundir, o->rest[1], o->point, &error))
		return cmd_fail("snapshot create", error);
	s = (double)(g_get_monotonic_time() - began) / 1e6;
	if (o->json)
		print_json(json_pack("{s:s, s:s, s:s, s:f}", "name", o->rest[1], "target", target->name, "point", o->point,
				     "seconds", s));
	else
		printf("%s: %s, %s, made in %.1f s\n", o->rest[1], target->name, o->point, s);
	return 0;
}

static int try_each(const struct run_request *req, struct rundir *rundir, const struct options *o,
		    gboolean thorough)
{
	const char *command = thorough ? "snapshot verify" : "snapshot restore";
	json_t *json = json_array();
	int code = 0;
	guint i;

	for (i = 1; o->rest[i]; i++) {
		struct snapshot_trial t = { 0 };
		g_autoptr(GError) error = NULL;
		gboolean ok = snapshot_try(req, rundir, o->rest[i], thorough, &t, &error);

		if (!ok)
			code = cmd_fail(command, error);
		else if (!o->json)
			printf("%s: good; checked in %.0f ms, the guest answered after %.0f ms, its clock is %.0f ms off\n",
			       o->rest[i], t.check_ms, t.ready_ms, t.clock_off_ms);
		json_array_append_new(json, json_pack("{s:s, s:b, s:f, s:f, s:f, s:s?}", "name", o->rest[i], "good", ok,
						      "check_ms", t.check_ms, "ready_ms", t.ready_ms, "clock_off_ms", t.clock_off_ms, "why",
						      error ? error->message : NULL));
	}
	if (o->json)
		print_json(json);
	else
		json_decref(json);
	return code;
}

static int rm(const struct run_request *req, const struct options *o)
{
	g_autoptr(GError) error = NULL;
	guint i;

	for (i = 1; o->rest[i]; i++)
		if (!snapshot_remove(req->cachedir, o->rest[i], &error))
			return cmd_fail("snapshot rm", error);
	return 0;
}

static gboolean make_config(const struct options *o, struct config *config, GError **error)
{
	struct config_machine machine;
	guint i;

	config_init(config);
	for (i = 0; o->set && o->set[i]; i++)
		if (!config_set(config, o->set[i], error))
			return FALSE;
	if (o->memory >= 0) {
		g_autofree char *text = g_strdup_printf("vm.memory_mib=%d", o->memory);

		if (!config_set(config, text, error))
			return FALSE;
	}
	if (o->vcpus >= 0) {
		g_autofree char *text = g_strdup_printf("vm.vcpus=%d", o->vcpus);

		if (!config_set(config, text, error))
			return FALSE;
	}
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(config, &machine));
	return TRUE;
}

/* What is asked for is known to be well asked. */
static int dispatch(struct run_request *req, const struct options *o)
{
	const char *verb = o->rest[0];
	g_autoptr(GError) error = NULL;
	struct rundir *rundir = NULL;
	int code;

	if (!strcmp(verb, "rm"))
		return rm(req, o);
	cmd_guard(req->cachedir);
	if (!tidy_all(req->cachedir, NULL, NULL, &error) || !(rundir = rundir_create(NULL, &error)))
		return cmd_fail("snapshot", error);
	if (!strcmp(verb, "list"))
		code = list(req, rundir, o);
	else if (!strcmp(verb, "create"))
		code = create(req, rundir, o);
	else
		code = try_each(req, rundir, o, !strcmp(verb, "verify"));
	rundir_destroy(rundir);
	return code;
}

static int act(const struct options *o)
{
	static const char *const verbs[] = { "list", "create", "restore", "verify", "rm", NULL };
	const char *verb = o->rest ? o->rest[0] : "";
	g_autofree char *probe = cmd_lib_path("kmod-probe");
	g_autoptr(GError) error = NULL;
	CONFIG_CLEAR struct config config = { 0 };
	struct run_request req = {
		.config = &config, .source = o->source, .cachedir = o->cache, .agent = o->agent,
		.kernel_release = o->kernel, .probe_source = probe, .box = VM_BOX_SHMEM, .force_tcg = o->tcg, .cold = o->cold,
		.progress = { say, tick, (void *)o }, .cancellable = cmd_cancellable(),
	};

	if (!g_strv_contains(verbs, verb)) {
		fprintf(stderr, "vexlab snapshot: say what to do: list, create, restore, verify or rm\n");
		return EX_USAGE;
	}
	if (strcmp(verb, "list") && (!o->rest[1] || (!strcmp(verb, "create") && o->rest[2]))) {
		fprintf(stderr, "vexlab snapshot %s: name the snapshot; `vexlab snapshot list` shows them\n", verb);
		return EX_USAGE;
	}
	return make_config(o, &config, &error) ? dispatch(&req, o) : cmd_fail("snapshot", error);
}

#define STR(name, field, help, arg) { name, 0, 0, G_OPTION_ARG_STRING, &o.field, help, arg }
#define FLAG(name, field, help) { name, 0, 0, G_OPTION_ARG_NONE, &o.field, help, NULL }

static void options_clear(struct options *o)
{
	g_free(o->target);
	g_free(o->point);
	g_free(o->scenario);
	g_free(o->source);
	g_free(o->cache);
	g_free(o->agent);
	g_free(o->kernel);
	g_strfreev(o->set);
	g_strfreev(o->rest);
}

int cmd_snapshot(int argc, char **argv)
{
	struct options o = { .memory = -1, .vcpus = -1 };
	const GOptionEntry entries[] = {
		STR("target", target, "create: filesystem under test, a name or a YAML file (ext4)", "NAME"),
		STR("at", point, "create: booted, loaded, formatted, mounted, or after a step by name (mounted)", "POINT"),
		STR("scenario", scenario, "create: whose steps --at names (mount-cycles)", "NAME"),
		STR("source", source, "create: source folder of a target that is built", "DIR"),
		{ "memory", 0, 0, G_OPTION_ARG_INT, &o.memory, "create: guest memory, MiB", "N" },
		{ "vcpus", 0, 0, G_OPTION_ARG_INT, &o.vcpus, "create: guest CPUs", "N" },
		{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.set, "One setting, as for run", "KEY=VALUE" },
		STR("kernel", kernel, "create: guest kernel, of `vexlab guest list`", "RELEASE"),
		FLAG("cold", cold, "create: boot anew"),
		FLAG("tcg", tcg, "No hardware acceleration, do not even try"),
		FLAG("json", json, "Machine-readable"),
		{ "quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress on stderr", NULL },
		STR("cache", cache, "Where guest images and snapshots are kept", "DIR"),
		STR("agent", agent, "Another agent binary", "FILE"),
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.rest, NULL, NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("list | create NAME | restore NAME... | "
								 "verify NAME... | rm NAME...");
	g_autoptr(GError) error = NULL;
	int code;

	g_option_context_set_summary(context, "Guests kept at a point of a target's set-up, to start from again.");
	g_option_context_set_description(context, "restore starts the guest, sees that it answers and is as it was, and "
					 "ends it; verify\nreads every byte and checks the disk first.\n");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "vexlab snapshot: %s\n", error->message);
		options_clear(&o);
		return EX_USAGE;
	}
	o.target = o.target ? o.target : g_strdup("ext4");
	o.point = o.point ? o.point : g_strdup("mounted");
	o.scenario = o.scenario ? o.scenario : g_strdup("mount-cycles");
	o.cache = o.cache ? o.cache : fs_default_cachedir();
	o.agent = o.agent ? o.agent : cmd_lib_path("vexlab-agent");
	code = act(&o);
	options_clear(&o);
	return code;
}
