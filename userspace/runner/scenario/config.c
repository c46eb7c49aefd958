// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_ops.h"
#include "error.h"
#include "yamlfile.h"

static const struct config defaults = {
	.memory_mib = 4096,
	.vcpus = 4,
	.acceleration = TRUE,
	.watchdog_s = 300,
	.heartbeat_s = 30,
	.performance_interval_ms = 500,
	.monitor_interval_ms = 1000,
	.step_deadline_ms = 60000,
	.boot_deadline_s = 60,
	.build_deadline_s = 1800,
	.auto_recovery = TRUE,
	.recovery_attempts = 5,
	.events_kept = 10000,
	.operation_ms = 30000,
	.memory_kb = 3145728,
	.cpu_percent = 95,
	.io_per_second = 50000,
	.lasting_s = 30,
	.baseline_min = 5,
	.baseline_most = 20,
	.effect_percent = 10,
	.cycles = 100,
	.warmup = 5,
	.rounds = 2,
};

#define UINT(key_, member, min_, max_, unit_, help_)					\
	{ .key = key_, .kind = YAML_UINT, .offset = offsetof(struct config, member),	\
	  .min = min_, .max = max_, .unit = unit_, .help = help_ }
#define BOOL(key_, member, help_)							\
	{ .key = key_, .kind = YAML_BOOL, .offset = offsetof(struct config, member), .help = help_ }
#define GROUP(key_, fields_) { .key = key_, .kind = YAML_MAPPING, .fields = fields_ }

#define THRESHOLDS	"thresholds"
#define ALERTS		"alerts"

#define DAY_S	86400u
#define DAY_MS	(DAY_S * 1000u)

static const struct yaml_field vm_fields[] = {
	UINT("memory_mib", memory_mib, 256, 1u << 20, "MiB", "memory of the guest"),
	UINT("vcpus", vcpus, 1, 255, NULL, "CPUs of the guest"),
	BOOL("acceleration", acceleration, "use hardware virtualisation where it works"),
	{ 0 },
};

static const struct yaml_field watch_fields[] = {
	UINT("watchdog_s", watchdog_s, 1, DAY_S, "s", "a step that takes longer is given up, whatever its own deadline"),
	UINT("heartbeat_s", heartbeat_s, 1, 3600, "s", "silence of the agent, which beats once a second, after which the guest is lost"),
	UINT("performance_interval_ms", performance_interval_ms, 0, 3600000, "ms", "between samples of the guest, 10 at the least; 0: none"),
	UINT("monitor_interval_ms", monitor_interval_ms, 0, 3600000, "ms", "between samples of QEMU and the host, 10 at the least; 0: none"),
	UINT("step_deadline_ms", step_deadline_ms, 10, DAY_MS, "ms", "for one step in the guest"),
	UINT("boot_deadline_s", boot_deadline_s, 1, DAY_S, "s", "from power-on to the agent's greeting"),
	UINT("build_deadline_s", build_deadline_s, 1, DAY_S, "s", "for building the module under test"),
	{ 0 },
};

static const struct yaml_field recovery_fields[] = {
	BOOL("auto", auto_recovery, "go on after the guest was lost"),
	UINT("attempts", recovery_attempts, 0, 1000, NULL, "recoveries of one run"),
	{ 0 },
};

static const struct yaml_field record_fields[] = {
	UINT("events_kept", events_kept, 1, 10000000, NULL, "events in the reports (the record keeps all)"),
	{ 0 },
};

static const struct yaml_field threshold_fields[] = {
	UINT("operation_ms", operation_ms, 1, DAY_MS, "ms", "a slower operation is a finding"),
	UINT("memory_kb", memory_kb, 1024, G_MAXUINT, "kB", "memory in use in the guest, for long"),
	UINT("cpu_percent", cpu_percent, 1, 100, "%", "of all CPUs of the guest in use, for long"),
	UINT("io_per_second", io_per_second, 1, 1000000000, "a second", "requests to one device, for long"),
	UINT("lasting_s", lasting_s, 0, DAY_S, "s", "how long that is; 0: one sample"),
	{ 0 },
};

static const struct yaml_field alert_fields[] = {
	{ .key = "command", .kind = YAML_STRING, .offset = offsetof(struct config, alert_command),
	  .help = "program that is run for each alert" },
	{ .key = "webhook", .kind = YAML_STRING, .offset = offsetof(struct config, alert_webhook), .pattern = "(https?://.+)?",
	  .pattern_said = "an address that begins with http:// or https://", .help = "address that each alert is posted to" },
	{ 0 },
};

static const struct yaml_field history_fields[] = {
	UINT("baseline_min", baseline_min, 3, 1000, NULL, "comparable runs without which a run is not compared"),
	UINT("baseline_most", baseline_most, 3, 1000, NULL, "of them that it is compared with, the latest"),
	UINT("effect_percent", effect_percent, 1, 10000, "%", "slower by less is not told"),
	UINT("retry", retry, 0, 100, NULL, "times that a finding seen for the first time is tried again"),
	{ 0 },
};

static const struct yaml_field scenario_fields[] = {
	UINT("cycles", cycles, 1, 10000000, NULL, "mount cycles measured"),
	UINT("warmup", warmup, 0, 100000, NULL, "mount cycles before them, not measured"),
	UINT("rounds", rounds, 1, 1000, NULL, "of a leak hunt: loads and unloads"),
	{ .key = "budget", .kind = YAML_TIME, .offset = offsetof(struct config, budget_ms), .max = DAY_MS,
	  .help = "time for the whole run, which ends in order when it is used up; 0s: none" },
	{ 0 },
};

