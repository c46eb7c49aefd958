/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration of a run: defaults, then a YAML file (--config), then
 * `--set key=value`, each checked against one table of ranges.
 */
#ifndef VEXLAB_CONFIG_H
#define VEXLAB_CONFIG_H

#include <glib.h>

#define CONFIG_OPS_MAX	32u

/* Thresholds of one operation: "mount", "umount", or a step by its name or kind. ms; 0: none. */
struct config_op {
	char name[64];
	unsigned int max_ms, p50_ms, p90_ms, p99_ms;
};

/* All fields have a value; the table in config.c has defaults and ranges. */
struct config {
	/* vm.* */
	unsigned int memory_mib;
	unsigned int vcpus;
	gboolean acceleration;		/* use KVM where it works */
	/* watch.* */
	unsigned int watchdog_s;	/* no step may take longer, whatever its own deadline */
	unsigned int heartbeat_s;	/* silence of the agent after which the guest is lost */
	unsigned int performance_interval_ms; /* 0: no samples */
	unsigned int monitor_interval_ms; /* the same of the host's */
	unsigned int step_deadline_ms;
	unsigned int boot_deadline_s;	/* power-on to the agent's greeting */
	unsigned int build_deadline_s;	/* for building the module under test */
	/* recovery.* */
	gboolean auto_recovery;
	unsigned int recovery_attempts;
	/* record.* */
	unsigned int events_kept;	/* in the reports; the record keeps all */
	/* thresholds.* */
	unsigned int operation_ms;
	unsigned int memory_kb;
	unsigned int cpu_percent;
	unsigned int io_per_second;
	unsigned int lasting_s;		/* so long memory, CPU or I/O must be above theirs */
	unsigned int nops;
	struct config_op ops[CONFIG_OPS_MAX];
	/* alerts.*: NULL or "": none */
	char *alert_command, *alert_webhook;
	/* history.* */
	unsigned int baseline_min, baseline_most;	/* comparable runs that a run is compared with */
	unsigned int effect_percent;	/* what is slower by less is not told */
	unsigned int retry;		/* times that a finding which is new is tried again */
	/* scenario.* */
	unsigned int cycles;
	unsigned int warmup;
	unsigned int rounds;		/* of a leak hunt: loads and unloads */
	unsigned int budget_ms;		/* of the whole run; 0: none */
};

void config_init(struct config *config);
/* Frees its words; NULL-safe fields, may be called twice. */
void config_clear(struct config *config);
#define CONFIG_CLEAR __attribute__((cleanup(config_clear)))

/*
 * On failure `config` is as it was. VX_ERROR_CONFIG with file, line and allowed range;
 * VX_ERROR_UNAVAILABLE when the file is not there.
 */
gboolean config_load(struct config *config, const char *path, GError **error);

/*
 * One "key=value" of the command line, as "vm.memory_mib=2048"; the key without its group
 * serves where it is unique. VX_ERROR_USAGE.
 */
gboolean config_set(struct config *config, const char *assignment, GError **error);

/* What the machine can give; 0: unknown, no limit. */
struct config_machine {
	unsigned int cpus;
	unsigned int memory_mib;	/* available, not total */
};
void config_machine_probe(struct config_machine *ret);

/*
 * Reduces vcpus and memory to what the machine has. NULL when nothing was reduced, else one
 * line that says so. Caller frees.
 */
char *config_clamp_to_machine(struct config *config, const struct config_machine *machine);

/* Every key with its value, what it allows and what it is, one a line, for `--help` and the like. Caller frees. */
char *config_describe(const struct config *config);

/*
 * All of them as "key=value", what config_set() takes, but for alerts.*: a record is shown around, and the address of a
 * webhook may be a secret. Caller frees (g_strfreev).
 */
char **config_settings(const struct config *config);

#endif