static const struct yaml_field config_fields[] = {
	GROUP("vm", vm_fields),
	GROUP("watch", watch_fields),
	GROUP("recovery", recovery_fields),
	GROUP("record", record_fields),
	GROUP(THRESHOLDS, threshold_fields),
	GROUP(ALERTS, alert_fields),
	GROUP("history", history_fields),
	GROUP("scenario", scenario_fields),
	{ 0 },
};

void config_init(struct config *config)
{
	*config = defaults;
}

void config_clear(struct config *config)
{
	yaml_clear(config_fields, config);
}

/* All by the table, but for what users name themselves. */
static gboolean read_file(const struct yamlfile *yf, struct config *config, GError **error)
{
	static const char *const skip[] = { THRESHOLDS, NULL }, *const skip_ops[] = { CONFIG_OPS, NULL };
	struct yaml_place thresholds, ops;

	if (!yaml_read_at(yaml_top(yf), "", config_fields, skip, config, error))
		return FALSE;
	if (!yaml_find(yaml_top(yf), THRESHOLDS, &thresholds))
		return TRUE;
	return yaml_read_at(thresholds, THRESHOLDS, threshold_fields, skip_ops, config, error) &&
	       (!yaml_find(thresholds, CONFIG_OPS, &ops) || config_ops_read(config, ops, error));
}

gboolean config_load(struct config *config, const char *path, GError **error)
{
	VX_GUARD(yamlfile_close) struct yamlfile *yf = yamlfile_open(path, error);
	struct config copy = *config;

	copy.alert_command = g_strdup(config->alert_command);
	copy.alert_webhook = g_strdup(config->alert_webhook);
	if (!yf || !read_file(yf, &copy, error)) {
		config_clear(&copy);
		return FALSE;
	}
	config_clear(config);
	*config = copy;
	return TRUE;
}

struct lookup {
	const char *key;	/* without its group */
	char *found;		/* with it */
	unsigned int matches;
};

static void match_short_key(void *ctx, const char *key, const struct yaml_field *field)
{
	struct lookup *lookup = ctx;

	if (strcmp(field->key, lookup->key))
		return;
	if (!lookup->matches++)
		lookup->found = g_strdup(key);
}

gboolean config_set(struct config *config, const char *assignment, GError **error)
{
	const char *equals = strchr(assignment, '=');
	g_autofree char *key = NULL;
	struct lookup lookup = { 0 };
	gboolean ok;

	if (!equals || equals == assignment) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE,
			    "--set takes key=value, as in --set vm.memory_mib=2048, not \"%.60s\"", assignment);
		return FALSE;
	}
	key = g_strndup(assignment, equals - assignment);
	if (config_ops_is_key(key))
		return config_ops_set(config, key, equals + 1, error);
	lookup.key = key;
	yaml_foreach(config_fields, match_short_key, &lookup);
	ok = yaml_set(config_fields, config, "--set", lookup.matches == 1 ? lookup.found : key, equals + 1, error);
	g_free(lookup.found);
	return ok;
}

void config_machine_probe(struct config_machine *ret)
{
	g_autofree char *text = NULL;
	unsigned long kib = 0;
	const char *line;

	ret->cpus = g_get_num_processors();
	ret->memory_mib = 0;
	if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
		return;
	line = strstr(text, "MemAvailable:");
	if (line && sscanf(line, "MemAvailable: %lu", &kib) == 1)
		ret->memory_mib = (unsigned int)MIN(kib / 1024, G_MAXUINT);
}

char *config_clamp_to_machine(struct config *config, const struct config_machine *machine)
{
	/* A guest that takes all that is free sends the host swapping; QEMU wants some too. */
	unsigned int spare = machine->memory_mib - machine->memory_mib / 4;
	unsigned int vcpus = config->vcpus, memory = config->memory_mib;

	if (machine->cpus && vcpus > machine->cpus)
		vcpus = machine->cpus;
	if (machine->memory_mib && memory > spare)
		memory = MAX(spare, (unsigned int)vm_fields[0].min);
	if (vcpus == config->vcpus && memory == config->memory_mib)
		return NULL;
	config->vcpus = MIN(vcpus, config->vcpus);
	config->memory_mib = MIN(memory, config->memory_mib);
	return g_strdup_printf("the guest gets %u CPU%s and %u MiB: this machine has %u and %u MiB available",
			       config->vcpus, config->vcpus == 1 ? "" : "s", config->memory_mib, machine->cpus,
			       machine->memory_mib);
}

struct listing {
	const struct config *config;
	GString *text;
};

static void list_field(void *ctx, const char *key, const struct yaml_field *field)
{
	struct listing *listing = ctx;
	g_autofree char *value = yaml_value(field, listing->config);
	g_autofree char *allowed = yaml_field_allowed(field);
	g_autofree char *assignment = g_strdup_printf("%s=%s", key, value);

	g_string_append_printf(listing->text, "  %-40s %s (%s)\n", assignment, field->help, allowed);
}

char *config_describe(const struct config *config)
{
	struct listing listing = { .config = config, .text = g_string_new(NULL) };

	yaml_foreach(config_fields, list_field, &listing);
	return g_string_free(listing.text, FALSE);
}

struct settings {
	const struct config *config;
	GPtrArray *list;
};

static void add_setting(void *ctx, const char *key, const struct yaml_field *field)
{
	struct settings *to = ctx;
	g_autofree char *value = yaml_value(field, to->config);

	if (!g_str_has_prefix(key, ALERTS "."))
		g_ptr_array_add(to->list, g_strdup_printf("%s=%s", key, value));
}

char **config_settings(const struct config *config)
{
	struct settings to = { config, g_ptr_array_new() };

	yaml_foreach(config_fields, add_setting, &to);
	config_ops_list(config, to.list);
	g_ptr_array_add(to.list, NULL);
	return (char **)g_ptr_array_free(to.list, FALSE);
}
